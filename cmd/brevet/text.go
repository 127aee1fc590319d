package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/brevet-access/brevet"
)

// human writes a duration as people say it, rounded to the nearest unit that
// matters: 41 s, 59 m, 1 h 30 m, 3 d.
func human(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, d/time.Second))
	case d < 48*time.Hour:
		return units(d.Round(time.Minute), time.Hour, "h", time.Minute, "m")
	}
	return units(d.Round(time.Hour), 24*time.Hour, "d", time.Hour, "h")
}

func units(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	var parts []string
	if n := d / big; n > 0 {
		parts = append(parts, fmt.Sprintf("%d %s", n, bigName))
	}
	if n := d % big / small; n > 0 || parts == nil {
		parts = append(parts, fmt.Sprintf("%d %s", n, smallName))
	}
	return strings.Join(parts, " ")
}

// remaining writes how long it is from now until t, rounded down so that it
// never promises too much: "59 m"; "over" if t has passed.
func remaining(t, now time.Time) string {
	d := t.Sub(now)
	if d <= 0 {
		return "over"
	}
	if d >= time.Minute {
		d = d.Truncate(time.Minute)
	}
	return human(d)
}

// left is remaining as part of a sentence: "59 m left".
func left(t, now time.Time) string {
	if r := remaining(t, now); r != "over" {
		return r + " left"
	}
	return "over"
}

// ago writes how long t is in the past.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return human(now.Sub(t)) + " ago"
}

// at writes t as the local clock shows it, with the date unless it is today's.
func at(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	switch {
	case t.IsZero():
		return "-"
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04")
	case t.Sub(now).Abs() < 300*24*time.Hour:
		return t.Format("2 Jan 15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// sentence makes s start with a capital letter, unless a target does, and end
// with a full stop.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
	}
	if first, _, _ := strings.Cut(s, " "); strings.Contains(first, "/") {
		return strings.TrimRight(s, ".") + "."
	}
	return strings.ToUpper(string(r)) + strings.TrimRight(s[n:], ".") + "."
}

// spoken writes a duration of the wire (1h30m) as people say it; what is not
// one stays as it is.
func spoken(s string) string {
	if d, err := brevet.ParseDuration(s); err == nil {
		return human(d)
	}
	return s
}

// speak writes the durations within a text of the server's (59m32s) as people
// say them. Only words of their own are, so that no command or name changes.
func speak(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		bare := strings.TrimRight(strings.TrimPrefix(w, "("), ".,;:)")
		if bare != "" {
			words[i] = strings.Replace(w, bare, spoken(bare), 1)
		}
	}
	return strings.Join(words, " ")
}

// count writes a number of things: "1 problem", "2 problems".
func count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// clip cuts s to n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// bold marks s where w is a terminal and NO_COLOR (no-color.org) is not set.
func bold(w io.Writer, s string) string {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

// isTerminal reports whether a stream is one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
