package brevet_test

import (
	"slices"
	"time"

	"github.com/brevet-access/brevet"
)

// model is a second account of the life cycles, written from the laws and not
// from the code: it counts down what is missing and never looks at the states
// that the package keeps.
type model struct {
	requests map[brevet.RequestID]*askModel
	grants   map[brevet.GrantID]*windowModel
	sessions map[brevet.SessionID]*leaseModel
}

func newModel() *model {
	return &model{map[brevet.RequestID]*askModel{}, map[brevet.GrantID]*windowModel{}, map[brevet.SessionID]*leaseModel{}}
}

// askModel is a request: what is missing until it is approved, and whether it
// can still change.
type askModel struct {
	asker    brevet.PersonID
	digest   string
	policy   bool // nobody but policy decides
	by       []brevet.Subjects
	missing  []int // yeses still needed for each of by
	later    [][]brevet.Fallback
	asked    time.Time
	since    time.Time // the step in hand waits since then
	last     time.Time // the latest decision
	known    bool      // nobody decides who was not heard of before
	voted    []brevet.PersonID
	deadline time.Time
	approved bool
	final    bool
	begin    time.Time // asked for; zero: at once
	length   time.Duration
	onUse    bool
	extends  brevet.GrantID // it opens nothing, but moves this grant's end, once
	spent    bool
}

func newAskModel(r brevet.Request, digest string, wait time.Duration) *askModel {
	m := &askModel{asker: r.Person, digest: digest, policy: r.Rule.Automatic, deadline: r.Created.Add(wait),
		begin: r.NotBefore, length: r.Duration, onUse: r.Activate == brevet.OnUse, extends: r.Extends}
	m.asked, m.since, m.last, m.known = r.Created, r.Created, r.Created, r.Rule.Known
	for _, s := range r.Rule.Steps {
		m.by, m.missing, m.later = append(m.by, s.By), append(m.missing, s.Quorum), append(m.later, s.Else)
	}
	return m
}

func (m *askModel) open(now time.Time) bool { return !m.final && now.Before(m.deadline) }

// member says in the model's own words whether a person with these groups is
// among the subjects.
func member(by brevet.Subjects, h brevet.Handle, groups []string) bool {
	for _, p := range by.People {
		if p == h {
			return true
		}
	}
	for _, want := range by.Groups {
		for _, g := range groups {
			if g == want {
				return true
			}
		}
	}
	return false
}

// mayDecide is laws 3 and 4 and the quorum.
func (m *askModel) mayDecide(d brevet.Decision, now time.Time) bool {
	if !m.open(now) || d.Digest != m.digest {
		return false
	}
	if m.policy || d.Policy != "" {
		return m.policy && d.Policy != "" && d.Person == ""
	}
	return d.Person != "" && d.Person != m.asker && len(m.by) > 0 && !(m.known && d.Standing.Known.After(m.asked)) && !(m.known && d.Standing.Known.IsZero()) &&
		m.names(d, now) && !slices.Contains(m.voted, d.Person)
}

// names reports whether the step in hand, or a fallback whose time has come,
// names the person by groups in which they were when it was asked.
func (m *askModel) names(d brevet.Decision, now time.Time) bool {
	var old []string
	for _, g := range d.Groups {
		if at, joined := d.Standing.Joined[g]; !joined || !at.After(m.asked) {
			old = append(old, g)
		}
	}
	for _, f := range m.later[0] {
		if !now.Before(m.since.Add(f.After)) && member(f.By, d.Handle, old) {
			return true
		}
	}
	return member(m.by[0], d.Handle, old)
}

func (m *askModel) decided(d brevet.Decision, now time.Time) {
	if now.After(m.last) {
		m.last = now
	}
	if !d.Approve {
		m.final = true
		return
	}
	if d.Policy != "" {
		m.final, m.approved = true, true
		return
	}
	m.voted = append(m.voted, d.Person)
	m.missing[0]--
	if m.missing[0] > 0 {
		return
	}
	m.by, m.missing, m.later, m.since = m.by[1:], m.missing[1:], m.later[1:], m.last
	m.final = len(m.by) == 0
	m.approved = m.final
}

// windowModel is a grant: when its clock may start, when it ran, and whether
// somebody closed it.
type windowModel struct {
	holder   brevet.PersonID
	gate     time.Time // not before
	deadline time.Time // not from then on
	fixed    bool      // the window begins at the gate, however late it is activated
	length   time.Duration
	start    time.Time
	end      time.Time
	running  bool
	closed   bool
}

func newWindowModel(m *askModel, now time.Time) *windowModel {
	w := &windowModel{holder: m.asker, length: m.length}
	switch {
	case m.begin.After(now):
		w.gate, w.deadline, w.fixed = m.begin, m.begin.Add(m.length), true
	case m.onUse:
		w.deadline = now.Add(24 * time.Hour)
	default:
		w.activate(now)
	}
	return w
}

func (w *windowModel) mayActivate(now time.Time) bool {
	return !w.closed && !w.running && !now.Before(w.gate) && now.Before(w.deadline)
}

func (w *windowModel) activate(now time.Time) {
	w.running, w.start = true, now
	if w.fixed {
		w.start = w.gate
	}
	w.end = w.start.Add(w.length)
}

// over reports whether the grant's time has passed, used or not.
func (w *windowModel) over(now time.Time) bool {
	if w.running {
		return !now.Before(w.end)
	}
	return !now.Before(w.deadline)
}

func (w *windowModel) live(now time.Time) bool {
	return w.running && !w.closed && !now.Before(w.start) && now.Before(w.end)
}

// leaseModel is a session: whether the cloud is still being asked, and the
// latest moment at which what it may have made could work.
type leaseModel struct {
	grant  *windowModel
	asking bool
	over   bool
	dies   time.Time
	told   time.Time // what the client knows; zero: it got nothing
}

func newLeaseModel(w *windowModel, ttl time.Duration, now time.Time) *leaseModel {
	dies := now.Add(6 * time.Minute) // the token's minute and AWS's five
	if ttl < 15*time.Minute {
		ttl = 15 * time.Minute
	}
	return &leaseModel{grant: w, asking: true, dies: earlier(dies.Add(ttl), w.end)}
}

// answered is what the cloud's answer means; it reports whether the
// credential may leave.
func (l *leaseModel) answered(expires, now time.Time) bool {
	l.asking = false
	dies := earlier(expires, l.grant.end)
	if !dies.After(now) {
		return false
	}
	l.dies = dies
	if !l.grant.live(now) {
		return false
	}
	l.told = dies
	return true
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
