// Package sandbox is a whole world on loopback: a simulated AWS and a
// simulated identity provider, good enough that unmodified clients cannot
// tell, and honest enough that every page says what it is.
//
// # The simulated AWS
//
// [AWS] holds the accounts of a catalog. Each holds what stacks made in it, and
// nothing else decides: brevetd dev deploys the generated templates through
// the same simulated CloudFormation that answers the customer's own calls, so
// a stack can be deployed by hand, frozen and deleted. It believes nothing: an
// identity token is checked against the keys of the customer's issuer, if the
// account has registered it, roles are judged by the policies that stand in
// the deployed templates (trust, permissions, boundary), evaluated by package
// iam, and every later call must be signed (Signature Version 4, checked by
// hand in sigv4.go). So a session whose grant has ended is refused here as it
// is by AWS.
//
// Every call becomes an event of CloudTrail. While a trail logs (each account
// has its organization's to begin with), the deployed rules hand events to
// the deployed log group, count them for alarms, and mail whoever confirmed a
// subscription: the mailbox is a page at /mailbox. What was logged, mailed and
// traced does not outlive the process; stacks do.
//
// Each account has an owner (see [AWS.Owner]), the customer's own
// administrator, whose access key dev.json names.
//
// It keeps no credentials of sessions. A session token is a sealed blob that says
// everything about its session, the secret key included; hence sessions
// survive a restart of the sandbox.
//
// One address stands for every service and region: which one is meant follows
// from the scope of the signature. STS, CloudFormation, and the calls of IAM,
// CloudTrail, Events, Logs, CloudWatch, SNS, SSM, Lambda, S3 and IAM Identity
// Center that stacks, brevet and newcomers need, are answered; anything else is refused in the
// form that the service's clients understand, by an error that says so. The
// only function that runs is the stacks' revoker, or rather what it does.
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
