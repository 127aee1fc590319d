package main

import (
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet/keychain"
)

// shadows lists the variables that AWS tools would prefer, or mix with what
// is set here (https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html).
var shadows = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CREDENTIAL_EXPIRATION", "AWS_SESSION_EXPIRATION",
	"AWS_ACCOUNT_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	"BREVET_TARGET", "BREVET_GRANT",
}

// endpointMark names the endpoint that brevet set, so that a brevet below it
// takes it away again, and never one that somebody else set.
const endpointMark = "BREVET_ENDPOINT"

// change is what happens to an environment: first unset, then set.
type change struct {
	unset []string
	set   [][2]string
}

// environment returns the change to env that makes AWS tools use k.
func environment(k keychain.Credential, env []string) change {
	c := change{unset: slices.Clone(shadows)}
	set := func(name, value string) {
		if value != "" {
			c.set = append(c.set, [2]string{name, value})
		}
	}
	set("AWS_ACCESS_KEY_ID", k.AccessKeyID)
	set("AWS_SECRET_ACCESS_KEY", k.SecretAccessKey)
	set("AWS_SESSION_TOKEN", k.SessionToken)
	set("AWS_CREDENTIAL_EXPIRATION", k.Expires.UTC().Format(time.RFC3339))
	set("AWS_REGION", k.Region)
	set("AWS_DEFAULT_REGION", k.Region)
	set("BREVET_TARGET", k.Target)
	set("BREVET_GRANT", k.Grant)
	c.unset = append(c.unset, endpoints(k.Endpoint, env)...)
	set("AWS_ENDPOINT_URL", k.Endpoint)
	set(endpointMark, k.Endpoint)
	return c
}

// endpoints lists what must go from env so that tools talk to the given
// endpoint: with one of its own, every other; with AWS's, only one that
// brevet set.
func endpoints(endpoint string, env []string) []string {
	if endpoint == "" {
		return marked(env)
	}
	out := []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}
	for _, kv := range env {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_ENDPOINT_URL_") {
			out = append(out, name)
		}
	}
	return out
}

// marked lists the variables of an endpoint that brevet set.
func marked(env []string) []string {
	mark := value(env, endpointMark)
	switch {
	case mark == "":
		return nil
	case value(env, "AWS_ENDPOINT_URL") != mark: // somebody changed it since
		return []string{endpointMark}
	}
	return []string{endpointMark, "AWS_ENDPOINT_URL"}
}

func value(env []string, name string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// undo returns the change that takes back from env what environment set.
func undo(env []string) change {
	out := append(slices.Clone(shadows), "AWS_REGION", "AWS_DEFAULT_REGION")
	return change{unset: append(out, marked(env)...)}
}

// apply returns env with the change made.
func (c change) apply(env []string) []string {
	gone := slices.Clone(c.unset)
	for _, kv := range c.set {
		gone = append(gone, kv[0])
	}
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(gone, name)
	})
	for _, kv := range c.set {
		env = append(env, kv[0]+"="+kv[1])
	}
	return env
}
