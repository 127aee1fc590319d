package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet/catalog"
)

// TestStanding asks who reaches production without a second person: in the
// fintech nobody does, and each way that is opened there is found.
func TestStanding(t *testing.T) {
	text, err := os.ReadFile("../../examples/fintech/catalog.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := brevetd(t, "check", "--standing", "../../examples/fintech/catalog.yaml"); code != 0 ||
		!strings.Contains(out, "ids and audiences are missing") || !strings.Contains(out, "nobody reaches prod without a second person") {
		t.Errorf("the file itself: %d: %s%s", code, out, errs)
	}
	if code, _, errs := brevetd(t, "check", "../../examples/fintech/catalog.yaml"); code == 0 || !strings.Contains(errs, "audience: missing") {
		t.Errorf("without --standing: %d: %s", code, errs)
	}
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(text), "who: [group:contractors]", "who: [\"group:\"]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := brevetd(t, "check", "--standing", broken); code == 0 || strings.Contains(out, "nobody") || !strings.Contains(errs, "broken.yaml:") {
		t.Errorf("another fault beside: %d: %s%s", code, out, errs)
	}
	if text, _, err = catalog.Complete(text, rand.Reader, time.Now()); err != nil {
		t.Fatal(err)
	}
	const audit = "    accounts: [env:dev, env:test]\n    roles: [Audit]"
	closed := "  forbid (principal in Group::\"security\", action, resource == Role::\"bank-prod/Audit\");\n\n  @id(\"one-path\")"
	for name, tt := range map[string]struct {
		change []string
		want   []string
	}{
		"as it is":  {nil, nil},
		"automatic": {[]string{audit, "    accounts: [\"*\"]\n    roles: [Audit]"}, []string{"group security reaches bank-prod/Audit by entitlement audit; opens on first use"}},
		"Cedar": {[]string{"Role::\"bank-dev/Observe\"", "Role::\"bank-prod/Observe\""},
			[]string{"group engineers reaches bank-prod/Observe by policy contractors-look-by-day, with entitlement prod-observe"}},
		"a person":                       {[]string{audit, "    accounts: [\"*\"]\n    roles: [Audit]", "  - name: audit\n    who: [group:security]", "  - name: audit\n    who: [auditor]"}, []string{"auditor reaches bank-prod/Audit"}},
		"a guardrail that closes it":     {[]string{audit, "    accounts: [\"*\"]\n    roles: [Audit]", "  @id(\"one-path\")", closed}, nil},
		"a guardrail that may not close": {[]string{audit, "    accounts: [\"*\"]\n    roles: [Audit]", "  @id(\"one-path\")", strings.Replace(closed, ");", ") when { context.hour > 1 };", 1)}, []string{"group security reaches bank-prod/Audit"}},
	} {
		t.Run(name, func(t *testing.T) {
			file, changed := filepath.Join(t.TempDir(), "c.yaml"), string(text)
			for i := 0; i < len(tt.change); i += 2 {
				if !strings.Contains(changed, tt.change[i]) {
					t.Fatalf("the example does not hold %q", tt.change[i])
				}
				changed = strings.Replace(changed, tt.change[i], tt.change[i+1], 1)
			}
			if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, errs := brevetd(t, "check", "--standing", "--catalog", file)
			if (code == 0) != (tt.want == nil) || (code == 0) != strings.Contains(out, "nobody reaches prod") {
				t.Errorf("%d: %s%s", code, out, errs)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("%s lacks %q", out, want)
				}
			}
		})
	}
}

// TestCheckWarns: a catalog that is sound is said to be, and what may go wrong
// under it.
func TestCheckWarns(t *testing.T) {
	text, _, err := catalog.Complete(catalog.Sandbox, rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for review, want := range map[string]bool{"[lead, group:security]": false, "[lead]": true} {
		file, changed := filepath.Join(t.TempDir(), "c.yaml"), strings.Replace(string(text), "review: [lead, group:security]", "review: "+review, 1)
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := brevetd(t, "check", file)
		warned := strings.Contains(out, "warning: entitlement prod-emergency: nobody is left to review what group engineers opens with a sealed code of lead")
		if code != 0 || !strings.Contains(out, "is sound") || warned != want || strings.Contains(out, "warning") != want {
			t.Errorf("review: %s: %d: %s%s", review, code, out, errs)
		}
	}
}
