package aws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/cloud/aws"
	"github.com/brevet-access/brevet/cloud/aws/mototest"
)

// moto asks moto as an administrator does.
func moto(t *testing.T, url, service, target string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260901/eu-west-1/"+service+"/aws4_request, SignedHeaders=host, Signature=00")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(out); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v", target, res.StatusCode, err)
	}
}

// TestCenterMoto: the calls are those that others understand, too.
func TestCenterMoto(t *testing.T) {
	url := mototest.Start(t, "IAM Identity Center was tried with our own alone")
	var instances struct {
		Instances []struct{ InstanceArn, IdentityStoreId string }
	}
	moto(t, url, "sso", "SWBExternalService.ListInstances", struct{}{}, &instances)
	at := instances.Instances[0]
	var set struct {
		PermissionSet struct{ PermissionSetArn string }
	}
	moto(t, url, "sso", "SWBExternalService.CreatePermissionSet", map[string]string{"InstanceArn": at.InstanceArn, "Name": "SRE"}, &set)
	var group struct{ GroupId string }
	moto(t, url, "identitystore", "AWSIdentityStore.CreateGroup", map[string]string{"IdentityStoreId": at.IdentityStoreId, "DisplayName": "prod-data"}, &group)
	var user struct{ UserId string }
	moto(t, url, "identitystore", "AWSIdentityStore.CreateUser", map[string]any{"IdentityStoreId": at.IdentityStoreId, "UserName": "engineer",
		"DisplayName": "engineer", "Name": map[string]string{"GivenName": "E", "FamilyName": "E"}}, &user)

	c := aws.New(aws.Config{API: func(string, string, string) string { return url }, Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Credentials: func(context.Context) (brevet.Credential, error) { return own(1), nil }}).Center()
	a := centerAccount()
	a.Center = &brevet.IdentityCenter{Region: "eu-west-1", Instance: at.InstanceArn, Store: at.IdentityStoreId, ByName: true,
		Sets: map[brevet.RoleName]brevet.Entrance{"SRE": {Set: set.PermissionSet.PermissionSetArn}, "Data": {Group: group.GroupId}}}
	for _, role := range []brevet.RoleName{"SRE", "Data"} {
		for range 2 { // the second finds them in
			if err := enter(t.Context(), c, a, role, 1); err != nil {
				t.Fatalf("%s: %v", role, err)
			}
		}
	}
	there, err := c.Present(t.Context(), a)
	roles := map[brevet.RoleName]bool{}
	for _, in := range there {
		roles[in.Role] = in.Principal == user.UserId && !in.Group
	}
	if err != nil || !roles["SRE"] || !roles["Data"] {
		t.Fatalf("%v, %v", there, err)
	}
	for _, role := range []brevet.RoleName{"SRE", "Data", "SRE"} {
		if err := c.Dismiss(t.Context(), a, role, brevet.Assignment{Principal: user.UserId}); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
	if there, err := c.Present(t.Context(), a); err != nil || len(there) != 0 {
		t.Errorf("left: %v, %v", there, err)
	}
}
