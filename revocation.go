package brevet

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// RevocationState says how far the revocation of a grant's sessions has come.
type RevocationState string

// The states of a revocation. Confirmed and Over are final.
const (
	RevokeRequested   RevocationState = "requested"   // on record: no new credential; the cloud is being told
	RevokeTold        RevocationState = "told"        // the cloud holds it, and was not seen to refuse yet
	RevokeConfirmed   RevocationState = "confirmed"   // the cloud was seen to refuse
	RevokeUnconfirmed RevocationState = "unconfirmed" // the cloud cannot be told, or was not seen to refuse; it is tried again
	RevokeOver        RevocationState = "over"        // what was out has died by itself before that was seen
)

// Revocation is the end of a grant in the cloud: what becomes of the sessions
// that were out when it ended. Every event about it says all of it, so that
// the newest one is the whole story.
type Revocation struct {
	ID       RevocationID // of the act; one act may end many grants
	Grant    GrantID
	Request  RequestID
	Person   PersonID
	Handle   Handle // the person's: sessions carry it as source identity
	Customer CustomerID
	Account  AccountID
	Role     RoleName
	State    RevocationState

	// Shells says that only open shells are to be ended: sessions of a grant
	// that is over by time, or was handed back, die by their session policy,
	// but a shell outlives the session that opened it.
	Shells bool

	Reason    string
	By        string // whose act it was
	Requested time.Time
	Told      time.Time // zero until the cloud holds it
	Closed    time.Time // zero until it is confirmed or over
	Until     time.Time // the latest moment at which what is out dies by itself; zero: nothing is known to be out

	// Cut are the people whose sessions were cut with it, because the cloud
	// had no room for one grant more; Everybody says that all were.
	Cut       []Handle
	Everybody bool

	Tries   int    // attempts that failed
	Trouble string // why the last one did
}

// Kill begins the revocation of what is out under a grant that has ended. It
// belongs into the transaction that ended it. Until is the latest moment at
// which a session of it dies by itself, zero if none is known to be out.
func (g Grant) Kill(id RevocationID, h Handle, reason string, until time.Time, by Actor, now time.Time) (Revocation, []Event) {
	r := Revocation{ID: id, Grant: g.ID, Request: g.Request, Person: g.Person, Handle: h, Customer: g.Customer, Account: g.Account, Role: g.Role,
		State: RevokeRequested, Reason: reason, By: by.String(), Requested: now, Until: until}
	return r, []Event{r.event(RevocationRequested, by, now)}
}

// KillShells is Kill for shells alone; longest is how long one lives by
// itself.
func (g Grant) KillShells(id RevocationID, h Handle, longest time.Duration, by Actor, now time.Time) (Revocation, []Event) {
	r, _ := g.Kill(id, h, "the grant has ended", now.Add(longest), by, now)
	r.Shells = true
	return r, []Event{r.event(RevocationRequested, by, now)}
}

// Open reports whether there is still something to do or to see.
func (r Revocation) Open() bool { return r.State != RevokeConfirmed && r.State != RevokeOver }

// Settled reports whether waiting for it is of no more use: it is confirmed,
// or over, or could not be confirmed so far.
func (r Revocation) Settled() bool { return !r.Open() || r.State == RevokeUnconfirmed }

// Took returns how long it took from the act to what closed it; zero while it
// is open.
func (r Revocation) Took() time.Duration {
	if r.Closed.IsZero() {
		return 0
	}
	return r.Closed.Sub(r.Requested)
}

func (r Revocation) closed() error {
	if !r.Open() {
		return Errorf(Conflict, "the revocation of grant %s is %s already", r.Grant, r.State)
	}
	return nil
}

// Tell records that the cloud holds the revocation. Cut and everybody say who
// was cut with it.
func (r Revocation) Tell(cut []Handle, everybody bool, by Actor, now time.Time) (Revocation, []Event, error) {
	if err := r.closed(); err != nil {
		return r, nil, err
	}
	r.State, r.Trouble = RevokeTold, ""
	if r.Told.IsZero() || cut != nil || everybody {
		r.Told = now
	}
	if cut != nil || everybody {
		r.Cut, r.Everybody = slices.Clone(cut), everybody
	}
	return r, []Event{r.event(RevocationTold, by, now)}, nil
}

// Fail records an attempt that came to nothing.
func (r Revocation) Fail(why string, by Actor, now time.Time) (Revocation, []Event, error) {
	if err := r.closed(); err != nil {
		return r, nil, err
	}
	r.State, r.Trouble = RevokeUnconfirmed, clip(why, 400)
	r.Tries++
	return r, []Event{r.event(RevocationFailed, by, now)}, nil
}

// Confirm records that the cloud was seen to refuse. What was never told
// cannot be confirmed.
func (r Revocation) Confirm(by Actor, now time.Time) (Revocation, []Event, error) {
	if err := r.closed(); err != nil {
		return r, nil, err
	}
	if r.Told.IsZero() || now.Before(r.Told) {
		return r, nil, Errorf(Conflict, "the revocation of grant %s was not told to the cloud yet", r.Grant)
	}
	r.State, r.Closed, r.Trouble = RevokeConfirmed, now, ""
	return r, []Event{r.event(RevocationConfirmed, by, now)}, nil
}

// Lapse closes the revocation of what has died by itself.
func (r Revocation) Lapse(by Actor, now time.Time) (Revocation, []Event, error) {
	if err := r.closed(); err != nil {
		return r, nil, err
	}
	if now.Before(r.Until) {
		return r, nil, Errorf(Conflict, "what is out under grant %s dies at %s", r.Grant, r.Until.UTC().Format(time.RFC3339))
	}
	r.State, r.Closed = RevokeOver, now
	return r, []Event{r.event(RevocationOver, by, now)}, nil
}

func (r Revocation) event(k EventKind, by Actor, now time.Time) Event {
	e := Event{Kind: k, Time: now, Customer: r.Customer, Actor: by, Person: r.Person, Request: r.Request, Grant: r.Grant,
		Account: r.Account, Role: r.Role, Reason: r.Reason}
	data := map[string]string{"act": string(r.ID), "handle": string(r.Handle), "by": r.By, "state": string(r.State)}
	put := func(key, value string) {
		if value != "" {
			data[key] = value
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	put("requested", at(r.Requested))
	put("told", at(r.Told))
	put("closed", at(r.Closed))
	if r.Shells {
		data["only"] = "shells"
	}
	put("cut", strings.Join(asStrings(r.Cut), ","))
	if r.Everybody {
		data["cut"] = "everybody"
	}
	if r.Tries > 0 {
		data["tries"] = strconv.Itoa(r.Tries)
	}
	put("trouble", r.Trouble)
	if !r.Closed.IsZero() {
		data["seconds"] = strconv.FormatFloat(r.Took().Seconds(), 'f', 1, 64)
	}
	e.Data = data
	if !r.Until.IsZero() {
		e.End = &r.Until
	}
	return e
}

func asStrings[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// RevocationOf reads a revocation back from any event about it; false if e is
// about something else, or not whole.
func RevocationOf(e Event) (Revocation, bool) {
	switch e.Kind {
	case RevocationRequested, RevocationTold, RevocationFailed, RevocationConfirmed, RevocationOver:
	default:
		return Revocation{}, false
	}
	whole := true
	at := func(key string) time.Time {
		if e.Data[key] == "" {
			return time.Time{}
		}
		t, err := time.Parse(time.RFC3339Nano, e.Data[key])
		whole = whole && err == nil
		return t.UTC()
	}
	r := Revocation{ID: RevocationID(e.Data["act"]), Grant: e.Grant, Request: e.Request, Person: e.Person, Handle: Handle(e.Data["handle"]), Customer: e.Customer,
		Account: e.Account, Role: e.Role, State: RevocationState(e.Data["state"]), Shells: e.Data["only"] == "shells", Reason: e.Reason, By: e.Data["by"],
		Requested: at("requested"), Told: at("told"), Closed: at("closed"), Trouble: e.Data["trouble"]}
	if e.End != nil {
		r.Until = *e.End
	}
	switch cut := e.Data["cut"]; cut {
	case "":
	case "everybody":
		r.Everybody = true
	default:
		for h := range strings.SplitSeq(cut, ",") {
			r.Cut = append(r.Cut, Handle(h))
		}
	}
	if n := e.Data["tries"]; n != "" {
		var err error
		r.Tries, err = strconv.Atoi(n)
		whole = whole && err == nil
	}
	return r, whole && r.Grant != "" && r.State != "" && !r.Requested.IsZero()
}
