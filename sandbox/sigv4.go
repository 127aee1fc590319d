package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature Version 4, as the IAM User Guide describes it under "AWS
// Signature Version 4 for API requests": the reading and checking side.

const (
	sigAlgorithm    = "AWS4-HMAC-SHA256"
	sigTime         = "20060102T150405Z"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	longestPresign  = 7 * 24 * time.Hour
)

// signature is what a request says about how it was signed.
type signature struct {
	Key     string // access key id
	Date    string // of the scope, YYYYMMDD
	Region  string
	Service string
	Signed  []string // names of the signed headers, lower case, sorted
	Sum     string   // 64 lower-case hex digits
	Time    time.Time
	Expires time.Duration // of a presigned request; else 0
	Token   string        // session token
	Query   bool          // it came in the query: the request is presigned
}

var (
	sigSum     = regexp.MustCompile(`^[0-9a-f]{64}$`)
	sigKey     = regexp.MustCompile(`^[A-Z0-9]{16,128}$`)
	sigDate    = regexp.MustCompile(`^[0-9]{8}$`)
	sigRegion  = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$`)
	sigService = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	sigHeader  = regexp.MustCompile("^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$")
)

// readSignature finds the signature of r, in the Authorization header or in
// the query. Without any it returns nil and no fault.
func readSignature(r *http.Request, query url.Values) (*signature, *fault) {
	header, presigned := r.Header.Values("Authorization"), query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature")
	switch {
	case len(header) > 1 || len(header) == 1 && presigned:
		return nil, faultf(incompleteSignature, "Only one authentication mechanism is allowed: the Authorization header or the X-Amz-Algorithm query parameter")
	case len(header) == 1:
		s, f := parseAuthorization(header[0])
		if f != nil {
			return nil, f
		}
		s.Token = r.Header.Get("X-Amz-Security-Token")
		return s, s.at(r.Header.Get("X-Amz-Date"))
	case presigned:
		return parsePresigned(query)
	}
	return nil, nil
}

// parseAuthorization reads the value of an Authorization header:
//
//	AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=a;b, Signature=HEX
func parseAuthorization(v string) (*signature, *fault) {
	algorithm, rest, _ := strings.Cut(v, " ")
	if algorithm != sigAlgorithm {
		return nil, faultf(incompleteSignature, "Unsupported AWS 'algorithm': the brevet sandbox knows only %s", sigAlgorithm)
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[name]; !ok || twice {
			return nil, faultf(incompleteSignature, "Authorization header has a part that is not one key=value pair")
		}
		fields[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[name] == "" {
			return nil, faultf(incompleteSignature, "Authorization header requires '%s' parameter.", name)
		}
	}
	if len(fields) != 3 {
		return nil, faultf(incompleteSignature, "Authorization header has an unknown parameter")
	}
	return newSignature(fields["Credential"], fields["SignedHeaders"], fields["Signature"])
}

// parsePresigned reads the X-Amz-* parameters of a presigned request.
func parsePresigned(q url.Values) (*signature, *fault) {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if len(q[name]) != 1 || q.Get(name) == "" {
			return nil, faultf(incompleteSignature, "AWS query-string parameters must include '%s' once.", name)
		}
	}
	if q.Get("X-Amz-Algorithm") != sigAlgorithm {
		return nil, faultf(incompleteSignature, "Unsupported AWS 'algorithm': the brevet sandbox knows only %s", sigAlgorithm)
	}
	s, f := newSignature(q.Get("X-Amz-Credential"), q.Get("X-Amz-SignedHeaders"), q.Get("X-Amz-Signature"))
	if f != nil {
		return nil, f
	}
	s.Query, s.Token = true, q.Get("X-Amz-Security-Token")
	s.Expires = 15 * time.Minute
	if e := q.Get("X-Amz-Expires"); e != "" {
		n, err := strconv.Atoi(e)
		if err != nil || n < 1 || time.Duration(n)*time.Second > longestPresign {
			return nil, faultf(incompleteSignature, "X-Amz-Expires must be a number of seconds from 1 to %d", int(longestPresign.Seconds()))
		}
		s.Expires = time.Duration(n) * time.Second
	}
	return s, s.at(q.Get("X-Amz-Date"))
}

func newSignature(credential, signed, sum string) (*signature, *fault) {
	c := strings.Split(credential, "/")
	switch {
	case len(c) != 5 || !sigKey.MatchString(c[0]) || !sigDate.MatchString(c[1]):
		return nil, faultf(incompleteSignature, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term")
	case !sigRegion.MatchString(c[2]):
		return nil, faultf(signatureMismatch, "Credential should be scoped to a valid region.")
	case !sigService.MatchString(c[3]):
		return nil, faultf(signatureMismatch, "Credential should be scoped to a valid service.")
	case c[4] != "aws4_request":
		return nil, faultf(signatureMismatch, "Credential should be scoped with a valid terminator: 'aws4_request'.")
	case !sigSum.MatchString(sum):
		return nil, faultf(signatureMismatch, "The signature must be 64 lower-case hexadecimal digits.")
	}
	s := &signature{Key: c[0], Date: c[1], Region: c[2], Service: c[3], Sum: sum, Signed: strings.Split(signed, ";")}
	for _, h := range s.Signed {
		if !sigHeader.MatchString(h) {
			return nil, faultf(incompleteSignature, "SignedHeaders must be lower-case header names separated by ';'.")
		}
	}
	if !slices.IsSorted(s.Signed) || len(slices.Compact(slices.Clone(s.Signed))) != len(s.Signed) {
		return nil, faultf(incompleteSignature, "SignedHeaders must be sorted and name each header once.")
	}
	if !slices.Contains(s.Signed, "host") {
		return nil, faultf(signatureMismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return s, nil
}

// at takes the time of signing, whose day must be that of the scope.
func (s *signature) at(stamp string) *fault {
	t, err := time.Parse(sigTime, stamp)
	switch {
	case stamp == "":
		return faultf(incompleteSignature, "Authorization header requires existence of an 'X-Amz-Date' header.")
	case err != nil || t.Format(sigTime) != stamp:
		return faultf(incompleteSignature, "Date must be in ISO-8601 'basic format'.")
	case stamp[:8] != s.Date:
		return faultf(signatureMismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	}
	s.Time = t
	return nil
}

// timely checks the time of signing against the clock: 5 minutes either way,
// 15 for S3; a presigned request counts from its time on for as long as it
// says.
func (s *signature) timely(now time.Time) *fault {
	window := 5 * time.Minute
	if s.Service == "s3" {
		window = 15 * time.Minute
	}
	last := s.Time.Add(window)
	if s.Query {
		last = s.Time.Add(s.Expires)
	}
	switch {
	case now.After(last):
		return faultf(signatureOld, "Signature expired: %s is now earlier than %s (%s - %d min.)",
			s.Time.Format(sigTime), now.Add(s.Time.Sub(last)).UTC().Format(sigTime), now.UTC().Format(sigTime), int(last.Sub(s.Time).Minutes()))
	case now.Add(window).Before(s.Time):
		return faultf(signatureOld, "Signature not yet current: %s is still later than %s (%s + %d min.)",
			s.Time.Format(sigTime), now.Add(window).UTC().Format(sigTime), now.UTC().Format(sigTime), int(window.Minutes()))
	}
	return nil
}

// check recomputes the signature over r and compares it. The body is the
// whole body of r; secret the secret access key.
func (s *signature) check(r *http.Request, body []byte, secret string) *fault {
	if f := s.covers(r); f != nil {
		return f
	}
	payload, f := s.payload(r, body)
	if f != nil {
		return f
	}
	headers, f := s.canonicalHeaders(r)
	if f != nil {
		return f
	}
	query, f := canonicalQuery(r.URL.RawQuery)
	if f != nil {
		return f
	}
	canonical := strings.Join([]string{r.Method, s.canonicalPath(r.URL), query, headers, strings.Join(s.Signed, ";"), payload}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	scope := strings.Join([]string{s.Date, s.Region, s.Service, "aws4_request"}, "/")
	text := strings.Join([]string{sigAlgorithm, s.Time.Format(sigTime), scope, hex.EncodeToString(digest[:])}, "\n")
	want := hex.EncodeToString(sum([]byte(text), signingKey(secret, s.Date, s.Region, s.Service)))
	if !hmac.Equal([]byte(want), []byte(s.Sum)) {
		return faultf(signatureMismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

// covers refuses a request some of whose x-amz-* headers are not signed:
// they would say what nobody vouched for.
func (s *signature) covers(r *http.Request) *fault {
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(s.Signed, name) {
			return faultf(signatureMismatch, "There were headers present in the request which were not signed: %s", name)
		}
	}
	return nil
}

// payload returns the hash of the body as it was signed.
func (s *signature) payload(r *http.Request, body []byte) (string, *fault) {
	digest := sha256.Sum256(body)
	real := hex.EncodeToString(digest[:])
	switch said := r.Header.Get("X-Amz-Content-Sha256"); {
	case said == unsignedPayload && s.Service == "s3":
		return said, nil
	case said == "" && s.Query && s.Service == "s3":
		return unsignedPayload, nil
	case said != "" && said != real:
		return "", faultf(payloadMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return real, nil
}

func (s *signature) canonicalHeaders(r *http.Request) (string, *fault) {
	var b strings.Builder
	for _, name := range s.Signed {
		values := r.Header.Values(name)
		switch {
		case name == "host":
			values = []string{r.Host}
		case name == "content-length" && values == nil:
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		case values == nil:
			return "", faultf(signatureMismatch, "The signed header %s is not in the request.", name)
		}
		b.WriteString(name + ":")
		for i, v := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.Join(strings.Fields(v), " "))
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// canonicalPath is the path as sent, escaped once more for every service but
// S3.
func (s *signature) canonicalPath(u *url.URL) string {
	p := u.EscapedPath()
	if p == "" {
		p = "/"
	}
	if s.Service == "s3" {
		return p
	}
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = uriEncode(parts[i])
	}
	return strings.Join(parts, "/")
}

// canonicalQuery sorts and re-escapes a raw query, without the signature.
func canonicalQuery(raw string) (string, *fault) {
	var pairs []string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return "", faultf(validationError, "The query string is not well formed.")
		}
		if name != "X-Amz-Signature" {
			pairs = append(pairs, uriEncode(name)+"="+uriEncode(value))
		}
	}
	slices.SortFunc(pairs, func(a, b string) int {
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		if c := strings.Compare(an, bn); c != 0 {
			return c
		}
		return strings.Compare(av, bv)
	})
	return strings.Join(pairs, "&"), nil
}

// uriEncode escapes everything but the unreserved characters of RFC 3986.
func uriEncode(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

func sum(text, key []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(text)
	return m.Sum(nil)
}

func signingKey(secret, date, region, service string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{date, region, service, "aws4_request"} {
		key = sum([]byte(part), key)
	}
	return key
}
