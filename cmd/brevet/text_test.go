package main

import (
	"bytes"
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
	var out bytes.Buffer
	c := &cli{out: &out}
	tab := &table{head: []string{"ID", "WHO", "REASON"}, flex: 2}
	tab.add("req_01m7y8a6nj8sbt2fe28whc0ryz", "engineer", strings.Repeat("déjà vu ", 30))
	tab.add("req_1", "x\x1b[31m\ny", "short")
	tab.print(c)
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.ContainsAny(out.String(), "\x1b") || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%q", out.String())
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
