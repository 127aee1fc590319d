package catalog_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
)

// counter is randomness that is the same in every run.
type counter struct{ n byte }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = c.n
		c.n++
	}
	return len(p), nil
}

// TestEdit completes every testdata/edit/*.yaml and then adds two accounts;
// the golden file beside it holds both results.
func TestEdit(t *testing.T) {
	files, err := filepath.Glob("testdata/edit/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			random := &counter{}
			out, changed, err := catalog.Complete(text, random, now)
			if err != nil || !changed {
				t.Fatalf("changed %t: %v", changed, err)
			}
			checkEdit(t, text, out)
			again, changed, err := catalog.Complete(out, random, now)
			if err != nil || changed || !bytes.Equal(again, out) {
				t.Errorf("a second time: changed %t: %v", changed, err)
			}
			more, err := catalog.AddAccount(out, "acme", "acme-new", "012345678901", "prod", "eu-west-1", random, now)
			if err != nil {
				t.Fatal(err)
			}
			if more, err = catalog.AddAccount(more, "acme", "007", "987654321098", "", "cn-north-1", random, now); err != nil {
				t.Fatal(err)
			}
			checkEdit(t, out, more)
			customer, err := catalog.AddCustomer(more, catalog.NewCustomer{Name: "true", Prefix: "a,b-", Entry: catalog.OIDC, Contact: "security@example.com", LogGroup: "#x",
				Rights: map[brevet.Right][]string{brevet.RightRevoke: {"lead", "group:the owners, of it"}, brevet.RightView: {"group:true"}}}, random, now)
			if err != nil {
				t.Fatal(err)
			}
			checkEdit(t, more, customer)
			if k, ok := parse(t, string(customer)).Customer("true"); !ok || k.Contact != "security@example.com" || k.LogGroup != "#x" {
				t.Errorf("%+v", k)
			}
			less := customer
			for _, account := range []string{"acme-new", "987654321098"} {
				if less, _, err = catalog.RemoveAccount(less, "acme", account); err != nil {
					t.Fatal(err)
				}
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", string(out)+"======== and two accounts\n"+string(more)+
				"======== and a customer, without the accounts\n"+string(less))
		})
	}
}

// checkEdit checks that the new text parses and holds every byte of the old
// one in the same order.
func checkEdit(t *testing.T, old, new []byte) {
	t.Helper()
	if _, err := catalog.Parse("c.yaml", new); err != nil {
		t.Errorf("%v\n%s", err, new)
	}
	at := 0
	for i := 0; i < len(new) && at < len(old); i++ {
		if new[i] == old[at] {
			at++
		}
	}
	if at < len(old) {
		t.Errorf("bytes were lost:\n%s", new)
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}

func TestCompleteIsForCatalogs(t *testing.T) {
	for _, text := range []string{"", "issuer: x\n", strings.Replace(sound, "mfa: 15m", "mfa: 16m", 1)} {
		if out, changed, err := catalog.Complete([]byte(text), &counter{}, now); out != nil || changed || !errors.Is(err, brevet.Invalid) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, _, err := catalog.Complete(catalog.Sandbox, strings.NewReader("short"), now); err == nil {
		t.Error("made of too little randomness")
	}
}

func TestAddAccountErrors(t *testing.T) {
	for _, tt := range []struct {
		customer, name, number, env, region string
		want                                brevet.Kind
	}{
		{"acne", "new", "123456789012", "prod", "eu-west-1", brevet.NotFound},
		{"acme", "acme-prod", "123456789012", "prod", "eu-west-1", brevet.Conflict},
		{"acme", "new", "111122223333", "prod", "eu-west-1", brevet.Conflict},
		{"acme", "new, roles: [Admin]", "123456789012", "prod", "eu-west-1", brevet.Invalid},
		{"acme", "123456789013", "123456789012", "prod", "eu-west-1", brevet.Invalid},
		{"acme", "new", "1234", "prod", "eu-west-1", brevet.Invalid},
		{"acme", "new", "123456789012", "pr od", "eu-west-1", brevet.Invalid},
		{"acme", "new", "123456789012", "prod", "Ireland", brevet.Invalid},
	} {
		out, err := catalog.AddAccount([]byte(sound), tt.customer, tt.name, tt.number, tt.env, tt.region, &counter{}, now)
		if out != nil || !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// TestAddedAccountIsUsable: names that YAML would read as something else, and
// the customer by its id.
func TestAddedAccountIsUsable(t *testing.T) {
	for _, name := range []string{"true", "null", "1e3", "0x10", "2026-01-01", "y", "acme.eu"} {
		out, err := catalog.AddAccount([]byte(sound), "cu_01jd0000000000000000000000", name, "123456789012", name, "eu-west-1", &counter{}, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a, ok := parse(t, string(out)).Account("123456789012"); !ok || a.Name != name || a.Env != name {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// FuzzEdit completes whatever passes, and adds an account to it.
func FuzzEdit(f *testing.F) {
	files, err := filepath.Glob("testdata/edit/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add(catalog.Sandbox)
	f.Add([]byte(sound))
	f.Fuzz(func(t *testing.T, text []byte) {
		out, changed, err := catalog.Complete(text, &counter{}, now)
		if err != nil {
			return
		}
		checkEdit(t, text, out)
		if again, changed2, err := catalog.Complete(out, &counter{}, now); err != nil || changed2 || !bytes.Equal(again, out) {
			t.Fatalf("first %t, then %t: %v", changed, changed2, err)
		}
		c, err := catalog.Parse("c.yaml", out)
		if err != nil || len(c.Customers) == 0 {
			return
		}
		if more, err := catalog.AddAccount(out, c.Customers[0].Name, "fuzz-new", "012345678901", "prod", "eu-west-1", &counter{}, now); err == nil {
			checkEdit(t, out, more)
			if less, _, err := catalog.RemoveAccount(more, "", "fuzz-new"); err == nil {
				checkEdit(t, less, more)
			}
		}
		if more, err := catalog.AddCustomer(out, catalog.NewCustomer{Name: "fuzz-new", Contact: "a@b.example"}, &counter{}, now); err == nil {
			checkEdit(t, out, more)
		}
	})
}
