package aws

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
)

// refusal is how an attempt failed.
type refusal struct {
	code, message string // AWS's own, cleaned; "" where AWS said nothing
	request       string // AWS's id of the request
	doubt         bool   // a session may have been made all the same
	again         bool   // trying again may help
	cause         error
}

// error is what the caller gets to see. doubt is that of all attempts.
func (r *refusal) error(a brevet.Account, doubt bool) error {
	cause := r.cause
	if r.request != "" {
		cause = errors.Join(cause, errors.New("AWS request "+r.request))
	}
	switch {
	case r.code == "":
		return brevet.Errorf(brevet.Unavailable, "AWS STS in %s gave no usable answer", a.Region).
			WithHint("try again").WithCause(cause)
	case doubt:
		return brevet.Errorf(brevet.Unavailable, "AWS could not make the session: %s", r.text()).
			WithHint("try again").WithCause(cause)
	}
	e := brevet.Errorf(brevet.CloudRefused, "AWS said no: %s", r.text()).WithCause(cause)
	if hint := r.hint(a); hint != "" {
		e = e.WithHint("%s", hint)
	}
	return e
}

func (r *refusal) text() string {
	if r.message == "" {
		return r.code
	}
	return r.code + ": " + strings.TrimRight(r.message, ". ")
}

// hint names the next step for what goes wrong between a broker and a stack.
func (r *refusal) hint(a brevet.Account) string {
	if a.Broker != "" {
		if hint := r.brokerHint(a); hint != "" {
			return hint
		}
	}
	switch r.code {
	case "AccessDenied":
		return fmt.Sprintf("the role is missing in %s or does not trust this: compare the deployed stack with the catalog (audience, contract %d)", a.Name, a.Contract)
	case "InvalidIdentityToken":
		if r.unfetched() {
			return "AWS could not fetch the keys of " + a.Issuer + ": it must answer on the internet within 5 s"
		}
		return fmt.Sprintf("account %s does not know the issuer %s, or knows another: deploy its stack", a.Name, a.Issuer)
	case "IDPCommunicationError":
		return "AWS could not reach " + a.Issuer + ": it must answer on the internet within 5 s"
	case "ExpiredTokenException", "IDPRejectedClaim":
		return "compare the server's clock with the time"
	case "RegionDisabledException":
		return fmt.Sprintf("switch STS on for %s in account %s, or give the account another region", a.Region, a.Name)
	case "PackedPolicyTooLarge", "PackedPolicyTooLargeException", "MalformedPolicyDocument", "MalformedPolicyDocumentException":
		return "the session policy that was asked for does not fit"
	case "ValidationError":
		return "the role may last less long in AWS than in the catalog: compare its maximum session duration"
	}
	if r.again {
		return "try again"
	}
	return ""
}

// unfetched reports whether STS could not get the issuer's key set, which it
// says with a code that otherwise is final (aws.md, section 1).
func (r *refusal) unfetched() bool {
	return r.code == "InvalidIdentityToken" && strings.Contains(strings.ToLower(r.message), "retrieve verification key")
}

// throttled are the codes with which AWS asks for patience. Nothing was made.
var throttled = map[string]bool{
	"Throttling": true, "ThrottlingException": true, "ThrottledException": true, "RequestThrottled": true,
	"RequestThrottledException": true, "TooManyRequestsException": true, "RequestLimitExceeded": true,
	"SlowDown": true, "BandwidthLimitExceeded": true, "LimitExceededException": true,
}

// noAnswer is an attempt that ended without an answer. An *url.Error names
// the endpoint and no form.
func noAnswer(err error, token string) *refusal {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &refusal{doubt: true, again: true, cause: errors.New(clean(err.Error(), token))}
}

// noSense is an answer that is not AWS's.
func noSense(status int, err error) *refusal {
	return &refusal{doubt: true, again: true, cause: fmt.Errorf("answer with status %d: %w", status, err)}
}

// parseRefusal reads an answer other than 200.
func parseRefusal(status int, body []byte, token string) *refusal {
	var code, message, request string
	err := pick(body, "ErrorResponse", map[string]*string{
		"/ErrorResponse/Error/Code": &code, "/ErrorResponse/Error/Message": &message, "/ErrorResponse/RequestId": &request})
	if err != nil {
		return noSense(status, err)
	}
	if !errorCode(code) {
		return noSense(status, errors.New("an STS error without a code"))
	}
	r := &refusal{code: code, message: clean(message, token), request: clip(clean(request, token), 64)}
	r.doubt = status < 400 || status >= http.StatusInternalServerError
	r.again = r.doubt || throttled[code] || code == "IDPCommunicationError" || r.unfetched() || status == http.StatusTooManyRequests
	return r
}

// errorCode reports whether s looks like a code of AWS.
func errorCode(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
}

const maxMessage = 500

// clean makes a text of AWS fit to show: one line, printable, short, and
// without any part of the token, should it have been echoed.
func clean(s, token string) string {
	s = scrub(clip(s, 4*maxMessage), token)
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	return clip(brevet.Printable(s), maxMessage)
}

// scrub replaces every piece of 16 bytes or more that s has in common with
// secret.
func scrub(s, secret string) string {
	const least = 16
	var b strings.Builder
	for s != "" {
		n := 0
		for n+least <= len(s) && !strings.Contains(secret, s[n:n+least]) {
			n++
		}
		if n+least > len(s) {
			break
		}
		end := n + least
		for end < len(s) && strings.Contains(secret, s[n:end+1]) {
			end++
		}
		b.WriteString(s[:n] + "[token]")
		s = s[end:]
	}
	return b.String() + s
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
