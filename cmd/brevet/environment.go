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

// regionMark names the region that brevet set, likewise.
const regionMark = "BREVET_REGION"

// regionNames lists the variables of a region, the one that wins first.
var regionNames = []string{"AWS_REGION", "AWS_DEFAULT_REGION"}

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
	c.unset = append(c.unset, regions(env)...)
	if !ownRegion(env) {
		set("AWS_REGION", k.Region)
		set("AWS_DEFAULT_REGION", k.Region)
		set(regionMark, k.Region)
	}
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

// ownRegion reports whether env holds a region that brevet did not set: it
// wins.
func ownRegion(env []string) bool {
	mark := value(env, regionMark)
	return slices.ContainsFunc(regionNames, func(name string) bool {
		v := value(env, name)
		return v != "" && v != mark
	})
}

// regions lists the variables of a region that brevet set.
func regions(env []string) []string {
	mark := value(env, regionMark)
	if mark == "" {
		return nil
	}
	out := []string{regionMark}
	for _, name := range regionNames {
		if value(env, name) == mark {
			out = append(out, name)
		}
	}
	return out
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
	return change{unset: slices.Concat(shadows, regions(env), marked(env))}
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
