package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// maxReach bounds how many (entitlement, account, role) a catalog may spell
// out by lists, env: and *.
const maxReach = 500_000

// crossCheck finds what is wrong between fields that are each well formed.
func (p *parser) crossCheck() {
	p.unique()
	for _, r := range p.roles {
		if len(r.Policies) == 0 && r.Inline == nil {
			p.errorf(r.at, "the role may do nothing: give it policies or inline")
		}
	}
	p.knownRotas()
	for _, k := range p.customers {
		p.checkEntry(k)
		p.checkOffline(k)
		p.checkConsent(k)
		p.checkEngagements(k)
		for _, a := range k.accounts {
			for _, n := range a.roles {
				p.knownRole(n)
			}
		}
	}
	reach := 0
	for _, e := range p.entitlements {
		if reach += p.checkEntitlement(e); reach > maxReach {
			p.errorf(e.at, "the entitlements reach too many roles in accounts; at most %d in all", maxReach)
			return
		}
	}
}

// unique checks that names, numbers, ids and audiences stand there once in
// the whole installation.
func (p *parser) unique() {
	type claim struct {
		of   *customer
		line int
	}
	owner := map[brevet.AccountID]claim{}
	seen := map[string]int{}
	once := func(what, name string, at value) {
		if name == "" {
			return
		}
		key := what + " " + name
		if line, twice := seen[key]; twice {
			p.errorf(at, "another %s in line %d is called %s", what, line, name)
			return
		}
		seen[key] = at.Line
	}
	for _, k := range p.customers {
		once("customer", k.Name, k.at)
		once("customer", string(k.ID), k.at)
		once("external id", k.external.name, k.external.at)
		once("offline issuer", k.offline.name, k.offline.at)
		for _, a := range k.accounts {
			once("account", a.Name, a.name)
			if first, taken := owner[a.ID]; taken && first.of != k {
				p.errorf(a.number, "account %s is claimed by customer %s in line %d already; an account belongs to one customer", a.ID, first.of.Name, first.line)
			} else {
				once("account", string(a.ID), a.number)
				owner[a.ID] = claim{k, a.number.Line}
			}
			once("audience", a.Audience, a.audience)
		}
	}
	for _, r := range p.roles { // IAM does not tell names apart by their case
		once("role", strings.ToLower(string(r.Name)), r.at)
	}
	for _, e := range p.entitlements {
		once("entitlement", e.Name, e.at)
	}
	for _, r := range p.rotas {
		once("rota", r.Name, r.at)
	}
	for _, k := range p.customers {
		for _, e := range k.engagements {
			once("engagement", e.Name, e.at)
		}
	}
}

func (p *parser) knownRole(n named) *role {
	r := p.findRole(n.name)
	if r == nil {
		p.errorf(n.at, "there is no role %s", quote(n.name))
	}
	return r
}

// findRole returns the role of that name, nil if there is none.
func (p *parser) findRole(name string) *role {
	for _, r := range p.roles {
		if string(r.Name) == name {
			return r
		}
	}
	return nil
}

// checkEntitlement resolves what the entitlement names and returns how many
// roles in accounts that is.
func (p *parser) checkEntitlement(e *entitlement) int {
	k := p.knownCustomer(e.customer)
	if k == nil {
		return 0
	}
	e.Customer = k.ID
	var reached []*account
	seen := map[*account]bool{}
	for _, n := range e.accounts {
		for _, a := range p.reach(k, n) {
			if !seen[a] {
				seen[a] = true
				reached = append(reached, a)
				e.Accounts = append(e.Accounts, a.ID)
			}
		}
	}
	p.checkRoles(e, reached)
	p.ownRotas(k, e.Who, e.who)
	if e.BreakGlass != nil {
		p.checkBreakGlass(e, k)
	} else {
		p.checkApproval(e, k)
		p.checkExtension(e, k)
	}
	p.checkTexts(e)
	return len(reached) * len(e.Roles)
}

func (p *parser) knownCustomer(n named) *customer {
	if n.name == "" {
		return nil
	}
	for _, k := range p.customers {
		if k.Name == n.name || string(k.ID) == n.name {
			return k
		}
	}
	p.errorf(n.at, "there is no customer %s", quote(n.name))
	return nil
}

// reach returns the customer's accounts that one item names.
func (p *parser) reach(k *customer, n named) []*account {
	env, byEnv := strings.CutPrefix(n.name, "env:")
	var out []*account
	for _, a := range k.accounts {
		if n.name == "*" || (byEnv && a.Env == env) || a.Name == n.name || string(a.ID) == n.name {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		p.errorf(n.at, "customer %s has no account %s", k.Name, quote(n.name))
	}
	return out
}

// checkRoles checks that the roles exist where they are given, and that the
// entitlement's longest can be had at all.
func (p *parser) checkRoles(e *entitlement, reached []*account) {
	longest := time.Duration(0) // of any role; one whose max is not known bounds nothing
	for _, n := range e.roles {
		r := p.knownRole(n)
		if r == nil {
			longest = maxGrant
			continue
		}
		longest = max(longest, cmp.Or(r.Max, maxGrant))
		p.checkOnline(n, r)
		if len(reached) > 0 && !slices.ContainsFunc(reached, func(a *account) bool { return a.has(r.Name) }) {
			p.errorf(n.at, "none of the entitlement's accounts has the role %s", r.Name)
		}
	}
	for _, n := range e.accounts {
		for _, a := range reached {
			if (n.name == a.Name || n.name == string(a.ID)) && !slices.ContainsFunc(e.Roles, a.has) {
				p.errorf(n.at, "account %s has none of the entitlement's roles", a.Name)
			}
		}
	}
	if len(e.Roles) > 0 && e.Longest > longest {
		p.errorf(e.longest, "no role of the entitlement lasts longer than %s", brevet.FormatDuration(longest))
	}
}

// checkApproval checks that every requester whom the entitlement names can be
// approved by somebody else (law 3).
func (p *parser) checkApproval(e *entitlement, k *customer) {
	everybody, need, open := map[brevet.Handle]bool{}, 0, false
	for i, step := range e.Approval.Steps {
		by := step.By
		if by.Empty() && e.by[i] != e.steps[i] {
			continue // reported where it was read
		}
		if by.Empty() {
			by = k.rights[brevet.RightDecide].Subjects
		}
		if by.Empty() {
			p.errorf(e.by[i], "nobody approves this: name somebody, or give somebody at %s the right decide", k.Name)
			continue
		}
		step.By = by
		all := step.Everybody()
		p.ownRotas(k, all, e.by[i])
		need += step.Quorum
		open = open || len(all.Groups)+len(all.Rotas) > 0
		for _, h := range all.People {
			everybody[h] = true
		}
		if why := lacks(e.Who, all, step.Quorum); why != "" {
			p.errorf(e.by[i], "%s", why)
		}
	}
	if !open && need > len(everybody) && len(e.Approval.Steps) > 1 {
		p.errorf(e.approval, "%d different people must approve, and only %d are named", need, len(everybody))
	}
}

// lacks explains why a step can never be met, or returns "". Who is in a
// group or on duty is not known here, so these count as large enough.
func lacks(who, by brevet.Subjects, quorum int) string {
	if len(by.Groups)+len(by.Rotas) > 0 {
		return ""
	}
	if len(by.People) < quorum {
		return fmt.Sprintf("%d people must approve, and nobody is named but %s", quorum, by)
	}
	for _, h := range who.People {
		others := len(by.People)
		if slices.Contains(by.People, h) {
			others--
		}
		if others < quorum {
			return fmt.Sprintf("%s may ask, and nobody approves their own request: name another approver", h)
		}
	}
	return ""
}
