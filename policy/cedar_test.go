package policy_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
)

func TestGuardrails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cedar  string
		change func(*policy.Query)
		forbid bool
	}{
		{"all", `forbid (principal, action, resource);`, nil, true},
		{"action", `forbid (principal, action == Action::"request", resource);`, nil, true},
		{"person", `forbid (principal == Person::"engineer", action, resource);`, nil, true},
		{"other person", `forbid (principal == Person::"lead", action, resource);`, nil, false},
		{"group", `forbid (principal in Group::"engineers", action, resource);`, nil, true},
		{"other group", `forbid (principal in Group::"contractors", action, resource);`, nil, false},
		{"handle like", `forbid (principal, action, resource) when { principal.handle like "eng*" };`, nil, true},
		{"role", `forbid (principal, action, resource == Role::"acme-prod/Admin");`, nil, true},
		{"other role", `forbid (principal, action, resource == Role::"acme-prod/ReadOnly");`, nil, false},
		{"account by name", `forbid (principal, action, resource in Account::"acme-prod");`, nil, true},
		{"account by number", `forbid (principal, action, resource in Account::"444455556666");`, nil, true},
		{"other account", `forbid (principal, action, resource in Account::"acme-staging");`, nil, false},
		{"customer by name", `forbid (principal, action, resource in Customer::"acme");`, nil, true},
		{"customer by id", `forbid (principal, action, resource is Role in Customer::"cu_01jd0000000000000000000000");`, nil, true},
		{"in the condition", `forbid (principal, action, resource) when { resource in Account::"acme-prod" && principal in [Group::"leads", Group::"engineers"] };`, nil, true},
		{"attributes", `forbid (principal, action, resource) when { resource.role == "Admin" && resource.account == "acme-prod" && resource.number == "444455556666" && resource.customer == "acme" && resource.env == "prod" && resource.region == "eu-west-1" && resource.max == 7200 && resource.mfa == 3600 };`, nil, true},
		{"context", `forbid (principal, action, resource) when { context.env == "prod" && context.duration == 3600 && context.reason == "look" && context.mfa_age == 600 && context.hour == 10 && context.weekday == 5 && context.now == datetime("2026-11-20T10:00:00Z") && context.ip.isInRange(ip("192.0.2.0/24")) };`, nil, true},
		{"duration not asked", `forbid (principal, action, resource) when { context.duration > 7199 };`, func(q *policy.Query) { q.Duration = 0 }, true},
		{"no MFA is the oldest", `forbid (principal, action, resource) when { context.mfa_age > 3600 };`, func(q *policy.Query) { q.MFA = time.Time{} }, true},
		{"MFA from the future is none", `forbid (principal, action, resource) when { context.mfa_age > 3600 };`, func(q *policy.Query) { q.MFA = now.Add(time.Minute) }, true},
		{"Sunday", `forbid (principal, action, resource) when { context.weekday == 7 };`, func(q *policy.Query) { q.Now = now.Add(48 * time.Hour); q.Groups.At = q.Now }, true},
		{"no address", `forbid (principal, action, resource) when { context.ip.isLoopback() };`, func(q *policy.Query) { q.Addr = "" }, true},
		{"mapped address", `forbid (principal, action, resource) when { context.ip.isIpv4() };`, func(q *policy.Query) { q.Addr = "::ffff:192.0.2.7" }, true},
		{"overflow", `forbid (principal, action, resource) when { context.mfa_age + 1 < 0 };`, func(q *policy.Query) { q.MFA = time.Time{} }, true},
		{"stale groups, looked at", `forbid (principal in Group::"contractors", action, resource);`, func(q *policy.Query) { q.Handle, q.Groups.At = "security", now.Add(-time.Hour) }, true},
		{"stale groups, not looked at", `forbid (principal == Person::"lead", action, resource);`, func(q *policy.Query) { q.Handle, q.Groups.At = "security", now.Add(-time.Hour) }, false},
		{"the whole context", `forbid (principal, action, resource) when { context == context };`, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rules(entitlement("by-name", people("security"), prod, "Admin", 2*time.Hour, brevet.Approval{Automatic: true}))
			r.Guardrails = `@id("x") @reason("because") @remedy("do else") ` + tt.cedar
			q := query(prod, "Admin")
			q.Duration = time.Hour
			if tt.change != nil {
				tt.change(&q)
			}
			a := compile(t, r).Decide(q)
			if a.Allowed == tt.forbid || (tt.forbid && (len(a.Unmet) != 1 || a.Approval.Automatic || a.Entitlement.Name != "")) {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestGuardrailIsNamed(t *testing.T) {
	r := rules()
	r.Guardrails = `
@id("one") @reason("nobody is there") @remedy("ask on Monday")
forbid (principal, action, resource in Account::"acme-prod");
forbid (principal, action, resource) when { context.duration > 3600 };
forbid (principal, action, resource) when { context.ip.isLoopback() };`
	q := query(prod, "Admin")
	q.Addr = "nonsense"
	want := []brevet.Unmet{
		{Condition: "guardrail one", Have: "nobody is there", Remedy: "ask on Monday"},
		{Condition: "guardrail guardrails:4", Have: "it forbids this (judged for 2h, the longest)", Remedy: "ask for what guardrail guardrails:4 leaves open"},
		{Condition: "guardrail guardrails:5", Have: "it could not be evaluated, so it forbids: record does not have the attribute `ip`", Remedy: "ask whoever keeps the catalog to correct it"},
	}
	got := compile(t, r).Decide(q).Unmet
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAutomatic(t *testing.T) {
	const ticket = `@id("incident") @reason("it is on fire") permit (principal, action, resource in Account::"acme-prod") when { context.reason like "*INC-*" };`
	for _, tt := range []struct {
		name   string
		cedar  string
		change func(*policy.Query)
		want   string // the policy that approves; "" = people
	}{
		{"no match", ticket, func(q *policy.Query) { q.Reason = "look" }, ""},
		{"match", ticket, nil, "incident"},
		{"first of two", `@id("b") permit (principal, action, resource == Role::"acme-prod/Admin");` + "\n" + `@id("a") permit (principal, action, resource);`, nil, "b"},
		{"unnamed", "\n\npermit (principal, action, resource);", nil, "automatic:3"},
		{"one that cannot be evaluated", ticket + `permit (principal, action, resource) when { context.ip.isLoopback() };`, func(q *policy.Query) { q.Addr = "" }, ""},
		{"fresh groups", `@id("g") permit (principal in Group::"engineers", action, resource);`, nil, "g"},
		{"stale groups", `@id("g") permit (principal in Group::"engineers", action, resource);`, func(q *policy.Query) { q.Handle, q.Groups.At = "security", now.Add(-time.Hour) }, ""},
		{"no fresh MFA", `@id("m") permit (principal, action, resource) when { context.mfa_age <= 900 };`, func(q *policy.Query) { q.MFA = time.Time{} }, ""},
		{"longest is judged", `@id("d") permit (principal, action, resource) when { context.duration <= 3600 };`, func(q *policy.Query) { q.Duration = 0 }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rules(entitlement("by-name", people("security"), prod, "Admin", 2*time.Hour, by(groups("leads"))))
			r.Automatic = tt.cedar
			q := query(prod, "Admin")
			q.Duration, q.Reason = time.Hour, "INC-7: db is down"
			if tt.change != nil {
				tt.change(&q)
			}
			a := compile(t, r).Decide(q)
			if !a.Allowed || a.Policy != tt.want || a.Approval.Automatic != (tt.want != "") || (a.Approval.Automatic && a.Approval.Steps != nil) {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestAutomaticOpensNoDoor: Cedar shortens the way to what an entitlement
// gives; it gives nothing itself, and a guardrail wins over it.
func TestAutomaticOpensNoDoor(t *testing.T) {
	r := rules()
	r.Automatic = `permit (principal, action, resource);`
	q := query(prod, "Admin")
	q.Groups.Names = []string{"contractors"}
	if compile(t, r).Decide(q).Allowed {
		t.Error("a permit let somebody ask whom no entitlement names")
	}
	r.Guardrails = `forbid (principal, action, resource in Account::"acme-prod");`
	s := compile(t, r)
	if s.Decide(query(prod, "Admin")).Allowed {
		t.Error("a permit won over a forbid")
	}
	if a := s.Explain(query(staging, "ReadOnly")); a.Policy != "staging-look" {
		t.Errorf("an automatic entitlement is approved by %q", a.Policy)
	}
}

// TestListing: what is not known before one asks does not hide a target.
func TestListing(t *testing.T) {
	r := rules()
	r.Guardrails = `
@id("ticket") forbid (principal, action, resource == Role::"acme-prod/Admin") unless { context.reason like "*INC-*" };
@id("short") forbid (principal, action, resource) when { context.duration > 60 };`
	s := compile(t, r)
	if n := len(s.Options(query("", ""))); n != 2 {
		t.Errorf("%d options, want both", n)
	}
	q := query(prod, "Admin")
	if a := s.Decide(q); a.Allowed || len(a.Unmet) != 2 {
		t.Errorf("without duration and ticket: %+v", a)
	}
	q.Duration, q.Reason = time.Minute, "INC-1"
	if a := s.Decide(q); !a.Allowed {
		t.Errorf("with both: %v", a.Unmet)
	}
	r.Guardrails += `@id("never") forbid (principal, action, resource in Account::"acme-prod");`
	if n := len(compile(t, r).Options(query("", ""))); n != 1 {
		t.Errorf("%d options, want staging only", n)
	}
}

func TestCompileProblems(t *testing.T) {
	for _, tt := range []struct {
		name, guardrails, automatic string
		want                        string
	}{
		{"syntax", "forbid (principal, action, resource)\nwhen { context.x = 1 };", "", `guardrails:2:20: not Cedar: at "1": exact got = want }`},
		{"permit in guardrails", "\npermit (principal, action, resource);", "", "guardrails:2:1: guardrails may only hold forbid"},
		{"forbid in automatic", "", "forbid (principal, action, resource);", "automatic:1:1: automatic may only hold permit"},
		{"unknown attribute", `forbid (principal, action, resource) when { context.hours == 1 };`, "", "attribute `hours`"},
		{"wrong type", `forbid (principal, action, resource) when { context.hour == "1" };`, "", "guardrails:1:1: "},
		{"unknown entity type", `forbid (principal == User::"lead", action, resource);`, "", "guardrails:1:1: "},
		{"unknown action", `forbid (principal, action == Action::"approve", resource);`, "", "guardrails:1:1: "},
		{"misspelt account", `forbid (principal, action, resource in Account::"acme-prd");`, "", `the catalog knows no Account::"acme-prd"`},
		{"misspelt role in a condition", `forbid (principal, action, resource) when { resource == Role::"acme-prod/Adnim" };`, "", `the catalog knows no Role::"acme-prod/Adnim"`},
		{"misspelt customer", `forbid (principal, action, resource in Customer::"acne");`, "", `the catalog knows no Customer::"acne"`},
		{"misspelt target held", `forbid (principal, action, resource) when { context.held.contains("acme-prd/Admin") };`, "", `the catalog knows no target "acme-prd/Admin"`},
		{"target that is not one", `forbid (principal, action, resource) when { context.held.contains("Admin") };`, "", `the catalog knows no target "Admin"`},
		{"one of several targets held", `forbid (principal, action, resource) when { context.held.containsAny(["acme-prod/Admin", "acme-prod/Adnim"]) };`, "", `no target "acme-prod/Adnim"`},
		{"target behind a has", `forbid (principal, action, resource) when { context has held && !(context.held.containsAll(["acme-prd/Admin"])) };`, "", `no target "acme-prd/Admin"`},
		{"target in a branch", `forbid (principal, action, resource) when { context.held.contains(if context.hour == 1 then "acme-prod/Admin" else "x/y") };`, "", `no target "x/y"`},
		{"misspelt environment held", `forbid (principal, action, resource) when { context.held_envs.contains("prd") };`, "", `no environment "prd"`},
		{"misspelt environment", `forbid (principal, action, resource) when { ["prod", "Prod"].contains(resource.env) };`, "", `no environment "Prod"`},
		{"misspelt environment, the other way", `forbid (principal, action, resource) when { "prd" == context.env };`, "", `no environment "prd"`},
		{"misspelt role name", `forbid (principal, action, resource) when { resource.role != "Adnim" };`, "", `no role "Adnim"`},
		{"misspelt account name", `forbid (principal, action, resource) when { [resource.account].containsAny(["acme-prd"]) };`, "", `no account "acme-prd"`},
		{"account by its name, not its number", `forbid (principal, action, resource) when { resource.number == "acme-prod" };`, "", `no account number "acme-prod"`},
		{"misspelt customer name", `forbid (principal, action, resource) when { resource.customer == "acne" };`, "", `no customer "acne"`},
		{"same id", `@id("a") forbid (principal, action, resource);` + "\n" + `@id("a") forbid (principal, action, resource);`, "", `guardrails:2:1: @id("a") is taken`},
		{"no name", `@id("a b") forbid (principal, action, resource);`, "", "is not a name"},
		{"empty reason", `@reason("") forbid (principal, action, resource);`, "", "@reason is empty"},
		{"template slot", `forbid (principal == ?principal, action, resource);`, "", "guardrails:1:"},
		{"too long", strings.Repeat("// x\n", 60_000), "", "bytes are too many"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := rules()
			r.Guardrails, r.Automatic = tt.guardrails, tt.automatic
			s, err := policy.Compile(r)
			var problems policy.Problems
			if s != nil || !errors.Is(err, brevet.Invalid) || !errors.As(err, &problems) {
				t.Fatalf("%v", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
}

// What the catalog knows, or does not know about, may stand in a rule.
func TestTextsThatAreRight(t *testing.T) {
	for _, when := range []string{
		`context.held.contains("acme-prod/Admin") && !context.held_envs.contains("prod")`,
		`context.held.isEmpty() || context.held_envs.containsAny(["prod", ""])`,
		`context.reason == "acme-prd/Admin" || context.reason like "*acme-prd*" || principal.handle == "prd"`,
		`resource.region == "mars-1" || ["acme-prod"].contains(resource.account)`,
		`if resource.role == "Admin" then context.env == "prod" else context.reason == "x"`,
	} {
		r := rules()
		r.Guardrails = "forbid (principal, action, resource) when { " + when + " };"
		if _, err := policy.Compile(r); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	nobody := entitlement("nobody", groups("engineers"), prod, "Admin", time.Hour, brevet.Approval{})
	nobody.Customer = "cu_01jd0000000000000000000009"
	r := rules(
		entitlement("prod-admin", groups("engineers"), prod, "Admin", time.Hour, brevet.Approval{}),
		entitlement("role", groups("engineers"), staging, "Audit", time.Hour, brevet.Approval{}), nobody,
		entitlement("account", groups("engineers"), "999999999999", "Admin", time.Hour, brevet.Approval{}))
	r.Guardrails = `permit (principal, action, resource); permit (principal, action, resource);`
	_, err := policy.Compile(r)
	want := []string{"prod-admin: another entitlement has this name", "role: none of its accounts has one of its roles",
		"nobody: nobody may approve: name somebody, or give somebody the right decide",
		"account: 999999999999 is not an account of the entitlement's customer",
		"guardrails:1:1: guardrails may only hold forbid", `guardrails:1:39: guardrails may only hold forbid`}
	got := strings.Split(err.Error(), "\n")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// bombs is Cedar that would exhaust stack, memory or patience of the engine.
var bombs = map[string]string{
	"brackets": strings.Repeat("(", 200_000),
	"lists":    strings.Repeat("[", 200_000),
	"index":    "context" + strings.Repeat(`["a"]`, 40_000),
	"nots":     strings.Repeat("!", 200_000) + "true",
	"ifs":      strings.Repeat("if true then true else ", 10_000) + "true",
	"ands":     strings.Repeat("true && ", 30_000) + "true",
	"sums":     strings.Repeat("1+", 100_000) + "1 == 1",
	"has":      "context has a" + strings.Repeat(".a", 100_000),
	"calls":    "context.now" + strings.Repeat(".toDate()", 20_000) + " == context.now",
	"strings":  strings.Repeat(`"(" == "(" && `, 10_000) + "true",
}

func TestBombs(t *testing.T) {
	for name, body := range bombs {
		r := rules()
		r.Guardrails = "forbid (principal, action, resource) when { " + body + " };"
		if _, err := policy.Compile(r); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), "too ") {
			t.Errorf("%s: %.200v", name, err)
		}
	}
	r := rules() // what is no bomb: brackets in texts and comments
	r.Guardrails = "// " + strings.Repeat("(", 200) + strings.Repeat(".", 200) + "\n@reason(\"" + strings.Repeat("[", 200) + "\") forbid (principal, action, resource);"
	compile(t, r)
}

func TestClauses(t *testing.T) {
	r := rules()
	r.Guardrails = "// a comment\n@id(\"one\")\nforbid (principal,action,resource);"
	r.Automatic = "permit (principal, action, resource);"
	want := []policy.Clause{
		{Where: "guardrails", ID: "one", Text: "@id(\"one\")\nforbid ( principal, action, resource );", Forbids: true},
		{Where: "automatic", Text: "permit ( principal, action, resource );"},
	}
	if d := cmp.Diff(want, compile(t, r).Clauses()); d != "" {
		t.Error(d)
	}
}

// FuzzCedar feeds anything to the compiler and decides with what it accepts.
func FuzzCedar(f *testing.F) {
	f.Add(`@id("x") @reason("r") forbid (principal in Group::"engineers", action, resource) when { context.hour < 8 || context.ip.isLoopback() };`)
	f.Add(`forbid (principal, action, resource) unless { context.reason like "*INC-*" };`)
	f.Add(`forbid (principal == Person::"lead", action == Action::"request", resource is Role in Account::"acme-prod") when { if context.duration > 60 then true else principal has handle };`)
	for _, b := range bombs {
		f.Add("forbid (principal, action, resource) when { " + b[:200] + " };")
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := rules()
		r.Guardrails = text
		s, err := policy.Compile(r)
		if err != nil {
			if s != nil || !errors.Is(err, brevet.Invalid) {
				t.Fatalf("%v", err)
			}
			return
		}
		a := s.Decide(query(prod, "Admin"))
		if !a.Allowed && len(a.Unmet) == 0 {
			t.Fatal("a no without a reason")
		}
		if slices.ContainsFunc(a.Unmet, func(u brevet.Unmet) bool { return u.Condition == "" || u.Have == "" || u.Remedy == "" }) {
			t.Fatalf("%+v", a.Unmet)
		}
	})
}

// TestConcurrent compiles and decides from many goroutines; the race detector
// judges.
func TestConcurrent(t *testing.T) {
	r := rules()
	r.Guardrails = `forbid (principal in Group::"contractors", action, resource) when { context.hour < 6 };`
	s := compile(t, r)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if !s.Decide(query(prod, "Admin")).Allowed || len(s.Options(query("", ""))) != 2 || len(s.Explain(query(prod, "Admin")).Facts) == 0 {
					t.Error("decided otherwise")
				}
				if _, err := policy.Compile(r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// Nothing is issued for a role that trusts another issuer alone, so nobody may
// ask for it.
func TestCompileOffline(t *testing.T) {
	r := rules(entitlement("offline", groups("engineers"), prod, "Audit", time.Hour, brevet.Approval{}))
	if _, err := policy.Compile(r); err != nil {
		t.Fatal(err)
	}
	r.Roles[prod][2].Offline = true
	if _, err := policy.Compile(r); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), "offline: role Audit is offline: nothing is issued for it") {
		t.Errorf("%v", err)
	}
}
