package policy

import (
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/brevet-access/brevet"
)

// Path is a way to a role on which no second person has a say.
type Path struct {
	Who    string // a person, "group NAME" or "rota NAME"
	Target string // ACCOUNT/ROLE
	By     string // "entitlement NAME", or "policy ID" where Cedar approves
	OnUse  bool   // it opens by itself
	Shouts bool   // it is for emergencies: it tells everybody, and is reviewed
}

// Standing lists every way in which somebody reaches a role in accounts of
// env without a second person, in the order of targets. A guardrail closes a
// way only if it forbids it whatever is asked, by whom of those, and when; a
// rule of automatic approval opens one whatever it looks at. So nothing is
// missing in the list, and some of it may be narrower than it looks.
func (s *Set) Standing(env string) []Path {
	if s == nil {
		return nil
	}
	var out []Path
	for _, c := range s.targets {
		if c.account.Env != env {
			continue
		}
		target := brevet.Target{Account: c.account.Name, Role: c.role.Name}.String()
		for _, r := range slices.Concat(c.rules, c.urgent) {
			by := r.alone(c)
			if by == "" {
				continue
			}
			for _, who := range subjectsOf(r.Who) {
				if !c.shut(who) {
					out = append(out, Path{Who: who.name, Target: target, By: by, OnUse: r.approval.Automatic && r.Activate == brevet.OnUse && r.BreakGlass == nil, Shouts: r.BreakGlass != nil})
				}
			}
		}
	}
	return out
}

// alone names what lets people have the role by themselves under the rule; ""
// where somebody else decides.
func (r *rule) alone(c *cell) string {
	if r.approval.Automatic || r.BreakGlass != nil {
		return "entitlement " + r.Name
	}
	if len(c.cedar.permit) > 0 && c.approval(brevet.Approval{Automatic: true}).Automatic {
		return "policy " + c.cedar.permit[0].id + ", with entitlement " + r.Name
	}
	return ""
}

// subject is one person, group or rota, as Cedar sees somebody of whom no more
// is known.
type subject struct {
	name   string
	entity types.Entity
}

func subjectsOf(who brevet.Subjects) (out []subject) {
	for _, h := range who.People {
		out = append(out, subject{string(h), types.Entity{UID: types.NewEntityUID("Person", types.String(h))}})
	}
	anybody := types.NewEntityUID("Person", "")
	for _, g := range who.Groups {
		out = append(out, subject{"group " + g, types.Entity{UID: anybody, Parents: types.NewEntityUIDSet(types.NewEntityUID("Group", types.String(g)))}})
	}
	for _, r := range who.Rotas {
		out = append(out, subject{"rota " + r, types.Entity{UID: anybody}})
	}
	return out
}

// shut reports whether a guardrail forbids the role to all of who, always.
func (c *cell) shut(who subject) bool {
	always := slices.DeleteFunc(slices.Clone(c.cedar.forbid), func(r *cedarRule) bool { return r.depends() })
	if len(always) == 0 {
		return false
	}
	_, d := cedar.Authorize(always, &known{who.entity, c.cedar.resource}, cedar.Request{Principal: who.entity.UID, Action: request, Resource: c.cedar.resource.UID})
	return len(d.Reasons) > 0
}

// depends reports whether what the policy says depends on more than the head
// and the role: on who of a group asks, or on what, when and from where.
func (r *cedarRule) depends() bool {
	found := false
	for _, c := range r.AST().Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			if v, ok := n.(ast.NodeTypeVariable); ok && (v.Name == "principal" || v.Name == "context") {
				found = true
			}
			return !found
		})
	}
	return found
}
