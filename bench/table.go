package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row is a line of the table: what was measured on either side, and the value
// that counts, usually ours as a share of theirs.
type row struct {
	name    string
	ours    figures
	theirs  figures
	value   float64
	unit    string // of value; "x" for a ratio
	goal    float64
	least   bool   // the goal is a lower bound
	skipped string // why there is nothing
}

// verdict returns the goal and whether it was reached.
func (r row) verdict() (goal, verdict string) {
	switch {
	case r.skipped != "":
		return "", "SKIPPED: " + r.skipped
	case r.goal == 0:
		return "", ""
	case r.least:
		goal = ">= "
	default:
		goal = "<= "
	}
	if r.met() {
		return goal + amount(r.goal, r.unit), "ok"
	}
	return goal + amount(r.goal, r.unit), "MISSED"
}

func (r row) met() bool {
	if r.least {
		return r.value >= r.goal
	}
	return r.value <= r.goal
}

// printTable writes the table.
func printTable(w io.Writer, rows []row) error {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tbrevet\t\t\t\t\treference\t\t\t\t\t\t\t\t")
	fmt.Fprintln(t, "\t/s\tp50\tp99\tCPU\tMiB\t/s\tp50\tp99\tCPU\tMiB\tvalue\tgoal\t\t")
	met, missed := 0, 0
	for _, r := range rows {
		goal, verdict := r.verdict()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", r.name, r.ours, r.theirs, amount(r.value, r.unit), goal, verdict)
		switch {
		case goal == "":
		case r.met():
			met++
		default:
			missed++
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&text, "%d goals reached, %d missed. Ratios are brevet : reference, medians of rounds.\n", met, missed)
	_, err := io.WriteString(w, text.String())
	return err
}

// String returns the five cells of one side.
func (f figures) String() string {
	cell := func(v float64, text string) string {
		if v == 0 {
			return ""
		}
		return text
	}
	return strings.Join([]string{
		cell(f.Rate, fmt.Sprintf("%.0f", f.Rate)), cell(float64(f.P50), short(f.P50)), cell(float64(f.P99), short(f.P99)),
		cell(float64(f.CPU), short(f.CPU)), cell(f.RSS, fmt.Sprintf("%.1f", f.RSS)),
	}, "\t")
}

// short writes a duration with three digits.
func short(d time.Duration) string {
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= u.d {
			return amount(float64(d)/float64(u.d), u.name)
		}
	}
	return d.String()
}

// amount writes a figure with its unit, three digits at most behind nothing.
func amount(v float64, unit string) string {
	if v == 0 || math.IsNaN(v) {
		return ""
	}
	digits := 0
	switch {
	case v < 10:
		digits = 2
	case v < 100:
		digits = 1
	}
	return fmt.Sprintf("%.*f%s", digits, v, unit)
}

// summarize turns how long each took, within a span of time, into figures.
func summarize(took []time.Duration, span time.Duration) figures {
	if len(took) == 0 {
		return figures{}
	}
	slices.Sort(took)
	return figures{Rate: float64(len(took)) / span.Seconds(), P50: took[len(took)/2], P99: took[len(took)*99/100]}
}

// both are the figures of one round.
type both struct{ ours, theirs figures }

// compare sums rounds up; value says what of a round is compared.
func compare(rounds []both, value func(both) float64) (r row) {
	side := func(pick func(both) figures) (f figures) {
		f.Rate = middle(rounds, func(b both) float64 { return pick(b).Rate })
		f.P50 = middle(rounds, func(b both) time.Duration { return pick(b).P50 })
		f.P99 = middle(rounds, func(b both) time.Duration { return pick(b).P99 })
		f.CPU = middle(rounds, func(b both) time.Duration { return pick(b).CPU })
		for _, b := range rounds {
			f.RSS = max(f.RSS, pick(b).RSS)
		}
		return f
	}
	r.ours, r.theirs = side(func(b both) figures { return b.ours }), side(func(b both) figures { return b.theirs })
	r.value, r.unit = middle(rounds, value), "x"
	return r
}

// middle returns the median of what value finds in each of list.
func middle[T any, N cmp.Ordered](list []T, value func(T) N) N {
	var all []N
	for _, v := range list {
		all = append(all, value(v))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func rates(b both) float64   { return b.ours.Rate / b.theirs.Rate }
func medians(b both) float64 { return float64(b.ours.P50) / float64(b.theirs.P50) }
