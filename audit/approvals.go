package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
)

// Approvals counts who approved whose requests, from the events of a log. Its
// JSON is what brevet audit approvals writes.
type Approvals struct {
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`        // the first moment after it
	People    int        `json:"by_people"` // yeses of people
	Policies  int        `json:"by_policy"`
	Denials   int        `json:"denials"`
	Pairs     []Pair     `json:"pairs"`     // the most approvals first
	Approvers []Approver `json:"approvers"` // likewise
	Rings     [][]string `json:"rings"`     // people who approve each other, directly or around

	handles map[brevet.PersonID]string
	yes     map[[2]brevet.PersonID]int // approver, requester
}

// Pair is how often one person approved another's requests.
type Pair struct {
	Approver  string `json:"approver"`
	Requester string `json:"requester"`
	Approvals int    `json:"approvals"`
	OfAll     int    `json:"requester_approvals"` // that people gave the requester
	Back      int    `json:"back"`                // what the requester approved of the approver's
}

// Share is the part of the requester's approvals that came from the approver,
// in percent.
func (p Pair) Share() int { return 100 * p.Approvals / p.OfAll }

// Approver is what one person approved.
type Approver struct {
	Name       string `json:"name"`
	Approvals  int    `json:"approvals"`
	Requesters int    `json:"requesters"`
}

// NewApprovals counts from from on, up to to and without it.
func NewApprovals(from, to time.Time) *Approvals {
	return &Approvals{From: from, To: to, handles: map[brevet.PersonID]string{}, yes: map[[2]brevet.PersonID]int{}}
}

// Add takes the next event; all of the log should be added, as the earlier
// ones say what people are called.
func (a *Approvals) Add(e brevet.Event) {
	if e.Actor.Person != "" && e.Actor.Handle != "" {
		a.handles[e.Actor.Person] = string(e.Actor.Handle)
	}
	if e.Time.Before(a.From) || !e.Time.Before(a.To) {
		return
	}
	switch e.Kind {
	case brevet.RequestDenied:
		a.Denials++
	case brevet.RequestDecided, brevet.RequestApproved:
		if e.Actor.Person == "" {
			a.Policies++
			return
		}
		a.People++
		a.yes[[2]brevet.PersonID{e.Actor.Person, e.Person}]++
	}
}

// Count makes the tables from what was added.
func (a *Approvals) Count() {
	had, gave := map[brevet.PersonID]int{}, map[brevet.PersonID]*Approver{}
	for p, n := range a.yes {
		had[p[1]] += n
		if gave[p[0]] == nil {
			gave[p[0]] = &Approver{Name: a.name(p[0])}
		}
		gave[p[0]].Approvals += n
		gave[p[0]].Requesters++
	}
	a.Pairs, a.Approvers = []Pair{}, []Approver{}
	for p, n := range a.yes {
		a.Pairs = append(a.Pairs, Pair{Approver: a.name(p[0]), Requester: a.name(p[1]), Approvals: n, OfAll: had[p[1]], Back: a.yes[[2]brevet.PersonID{p[1], p[0]}]})
	}
	for _, g := range gave {
		a.Approvers = append(a.Approvers, *g)
	}
	slices.SortFunc(a.Pairs, func(x, y Pair) int {
		return cmp.Or(y.Approvals-x.Approvals, cmp.Compare(x.Approver, y.Approver), cmp.Compare(x.Requester, y.Requester))
	})
	slices.SortFunc(a.Approvers, func(x, y Approver) int { return cmp.Or(y.Approvals-x.Approvals, cmp.Compare(x.Name, y.Name)) })
	a.Rings = a.rings()
}

func (a *Approvals) name(p brevet.PersonID) string { return cmp.Or(a.handles[p], string(p)) }

// rings returns the groups in which everybody's requests are approved by
// somebody whose own were, step by step, approved by them: the strongly
// connected parts of the graph with more than one person.
func (a *Approvals) rings() [][]string {
	reach := map[brevet.PersonID]map[brevet.PersonID]bool{}
	next := map[brevet.PersonID][]brevet.PersonID{}
	for p := range a.yes {
		next[p[0]] = append(next[p[0]], p[1])
	}
	for from := range next {
		seen, todo := map[brevet.PersonID]bool{}, []brevet.PersonID{from}
		for len(todo) > 0 {
			at := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			for _, p := range next[at] {
				if !seen[p] {
					seen[p] = true
					todo = append(todo, p)
				}
			}
		}
		reach[from] = seen
	}
	out, done := [][]string{}, map[brevet.PersonID]bool{}
	for p := range next {
		if done[p] {
			continue
		}
		var ring []string
		for q := range reach[p] {
			if reach[q][p] {
				done[q] = true
				ring = append(ring, a.name(q))
			}
		}
		if len(ring) > 1 {
			slices.Sort(ring)
			out = append(out, ring)
		}
	}
	slices.SortFunc(out, slices.Compare)
	return out
}
