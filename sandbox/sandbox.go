// Package sandbox is a whole world on loopback: a simulated AWS and a
// simulated identity provider, good enough that unmodified clients cannot
// tell, and honest enough that every page says what it is.
//
// # The simulated AWS
//
// [AWS] holds the accounts of a catalog, as if each customer had deployed its
// stack there. It believes nothing: an identity token is checked against the
// keys of the customer's issuer, the role's trust policy is the very document
// that package stack writes and is evaluated by package iam, every later call
// must be signed (Signature Version 4, checked by hand in sigv4.go), and is
// authorised against the role's permissions and the session policy. So a
// session whose grant has ended is refused here as it is by AWS.
//
// It keeps no credentials. A session token is a sealed blob that says
// everything about its session, the secret key included; hence sessions
// survive a restart of the sandbox.
//
// One address stands for every service and region: which one is meant follows
// from the scope of the signature. STS, and the few read-only calls of IAM,
// S3, CloudTrail, CloudFormation, SNS, Logs and Events that brevet and
// newcomers need, are answered; anything else is refused in the form that
// the service's clients understand, by an error that says so.
//
// # The simulated identity provider
//
// [IDP] is an OpenID provider with passwords and one-time codes. Its sign-in
// is plain forms that work without scripts, so that curl can use it. It states
// auth_time, amr and acr, and gives groups that a test may change under it.
//
// Neither must ever be reachable from another machine: callers listen on
// loopback only, and both check the Host header ([CheckHost]), which is what
// keeps a web page that rebinds its DNS name to 127.0.0.1 out.
package sandbox

import (
	"io"
	"net/http"
	"strings"
)

// CheckHost returns a middleware that lets a request pass only if its Host
// header is one of allowed (host:port, compared without regard to case). Any
// other is answered 421 Misdirected Request, RFC 9110 section 15.5.20. With
// nothing allowed nothing passes.
func CheckHost(allowed ...string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, host := range allowed {
				if host != "" && strings.EqualFold(host, r.Host) {
					next.ServeHTTP(w, r)
					return
				}
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.WriteHeader(http.StatusMisdirectedRequest)
			io.WriteString(w, "This is the brevet sandbox; it answers only to the address it was started on.\n")
		})
	}
}
