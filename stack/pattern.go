package stack

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// MatchEvent reports whether EventBridge would hand an event to a rule with
// this pattern (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html).
// Of the comparisons it knows exact values, prefix, suffix, anything-but (with
// prefix, suffix, equals-ignore-case and wildcard too), exists, numeric,
// equals-ignore-case, wildcard and $or. What EventBridge would refuse as a
// pattern matches nothing; [CheckPattern] says what that is.
func MatchEvent(pattern, event map[string]any) bool {
	return len(pattern) > 0 && checkPattern(pattern, "", 0) == "" && matchObject(pattern, event, true)
}

// matchObject matches a mapping; present says whether the event has it.
func matchObject(pattern, event map[string]any, present bool) bool {
	for key, want := range pattern {
		if key == "$or" {
			if !matchAny(want, event, present) {
				return false
			}
			continue
		}
		have, ok := event[key]
		if !matchField(want, have, ok && present) {
			return false
		}
	}
	return true
}

func matchAny(want any, event map[string]any, present bool) bool {
	list, _ := want.([]any)
	for _, p := range list {
		if m, ok := p.(map[string]any); ok && matchObject(m, event, present) {
			return true
		}
	}
	return false
}

// matchField matches one field. A list in the event matches if any of its
// items does.
func matchField(want, have any, present bool) bool {
	switch want := want.(type) {
	case map[string]any:
		if list, ok := have.([]any); ok { // a list of objects
			for _, item := range list {
				if m, ok := item.(map[string]any); ok && matchObject(want, m, true) {
					return true
				}
			}
			return false
		}
		m, ok := have.(map[string]any)
		return matchObject(want, m, present && ok)
	case []any:
		values, leaf := []any{have}, true
		switch have := have.(type) {
		case []any:
			values, leaf = have, len(have) > 0
		case map[string]any:
			leaf = false
		}
		for _, w := range want {
			if matchLeaf(w, values, present && leaf) {
				return true
			}
		}
	}
	return false
}

// matchLeaf matches one comparison with the values of a field; present says
// whether it is there as a leaf.
func matchLeaf(want any, values []any, present bool) bool {
	if m, ok := want.(map[string]any); ok {
		if exists, ok := m["exists"].(bool); ok {
			return exists == present
		}
	}
	if !present {
		return false
	}
	for _, v := range values {
		if matchValue(want, v) {
			return true
		}
	}
	return false
}

func matchValue(want, have any) bool {
	m, ok := want.(map[string]any)
	if !ok {
		return equalScalar(want, have)
	}
	for name, arg := range m {
		text, isText := have.(string)
		switch name {
		case "prefix":
			return isText && affix(arg, text, strings.HasPrefix)
		case "suffix":
			return isText && affix(arg, text, strings.HasSuffix)
		case "equals-ignore-case":
			s, _ := arg.(string)
			return isText && strings.EqualFold(s, text)
		case "wildcard":
			s, _ := arg.(string)
			return isText && glob(s, text)
		case "numeric":
			list, _ := arg.([]any)
			f, ok := number(have)
			return ok && inNumeric(list, f)
		case "anything-but":
			return !matchesAny(arg, have)
		}
	}
	return false
}

// affix compares with a prefix or suffix, which may be {"equals-ignore-case"}.
func affix(arg any, text string, has func(s, affix string) bool) bool {
	switch arg := arg.(type) {
	case string:
		return has(text, arg)
	case map[string]any:
		s, _ := arg["equals-ignore-case"].(string)
		return has(strings.ToLower(text), strings.ToLower(s))
	}
	return false
}

// matchesAny is what anything-but negates: a value, a list of them, or one
// comparison with one or several texts.
func matchesAny(arg, have any) bool {
	switch arg := arg.(type) {
	case []any:
		for _, a := range arg {
			if equalScalar(a, have) {
				return true
			}
		}
		return false
	case map[string]any:
		for name, of := range arg {
			list, ok := of.([]any)
			if !ok {
				list = []any{of}
			}
			for _, a := range list {
				if matchValue(map[string]any{name: a}, have) {
					return true
				}
			}
		}
		return false
	}
	return equalScalar(arg, have)
}

// number returns a JSON or YAML number.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case json.Number:
		f, err := strconv.ParseFloat(v.String(), 64)
		return f, err == nil
	}
	return 0, false
}

func equalScalar(want, have any) bool {
	switch want := want.(type) {
	case nil:
		return have == nil
	case string:
		s, ok := have.(string)
		return ok && s == want
	case bool:
		b, ok := have.(bool)
		return ok && b == want
	}
	w, ok1 := number(want)
	h, ok2 := number(have)
	return ok1 && ok2 && w == h
}

// inNumeric judges ["=", 5] and [">", 0, "<=", 5].
func inNumeric(list []any, have float64) bool {
	if len(list) == 0 || len(list)%2 != 0 {
		return false
	}
	for i := 0; i < len(list); i += 2 {
		op, _ := list[i].(string)
		want, ok := number(list[i+1])
		if !ok || math.IsNaN(have) || !compared(op, have, want) {
			return false
		}
	}
	return true
}

func compared(op string, have, want float64) bool {
	switch op {
	case "=":
		return have == want
	case "<":
		return have < want
	case "<=":
		return have <= want
	case ">":
		return have > want
	case ">=":
		return have >= want
	}
	return false
}

// glob matches a text in which * stands for any run of characters; \* and \\
// stand for themselves.
func glob(pattern, s string) bool {
	var want []rune // -1 is the wildcard
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			want = append(want, rune(pattern[i]))
		case c == '*':
			want = append(want, -1)
		default:
			want = append(want, rune(c))
		}
	}
	i, j, star, resume := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(want) && want[i] == -1:
			star, resume = i, j
			i++
		case i < len(want) && want[i] == rune(s[j]):
			i++
			j++
		case star >= 0:
			resume++
			i, j = star+1, resume
		default:
			return false
		}
	}
	for i < len(want) && want[i] == -1 {
		i++
	}
	return i == len(want)
}
