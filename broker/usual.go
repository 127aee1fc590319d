package broker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// How far back, and how much of it, is looked at to say what is usual.
const (
	usualFor  = 90 * 24 * time.Hour
	usualMost = 300 // grants, and requests
	usualFew  = 5   // fewer requests tell no habit
	usualNear = 2   // hours around one that was seen count as seen
)

// Usual is what the requester did before at the same customer, in the last 90
// days. Only what the log proves counts (law 11): a row that somebody added
// makes nothing look usual.
type Usual struct {
	Times      int           // grants of the same target
	Last       time.Time     // when the newest of them began
	Typical    time.Duration // median length of them
	Longest    time.Duration
	Revoked    int       // of them
	RevokedAt  time.Time // the newest of those
	Elsewhere  int       // grants of other targets
	Lengthiest time.Duration
	Live       []string // targets held now
	Asked      int      // earlier requests, of any target
	Recent     int      // of the same target within a day
	Denied     string   // who said no to the same within a week, when and why
	Hours      [24]int  // requests by hour, UTC
	Weekend    int      // of Asked
}

// readUsual sums up what came before r.
func (b *Broker) readUsual(tx *store.Tx, r brevet.Request, now time.Time) (u Usual, err error) {
	grants, err := tx.Grants(store.GrantFilter{Person: r.Person, Customers: []brevet.CustomerID{r.Customer}, Limit: usualMost})
	if err != nil {
		return u, err
	}
	var lengths []time.Duration
	for _, g := range grants {
		if g.Request == r.ID || g.Created.After(r.Created) || now.Sub(g.Created) > usualFor || !onRecord(tx, g.Leaf, string(g.ID), brevet.GrantActivated, brevet.GrantOpened) {
			continue
		}
		if held := b.targetName(g.Account, g.Role); g.Live(now) && !tx.GrantOver(g.ID) && !slices.Contains(u.Live, held) {
			u.Live = append(u.Live, held)
		}
		if g.Account != r.Account || g.Role != r.Role {
			u.Elsewhere++
			u.Lengthiest = max(u.Lengthiest, g.Duration)
			continue
		}
		u.add(g)
		lengths = append(lengths, g.Duration)
	}
	if len(lengths) > 0 {
		slices.Sort(lengths)
		u.Typical, u.Longest = lengths[len(lengths)/2], lengths[len(lengths)-1]
	}
	return u, u.readRequests(tx, r, now)
}

// add counts a grant of the same target.
func (u *Usual) add(g brevet.Grant) {
	u.Times++
	if g.Created.After(u.Last) {
		u.Last = g.Created
	}
	if g.State == brevet.Revoked {
		u.Revoked++
		if g.Closed.After(u.RevokedAt) {
			u.RevokedAt = g.Closed
		}
	}
}

// readRequests adds what was asked before.
func (u *Usual) readRequests(tx *store.Tx, r brevet.Request, now time.Time) error {
	asked, err := tx.Requests(store.RequestFilter{Person: r.Person, Customers: []brevet.CustomerID{r.Customer}, Before: r.Created, Limit: usualMost})
	if err != nil {
		return err
	}
	for _, q := range asked {
		if q.ID == r.ID || now.Sub(q.Created) > usualFor || !requestOnRecord(tx, q) {
			continue
		}
		at := q.Created.UTC()
		u.Asked++
		u.Hours[at.Hour()]++
		if weekend(at) {
			u.Weekend++
		}
		if q.Account != r.Account || q.Role != r.Role {
			continue
		}
		if r.Created.Sub(q.Created) < 24*time.Hour {
			u.Recent++
		}
		if n := len(q.Decisions); u.Denied == "" && q.State == brevet.Refused && n > 0 && now.Sub(q.Decided) < 7*24*time.Hour {
			d := q.Decisions[n-1]
			u.Denied = fmt.Sprintf("Denied before: the same by %s %s ago", d.Handle, brevet.Spoken(now.Sub(q.Decided)))
			if d.Comment != "" {
				u.Denied += ": " + d.Comment
			}
		}
	}
	return nil
}

// onRecord reports whether the log has an event of one of these kinds about
// the grant at index.
func onRecord(tx *store.Tx, index int64, id string, kinds ...brevet.EventKind) bool {
	e, err := tx.Proven(index)
	return err == nil && string(e.Grant) == id && slices.Contains(kinds, e.Kind)
}

// requestOnRecord reports whether the log has the newest event of the request
// about exactly this ask and these decisions.
func requestOnRecord(tx *store.Tx, r brevet.Request) bool {
	e, err := tx.Proven(r.Leaf)
	return err == nil && e.Request == r.ID && e.Digest == r.Digest() && e.Data["decisions"] == r.DecisionsDigest()
}

func weekend(at time.Time) bool { return at.Weekday() == time.Saturday || at.Weekday() == time.Sunday }

// UsualHours names the hours, UTC, at which the requester is used to ask; ""
// while too little is known.
func (u *Usual) UsualHours() string {
	if u.Asked < usualFew {
		return ""
	}
	// The span is what is left when the longest silence is cut out of the day.
	start, length := 0, 0
	for h := range 24 {
		n := 0
		for n < 24 && u.Hours[(h+n)%24] == 0 {
			n++
		}
		if n > length {
			start, length = h, n
		}
	}
	if length == 0 {
		return "any"
	}
	return fmt.Sprintf("%02d:00 to %02d:00 UTC", (start+length)%24, start%24)
}

// oddHour reports whether the requester is not used to ask around this time.
func (u *Usual) oddHour(at time.Time) bool {
	if u.Asked < usualFew {
		return false
	}
	for d := -usualNear; d <= usualNear; d++ {
		if u.Hours[(at.UTC().Hour()+d+24)%24] > 0 {
			return false
		}
	}
	return true
}

// risks says what stands out, the gravest first.
func risks(b *Brief, who brevet.Caller) (out []Risk) {
	say := func(grave, when bool, format string, args ...any) {
		if when {
			out = append(out, Risk{grave, fmt.Sprintf(format, args...)})
		}
	}
	u, r := &b.Usual, b.Request
	say(true, b.Moot != "", "A yes would not help: %s", b.Moot)
	say(true, production(b.Account.Env), "Production: %s is an account of environment %s", b.Account.Name, b.Account.Env)
	say(true, u.Denied != "", "%s", u.Denied)
	say(true, u.Revoked > 0, "A grant for the same was revoked %s ago", brevet.Spoken(b.Now.Sub(u.RevokedAt)))
	say(true, u.oddHour(r.Created), "Unusual hour: asked at %s UTC; the usual hours of %s are %s", r.Created.UTC().Format("15:04"), b.Requester, u.UsualHours())
	say(false, u.Asked >= usualFew && u.Weekend == 0 && weekend(r.Created.UTC()), "Asked on a %s; %s never does", r.Created.UTC().Weekday(), b.Requester)
	say(false, u.Times == 0, "First time: %s has not had %s in the last 90 days", b.Requester, b.Target)
	say(false, u.Times > 0 && r.Duration > u.Longest, "Longer than ever: %s; the longest so far was %s", brevet.Spoken(r.Duration), brevet.Spoken(u.Longest))
	say(false, u.Times > 0 && r.Duration <= u.Longest && r.Duration > 2*u.Typical, "Longer than usual: %s; typically %s", brevet.Spoken(r.Duration), brevet.Spoken(u.Typical))
	say(false, u.Recent >= 3, "Asked for the same %d times before within a day", u.Recent)
	say(false, b.Now.Sub(who.Person.Created) < 7*24*time.Hour && u.Asked == 0, "New here: %s first signed in %s, and has asked for nothing before", b.Requester, agoOf(b.Now.Sub(who.Person.Created)))
	say(false, r.State == brevet.Pending && who.SignIn.ID == "", "%s is not signed in now", b.Requester)
	return out
}

// production reports whether an environment's name says that it matters.
func production(env string) bool {
	env = strings.ToLower(env)
	return strings.HasPrefix(env, "prod") || env == "live"
}

// agoOf says how long ago something was.
func agoOf(d time.Duration) string {
	if d < time.Minute {
		return "just now"
	}
	return brevet.Spoken(d) + " ago"
}
