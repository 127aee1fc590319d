package catalog_test

import (
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
)

func TestTextRule(t *testing.T) {
	ops := brevet.TextRule{Required: true, Pattern: "OPS-[0-9]{1,6}|INC-[0-9]+"}
	for _, tt := range []struct {
		rule brevet.TextRule
		text string
		met  bool
	}{
		{brevet.TextRule{}, "", true}, {brevet.TextRule{}, "anything", true}, {brevet.TextRule{Required: true}, "", false},
		{ops, "OPS-12", true}, {ops, "INC-9", true}, {ops, "", false}, {ops, "see OPS-12", false}, {ops, "OPS-12 and more", false},
		{ops, "OPS-12\n", false}, {ops, "ops-12", false}, {ops, "OPS-1234567", false},
		{brevet.TextRule{Pattern: "OPS-[0-9]+"}, "", true},        // not required, so it may be left out
		{brevet.TextRule{Pattern: "("}, "(", false},               // a pattern that is none is met by nothing
		{brevet.TextRule{Pattern: "a)|(?:.*"}, "anything", false}, // nor one that ends the group around it
		{brevet.TextRule{Pattern: strings.Repeat("a", 201)}, strings.Repeat("a", 201), false},
	} {
		unmet := catalog.TextUnmet(tt.rule, "ticket", tt.text)
		if (len(unmet) == 0) != tt.met {
			t.Errorf("%+v, %q: %+v, want met %t", tt.rule, tt.text, unmet, tt.met)
		}
		for _, u := range unmet {
			if !strings.Contains(u.Condition, "ticket") || !strings.Contains(u.Remedy, "--ticket") {
				t.Errorf("%+v does not name the field and the next step", u)
			}
		}
	}
}
