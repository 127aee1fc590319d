package stack_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// Each statement of SECURITY.md names its proof, and each proof is there.
func TestSecurityNamesItsProofs(t *testing.T) {
	for name, s := range map[string]stack.Side{"oidc": side(), "broker": byBroker(), "emergencies": urgentSide()} {
		if missing := stack.Unproven(s); len(missing) > 0 {
			t.Errorf("%s: there are no scenarios %s", name, strings.Join(missing, ", "))
		}
		text := string(generate(t, s, "SECURITY.md"))
		before, limits, ok := strings.Cut(text, "## What IAM cannot enforce")
		if !ok || strings.Count(limits, "\n- **") < 10 {
			t.Errorf("%s: the part about what cannot be enforced is missing or short", name)
		}
		for _, item := range regexp.MustCompile(`(?m)^- (?:.|\n  )+`).FindAllString(before, -1) {
			if !regexp.MustCompile(`\[[a-z0-9-]+`).MatchString(item) {
				t.Errorf("%s: without proof: %s", name, item)
			}
		}
	}
}

// An account with few roles is promised nothing about others.
func TestSecurityOfAFewRoles(t *testing.T) {
	s := side()
	s.Roles = s.Roles[:1] // ReadOnly
	text := string(generate(t, s, "SECURITY.md"))
	for _, other := range []string{"admin-", "Data works", "sre-", "[]", "[,", ", ]", "@"} {
		if strings.Contains(text, other) {
			t.Errorf("%q is in it:\n%s", other, text)
		}
	}
	if !strings.Contains(text, "enter-readonly-right") {
		t.Error("its own role is missing")
	}
}

// Nothing that was to be filled in is left, and nothing is said of a way in
// that the account has not.
func TestTextsAreFilledIn(t *testing.T) {
	left := regexp.MustCompile(`@[A-Za-z]+@`)
	us1, broker := side(), byBroker()
	us1.Account.Region, us1.Customer.Contact = "us-east-1", ""
	for name, s := range map[string]stack.Side{"oidc": side(), "broker": broker, "us-east-1": us1, "emergencies": urgentSide()} {
		files, err := stack.CloudFormation(s)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
			if m := left.Find(f.Text); m != nil {
				t.Errorf("%s: %s is left in %s", name, m, f.Name)
			}
			for line := range strings.Lines(string(f.Text)) {
				if strings.HasPrefix(line, "@") || strings.HasSuffix(strings.TrimSuffix(line, "\n"), " ") {
					t.Errorf("%s: %s: %q", name, f.Name, line)
				}
			}
		}
		if got := strings.Join(names, " "); got != "access.yaml events.yaml events-forward.yaml INSTRUCTIONS.md SECURITY.md" {
			t.Errorf("%s: the files are %s", name, got)
		}
	}
	for _, c := range []struct {
		side    stack.Side
		file    string
		text    string
		present bool
	}{
		{side(), "INSTRUCTIONS.md", "`Audience`", true}, {side(), "INSTRUCTIONS.md", "ExternalId", false},
		{broker, "INSTRUCTIONS.md", "`Audience`", false}, {broker, "INSTRUCTIONS.md", "ExternalId", true},
		{broker, "INSTRUCTIONS.md", "An hour at a time", true}, {side(), "INSTRUCTIONS.md", "An hour at a time", false},
		{broker, "access.yaml", "AWS::IAM::OIDCProvider", false}, {side(), "access.yaml", "AWS::IAM::OIDCProvider", true},
		{broker, "INSTRUCTIONS.md", "203.0.113.7/32", true},
		{side(), "INSTRUCTIONS.md", "--region us-east-1 --stack-name brevet-events-forward", true},
		{us1, "INSTRUCTIONS.md", "--region us-east-1 --stack-name brevet-events-forward", false},
		{us1, "INSTRUCTIONS.md", "SecurityContact=security@your.domain", true}, {side(), "INSTRUCTIONS.md", "SecurityContact=security", false},
		{broker, "SECURITY.md", "enter-wrong-external-id", true}, {side(), "SECURITY.md", "enter-wrong-external-id", false},
	} {
		if got := strings.Contains(string(generate(t, c.side, c.file)), c.text); got != c.present {
			t.Errorf("%s holds %q: %t", c.file, c.text, got)
		}
	}
}

// What is generated keeps all that it promises.
func TestGeneratedKeepsItsPromises(t *testing.T) {
	few := side()
	few.Roles = []brevet.Role{few.Roles[0], few.Roles[4]}
	for name, s := range map[string]stack.Side{"oidc": side(), "broker": byBroker(), "two roles": few} {
		stacks := stack.Stacks{Side: s}
		for _, file := range []string{"access.yaml", "events.yaml", "events-forward.yaml"} {
			tpl, err := stack.ReadTemplate(file, generate(t, s, file))
			if err != nil {
				t.Fatal(err)
			}
			if err := stacks.Put(tpl); err != nil {
				t.Fatal(err)
			}
		}
		out, err := stack.Prove(stacks, stack.Scenarios(s))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			if !o.OK() {
				t.Errorf("%s: %s: %s, want %s: %s, %s", name, o.Claim, o.Result, o.Expected, o.Failed, o.Why)
			}
		}
	}
}
