package sandbox_test

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/sandbox"
)

// A changed catalog is deployed as soon as it rules, but not over a stack
// that somebody deployed by hand.
func TestCatalogIsFollowed(t *testing.T) {
	c := newBareCloud(t)
	text, _, err := catalog.Complete(catalog.Sandbox, rand.Reader, c.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	parse := func(text string) *catalog.Catalog {
		t.Helper()
		cat, err := catalog.Parse("catalog.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return cat
	}
	ruling := parse(string(text))
	var warned bytes.Buffer
	c.cfg.Catalog = func() *catalog.Catalog { return ruling }
	c.cfg.Accounts = func() []brevet.Account { return ruling.Accounts }
	c.cfg.Log = slog.New(slog.NewTextHandler(&warned, &slog.HandlerOptions{Level: slog.LevelWarn}))
	c.cfg.Dir = t.TempDir()
	began := time.Now()
	c.begin()
	t.Logf("deployed in %s", time.Since(began))
	o := c.owner()
	c.must(o, "iam ListRoles", "<RoleName>brevet-Admin</RoleName>")
	const role = "\n  Extra: {about: more, max: 2h, mfa: 1h, policies: [AWSSupportAccess]}"
	ruling = parse(strings.Replace(string(text), "\nroles:", "\nroles:"+role, 1))
	c.must(o, "iam ListRoles", "<RoleName>brevet-Extra</RoleName>")
	c.begin() // after a restart it is still there, and nothing is deployed anew
	c.must(o, "iam ListRoles", "<RoleName>brevet-Extra</RoleName>")
	if got := c.must(o, "cloudformation DescribeStackEvents", "", "StackName", "brevet-access"); strings.Count(got, "UPDATE_IN_PROGRESS") != 1 {
		t.Error(got)
	}
	if warned.Len() > 0 {
		t.Errorf("warned: %s", &warned)
	}
	c.must(o, "cloudformation UpdateStack", "<StackId>", "StackName", "brevet-access", "UsePreviousTemplate", "true", capability, "CAPABILITY_NAMED_IAM",
		"Parameters.member.1.ParameterKey", "Freeze", "Parameters.member.1.ParameterValue", "true")
	ruling = parse(string(text))
	c.must(o, "iam ListRoles", "<RoleName>brevet-Extra</RoleName>")
	if !strings.Contains(warned.String(), "brevet stack diff") || !strings.Contains(warned.String(), "stack=brevet-access account=acme-staging") {
		t.Errorf("warned: %s", &warned)
	}
	if (sandbox.OwnerFact{}) == c.aws.Owner(prod) {
		t.Error("an account has no owner")
	}
}
