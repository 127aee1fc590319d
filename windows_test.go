package brevet_test

import (
	"fmt"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
)

// change puts what a verb made of grant i in its place and judges it.
func (h *history) change(verb string, i int, allowed bool, g brevet.Grant, events []brevet.Event, err error) error {
	if !allowed && g != h.grants[i] {
		return fmt.Errorf("%s: refused, and yet %+v became %+v", verb, h.grants[i], g)
	}
	h.grants[i] = g
	if err := h.took(verb, allowed, events, one(allowed), err); err != nil {
		return fmt.Errorf("%w; grant %+v", err, g)
	}
	return h.check()
}

func (h *history) activate() error {
	i := h.index(len(h.grants))
	if i < 0 {
		return nil
	}
	w := h.model.grants[h.grants[i].ID]
	allowed := w.mayActivate(h.now)
	g, events, err := h.grants[i].Activate(h.actor(), h.now)
	if allowed {
		w.activate(h.now)
	}
	return h.change("activate", i, allowed, g, events, err)
}

func (h *history) drop() error {
	i := h.index(len(h.grants))
	if i < 0 {
		return nil
	}
	w, by := h.model.grants[h.grants[i].ID], h.owner(h.grants[i].Person)
	allowed := !w.closed && by.Person == w.holder
	g, events, err := h.grants[i].Drop(by, h.now)
	w.closed = w.closed || allowed
	return h.change("drop", i, allowed, g, events, err)
}

func (h *history) revoke() error {
	i := h.index(len(h.grants))
	if i < 0 {
		return nil
	}
	w := h.model.grants[h.grants[i].ID]
	allowed := !w.closed
	g, events, err := h.grants[i].Revoke(h.actor(), "left the team", h.now)
	w.closed = true
	return h.change("revoke", i, allowed, g, events, err)
}

func (h *history) expire() error {
	i := h.index(len(h.grants))
	if i < 0 {
		return nil
	}
	w := h.model.grants[h.grants[i].ID]
	allowed := !w.closed && w.over(h.now)
	g, events, err := h.grants[i].Expire(brevet.Actor{System: "clock"}, h.now)
	w.closed = w.closed || allowed
	return h.change("expire", i, allowed, g, events, err)
}

func (h *history) intend() error {
	i := h.index(len(h.grants))
	if i < 0 || len(h.sessions) == 6 {
		return nil
	}
	g := h.grants[i]
	w := h.model.grants[g.ID]
	allowed := w.live(h.now)
	ttl := pick(h.Rand, -time.Hour, 0, time.Minute, 15*time.Minute, time.Hour, 12*time.Hour)
	s, events, err := g.Intend(brevet.SessionID("ses_"+strconv.Itoa(len(h.sessions))), h.actor(), pick(h.Rand, brevet.Rungs...), ttl, h.now)
	if allowed {
		h.sessions = append(h.sessions, s)
		h.model.sessions[s.ID] = newLeaseModel(w, ttl, h.now)
	} else if s != (brevet.Session{}) {
		return fmt.Errorf("intend: refused, and yet there is %+v", s)
	}
	if err := h.took("intend", allowed, events, one(allowed), err); err != nil || !allowed {
		return err
	}
	return h.checkSession(s)
}

// grantOf returns the grant of a session as the store has it now.
func (h *history) grantOf(s brevet.Session) brevet.Grant {
	for _, g := range h.grants {
		if g.ID == s.Grant {
			return g
		}
	}
	return brevet.Grant{}
}

// issue brings the cloud's answer: an expiry before or after the grant's end,
// longer than asked, past, or none.
func (h *history) issue() error {
	i := h.index(len(h.sessions))
	if i < 0 {
		return nil
	}
	s, g := h.sessions[i], h.grantOf(h.sessions[i])
	if h.IntN(16) == 0 { // a mix-up
		g = pick(h.Rand, h.grants...)
	}
	l := h.model.sessions[s.ID]
	expires := pick(h.Rand, h.now.Add(time.Hour), h.now.Add(15*time.Minute), h.now.Add(time.Second), h.now.Add(48*time.Hour), h.now, h.now.Add(-time.Hour), time.Time{})
	asked := l.asking && g.ID == s.Grant
	leaves := asked && l.answered(expires, h.now)
	after, events, err := s.Issue(g, h.actor(), "ASIA", expires, h.now)
	if !asked && after != s {
		return fmt.Errorf("issue: refused, and yet %+v became %+v", s, after)
	}
	if leaves != (after.State == brevet.Issued && s.State == brevet.Intended) {
		return fmt.Errorf("issue: the credential may leave: %t; session %+v", leaves, after)
	}
	h.sessions[i] = after
	if err := h.took("issue", leaves, events, one(asked), err); err != nil { // in doubt is recorded, and an error
		return err
	}
	return h.checkSession(after)
}

func (h *history) doubt() error {
	i := h.index(len(h.sessions))
	if i < 0 {
		return nil
	}
	l := h.model.sessions[h.sessions[i].ID]
	s, events := h.sessions[i].Doubt(h.grantOf(h.sessions[i]), h.actor(), "time-out", h.now)
	return h.close("doubt", i, l, s, events)
}

func (h *history) refuse() error {
	i := h.index(len(h.sessions))
	if i < 0 {
		return nil
	}
	l := h.model.sessions[h.sessions[i].ID]
	s, events := h.sessions[i].Refuse(h.grantOf(h.sessions[i]), h.actor(), "AccessDenied", h.now)
	l.over = l.over || l.asking
	return h.close("refuse", i, l, s, events)
}

// close judges a verb that ends an intent, and does nothing to what is none.
func (h *history) close(verb string, i int, l *leaseModel, s brevet.Session, events []brevet.Event) error {
	if !l.asking && s != h.sessions[i] {
		return fmt.Errorf("%s: %+v became %+v", verb, h.sessions[i], s)
	}
	want := one(l.asking)
	h.sessions[i], l.asking = s, false
	if err := h.took(verb, true, events, want, nil); err != nil {
		return err
	}
	return h.checkSession(s)
}
