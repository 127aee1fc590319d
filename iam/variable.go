package iam

import "strings"

// expand replaces the policy variables of s by their values, which are
// literal text from then on; ok is false if one has no value and no default,
// so that the whole matches nothing (reference_policies_variables).
func expand(s string, ctx Context) (p pattern, ok bool) {
	if !strings.Contains(s, "${") {
		return pattern{text: s}, true
	}
	var b builder
	for s != "" {
		before, rest, found := strings.Cut(s, "${")
		b.add(before, false)
		if !found {
			break
		}
		value, after, closed := variable(rest, ctx)
		if !closed { // no variable after all
			b.add("${", false)
			s = rest
			continue
		}
		if value == nil {
			return pattern{}, false
		}
		b.add(*value, true)
		s = after
	}
	return pattern{text: b.text.String(), literal: b.literal}, true
}

type builder struct {
	text    strings.Builder
	literal []bool
}

func (b *builder) add(s string, literal bool) {
	b.text.WriteString(s)
	for range len(s) {
		b.literal = append(b.literal, literal)
	}
}

// variable reads one variable up to its closing brace. The value is nil if
// there is none.
func variable(s string, ctx Context) (value *string, after string, closed bool) {
	if len(s) >= 2 && s[1] == '}' && strings.IndexByte("*?$", s[0]) >= 0 {
		c := s[:1]
		return &c, s[2:], true
	}
	end := strings.IndexAny(s, ",}")
	if end < 0 {
		return nil, "", false
	}
	key, after := strings.TrimSpace(s[:end]), s[end+1:]
	var otherwise *string
	if s[end] == ',' {
		quoted, ok := strings.CutPrefix(strings.TrimLeft(after, " "), "'")
		if !ok {
			return nil, "", false
		}
		text, rest, ok := strings.Cut(quoted, "'")
		if !ok {
			return nil, "", false
		}
		if after, ok = strings.CutPrefix(strings.TrimLeft(rest, " "), "}"); !ok {
			return nil, "", false
		}
		otherwise = &text
	}
	if v, ok := ctx.one(key); ok {
		return &v, after, true
	}
	return otherwise, after, true
}
