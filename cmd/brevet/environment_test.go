package main

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet/keychain"
)

func TestEnvironment(t *testing.T) {
	k := keychain.Credential{Target: "acme-prod/Admin", Grant: "gr_1", AccessKeyID: "ASIA", SecretAccessKey: "s", SessionToken: "t",
		Expires: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Region: "eu-west-1"}
	keys := []string{"AWS_ACCESS_KEY_ID=ASIA", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=t", "AWS_CREDENTIAL_EXPIRATION=2026-11-21T12:00:00Z",
		"AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", "BREVET_REGION=eu-west-1", "BREVET_TARGET=acme-prod/Admin", "BREVET_GRANT=gr_1"}
	regionless := slices.Concat(keys[:4], keys[7:])
	ours := []string{"AWS_ENDPOINT_URL=http://127.0.0.1:1", "BREVET_ENDPOINT=http://127.0.0.1:1"}
	for _, tt := range []struct {
		name     string
		endpoint string
		env      []string
		want     []string
	}{
		{"nothing else is touched", "", []string{"PATH=/bin", "AWS_PAGER=", "AWS_CA_BUNDLE=x"}, slices.Concat([]string{"PATH=/bin", "AWS_PAGER=", "AWS_CA_BUNDLE=x"}, keys)},
		{"what shadows goes", "", []string{"AWS_PROFILE=p", "AWS_SECURITY_TOKEN=x", "AWS_ROLE_ARN=r", "AWS_CONTAINER_AUTHORIZATION_TOKEN=x"}, keys},
		{"somebody's own region stays", "", []string{"AWS_REGION=us-east-1"}, slices.Concat([]string{"AWS_REGION=us-east-1"}, regionless)},
		{"also the one of fewer tools", "", []string{"AWS_DEFAULT_REGION=us-east-1"}, slices.Concat([]string{"AWS_DEFAULT_REGION=us-east-1"}, regionless)},
		{"that of an outer brevet does not", "", []string{"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "BREVET_REGION=us-east-1"}, keys},
		{"a change to that of an outer brevet does", "", []string{"AWS_REGION=us-west-2", "AWS_DEFAULT_REGION=us-east-1", "BREVET_REGION=us-east-1"},
			slices.Concat([]string{"AWS_REGION=us-west-2"}, regionless)},
		{"somebody's own endpoint stays", "", []string{"AWS_ENDPOINT_URL=http://mine", "AWS_ENDPOINT_URL_S3=http://s3"},
			slices.Concat([]string{"AWS_ENDPOINT_URL=http://mine", "AWS_ENDPOINT_URL_S3=http://s3"}, keys)},
		{"that of an outer brevet goes", "", ours, keys},
		{"the sandbox's replaces all", "http://127.0.0.1:1", []string{"AWS_ENDPOINT_URL=http://mine", "AWS_ENDPOINT_URL_S3=http://s3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"},
			slices.Concat(keys, ours)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k.Endpoint = tt.endpoint
			if diff := cmp.Diff(tt.want, environment(k, tt.env).apply(tt.env)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Nothing that environment sets survives undo, and what is somebody's own does.
func TestUndo(t *testing.T) {
	k := keychain.Credential{Target: "a/B", Grant: "gr_1", AccessKeyID: "k", SecretAccessKey: "s", SessionToken: "t", Region: "r", Endpoint: "http://127.0.0.1:1"}
	for _, own := range [][]string{{"PATH=/bin"}, {"PATH=/bin", "AWS_REGION=us-east-1"}} {
		env := environment(k, own).apply(own)
		if diff := cmp.Diff(own, undo(env).apply(env)); diff != "" {
			t.Error(diff)
		}
	}
}
