package iam

import (
	"strconv"
	"strings"
	"time"
)

// number is a decimal number as its parts, without leading and trailing
// zeros: any length is compared exactly.
type number struct {
	negative        bool
	whole, fraction string
}

func isNumber(s string) bool {
	_, ok := parseNumber(s)
	return ok
}

func parseNumber(s string) (number, bool) {
	var n number
	s, n.negative = strings.CutPrefix(s, "-")
	whole, fraction, dot := strings.Cut(s, ".")
	if !digits(whole) || dot && !digits(fraction) {
		return number{}, false
	}
	n.whole, n.fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if n.whole == "" && n.fraction == "" {
		n.negative = false
	}
	return n, true
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func compareNumbers(a, b string) (int, bool) {
	x, ok1 := parseNumber(a)
	y, ok2 := parseNumber(b)
	if !ok1 || !ok2 {
		return 0, false
	}
	switch {
	case x.negative && !y.negative:
		return -1, true
	case !x.negative && y.negative:
		return 1, true
	case x.negative:
		x, y = y, x
	}
	if d := len(x.whole) - len(y.whole); d != 0 {
		return d, true
	}
	if c := strings.Compare(x.whole, y.whole); c != 0 {
		return c, true
	}
	return strings.Compare(x.fraction, y.fraction), true
}

// dates are the forms of https://www.w3.org/TR/NOTE-datetime but the bare
// year, which could not be told from seconds. Any of them may carry a
// fraction of a second where it has seconds.
var dates = []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01"}

func isDate(s string) bool {
	_, ok := parseDate(s)
	return ok
}

// parseDate reads a date, or a number of seconds since 1970.
func parseDate(s string) (time.Time, bool) {
	if digits(s) {
		n, err := strconv.ParseInt(s, 10, 64)
		return time.Unix(n, 0), err == nil && n < 1<<40
	}
	for _, layout := range dates {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func compareDates(a, b string) (int, bool) {
	x, ok1 := parseDate(a)
	y, ok2 := parseDate(b)
	return x.Compare(y), ok1 && ok2
}
