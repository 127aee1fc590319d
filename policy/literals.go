package policy

import (
	"fmt"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/brevet-access/brevet"
)

// spoken names what an attribute of Cedar's context or of a role holds, where
// the catalog says what there is.
var spoken = map[[2]types.String]string{
	{"context", "held"}: "target", {"context", "held_envs"}: "environment", {"context", "env"}: "environment",
	{"resource", "role"}: "role", {"resource", "account"}: "account", {"resource", "number"}: "account number",
	{"resource", "customer"}: "customer", {"resource", "env"}: "environment",
}

// texts is the texts that such an attribute can hold, by what they are.
func texts(r Rules) map[string]map[types.String]bool {
	all := map[string]map[types.String]bool{}
	add := func(what, text string) {
		if all[what] == nil {
			all[what] = map[types.String]bool{}
		}
		all[what][types.String(text)] = true
	}
	add("environment", "")
	for i := range r.Accounts {
		a := &r.Accounts[i]
		add("environment", a.Env)
		add("account", a.Name)
		add("account number", string(a.ID))
		for _, role := range r.Roles[a.ID] {
			add("role", string(role.Name))
			add("target", brevet.Target{Account: a.Name, Role: role.Name}.String())
		}
	}
	for _, c := range r.Customers {
		add("customer", c.Name)
	}
	return all
}

// misspelt returns why a policy compares an attribute with a text that it can
// never hold: such a guardrail would guard nothing, and nobody would notice.
func (w *world) misspelt(p *ast.Policy) (err error) {
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			sides, ok := compared(n)
			if !ok || err != nil {
				return err == nil
			}
			for i, side := range sides {
				for _, text := range literals(sides[1-i]) {
					if what := attributeOf(side); what != "" && !w.known[what][text] {
						err = fmt.Errorf("the catalog knows no %s %q, so the comparison is always the same", what, brevet.Printable(string(text)))
					}
				}
			}
			return true
		})
	}
	return err
}

// compared returns both sides of a comparison of texts, or of sets of them.
func compared(n ast.IsNode) (sides [2]ast.IsNode, ok bool) {
	switch n := n.(type) {
	case ast.NodeTypeEquals:
		return [2]ast.IsNode{n.Left, n.Right}, true
	case ast.NodeTypeNotEquals:
		return [2]ast.IsNode{n.Left, n.Right}, true
	case ast.NodeTypeContains:
		return [2]ast.IsNode{n.Left, n.Right}, true
	case ast.NodeTypeContainsAll:
		return [2]ast.IsNode{n.Left, n.Right}, true
	case ast.NodeTypeContainsAny:
		return [2]ast.IsNode{n.Left, n.Right}, true
	}
	return sides, false
}

// attributeOf says what the attribute holds that n is; "" if it is none of
// which the catalog knows. It may stand in a set.
func attributeOf(n ast.IsNode) string {
	switch n := n.(type) {
	case ast.NodeTypeAccess:
		if v, ok := n.Arg.(ast.NodeTypeVariable); ok {
			return spoken[[2]types.String{v.Name, n.Value}]
		}
	case ast.NodeTypeSet:
		for _, e := range n.Elements {
			if what := attributeOf(e); what != "" {
				return what
			}
		}
	}
	return ""
}

// literals returns the texts that n may be or hold, as they are written.
func literals(n ast.IsNode) (out []types.String) {
	switch n := n.(type) {
	case ast.NodeValue:
		switch v := n.Value.(type) {
		case types.String:
			return []types.String{v}
		case types.Set:
			for e := range v.All() {
				if text, ok := e.(types.String); ok {
					out = append(out, text)
				}
			}
		}
	case ast.NodeTypeSet:
		for _, e := range n.Elements {
			out = append(out, literals(e)...)
		}
	case ast.NodeTypeIfThenElse:
		out = append(literals(n.Then), literals(n.Else)...)
	}
	return out
}
