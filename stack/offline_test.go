package stack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

const offlineIssuer = "https://keys.acme.example/offline"

// urgent is the staging account with an offline issuer.
func urgent() brevet.Account {
	a := staging()
	a.OfflineIssuer = offlineIssuer
	return a
}

// glass is the role that the offline issuer opens.
func glass() brevet.Role {
	return brevet.Role{Name: "BreakGlass", Max: time.Hour, MFA: brevet.RungBreakGlass, Offline: true, Policies: []string{"AdministratorAccess"}}
}

// rescue is Admin, open to emergencies.
func rescue() brevet.Role {
	r := sixth()
	r.Emergency = true
	return r
}

// byOffline is the account as one sees it whose tokens come from the offline
// issuer.
func byOffline() brevet.Account {
	a := urgent()
	a.Issuer = a.OfflineIssuer
	return a
}

func TestUrgentTrustGolden(t *testing.T) {
	for _, r := range []brevet.Role{glass(), rescue()} {
		var got bytes.Buffer
		if err := json.Indent(&got, []byte(mustTrust(t, urgent(), r).String()), "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
		file := filepath.Join("testdata", "trust", "urgent", string(r.Name)+".json")
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got.String()); d != "" {
			t.Errorf("differs from %s; customers' stacks hold it, so that a change is a new contract version:\n%s", file, d)
		}
	}
}

// An issuer opens the roles that are its own, and an emergency only those that
// say so.
func TestTwoIssuers(t *testing.T) {
	roles := append(six()[:5:5], rescue(), glass())
	for _, r := range roles {
		p := mustTrust(t, urgent(), r)
		for name, from := range map[string]brevet.Account{"main": urgent(), "offline": byOffline()} {
			for _, rung := range append(slices.Clip(brevet.Rungs), brevet.RungBreakGlass) {
				want := name == "main" && !r.Offline && (slices.Contains(r.MFA.Within(), rung) || r.Emergency && rung == brevet.RungBreakGlass) ||
					name == "offline" && r.Offline && rung == brevet.RungBreakGlass
				for _, action := range actions {
					if got := right(from, r, rung).assume(p, urgent(), r, action); (got.Decision == iam.Allow) != want {
						t.Errorf("%s issuer, %s, %s, %s: %+v, want %t", name, r.Name, rung, action, got, want)
					}
				}
			}
		}
	}
}

// Each condition of the offline role's trust policy keeps out what it is there
// for, and without it that gets in.
func TestOfflineTrustRefuses(t *testing.T) {
	a, r, from := urgent(), glass(), byOffline()
	whole := mustTrust(t, a, r).Statements[0]
	wrongs := slices.DeleteFunc(wrongTokens(from, r), func(w wrong) bool { return w.name == "MFA of break-glass" })
	wrongs = append(wrongs,
		wrong{"MFA of this moment", set("aws:RequestTag/brevet-mfa", "5m"), "StringEquals aws:RequestTag/brevet-mfa"},
		wrong{"the main issuer", func(k *token) { *k = right(a, r, brevet.RungBreakGlass) }, ""},
		wrong{"the main issuer's claims at the offline provider", func(k *token) {
			*k = right(a, r, brevet.RungBreakGlass)
			k.caller.Federated = stack.OfflineProviderARN(a)
		}, "StringEquals keys.acme.example/offline:aud"})
	for _, c := range wrongs {
		k := right(from, r, brevet.RungBreakGlass)
		c.change(&k)
		for _, action := range actions {
			got := k.assume(&iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{whole}}, a, r, action)
			if got.Decision != iam.ImplicitDeny || got.Condition != c.why {
				t.Errorf("%s: %s: %+v, want %q to keep it out", c.name, action, got, c.why)
			}
		}
	}
	for i, c := range whole.Conditions {
		s := whole
		s.Conditions = slices.Delete(slices.Clone(whole.Conditions), i, i+1)
		if !slices.ContainsFunc(wrongs, func(w wrong) bool {
			k := right(from, r, brevet.RungBreakGlass)
			w.change(&k)
			return k.assume(&iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{s}}, a, r, actions[0]).Decision == iam.Allow
		}) {
			t.Errorf("without %s %s no wrong token gets in", c.Operator, c.Key)
		}
	}
}

func TestOfflineTrustRefusesToBeWritten(t *testing.T) {
	for name, change := range map[string]func(*brevet.Account, *brevet.Role){
		"no offline issuer":        func(a *brevet.Account, _ *brevet.Role) { a.OfflineIssuer = "" },
		"the main issuer":          func(a *brevet.Account, _ *brevet.Role) { a.OfflineIssuer = a.Issuer },
		"an issuer with a port":    func(a *brevet.Account, _ *brevet.Role) { a.OfflineIssuer = "https://keys.acme.example:8443" },
		"an issuer with a star":    func(a *brevet.Account, _ *brevet.Role) { a.OfflineIssuer += "*" },
		"entered by the broker":    func(a *brevet.Account, _ *brevet.Role) { *a = brokered(); a.OfflineIssuer = offlineIssuer },
		"longer than an hour":      func(_ *brevet.Account, r *brevet.Role) { r.Max = 2 * time.Hour },
		"another account's number": func(a *brevet.Account, _ *brevet.Role) { a.ID = "444455556666" },
	} {
		a, r := urgent(), glass()
		change(&a, &r)
		if p, err := stack.Trust(a, r); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%s: error %v, policy %v", name, err, p)
		}
	}
	if got := stack.OfflineProviderARN(staging()); got != "" {
		t.Error(got)
	}
	if got := stack.OfflineProviderARN(urgent()); got != "arn:aws:iam::111122223333:oidc-provider/"+strings.TrimPrefix(offlineIssuer, "https://") {
		t.Error(got)
	}
}
