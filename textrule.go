package brevet

import (
	"fmt"
	"regexp"
)

// TextRule says what a request must give as its reason or its ticket.
type TextRule struct {
	Required bool   `json:"required,omitempty"`
	Pattern  string `json:"pattern,omitempty"` // RE2, of the whole text; "": any
	Check    string `json:"check,omitempty"`   // name of the server's check that must say yes; "": none
}

// MaxPattern bounds the pattern of a [TextRule], in bytes.
const MaxPattern = 200

// Compile returns the pattern, anchored at both ends; nil where there is none.
// The error is of kind [Invalid].
func (t TextRule) Compile() (*regexp.Regexp, error) {
	if t.Pattern == "" {
		return nil, nil
	}
	if len(t.Pattern) > MaxPattern {
		return nil, Errorf(Invalid, "a pattern of %d bytes is too long; at most %d", len(t.Pattern), MaxPattern)
	}
	re, err := regexp.Compile(t.Pattern) // alone first: it must not end the group around it
	if err == nil {
		re, err = regexp.Compile(`\A(?:` + t.Pattern + `)\z`)
	}
	if err != nil {
		return nil, Errorf(Invalid, "not a regular expression: %s", Printable(err.Error()))
	}
	return re, nil
}

// Unmet returns what stands between text and the rule, as far as can be told
// without asking a check. What is the field and the flag: "reason", "ticket".
func (t TextRule) Unmet(what, text string) []Unmet {
	remedy := "brevet request … --" + what + " TEXT"
	if text == "" {
		if !t.Required {
			return nil
		}
		return []Unmet{{Condition: "a " + what, Have: "none was given", Remedy: remedy}}
	}
	re, err := t.Compile()
	if err == nil && (re == nil || re.MatchString(text)) {
		return nil
	}
	return []Unmet{{Condition: "a " + what + " of the form " + t.Pattern, Have: fmt.Sprintf("%q is not", clip(text, 80)), Remedy: remedy}}
}
