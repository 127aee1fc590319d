package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
)

func TestHuman(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", 41 * time.Second: "41 s", 59*time.Second + 900*time.Millisecond: "59 s", time.Minute: "1 m",
		59*time.Minute + 57*time.Second: "1 h", 8*time.Hour - 3*time.Second: "8 h", 90 * time.Minute: "1 h 30 m", 47 * time.Hour: "47 h", 50 * time.Hour: "2 d 2 h",
	} {
		if got := human(d); got != want {
			t.Errorf("human(%v) = %s, want %s", d, got, want)
		}
	}
}

// What is left is rounded down, so that it never promises too much.
func TestLeft(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		time.Hour - time.Second: "59 m left", time.Hour: "1 h left", 30 * time.Second: "30 s left", 0: "over", -time.Hour: "over",
	} {
		if got := left(now.Add(d), now); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestSentence(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"you may not.":            "You may not.",
		"acme-prod/Admin is over": "acme-prod/Admin is over.",
		"the log of a/b":          "The log of a/b.",
	} {
		if got := sentence(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSpeak(t *testing.T) {
	for in, want := range map[string]string{
		"for another 59m32s":                 "for another 1 h",
		"MFA is 3m12s old and 8h is allowed": "MFA is 3 m old and 8 h is allowed",
		"(ended 12s ago), 1h30m.":            "(ended 12 s ago), 1 h 30 m.",
		`"9h" is longer than sre-4h in db-7`: `"9h" is longer than sre-4h in db-7`,
	} {
		if got := speak(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := count(1, "entry", "entries") + ", " + count(int64(0), "entry", "entries"); got != "1 entry, 0 entries" {
		t.Error(got)
	}
}

func TestAt(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local)
	for want, when := range map[string]time.Time{
		"15:12": now.Add(3*time.Hour + 12*time.Minute), "22 Nov 03:12": now.Add(15*time.Hour + 12*time.Minute), "2025-11-21 12:00": now.AddDate(-1, 0, 0), "-": {},
	} {
		if got := at(when, now); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestTableFits(t *testing.T) {
	tab := &table{head: []string{"ID", "WHO", "REASON"}, free: true}
	tab.add("req_01m7y8a6nj8sbt2fe28whc0ryz", "engineer", strings.Repeat("déjà vu ", 30))
	tab.add("req_1", "x\x1b[31m\ny", "short")
	lines := tab.lines(columns)
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.ContainsAny(strings.Join(lines, ""), "\x1b\n") || len(lines) != 3 {
		t.Errorf("%q", lines)
	}
	if whole := tab.lines(0); strings.Contains(whole[1], "…") || strings.Count(whole[1], "déjà vu") != 30 {
		t.Errorf("cut without a limit: %s", whole[1])
	}
	fixed := &table{head: []string{"LEFT", "ENDS"}}
	fixed.add("59 m", "03:12")
	if got := fixed.lines(5); got[1] != "59 m  03:12" {
		t.Errorf("a fact was cut: %q", got[1])
	}
}

// FuzzEscape: what is printed as JSON means the same and steers no terminal.
func FuzzEscape(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b]0;x\x07\u202e\u009b31m\U000e0001 é ✓")
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		safe := escape(text)
		var back string
		if err := json.Unmarshal(safe, &back); err != nil || back != s {
			t.Fatalf("%q became %q, %v", s, back, err)
		}
		if brevet.Printable(string(safe)) != string(safe) {
			t.Fatalf("%q", safe)
		}
	})
}
