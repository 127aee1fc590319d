package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// Diff says in words what changes from old to new, one line a change; nil
// where nothing does. A line starts with "+" where the change widens access
// or might, with "-" where it narrows it, with "~" where it does neither. A
// nil old holds nothing. The Cedar texts are not compared here: package policy
// does so, in the same words.
func Diff(old, new *Catalog) []string {
	if old == nil {
		old = &Catalog{}
	}
	d := &differ{old: old, new: new}
	if old.Issuer != new.Issuer && old.Issuer != "" {
		d.wider("issuer: %s -> %s; the stacks that are deployed trust the old one", old.Issuer, new.Issuer)
	}
	if old.Broker != new.Broker && d.oldKnown() {
		d.wider("broker: %s -> %s", orNone(old.Broker), orNone(new.Broker))
	}
	d.egress()
	pair(old.Roles, new.Roles, func(r brevet.Role) string { return string(r.Name) }, d.role)
	pair(old.Customers, new.Customers, func(c brevet.Customer) string { return c.Name }, d.customer)
	pair(old.Accounts, new.Accounts, func(a brevet.Account) string { return string(a.ID) }, d.account)
	pair(old.Holdings, new.Holdings, d.holdingKey, d.holding)
	pair(old.Rotas, new.Rotas, func(r brevet.Rota) string { return r.Name }, d.rota)
	pair(old.Engagements, new.Engagements, func(e brevet.Engagement) string { return e.Name }, d.engagement)
	pair(old.Entitlements, new.Entitlements, func(e brevet.Entitlement) string { return e.Name }, d.entitlement)
	return d.lines
}

// pair calls do for everything in either list: o is nil for what is new, n
// for what is gone.
func pair[T any](old, new []T, key func(T) string, do func(o, n *T)) {
	was := make(map[string]*T, len(old))
	for i := range old {
		was[key(old[i])] = &old[i]
	}
	for i := range new {
		k := key(new[i])
		do(was[k], &new[i])
		delete(was, k)
	}
	for i := range old {
		if _, gone := was[key(old[i])]; gone {
			do(&old[i], nil)
		}
	}
}

type differ struct {
	old, new *Catalog
	lines    []string
}

func (d *differ) add(mark, format string, args ...any) {
	d.lines = append(d.lines, mark+" "+fmt.Sprintf(format, args...))
}

func (d *differ) wider(format string, args ...any)   { d.add("+", format, args...) }
func (d *differ) tighter(format string, args ...any) { d.add("-", format, args...) }
func (d *differ) neutral(format string, args ...any) { d.add("~", format, args...) }

// either is wider if cond holds, else tighter.
func (d *differ) either(cond bool, format string, args ...any) {
	if cond {
		d.wider(format, args...)
		return
	}
	d.tighter(format, args...)
}

func (d *differ) role(o, n *brevet.Role) {
	switch {
	case o == nil:
		d.wider("role %s: new, up to %s, %s, %s", n.Name, brevet.FormatDuration(n.Max), admits(n), powers(n))
		return
	case n == nil:
		d.tighter("role %s: gone", o.Name)
		return
	}
	what := "role " + string(n.Name)
	d.duration(what+": max", o.Max, n.Max)
	if !o.Offline && !n.Offline { // else said below
		d.rung(what, o.MFA, n.MFA)
	}
	d.emergency(what, o, n)
	d.set(what+": policies", o.Policies, n.Policies)
	if string(o.Inline) != string(n.Inline) {
		d.wider("%s: inline policy changed", what)
	}
	if o.About != n.About {
		d.neutral("%s: about: %q -> %q", what, o.About, n.About)
	}
	x, y := *o, *n
	x.Max, x.MFA, x.Policies, x.Inline, x.About = y.Max, y.MFA, y.Policies, y.Inline, y.About
	x.Emergency, x.Offline = y.Emergency, y.Offline
	d.rest(what, x, y)
}

func powers(r *brevet.Role) string {
	parts := slices.Clone(r.Policies)
	if r.Inline != nil {
		parts = append(parts, "an inline policy")
	}
	return strings.Join(parts, ", ")
}

func (d *differ) customer(o, n *brevet.Customer) {
	switch {
	case o == nil:
		d.wider("customer %s: new%s", n.Name, entered(d.new.entries[n.ID]))
		return
	case n == nil:
		d.tighter("customer %s: gone", o.Name)
		return
	case o.ID != n.ID:
		d.wider("customer %s: id: %s -> %s", n.Name, o.ID, n.ID)
	}
	what := "customer " + n.Name
	was, is := d.old.entries[o.ID], d.new.entries[n.ID]
	if was.way != is.way {
		d.wider("%s: entry: %s -> %s", what, was.way, is.way)
	} else if was.externalID != is.externalID {
		d.wider("%s: external_id: changed; the stacks that are deployed ask for the old one", what)
	}
	d.offlineIssuers(what, was.offline, is.offline)
	if o.Contact != n.Contact {
		d.neutral("%s: contact: %s -> %s", what, orNone(o.Contact), orNone(n.Contact))
	}
	if o.LogGroup != n.LogGroup {
		d.neutral("%s: log_group: %s -> %s", what, o.LogGroup, n.LogGroup)
	}
	d.consent(what, o, n)
	x, y := *o, *n
	x.ID, x.Contact, x.LogGroup, x.Approval = y.ID, y.Contact, y.LogGroup, y.Approval
	d.rest(what, x, y)
}

// entered says how a new customer is entered, where that is not the default.
func entered(e entry) string {
	switch {
	case e.way != OIDC:
		return ", entered by " + e.way
	case e.offline != "":
		return ", with the offline issuer " + e.offline
	}
	return ""
}

// oldKnown reports whether there is something to compare with.
func (d *differ) oldKnown() bool { return d.old.Issuer != "" }

// egress compares the addresses that may call: none stands for all.
func (d *differ) egress() {
	switch {
	case !d.oldKnown() || len(d.old.Egress)+len(d.new.Egress) == 0:
	case len(d.old.Egress) == 0:
		d.tighter("egress: any -> %s", strings.Join(d.new.Egress, ", "))
	case len(d.new.Egress) == 0:
		d.wider("egress: %s -> any", strings.Join(d.old.Egress, ", "))
	default:
		d.set("egress", d.old.Egress, d.new.Egress)
	}
}

func (d *differ) account(o, n *brevet.Account) {
	switch {
	case o == nil:
		d.wider("account %s %s: new, of customer %s, env %s", n.Name, n.ID, d.customerName(n.Customer), orNone(n.Env))
		return
	case n == nil:
		d.tighter("account %s %s: gone", o.Name, o.ID)
		return
	}
	what := "account " + n.Name
	if was, is := d.customerName(o.Customer), d.customerName(n.Customer); was != is {
		d.wider("%s: customer: %s -> %s", what, was, is)
	}
	for _, f := range []struct{ name, o, n string }{{"name", o.Name, n.Name}, {"env", o.Env, n.Env}, {"audience", o.Audience, n.Audience}, {"prefix", o.Prefix, n.Prefix}} {
		if f.o != f.n { // guardrails, entitlements or the stack go by it
			d.wider("%s: %s: %s -> %s", what, f.name, orNone(f.o), orNone(f.n))
		}
	}
	d.center(what, o.Center, n.Center)
	if o.Region != n.Region {
		d.neutral("%s: region: %s -> %s", what, o.Region, n.Region)
	}
	if o.Contract != n.Contract {
		d.neutral("%s: contract: %d -> %d", what, o.Contract, n.Contract)
	}
	d.set(what+": roles", d.common(d.old.rolesIn[n.ID]), d.common(d.new.rolesIn[n.ID]))
	x, y := *o, *n
	x.Name, x.Env, x.Audience, x.Prefix, x.Region, x.Contract, x.Customer = y.Name, y.Env, y.Audience, y.Prefix, y.Region, y.Contract, y.Customer
	x.Issuer, x.OfflineIssuer, x.Broker, x.ExternalID, x.Center = y.Issuer, y.OfflineIssuer, y.Broker, y.ExternalID, y.Center // said at the top and with the customer
	d.rest(what, x, y)
}

// common names those of the roles that both catalogs know: a role that comes
// or goes is said once, not for every account.
func (d *differ) common(roles []brevet.Role) []string {
	var out []string
	for _, r := range roles {
		same := func(o brevet.Role) bool { return o.Name == r.Name }
		if slices.ContainsFunc(d.old.Roles, same) && slices.ContainsFunc(d.new.Roles, same) {
			out = append(out, string(r.Name))
		}
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (d *differ) customerName(id brevet.CustomerID) string {
	for _, c := range []*Catalog{d.new, d.old} {
		if k, ok := c.CustomerByID(id); ok {
			return k.Name
		}
	}
	return string(id)
}

func (d *differ) holdingKey(h brevet.Holding) string {
	return d.customerName(h.Customer) + " " + string(h.Right)
}

func (d *differ) holding(o, n *brevet.Holding) {
	var was, is []string
	at := n
	if o != nil {
		was, at = names(o.Who), o
	}
	if n != nil {
		is = names(n.Who)
	}
	went := d.tighter
	if at.Right == brevet.RightRevoke || at.Right == brevet.RightAudit || at.Right == brevet.RightCatalog { // they watch over others
		went = d.wider
	}
	d.setOr(went, fmt.Sprintf("customer %s: right %s", d.customerName(at.Customer), at.Right), was, is)
}

// names writes subjects as the catalog does.
func names(s brevet.Subjects) []string {
	var out []string
	for _, h := range s.People {
		out = append(out, string(h))
	}
	for _, g := range s.Groups {
		out = append(out, "group:"+g)
	}
	for _, r := range s.Rotas {
		out = append(out, "rota:"+r)
	}
	return out
}

func (d *differ) entitlement(o, n *brevet.Entitlement) {
	switch {
	case o == nil:
		d.wider("entitlement %s: new, for %s: %s in %s, up to %s, approved by %s", n.Name, n.Who, joined(n.Roles),
			strings.Join(d.accounts(n.Accounts), ", "), brevet.FormatDuration(n.Longest), d.approvers(d.new, n))
		return
	case n == nil:
		d.tighter("entitlement %s: gone", o.Name)
		return
	}
	what := "entitlement " + n.Name
	if was, is := d.customerName(o.Customer), d.customerName(n.Customer); was != is {
		d.wider("%s: customer: %s -> %s", what, was, is)
	}
	d.set(what+": who", names(o.Who), names(n.Who))
	d.set(what+": accounts", d.accounts(o.Accounts), d.accounts(n.Accounts))
	d.set(what+": roles", strs(o.Roles), strs(n.Roles))
	d.duration(what+": longest", o.Longest, n.Longest)
	d.rung(what, o.MFA, n.MFA)
	if o.Activate != n.Activate {
		d.either(n.Activate == brevet.OnUse, "%s: activate: %s -> %s", what, o.Activate, n.Activate)
	}
	if o.GroupsWithin != n.GroupsWithin {
		d.either(o.GroupsWithin != 0 && (n.GroupsWithin == 0 || n.GroupsWithin > o.GroupsWithin), "%s: groups_within: %s -> %s", what, within(o), within(n))
	}
	d.textRule(what+": reason", o.Reason, n.Reason)
	d.textRule(what+": ticket", o.Ticket, n.Ticket)
	if o.Ahead != n.Ahead {
		d.duration(what+": ahead", cmp.Or(o.Ahead, brevet.DefaultAhead), cmp.Or(n.Ahead, brevet.DefaultAhead))
	}
	d.approval(what, o, n)
	d.extension(what, o, n)
	x, y := *o, *n
	x.Customer, x.Who, x.Accounts, x.Roles, x.Longest, x.MFA = y.Customer, y.Who, y.Accounts, y.Roles, y.Longest, y.MFA
	x.Activate, x.GroupsWithin, x.Approval = y.Activate, y.GroupsWithin, y.Approval
	x.Reason, x.Ticket, x.Ahead = y.Reason, y.Ticket, y.Ahead
	x.Extend, x.ExtendLongest, x.BreakGlass = y.Extend, y.ExtendLongest, y.BreakGlass
	d.rest(what, x, y)
}

// textRule compares what a request must say. Which of two patterns or checks
// demands more is not known, so another one counts as wider.
func (d *differ) textRule(what string, o, n brevet.TextRule) {
	if o.Required != n.Required {
		d.either(o.Required, "%s: required: %t -> %t", what, o.Required, n.Required)
	}
	for _, f := range []struct{ name, o, n string }{{"pattern", o.Pattern, n.Pattern}, {"check", o.Check, n.Check}} {
		if f.o != f.n {
			d.either(f.o != "", "%s: %s: %s -> %s", what, f.name, orNone(f.o), orNone(f.n))
		}
	}
}

func within(e *brevet.Entitlement) string {
	if e.GroupsWithin == 0 {
		return "default"
	}
	return brevet.FormatDuration(e.GroupsWithin)
}

// accounts names accounts, or gives the number of those that both catalogs
// have lost.
func (d *differ) accounts(ids []brevet.AccountID) []string {
	var out []string
	for _, id := range ids {
		name := string(id)
		for _, c := range []*Catalog{d.old, d.new} {
			if a, ok := c.AccountByID(id); ok {
				name = a.Name
			}
		}
		out = append(out, name)
	}
	return out
}

func strs[S ~string](in []S) []string {
	var out []string
	for _, s := range in {
		out = append(out, string(s))
	}
	return out
}

func joined[S ~string](in []S) string { return strings.Join(strs(in), ", ") }

func (d *differ) duration(what string, o, n time.Duration) {
	if o != n {
		d.either(n > o, "%s: %s -> %s", what, brevet.FormatDuration(o), brevet.FormatDuration(n))
	}
}

// rung compares bounds on the age of MFA; none is the loosest.
func (d *differ) rung(what string, o, n brevet.Rung) {
	if o != n {
		d.either(o != "" && (n == "" || n.Age() > o.Age()), "%s: mfa: %s -> %s", what, orNone(string(o)), orNone(string(n)))
	}
}

// set says what came and what went.
func (d *differ) set(what string, o, n []string) { d.setOr(d.tighter, what, o, n) }

// setOr is set, and says what went as the caller wants it said.
func (d *differ) setOr(say func(string, ...any), what string, o, n []string) {
	was, is := setOf(o), setOf(n)
	var came, went []string
	for _, s := range n {
		if !was[s] {
			came = append(came, s)
		}
	}
	for _, s := range o {
		if !is[s] {
			went = append(went, s)
		}
	}
	if len(came) > 0 {
		d.wider("%s: and %s", what, strings.Join(came, ", "))
	}
	if len(went) > 0 {
		say("%s: no longer %s", what, strings.Join(went, ", "))
	}
}

func setOf(l []string) map[string]bool {
	m := make(map[string]bool, len(l))
	for _, s := range l {
		m[s] = true
	}
	return m
}
