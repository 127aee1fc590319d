package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/brevet-access/brevet"
)

// columns is how wide a terminal is that does not say.
const columns = 80

// table is rows of text under a heading. Where the last column is free text
// it is cut so that lines fit a terminal; no other ever is, and off a
// terminal nothing is.
type table struct {
	head []string
	rows [][]string
	free bool // the last column is free text
}

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = brevet.Printable(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// print writes the table, its heading bold where the terminal can show it.
func (t *table) print(c *cli) {
	for i, line := range t.lines(widthOf(c.out)) {
		if i == 0 {
			line = bold(c.out, line)
		}
		fmt.Fprintln(c.out, line)
	}
}

// lines lays the table out, its heading first, for a terminal that is limit
// characters wide; 0 means no limit.
func (t *table) lines(limit int) []string {
	widths := t.widths(limit)
	var out []string
	for _, cells := range append([][]string{t.head}, t.rows...) {
		var b strings.Builder
		for i, cell := range cells {
			cell = clip(cell, widths[i])
			b.WriteString(cell)
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}

func (t *table) widths(limit int) []int {
	widths := make([]int, len(t.head))
	total := -2
	for i := range widths {
		widths[i] = utf8.RuneCountInString(t.head[i])
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i] + 2
	}
	if last := len(widths) - 1; t.free && limit > 0 && total > limit {
		widths[last] = max(8, widths[last]-(total-limit))
	}
	return widths
}

// widthOf returns how many characters fit a line of w; 0 where there is no
// limit, since it is no terminal.
func widthOf(w io.Writer) int {
	if !isTerminal(w) {
		return 0
	}
	if width, _, err := term.GetSize(int(w.(*os.File).Fd())); err == nil && width > 0 {
		return width
	}
	return columns
}

// width is how wide an answer may be.
func (c *cli) width() int {
	if w := widthOf(c.out); w > 0 {
		return w
	}
	return columns
}

// wraps reports whether an answer is to be broken into lines that fit: not where
// a program reads it.
func (c *cli) wraps() bool { return widthOf(c.out) > 0 }

// tellWrapped writes a text in lines that fit, the first after indent, the
// others after hang. A word that is longer stays whole, so that it can be
// copied.
func (c *cli) tellWrapped(indent, hang, text string) {
	line, empty := indent, true
	for _, word := range strings.Fields(text) {
		if !empty && len([]rune(line))+1+len([]rune(word)) > c.width() {
			c.tell("%s", line)
			line, empty = hang, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	c.tell("%s", line)
}
