package stack_test

import (
	"os"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// Every condition, statement and Deny of what is generated is needed: a claim
// notices when it is gone.
func TestMutate(t *testing.T) {
	broker := brokerSide()
	broker.Roles = broker.Roles[4:] // the other roles differ by nothing but their policies
	sides := map[string]stack.Side{"oidc": stagingSide(), "assume-role": broker}
	if os.Getenv("BREVET_SOAK") != "" {
		urgent := urgentSide()
		urgent.Roles = []brevet.Role{six()[0], rescue(), glass()}
		sides["emergencies"] = urgent
	}
	for name, side := range sides {
		t.Run(name, func(t *testing.T) {
			mutants, err := stack.Mutate(stacksOf(t, side), stack.Scenarios(side), nil)
			if err != nil {
				t.Fatal(err)
			}
			caught, same := 0, 0
			for _, m := range mutants {
				switch {
				case m.Survived():
					t.Errorf("%s:%d: %s: %s: nothing notices", m.Template, m.Line, m.Path, m.Change)
				case m.Caught != "":
					caught++
				default:
					same++
				}
			}
			if len(mutants) < 300 {
				t.Errorf("only %d mutants", len(mutants))
			}
			t.Logf("%d of %d mutants caught, %d the same", caught, len(mutants), same)
		})
	}
}

// A hole in the claims is found: without those about roles that are handed to
// services, nothing notices that they may be.
func TestMutateFindsHoles(t *testing.T) {
	side := stagingSide()
	side.Roles = side.Roles[5:]
	s := stacksOf(t, side)
	s.Events, s.Forward = nil, nil
	var scenarios []stack.Scenario
	for _, sc := range stack.Scenarios(s.Side) {
		if strings.HasPrefix(sc.Claim, "enter-") {
			scenarios = append(scenarios, sc)
		}
	}
	told := 0
	mutants, err := stack.Mutate(s, scenarios, func(stack.Mutant, int, int) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if m.Survived() && m.Template == "access.yaml" && m.Line > 0 && m.Change == "action dropped iam:PassRole" && strings.HasPrefix(m.Path, "Resources.Boundary.Properties.PolicyDocument.Statement[") {
			if told != len(mutants) {
				t.Errorf("%d of %d told", told, len(mutants))
			}
			return
		}
	}
	t.Error("nobody says that iam:PassRole went unnoticed")
}
