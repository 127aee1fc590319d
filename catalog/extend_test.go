package catalog_test

import (
	"strings"
	"testing"

	"github.com/brevet-access/brevet/catalog"
)

// TestExtendAndBreakGlass refuses what cannot be: an emergency that somebody
// approves, that lasts, or that nobody else could review.
func TestExtendAndBreakGlass(t *testing.T) {
	good := strings.Replace(string(catalog.Sandbox), ", codes: [lead]", "", 1)
	if _, err := catalog.ParseIncomplete("c.yaml", []byte(good)); err != nil {
		t.Fatal(err)
	}
	const glass = "break_glass: {review: [lead, group:security], most: 3}"
	for _, c := range []struct{ old, new, want string }{
		{glass, glass + "\n    approval: automatic", "break_glass has no approval"},
		{glass, glass + "\n    activate: on-use", "break_glass has no activate"},
		{glass, glass + "\n    extend: automatic", "break_glass has no extend"},
		{glass, glass + "\n    extend_longest: 2h", "break_glass has no extend_longest"},
		{"    longest: 1h\n    groups_within: 8h", "    longest: 2h\n    groups_within: 8h", "break_glass lasts at most 1h"},
		{glass, "break_glass: {most: 0}", "most"},
		{glass, "break_glass: {most: 11}", "at most 10 times in 24 h"},
		{glass, "break_glass: {review: []}", "must name somebody"},
		{"who: [group:engineers]\n    customer: acme\n    accounts: [env:prod]\n    roles: [Admin]\n    longest: 1h", "who: [lead]\n    customer: acme\n    accounts: [env:prod]\n    roles: [Admin]\n    longest: 1h", ""},
		{glass, "break_glass: {review: [nobody-else]}", ""},
		{"extend_longest: 8h", "extend_longest: 3h", "is shorter than longest, 4h"},
		{"extend: automatic ", "extend: {by: []} ", "must name somebody"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Fatalf("the sandbox has no %q", c.old)
		}
		_, err := catalog.ParseIncomplete("c.yaml", []byte(text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngives %v, want %q", c.new, err, c.want)
		}
	}
}
