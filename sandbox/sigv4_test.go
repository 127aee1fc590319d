package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The example of the IAM User Guide and two of AWS's Signature Version 4 test
// suite, all with the documentation's credentials.
func TestSignatureVectors(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	tests := []struct {
		name, method, url, service string
		header                     map[string]string
		signed                     string
		sum                        string
	}{
		{"ListUsers", "GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", "iam",
			map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, "content-type;host;x-amz-date",
			"5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
		{"get-vanilla", "GET", "https://example.amazonaws.com/", "service", nil, "host;x-amz-date",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"post-vanilla", "POST", "https://example.amazonaws.com/", "service", nil, "host;x-amz-date",
			"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.url, nil)
			r.Header.Set("X-Amz-Date", "20150830T123600Z")
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			s := &signature{Key: "AKIDEXAMPLE", Date: "20150830", Region: "us-east-1", Service: tt.service, Sum: tt.sum,
				Signed: strings.Split(tt.signed, ";"), Time: time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)}
			if f := s.check(r, nil, secret); f != nil {
				t.Error(f)
			}
			if f := s.check(r, []byte("x"), secret); f == nil {
				t.Error("another body passed")
			}
		})
	}
}

// sdkSigned has the AWS SDK sign a request.
func sdkSigned(t *testing.T, method, url, service, body string, presign bool) *http.Request {
	t.Helper()
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	creds := aws.Credentials{AccessKeyID: "ASIAAAAAAAAAAAAAAAAA", SecretAccessKey: "secret", SessionToken: "to+k/en=="}
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.RequestURI = ""
	digest := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(digest[:])
	options := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }
	if !presign {
		if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, hash, service, "eu-west-1", at, options); err != nil {
			t.Fatal(err)
		}
		return r
	}
	if service == "s3" {
		hash = unsignedPayload
	}
	signed, header, err := v4.NewSigner().PresignHTTP(context.Background(), creds, r, hash, service, "eu-west-1", at, options)
	if err != nil {
		t.Fatal(err)
	}
	p := httptest.NewRequest(method, signed, strings.NewReader(body))
	for k, v := range header {
		if k != "Host" {
			p.Header[k] = v
		}
	}
	return p
}

func TestSignatureAgreesWithSDK(t *testing.T) {
	tests := []struct{ method, url, service, body string }{
		{"POST", "http://127.0.0.1:8479/", "sts", "Action=GetCallerIdentity&Version=2011-06-15"},
		{"GET", "http://127.0.0.1:8479/?Action=GetCallerIdentity&Version=2011-06-15", "sts", ""},
		{"GET", "http://127.0.0.1:8479/?b=2&a=1&a=0&empty&sp=a%20b&plus=a%2Bb&sl=%2F~", "iam", ""},
		{"GET", "http://127.0.0.1:8479/bucket/a%20b/c+d/%C3%A9/x=y?list-type=2&prefix=&delimiter=%2F", "s3", ""},
		{"GET", "http://127.0.0.1:8479/2015-03-31/functions/arn%3Aaws%3Alambda/x", "lambda", ""},
		{"PUT", "http://127.0.0.1:8479/k", "s3", "body"},
	}
	for _, tt := range tests {
		for _, presign := range []bool{false, true} {
			if presign && tt.method == "POST" {
				continue // the SDK presigns GET
			}
			t.Run(tt.service+" "+tt.method+map[bool]string{true: " presigned"}[presign], func(t *testing.T) {
				r := sdkSigned(t, tt.method, tt.url, tt.service, tt.body, presign)
				s, f := readSignature(r, r.URL.Query())
				if f != nil || s == nil {
					t.Fatalf("readSignature: %v, %v", s, f)
				}
				body, _ := io.ReadAll(r.Body)
				if f := s.check(r, body, "secret"); f != nil {
					t.Fatalf("check: %v", f)
				}
				if f := s.check(r, body, "Secret"); f == nil {
					t.Error("another secret passed")
				}
				if s.Token != "to+k/en==" || s.Region != "eu-west-1" || s.Service != tt.service || s.Query != presign {
					t.Errorf("read %+v", s)
				}
				r.Method = "DELETE"
				if f := s.check(r, body, "secret"); f == nil {
					t.Error("another method passed")
				}
			})
		}
	}
}

func TestSignatureTampered(t *testing.T) {
	const url, body = "http://127.0.0.1:8479/?x=1", "Action=GetCallerIdentity&Version=2011-06-15"
	tests := map[string]func(*http.Request) []byte{
		"body":          func(*http.Request) []byte { return []byte(body + "&x=y") },
		"query":         func(r *http.Request) []byte { r.URL.RawQuery = "x=2"; return []byte(body) },
		"path":          func(r *http.Request) []byte { r.URL.Path = "/y"; return []byte(body) },
		"host":          func(r *http.Request) []byte { r.Host = "127.0.0.1:1"; return []byte(body) },
		"token":         func(r *http.Request) []byte { r.Header.Set("X-Amz-Security-Token", "other"); return []byte(body) },
		"unsigned head": func(r *http.Request) []byte { r.Header.Set("X-Amz-Target", "A.B"); return []byte(body) },
		"payload hash": func(r *http.Request) []byte {
			r.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
			return []byte(body)
		},
		"gone header": func(r *http.Request) []byte { r.Header.Del("X-Amz-Security-Token"); return []byte(body) },
	}
	for name, tamper := range tests {
		t.Run(name, func(t *testing.T) {
			r := sdkSigned(t, "POST", url, "sts", body, false)
			s, f := readSignature(r, nil)
			if f != nil {
				t.Fatal(f)
			}
			if f := s.check(r, tamper(r), "secret"); f == nil || f.kind.query != "SignatureDoesNotMatch" {
				t.Errorf("check = %v, want SignatureDoesNotMatch", f)
			}
		})
	}
}

func TestSignatureTime(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		service string
		query   bool
		off     time.Duration
		ok      bool
	}{
		{"sts", false, 5 * time.Minute, true}, {"sts", false, 5*time.Minute + time.Second, false},
		{"sts", false, -5 * time.Minute, true}, {"sts", false, -5*time.Minute - time.Second, false},
		{"s3", false, 15 * time.Minute, true}, {"s3", false, 15*time.Minute + time.Second, false},
		{"sts", true, time.Hour, true}, {"sts", true, time.Hour + time.Second, false}, {"sts", true, -6 * time.Minute, false},
	}
	for _, tt := range tests {
		s := &signature{Service: tt.service, Query: tt.query, Time: at, Expires: time.Hour}
		if f := s.timely(at.Add(tt.off)); (f == nil) != tt.ok {
			t.Errorf("%+v: %v", tt, f)
		}
	}
}

func TestSignatureStamp(t *testing.T) {
	for stamp, code := range map[string]string{
		"20261121T120000Z": "", "": "IncompleteSignature", "20261121": "IncompleteSignature", "20261121T120000.5Z": "IncompleteSignature",
		"Sat, 21 Nov 2026 12:00:00 GMT": "IncompleteSignature", "20261122T000000Z": "SignatureDoesNotMatch",
	} {
		f := (&signature{Date: "20261121"}).at(stamp)
		if got := faultCode(f, wireQuery); got != code {
			t.Errorf("%q: %q, want %q", stamp, got, code)
		}
	}
}

const goodAuthorization = "AWS4-HMAC-SHA256 Credential=ASIAAAAAAAAAAAAAAAAA/20261121/eu-west-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=" +
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestAuthorizationHostile(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(goodAuthorization, old, new, 1) }
	tests := map[string]struct{ header, code string }{
		"empty":          {"", "IncompleteSignature"},
		"bearer":         {"Bearer x", "IncompleteSignature"},
		"sigv4a":         {change("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "IncompleteSignature"},
		"no signature":   {change("Signature=", "Sig="), "IncompleteSignature"},
		"twice":          {goodAuthorization + ", Signature=00", "IncompleteSignature"},
		"extra":          {goodAuthorization + ", X=y", "IncompleteSignature"},
		"short scope":    {change("/aws4_request", ""), "IncompleteSignature"},
		"long scope":     {change("/sts/", "/sts/sts/"), "IncompleteSignature"},
		"terminator":     {change("aws4_request", "aws5_request"), "SignatureDoesNotMatch"},
		"region":         {change("eu-west-1", "moon"), "SignatureDoesNotMatch"},
		"service":        {change("/sts/", "/s t s/"), "SignatureDoesNotMatch"},
		"no host":        {change("host;", "foo;"), "SignatureDoesNotMatch"},
		"unsorted":       {change("host;x-amz-date", "x-amz-date;host"), "IncompleteSignature"},
		"header twice":   {change("host;", "host;host;"), "IncompleteSignature"},
		"upper header":   {change("host;", "Host;host;"), "IncompleteSignature"},
		"short sum":      {goodAuthorization[:len(goodAuthorization)-1], "SignatureDoesNotMatch"},
		"upper-case sum": {change("abcdef", "ABCDEF"), "SignatureDoesNotMatch"},
		"day":            {change("20261121", "2026112"), "IncompleteSignature"},
		"key":            {change("ASIA", "asia"), "IncompleteSignature"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, f := parseAuthorization(tt.header)
			if f == nil || f.kind.query != tt.code {
				t.Errorf("parseAuthorization = %+v, %v; want %s", s, f, tt.code)
			}
		})
	}
	if _, f := parseAuthorization(goodAuthorization); f != nil {
		t.Errorf("the good one: %v", f)
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add(goodAuthorization)
	f.Add("AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=")
	f.Add("AWS4-HMAC-SHA256")
	f.Fuzz(func(t *testing.T, header string) {
		s, fault := parseAuthorization(header)
		if (s == nil) == (fault == nil) {
			t.Fatalf("parseAuthorization(%q) = %v, %v", header, s, fault)
		}
		if s == nil {
			return
		}
		again := "AWS4-HMAC-SHA256 Credential=" + strings.Join([]string{s.Key, s.Date, s.Region, s.Service, "aws4_request"}, "/") +
			",SignedHeaders=" + strings.Join(s.Signed, ";") + ",Signature=" + s.Sum
		if _, fault := parseAuthorization(again); fault != nil {
			t.Fatalf("%q was read, %q is not: %v", header, again, fault)
		}
	})
}

func FuzzForm(f *testing.F) {
	f.Add("Action=GetCallerIdentity&Version=2011-06-15")
	f.Add("a=1&a=2")
	f.Add("%zz=%&=;&&")
	f.Add("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/d/e&X-Amz-Expires=9999999999")
	f.Fuzz(func(t *testing.T, text string) {
		values, fault := parseForm(text)
		if fault != nil {
			return
		}
		again, fault := parseForm(values.Encode())
		if fault != nil || values.Encode() != again.Encode() {
			t.Fatalf("parseForm(%q) = %v; once more: %v, %v", text, values, again, fault)
		}
		if canonical, fault := canonicalQuery(text); fault != nil || bytes.ContainsAny([]byte(canonical), " +\n") {
			t.Fatalf("canonicalQuery(%q) = %q, %v", text, canonical, fault)
		}
		parsePresigned(values)
	})
}
