package catalog

import (
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
)

// Only where two people can leave nobody else for the review is there a word.
func TestWarnings(t *testing.T) {
	people := func(h ...brevet.Handle) brevet.Subjects { return brevet.Subjects{People: h} }
	group := brevet.Subjects{Groups: []string{"engineers"}}
	for name, test := range map[string]struct {
		who, codes, review brevet.Subjects
		want               string
	}{
		"the lender alone reviews":           {group, people("lead"), people("lead"), "what group engineers opens with a sealed code of lead"},
		"somebody else reviews, too":         {people("engineer"), people("lead"), people("lead", "security"), ""},
		"both reviewers may open it":         {people("engineer", "lead"), people("security"), people("lead", "security"), "what lead opens with a sealed code of security"},
		"both may be in the groups":          {group, brevet.Subjects{Groups: []string{"leads"}}, people("lead", "security"), "what lead opens with a sealed code of security"},
		"three reviewers":                    {group, people("lead", "security"), people("lead", "security", "owner"), ""},
		"a group reviews":                    {people("engineer"), people("lead"), brevet.Subjects{Groups: []string{"security"}, People: []brevet.Handle{"lead"}}, ""},
		"the requester reviews others' only": {people("engineer", "security"), people("lead"), people("engineer", "security"), ""},
		"no codes":                           {group, brevet.Subjects{}, people("lead"), ""},
	} {
		c := Catalog{Entitlements: []brevet.Entitlement{{Name: "urgent", Who: test.who, BreakGlass: &brevet.BreakGlass{Review: test.review, Codes: test.codes}}}}
		got := strings.Join(c.Warnings(), "\n")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
