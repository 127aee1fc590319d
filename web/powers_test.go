package web

import (
	"slices"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
)

func TestPowers(t *testing.T) {
	c, err := catalog.ParseIncomplete("sandbox", catalog.Sandbox)
	if err != nil {
		t.Fatal(err)
	}
	of := func(role brevet.RoleName, session string) powers {
		i := slices.IndexFunc(c.Roles, func(r brevet.Role) bool { return r.Name == role })
		return powersOf(brevet.Account{Region: "eu-west-1"}, c.Roles[i], session)
	}
	can := func(p powers, words string) bool {
		return slices.ContainsFunc(p.List, func(a power) bool { return strings.Contains(a.Words, words) })
	}
	if p := of("Admin", ""); !p.All || p.Reads || !p.Grave() {
		t.Errorf("Admin: %+v", p)
	}
	if p := of("ReadOnly", ""); p.All || !can(p, "read data") || can(p, "write or delete") || can(p, "change people") || !slices.Contains(p.Looks, "s3") || slices.Contains(p.Changes, "s3") {
		t.Errorf("ReadOnly: %+v", p)
	}
	if p := of("SRE", ""); p.All || p.Reads || !can(p, "start, stop") || !slices.Contains(p.Changes, "ec2") {
		t.Errorf("SRE: %+v", p)
	}
	if p := of("DevOps", ""); p.All || can(p, "change people") || !can(p, "delete databases") {
		t.Errorf("DevOps: %+v", p)
	}
	narrow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListBucket","s3:GetObject"],"Resource":"arn:aws:s3:::logs*"}]}`
	if p := of("Admin", narrow); p.All || p.Grave() || !p.Reads || len(p.Narrowed) != 1 || !strings.Contains(p.Narrowed[0], "s3:GetObject on arn:aws:s3:::logs*") {
		t.Errorf("Admin, narrowed: %+v", p)
	}
	if p := powersOf(brevet.Account{Region: "eu-west-1"}, brevet.Role{Name: "X", Policies: []string{"SomethingNew"}}, ""); p.Reads || !p.Grave() {
		t.Errorf("an unknown policy: %+v", p)
	}
}

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{"": "", "a b": "A b.", "brevet why": "brevet why.", "comment: x": "comment: x.", "acme-prod/Admin is": "acme-prod/Admin is.", "Done.": "Done."} {
		if got := sentence(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
