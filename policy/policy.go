package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
)

// How old facts about groups may be where nobody says otherwise.
const (
	// GroupsWithin holds where a multi-factor proof may be older than 1 h.
	GroupsWithin = 8 * time.Hour
	// PrivilegedWithin holds where it may not, and for rights.
	PrivilegedWithin = 15 * time.Minute
)

// Rules is what a Set is compiled from.
type Rules struct {
	Customers    []brevet.Customer // so that Cedar knows them by name; may be empty
	Accounts     []brevet.Account
	Roles        map[brevet.AccountID][]brevet.Role
	Entitlements []brevet.Entitlement // a GroupsWithin of 0 means the default, an empty Step.By the holders of decide
	Holdings     []brevet.Holding
	Rotas        []brevet.Rota // that entitlements may name
	Engagements  []brevet.Engagement
	GroupsWithin time.Duration // for rights; 0: PrivilegedWithin
	Guardrails   string        // Cedar, forbid only
	Automatic    string        // Cedar, permit only
}

// Query is one question: may this person ask for this role?
type Query struct {
	Person   brevet.PersonID
	Handle   brevet.Handle
	Groups   brevet.Groups
	Account  brevet.Account  // only ID and Customer are looked at; the Set knows the rest
	Role     brevet.RoleName // as in a target
	Duration time.Duration   // 0: not asked, the longest that the entitlement permits
	Reason   string
	MFA      time.Time      // when the last accepted multi-factor proof was given; zero: never
	Addr     string         // the client's network address, without port
	Duty     *brevet.Roster // who is on duty; nil: nobody
	Held     []brevet.Held  // what the person holds live now; nil: not known
	Now      time.Time

	// Extends names the entitlement of a grant that is to be extended: only
	// that one counts, by its rules for extensions, and Duration is how long the whole
	// grant would become.
	Extends string
	// BreakGlass asks for what is for emergencies; without it, that does not exist.
	BreakGlass bool
	// Codes says that sealed codes stand in for the provider. The person then
	// has no rights and may ask for nothing but such emergencies as they open,
	// for which groups count that were stated within [brevet.CodesWithin].
	Codes bool
}

// Answer says what policy makes of a Query. A refusal lists every condition
// that stood in the way (law 10).
type Answer struct {
	Allowed     bool               // may ask; whether MFA is fresh enough is judged when a credential is issued (law 6)
	Entitlement brevet.Entitlement // the one that fits best, with GroupsWithin as it holds for this role
	Approval    brevet.Approval    // who approves, by name; Automatic if a Cedar permit grants it
	Policy      string             // what approves when Approval is Automatic: the entitlement's name or the Cedar policy's id
	MFA         brevet.Rung        // the tighter of the role's and the entitlement's
	Longest     time.Duration      // the shorter of the role's and the entitlement's
	Bound       brevet.Bound       // the shift or engagement that ends it earlier
	Unmet       []brevet.Unmet     // empty if Allowed
	Facts       []string           // what was looked at, one sentence each; Decide fills it only on a refusal
}

// Option is a target that a person may ask for.
type Option struct {
	Account brevet.Account
	Role    brevet.Role
	Answer
}

// Set is a compiled policy. It never changes and may be used by many
// goroutines at once. A nil Set allows nothing.
type Set struct {
	cells        map[target]*cell
	targets      []*cell // sorted by ACCOUNT/ROLE
	accounts     map[brevet.AccountID]*brevet.Account
	consents     map[brevet.CustomerID]*brevet.Consent
	roles        map[brevet.AccountID][]brevet.Role
	entitlements map[string]*entitlement
	rights       map[brevet.CustomerID]*rights
	engaged      *engagements                        // nil without engagements
	rotas        map[string]map[string]brevet.Handle // whom each may put on duty
	groupsWithin time.Duration
	attrs        attrs // what the Cedar rules look at
	clauses      []Clause
}

type target struct {
	account brevet.AccountID
	role    brevet.RoleName
}

// cell is one role in one account, and the entitlements that name it.
type cell struct {
	account *brevet.Account
	role    *brevet.Role
	rules   []rule          // best first
	urgent  []rule          // those for emergencies, best first
	consent *brevet.Consent // the customer's own step; nil: none here
	index   *index          // nil where rules are few
	cedar   guarded
}

// rule is an entitlement as it holds for one cell.
type rule struct {
	*entitlement
	approval brevet.Approval // the entitlement's, and the customer's own word
	extend   brevet.Approval // likewise, for more time
	longest  time.Duration
	mfa      brevet.Rung
	within   time.Duration
}

// entitlement is an entitlement whose steps all name somebody.
type entitlement struct {
	brevet.Entitlement
	approval brevet.Approval
	extend   brevet.Approval
}

// Find returns the entitlement of that name. Its GroupsWithin is the tightest
// that holds for any of its roles.
func (s *Set) Find(name string) (brevet.Entitlement, bool) {
	if s == nil {
		return brevet.Entitlement{}, false
	}
	e, ok := s.entitlements[name]
	if !ok {
		return brevet.Entitlement{}, false
	}
	return e.Entitlement, true
}

// Decide says whether the person may ask for the role, and what that needs.
// Where several entitlements fit it takes one that permits the duration, then
// an automatic one, then one that opens on use, then the one with the fewest
// steps, then the first by name.
func (s *Set) Decide(q Query) Answer {
	a, _ := s.decide(&q, false)
	if !a.Allowed {
		a.Facts = s.facts(&q, &a)
	}
	return a
}

// Offer is Decide where it is not known yet what will be asked: guardrails that
// look at the duration or the reason are left out of account, so decide again
// with both before anything is opened. It has no Facts.
func (s *Set) Offer(q Query) Answer {
	a, _ := s.decide(&q, true)
	return a
}

// Explain is Decide with Facts in every case. It is slower.
func (s *Set) Explain(q Query) Answer {
	a, _ := s.decide(&q, false)
	a.Facts = s.facts(&q, &a)
	return a
}

// decide answers q. In a listing it is not known yet what will be asked, so
// guardrails that look at the duration or the reason do not count.
func (s *Set) decide(q *Query, listing bool) (Answer, *rule) {
	c := s.cell(q)
	if c == nil {
		return Answer{Unmet: s.noCell(q)}, nil
	}
	r := c.pick(q)
	if r == nil {
		return Answer{Unmet: c.nobody(q)}, nil
	}
	longest, approval := r.terms(q)
	if q.Duration > longest || q.Duration < 0 {
		return Answer{Unmet: c.tooLong(q)}, nil
	}
	a := Answer{Allowed: true, Entitlement: r.Entitlement, Approval: approval, MFA: r.mfa, Longest: longest}
	a.Entitlement.GroupsWithin = r.within
	if a.Approval.Automatic {
		a.Policy = r.Name
	}
	if len(r.Who.Rotas) > 0 {
		a.Bound.Duty, a.Bound.Until = r.shift(q)
	}
	if !c.cedar.empty() {
		s.guard(c, r, q, listing, &a)
	}
	if s.engaged != nil && a.Allowed {
		s.engage(c, r, q, &a)
	}
	return a, r
}

// cell returns the role in the account that q asks for; nil if no entitlement
// names it, or if the account belongs to another customer than q says.
func (s *Set) cell(q *Query) *cell {
	if s == nil {
		return nil
	}
	c := s.cells[target{q.Account.ID, q.Role}]
	if c == nil || (q.Account.Customer != "" && q.Account.Customer != c.account.Customer) {
		return nil
	}
	return c
}

// Options lists all targets that the person may ask for, sorted by ACCOUNT/
// ROLE; Account and Role of q are ignored. Without a Duration it is a listing:
// guardrails that look at the duration or the reason are left out of account,
// so ask again with both before anything is opened.
func (s *Set) Options(q Query) []Option {
	if s == nil {
		return nil
	}
	var out []Option
	for _, c := range s.targets {
		if c.pick(&q) == nil {
			continue
		}
		q.Account, q.Role = *c.account, c.role.Name
		if a, _ := s.decide(&q, q.Duration == 0); a.Allowed {
			out = append(out, Option{Account: *c.account, Role: *c.role, Answer: a})
		}
	}
	return out
}

// prefer orders rules: best first.
func prefer(a, b rule) int {
	return cmp.Or(
		boolFirst(a.approval.Automatic, b.approval.Automatic),
		boolFirst(a.Activate == brevet.OnUse, b.Activate == brevet.OnUse),
		cmp.Compare(len(a.approval.Steps), len(b.approval.Steps)),
		cmp.Compare(a.Name, b.Name))
}

func boolFirst(a, b bool) int {
	switch {
	case a && !b:
		return -1
	case b && !a:
		return 1
	}
	return 0
}

// few is up to how many rules a cell is searched one by one.
const few = 16

// index finds a cell's rules by whom they name.
type index struct {
	groups map[string][]int32
	people map[brevet.Handle][]int32
	rotas  []int32 // those that name any
}

func newIndex(rules []rule) *index {
	if len(rules) <= few {
		return nil
	}
	x := &index{groups: map[string][]int32{}, people: map[brevet.Handle][]int32{}}
	for i, r := range rules {
		for _, g := range r.Who.Groups {
			x.groups[g] = append(x.groups[g], int32(i))
		}
		for _, p := range r.Who.People {
			x.people[p] = append(x.people[p], int32(i))
		}
		if len(r.Who.Rotas) > 0 {
			x.rotas = append(x.rotas, int32(i))
		}
	}
	return x
}

// pick returns the best rule that covers the person, nil if none does. One
// that permits the duration goes before one that does not.
func (c *cell) pick(q *Query) *rule {
	if q.BreakGlass || q.Extends != "" || q.Codes {
		return c.pickSpecial(q)
	}
	b := best{at: len(c.rules)}
	if c.index == nil {
		for i := range c.rules {
			if c.rules[i].covers(q) && b.take(c, i, q) {
				break
			}
		}
		return b.rule(c)
	}
	for _, i := range c.index.people[q.Handle] {
		if b.take(c, int(i), q) {
			break
		}
	}
	for _, g := range q.Groups.Names {
		for _, i := range c.index.groups[g] {
			if c.rules[i].fresh(q) && b.take(c, int(i), q) {
				break
			}
		}
	}
	for _, i := range c.index.rotas {
		if c.rules[i].onDuty(q) && b.take(c, int(i), q) {
			break
		}
	}
	return b.rule(c)
}

// best is the best rule found so far.
type best struct {
	at    int
	fits  bool // it permits the duration
	found bool
}

// take considers the i-th rule and reports whether no later one can be better.
func (b *best) take(c *cell, i int, q *Query) bool {
	fits := q.Duration <= c.rules[i].longest
	if !b.found || (fits && !b.fits) || (fits == b.fits && i < b.at) {
		b.at, b.fits, b.found = i, fits, true
	}
	return b.fits && b.at <= i
}

func (b *best) rule(c *cell) *rule {
	if !b.found {
		return nil
	}
	return &c.rules[b.at]
}

// covers reports whether the entitlement names the person, counting groups
// and rotas only while what is known of them is fresh.
func (r *rule) covers(q *Query) bool {
	if q.Handle != "" && slices.Contains(r.Who.People, q.Handle) {
		return true
	}
	return (r.names(q) && r.fresh(q)) || r.onDuty(q)
}

// names reports whether it names one of the person's groups, however old.
func (r *rule) names(q *Query) bool {
	for _, g := range q.Groups.Names {
		if slices.Contains(r.Who.Groups, g) {
			return true
		}
	}
	return false
}

// fresh reports whether the facts about the person's groups still count.
func (r *rule) fresh(q *Query) bool {
	return !q.Groups.At.IsZero() && q.Now.Sub(q.Groups.At) <= r.groupsWithin(q)
}

// groupsWithin is how old the facts about groups may be for what q asks.
func (r *rule) groupsWithin(q *Query) time.Duration {
	if q.Codes {
		return brevet.CodesWithin
	}
	return r.within
}
