package catalog

import (
	"reflect"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
)

// rest says that something changed of which no line above tells. What it
// means is not known here, so it counts as wider. The fields that were
// compared are the same in both.
func (d *differ) rest(what string, o, n any) {
	if reflect.DeepEqual(o, n) {
		return
	}
	var fields []string
	x, y := reflect.ValueOf(o), reflect.ValueOf(n)
	for i := range x.NumField() {
		if !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			fields = append(fields, strings.ToLower(x.Type().Field(i).Name))
		}
	}
	d.wider("%s: changed: %s", what, strings.Join(fields, ", "))
}

// approval compares who approves. It is tighter if every old step is still
// there and none got easier.
func (d *differ) approval(what string, o, n *brevet.Entitlement) {
	was, is := o.Approval, n.Approval
	was.Steps, is.Steps = steps(d.old, o), steps(d.new, n)
	if was.Known != is.Known && !was.Automatic && !is.Automatic {
		d.either(was.Known, "%s: approvers: %s -> %s", what, known(was.Known), known(is.Known))
	}
	if was.Member != is.Member && !was.Automatic && !is.Automatic {
		d.either(is.Member < was.Member, "%s: approvers: member_for: %s -> %s", what, brevet.FormatDuration(was.Member), brevet.FormatDuration(is.Member))
	}
	if was.Wait() != is.Wait() {
		d.either(is.Wait() > was.Wait(), "%s: unanswered: %s -> %s", what, brevet.FormatDuration(was.Wait()), brevet.FormatDuration(is.Wait()))
	}
	if o.Approval.Automatic == n.Approval.Automatic && reflect.DeepEqual(o.Approval.Steps, n.Approval.Steps) { // who holds decide is said with the rights
		return
	}
	wider := is.Automatic || (!was.Automatic && easier(was.Steps, is.Steps))
	d.either(wider, "%s: approval: %s -> %s", what, d.approvers(d.old, o), d.approvers(d.new, n))
}

func known(yes bool) string {
	if yes {
		return "known"
	}
	return "any"
}

// easier reports whether the new steps may be met where the old ones are not.
func easier(was, is []brevet.Step) bool {
	if len(is) < len(was) {
		return true
	}
	for i := range was {
		late := func(f brevet.Fallback) bool { return !contains(was[i].Deciders(f.After), f.By) }
		if is[i].Quorum < was[i].Quorum || !contains(was[i].By, is[i].By) || slices.ContainsFunc(is[i].Else, late) {
			return true
		}
	}
	return false
}

// consent compares a customer's own word on requests for its accounts.
func (d *differ) consent(what string, o, n *brevet.Customer) {
	if reflect.DeepEqual(o.Approval, n.Approval) {
		return
	}
	was, is := o.Approval, n.Approval
	wider := was != nil && (is == nil || was.Always && !is.Always || easier([]brevet.Step{was.Step}, []brevet.Step{is.Step}) || !allOf(is.Envs, was.Envs))
	d.either(wider, "%s: approval: %s -> %s", what, told(was), told(is))
}

// allOf reports whether the environments of many hold those of few; none
// stand for all.
func allOf(many, few []string) bool {
	if len(many) == 0 {
		return true
	}
	return len(few) > 0 && !slices.ContainsFunc(few, func(s string) bool { return !slices.Contains(many, s) })
}

// told writes a customer's consent for people.
func told(c *brevet.Consent) string {
	if c == nil {
		return "none"
	}
	s := c.String()
	if len(c.Envs) > 0 {
		s += " in " + strings.Join(c.Envs, ", ")
	}
	if c.Always {
		s += ", always"
	}
	return s
}

// steps returns an entitlement's steps with the holders of decide where they
// name nobody.
func steps(c *Catalog, e *brevet.Entitlement) []brevet.Step {
	out := slices.Clone(e.Approval.Steps)
	for i := range out {
		if out[i].By.Empty() {
			out[i].By = c.Holders(e.Customer, brevet.RightDecide)
		}
	}
	return out
}

func (d *differ) approvers(c *Catalog, e *brevet.Entitlement) string {
	if e.BreakGlass != nil {
		return "nobody, in an emergency"
	}
	if e.Approval.Automatic {
		return "policy"
	}
	return brevet.Approval{Steps: steps(c, e)}.String()
}

// contains reports whether everybody in few is in many.
func contains(many, few brevet.Subjects) bool {
	for _, g := range few.Groups {
		if !slices.Contains(many.Groups, g) {
			return false
		}
	}
	for _, h := range few.People {
		if !slices.Contains(many.People, h) {
			return false
		}
	}
	return !slices.ContainsFunc(few.Rotas, func(r string) bool { return !slices.Contains(many.Rotas, r) })
}
