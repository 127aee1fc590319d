package brevet_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
)

// TestCredentialPrintsNothing prints and encodes a credential in every way
// that a careless log line could.
func TestCredentialPrintsNothing(t *testing.T) {
	c := brevet.Credential{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "hush-secret", SessionToken: "hush-token", Expires: dawn}
	type answer struct {
		Session string
		Cred    brevet.Credential
	}
	nested, pointer := &answer{"ses_1", c}, struct{ Cred *brevet.Credential }{&c}
	var shown []string
	for _, v := range []any{c, &c, nested, *nested, pointer, []brevet.Credential{c}, map[string]brevet.Credential{"c": c}, any(c)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%10.3v"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		var b strings.Builder
		slog.New(slog.NewJSONHandler(&b, nil)).Info("issued", "what", v)
		slog.New(slog.NewTextHandler(&b, nil)).Info("issued", "what", v)
		shown = append(shown, string(text), b.String(), fmt.Sprint(v), fmt.Errorf("made %v", v).Error())
	}
	for _, s := range shown {
		if strings.Contains(s, "hush") || strings.Contains(s, fmt.Sprintf("%x", "hush")) {
			t.Errorf("shows a secret: %s", s)
		}
	}
	if c.String() != "credential ASIAEXAMPLE" || fmt.Sprint(c) != c.String() {
		t.Errorf("%s does not name the key", c)
	}
}

func FuzzSessionName(f *testing.F) {
	f.Add("engineer")
	f.Add("ab")
	f.Add(strings.Repeat("x", 64))
	f.Fuzz(func(t *testing.T, s string) {
		h, err := brevet.ParseHandle(s)
		if err != nil {
			h = brevet.HandleFrom(s)
		}
		grant := brevet.NewID[brevet.GrantID](dawn)
		name := brevet.Issue{Handle: h, Grant: grant}.SessionName()
		if !awsSourceIdentity.MatchString(name) || !strings.HasSuffix(name, "="+string(grant[len(grant)-10:])) {
			t.Errorf("%q", name)
		}
		if len(h) <= 53 && !strings.HasPrefix(name, string(h)+"=") {
			t.Errorf("%q does not name %s", name, h)
		}
	})
}

// TestTags pins what customers' trust policies compare.
func TestTags(t *testing.T) {
	if got := []string{brevet.TagRole, brevet.TagGrant, brevet.TagMFA, brevet.TagContract}; fmt.Sprint(got) != "[brevet-role brevet-grant brevet-mfa brevet-contract]" {
		t.Errorf("%v: stacks that are deployed admit nobody any more", got)
	}
}
