package iam

import (
	"encoding/base64"
	"net/netip"
	"strings"
)

// quantifier says how an operator deals with a key of several values.
type quantifier byte

const (
	plain quantifier = iota
	forAll
	forAny
)

// operator is a condition operator
// (reference_policies_elements_condition_operators).
type operator struct {
	family
	negated  bool
	ifExists bool
	each     quantifier
}

// family is what a group of operators has in common.
type family struct {
	name      string
	variables bool // policy variables are replaced in its values
	// compare reports whether a value of the policy fits one of the request;
	// ok is false if one of them is not of the operator's type.
	compare func(want pattern, have string) (fits, ok bool)
	valid   func(want string) bool // nil: any text
	want    string                 // what valid demands, for messages
}

type base struct {
	family
	negated bool
}

var bases = operators()

func operators() map[string]base {
	m := map[string]base{}
	add := func(positive, negative string, f family) {
		f.name = positive
		m[positive] = base{f, false}
		if negative != "" {
			m[negative] = base{f, true}
		}
	}
	add("StringEquals", "StringNotEquals", family{variables: true, compare: equal})
	add("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", family{variables: true, compare: equalFold})
	add("StringLike", "StringNotLike", family{variables: true, compare: like})
	add("ArnEquals", "ArnNotEquals", family{variables: true, compare: arnLike})
	add("ArnLike", "ArnNotLike", family{variables: true, compare: arnLike})
	add("Bool", "", family{variables: true, compare: equalFold, valid: isBool, want: "true or false"})
	add("Null", "", family{valid: isBool, want: "true or false"})
	add("BinaryEquals", "", family{compare: sameBytes, valid: isBase64, want: "base64"})
	add("IpAddress", "NotIpAddress", family{compare: inRange, valid: isRange, want: "an IP address or a range of them in CIDR notation"})
	number := func(name, negative string, fits func(int) bool) {
		add("Numeric"+name, negative, family{compare: ordered(compareNumbers, fits), valid: isNumber, want: "a number"})
	}
	date := func(name, negative string, fits func(int) bool) {
		add("Date"+name, negative, family{compare: ordered(compareDates, fits), valid: isDate, want: "a date in ISO 8601 or seconds since 1970"})
	}
	number("Equals", "NumericNotEquals", func(c int) bool { return c == 0 })
	date("Equals", "DateNotEquals", func(c int) bool { return c == 0 })
	for name, fits := range map[string]func(int) bool{
		"LessThan":          func(c int) bool { return c < 0 },
		"LessThanEquals":    func(c int) bool { return c <= 0 },
		"GreaterThan":       func(c int) bool { return c > 0 },
		"GreaterThanEquals": func(c int) bool { return c >= 0 },
	} {
		number(name, "", fits)
		date(name, "", fits)
	}
	return m
}

// parseOperator reads the name of an operator, with prefix and suffix.
func parseOperator(name string) (operator, bool) {
	var op operator
	if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		op.each, name = forAll, rest
	} else if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		op.each, name = forAny, rest
	}
	name, op.ifExists = strings.CutSuffix(name, "IfExists")
	b, ok := bases[name]
	if !ok || name == "Null" && (op.ifExists || op.each != plain) {
		return operator{}, false
	}
	op.family, op.negated = b.family, b.negated
	return op, true
}

// check says what is wrong with a value in a policy, "" if nothing is. What
// holds a variable can be judged only at a request.
func (o operator) check(value string) string {
	if o.valid == nil || o.variables && strings.Contains(value, "${") || o.valid(value) {
		return ""
	}
	return "is not " + o.want
}

func equal(want pattern, have string) (bool, bool) { return want.text == have, true }

func equalFold(want pattern, have string) (bool, bool) {
	return strings.EqualFold(want.text, have), true
}

func like(want pattern, have string) (bool, bool) { return want.match(have, false), true }

// arnLike compares each of the six parts of an ARN for itself, so that no
// wildcard runs across a colon but in the last.
func arnLike(want pattern, have string) (bool, bool) {
	if want.text == "*" && want.wild(0, '*') {
		return true, true
	}
	if strings.Count(have, ":") < 5 {
		return false, true
	}
	for range 5 {
		i := want.colon()
		if i < 0 {
			return false, true
		}
		part, rest, _ := strings.Cut(have, ":")
		if !want.slice(0, i).match(part, false) {
			return false, true
		}
		want, have = want.slice(i+1, len(want.text)), rest
	}
	return want.match(have, false), true
}

// colon finds the first colon that does not come from a variable.
func (p pattern) colon() int {
	for i := range len(p.text) {
		if p.wild(i, ':') {
			return i
		}
	}
	return -1
}

func isBool(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }

func isBase64(s string) bool {
	_, err := base64.StdEncoding.DecodeString(s)
	return err == nil
}

func sameBytes(want pattern, have string) (bool, bool) {
	a, err1 := base64.StdEncoding.DecodeString(want.text)
	b, err2 := base64.StdEncoding.DecodeString(have)
	return string(a) == string(b), err1 == nil && err2 == nil
}

func isRange(s string) bool {
	_, ok := parseRange(s)
	return ok
}

func parseRange(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// inRange tells IPv4 from IPv6: 0.0.0.0/0 holds no IPv6 address. An IPv4
// address written as IPv6 counts as IPv4.
func inRange(want pattern, have string) (bool, bool) {
	r, ok := parseRange(want.text)
	a, err := netip.ParseAddr(have)
	if !ok || err != nil {
		return false, false
	}
	return r.Contains(a.Unmap().WithZone("")), true
}

// ordered makes a comparison out of an order: fits is given the sign of
// request minus policy.
func ordered(compare func(a, b string) (int, bool), fits func(int) bool) func(pattern, string) (bool, bool) {
	return func(want pattern, have string) (bool, bool) {
		c, ok := compare(have, want.text)
		return ok && fits(c), ok
	}
}
