package brevet_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// tick is the house's smallest step of time.
const tick = time.Microsecond

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// index returns where to find something at random; the newest comes twice as
// often as chance has it. It is -1 if there is nothing.
func (h *history) index(n int) int {
	if n == 0 {
		return -1
	}
	return max(h.IntN(n), h.IntN(n))
}

func (h *history) actor() brevet.Actor {
	i := h.IntN(len(people))
	return brevet.Actor{Person: people[i], Handle: handles[i]}
}

// owner returns an actor who mostly is the wanted person.
func (h *history) owner(p brevet.PersonID) brevet.Actor {
	if h.IntN(4) == 0 {
		return h.actor()
	}
	return brevet.Actor{Person: p, Handle: "whoever"}
}

// tick moves the clock: mostly on, at times back, at times to within a
// microsecond of where something ends.
func (h *history) tick() error {
	var edges []time.Time
	for _, r := range h.requests {
		edges = append(edges, r.Lapses, r.NotBefore)
	}
	for _, g := range h.grants {
		edges = append(edges, g.Start, g.Waits, g.End)
	}
	for _, s := range h.sessions {
		edges = append(edges, s.Until)
	}
	edges = slices.DeleteFunc(edges, time.Time.IsZero)
	if h.IntN(2) == 0 && len(edges) > 0 {
		h.now = pick(h.Rand, edges...).Add(pick(h.Rand, -tick, 0, tick))
		return nil
	}
	h.now = h.now.Add(pick(h.Rand, time.Second, time.Minute, 10*time.Minute, time.Hour, 5*time.Hour, 50*time.Hour, -time.Second, -time.Hour))
	return nil
}

// move changes what somebody belongs to, also to nothing.
func (h *history) move() error {
	from := h.IntN(len(allGroups) + 1)
	h.groups[h.IntN(len(people))] = allGroups[from:]
	return nil
}

func (h *history) rule() brevet.Approval {
	if h.IntN(4) == 0 {
		return brevet.Approval{Automatic: true}
	}
	var a brevet.Approval
	for range pick(h.Rand, 0, 1, 1, 1, 1, 1, 2, 2, 3) {
		by := pick(h.Rand, brevet.Subjects{}, brevet.Subjects{Groups: allGroups}, brevet.Subjects{Groups: allGroups}, brevet.Subjects{Groups: allGroups[:1]},
			brevet.Subjects{People: handles[:3]}, brevet.Subjects{Groups: allGroups[1:2], People: handles[3:]})
		a.Steps = append(a.Steps, brevet.Step{By: by, Quorum: pick(h.Rand, 0, 1, 1, 1, 2, 2, 3)})
		if h.IntN(4) == 0 {
			s := &a.Steps[len(a.Steps)-1]
			s.Else = append(s.Else, brevet.Fallback{By: brevet.Subjects{Groups: allGroups[1:], People: handles[:1]}, After: pick(h.Rand, time.Minute, time.Hour, 5*time.Hour)})
		}
	}
	a.Known = h.IntN(8) == 0
	return a
}

func (h *history) ask() error {
	if n := len(h.requests); n == 3 || h.IntN(2*n+1) > 0 {
		return nil
	}
	return h.askFor("")
}

// askFor asks for a grant of its own, or for more time of an older one.
func (h *history) askFor(extends brevet.GrantID) error {
	by, n := h.actor(), len(h.requests)
	ask := brevet.Ask{Person: by.Person, Customer: "cu_acme", Account: "111122223333", Role: "Admin", RoleDigest: "ab", Entitlement: "prod",
		Rule: h.rule(), Activate: pick(h.Rand, brevet.OnApproval, brevet.OnApproval, brevet.OnUse), Reason: "restore db-" + strconv.Itoa(n),
		Duration: pick(h.Rand, time.Second, 10*time.Minute, time.Hour, 8*time.Hour, 30*time.Hour), CatalogVersion: int64(n)}
	if h.IntN(3) == 0 {
		ask.NotBefore = h.now.Add(pick(h.Rand, -time.Hour, time.Minute, 2*time.Hour, 40*time.Hour))
	}
	if i := slices.IndexFunc(h.grants, func(g brevet.Grant) bool { return g.ID == extends }); i >= 0 {
		by = h.owner(h.grants[i].Person)
		ask.Extends, ask.Person, ask.Rule = extends, by.Person, brevet.Approval{Automatic: true}
	}
	wait := pick(h.Rand, time.Minute, 8*time.Hour, 72*time.Hour, 240*time.Hour)
	r, events := brevet.NewRequest(brevet.RequestID("req_"+strconv.Itoa(n)), ask, by, h.now, wait)
	h.requests = append(h.requests, r)
	h.model.requests[r.ID] = newAskModel(r, events[0].Digest, wait)
	if err := h.took("ask", true, events, 1, nil); err != nil {
		return err
	}
	return h.checkRequest(r)
}

// decision returns what somebody at random sends: at times a policy, at times
// nobody, at times about another ask.
func (h *history) decision(m *askModel) brevet.Decision {
	i := h.IntN(len(people))
	d := brevet.Decision{Person: people[i], Handle: handles[i], Groups: h.groups[i], Approve: h.IntN(8) > 0, Digest: m.digest, Comment: "seen"}
	if h.IntN(4) > 0 {
		d.Standing.Known = pick(h.Rand, h.now, h.now.Add(-time.Hour), h.now.Add(-100*time.Hour), h.now.Add(-10000*time.Hour), h.now.Add(-10000*time.Hour))
	}
	if h.IntN(8) == 0 {
		d.Standing.Joined = map[string]time.Time{pick(h.Rand, allGroups...): h.now.Add(-pick(h.Rand, 0, time.Hour, 100*time.Hour))}
	}
	switch n := h.IntN(16); {
	case n < 1 || m.policy && n < 8:
		d.Person, d.Handle, d.Groups, d.Policy = "", "", nil, "prod"
	case n < 2:
		d.Policy = "prod" // a person in a policy's clothes
	case n < 3:
		d.Person, d.Handle = "", "" // a workload
	case n < 4:
		d.Digest = pick(h.Rand, "", strings.Repeat("0", 64))
	}
	return d
}
func (h *history) decide() error {
	i := h.index(len(h.requests))
	r := h.requests[i]
	m := h.model.requests[r.ID]
	if m.final && h.IntN(6) > 0 {
		return h.open()
	}
	d := h.decision(m)
	if !m.mayDecide(d, h.now) && h.IntN(2) == 0 {
		d = h.decision(m) // somebody else gets to it
	}
	allowed, before := m.mayDecide(d, h.now), tellRequest(r, m.digest)
	after, events, err := r.Decide(d, h.now)
	if tellRequest(r, m.digest) != before {
		return fmt.Errorf("deciding changed the request that was passed")
	}
	h.requests[i] = after
	if allowed {
		m.decided(d, h.now)
	}
	if err := h.took("decide", allowed, events, one(allowed), err); err != nil {
		return fmt.Errorf("%w; decision %+v on %+v", err, d, r)
	}
	return h.checkRequest(after)
}

func (h *history) withdraw() error {
	i := h.index(len(h.requests))
	m, by := h.model.requests[h.requests[i].ID], h.owner(h.requests[i].Person)
	if by.Person == m.asker && h.IntN(2) == 0 {
		return nil // patience
	}
	allowed := by.Person == m.asker && m.open(h.now)
	r, events, err := h.requests[i].Withdraw(by, h.now)
	h.requests[i], m.final = r, m.final || allowed
	if err := h.took("withdraw", allowed, events, one(allowed), err); err != nil {
		return err
	}
	return h.checkRequest(r)
}

func (h *history) lapse() error {
	i := h.index(len(h.requests))
	m := h.model.requests[h.requests[i].ID]
	if h.now.Before(m.deadline) && h.IntN(4) > 0 {
		return nil // mostly the clock does it
	}
	allowed := !m.final
	r, events, err := h.requests[i].Lapse("nobody answered", brevet.Actor{System: "clock"}, h.now)
	h.requests[i], m.final = r, true
	if err := h.took("lapse", allowed, events, one(allowed), err); err != nil {
		return err
	}
	return h.checkRequest(r)
}

// open opens each approved request once, as a store sees to, and tries it
// with all others.
func (h *history) open() error {
	r := h.requests[h.index(len(h.requests))]
	m := h.model.requests[r.ID]
	id := brevet.GrantID("gr_" + string(r.ID[4:]))
	if _, done := h.model.grants[id]; done || !m.approved && h.IntN(4) > 0 {
		return nil
	}
	if m.extends != "" && m.approved && h.IntN(4) > 0 {
		return h.extend()
	}
	g, events, err := r.Open(id, brevet.Actor{Policy: "prod"}, h.now)
	if !m.approved || m.extends != "" {
		return h.took("open", false, events, 0, err)
	}
	w := newWindowModel(m, h.now)
	h.model.grants[id], h.grants = w, append(h.grants, g)
	if err := h.took("open", true, events, 1+one(w.running), err); err != nil {
		return err
	}
	return h.checkGrant(g)
}

// extend moves the end of a grant by a request, mostly one that asks for it
// and was approved, each once as a store sees to.
func (h *history) extend() error {
	if len(h.grants) == 0 {
		return nil
	}
	i := h.index(len(h.grants))
	if h.grants[i].State == brevet.Active && h.IntN(2) == 0 && len(h.requests) < 6 {
		if err := h.askFor(h.grants[i].ID); err != nil {
			return err
		}
		if h.IntN(4) > 0 {
			if err := h.approve(len(h.requests) - 1); err != nil {
				return err
			}
		}
	}
	r := h.requests[len(h.requests)-1]
	m := h.model.requests[r.ID]
	w := h.model.grants[h.grants[i].ID]
	if m.spent || !m.approved && h.IntN(4) > 0 {
		return nil
	}
	allowed := m.approved && m.extends == h.grants[i].ID && m.asker == w.holder && w.live(h.now)
	g, events, err := h.grants[i].Extend(r, brevet.Actor{Policy: "prod"}, h.now)
	h.grants[i] = g
	if allowed {
		w.end, m.spent = w.end.Add(m.length), true
	}
	if err := h.took("extend", allowed, events, one(allowed), err); err != nil {
		return err
	}
	return h.checkGrant(g)
}

// approve has policy decide the i-th request.
func (h *history) approve(i int) error {
	m := h.model.requests[h.requests[i].ID]
	d := brevet.Decision{Policy: "prod", Approve: true, Digest: m.digest}
	allowed := m.mayDecide(d, h.now)
	r, events, err := h.requests[i].Decide(d, h.now)
	h.requests[i] = r
	if allowed {
		m.decided(d, h.now)
	}
	return h.took("decide", allowed, events, one(allowed), err)
}
