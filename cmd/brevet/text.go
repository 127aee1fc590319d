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

// columns is how wide an answer may be.
const columns = 80

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

// left writes how long it is from now until t, rounded down so that it never
// promises too much: "59 m left"; "over" if t has passed.
func left(t, now time.Time) string {
	d := t.Sub(now)
	if d <= 0 {
		return "over"
	}
	if d >= time.Minute {
		d = d.Truncate(time.Minute)
	}
	return human(d) + " left"
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

// sentence makes s start with a capital letter and end with a full stop.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
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

// table is rows of text under a heading. The column flex, counted from 0, is
// cut so that lines fit 80 columns; the others never are.
type table struct {
	head []string
	rows [][]string
	flex int
}

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = brevet.Printable(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// print writes the table, its heading bold where the terminal can show it.
func (t *table) print(c *cli) {
	widths := t.widths()
	line := func(cells []string) string {
		var b strings.Builder
		for i, cell := range cells {
			cell = clip(cell, widths[i])
			b.WriteString(cell)
			if i < len(cells)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	fmt.Fprintln(c.out, bold(c.out, line(t.head)))
	for _, row := range t.rows {
		fmt.Fprintln(c.out, line(row))
	}
}

func (t *table) widths() []int {
	widths := make([]int, len(t.head))
	total := -2
	for i := range widths {
		widths[i] = utf8.RuneCountInString(t.head[i])
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i] + 2
	}
	if total > columns {
		widths[t.flex] = max(8, widths[t.flex]-(total-columns))
	}
	return widths
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
