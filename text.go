package brevet

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits on text that people type, in bytes of UTF-8.
const (
	MaxReason  = 1000
	MaxComment = 1000
	MaxName    = 200
)

// CleanText checks a text that a person typed: valid UTF-8, at most limit
// bytes, not blank, and nothing that could rewrite a terminal, a log line or
// the order of characters on a page (control characters, line breaks, bidi
// controls, zero-width and private-use characters). Surrounding space is cut.
// The error is of kind [Invalid] and names the field.
func CleanText(field, s string, limit int) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", Errorf(Invalid, "%s: must not be empty", field)
	case len(s) > limit:
		return "", Errorf(Invalid, "%s: %d bytes are too many; at most %d", field, len(s), limit)
	case !utf8.ValidString(s):
		return "", Errorf(Invalid, "%s: not valid UTF-8", field)
	}
	for i, r := range s {
		if !printable(r) {
			return "", Errorf(Invalid, "%s: character U+%04X at byte %d is not allowed", field, r, i).
				WithHint("use one line of plain text")
		}
	}
	if !strings.ContainsFunc(s, visible) {
		return "", Errorf(Invalid, "%s: must not be blank", field)
	}
	return s, nil
}

// Printable returns s with every character that CleanText would refuse
// replaced by U+FFFD: what a terminal may be shown of a text whose origin is
// not known.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if printable(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// printable excludes categories C (control, format, surrogate, private), the
// line and paragraph separators, and the letters and marks that draw nothing
// (Hangul fillers, variation selectors), except the two selectors that tell
// emoji from text.
func printable(r rune) bool {
	switch {
	case r < utf8.RuneSelf || r == '\uFE0E' || r == '\uFE0F':
		return unicode.IsGraphic(r)
	case unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return false
	}
	return unicode.IsGraphic(r)
}

// visible reports whether r leaves ink: no space, no mark without a letter
// and not the empty Braille pattern.
func visible(r rune) bool {
	return r != '\u2800' && printable(r) && !unicode.IsSpace(r) && !unicode.IsMark(r)
}

// clip shortens s to at most n bytes for use in a message.
func clip(s string, n int) string {
	s = Printable(s)
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// ParseDuration reads a duration as people write it: a sequence of whole
// numbers with the units d, h, m and s, such as 4h, 90m, 1d or 1h30m. It is
// positive and at most 366 days; the error is of kind [Invalid].
func ParseDuration(s string) (time.Duration, error) {
	bad := Errorf(Invalid, "%q is not a duration", clip(s, 40)).WithHint("write it like 1h, 90m or 1h30m")
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	var total time.Duration
	last := 366 * 24 * time.Hour
	for rest := s; rest != ""; {
		i := 0
		for i < len(rest) && rest[i] >= '0' && rest[i] <= '9' {
			i++
		}
		if i == 0 || i > 9 || i == len(rest) {
			return 0, bad
		}
		n, _ := strconv.ParseInt(rest[:i], 10, 64)
		unit, ok := units[rest[i]]
		if !ok || unit >= last { // units must descend: 1h30m, never 30m1h
			return 0, bad
		}
		if n > int64(366*24*time.Hour/unit) {
			return 0, Errorf(Invalid, "%q is longer than 366 days", clip(s, 40))
		}
		total += time.Duration(n) * unit
		last, rest = unit, rest[i+1:]
	}
	if total <= 0 {
		return 0, bad
	}
	if total > 366*24*time.Hour {
		return 0, Errorf(Invalid, "%q is longer than 366 days", clip(s, 40))
	}
	return total, nil
}

// FormatDuration writes d so that ParseDuration reads it back, rounded down
// to whole seconds: 1d, 4h, 1h30m, 45s; 0s for less than a second.
func FormatDuration(d time.Duration) string {
	if d < time.Second {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.unit
		}
	}
	return b.String()
}

// Spoken writes a duration for people, to the unit that matters: 41 s, 12 min,
// 1 h 30 min, 3 d; 0 s for less than nothing.
func Spoken(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d.Round(time.Minute) < time.Hour:
		return fmt.Sprintf("%d min", d.Round(time.Minute)/time.Minute)
	case d < 48*time.Hour:
		d = d.Round(time.Minute)
		if m := d % time.Hour / time.Minute; m > 0 {
			return fmt.Sprintf("%d h %d min", d/time.Hour, m)
		}
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d d", (d+12*time.Hour)/(24*time.Hour))
}

// Instant returns t as the house keeps times: UTC, whole microseconds (what
// both databases and the log hold exactly), without a monotonic reading.
func Instant(t time.Time) time.Time { return t.Round(0).UTC().Truncate(time.Microsecond) }
