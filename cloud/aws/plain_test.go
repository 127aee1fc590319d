package aws

import (
	"testing"
)

// FuzzPlain compares the reading by hand with the reading by tokens: what the
// first takes, the second takes alike.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{
		`<r xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><a>x</a><b><a>y</a></b></r>`, `<r><a> x\n</a></r>\n`, `<r><a>x</a><a>y</a></r>`,
		`<r><a>x</a></r><r></r>`, `<r><a>x</r></a>`, `<r><a>&lt;</a></r>`, `<r><a><c>z</c>x</a></r>`, `<r/>`, ``, `<r`, `text<r></r>text`, `<r><a></a><a>y</a></r>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var a, b, ta, tb string
		if !pickPlain([]byte(body), "r", map[string]*string{"/r/a": &a, "/r/b/a": &b}) {
			return
		}
		if err := pickTokens([]byte(body), "r", map[string]*string{"/r/a": &ta, "/r/b/a": &tb}); err != nil {
			t.Fatalf("by hand %q, %q; by tokens %v", a, b, err)
		}
		if a != ta || b != tb {
			t.Errorf("by hand %q, %q; by tokens %q, %q", a, b, ta, tb)
		}
	})
}

func TestPlainTakesAWS(t *testing.T) {
	var id string
	body := `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <Credentials><AccessKeyId>ASIA0000000000000001</AccessKeyId><Expiration>2026-11-21T03:00:00Z</Expiration></Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>
`
	ok := pickPlain([]byte(body), "AssumeRoleWithWebIdentityResponse",
		map[string]*string{"/AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/AccessKeyId": &id})
	if !ok || id != "ASIA0000000000000001" {
		t.Errorf("read %q, %v", id, ok)
	}
}
