package stack

import (
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
)

// CheckPattern finds what EventBridge would refuse in a pattern, or what
// [MatchEvent] does not know. The error is of kind [brevet.Invalid] and names
// the field.
func CheckPattern(pattern map[string]any) error {
	why := checkPattern(pattern, "", 0)
	if len(pattern) == 0 {
		why = "a pattern needs a field"
	}
	if why != "" {
		return brevet.Errorf(brevet.Invalid, "event pattern: %s", why)
	}
	return nil
}

func checkPattern(v any, path string, depth int) string {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			at := joinPath(path, key)
			if key == "$or" {
				if why := checkOr(value, at, depth); why != "" {
					return why
				}
				continue
			}
			if depth > deepest {
				return at + ": nested too deeply"
			}
			if why := checkPattern(value, at, depth+1); why != "" {
				return why
			}
		}
		return ""
	case []any:
		if len(v) == 0 {
			return path + ": a list must not be empty"
		}
		for _, item := range v {
			if why := checkComparison(item); why != "" {
				return path + ": " + why
			}
		}
		return ""
	}
	return path + ": must be a list of values or a mapping"
}

func checkOr(v any, at string, depth int) string {
	list, ok := v.([]any)
	if !ok || len(list) < 2 || depth > deepest {
		return at + ": must be a list of at least two patterns"
	}
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok || len(m) == 0 {
			return at + ": must be a list of patterns"
		}
		if why := checkPattern(m, at, depth+1); why != "" {
			return why
		}
	}
	return ""
}

// checkComparison checks one item of the list that a field is compared with.
func checkComparison(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		if _, list := v.([]any); list {
			return "a list in a list"
		}
		return ""
	}
	if len(m) != 1 {
		return "a comparison has one key"
	}
	for name, arg := range m {
		if !rightArgument(name, arg) {
			return "the comparison " + strings.Trim(quote(name), `"`) + " is not supported with what it is given"
		}
	}
	return ""
}

func rightArgument(name string, arg any) bool {
	switch name {
	case "exists":
		_, ok := arg.(bool)
		return ok
	case "prefix", "suffix":
		if m, ok := arg.(map[string]any); ok {
			_, ok = m["equals-ignore-case"].(string)
			return ok && len(m) == 1
		}
		return isText(arg)
	case "equals-ignore-case":
		return isText(arg)
	case "wildcard":
		s, ok := arg.(string)
		return ok && !strings.Contains(s, "**")
	case "numeric":
		list, _ := arg.([]any)
		for i, v := range list {
			if _, ok := number(v); ok == (i%2 == 0) || i%2 == 0 && !slices.Contains([]any{"=", "<", "<=", ">", ">="}, v) {
				return false
			}
		}
		return len(list) == 2 || len(list) == 4
	case "anything-but":
		return rightExclusion(arg)
	}
	return false
}

func isText(v any) bool {
	_, ok := v.(string)
	return ok
}

func rightExclusion(arg any) bool {
	switch arg := arg.(type) {
	case []any:
		return len(arg) > 0 && !slices.ContainsFunc(arg, func(v any) bool { return !isScalar(v) })
	case map[string]any:
		for name, of := range arg {
			list, ok := of.([]any)
			if !ok {
				list = []any{of}
			}
			if !slices.Contains([]string{"prefix", "suffix", "equals-ignore-case", "wildcard"}, name) || len(list) == 0 ||
				slices.ContainsFunc(list, func(v any) bool { return !isText(v) }) {
				return false
			}
		}
		return len(arg) == 1
	}
	return isScalar(arg)
}

func isScalar(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		return false
	}
	return true
}
