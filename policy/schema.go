package policy

import (
	_ "embed"
	"sync"

	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// Schema is the Cedar schema that guardrails and automatic approval are
// checked against.
//
//go:embed brevet.cedarschema
var Schema string

// request is the only action there is.
var request = types.NewEntityUID("Action", "request")

// validator is made on first use: programs that never compile a policy pay
// nothing for it.
var validator = sync.OnceValue(func() *validate.Validator {
	var s schema.Schema
	if err := s.UnmarshalCedar([]byte(Schema)); err != nil {
		panic("policy: schema: " + err.Error())
	}
	r, err := s.Resolve()
	if err != nil {
		panic("policy: schema: " + err.Error())
	}
	return validate.New(r)
})

// attrs is what a Cedar policy looks at.
type attrs struct {
	context map[types.String]bool
	handle  bool // of the person
}

func (a *attrs) add(o attrs) {
	if a.context == nil {
		a.context = map[types.String]bool{}
	}
	for name := range o.context {
		a.context[name] = true
	}
	a.handle = a.handle || o.handle
}

// contextNames is every attribute of the context.
var contextNames = []types.String{"duration", "reason", "env", "mfa_age", "hour", "weekday", "now", "ip", "held", "held_envs"}

// looks walks a policy and returns what it looks at, and every entity that it
// names.
func looks(p *ast.Policy) (attrs, []types.EntityUID) {
	a := attrs{context: map[types.String]bool{}}
	uids := append(scopeEntities(p.Principal), scopeEntities(p.Resource)...)
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool { return a.visit(n, &uids) })
	}
	return a, uids
}

// visit notes one node; it returns false where its children are known.
func (a *attrs) visit(n ast.IsNode, uids *[]types.EntityUID) bool {
	switch n := n.(type) {
	case ast.NodeTypeAccess:
		return a.attr(n.StrOpNode)
	case ast.NodeTypeHas:
		return a.attr(n.StrOpNode)
	case ast.NodeTypeVariable:
		if n.Name == "context" { // as a whole
			for _, name := range contextNames {
				a.context[name] = true
			}
		}
	case ast.NodeValue:
		if uid, ok := n.Value.(types.EntityUID); ok {
			*uids = append(*uids, uid)
		}
	}
	return true
}

func (a *attrs) attr(n ast.StrOpNode) bool {
	a.handle = a.handle || n.Value == "handle"
	if v, ok := n.Arg.(ast.NodeTypeVariable); ok && v.Name == "context" {
		a.context[n.Value] = true
		return false
	}
	return true
}

// scopeEntities returns the entities that one part of a policy's head names.
func scopeEntities(n ast.IsScopeNode) []types.EntityUID {
	switch n := n.(type) {
	case ast.ScopeTypeEq:
		return []types.EntityUID{n.Entity}
	case ast.ScopeTypeIn:
		return []types.EntityUID{n.Entity}
	case ast.ScopeTypeIsIn:
		return []types.EntityUID{n.Entity}
	}
	return nil
}
