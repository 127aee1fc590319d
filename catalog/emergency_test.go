package catalog_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
)

// urgent is the sandbox's catalog with all that emergencies may need.
func urgent(t testing.TB) string {
	t.Helper()
	text := string(catalog.Sandbox)
	for _, e := range [][2]string{
		{"emergency: true, ", ""}, {", codes: [lead]", ""}, // what the sandbox has already
		{"roles:\n", "roles:\n  BreakGlass: {about: nobody is there, offline: true, policies: [AdministratorAccess]}\n  Rescue: {emergency: true, mfa: 1h, policies: [PowerUserAccess]}\n"},
		{"    prefix: brevet-", "    offline_issuer: https://keys.acme.example/offline  # a bucket of static files\n    prefix: brevet-"},
		{"entitlements:\n", "entitlements:\n  - {name: rescue, who: [engineer, group:sre], customer: acme, accounts: [\"*\"], roles: [Rescue], longest: 1h, break_glass: {codes: [lead, engineer]}}\n"},
	} {
		if strings.Count(text, e[0]) != 1 {
			t.Fatalf("%q does not stand there once", e[0])
		}
		text = strings.Replace(text, e[0], e[1], 1)
	}
	return text
}

func TestEmergency(t *testing.T) {
	c := complete(t, "c.yaml", []byte(urgent(t)))
	account, role, err := c.Resolve(brevet.Target{Account: "acme-prod", Role: "BreakGlass"})
	if err != nil || account.OfflineIssuer != "https://keys.acme.example/offline" || !role.Offline || role.Max != time.Hour {
		t.Errorf("%+v %+v: %v", account, role, err)
	}
	if role.MFA.Met(now, now) || role.MFA.Tighter(brevet.Rung24h) != role.MFA {
		t.Error("a proof of this moment opens an offline role")
	}
	if r, ok := c.Role(account.ID, "Rescue"); !ok || !r.Emergency || r.MFA != brevet.Rung1h {
		t.Errorf("%+v", r)
	}
	i := slices.IndexFunc(c.Entitlements, func(e brevet.Entitlement) bool { return e.Name == "rescue" })
	if d := cmp.Diff(brevet.Subjects{People: []brevet.Handle{"lead", "engineer"}}, c.Entitlements[i].BreakGlass.Codes); d != "" {
		t.Error(d)
	}
	out, err := catalog.AddAccount(c.Text, "acme", "acme-new", "012345678901", "prod", "eu-west-1", &counter{}, now)
	if err != nil {
		t.Fatal(err)
	}
	if checkEdit(t, c.Text, out); !strings.Contains(string(out), "# a bucket of static files") {
		t.Error("a comment is gone")
	}
	plain := complete(t, "c.yaml", catalog.Sandbox)
	for _, a := range plain.Accounts {
		if a.OfflineIssuer != "" || len(plain.RolesIn(a.ID)) != 6 {
			t.Errorf("an account that nobody spoke of: %+v", a)
		}
	}
}

// TestNoOfflineIssuer leaves an offline role out of accounts in which it would
// trust nobody.
func TestNoOfflineIssuer(t *testing.T) {
	text := strings.Replace(urgent(t), "    offline_issuer: https://keys.acme.example/offline  # a bucket of static files\n", "", 1)
	c := complete(t, "c.yaml", []byte(text))
	for _, a := range c.Accounts {
		if _, ok := c.Role(a.ID, "BreakGlass"); ok || a.OfflineIssuer != "" || len(c.RolesIn(a.ID)) != 7 {
			t.Errorf("%s has the offline role, or lacks another", a.Name)
		}
	}
}

func TestEmergencyErrors(t *testing.T) {
	good := urgent(t)
	const (
		issuer = "https://keys.acme.example/offline"
		role   = "about: nobody is there, offline: true"
		codes  = "codes: [lead, engineer]"
	)
	for _, tt := range []struct{ old, new, want string }{
		{role, role + ", emergency: true", "roles.BreakGlass.emergency: an offline role admits nothing but emergencies: leave out emergency"},
		{role, role + ", emergency: false", ""},
		{role, role + ", mfa: 5m", "roles.BreakGlass.mfa: an offline role is entered when nobody can prove a second factor: leave out mfa"},
		{role, role + ", max: 2h", "roles.BreakGlass.max: a session of an offline role lasts 1h: leave out max"},
		{role, role + ", max: 1h", ""},
		{role, "offline: yes", "must be true or false"},
		{"emergency: true", "emergency: 5m", "must be true or false"},
		{issuer, "http://keys.acme.example", "is not https://HOST"},
		{issuer, "https://keys.acme.example:8443/o", "must have no port"},
		{issuer, "https://keys.acme.example/../o", "must not have . or .. as a part of its path"},
		{issuer, "https://issuer.brevet.invalid", "is where this server's own tokens come from"},
		{issuer, "https://issuer.brevet.invalid/c/cu_01jd0000000000000000000000", "is where this server's own tokens come from"},
		{issuer, "https://issuer.brevet.invalid/c", "is where this server's own tokens come from"},
		{issuer, "https://issuer.brevet.invalid/offline", ""},
		{"entitlements:\n", "  - {name: birch, offline_issuer: " + issuer + "}\nentitlements:\n", " is called " + issuer},
		{"entitlements:\n", "  - {name: birch, offline_issuer: https://keys.birch.example, entry: assume-role}\nbroker: arn:aws:iam::999999999999:role/brevet-broker\nentitlements:\n",
			"offline_issuer: is for entry: oidc only; this customer is entered by assume-role"},
		{"entitlements:\n", "  - name: birch\n    accounts: [{name: b, number: \"012345678901\", region: eu-west-1, roles: [BreakGlass]}]\nentitlements:\n",
			"accounts[0].roles[0]: role BreakGlass is offline, and customer birch has no offline_issuer for it to trust"},
		{"roles: [Rescue]", "roles: [Rescue, BreakGlass]", "role BreakGlass is offline: the broker never issues for it, so nobody can ask for it"},
		{codes, "codes: []", "must name somebody; leave it out, and codes open nothing"},
		{codes, "codes: [engineer]", "nobody else has a code: engineer may ask"},
		{codes, "codes: [group:leads]", ""},
		{codes, "codes: [\"rota:sre\"]", "codes lie sealed with people long before they are needed"},
		{"roles: [Rescue]", "roles: [Admin]", "codes: are for when nobody can prove a second factor, and none of the entitlement's roles has emergency: true"},
		{"roles: [Rescue]", "roles: [Admin, Rescue]", ""},
	} {
		if strings.Count(good, tt.old) != 1 {
			t.Fatalf("%q does not stand there once", tt.old)
		}
		_, err := catalog.ParseIncomplete("c.yaml", []byte(strings.Replace(good, tt.old, tt.new, 1)))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\ngives %v\nwant  %s", tt.new, err, tt.want)
		}
	}
}

// TestEmergencyDiff says of everything that emergencies need whether it
// widens access, there and back.
func TestEmergencyDiff(t *testing.T) {
	good := string(complete(t, "c.yaml", []byte(urgent(t))).Text)
	const issuer = "    offline_issuer: https://keys.acme.example/offline  # a bucket of static files\n"
	for _, tt := range []struct {
		old, new    string
		there, back []string
	}{
		{"Admin: {", "Admin: {emergency: true, ", []string{"+ role Admin: emergency: false -> true"}, []string{"- role Admin: emergency: true -> false"}},
		{"offline: true", "mfa: 1h, max: 1h", []string{"+ role BreakGlass: offline: true -> false; it trusts what the broker signs"},
			[]string{"+ role BreakGlass: offline: false -> true; it trusts the offline issuer alone"}},
		{"  BreakGlass: {about: nobody is there, offline: true, policies: [AdministratorAccess]}\n", "", []string{"- role BreakGlass: gone"},
			[]string{"+ role BreakGlass: new, up to 1h, offline: it trusts the offline issuer alone, AdministratorAccess"}},
		{issuer, "", []string{"- customer acme: offline_issuer: https://keys.acme.example/offline -> none", "- account acme-staging: roles: no longer BreakGlass", "- account acme-prod: roles: no longer BreakGlass"},
			[]string{"+ customer acme: offline_issuer: none -> https://keys.acme.example/offline", "+ account acme-staging: roles: and BreakGlass", "+ account acme-prod: roles: and BreakGlass"}},
		{"keys.acme.example/offline", "keys.acme.example", []string{"+ customer acme: offline_issuer: https://keys.acme.example/offline -> https://keys.acme.example"},
			[]string{"+ customer acme: offline_issuer: https://keys.acme.example -> https://keys.acme.example/offline"}},
		{"[lead, engineer]", "[lead]", []string{"- entitlement rescue: break_glass: codes: no longer engineer"}, []string{"+ entitlement rescue: break_glass: codes: and engineer"}},
		{"codes: [lead, engineer]", "most: 3", []string{"- entitlement rescue: break_glass: codes: no longer lead, engineer"}, []string{"+ entitlement rescue: break_glass: codes: and lead, engineer"}},
	} {
		if strings.Count(good, tt.old) < 1 {
			t.Fatalf("%q does not stand there", tt.old)
		}
		was, is := parse(t, good), parse(t, strings.Replace(good, tt.old, tt.new, 1))
		if d := cmp.Diff(tt.there, catalog.Diff(was, is)); d != "" {
			t.Errorf("there: %s", d)
		}
		if d := cmp.Diff(tt.back, catalog.Diff(is, was)); d != "" {
			t.Errorf("and back: %s", d)
		}
	}
}

func TestAddCustomerOffline(t *testing.T) {
	good := complete(t, "c.yaml", []byte(urgent(t))).Text
	out, err := catalog.AddCustomer(good, catalog.NewCustomer{Name: "oak", Offline: "https://keys.oak.example"}, &counter{}, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	checkEdit(t, good, out)
	lines := catalog.Diff(parse(t, string(good)), parse(t, string(out)))
	if d := cmp.Diff([]string{"+ customer oak: new, with the offline issuer https://keys.oak.example"}, lines); d != "" {
		t.Error(d)
	}
	for _, tt := range []struct {
		n    catalog.NewCustomer
		want brevet.Kind
		says string
	}{
		{catalog.NewCustomer{Name: "oak", Offline: "https://keys.acme.example/offline"}, brevet.Conflict, "offline_issuer: another customer has"},
		{catalog.NewCustomer{Name: "oak", Offline: "https://issuer.brevet.invalid/c/x"}, brevet.Invalid, "offline_issuer: is where this server's own"},
		{catalog.NewCustomer{Name: "oak", Offline: "keys.oak.example"}, brevet.Invalid, "offline_issuer: "},
		{catalog.NewCustomer{Name: "oak", Offline: "https://keys.oak.example", Entry: catalog.AssumeRole}, brevet.Invalid, "entry: assume-role needs the ARN"},
	} {
		if out, err := catalog.AddCustomer(good, tt.n, &counter{}, now.Add(time.Hour)); out != nil || !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.n, err)
		}
	}
}
