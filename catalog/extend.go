package catalog

import (
	"github.com/brevet-access/brevet"
)

// checkExtension holds what is said of extensions against the rest of the
// entitlement.
func (p *parser) checkExtension(e *entitlement, k *customer) {
	if e.extend != nil {
		e.extend.Who = e.Who
		p.checkApproval(e.extend, k)
	}
	if e.ExtendLongest > 0 && e.ExtendLongest < e.Longest {
		p.errorf(e.most, "is shorter than longest, %s: a grant may be that long without an extension", brevet.FormatDuration(e.Longest))
	}
}

// checkBreakGlass refuses what an entitlement for emergencies cannot have:
// there is no approver, no extension, and it is over within the hour.
func (p *parser) checkBreakGlass(e *entitlement, k *customer) {
	for _, f := range []struct {
		at   value
		what string
	}{{e.approval, "approval"}, {e.activate, "activate"}, {e.most, "extend_longest"}} {
		if f.at.Node != nil && f.at.Node != e.self.Node {
			p.errorf(f.at, "break_glass has no %s: nobody approves it, and it ends within the hour", f.what)
		}
	}
	if e.extend != nil {
		p.errorf(e.extend.at, "break_glass has no extend: it ends within the hour; break the glass again, or ask in the ordinary way")
	}
	if e.Longest > brevet.MaxBreakGlass {
		p.errorf(e.longest, "break_glass lasts at most %s", brevet.FormatDuration(brevet.MaxBreakGlass))
	}
	p.checkCodes(e)
	review := e.BreakGlass.Review
	if review.Empty() && e.review.Node != e.glass.Node {
		return // reported where it was read
	}
	if review.Empty() {
		review = k.rights[brevet.RightDecide].Subjects
	}
	if review.Empty() {
		p.errorf(e.review, "nobody reviews this: name somebody in review, or give somebody at %s the right decide", k.Name)
	} else if why := lacks(e.Who, review, 1); why != "" {
		p.errorf(e.review, "nobody else reviews it: %s", why)
	}
}

// extension compares what is said of extensions and of emergencies.
func (d *differ) extension(what string, o, n *brevet.Entitlement) {
	if o.ExtendLongest != n.ExtendLongest {
		d.duration(what+": extend_longest", o.LongestExtended(), n.LongestExtended())
	}
	if o.Extend != nil || n.Extend != nil {
		was, is := *o, *n
		was.Approval, is.Approval = extendedBy(o), extendedBy(n)
		d.approval(what+": extend", &was, &is)
	}
	switch {
	case o.BreakGlass == nil && n.BreakGlass == nil:
		return
	case o.BreakGlass == nil:
		d.wider("%s: break_glass: nobody approves it any more", what)
		return
	case n.BreakGlass == nil:
		d.tighter("%s: break_glass: gone", what)
		return
	}
	if a, b := o.BreakGlass.Most, n.BreakGlass.Most; a != b {
		d.either(b > a, "%s: break_glass: most: %d -> %d", what, a, b)
	}
	d.set(what+": break_glass: review", names(o.BreakGlass.Review), names(n.BreakGlass.Review))
	d.set(what+": break_glass: codes", names(o.BreakGlass.Codes), names(n.BreakGlass.Codes))
}

// extendedBy returns what approves an extension.
func extendedBy(e *brevet.Entitlement) brevet.Approval {
	if e.Extend != nil {
		return *e.Extend
	}
	return e.Approval
}
