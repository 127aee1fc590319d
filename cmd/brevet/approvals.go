package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) auditApprovals() *cobra.Command {
	var first, last string
	share := 50
	cmd := c.command("approvals", "Show who approves whose requests, and who each other's", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			from, to, err := period(first, last, s.now())
			if err != nil {
				return err
			}
			if share < 1 || share > 100 {
				return brevet.Errorf(brevet.Invalid, "--share: %d is not a percentage from 1 to 100", share)
			}
			a, hidden, err := c.countApprovals(ctx, s, from, to)
			if err != nil {
				return err
			}
			return c.print(a, func() { c.showApprovals(a, share, hidden) })
		})
	cmd.Long = `Show who approved whose requests in a time, from the log: people who approve
each other's, directly or in a ring, approvers on whom somebody's requests rest
by more than a share, and how much each approver approved. You see the
customers for which you hold the right audit. The log is checked on the way.`
	cmd.Example = "  brevet audit approvals --from 2026-11-01 --to 2026-11-30"
	f := cmd.Flags()
	f.StringVar(&first, "from", "", "from this `DAY`, or time, on (default 30 days before --to)")
	f.StringVar(&last, "to", "", "to this `DAY`, or time (default now)")
	f.IntVar(&share, "share", share, "list pairs from this `PERCENT` of somebody's approvals on")
	return c.flagJSON(cmd)
}

// period reads the first and the last day, or moments, of a report.
func period(first, last string, now time.Time) (from, to time.Time, err error) {
	read := func(flag, text string, beyond time.Duration) (time.Time, error) {
		if t, err := time.Parse(time.DateOnly, text); err == nil {
			return t.Add(beyond), nil
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return t, brevet.Errorf(brevet.Invalid, "%s: %q is neither a day such as 2026-11-30 nor a time such as 2026-11-30T18:00:00Z", flag, brevet.Printable(text))
		}
		return t.UTC(), nil
	}
	to = now.UTC()
	if last != "" {
		if to, err = read("--to", last, 24*time.Hour); err != nil {
			return from, to, err
		}
	}
	from = to.AddDate(0, 0, -30)
	if first != "" {
		if from, err = read("--from", first, 0); err != nil {
			return from, to, err
		}
	}
	if !from.Before(to) {
		return from, to, brevet.Errorf(brevet.Invalid, "--from and --to: a time ends after it begins")
	}
	return from, to, nil
}

// countApprovals reads the log from its beginning; hidden is how many entries
// are not the caller's to read. A log that is not whole gives no report.
func (c *cli) countApprovals(ctx context.Context, s *session, from, to time.Time) (a *audit.Approvals, hidden int64, err error) {
	cp, err := s.checkpoint(ctx)
	if err != nil {
		return nil, 0, err
	}
	head, err := openHead([]byte(cp.Note), s.config.Pin(s.server))
	if err != nil {
		return nil, 0, err
	}
	checker, err := audit.NewChecker(s.config.Pin(s.server), nil)
	if err != nil {
		return nil, 0, err
	}
	a = audit.NewApprovals(from, to)
	for e, err := range s.entries(ctx, head.Size) {
		if err == nil {
			err = checker.Add(e)
		}
		if err != nil {
			return nil, 0, err
		}
		if _, ev, err := e.Check(); err == nil && ev.Kind != "" {
			a.Add(ev)
		}
	}
	report, err := checker.Finish([]byte(cp.Note))
	if err != nil {
		return nil, 0, err
	}
	if !report.Whole() {
		return nil, 0, brevet.Errorf(brevet.Conflict, "the log is not whole, so nothing is counted").WithHint("brevet audit verify says what is wrong")
	}
	a.Count()
	return a, report.Hidden, nil
}

func (c *cli) showApprovals(a *audit.Approvals, share int, hidden int64) {
	c.tell("%s by people, %d by policy, %s; %s to %s.", count(int64(a.People), "approval", "approvals"), a.Policies,
		count(int64(a.Denials), "denial", "denials"), a.From.Format(time.DateOnly), a.To.Add(-time.Microsecond).Format(time.DateOnly))
	for _, ring := range a.Rings {
		c.tell("Approve each other's: %s", strings.Join(ring, ", "))
	}
	pairs := &table{head: []string{"APPROVER", "REQUESTER", "APPROVALS", "SHARE", "BACK"}}
	for _, p := range a.Pairs {
		if p.Share() >= share || p.Back > 0 {
			pairs.add(p.Approver, p.Requester, fmt.Sprint(p.Approvals), fmt.Sprintf("%d%% of %d", p.Share(), p.OfAll), fmt.Sprint(p.Back))
		}
	}
	if len(pairs.rows) > 0 {
		c.tell("")
		pairs.print(c)
	}
	approvers := &table{head: []string{"APPROVER", "APPROVALS", "SHARE", "REQUESTERS"}}
	for _, p := range a.Approvers {
		approvers.add(p.Name, fmt.Sprint(p.Approvals), fmt.Sprintf("%d%%", 100*p.Approvals/a.People), fmt.Sprint(p.Requesters))
	}
	if len(approvers.rows) > 0 {
		c.tell("")
		approvers.print(c)
	}
	if hidden > 0 {
		c.say("%s not yours to read, so not counted.", count(hidden, "entry of the log is", "entries of the log are"))
	}
}
