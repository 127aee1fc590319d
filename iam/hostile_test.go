package iam_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet/iam"
)

const at = "arn:aws:iam::111122223333:oidc-provider/"

// The hostile corpus is part of what is promised: it is held against a file.
func TestHostileCorpus(t *testing.T) {
	var b strings.Builder
	subjects := map[string]bool{}
	for _, c := range [][]string{
		{at + github, "repo:acme/app:ref:refs/heads/main"},
		{at + github, "repo:acme*/app:environment:*"},
		{at + github, "repo:acme@1234567/app@*:ref:refs/tags/v*"},
		{at + github, "*"},
		{at + "gitlab.com", "project_path:acme/app:ref_type:branch:ref:*"},
		{at + "app.terraform.io", "organization:acme:project:*:workspace:prod:run_phase:apply"},
		{at + "agent.buildkite.com", "organization:acme:pipeline:*:ref:refs/heads/main:commit:*:step:deploy"},
		{at + "oidc.circleci.com/org/1", "org/1/project/2/user/*"},
		{at + "oidc.eks.eu-west-1.amazonaws.com/id/1", "system:serviceaccount:pay*:api"},
	} {
		list := iam.Hostile(c[0], c[1:]...)
		b.WriteString("# " + strings.Join(c, " ") + "\n" + strings.Join(list, "\n") + "\n")
		for _, s := range list[1:] {
			subject, _, _ := strings.Cut(s, " ")
			subjects[subject] = true
		}
		if strings.Contains(c[1], "*") && len(list) < 60 && c[1] != "*" && !strings.Contains(c[0], "eks") {
			t.Errorf("only %d hostile subjects around %s", len(list)-1, c[1])
		}
	}
	if len(subjects) < 600 {
		t.Errorf("only %d hostile subjects in all", len(subjects))
	}
	const file = "testdata/hostile.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("-file +now (go test ./iam -update writes it anew)\n%s", cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")))
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		host, pattern, want string
		ok                  bool
	}{
		{github, "repo:acme/app:ref:refs/heads/main", "acme|app|ref:refs/heads/main", true},
		{github, "repo:acme/app:*", "acme|app|*", true},
		{github, "repo:acme/app*", "acme|app*|*", true},
		{github, "repo:acme*", "acme*|*|*", true},
		{github, "repo:acme", "acme|*|*", false},
		{github, "repo:*", "*|*|*", true},
		{github, "repo:*:ref:refs/heads/main", "*|*|ref:refs/heads/main", true},
		{github, "repo:/:", "|" + "|", true},
		{github, "*", "*|*|*", true},
		{github, "?epo:acme/app:x", "*|*|*", true},
		{github, "re*", "*|*|*", true},
		{github, "repo", "*|*|*", false},
		{github, "", "*|*|*", false},
		{github, "environment:production", "*|*|*", false},
		{"gitlab.com", "project_path:acme/app:ref_type:branch:ref:main", "acme|app|branch:ref:main", true},
		{"gitlab.com", "project_path:acme*:ref_type:branch:ref:a/b", "acme*|*|branch:ref:a/b", true},
		{"app.terraform.io", "organization:acme:*", "acme|*|*|*", true},
		{"app.terraform.io", "organization:acme:workspace:w:run_phase:plan", "acme|*|w|plan", true},
		{"agent.buildkite.com", "organization:acme:pipeline:deploy:*", "acme|deploy|*", true},
		{"oidc.eks.eu-west-1.amazonaws.com/id/1", "system:serviceaccount:pay:api", "pay|api", true},
		{"oidc.eks.eu-west-1.amazonaws.com/id/1", "system:serviceaccount:pay", "pay|*", false},
		{"issuer.example", "x", "", true},
	} {
		got, ok := iam.Split(at+c.host, c.pattern)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: %q %v, want %q %v", c.pattern, got, ok, c.want, c.ok)
		}
	}
}

func TestIssuer(t *testing.T) {
	for provider, want := range map[string]string{
		at + github: "GitHub " + github,
		at + "Token.Actions.GithubUserContent.com/a": "GitHub Token.Actions.GithubUserContent.com/a",
		at + "token.actions.acme.ghe.com":            "GitHub token.actions.acme.ghe.com",
		at + "token.actions.acme.example":            "the issuer token.actions.acme.example",
		at + "acme.ghe.com":                          "the issuer acme.ghe.com",
		at + "github.acme.example/_services/token":   "GitHub github.acme.example/_services/token",
		at + "gitlab.com":                            "GitLab gitlab.com",
		at + "gitlab.acme.example":                   "GitLab gitlab.acme.example",
		at + "notgitlab.com":                         "the issuer notgitlab.com",
		at + "app.terraform.io":                      "HCP Terraform app.terraform.io",
		at + "agent.buildkite.com":                   "Buildkite agent.buildkite.com",
		at + "oidc.circleci.com/org/1":               "CircleCI oidc.circleci.com/org/1",
		at + "oidc.vercel.com/acme":                  "Vercel oidc.vercel.com/acme",
		at + "api.pulumi.com/oidc":                   "Pulumi api.pulumi.com/oidc",
		at + "oidc.eks.eu-west-1.amazonaws.com/id/1": "EKS oidc.eks.eu-west-1.amazonaws.com/id/1",
		"accounts.google.com":                        "Google accounts.google.com",
		"graph.facebook.com":                         "Facebook graph.facebook.com",
		"www.amazon.com":                             "Login with Amazon www.amazon.com",
		"cognito-identity.amazonaws.com":             "Cognito cognito-identity.amazonaws.com",
		"issuer.example/x":                           "the issuer issuer.example/x",
	} {
		if got := iam.Issuer(provider); got != want {
			t.Errorf("%s: %q, want %q", provider, got, want)
		}
	}
}

func TestMeeting(t *testing.T) {
	for _, c := range []struct {
		conditions string // with ; between
		want       string // key=value,value; "" where the key is absent
	}{
		{"StringEquals k:a x|y", "k:a=x"},
		{"StringLike k:a a*b?c", "k:a=axbxc"},
		{"StringLike k:a ${aws:x}/${aws:y, 'z'}/${*}", "k:a=x/z/*"},
		{"StringEquals k:a a*", "k:a=a*"},
		{"StringNotEquals k:a x", "k:a=x-x"},
		{"StringEquals k:a x;StringNotEquals k:a y", "k:a=x"},
		{"StringLike k:a *;StringNotLike k:a x*", "k:a=*"},
		{"Null k:a true", ""},
		{"Null k:a false", "k:a=x"},
		{"Null k:a false;StringEquals k:a y", "k:a=y"},
		{"NumericLessThan k:a 10", "k:a=9"},
		{"NumericLessThanEquals k:a 10", "k:a=10"},
		{"NumericGreaterThan k:a 10", "k:a=11"},
		{"NumericGreaterThan k:a 10;NumericLessThan k:a 12", "k:a=11"},
		{"NumericNotEquals k:a 10", "k:a=9"},
		{"DateLessThan k:a 2026-11-25T00:00:00Z", "k:a=2026-11-24T00:00:00Z"},
		{"DateGreaterThan k:a 2026-11-25T00:00:00Z", "k:a=2026-11-26T00:00:00Z"},
		{"DateEquals k:a 2026-11-25T01:00:00+01:00", "k:a=2026-11-25T00:00:00Z"},
		{"IpAddress k:a 203.0.113.0/24", "k:a=203.0.113.1"},
		{"IpAddress k:a 203.0.113.7/32", "k:a=203.0.113.7"},
		{"IpAddress k:a 2001:db8::/32", "k:a=2001:db8::1"},
		{"NotIpAddress k:a 203.0.113.0/24", "k:a=198.51.100.66"},
		{"NotIpAddress k:a 0.0.0.0/0", ""},
		{"Bool k:a true", "k:a=true"},
		{"Bool k:a false", "k:a=false"},
		{"ForAllValues:StringEquals k:a x|y", "k:a=x"},
		{"ForAnyValue:StringLike k:a x*", "k:a=xx"},
		{"ArnLike K:A arn:aws:iam::*:role/x", "k:a=arn:aws:iam::x:role/x"},
		{"StringEquals k:a x;StringEquals k:b y", "k:a=x k:b=y"},
		{"NoSuchOperator k:a x", ""},
		{"NumericEquals k:a many", ""},
		{"DateEquals k:a someday", ""},
		{"IpAddress k:a home", ""},
	} {
		var list []iam.Condition
		for s := range strings.SplitSeq(c.conditions, ";") {
			list = append(list, condition(s))
		}
		var got []string
		ctx := iam.Meeting(list...)
		for _, k := range []string{"k:a", "k:b"} {
			if v, ok := ctx[k]; ok {
				got = append(got, k+"="+strings.Join(v, ","))
			}
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: %q, want %q", c.conditions, g, c.want)
		}
	}
}

func TestSmallHelpers(t *testing.T) {
	for in, want := range map[string]string{"aZ09-": "Az09-", "mM": "Mm", "zA": "Za", "@[`{": "@[`{", "é": "é"} {
		if got := iam.SwapCase(in); got != want {
			t.Errorf("SwapCase(%q) = %q", in, got)
		}
	}
	for in, want := range map[string]string{"": "x", "plain": "plain", "a*": "ax", "${": "${", "${x": "${x", "a${*}b": "a*b", "${k, 'v'}${k}": "vx"} {
		if in == "" {
			want = ""
		}
		if got := iam.Concrete(in); got != want {
			t.Errorf("Concrete(%q) = %q", in, got)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "axc", 1}, {"abc", "abcd", 1}, {"abc", "bc", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 2}} {
		if got := iam.Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := iam.Distance(c.b, c.a); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.b, c.a, got, c.want)
		}
	}
	for in, want := range map[string]string{"dynamdb": "dynamodb", "lamda": "lambda", "zzzzzz": "", "s4": "s3", "!": "", "dynaamdbx": "", "cloudfromation": "cloudformation"} {
		if got := iam.Nearest(in); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"aws:111122223333": "aws:666666666666", "111122223333": "666666666666", "x1111222233334": "x6666666666664", "acme": "acme2", "": "2"} {
		if got := iam.Another(in); got != want {
			t.Errorf("Another(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"arn:aws:sns:eu-west-1:111122223333:t": "arn:aws:sns:eu-west-1:666666666666:t", "arn:aws:s3:::b": "arn:aws:s3:::b", "x": "x"} {
		if got := iam.Foreign(in); got != want {
			t.Errorf("Foreign(%q) = %q, want %q", in, got, want)
		}
	}
	if got := strings.Join(iam.Lookalikes("a"), " "); got != "attacker A a-evil aevil evil-a evila a@1 attacker@1 a@666666666666 a%3Aevil a.evil a2 evil-a-evil" {
		t.Error(got)
	}
	if got := strings.Join(iam.Lookalikes("ab@7"), " "); !strings.HasSuffix(got, " ab@ b@7 ab@666666666666 ab") {
		t.Error(got)
	}
}
