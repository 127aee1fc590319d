package stack_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// sibling is another account of side's customer.
func sibling(s stack.Side) stack.Side {
	s.Account.ID, s.Account.Name, s.Account.Env = "444455556666", "acme-prod", "prod"
	s.Account.Audience = "brevet:444455556666:zyxwvutsrqponmlkjihgfedcba"
	return s
}

// One template serves all accounts of a customer: two accounts' differ in the
// defaults of parameters alone, and those of a StackSet are overridden.
func TestStackSetsDifferInParametersOnly(t *testing.T) {
	for _, s := range []stack.Side{side(), byBroker()} {
		for _, name := range []string{"access.yaml", "events.yaml", "events-forward.yaml"} {
			a, b := string(generate(t, s, name)), string(generate(t, sibling(s), name))
			if s.Account.Broker == "" && name == "access.yaml" {
				if a == b {
					t.Errorf("%s: two accounts have the same audience", name)
				}
				b = strings.Replace(b, sibling(s).Account.Audience, s.Account.Audience, 1)
			}
			if d := cmp.Diff(a, b); d != "" {
				t.Errorf("%s of two accounts differs, other than by a parameter: %s", name, d)
			}
			if strings.Contains(a, string(s.Account.ID)) && strings.Count(a, string(s.Account.ID)) != strings.Count(a, s.Account.Audience) {
				t.Errorf("%s names the account", name)
			}
		}
	}
}

// A service-managed StackSet takes no transforms, no nested stacks and no
// exported values
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-prereqs.html
// and the limits it links).
func TestStackSetsSupportTheTemplates(t *testing.T) {
	for _, name := range []string{"access.yaml", "events.yaml", "events-forward.yaml"} {
		text := string(generate(t, side(), name))
		for _, not := range []string{"Transform:", "Fn::Transform", "AWS::CloudFormation::Stack\n", "AWS::CloudFormation::Macro", "Export:", "ImportValue", "AWS::SSM::Parameter::Value", "{{resolve:"} {
			if strings.Contains(text, not) {
				t.Errorf("%s holds %q", name, not)
			}
		}
		template, err := stack.ReadTemplate(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(template.Parameters) > 200 || len(text) >= stack.LongestTemplate {
			t.Errorf("%s: %d parameters, %d bytes", name, len(template.Parameters), len(text))
		}
	}
}

// A StackSet's stacks are called StackSet-NAME-…; the boundary protects those,
// too.
func TestStackSetsAreProtected(t *testing.T) {
	w := deployed(t, side(), nil)
	for _, name := range []string{"brevet-access/x", "StackSet-brevet-access-0a1b2c3d/x"} {
		if got := w.try(t, "Admin", "cloudformation:DeleteStack", "arn:aws:cloudformation:eu-west-1:111122223333:stack/"+name, nil); got.Decision != iam.ExplicitDeny {
			t.Errorf("Admin deletes %s: %+v", name, got)
		}
	}
	if got := w.try(t, "Admin", "cloudformation:DeleteStack", "arn:aws:cloudformation:eu-west-1:111122223333:stack/StackSet-shop-0a1b/x", nil); got.Decision == iam.ExplicitDeny {
		t.Errorf("Admin may not delete what is not ours: %+v", got)
	}
}

// The template is deployed as a StackSet into two accounts of moto: each gets
// its own roles, which trust its own provider and audience.
func TestStackSetsDeploy(t *testing.T) {
	t.Parallel()
	if err := exec.Command(python(t), "-c", "import moto, boto3").Run(); err != nil {
		t.Skip("SKIPPED: moto or boto3 is missing: no StackSet has been deployed")
	}
	s := side()
	text := string(generate(t, s, "access.yaml"))
	file := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	audiences := map[string]string{"one": "brevet:111122223333:abcdefghijklmnopqrstuvwxyz", "two": "brevet:444455556666:zyxwvutsrqponmlkjihgfedcba"}
	in, err := json.Marshal(audiences)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python(t), filepath.Join("testdata", "stackset.py"), file)
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	var got map[string]struct {
		ID    string
		Roles map[string]json.RawMessage
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for name, audience := range audiences {
		if len(got[name].Roles) != 6 {
			t.Errorf("%s has %d roles", name, len(got[name].Roles))
		}
		for role, trust := range got[name].Roles {
			p := parsed(t, string(trust)).Statements[0]
			host := strings.TrimPrefix(s.Account.Issuer, "https://")
			if want := "arn:aws:iam::" + got[name].ID + ":oidc-provider/" + host; p.Principal.Federated[0] != want {
				t.Errorf("%s %s trusts %v, not %s", name, role, p.Principal.Federated, want)
			}
			i := slices.IndexFunc(p.Conditions, func(c iam.Condition) bool { return c.Key == host+":aud" })
			if i < 0 || !slices.Equal(p.Conditions[i].Values, []string{audience}) {
				t.Errorf("%s %s: audience %v", name, role, p.Conditions)
			}
		}
	}
}
