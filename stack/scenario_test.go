package stack_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// docs/proof.md shows the file testdata/scenarios.yaml.
func TestReadScenarios(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "scenarios.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join("..", "docs", "proof.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), string(text)) {
		t.Error("docs/proof.md shows another file")
	}
	s := stacksOf(t, stagingSide())
	scenarios, err := stack.ReadScenarios("mine.yaml", text, s.Side)
	if err != nil {
		t.Fatal(err)
	}
	if len(scenarios) != 6 {
		t.Fatalf("%d scenarios", len(scenarios))
	}
	outcomes, err := stack.Prove(s, scenarios)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if !o.OK() || o.Tries != 1 || len(o.Layers) != 1 {
			t.Errorf("%+v", o)
		}
	}
	// the same claims, the other way round, do not hold
	turned := strings.NewReplacer("expect: allowed", "expect: refused", "expect: refused", "expect: allowed", "expect: recorded", "expect: ignored", "expect: ignored", "expect: recorded").Replace(string(text))
	scenarios, err = stack.ReadScenarios("mine.yaml", []byte(turned), s.Side)
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err = stack.Prove(s, scenarios)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.OK() {
			t.Errorf("%s holds either way", o.Claim)
		}
	}
}

const oneScenario = `scenarios:
  - claim: x
    about: y
    expect: allowed
    call: {role: Admin, action: s3:GetObject, resource: "*"}
`

func TestReadScenariosRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{oneScenario, "", "mine.yaml:1: the file is empty"},
		{oneScenario, "[]", "mine.yaml:1: must be a mapping"},
		{oneScenario, "scenarios: []", "mine.yaml:1: scenarios: must hold a scenario"},
		{"scenarios:", "scenario:", "mine.yaml:2: scenario: unknown key; known here: scenarios"},
		{"  - claim: x\n", "  - claim: x\n    claim: z\n", "mine.yaml:3: scenarios[0].claim: stands there twice; first in line 2"},
		{"claim: x", "claim: Not an id", "is not an id"},
		{"claim: x", "claim: enter-admin-right", "mine.yaml:2: scenarios[0].claim: the claim enter-admin-right is there already"},
		{"    about: y\n", "", "scenarios[0].about: is missing"},
		{"expect: allowed", "expect: fine", `"fine" is not allowed, refused, recorded or ignored`},
		{"expect: allowed", "expect: recorded", "an event recorded or ignored"},
		{"    call:", "    calls:", "scenarios[0].calls: unknown key"},
		{"    call: {role", "    event: {a: b}\n    call: {role", "needs one of call, enter and event"},
		{"role: Admin", "role: Nobody", `the account has no role "Nobody"; it has ReadOnly, Security`},
		{"action: s3:GetObject", "action: s3:*", "is not an action"},
		{"action: s3:GetObject, ", "", "scenarios[0].call.action: is missing"},
		{`resource: "*"`, `resource: "${nope}"`, "only ${partition}"},
		{`resource: "*"`, `resource: "*", context: {plain: x}`, "a condition key has a colon"},
		{`resource: "*"`, `resource: !Sub "*"`, `the tag "!Sub" is not allowed`},
		{`resource: "*"`, `resource: &a "*"`, "anchors and aliases are not allowed"},
	} {
		if !strings.Contains(oneScenario, c.old) {
			t.Fatalf("there is no %q", c.old)
		}
		_, err := stack.ReadScenarios("mine.yaml", []byte(strings.Replace(oneScenario, c.old, c.new, 1)), stagingSide())
		if !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.new, err, c.want)
		}
	}
}

// A parameter that no template has is a miss that says so.
func TestScenarioParameter(t *testing.T) {
	s := stacksOf(t, stagingSide())
	scenarios, err := stack.ReadScenarios("mine.yaml", []byte(oneScenario+"    with: {Nope: x}\n"), s.Side)
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := stack.Prove(s, scenarios)
	if err != nil || outcomes[0].OK() || !strings.Contains(outcomes[0].Why, `no template has the parameter "Nope"`) {
		t.Errorf("%+v, %v", outcomes, err)
	}
	s.Parameters = map[string]string{"Nope": "x"}
	if _, err := stack.Prove(s, scenarios); !errors.Is(err, brevet.Invalid) {
		t.Error(err)
	}
}

func FuzzReadScenarios(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "scenarios.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(oneScenario)
	s := stacksOf(f, stagingSide())
	f.Fuzz(func(t *testing.T, text string) {
		scenarios, err := stack.ReadScenarios("mine.yaml", []byte(text), s.Side)
		if err != nil {
			if !errors.Is(err, brevet.Invalid) {
				t.Errorf("%v is of kind %s", err, brevet.KindOf(err))
			}
			return
		}
		if _, err := stack.Prove(s, scenarios); err != nil {
			t.Error(err)
		}
	})
}
