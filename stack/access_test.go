package stack_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// side is the sandbox's staging account.
func side() stack.Side {
	return stack.Side{Customer: brevet.Customer{ID: customer, Name: "acme", Contact: "security@acme.invalid"}, Account: staging(), Roles: six()}
}

// byBroker is side, entered by AssumeRole from known addresses.
func byBroker() stack.Side {
	s := side()
	s.Account.Broker, s.Account.ExternalID = "arn:aws:iam::999999999999:role/brevet-broker", "abcdefghijklmnopqrstuvwxyz"
	s.Egress = []string{"203.0.113.7/32", "2001:db8::/64"}
	return s
}

// generate returns a file of what is generated for s.
func generate(t testing.TB, s stack.Side, name string) []byte {
	t.Helper()
	files, err := stack.CloudFormation(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name == name {
			return f.Text
		}
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// A stack of this contract lies in customers' accounts for years, and today's
// tokens must open it.
func TestAccessGolden(t *testing.T) {
	for name, s := range map[string]stack.Side{"access.yaml": side(), "access-by-broker.yaml": byBroker(), "access-emergencies.yaml": urgentSide()} {
		got := generate(t, s, "access.yaml")
		file := filepath.Join("testdata", "contract", strconv.Itoa(stack.NewestContract), name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("differs from %s (-update writes it; what a token must hold does not change within a contract):\n%s", file, d)
		}
	}
}

// The smallest stack there is reads well to others, too, hints included.
func TestAccessLintsClean(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("SKIPPED: cfn-lint is missing: nobody else has read the template")
	}
	one := side()
	one.Roles = one.Roles[:1]
	file := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(file, generate(t, one, "access.yaml"), 0o666); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(lint, "--include-checks", "I", "--", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
