package policy

import (
	"slices"

	"github.com/brevet-access/brevet"
)

// rights is who may do what at one customer, and whom its rules name at all.
type rights struct {
	holders map[brevet.Right]brevet.Subjects
	groups  map[string]bool
	people  map[brevet.Handle]bool
}

func (s *Set) rightsAt(c brevet.CustomerID) *rights {
	r := s.rights[c]
	if r == nil {
		r = &rights{holders: map[brevet.Right]brevet.Subjects{}, groups: map[string]bool{}, people: map[brevet.Handle]bool{}}
		s.rights[c] = r
	}
	return r
}

// know notes that the customer's rules name who.
func (r *rights) know(who brevet.Subjects) {
	for _, g := range who.Groups {
		r.groups[g] = true
	}
	for _, p := range who.People {
		r.people[p] = true
	}
}

// people adds to the subjects whom their rotas may put on duty: what is shown
// to people does not come and go with their shifts.
func (s *Set) people(who brevet.Subjects) brevet.Subjects {
	if len(who.Rotas) == 0 {
		return who
	}
	who.People = slices.Clone(who.People)
	for _, name := range who.Rotas {
		rota, _ := brevet.SplitRota(name)
		for _, h := range s.rotas[rota] {
			who.People = append(who.People, h)
		}
	}
	return who
}

func (s *Set) hold(holdings []brevet.Holding) {
	for _, h := range holdings {
		r := s.rightsAt(h.Customer)
		r.holders[h.Right] = union(r.holders[h.Right], h.Who)
		r.know(h.Who)
	}
}

func union(a, b brevet.Subjects) brevet.Subjects {
	return brevet.Subjects{Groups: merge(a.Groups, b.Groups), People: merge(a.People, b.People), Rotas: merge(a.Rotas, b.Rotas)}
}

func merge[S ~string](a, b []S) []S {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// Holders returns who holds the right at the customer.
func (s *Set) Holders(c brevet.CustomerID, r brevet.Right) brevet.Subjects {
	if s == nil || s.rights[c] == nil {
		return brevet.Subjects{}
	}
	return s.rights[c].holders[r]
}

// Holds reports whether the person holds the right at the customer. Facts
// about groups count while they are at most Rules.GroupsWithin old; who is
// bound by an engagement holds it while one at the customer is live. By sealed
// codes nobody holds any. Of q only Handle, Groups, Codes and Now are looked at.
func (s *Set) Holds(q Query, c brevet.CustomerID, r brevet.Right) bool {
	who := s.Holders(c, r)
	if q.Codes || who.Empty() || !who.Cover(q.Handle, q.Groups.Fresh(q.Now, s.groupsWithin)) {
		return false
	}
	if !s.engaged.bind(q.Handle, q.Groups.Names) {
		return true
	}
	_, ok := s.engaged.until(&q, func(e *brevet.Engagement) bool { return e.Customer == c })
	return ok
}

// Concerns reports whether the person has any business with the customer: an
// entitlement or a right names them or one of their groups, however old the
// facts about those are. It decides what may be shown and explained (law 13),
// never what is allowed.
func (s *Set) Concerns(q Query, c brevet.CustomerID) bool {
	if s == nil || s.rights[c] == nil {
		return false
	}
	r := s.rights[c]
	return (q.Handle != "" && r.people[q.Handle]) ||
		slices.ContainsFunc(q.Groups.Names, func(g string) bool { return r.groups[g] })
}

// Names reports whether a rule of the customer's names the group: those that
// none names are nobody's business there (law 13).
func (s *Set) Names(c brevet.CustomerID, group string) bool {
	return s != nil && s.rights[c] != nil && s.rights[c].groups[group]
}
