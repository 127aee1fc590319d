package catalog

import (
	"fmt"
	"regexp"

	"github.com/brevet-access/brevet"
)

// CompileText returns the pattern of a rule, anchored at both ends; nil where there is none.
// The error is of kind [brevet.Invalid].
func CompileText(t brevet.TextRule) (*regexp.Regexp, error) {
	if t.Pattern == "" {
		return nil, nil
	}
	if len(t.Pattern) > brevet.MaxPattern {
		return nil, brevet.Errorf(brevet.Invalid, "a pattern of %d bytes is too long; at most %d", len(t.Pattern), brevet.MaxPattern)
	}
	re, err := regexp.Compile(t.Pattern) // alone first: it must not end the group around it
	if err == nil {
		re, err = regexp.Compile(`\A(?:` + t.Pattern + `)\z`)
	}
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "not a regular expression: %s", brevet.Printable(err.Error()))
	}
	return re, nil
}

// TextUnmet returns what stands between text and the rule, as far as can be told
// without asking a check. What is the field and the flag: "reason", "ticket".
func TextUnmet(t brevet.TextRule, what, text string) []brevet.Unmet {
	remedy := "brevet request … --" + what + " TEXT"
	if text == "" {
		if !t.Required {
			return nil
		}
		return []brevet.Unmet{{Condition: "a " + what, Have: "none was given", Remedy: remedy}}
	}
	re, err := CompileText(t)
	if err == nil && (re == nil || re.MatchString(text)) {
		return nil
	}
	return []brevet.Unmet{{Condition: "a " + what + " of the form " + t.Pattern, Have: fmt.Sprintf("%q is not", shortened(text)), Remedy: remedy}}
}

// shortened makes a text fit into a sentence.
func shortened(s string) string {
	if r := []rune(brevet.Printable(s)); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return brevet.Printable(s)
}
