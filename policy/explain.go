package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// many is how many entitlements a refusal goes through one by one.
const many = 20

// noCell explains why no entitlement names the role in the account.
func (s *Set) noCell(q *Query) []brevet.Unmet {
	if s == nil {
		return []brevet.Unmet{{Condition: "a catalog that is in force", Have: "there is none", Remedy: "ask who operates brevet"}}
	}
	account, ok := s.accounts[q.Account.ID]
	if !ok || (q.Account.Customer != "" && q.Account.Customer != account.Customer) {
		return []brevet.Unmet{{Condition: "an account of the catalog", Have: "it holds no such account of this customer", Remedy: "brevet ls"}}
	}
	t := brevet.Target{Account: account.Name, Role: q.Role}
	if !slices.ContainsFunc(s.roles[account.ID], func(r brevet.Role) bool { return r.Name == q.Role }) {
		return []brevet.Unmet{{Condition: fmt.Sprintf("a role of %s", account.Name), Have: fmt.Sprintf("%s has no role %s", account.Name, q.Role), Remedy: "brevet ls"}}
	}
	return []brevet.Unmet{{Condition: "an entitlement for " + t.String(), Have: "none names it", Remedy: "ask " + s.editors(account.Customer) + " to add one"}}
}

// editors names who may change the catalog.
func (s *Set) editors(c brevet.CustomerID) string {
	if who := s.Holders(c, brevet.RightCatalog); !who.Empty() {
		return who.String()
	}
	return "whoever keeps the catalog"
}

// nobody explains, for every entitlement of the cell, why it does not cover
// the person.
func (c *cell) nobody(q *Query) []brevet.Unmet {
	rules := c.special(q)
	if q.Extends != "" {
		rules = slices.DeleteFunc(slices.Clone(rules), func(r rule) bool { return r.Name != q.Extends })
	}
	if len(rules) == 0 {
		return []brevet.Unmet{c.none(q)}
	}
	var out []brevet.Unmet
	for i := range rules[:min(len(rules), many)] {
		out = append(out, rules[i].miss(q))
	}
	if more := len(rules) - many; more > 0 {
		out = append(out, brevet.Unmet{Condition: fmt.Sprintf("or one of %d more entitlements", more), Have: "none covers you", Remedy: "brevet ls"})
	}
	return out
}

// none explains that the role has no entitlement of the kind that q asks for.
func (c *cell) none(q *Query) brevet.Unmet {
	t := brevet.Target{Account: c.account.Name, Role: c.role.Name}.String()
	switch {
	case q.Extends != "":
		return brevet.Unmet{Condition: "the entitlement that the grant was given under, " + q.Extends, Have: "it does not name " + t + " any more", Remedy: "brevet request " + t}
	case q.Codes:
		return brevet.Unmet{Condition: "an entitlement whose emergency sealed codes open (break_glass.codes) for " + t, Have: "there is none", Remedy: "sign in with brevet login, once the provider answers"}
	case q.BreakGlass:
		return brevet.Unmet{Condition: "an entitlement to break the glass for " + t, Have: "there is none", Remedy: "brevet request " + t}
	}
	return brevet.Unmet{Condition: "an entitlement for " + t, Have: "there is none but for emergencies", Remedy: "in one: brevet break-glass " + t}
}

// miss explains why the entitlement does not cover the person.
func (r *rule) miss(q *Query) brevet.Unmet {
	if r.names(q) {
		return r.stale(q, "entitlement "+r.Name)
	}
	if len(r.Who.Rotas) > 0 {
		return r.offDuty(q)
	}
	remedy := "ask whoever keeps these groups, then brevet login"
	if len(r.Who.Groups) == 0 {
		remedy = "ask whoever keeps the catalog to add you"
	}
	return brevet.Unmet{Condition: fmt.Sprintf("be one of %s (entitlement %s)", r.Who, r.Name), Have: whoIs(q), Remedy: remedy}
}

// stale explains that facts about groups are too old to count.
func (r *rule) stale(q *Query, who string) brevet.Unmet {
	return brevet.Unmet{Condition: fmt.Sprintf("groups stated at most %s ago (%s)", brevet.FormatDuration(r.groupsWithin(q)), who),
		Have: "yours were " + stated(q), Remedy: "brevet login"}
}

// whoIs names the person and their groups.
func whoIs(q *Query) string {
	if len(q.Groups.Names) == 0 {
		return fmt.Sprintf("you are %s, in no group", q.Handle)
	}
	return fmt.Sprintf("you are %s, in %s", q.Handle, brevet.Subjects{Groups: q.Groups.Names})
}

// stated says how long ago the provider stated the person's groups.
func stated(q *Query) string {
	if q.Groups.At.IsZero() {
		return "never stated"
	}
	return "stated " + age(q.Groups.At, q.Now) + " ago"
}

func age(t, now time.Time) string { return brevet.FormatDuration(max(0, now.Sub(t))) }

// tooLong explains that no entitlement that covers the person permits the
// duration.
func (c *cell) tooLong(q *Query) []brevet.Unmet {
	longest := c.pick(q)
	most, _ := longest.terms(q)
	for i := range c.rules {
		if r := &c.rules[i]; q.Extends == "" && !q.BreakGlass && r.covers(q) && r.longest > most {
			longest, most = r, r.longest
		}
	}
	at := brevet.FormatDuration(most)
	if q.Duration < 0 {
		return []brevet.Unmet{{Condition: "a positive duration", Have: q.Duration.String(), Remedy: "--for " + at}}
	}
	if q.Extends != "" {
		return []brevet.Unmet{{Condition: fmt.Sprintf("at most %s in all (entitlement %s)", at, longest.Name),
			Have: "with this extension it would be " + brevet.FormatDuration(q.Duration), Remedy: "extend it by less, or ask anew with brevet request"}}
	}
	return []brevet.Unmet{{Condition: fmt.Sprintf("at most %s (entitlement %s)", at, longest.Name),
		Have: "you ask for " + brevet.FormatDuration(q.Duration), Remedy: "--for " + at}}
}

// facts lists what was looked at for q, one sentence each.
func (s *Set) facts(q *Query, a *Answer) []string {
	facts := []string{whoIs(q)}
	if len(q.Groups.Names) > 0 {
		facts = append(facts, "your groups were "+stated(q))
	}
	c := s.cell(q)
	if c == nil {
		return facts
	}
	r := c.pick(q)
	for i := range c.rules[:min(len(c.rules), many)] {
		if o := &c.rules[i]; o != r && o.covers(q) {
			facts = append(facts, "it would cover you too: "+o.sentence())
		}
	}
	if r == nil {
		return facts
	}
	facts = slices.Insert(facts, 1, r.sentence())
	if bound := a.bound(); bound != "" {
		facts = append(facts, bound)
	}
	facts = append(facts, mfaFact(r.mfa, q))
	return append(facts, s.cedarFacts(c, a)...)
}

// sentence says what the entitlement gives, and how.
func (r *rule) sentence() string {
	var b strings.Builder
	fmt.Fprintf(&b, "entitlement %s is for %s, up to %s, approved by %s", r.Name, r.Who, brevet.FormatDuration(r.longest), approver(r.approval))
	if r.Activate == brevet.OnUse {
		b.WriteString(", from first use on")
	}
	if len(r.Who.Groups) > 0 {
		fmt.Fprintf(&b, "; groups count for %s", brevet.FormatDuration(r.within))
	}
	return b.String()
}

func approver(a brevet.Approval) string {
	if a.Automatic {
		return "policy"
	}
	return a.String()
}

// mfaFact compares the proof with what a credential will need. It decides
// nothing about asking.
func mfaFact(need brevet.Rung, q *Query) string {
	have := "none was given"
	if !q.MFA.IsZero() {
		have = "yours is " + age(q.MFA, q.Now) + " old"
	}
	fact := fmt.Sprintf("a credential needs MFA at most %s old; %s", need, have)
	if !need.Met(q.MFA, q.Now) {
		fact += ", so brevet login --mfa comes first"
	}
	return fact
}
