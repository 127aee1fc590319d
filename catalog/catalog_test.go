package catalog_test

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/policy"
)

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// sandbox returns the sandbox's catalog, completed.
func sandbox(t testing.TB) *catalog.Catalog {
	t.Helper()
	text, _, err := catalog.Complete(catalog.Sandbox, rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.Parse("sandbox.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSandbox(t *testing.T) {
	c := sandbox(t)
	t.Logf("%s", bytes.SplitN(c.Text, []byte("entitlements:"), 2)[0])
	for _, tt := range []struct{ who, group string }{{"engineer", "engineers"}, {"lead", "leads"}, {"security", "security"}, {"contractor", "contractors"}} {
		for _, o := range c.Policy.Options(policy.Query{Handle: brevet.Handle(tt.who), Groups: brevet.Groups{Names: []string{tt.group}, At: now}, Now: now}) {
			t.Log(tt.who, o.Account.Name, o.Role.Name, o.Longest, o.Approval, o.MFA, o.Entitlement.Activate)
		}
	}
}
