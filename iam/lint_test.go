package iam_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet/iam"
)

// What this project writes itself has no finding.
func TestOurTrustPoliciesAreClean(t *testing.T) {
	files, err := filepath.Glob("../stack/testdata/trust/*.json")
	if err != nil || len(files) < 6 {
		t.Fatal("too few files", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := mustParse(t, string(text))
		if kind := iam.GuessKind(p); kind != iam.TrustPolicy {
			t.Errorf("%s: guessed %s", file, kind)
		}
		for _, f := range iam.Lint(iam.TrustPolicy, p) {
			t.Errorf("%s: %s %s %s: %s; %v", file, f.Rule, f.Severity, f.Path, f.Why, f.Witness)
		}
	}
}

const github = "token.actions.githubusercontent.com"

// trustIn makes a trust policy for GitHub.
func trustIn(t testing.TB, conditions string) *iam.Policy {
	return policy(t, `"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/`+github+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{`+conditions+`}`)
}

func TestWitness(t *testing.T) {
	aud := `"StringEquals":{"` + github + `:aud":"sts.amazonaws.com"}`
	for _, c := range []struct{ conditions, rule, witness string }{
		{aud, "L01", "a foreign owner at GitHub: iss=token.actions.githubusercontent.com sub=repo:attacker/evil:ref:refs/heads/main aud=sts.amazonaws.com may sts:AssumeRoleWithWebIdentity"},
	} {
		found := iam.Lint(iam.TrustPolicy, trustIn(t, c.conditions))
		if len(found) == 0 || found[0].Rule != c.rule || found[0].Witness.String() != c.witness {
			t.Errorf("%s: %+v", c.conditions, found)
			for _, f := range found {
				t.Log(f.Witness)
			}
		}
	}
}

// Every rule is explained, has an own number, and is found in some policy of
// the corpus or in a test of its own.
func TestRules(t *testing.T) {
	docs, err := os.ReadFile("../docs/lint.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{"L28": true, "L31": true} // TestLintRole
	for _, c := range corpus(t) {
		for _, id := range c.Expect {
			seen[id] = true
		}
	}
	known := map[string]bool{}
	for _, r := range iam.Rules() {
		if known[r.ID] {
			t.Errorf("%s is there twice", r.ID)
		}
		known[r.ID] = true
		if row := "| " + r.ID + " | " + string(r.Severity) + " | " + r.About + " | " + r.Mend + " |"; !strings.Contains(string(docs), row) {
			t.Errorf("docs/lint.md lacks the row\n%s", row)
		}
		if !seen[r.ID] {
			t.Errorf("no policy of the corpus breaks %s", r.ID)
		}
	}
	for id := range seen {
		if !known[id] {
			t.Errorf("the corpus expects %s, which is no rule", id)
		}
	}
}

func TestLintRole(t *testing.T) {
	admin := iam.RoleUse{Managed: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/AdministratorAccess"}, Longest: 2 * time.Hour}
	p := trustIn(t, `"StringEquals":{"`+github+`:aud":"sts.amazonaws.com"}`)
	var got []string
	for _, f := range (iam.Linter{}).LintRole(p, admin) {
		got = append(got, f.Rule+" "+f.Path+" "+f.Why)
	}
	want := []string{"L31 Statement[0] runs at GitHub get AdministratorAccess", "L28 Statement[0] runs at GitHub get sessions of up to 2h0m0s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if found := (iam.Linter{}).LintRole(p, iam.RoleUse{Managed: admin.Managed[:1], Longest: time.Hour}); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	own := policy(t, `"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/issuer.example"},"Action":"sts:AssumeRoleWithWebIdentity"`,
		`"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/`+github+`"},"Action":"sts:AssumeRoleWithWebIdentity"`)
	if found := (iam.Linter{}).LintRole(own, admin); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}
