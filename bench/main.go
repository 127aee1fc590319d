// Command bench measures brevet against references, both sides in one run,
// and prints one table: figures, ratios, goals. A figure in seconds says
// nothing about another machine; a ratio does.
//
//	go run ./bench                    everything, about two and a half minutes
//	go run ./bench -quick             everything, rougher, about 20 s
//	go run ./bench -only issue        issue, postgres, client, append, decision, click, revoke
//
// # Who takes part
//
// Issuing is measured across processes, as in life: the server, the
// reference, the load generator and an STS that answers at once each run on
// their own. All are this program, started again. The load generator is thin,
// so that what it costs hides little of the servers.
//
// The reference does what issuing cannot do without, and nothing else: it
// finds the session by the hash of the bearer token, reads the grant, reads
// the two events behind it back and compares their leaf hashes with those
// proven (law 11), records the intent in a group commit, signs an ES256 token,
// calls STS, records the outcome in another group commit, and answers in JSON.
// Durability (SQLite, WAL, synchronous=FULL), log (salted leaves, tree hashes,
// a signed head), rows and wire are brevet's.
//
// # How
//
// Both sides take turns in short rounds after a warm-up. CPU is what a server
// used for each answer: on a busy machine it is the steadiest figure. A ratio is the median
// of the rounds' ratios, so that other work on the machine, which comes and
// goes, touches both alike. Latencies are medians of the rounds' percentiles.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if name := os.Getenv(partEnv); name != "" {
		os.Exit(runPart(name))
	}
	p, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(2) // flag has said why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, p)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// plan says what is measured and for how long.
type plan struct {
	only    []string
	callers []int         // at which issuing is measured
	rounds  int           // of both sides
	warm    time.Duration // before each round of load
	each    time.Duration // round of load
	starts  int           // of each program
	appends int           // by one caller, and by all of many callers in a round
	decides int           // in a round
	clicks  int           // on Approve
	revokes int           // of grants
	dir     string        // where databases lie; on a real disk
	profile string        // folder for CPU profiles; "" none
}

var (
	full  = plan{rounds: 7, warm: 250 * time.Millisecond, each: time.Second, starts: 150, appends: 3000, decides: 50_000, clicks: 100, revokes: 20}
	quick = plan{rounds: 3, warm: 100 * time.Millisecond, each: 300 * time.Millisecond, starts: 40, appends: 1000, decides: 20_000, clicks: 20, revokes: 5}
)

// section is a part of the table.
type section struct {
	name    string
	measure func(ctx context.Context, p plan) ([]row, error)
}

// sections are all of them, in the table's order.
var sections = []section{
	{"issue", measureIssue},
	{"postgres", measurePostgres},
	{"client", measureClient},
	{"append", measureAppend},
	{"decision", measureDecision},
	{"click", measureClick},
	{"revoke", measureRevoke},
}

func parse(args []string) (plan, error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	fast := f.Bool("quick", false, "short rounds")
	only := f.String("only", "", "comma-separated `SECTIONS`: issue, postgres, client, append, decision, click, revoke")
	callers := f.String("callers", "1,8,64", "how many callers issue at a time")
	dir := f.String("dir", os.TempDir(), "`FOLDER` for databases; it must be on a real disk")
	profile := f.String("profile", "", "`FOLDER` for CPU profiles of server and reference")
	if err := f.Parse(args); err != nil {
		return plan{}, err
	}
	p := full
	if *fast {
		p = quick
	}
	p.dir, p.profile = *dir, *profile
	var err error
	if p.callers, err = numbers(*callers); err == nil && *only != "" {
		p.only, err = known(*only)
	}
	if err != nil {
		fmt.Fprintln(f.Output(), "bench:", err)
	}
	return p, err
}

func numbers(list string) ([]int, error) {
	var out []int
	for s := range strings.SplitSeq(list, ",") {
		var n int
		if _, err := fmt.Sscan(s, &n); err != nil || n < 1 || n > 1000 {
			return nil, fmt.Errorf("-callers: %q is not a list of numbers", list)
		}
		out = append(out, n)
	}
	return out, nil
}

func known(list string) ([]string, error) {
	out := strings.Split(list, ",")
	for _, name := range out {
		if !slices.ContainsFunc(sections, func(s section) bool { return s.name == name }) {
			return nil, fmt.Errorf("-only: there is no section %q", name)
		}
	}
	return out, nil
}

// run measures and prints.
func run(ctx context.Context, p plan) error {
	dir, err := os.MkdirTemp(p.dir, "brevet-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if p.profile != "" {
		if p.profile, err = filepath.Abs(p.profile); err != nil {
			return err
		}
	}
	p.dir = dir
	fmt.Println(machine(dir))
	var rows []row
	for _, s := range sections {
		if p.only != nil && !slices.Contains(p.only, s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring: %s\n", s.name)
		more, err := s.measure(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, more...)
	}
	return printTable(os.Stdout, rows)
}

// machine describes where the figures were taken.
func machine(dir string) string {
	text := fmt.Sprintf("%s %s/%s, %d CPUs", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		text += ", load " + strings.Fields(string(load))[0]
	}
	if inMemory(dir) {
		text += "\nWARNING: " + filepath.Dir(dir) + " is in memory: nothing is durable there and commits cost nothing; give -dir"
	}
	return text
}
