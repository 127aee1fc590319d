package brevet_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
)

// hostile is what people who mean no good write into a reason.
var hostile = map[string]string{
	"empty":                "",
	"spaces":               " \t\u00a0\u3000 ",
	"escape":               "\x1b[2J\x1b]0;owned\x07",
	"C1 control":           "a\u009b31m",
	"line feed":            "first\nsecond",
	"carriage return":      "deny\rapprove",
	"next line":            "a\u0085b",
	"line separator":       "a\u2028b",
	"paragraph separator":  "a\u2029b",
	"tab":                  "a\tb",
	"NUL":                  "a\x00b",
	"delete":               "a\x7fb",
	"right-to-left":        "a\u202etxt.exe",
	"isolate":              "a\u2066b\u2069",
	"bidi mark":            "a\u200fb",
	"arabic letter mark":   "a\u061cb",
	"zero-width space":     "ad\u200bmin",
	"zero-width joiner":    "ad\u200dmin",
	"word joiner":          "ad\u2060min",
	"byte order mark":      "ad\ufeffmin",
	"soft hyphen":          "ad\u00admin",
	"grapheme joiner":      "ad\u034fmin",
	"Hangul filler":        "\u3164",
	"half-width filler":    "ad\uffa0min",
	"Khmer vowel":          "ad\u17b4min",
	"Mongolian selector":   "ad\u180bmin",
	"selector supplement":  "a\U000e0100b",
	"tag character":        "a\U000e0041b",
	"empty Braille":        "\u2800\u2800",
	"mark without letter":  "\u0301",
	"private use":          "a\ue000b",
	"noncharacter":         "a\uffffb",
	"unassigned":           "a\u0378b",
	"surrogate":            "a\xed\xa0\x80b",
	"overlong":             "a\xc0\xafb",
	"cut short":            "a\xe2\x82",
	"one byte too many":    strings.Repeat("x", brevet.MaxReason+1),
	"a megabyte":           strings.Repeat("é", 1<<19),
	"a megabyte of spaces": strings.Repeat(" ", 1<<20),
}

func TestCleanTextRefuses(t *testing.T) {
	for name, s := range hostile {
		t.Run(name, func(t *testing.T) {
			got, err := brevet.CleanText("reason", s, brevet.MaxReason)
			if brevet.KindOf(err) != brevet.Invalid || got != "" {
				t.Fatalf("%q, %v", got, err)
			}
			checkShown(t, err.Error())
			if !strings.HasPrefix(err.Error(), "reason: ") {
				t.Errorf("%q does not name the field", err)
			}
		})
	}
}

func TestCleanTextKeeps(t *testing.T) {
	for in, want := range map[string]string{
		"restore db-7":                      "restore db-7",
		"  INC-4711: \"quoted\" <b>&amp; ":  "INC-4711: \"quoted\" <b>&amp;",
		"cut at the ends\r\n":               "cut at the ends",
		"Größe, naïve, Łódź":                "Größe, naïve, Łódź",
		"e\u0301 with a mark of its own":    "e\u0301 with a mark of its own",
		"数据库恢复":                             "数据库恢复",
		"שחזור":                             "שחזור",
		"⚠️ fire 🔥":                         "⚠️ fire 🔥",
		".":                                 ".",
		strings.Repeat("x", 1000):           strings.Repeat("x", 1000),
		" " + strings.Repeat("x", 1000):     strings.Repeat("x", 1000),
		"the replacement character: \ufffd": "the replacement character: \ufffd",
	} {
		if got, err := brevet.CleanText("reason", in, brevet.MaxReason); got != want || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

// checkShown fails if s could do more to a terminal than show one line.
func checkShown(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%q is not UTF-8", s)
	}
	for _, r := range s {
		if r != ' ' && !unicode.IsGraphic(r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			t.Errorf("%q shows U+%04X", s, r)
		}
	}
}

func FuzzCleanText(f *testing.F) {
	for _, s := range hostile {
		if len(s) < 4096 {
			f.Add(s)
		}
	}
	f.Add("restore db-7")
	f.Fuzz(func(t *testing.T, s string) {
		checkShown(t, brevet.Printable(s))
		if p := brevet.Printable(s); brevet.Printable(p) != p {
			t.Errorf("Printable is not idempotent: %q", s)
		}
		clean, err := brevet.CleanText("reason", s, brevet.MaxReason)
		if err != nil {
			checkShown(t, err.Error())
			return
		}
		checkShown(t, clean)
		if len(clean) > brevet.MaxReason || strings.TrimSpace(clean) == "" || brevet.Printable(clean) != clean {
			t.Errorf("%q is not clean", clean)
		}
		if again, err := brevet.CleanText("reason", clean, brevet.MaxReason); again != clean || err != nil {
			t.Errorf("not idempotent: %q, %q, %v", clean, again, err)
		}
	})
}

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for in, want := range map[string]time.Duration{
		"1s": time.Second, "90m": 90 * time.Minute, "1h30m": 90 * time.Minute, "1d": day, "1d2h3m4s": day + 2*time.Hour + 3*time.Minute + 4*time.Second,
		"366d": 366 * day, "8784h": 366 * day, "007m": 7 * time.Minute, "0d1h": time.Hour, "31622400s": 366 * day,
	} {
		if got, err := brevet.ParseDuration(in); got != want || err != nil {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "0", "1", "0s", "0h0m", "h", "-1h", "+1h", "1.5h", "1h ", " 1h", "1H", "30m1h", "1h1h", "1h-1m", "1ms", "1w", "1hh",
		"367d", "366d1s", "8785h", "999999999d", "9999999999s", "18446744073709551616s", "1h\n", "１h", "1h\x00"} {
		if got, err := brevet.ParseDuration(in); brevet.KindOf(err) != brevet.Invalid || got != 0 {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for want, in := range map[string]time.Duration{
		"0s": 999 * time.Millisecond, "1s": 1999 * time.Millisecond, "1m": time.Minute, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour,
		"1d1s": 24*time.Hour + time.Second, "366d": 366 * 24 * time.Hour, "106751d23h47m16s": 1<<63 - 1,
	} {
		if got := brevet.FormatDuration(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if got := brevet.FormatDuration(-time.Hour); got != "0s" {
		t.Errorf("-1h: %q", got)
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"1h", "90m", "1h30m", "1d2h3m4s", "366d", "367d", "-1h", "999999999d", "1h\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := brevet.ParseDuration(s)
		if err != nil {
			checkShown(t, err.Error())
			return
		}
		if d < time.Second || d > 366*24*time.Hour || d%time.Second != 0 {
			t.Errorf("%q is %s", s, d)
		}
		if again, err := brevet.ParseDuration(brevet.FormatDuration(d)); again != d || err != nil {
			t.Errorf("%q is %s, written %q, read as %s, %v", s, d, brevet.FormatDuration(d), again, err)
		}
	})
}

func TestInstant(t *testing.T) {
	zone := time.FixedZone("", 3600)
	at := time.Date(2026, 3, 1, 1, 2, 3, 456789123, zone)
	got := brevet.Instant(at)
	if got != time.Date(2026, 3, 1, 0, 2, 3, 456789000, time.UTC) || brevet.Instant(got) != got || brevet.Instant(time.Now()) == (time.Time{}) {
		t.Errorf("%s became %s", at, got)
	}
	if !brevet.Instant(time.Time{}).IsZero() {
		t.Error("the zero time is lost")
	}
}
