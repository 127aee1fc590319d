package iam

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// meeting returns a context that meets the conditions as far as one can be
// found: what the search for a witness begins with. Keys are in lower case.
func meeting(conditions []Condition, version string) Context {
	ctx := Context{}
	for i := range conditions {
		key := strings.ToLower(conditions[i].Key)
		if _, ok := ctx[key]; ok {
			continue
		}
		var about []Condition
		for _, c := range conditions {
			if strings.EqualFold(c.Key, key) {
				about = append(about, c)
			}
		}
		if v := meetingKey(about, version); v != nil {
			ctx[key] = v
		}
	}
	return ctx
}

// meetingKey returns values of one key that meet all conditions on it, nil
// for none; if there are none, what meets the first.
func meetingKey(conditions []Condition, version string) []string {
	var candidates [][]string
	for i := range conditions {
		candidates = append(candidates, conditions[i].candidates()...)
	}
	if len(candidates) == 0 {
		candidates = [][]string{nil}
	}
	candidates = append(candidates, []string{"x"}, nil)
	for _, values := range candidates {
		ctx, ok := Context{}, true
		if values != nil {
			ctx[strings.ToLower(conditions[0].Key)] = values
		}
		for i := range conditions {
			ok = ok && conditions[i].judge(ctx, version) == holds
		}
		if ok {
			return values
		}
	}
	return candidates[0]
}

// candidates are values that may meet a condition.
func (c *Condition) candidates() [][]string {
	op, ok := parseOperator(c.Operator)
	if !ok {
		return nil
	}
	if op.name == "Null" {
		if len(c.Values) > 0 && strings.EqualFold(c.Values[0], "false") {
			return [][]string{{"x"}}
		}
		return [][]string{nil}
	}
	var out [][]string
	for _, v := range c.Values {
		for _, made := range op.make(c.Operator, v) {
			out = append(out, []string{made})
		}
	}
	return out
}

// make makes values of the operator's type beside one of the policy's.
func (o operator) make(name, v string) []string {
	switch {
	case strings.HasPrefix(o.name, "Numeric"):
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return nil
		}
		text := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
		return []string{v, text(n - 1), text(n + 1)}
	case strings.HasPrefix(o.name, "Date"):
		t, ok := parseDate(v)
		if !ok {
			return nil
		}
		text := func(d time.Duration) string { return t.Add(d).UTC().Format(time.RFC3339) }
		return []string{text(0), text(-24 * time.Hour), text(24 * time.Hour)}
	case o.name == "IpAddress":
		r, ok := parseRange(v)
		if !ok {
			return nil
		}
		return []string{addressIn(r), "198.51.100.66"}
	case o.negated:
		return []string{v + "-x"}
	}
	return []string{concrete(v), v}
}

// addressIn returns an address of the range, the second if there are more.
func addressIn(r netip.Prefix) string {
	a := r.Masked().Addr()
	if !r.IsSingleIP() {
		a = a.Next()
	}
	return a.String()
}

// concrete makes a text out of a pattern: wildcards become letters, and
// variables the text of their default, or letters.
func concrete(s string) string {
	var b strings.Builder
	for s != "" {
		before, rest, found := strings.Cut(s, "${")
		b.WriteString(strings.NewReplacer("*", "x", "?", "x").Replace(before))
		if !found {
			break
		}
		value, after, closed := variable(rest, nil)
		if !closed {
			b.WriteString("${")
			s = rest
			continue
		}
		if value == nil {
			letters := "x"
			value = &letters
		}
		b.WriteString(*value)
		s = after
	}
	return b.String()
}

// copyOf returns a context that may be changed.
func copyOf(ctx Context) Context {
	out := Context{}
	maps.Copy(out, ctx)
	return out
}

// with returns the context with one key set; without a value the key is gone.
func (c Context) with(key string, values ...string) Context {
	out := copyOf(c)
	if delete(out, strings.ToLower(key)); len(values) > 0 {
		out[strings.ToLower(key)] = values
	}
	return out
}

// inside are the ranges of which nobody on the internet has an address.
var inside = sync.OnceValue(func() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("::1/128"),
	}
})

// private reports whether nobody on the internet has an address of the range.
func private(r netip.Prefix) bool {
	for _, p := range inside() {
		if p.Bits() <= r.Bits() && p.Contains(r.Addr()) {
			return true
		}
	}
	return false
}
