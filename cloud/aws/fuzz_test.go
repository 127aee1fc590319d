package aws

import (
	"encoding/xml"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
)

const sample = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>` +
	`<AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/brevet-SRE/engineer</Arn></AssumedRoleUser>` +
	`<Credentials><AccessKeyId>ASIAEXAMPLEEXAMPLE00</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>` +
	`<Expiration>2026-09-01T13:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`

// Whatever comes as an answer: whole credentials, or an error.
func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(sample[:200]))
	f.Add([]byte(strings.Replace(sample, "<SecretAccessKey>s", "<SecretAccessKey><![CDATA[a b]]>", 1)))
	f.Add([]byte("<html><body>502 Bad Gateway</body></html>"))
	f.Add([]byte("\xff\xfe<\x00a\x00"))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><AssumeRoleWithWebIdentityResponse>&a;`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parseAnswer(body, &byWebIdentity, "111122223333")
		if err != nil {
			if c != (brevet.Credential{}) {
				t.Errorf("error and %v", c)
			}
			return
		}
		if !keyID(c.AccessKeyID) || !word(c.SecretAccessKey) || !word(c.SessionToken) || c.Expires.IsZero() && !strings.Contains(string(body), "0001-") {
			t.Errorf("not whole: %#v", c)
		}
	})
}

// What pick takes, encoding/xml takes too, and reads the same in it.
func FuzzPick(f *testing.F) {
	f.Add([]byte("<r><a> x </a><b/></r>"))
	f.Add([]byte("<?xml version='1.0'?><n:r xmlns:n='u'><!-- c --><a>x<![CDATA[&]]>&amp;<b>y</b></a></n:r>\n"))
	f.Add([]byte("<r><a>1</a><a>2</a></r>"))
	f.Add([]byte("<r></r><r></r>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var got string
		if err := pick(body, "r", map[string]*string{"/r/a": &got}); err != nil {
			return
		}
		var want struct {
			A string `xml:"a"`
		}
		if err := xml.Unmarshal(body, &want); err != nil {
			return // mismatched prefixes, which pick does not look at
		}
		if strings.TrimSpace(want.A) != got {
			t.Errorf("%q: %q, encoding/xml says %q", body, got, want.A)
		}
	})
}

// Whatever comes as a refusal: doubt, or a code and a text fit to show that
// holds no token.
func FuzzParseRefusal(f *testing.F) {
	const token = "eyJhbGciOiJFUzI1NiJ9.payloadpayloadpayload.signaturesignature"
	f.Add(403, []byte(`<ErrorResponse><Error><Code>AccessDenied</Code><Message>no `+token+`</Message></Error><RequestId>1</RequestId></ErrorResponse>`))
	f.Add(400, []byte(`<ErrorResponse><Error><Code>IDPCommunicationError</Code></Error></ErrorResponse>`))
	f.Add(500, []byte(`<ErrorResponse><Error><Code>x</Code><Message>&#27;[2J</Message></Error></ErrorResponse>`))
	f.Add(502, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := parseRefusal(status, body, token)
		if (r.code == "" || status >= 500) && !r.doubt {
			t.Errorf("%d without a code is taken for a no", status)
		}
		text := r.error(brevet.Account{Region: "eu-west-1"}, r.doubt).Error()
		if brevet.Printable(text) != text || !utf8.ValidString(text) || len(text) > 800 || shares(text, token) {
			t.Errorf("%q", text)
		}
	})
}

// shares reports whether a and b have 16 bytes in a row in common.
func shares(a, b string) bool {
	for i := 0; i+16 <= len(a); i++ {
		if strings.Contains(b, a[i:i+16]) {
			return true
		}
	}
	return false
}

func FuzzStatements(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}}`)
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
	f.Add(`{"Version":"2012-10-17","Statement":[]} x`)
	f.Fuzz(func(t *testing.T, policy string) {
		out, err := statements(policy)
		if err != nil {
			return
		}
		again, err := statements(`{"Version":"2012-10-17","Statement":[` + out + `]}`)
		if err != nil || again != out {
			t.Errorf("%q becomes %q: %v", out, again, err)
		}
	})
}

func BenchmarkParseAnswer(b *testing.B) {
	body := []byte(sample)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseAnswer(body, &byWebIdentity, "111122223333"); err != nil {
			b.Fatal(err)
		}
	}
}
