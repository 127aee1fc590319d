package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// onDuty reports whether the entitlement names a rota by which the person is
// on duty now.
func (r *rule) onDuty(q *Query) bool {
	for _, name := range r.Who.Rotas {
		if _, ok := q.Duty.Until(name, q.Handle, q.Now); ok {
			return true
		}
	}
	return false
}

// standing reports whether the entitlement names the person apart from any
// rota.
func (r *rule) standing(q *Query) bool {
	return (q.Handle != "" && slices.Contains(r.Who.People, q.Handle)) || (r.names(q) && r.fresh(q))
}

// shift returns the rotas without which the rule would not cover the person,
// and when the last of these shifts ends; nil where it needs none.
func (r *rule) shift(q *Query) (duty []string, until time.Time) {
	if len(r.Who.Rotas) == 0 || r.standing(q) {
		return nil, until
	}
	for _, name := range r.Who.Rotas {
		if end, ok := q.Duty.Until(name, q.Handle, q.Now); ok {
			duty = append(duty, name)
			if end.After(until) {
				until = end
			}
		}
	}
	return duty, until
}

// offDuty explains that the rotas of the entitlement do not have the person on
// duty.
func (r *rule) offDuty(q *Query) brevet.Unmet {
	var say []string
	for _, name := range r.Who.Rotas {
		say = append(say, q.Duty.Say(name, q.Now))
	}
	who := strings.Join(r.Who.Rotas, " or ")
	return brevet.Unmet{Condition: fmt.Sprintf("be on duty by rota %s (entitlement %s)", who, r.Name), Have: strings.Join(say, "; "),
		Remedy: "ask whoever is on duty, or have the rota name you"}
}

// engagements are all of them, found by whom and where they bound.
type engagements struct {
	all    []brevet.Engagement
	groups map[string]bool
	people map[brevet.Handle]bool
}

func newEngagements(all []brevet.Engagement) *engagements {
	if len(all) == 0 {
		return nil
	}
	b := &engagements{all: all, groups: map[string]bool{}, people: map[brevet.Handle]bool{}}
	for _, e := range all {
		for _, g := range e.People.Groups {
			b.groups[g] = true
		}
		for _, p := range e.People.People {
			b.people[p] = true
		}
	}
	return b
}

// bind reports whether some engagement names the person. Groups count however
// old the facts about them are: this takes away.
func (b *engagements) bind(h brevet.Handle, groups []string) bool {
	return b != nil && (b.people[h] || slices.ContainsFunc(groups, func(g string) bool { return b.groups[g] }))
}

// until returns the end of the last engagement that names the person and is
// live, among those for which at holds.
func (b *engagements) until(q *Query, at func(*brevet.Engagement) bool) (end time.Time, ok bool) {
	for i := range b.all {
		e := &b.all[i]
		if at(e) && e.Live(q.Now) && e.People.Cover(q.Handle, q.Groups.Names) && e.End.After(end) {
			end, ok = e.End, true
		}
	}
	return end, ok
}

// Engaged says how engagements bound the person at an account: until when one
// that is live there lets them in, zero where none binds them; or what is
// missing, where one must and none does.
func (s *Set) Engaged(q Query, account brevet.AccountID) (until time.Time, unmet []brevet.Unmet) {
	if s == nil || !s.engaged.bind(q.Handle, q.Groups.Names) {
		return until, nil
	}
	until, ok := s.engaged.until(&q, func(e *brevet.Engagement) bool { return e.At(account) })
	if ok {
		return until, nil
	}
	return until, []brevet.Unmet{s.unengaged(&q, account)}
}

// engage lets engagements have their say on an answer that the rule r would
// allow.
func (s *Set) engage(c *cell, r *rule, q *Query, a *Answer) {
	if len(s.engaged.groups) > 0 && !r.fresh(q) {
		*a = Answer{Unmet: []brevet.Unmet{r.stale(q, "engagements look at them")}}
		return
	}
	until, unmet := s.Engaged(*q, c.account.ID)
	if unmet != nil {
		*a = Answer{Unmet: unmet}
		return
	}
	a.until(until)
}

// until makes the answer end at t at the latest; a zero t changes nothing.
func (a *Answer) until(t time.Time) {
	if !t.IsZero() && (a.Bound.Until.IsZero() || t.Before(a.Bound.Until)) {
		a.Bound.Until = t
	}
}

// unengaged explains that no engagement of the person's is live at the
// account. It names those of the account's customer alone (law 13), and others
// than the account's only where none is for it.
func (s *Set) unengaged(q *Query, id brevet.AccountID) brevet.Unmet {
	account := s.accounts[id]
	if account == nil {
		account = &brevet.Account{ID: id, Name: string(id)}
	}
	u := brevet.Unmet{Condition: "a live engagement for " + account.Name, Have: "none names you there",
		Remedy: "ask " + s.editors(account.Customer) + " about an engagement"}
	var there, elsewhere []string
	for i := range s.engaged.all {
		e := &s.engaged.all[i]
		if e.Customer != account.Customer || !e.People.Cover(q.Handle, q.Groups.Names) {
			continue
		}
		switch {
		case !e.At(id):
			elsewhere = append(elsewhere, fmt.Sprintf("your engagement %s is not for %s", e.Name, account.Name))
		case !q.Now.Before(e.End):
			there = append(there, fmt.Sprintf("your engagement %s ended on %s", e.Name, moment(e.End)))
		case q.Now.Before(e.Start):
			there = append(there, fmt.Sprintf("your engagement %s starts on %s", e.Name, moment(e.Start)))
		}
	}
	if said := cmp.Or(strings.Join(there, "; "), strings.Join(elsewhere, "; ")); said != "" {
		u.Have = said
	}
	return u
}

// bound says in a sentence what ends access early, "" where nothing does.
func (a *Answer) bound() string {
	switch {
	case a.Bound.Until.IsZero():
		return ""
	case len(a.Bound.Duty) > 0:
		return fmt.Sprintf("you are on duty by rota %s; access ends by %s", strings.Join(a.Bound.Duty, ", "), moment(a.Bound.Until))
	}
	return "your engagement ends on " + moment(a.Bound.Until) + ", and all access with it"
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
