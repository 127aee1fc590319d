package iam

import "strings"

// verdict is how a condition turned out. What cannot be judged is neither
// true nor false.
type verdict byte

const (
	fails verdict = iota
	holds
	unknown
)

func truth(b bool) verdict {
	if b {
		return holds
	}
	return fails
}

// judge judges a condition against what is known about the request
// (reference_policies_elements_condition_operators,
// reference_policies_multi-value-conditions). In the older version of the
// language variables are plain text.
func (c *Condition) judge(ctx Context, version string) verdict {
	op, ok := parseOperator(c.Operator)
	if !ok {
		return unknown
	}
	have := ctx.Get(c.Key)
	null := isNull(have)
	switch {
	case op.name == "Null":
		return c.isNull(null)
	case len(have) == 0 && op.ifExists, null && op.each == forAll:
		return holds
	case null && op.each == forAny:
		return fails
	case len(have) == 0:
		return truth(op.negated)
	}
	return c.quantify(op, have, ctx, version)
}

// isNull reports whether a key is absent or its values are empty texts, which
// AWS calls null (reference_policies_elements_condition).
func isNull(values []string) bool {
	for _, v := range values {
		if v != "" {
			return false
		}
	}
	return true
}

func (c *Condition) isNull(null bool) verdict {
	for _, want := range c.Values {
		switch {
		case !isBool(want):
			return unknown
		case strings.EqualFold(want, "true") == null:
			return holds
		}
	}
	return fails
}

// quantify judges a key that is present. Without a quantifier any value must
// fit; negated, none may.
func (c *Condition) quantify(op operator, have []string, ctx Context, version string) verdict {
	all := op.each == forAll || op.each == plain && op.negated
	for _, v := range have {
		fits, ok := c.fits(op, v, ctx, version)
		if !ok {
			return unknown
		}
		if (fits != op.negated) != all {
			return truth(!all)
		}
	}
	return truth(all)
}

// fits reports whether one value of the request fits any of the policy's. A
// variable without value fits nothing (reference_policies_variables).
func (c *Condition) fits(op operator, have string, ctx Context, version string) (fits, ok bool) {
	for _, text := range c.Values {
		want := pattern{text: text}
		if op.variables && version == Version2012 {
			if want, ok = expand(text, ctx); !ok {
				continue
			}
		}
		fits, ok := op.compare(want, have)
		if !ok || fits {
			return fits, ok
		}
	}
	return false, true
}
