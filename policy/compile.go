package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// Problem is one thing that is wrong with the rules.
type Problem struct {
	Where   string // "guardrails", "automatic", or the entitlement's name
	Line    int    // of the Cedar text, from 1; 0 where there is none
	Column  int    // likewise
	Message string
}

// String returns WHERE:LINE:COLUMN: MESSAGE.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.Where + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.Where, p.Line, p.Column, p.Message)
}

// Problems is everything that is wrong with the rules. It is the cause of
// Compile's error.
type Problems []Problem

// Error returns one line a problem.
func (p Problems) Error() string {
	var lines []string
	for _, one := range p {
		lines = append(lines, one.String())
	}
	return strings.Join(lines, "\n")
}

// Compile indexes the rules and parses their Cedar. The error is of kind
// [brevet.Invalid]; its message lists all that is wrong, its cause is
// [Problems].
func Compile(r Rules) (*Set, error) {
	s := &Set{
		cells:        map[target]*cell{},
		accounts:     map[brevet.AccountID]*brevet.Account{},
		consents:     map[brevet.CustomerID]*brevet.Consent{},
		roles:        r.Roles,
		entitlements: make(map[string]*entitlement, len(r.Entitlements)),
		rights:       map[brevet.CustomerID]*rights{},
		groupsWithin: cmp.Or(r.GroupsWithin, PrivilegedWithin),
		rotas:        make(map[string]map[string]brevet.Handle, len(r.Rotas)),
	}
	for _, rota := range r.Rotas {
		s.rotas[rota.Name] = rota.People
	}
	for i := range r.Accounts {
		s.accounts[r.Accounts[i].ID] = &r.Accounts[i]
	}
	s.hold(r.Holdings)
	for _, k := range r.Customers {
		if k.Approval != nil {
			s.consents[k.ID] = k.Approval
			s.rightsAt(k.ID).know(s.people(k.Approval.Everybody()))
		}
	}
	s.engaged = newEngagements(r.Engagements)
	for _, e := range r.Engagements {
		s.rightsAt(e.Customer).know(e.People)
	}
	var problems Problems
	for _, e := range r.Entitlements {
		if err := s.add(e); err != nil {
			problems = append(problems, Problem{Where: e.Name, Message: err.Error()})
		}
	}
	s.seal()
	bad := s.compileCedar(r)
	if problems = append(problems, bad...); len(problems) > 0 {
		return nil, brevet.Errorf(brevet.Invalid, "%s", problems).WithCause(problems)
	}
	return s, nil
}

// add puts an entitlement into the cells of its targets: its roles in those of
// its accounts that have them.
func (s *Set) add(e brevet.Entitlement) error {
	if _, ok := s.entitlements[e.Name]; ok {
		return errors.New("another entitlement has this name")
	}
	shared, err := s.shared(e)
	if err != nil {
		return err
	}
	s.entitlements[e.Name] = shared
	tightest := time.Duration(0)
	for _, id := range e.Accounts {
		account, ok := s.accounts[id]
		if !ok || account.Customer != e.Customer {
			return fmt.Errorf("%s is not an account of the entitlement's customer", id)
		}
		for _, name := range e.Roles {
			c := s.makeCell(account, name)
			if c == nil {
				continue
			}
			if c.role.Offline {
				return fmt.Errorf("role %s is offline: nothing is issued for it", name)
			}
			r := ruleOf(shared, c)
			if e.BreakGlass != nil {
				c.urgent = append(c.urgent, r)
			} else {
				c.rules = append(c.rules, r)
			}
			if tightest == 0 || r.within < tightest {
				tightest = r.within
			}
		}
	}
	if tightest == 0 {
		return errors.New("none of its accounts has one of its roles")
	}
	shared.GroupsWithin = tightest
	known := s.rightsAt(e.Customer)
	known.know(s.people(e.Who))
	for _, step := range slices.Concat(shared.approval.Steps, shared.extend.Steps) {
		known.know(s.people(step.Everybody()))
	}
	if e.BreakGlass != nil {
		known.know(s.people(shared.BreakGlass.Review))
	}
	return nil
}

// makeCell returns the cell of the role in the account; nil if the account
// does not have it.
func (s *Set) makeCell(account *brevet.Account, name brevet.RoleName) *cell {
	key := target{account.ID, name}
	if c, ok := s.cells[key]; ok {
		return c
	}
	roles := s.roles[account.ID]
	i := slices.IndexFunc(roles, func(r brevet.Role) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	c := &cell{account: account, role: &roles[i]}
	if k := s.consents[account.Customer]; k.For(account.Env) {
		c.consent = k
	}
	s.cells[key] = c
	return c
}

// ruleOf narrows an entitlement to a role: the shorter duration and the
// tighter bound on MFA count, and the customer is asked last.
func ruleOf(e *entitlement, c *cell) rule {
	role := c.role
	r := rule{entitlement: e, approval: c.approval(e.approval), extend: c.approval(e.extend), longest: e.Longest, mfa: role.MFA.Tighter(e.MFA), within: e.GroupsWithin}
	if role.Max > 0 && role.Max < r.longest {
		r.longest = role.Max
	}
	if e.BreakGlass != nil {
		r.longest, r.approval = min(r.longest, brevet.MaxBreakGlass), e.approval // nobody is asked
	}
	if r.within == 0 {
		r.within = GroupsWithin
		if age := r.mfa.Age(); age > 0 && age <= time.Hour && e.BreakGlass == nil { // the emergency may be the provider's

			r.within = PrivilegedWithin
		}
	}
	return r
}

// approval is rule with the customer's own step, where it wants to be asked.
func (c *cell) approval(rule brevet.Approval) brevet.Approval {
	if c.consent == nil {
		return rule
	}
	return c.consent.On(rule)
}

// expand puts the holders of decide where a step of a names nobody.
func (s *Set) expand(e brevet.Entitlement, a brevet.Approval) (brevet.Approval, error) {
	if a.Automatic {
		return brevet.Approval{Automatic: true}, nil
	}
	if len(a.Steps) == 0 {
		a.Steps = []brevet.Step{{Quorum: 1}}
	}
	a.Steps = slices.Clone(a.Steps)
	for i := range a.Steps {
		step := &a.Steps[i]
		if step.By.Empty() {
			step.By = s.Holders(e.Customer, brevet.RightDecide)
		}
		step.Quorum = max(step.Quorum, 1)
		if step.By.Empty() {
			return a, errors.New("nobody may approve: name somebody, or give somebody the right decide")
		}
	}
	return a, nil
}

// seal sorts what was added.
func (s *Set) seal() {
	for _, c := range s.cells {
		slices.SortStableFunc(c.rules, prefer)
		slices.SortStableFunc(c.urgent, prefer)
		c.index = newIndex(c.rules)
		s.targets = append(s.targets, c)
	}
	slices.SortFunc(s.targets, func(a, b *cell) int {
		return cmp.Or(cmp.Compare(a.account.Name, b.account.Name), cmp.Compare(a.role.Name, b.role.Name))
	})
}
