package policy

import (
	"cmp"
	"iter"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/brevet-access/brevet"
)

// cedarRule is one Cedar policy.
type cedarRule struct {
	*cedar.Policy
	order  int    // position in the text
	id     string // its @id, or guardrails:LINE
	reason string // its @reason
	remedy string // its @remedy
	asks   bool   // it looks at what is asked for: duration or reason
	groups bool   // it looks at groups
}

// guarded is the Cedar policies that may apply to a cell, and the cell as
// Cedar sees it.
type guarded struct {
	forbid, permit cedarList
	resource       types.Entity
}

func (g *guarded) empty() bool { return len(g.forbid)+len(g.permit) == 0 }

// cedarList makes a few policies a set for the engine, which has no index of
// its own and looks at every policy it is given.
type cedarList []*cedarRule

// All yields the policies under their ids.
func (l cedarList) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, r := range l {
			if !yield(cedar.PolicyID(r.id), r.Policy) {
				return
			}
		}
	}
}

func (l cedarList) find(id cedar.PolicyID) *cedarRule {
	return l[slices.IndexFunc(l, func(r *cedarRule) bool { return r.id == string(id) })]
}

// known is the entities of one query: the person and the role. What they are
// in is told by their parents, which need no attributes.
type known [2]types.Entity

// Get returns the entity; it is how the engine asks.
func (k *known) Get(uid types.EntityUID) (types.Entity, bool) {
	for i := range k {
		if k[i].UID == uid {
			return k[i], true
		}
	}
	return types.Entity{}, false
}

// guard lets guardrails and automatic approval have their say on an answer
// that entitlements alone would allow.
func (s *Set) guard(c *cell, r *rule, q *Query, listing bool, a *Answer) {
	duration := q.Duration
	if duration == 0 {
		duration = r.longest
	}
	entities := &known{personOf(q, s.attrs), c.cedar.resource}
	req := cedar.Request{Principal: entities[0].UID, Action: request, Resource: entities[1].UID,
		Context: s.contextOf(q, c, duration)}
	forbid := c.cedar.forbid
	if listing {
		forbid = forbid.whateverIsAsked()
	}
	if len(forbid) > 0 {
		if forbid.lookAtGroups() && !r.fresh(q) {
			*a = Answer{Unmet: []brevet.Unmet{r.stale(q, "guardrails look at them")}}
			return
		}
		if _, d := cedar.Authorize(forbid, entities, req); len(d.Reasons)+len(d.Errors) > 0 {
			*a = Answer{Unmet: forbidden(forbid, d, q, duration)}
			return
		}
	}
	permit := c.cedar.permit
	if a.Approval.Automatic || len(permit) == 0 || q.Extends != "" && r.Extend != nil || (permit.lookAtGroups() && !r.fresh(q)) {
		return
	}
	if yes, d := cedar.Authorize(permit, entities, req); yes && len(d.Errors) == 0 {
		a.Approval = c.approval(brevet.Approval{Automatic: true})
		if a.Approval.Automatic {
			a.Policy = permit.first(d.Reasons).id
		}
	}
}

func (l cedarList) lookAtGroups() bool {
	return slices.ContainsFunc(l, func(r *cedarRule) bool { return r.groups })
}

// first returns the policy that stands first in the text.
func (l cedarList) first(reasons []cedar.DiagnosticReason) *cedarRule {
	return l.find(slices.MinFunc(reasons, func(a, b cedar.DiagnosticReason) int {
		return cmp.Compare(a.Position.Offset, b.Position.Offset)
	}).PolicyID)
}

// whateverIsAsked returns the policies that look neither at the duration nor
// at the reason.
func (l cedarList) whateverIsAsked() cedarList {
	if !slices.ContainsFunc(l, func(r *cedarRule) bool { return r.asks }) {
		return l
	}
	return slices.DeleteFunc(slices.Clone(l), func(r *cedarRule) bool { return r.asks })
}

// forbidden names every guardrail that forbids, and every one that could not
// be evaluated and so counts as forbidding.
func forbidden(l cedarList, d cedar.Diagnostic, q *Query, judged time.Duration) []brevet.Unmet {
	var out []brevet.Unmet
	for _, r := range d.Reasons {
		g := l.find(r.PolicyID)
		u := brevet.Unmet{Condition: "guardrail " + g.id, Have: cmp.Or(g.reason, "it forbids this"),
			Remedy: cmp.Or(g.remedy, "ask for what guardrail "+g.id+" leaves open")}
		if g.asks && q.Duration == 0 {
			u.Have += " (judged for " + brevet.FormatDuration(judged) + ", the longest)"
		}
		out = append(out, u)
	}
	for _, e := range d.Errors {
		g := l.find(e.PolicyID)
		out = append(out, brevet.Unmet{Condition: "guardrail " + g.id, Have: "it could not be evaluated, so it forbids: " + e.Message,
			Remedy: cmp.Or(g.remedy, "ask whoever keeps the catalog to correct it")})
	}
	return out
}

// cedarFacts says what Cedar had to say about an answer.
func (s *Set) cedarFacts(c *cell, a *Answer) []string {
	var facts []string
	if n := len(c.cedar.forbid); n > 0 && a.Allowed {
		facts = append(facts, "guardrails that could apply: "+strconv.Itoa(n)+"; none forbids it")
	}
	if a.Allowed && a.Approval.Automatic && a.Policy != a.Entitlement.Name {
		fact := "automatic approval by policy " + a.Policy
		if r := c.cedar.permit.find(cedar.PolicyID(a.Policy)); r.reason != "" {
			fact += ": " + r.reason
		}
		facts = append(facts, fact)
	}
	return facts
}

// never is the age in seconds of an MFA proof that was not given: older than
// any bound, so that a guardrail on age forbids.
const never = types.Long(math.MaxInt64)

// contextOf builds what the rules look at, and nothing else. An attribute
// that has no value here is left out: the rule that needs it fails, and so
// forbids or does not approve.
func (s *Set) contextOf(q *Query, c *cell, duration time.Duration) types.Record {
	m := make(types.RecordMap, len(s.attrs.context))
	for name := range s.attrs.context {
		switch name {
		case "duration":
			m[name] = types.Long(duration / time.Second)
		case "reason":
			m[name] = types.String(q.Reason)
		case "env":
			m[name] = types.String(c.account.Env)
		case "mfa_age":
			m[name] = mfaAge(q)
		case "hour":
			m[name] = types.Long(q.Now.UTC().Hour())
		case "weekday":
			m[name] = types.Long((int(q.Now.UTC().Weekday())+6)%7 + 1)
		case "now":
			m[name] = types.NewDatetime(q.Now)
		case "held", "held_envs":
			if q.Held != nil {
				m[name] = s.held(q, c, name == "held_envs")
			}
		case "ip":
			if addr, err := netip.ParseAddr(q.Addr); err == nil {
				addr = addr.Unmap().WithZone("")
				m[name] = types.IPAddr(netip.PrefixFrom(addr, addr.BitLen()))
			}
		}
	}
	return types.NewRecord(m)
}

// mfaAge is the age of the proof in whole seconds, rounded up. One from more
// than 30 s in the future counts as none, as in [brevet.Rung.Met].
func mfaAge(q *Query) types.Long {
	age := q.Now.Sub(q.MFA)
	if q.MFA.IsZero() || age < -30*time.Second {
		return never
	}
	return types.Long((max(0, age) + time.Second - 1) / time.Second)
}

// personOf is the person as Cedar sees them, in their groups. Whether these
// are fresh was judged before.
func personOf(q *Query, want attrs) types.Entity {
	parents := make([]types.EntityUID, len(q.Groups.Names))
	for i, g := range q.Groups.Names {
		parents[i] = types.NewEntityUID("Group", types.String(g))
	}
	e := types.Entity{UID: types.NewEntityUID("Person", types.String(q.Handle)), Parents: types.NewEntityUIDSet(parents...)}
	if want.handle {
		e.Attributes = types.NewRecord(types.RecordMap{"handle": types.String(q.Handle)})
	}
	return e
}
