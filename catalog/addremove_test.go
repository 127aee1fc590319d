package catalog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
)

// unnamed is an account that nothing in the sound catalog names.
const unnamed = "      - {name: spare, number: \"999988887777\", region: eu-west-1, audience: \"brevet:999988887777:abcdefghijklmnopqrstuvwxyz\"} # to go\n"

func TestCompleteMakesExternalIDs(t *testing.T) {
	without := strings.Replace(sound, "    external_id: mnopqrstuvwxyz234567abcdef\n", "", 1)
	if _, err := catalog.Parse("c.yaml", []byte(without)); err == nil {
		t.Fatal("assume-role without an external id is read as complete")
	}
	out, changed, err := catalog.Complete([]byte(without), &counter{}, now)
	if err != nil || !changed {
		t.Fatalf("%t %v", changed, err)
	}
	a, _ := parse(t, string(out)).Account("birch-prod")
	if len(a.ExternalID) != 26 || a.ExternalID == "mnopqrstuvwxyz234567abcdef" {
		t.Errorf("external id %q", a.ExternalID)
	}
	checkEdit(t, []byte(without), out)
}

func TestAddAccountNamesTheOwner(t *testing.T) {
	_, err := catalog.AddAccount([]byte(sound), "birch", "new", "111122223333", "", "eu-west-1", &counter{}, now)
	if !errors.Is(err, brevet.Conflict) || !strings.Contains(err.Error(), "belongs to customer acme") {
		t.Errorf("%v", err)
	}
	_, err = catalog.AddAccount([]byte(sound), "oak", "new", "123456789012", "", "eu-west-1", &counter{}, now)
	if !errors.Is(err, brevet.NotFound) || !strings.Contains(brevet.AsError(err).Hint, "acme, birch") {
		t.Errorf("%v", err)
	}
}

func TestAddCustomer(t *testing.T) {
	out, err := catalog.AddCustomer([]byte(sound), catalog.NewCustomer{Name: "oak", Entry: catalog.AssumeRole, Rights: map[brevet.Right][]string{brevet.RightCatalog: {"group:security"}}}, &counter{}, now)
	if err != nil {
		t.Fatal(err)
	}
	checkEdit(t, []byte(sound), out)
	c := parse(t, string(out))
	k, ok := c.Customer("oak")
	if !ok || c.Entry(k.ID) != catalog.AssumeRole || k.LogGroup != "brevet-access" || c.Holders(k.ID, brevet.RightCatalog).String() != "group security" {
		t.Errorf("%+v", k)
	}
	for _, tt := range []struct {
		n    catalog.NewCustomer
		want brevet.Kind
		says string
	}{
		{catalog.NewCustomer{}, brevet.Invalid, "name: "},
		{catalog.NewCustomer{Name: "cu_x"}, brevet.Invalid, "name: "},
		{catalog.NewCustomer{Name: "acme"}, brevet.Conflict, "customer acme is in the catalog already"},
		{catalog.NewCustomer{Name: "cu_01jd0000000000000000000000"}, brevet.Conflict, "already"},
		{catalog.NewCustomer{Name: "oak\n  - evil"}, brevet.Invalid, "name: "},
		{catalog.NewCustomer{Name: "oak", Prefix: strings.Repeat("x", 25)}, brevet.Invalid, "prefix: "},
		{catalog.NewCustomer{Name: "oak", Entry: "saml"}, brevet.Invalid, "entry: "},
		{catalog.NewCustomer{Name: "oak", Contact: "nobody"}, brevet.Invalid, "contact: "},
		{catalog.NewCustomer{Name: "oak", LogGroup: "a b"}, brevet.Invalid, "log_group: "},
		{catalog.NewCustomer{Name: "oak", Rights: map[brevet.Right][]string{"own": {"lead"}}}, brevet.Invalid, "rights: "},
		{catalog.NewCustomer{Name: "oak", Rights: map[brevet.Right][]string{brevet.RightView: {"le ad"}}}, brevet.Invalid, "rights.view: "},
	} {
		out, err := catalog.AddCustomer([]byte(sound), tt.n, &counter{}, now)
		if out != nil || !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.n, err)
		}
	}
	noBroker := strings.Replace(sound, "broker: arn", "# broker: arn", 1)
	noBroker = strings.Replace(noBroker, "    entry: assume-role\n    external_id: mnopqrstuvwxyz234567abcdef\n", "", 1)
	if _, err := catalog.AddCustomer([]byte(noBroker), catalog.NewCustomer{Name: "oak", Entry: catalog.AssumeRole}, &counter{}, now); !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), "broker") {
		t.Errorf("without a broker: %v", err)
	}
	if out, err := catalog.AddCustomer([]byte(sound), catalog.NewCustomer{Name: "oak"}, strings.NewReader("short"), now); err == nil || out != nil {
		t.Error("made of too little randomness")
	}
}

func TestRemoveAccount(t *testing.T) {
	with := strings.Replace(sound, "    rights: {view", unnamed+"    # who may what\n    rights: {view", 1)
	out, a, err := catalog.RemoveAccount([]byte(with), "acme", "spare")
	if err != nil || a.ID != "999988887777" {
		t.Fatalf("%+v, %v", a, err)
	}
	if want := strings.Replace(with, unnamed, "", 1); string(out) != want {
		t.Errorf("it left\n%s", out)
	}
	for _, tt := range []struct {
		customer, account string
		want              brevet.Kind
		says              string
	}{
		{"", "nobody", brevet.NotFound, `no account "nobody"`},
		{"oak", "spare", brevet.NotFound, `no customer "oak"`},
		{"birch", "999988887777", brevet.NotFound, "it belongs to acme"},
		{"acme", "acme-prod", brevet.Conflict, "named by the entitlements buckets (line 49, the last account that env:prod stands for)"},
	} {
		out, _, err := catalog.RemoveAccount([]byte(with), tt.customer, tt.account)
		if out != nil || !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	byName := strings.Replace(with, `accounts: ["*"]`, "accounts: [spare, acme-prod]", 1)
	if _, _, err := catalog.RemoveAccount([]byte(byName), "acme", "spare"); !errors.Is(err, brevet.Conflict) || !strings.Contains(err.Error(), "entitlements look (line 39)") {
		t.Errorf("named: %v", err)
	}
	inCedar := strings.Replace(with, `Account::"acme-prod"`, `Account::"999988887777"`, 1)
	if _, _, err := catalog.RemoveAccount([]byte(inCedar), "acme", "spare"); !errors.Is(err, brevet.Conflict) || !strings.Contains(err.Error(), "guardrails") {
		t.Errorf("named in Cedar: %v", err)
	}
}

func TestCheckContracts(t *testing.T) {
	c := parse(t, strings.Replace(sound, "contract: 1", "contract: 3", 1))
	if err := c.CheckContracts(3); err != nil {
		t.Error(err)
	}
	err := c.CheckContracts(2)
	if want := "c.yaml:20: customers[0].accounts[0].contract: there is no contract 3; the newest that this brevet knows is 2"; err == nil || err.Error() != want || !errors.Is(err, brevet.Invalid) {
		t.Errorf("%v", err)
	}
}
