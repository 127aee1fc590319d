package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// propose puts the sandbox's catalog in force with old replaced by new.
func (h *house) propose(old, new string) {
	h.t.Helper()
	text := strings.Replace(string(sandboxCatalog()), old, new, 1)
	if text == string(sandboxCatalog()) {
		h.t.Fatalf("nothing to replace: %s", old)
	}
	if _, err := h.Propose(h.t.Context(), brevet.Actor{System: "test"}, []byte(text)); err != nil {
		h.t.Fatal(err)
	}
}

const count = "s3:ListBucket,s3:GetObject@archive"

func wantNo(t *testing.T, err error, kind brevet.Kind, words string) {
	t.Helper()
	if brevet.KindOf(err) != kind || !strings.Contains(err.Error(), words) {
		t.Errorf("got %s %v, want %s with %q", brevet.KindOf(err), err, kind, words)
	}
	if err != nil && brevet.AsError(err).Hint == "" && len(brevet.AsError(err).Unmet) == 0 {
		t.Errorf("%v names no next step", err)
	}
}

// TestNarrowed: what somebody asked for less than the role reaches the cloud
// as it was approved, and is shown to who approves.
func TestNarrowed(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	v, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/Data", Duration: time.Hour, Reason: "count", Only: []string{count}})
	if err != nil {
		t.Fatal(err)
	}
	const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::archive"},{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::archive/*"}]}`
	if v.SessionPolicy != policy || strings.Join(v.Scope, "; ") != "s3:ListBucket on arn:aws:s3:::archive; s3:GetObject on arn:aws:s3:::archive/*" {
		t.Errorf("asked for %s\n%q", v.SessionPolicy, v.Scope)
	}
	seen, err := h.Request(t.Context(), lead, v.ID, 0)
	if err != nil || seen.SessionPolicy != policy || len(seen.Scope) != 2 {
		t.Errorf("the approver sees %+v, %v", seen.Scope, err)
	}
	h.approve(lead, v.ID)
	h.want(engineer, "acme-prod/Data", "")
	if got := h.issues[len(h.issues)-1].SessionPolicy; got != policy {
		t.Errorf("the cloud was given %s", got)
	}
	for only, words := range map[string]string{"s3": "is not an action", "nosuch:Get": "no service", "s3:Get*@": "missing after @", "@archive": "without an action", "s3:GetObject@${aws:username}": "variable", "glue:GetTable@x": "write its ARN"} {
		_, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/Data", Reason: "count", Only: []string{only}})
		wantNo(t, err, brevet.Invalid, words)
	}
}

// TestNarrowedThenRowChanged: a row that somebody widened issues nothing.
func TestNarrowedThenRowChanged(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	v, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/Data", Duration: time.Hour, Reason: "count", Only: []string{count}})
	if err != nil {
		t.Fatal(err)
	}
	h.approve(lead, v.ID)
	h.edit(`UPDATE requests SET session_policy = ''`)
	h.want(engineer, "acme-prod/Data", brevet.Internal)
}

// TestNarrowedBesideWhole: overlapping grants compose (law 7). Asking for less
// takes nothing away from who holds more.
func TestNarrowedBesideWhole(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	get := func(only string, d time.Duration) brevet.GrantID {
		h.advance(time.Second)
		in := broker.Ask{Target: "acme-staging/SRE", Duration: d, Reason: "look"}
		if only != "" {
			in.Only = []string{only}
		}
		v, err := h.Ask(t.Context(), engineer, in)
		if err != nil {
			t.Fatal(err)
		}
		return v.Grant.ID
	}
	whole := get("", time.Hour)
	narrow := get(count, 2*time.Hour)
	if got := h.want(engineer, "acme-staging/SRE", ""); got.Grant.ID != whole {
		t.Errorf("issued under %s, want the whole role of %s", got.Grant.ID, whole)
	}
	named, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-staging/SRE", Grant: narrow})
	if err != nil || named.Grant.ID != narrow || h.issues[len(h.issues)-1].SessionPolicy == "" {
		t.Errorf("named: %+v, %v", named.Grant, err)
	}
	_, err = h.Credential(t.Context(), engineer, broker.Want{Target: "acme-staging/ReadOnly", Grant: narrow})
	wantNo(t, err, brevet.NoGrant, "no live grant of yours")
	if _, err := h.Drop(t.Context(), engineer, whole, ""); err != nil {
		t.Fatal(err)
	}
	kept, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-staging/SRE", Have: named.Session.ID})
	if err != nil || !kept.Keep || kept.Grant.ID != narrow {
		t.Errorf("after the whole was handed back: %+v, %v", kept, err)
	}
	other := get("logs:Get*", time.Hour)
	if got := h.want(engineer, "acme-staging/SRE", ""); got.Grant.ID != other {
		t.Errorf("issued under %s, want what was asked for last, %s", got.Grant.ID, other)
	}
	if again := get("", 30*time.Minute); h.want(engineer, "acme-staging/SRE", "").Grant.ID != again {
		t.Error("a whole role that ends first does not go before a part of it")
	}
}

// requests counts all there are.
func (h *house) requests() (n int) {
	h.t.Helper()
	err := h.db.View(h.t.Context(), func(tx *store.Tx) error {
		all, err := tx.Requests(store.RequestFilter{})
		n = len(all)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// TestBatch: several targets in one intent, all or none, once for a key.
func TestBatch(t *testing.T) {
	h := newHouse(t)
	engineer, lead, stranger := h.login("engineer"), h.login("lead"), h.login("contractor")
	in := broker.Ask{Duration: time.Hour, Reason: "compare", Key: "one"}
	_, err := h.AskAll(t.Context(), engineer, []string{"acme-prod/SRE", "acme-prod/Nothing", "acme-prod/Admin"}, broker.Ask{Duration: 3 * time.Hour, Reason: "compare", Key: "one"})
	wantNo(t, err, brevet.NotFound, "2 of 3 targets")
	if n := h.requests(); n != 0 {
		t.Fatalf("%d requests are there after a refusal of some", n)
	}
	_, err = h.AskAll(t.Context(), engineer, []string{"acme-prod/SRE", "acme-prod/SRE"}, in)
	wantNo2(t, err, brevet.Invalid)
	targets := []string{"acme-staging/SRE", "acme-prod/SRE"}
	b, err := h.AskAll(t.Context(), engineer, targets, in)
	if err != nil || len(b.Requests) != 2 || b.ID == "" {
		t.Fatalf("%+v, %v", b, err)
	}
	prod, staging := b.Requests[0], b.Requests[1]
	if prod.Target != "acme-prod/SRE" || prod.State != brevet.Pending || staging.State != brevet.Approved || staging.Grant == nil || prod.Batch != b.ID || staging.Batch != b.ID {
		t.Errorf("%+v\n%+v", prod, staging)
	}
	again, err := h.AskAll(t.Context(), engineer, targets, in)
	if err != nil || again.ID != b.ID || len(again.Requests) != 2 || again.Requests[0].ID != prod.ID || h.requests() != 2 {
		t.Errorf("the same key: %+v, %v", again, err)
	}
	in.Reason = "something else"
	if _, err := h.AskAll(t.Context(), engineer, targets, in); !errors.Is(err, brevet.Conflict) {
		t.Errorf("the same key for something else: %v", err)
	}
	seen, err := h.Batch(t.Context(), lead, b.ID)
	if err != nil || len(seen.Requests) != 2 || !seen.Requests[0].CanDecide {
		t.Errorf("the approver sees %+v, %v", seen, err)
	}
	if _, err := h.Batch(t.Context(), stranger, b.ID); !errors.Is(err, brevet.NotFound) {
		t.Errorf("a stranger: %v", err)
	}
	h.approve(lead, prod.ID)
	h.want(engineer, "acme-prod/SRE", "")
}

func wantNo2(t *testing.T, err error, kind brevet.Kind) {
	t.Helper()
	if brevet.KindOf(err) != kind {
		t.Errorf("got %v, want %s", err, kind)
	}
}

// later asks for acme-prod/SRE in two hours and has it approved.
func (h *house) later(engineer, lead brevet.Caller, ticket string) broker.RequestView {
	h.t.Helper()
	v, err := h.Ask(h.t.Context(), engineer, broker.Ask{Target: "acme-prod/SRE", Duration: time.Hour, Reason: "the move", Ticket: ticket, NotBefore: h.now().Add(2 * time.Hour)})
	if err != nil {
		h.t.Fatal(err)
	}
	v = h.approve(lead, v.ID)
	if v.Grant == nil || v.Grant.State != brevet.Scheduled || !v.Grant.Start.Equal(v.NotBefore) {
		h.t.Fatalf("%+v", v.Grant)
	}
	return v
}

// TestLater: a start in the future is bounded, gives nothing before, and the
// window stays where it was asked for.
func TestLater(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	for at, words := range map[time.Duration]string{-time.Hour: "over already", 0: "over already", 15 * 24 * time.Hour: "more than 14d ahead"} {
		_, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/SRE", Reason: "the move", NotBefore: h.now().Add(at)})
		wantNo(t, err, brevet.Invalid, words)
	}
	v := h.later(engineer, lead, "")
	h.want(engineer, "acme-prod/SRE", brevet.NoGrant)
	h.sweep()
	h.want(engineer, "acme-prod/SRE", brevet.NoGrant)
	h.advance(2*time.Hour + 10*time.Minute)
	got := h.want(engineer, "acme-prod/SRE", "") // first use begins it
	if end := v.NotBefore.Add(time.Hour); !got.Grant.End.Equal(end) || !got.Grant.Start.Equal(v.NotBefore) {
		t.Errorf("from %s to %s, want %s to %s", got.Grant.Start, got.Grant.End, v.NotBefore, end)
	}
}

// grant returns the grant as it is now.
func (h *house) grant(c brevet.Caller, id brevet.GrantID) broker.GrantView {
	h.t.Helper()
	all, err := h.Grants(h.t.Context(), c, broker.List{})
	for _, g := range all {
		if g.ID == id {
			return g
		}
	}
	h.t.Fatalf("no grant %s, %v", id, err)
	return broker.GrantView{}
}

const withTicket = "    approval: {by: [lead]}\n    ticket: {required: true, pattern: \"OPS-[0-9]+\", check: jira}\n  - name: prod-admin\n"

// TestLaterIsJudgedAgain: at its start a grant is judged as if it were asked
// for then. What says no ends it, for that reason, and it never was active.
func TestLaterIsJudgedAgain(t *testing.T) {
	says := func(ok bool, why string, err error) func(context.Context, string, broker.Question) (bool, string, error) {
		return func(context.Context, string, broker.Question) (bool, string, error) { return ok, why, err }
	}
	for name, tt := range map[string]struct {
		change func(h *house)
		why    string // "": it begins
	}{
		"nothing":          {func(*house) {}, ""},
		"out of the group": {func(h *house) { h.groups["engineer"] = []string{"sales"} }, "not entitled to it any more"},
		"role redefined": {func(h *house) {
			h.propose("job-function/ViewOnlyAccess, AmazonEC2FullAccess, ", "AmazonEC2FullAccess, ")
		}, "redefined"},
		"another approval": {func(h *house) {
			h.propose("    approval: {by: [lead]}\n  - name: prod-admin\n", "    approval: {by: [security]}\n  - name: prod-admin\n")
		}, "needs another approval"},
		"ticket closed": {func(h *house) { h.Check = says(false, "OPS-7 is closed", nil) }, "OPS-7 is closed"},
		"ticket form": {func(h *house) {
			h.propose("    approval: {by: [lead]}\n  - name: prod-admin\n", strings.Replace(withTicket, "OPS", "CHG", 1))
		}, "ticket of the form CHG"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.Check = says(true, "", nil)
			h.propose("    approval: {by: [lead]}\n  - name: prod-admin\n", withTicket)
			engineer, lead := h.login("engineer"), h.login("lead")
			v := h.later(engineer, lead, "OPS-7")
			h.advance(2 * time.Hour)
			tt.change(h)
			h.sweep()
			g := h.grant(engineer, v.Grant.ID)
			if tt.why == "" {
				if g.State != brevet.Active || !g.Live {
					t.Fatalf("%+v", g.Grant)
				}
				h.want(engineer, "acme-prod/SRE", "")
				return
			}
			if g.State != brevet.Ended || !g.End.IsZero() || len(h.issues) > 0 {
				t.Fatalf("%+v", g.Grant)
			}
			e := h.lastEvent()
			if e.Kind != brevet.GrantEnded || e.Grant != g.ID || !strings.Contains(e.Reason, tt.why) {
				t.Errorf("on record: %s %s %q, want %q", e.Kind, e.Grant, e.Reason, tt.why)
			}
			h.sweep()
			if _, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil {
				t.Error("a credential was issued")
			}
		})
	}
}

// lastEvent returns the newest event of the log.
func (h *house) lastEvent() (e brevet.Event) {
	h.t.Helper()
	err := h.db.View(h.t.Context(), func(tx *store.Tx) error {
		size := int64(len(h.events()))
		var err error
		e, err = tx.Proven(size - 1)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return e
}

// TestLaterWaitsForTheCheck: a check that is down at the start has not said
// yes; once it does, the grant begins, and its window has not moved.
func TestLaterWaitsForTheCheck(t *testing.T) {
	h := newHouse(t)
	down := false
	h.Check = func(context.Context, string, broker.Question) (bool, string, error) {
		if down {
			return false, "", brevet.Errorf(brevet.Unavailable, "it took longer than 3s")
		}
		return true, "", nil
	}
	h.propose("    approval: {by: [lead]}\n  - name: prod-admin\n", withTicket)
	engineer, lead := h.login("engineer"), h.login("lead")
	v := h.later(engineer, lead, "OPS-7")
	h.advance(2 * time.Hour)
	down = true
	h.sweep()
	if g := h.grant(engineer, v.Grant.ID); g.State != brevet.Scheduled {
		t.Fatalf("%+v", g.Grant)
	}
	_, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"})
	wantNo(t, err, brevet.Unavailable, "longer than 3s")
	h.advance(20 * time.Minute)
	down = false
	h.sweep()
	if g := h.grant(engineer, v.Grant.ID); g.State != brevet.Active || !g.End.Equal(v.NotBefore.Add(time.Hour)) {
		t.Errorf("%+v", g.Grant)
	}
}

// TestTickets: required, pattern, check; the check is asked outside any
// transaction and before anything is on record.
func TestTickets(t *testing.T) {
	h := newHouse(t)
	h.propose("    approval: {by: [lead]}\n  - name: prod-admin\n", withTicket)
	engineer := h.login("engineer")
	ask := func(ticket string) error {
		_, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-prod/SRE", Duration: time.Hour, Reason: "the move", Ticket: ticket})
		return err
	}
	wantNo(t, ask(""), brevet.Invalid, "needs a ticket")
	wantNo(t, ask("ops 7"), brevet.Invalid, "of the form OPS-[0-9]+")
	wantNo(t, ask("OPS-7"), brevet.Unavailable, "no check jira is configured")
	var got broker.Question
	h.Check = func(ctx context.Context, name string, q broker.Question) (bool, string, error) {
		got = q
		if name != "jira" || h.db.Update(ctx, func(*store.Tx) error { return nil }) != nil {
			t.Error("not outside a transaction")
		}
		return q.Ticket == "OPS-7", "it is closed", nil
	}
	wantNo(t, ask("OPS-8"), brevet.Denied, "it is closed")
	if n := h.requests(); n != 0 {
		t.Errorf("%d requests are there", n)
	}
	if err := ask("OPS-7"); err != nil {
		t.Error(err)
	}
	if want := (broker.Question{Ticket: "OPS-7", Person: "engineer", Target: "acme-prod/SRE", Reason: "the move", Duration: time.Hour}); got != want {
		t.Errorf("asked %+v, want %+v", got, want)
	}
}

// TestReasonRules: an entitlement may go without a reason, or demand a form.
func TestReasonRules(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	ask := func(reason string) error {
		_, err := h.Ask(t.Context(), engineer, broker.Ask{Target: "acme-staging/SRE", Duration: time.Hour, Reason: reason})
		return err
	}
	wantNo(t, ask(""), brevet.Invalid, "needs a reason")
	h.propose("    longest: 4h\n    approval: automatic\n", "    longest: 4h\n    approval: automatic\n    reason: {required: false, pattern: \".{10,}\"}\n")
	wantNo(t, ask("x"), brevet.Invalid, "of the form .{10,}")
	if err := ask(""); err != nil {
		t.Error(err)
	}
}
