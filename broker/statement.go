package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// Statement tells a customer who entered its accounts, when, why, and who
// approved it. It is made from the log alone: every entry was read, together
// they give the signed head, and none of the customer's is missing. Its JSON
// is what brevet statement --format json writes.
type Statement struct {
	Customer   string    `json:"customer"`
	ID         string    `json:"customer_id"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"` // the first moment after it
	Log        Covered   `json:"log"`
	Accesses   []Access  `json:"accesses"`             // that overlap the time, oldest first
	Offboarded string    `json:"offboarded,omitempty"` // when, by whom and why the customer left
}

// Covered is the log that a statement was made from.
type Covered struct {
	Checkpoint string `json:"checkpoint"` // a signed note (C2SP)
	Key        string `json:"key"`        // that verifies it
	Size       int64  `json:"size"`       // entries of the log
	Entries    int64  `json:"entries"`    // of them the customer's, all read
	Erased     int64  `json:"erased"`     // of these such whose details were erased since
}

// Access is a grant and what was done under it. Entries are the indexes in the
// log of what it was read from.
type Access struct {
	Grant      string     `json:"grant"`
	Who        string     `json:"who"`
	Person     string     `json:"person"`
	Account    string     `json:"account"` // number
	Name       string     `json:"account_name,omitempty"`
	Role       string     `json:"role"`
	Reason     string     `json:"reason"`
	Duty       string     `json:"duty,omitempty"` // rotas by which they were let in
	Requested  time.Time  `json:"requested"`
	Approvals  []Approved `json:"approvals"`
	BreakGlass bool       `json:"break_glass,omitempty"`
	Offline    string     `json:"offline,omitempty"` // id of the offline key by which it was opened
	Review     string     `json:"review,omitempty"`  // what somebody else thought of it
	Start      time.Time  `json:"start"`
	End        time.Time  `json:"end"`           // when it was over, or will be
	Ended      string     `json:"ended"`         // how: time, handed back, revoked by …; "" while it lives
	Cut        string     `json:"cut,omitempty"` // when the cloud was seen to refuse what was out
	Sessions   []Entered  `json:"sessions"`
	Entries    []int64    `json:"entries"`
}

// Approved is a yes to a request.
type Approved struct {
	By      string    `json:"by"` // a person's handle, or the policy that approved
	At      time.Time `json:"at"`
	Comment string    `json:"comment,omitempty"`
}

// Entered is one set of credentials.
type Entered struct {
	Session   string    `json:"session"`
	AccessKey string    `json:"access_key"` // its id, as CloudTrail has it
	Start     time.Time `json:"start"`
	Expires   time.Time `json:"expires"`
	Doubt     string    `json:"doubt,omitempty"` // why it is not known whether it left
}

// Statement makes the statement of a customer for the time from from to to.
// The caller holds the right to audit or to view there.
func (b *Broker) Statement(ctx context.Context, c brevet.Caller, customer string, from, to time.Time) (Statement, error) {
	c = b.current(ctx, c, policy.PrivilegedWithin)
	k, ok := b.Catalog().Customer(customer)
	if !ok || !b.knows(c, k.ID) {
		return Statement{}, brevet.Errorf(brevet.NotFound, "there is no customer %s that you may see", brevet.Printable(customer)).WithHint("brevet customer list shows what there is")
	}
	if !b.holds(c, k.ID, brevet.RightAudit) && !b.holds(c, k.ID, brevet.RightView) {
		no := brevet.Errorf(brevet.Denied, "you may not have the statement of %s", k.Name).
			WithUnmet(brevet.Unmet{Condition: "hold the right audit or view at " + k.Name, Have: "you do not", Remedy: "ask " + b.policy().Holders(k.ID, brevet.RightCatalog).String()})
		return Statement{}, b.refused(ctx, c, brevet.Account{Customer: k.ID}, "", "statement", no)
	}
	if !from.Before(to) {
		return Statement{}, brevet.Errorf(brevet.Invalid, "from and to: a statement ends after it begins")
	}
	b.stating.Lock()
	defer b.stating.Unlock()
	return b.state(ctx, k, from, to)
}

// state reads the log from its beginning.
func (b *Broker) state(ctx context.Context, k brevet.Customer, from, to time.Time) (Statement, error) {
	head, err := b.DB.Checkpoint(b.DB.Head())
	if err != nil {
		return Statement{}, err
	}
	check, err := audit.NewChecker(b.LogKey, nil)
	if err != nil {
		return Statement{}, err
	}
	t := &teller{requests: map[brevet.RequestID]*Access{}, grants: map[brevet.GrantID]*Access{}}
	s := Statement{Customer: k.Name, ID: string(k.ID), From: from.UTC(), To: to.UTC(),
		Log: Covered{Checkpoint: string(head.Note), Key: b.LogKey, Size: head.Size}}
	for next := int64(0); next < head.Size; {
		if err := ctx.Err(); err != nil {
			return Statement{}, err
		}
		n, err := b.tellPage(ctx, check, t, &s, k.ID, next, head.Size)
		if err != nil {
			return Statement{}, err
		}
		if n == 0 {
			break
		}
		next += n
	}
	report, err := check.Finish(head.Note)
	if err != nil {
		return Statement{}, err
	}
	if !report.Whole() {
		return Statement{}, brevet.Errorf(brevet.Internal, "the log is not whole, so nothing is stated").WithHint("an operator should run brevet audit verify")
	}
	s.Offboarded = t.left
	s.Accesses = t.between(from, to, b.now())
	for i := range s.Accesses {
		if a, ok := b.Catalog().AccountByID(brevet.AccountID(s.Accesses[i].Account)); ok && a.Customer == k.ID {
			s.Accesses[i].Name = a.Name
		}
	}
	return s, nil
}

// tellPage reads a page of the log and returns how many entries it held.
func (b *Broker) tellPage(ctx context.Context, check *audit.Checker, t *teller, s *Statement, id brevet.CustomerID, from, size int64) (n int64, err error) {
	err = b.DB.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Entries(from, int(min(1000, size-from)))
		if err != nil {
			return err
		}
		n = int64(len(rows))
		for _, r := range rows {
			if err := check.Add(r.Entry); err != nil {
				return err
			}
			if r.Customer != id {
				continue
			}
			s.Log.Entries++
			var e brevet.Event
			if r.Erased {
				s.Log.Erased++
			} else if err := json.Unmarshal(r.Details, &e); err == nil && e.Customer == id {
				t.fold(r.Index, e)
			}
		}
		return nil
	})
	return n, err
}

// teller folds a customer's events into what they tell of access.
type teller struct {
	requests map[brevet.RequestID]*Access // what was asked, before there is a grant
	grants   map[brevet.GrantID]*Access
	order    []*Access
	left     string
}

func (t *teller) fold(index int64, e brevet.Event) {
	switch e.Kind {
	case brevet.RequestCreated:
		t.requests[e.Request] = &Access{Who: e.Actor.String(), Person: string(e.Person), Account: string(e.Account), Role: string(e.Role), Reason: e.Reason,
			Duty: e.Data["duty"], Requested: e.Time, Entries: []int64{index}, Approvals: []Approved{}, Sessions: []Entered{}}
	case brevet.RequestDecided, brevet.RequestApproved:
		if a := t.requests[e.Request]; a != nil {
			a.Approvals = append(a.Approvals, Approved{By: e.Actor.String(), At: e.Time, Comment: e.Reason})
			a.Entries = append(a.Entries, index)
		}
	case brevet.BreakGlassOpened:
		a := t.grants[e.Grant]
		if a == nil && e.Data[brevet.OfflineKey] != "" {
			a = offlineAccess(e)
			t.grants[e.Grant] = a
			t.order = append(t.order, a)
		}
		if a != nil {
			a.BreakGlass = true
			if with := e.Data[brevet.GlassSecondHandle]; with != "" {
				a.Approvals = append(a.Approvals, Approved{By: with, At: e.Time, Comment: "gave a sealed code, the second"})
			}
			a.Entries = append(a.Entries, index)
		}
	case brevet.CustomerOffboarded:
		t.left = e.Time.Format(time.RFC3339) + " by " + e.Actor.String() + ": " + e.Reason
	case brevet.GrantOpened:
		if a := t.requests[e.Request]; a != nil {
			a.Grant = string(e.Grant)
			a.Entries = append(a.Entries, index)
			t.grants[e.Grant] = a
			t.order = append(t.order, a)
		}
	default:
		if a := t.grants[e.Grant]; a != nil && t.under(a, e) {
			a.Entries = append(a.Entries, index)
		}
	}
}

// offlineAccess begins the story of an emergency that was opened while the
// broker was out of reach: those who gave their shares stand for approvers.
func offlineAccess(e brevet.Event) *Access {
	a := &Access{Grant: string(e.Grant), Who: e.Data["handle"], Person: string(e.Person), Account: string(e.Account), Role: string(e.Role), Reason: e.Reason,
		Offline: e.Data[brevet.OfflineKey], Approvals: []Approved{}, Sessions: []Entered{}}
	if e.Start != nil && e.End != nil {
		a.Requested, a.Start, a.End = *e.Start, *e.Start, *e.End
	}
	for h := range strings.SplitSeq(e.Data["shared"], ",") {
		a.Approvals = append(a.Approvals, Approved{By: h, At: a.Start, Comment: "gave a share of the offline key"})
	}
	return a
}

// under folds an event about a grant, and reports whether it tells anything.
func (t *teller) under(a *Access, e brevet.Event) bool {
	switch e.Kind {
	case brevet.GrantActivated:
		a.Start, a.End = *e.Start, *e.End
	case brevet.GrantExtended:
		a.End = *e.End
		if more := t.requests[e.Request]; more != nil {
			a.Approvals = append(a.Approvals, more.Approvals...)
			a.Entries = append(a.Entries, more.Entries...)
		}
	case brevet.GrantEnded, brevet.GrantRevoked:
		if a.Offline != "" { // what the record says counts: the log ended it when it came
			break
		}
		a.Ended = e.Reason
		if e.Kind == brevet.GrantRevoked {
			a.Ended = "revoked by " + e.Actor.String() + ": " + e.Reason
		}
		if a.End.IsZero() || e.Time.Before(a.End) {
			a.End = e.Time
		}
	case brevet.SessionIssued, brevet.SessionInDoubt:
		in := Entered{Session: string(e.Session), AccessKey: cmp.Or(e.Data["access_key"], e.Data["user"]), Start: e.Time}
		if e.End != nil {
			in.Expires = *e.End
		}
		if e.Start != nil { // it was recorded later
			in.Start = *e.Start
		}
		if e.Kind == brevet.SessionInDoubt {
			in.Doubt = e.Reason
		}
		a.Sessions = append(a.Sessions, in)
	case brevet.BreakGlassReviewed:
		a.Review = cmp.Or(e.Data["verdict"], "reviewed") + " by " + e.Actor.String() + ": " + e.Reason
	case brevet.RevocationConfirmed:
		a.Cut = e.Time.Format(time.RFC3339)
	default:
		return false
	}
	return true
}

// between returns what overlaps the time, oldest first. What was approved and
// never used is no access.
func (t *teller) between(from, to, now time.Time) []Access {
	out := []Access{}
	for _, a := range t.order {
		if a.Start.IsZero() || !a.Start.Before(to) || a.End.Before(from) {
			continue
		}
		if a.Ended == "" && !now.Before(a.End) {
			a.Ended = "time"
		}
		slices.Sort(a.Entries)
		a.Entries = slices.Compact(a.Entries)
		out = append(out, *a)
	}
	slices.SortStableFunc(out, func(a, b Access) int { return a.Start.Compare(b.Start) })
	return out
}

// Lines is the statement as a table: one line for each set of credentials, or
// for an access without any. The first line names the columns.
func (s Statement) Lines() [][]string {
	out := [][]string{{"who", "account", "account name", "role", "reason", "on duty", "requested", "approved by", "start", "end", "ended", "break glass", "review",
		"access key", "credential from", "credential to", "entries of the log"}}
	for _, a := range s.Accesses {
		sessions := a.Sessions
		if len(sessions) == 0 {
			sessions = []Entered{{}}
		}
		for _, in := range sessions {
			out = append(out, []string{a.Who, a.Account, a.Name, a.Role, a.Reason, a.Duty, stamp(a.Requested), a.ApprovedBy(), stamp(a.Start), stamp(a.End), a.Ended,
				yes(a.BreakGlass), a.Review, cmp.Or(in.AccessKey, in.Doubt), stamp(in.Start), stamp(in.Expires), a.Indexes()})
		}
	}
	return out
}

// ApprovedBy names who approved, in order.
func (a Access) ApprovedBy() string {
	out := ""
	for i, d := range a.Approvals {
		if i > 0 {
			out += ", "
		}
		out += d.By
		if d.Comment != "" {
			out += " (" + d.Comment + ")"
		}
	}
	return out
}

// Indexes names the entries of the log that the access was read from.
func (a Access) Indexes() string {
	out := ""
	for i, n := range a.Entries {
		if i > 0 {
			out += " "
		}
		out += strconv.FormatInt(n, 10)
	}
	return out
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}
