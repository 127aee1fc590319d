package stack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/cloud/aws"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// stagingSide is an account with the six roles.
func stagingSide() stack.Side {
	return stack.Side{Customer: brevet.Customer{ID: customer, Name: "acme", Contact: "security@acme.example", LogGroup: "brevet-access"}, Account: staging(), Roles: six(), Egress: []string{"203.0.113.7/32"}}
}

// brokerSide is one that is entered by AssumeRole.
func brokerSide() stack.Side {
	s := stagingSide()
	s.Account.Broker, s.Account.ExternalID = "arn:aws:iam::999999999999:role/brevet-broker", "abcdefghijklmnopqrstuvwxyz"
	s.Account.Audience, s.Account.Issuer = "", ""
	return s
}

// urgentSide is one with a role that admits emergencies, and one that trusts
// the offline issuer alone.
func urgentSide() stack.Side {
	s := stagingSide()
	s.Account.OfflineIssuer = offlineIssuer
	s.Roles = append(six()[:5:5], rescue(), glass())
	return s
}

func stacksOf(t testing.TB, side stack.Side) stack.Stacks {
	t.Helper()
	files, err := stack.CloudFormation(side)
	if err != nil {
		t.Fatal(err)
	}
	s := stack.Stacks{Side: side}
	for _, f := range files {
		if !strings.HasSuffix(f.Name, ".yaml") {
			continue
		}
		tmpl, err := stack.ReadTemplate(f.Name, f.Text)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(tmpl); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestProve(t *testing.T) {
	rescued := brokerSide() // an emergency, where the broker is a role
	rescued.Roles = []brevet.Role{six()[0], rescue()}
	for name, side := range map[string]stack.Side{"oidc": stagingSide(), "assume-role": brokerSide(), "emergencies": urgentSide(), "emergencies by assume-role": rescued} {
		t.Run(name, func(t *testing.T) {
			outcomes, err := stack.Prove(stacksOf(t, side), stack.Scenarios(side))
			if err != nil {
				t.Fatal(err)
			}
			if len(outcomes) < 90 {
				t.Errorf("only %d scenarios", len(outcomes))
			}
			seen := map[string]bool{}
			for _, o := range outcomes {
				if seen[o.Claim] {
					t.Errorf("%s twice", o.Claim)
				}
				seen[o.Claim] = true
				if !o.OK() {
					t.Errorf("%s: want %s, got %s (%s): %s: %s", o.Claim, o.Expected, o.Result, o.Statement, o.Failed, o.Why)
				}
			}
		})
	}
}

// SECURITY.md and people's scripts name claims by their ids, so these stay.
func TestClaims(t *testing.T) {
	var got strings.Builder
	oidc, broker, urgent := stack.Scenarios(stagingSide()), stack.Scenarios(brokerSide()), stack.Scenarios(urgentSide())
	only := func(here, there []stack.Scenario, what string) {
		for _, s := range here {
			mark := what
			for _, o := range there {
				if o.Claim == s.Claim {
					mark = ""
				}
			}
			if mark != "" || what == "oidc" {
				fmt.Fprintln(&got, strings.TrimSpace(s.Claim+" "+mark))
			}
		}
	}
	only(oidc, broker, "oidc")
	only(broker, oidc, "assume-role")
	only(urgent, oidc, "emergencies")
	golden(t, filepath.Join("testdata", "claims.txt"), got.String())
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("differs from %s (-update writes it):\n%s", file, d)
	}
}

func prove(t *testing.T, s stack.Stacks) []stack.Outcome {
	t.Helper()
	outcomes, err := stack.Prove(s, stack.Scenarios(s.Side))
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// The claims hold in every partition and region, for an account with one
// role, for roles with odd names, and with parameters of its own.
func TestProveElsewhere(t *testing.T) {
	for name, change := range map[string]func(*stack.Stacks){
		"us-east-1": func(s *stack.Stacks) { s.Side.Account.Region = "us-east-1" },
		"china":     func(s *stack.Stacks) { s.Side.Account.Region = "cn-northwest-1" },
		"one role":  func(s *stack.Stacks) { s.Side.Roles = s.Side.Roles[:1] },
		"odd names": func(s *stack.Stacks) {
			s.Side.Roles = []brevet.Role{{Name: "Ops-2_x", Max: time.Hour, MFA: brevet.Rung24h, Policies: []string{"PowerUserAccess"}},
				{Name: "All", Max: time.Hour, MFA: brevet.Rung5m, Policies: []string{"AdministratorAccess"}}}
		},
		"no addresses": func(s *stack.Stacks) { s.Side.Egress = nil },
		"the account that others try it from": func(s *stack.Stacks) {
			s.Side.Account.ID, s.Side.Account.Audience = "444455556666", "brevet:444455556666:abcdefghijklmnopqrstuvwxyz"
		},
		"prefix": func(s *stack.Stacks) { s.Side.Account.Prefix = "firm-" },
		"parameters": func(s *stack.Stacks) {
			s.Parameters = map[string]string{"WorkloadPath": "/apps/", "LogGroupName": "x.example-access", "Revoker": "true", "DenyProdSRE": "true", "Freeze": "true"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := stack.Stacks{Side: stagingSide()}
			change(&s)
			made := stacksOf(t, s.Side)
			made.Parameters = s.Parameters
			for _, o := range prove(t, made) {
				if !o.OK() {
					t.Errorf("%s: want %s, got %s (%s): %s: %s", o.Claim, o.Expected, o.Result, o.Statement, o.Failed, o.Why)
				}
			}
		})
	}
}

// Each is what a hand may do to a template, and a claim that must not hold any
// more then.
func TestProveMisses(t *testing.T) {
	for _, c := range []struct{ file, old, new, claim, result string }{
		{"access.yaml", "aws:RequestTag/brevet-role: Admin", "aws:RequestTag/brevet-role: '*'", "enter-admin-right", "refused"},
		{"access.yaml", "['5m', '15m', '1h']", "['5m', '15m', '1h', '4h']", "enter-admin-mfa-beyond", "allowed"},
		{"access.yaml", "                sts:SourceIdentity: '?*'\n", "                sts:SourceIdentity: '*'\n", "enter-no-source-identity", "allowed"},
		{"access.yaml", "Effect: !If [Frozen, Deny, Allow]", "Effect: Allow", "frozen-entry", "allowed"},
		{"access.yaml", "      PermissionsBoundary: !Ref Boundary\n", "", "readonly-bounded", "absent"},
		{"access.yaml", "- iam:PassRole\n", "", "admin-cannot-pass-other-roles", "allowed"},
		{"events.yaml", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", "ENABLED", "readonly-calls-recorded", "ignored"},
		{"events.yaml", "      RetentionInDays: !Ref RetentionDays\n", "", "record-kept", "absent"},
	} {
		t.Run(c.claim, func(t *testing.T) {
			side := stagingSide()
			files, err := stack.CloudFormation(side)
			if err != nil {
				t.Fatal(err)
			}
			s := stacksOf(t, side)
			for _, f := range files {
				if f.Name != c.file {
					continue
				}
				if !strings.Contains(string(f.Text), c.old) {
					t.Fatalf("%s has no %q", c.file, c.old)
				}
				edited, err := stack.ReadTemplate("edited.yaml", []byte(strings.Replace(string(f.Text), c.old, c.new, 1)))
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Put(edited); err != nil {
					t.Fatal(err)
				}
			}
			found := false
			for _, o := range prove(t, s) {
				if o.Claim == c.claim {
					found = true
					if o.OK() || string(o.Result) != c.result || o.Failed == "" {
						t.Errorf("%+v; want %s", o, c.result)
					}
				}
			}
			if !found {
				t.Error("there is no such claim")
			}
		})
	}
}

// Tokens of today open the roles of every contract that is supported.
func TestContracts(t *testing.T) {
	for n := 1; n <= stack.NewestContract; n++ {
		if !stack.SupportsContract(n) {
			continue
		}
		for file, side := range map[string]stack.Side{"access.yaml": stagingSide(), "access-by-broker.yaml": brokerSide()} {
			path := filepath.Join("testdata", "contract", fmt.Sprint(n), file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			tmpl, err := stack.ReadTemplate(path, text)
			if err != nil {
				t.Fatal(err)
			}
			side.Account.Contract = n
			s := stack.Stacks{Side: side, Access: tmpl}
			opened := 0
			for _, o := range prove(t, s) {
				if strings.HasPrefix(o.Claim, "enter-") && !o.OK() {
					t.Errorf("%s: %s: %s", path, o.Claim, o.Why)
				}
				if strings.HasPrefix(o.Claim, "enter-") && o.Expected == stack.Allowed {
					opened++
				}
			}
			if opened < 12 {
				t.Errorf("%s: only %d entries", path, opened)
			}
		}
	}
}

func TestLayers(t *testing.T) {
	s := stacksOf(t, stagingSide())
	rows, err := stack.Layers(s, stack.Scenarios(s.Side))
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 4 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, r := range rows {
		if r.Moves < 80 || r.Trust == 0 || r.Permissions < 50 || r.Record < 50 {
			t.Errorf("%+v", r)
		}
		for _, claim := range r.Nothing {
			if !strings.HasPrefix(claim, "limit-") && claim != "grant-after-its-end" {
				t.Errorf("%s: nothing stops %s", r.Threat, claim)
			}
		}
	}
	outcomes := prove(t, s)
	stack.Alone(s, stack.Scenarios(s.Side), outcomes)
	for _, o := range outcomes {
		switch o.Claim {
		case "enter-from-elsewhere":
			if fmt.Sprint(o.Alone) != "[trust record]" {
				t.Errorf("%s: %v", o.Claim, o.Alone)
			}
		case "admin-cannot-change-roles":
			if fmt.Sprint(o.Alone) != "[permissions record]" {
				t.Errorf("%s: %v", o.Claim, o.Alone)
			}
		}
	}
}

// The model of a session policy says what brevet gives every session.
func TestSessionPolicy(t *testing.T) {
	end := time.Date(2026, 11, 25, 13, 0, 0, 0, time.UTC)
	want, err := aws.SessionPolicy(end, "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := iam.Parse([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	got := stack.SessionPolicy("2026-11-25T13:00:00Z")
	for i := range got.Statements {
		got.Statements[i].Sid = ""
	}
	if got.String() != p.String() {
		t.Errorf("%s, %s", got, p)
	}
}
