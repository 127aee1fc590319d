package stack

import (
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
)

// rungs lengthens the list of rungs that a trust policy admits.
func (m *mutator) rungs(n *node) {
	if n.kind != listNode && n.kind != scalarNode {
		return
	}
	var have []string
	for _, item := range append([]*node{n}, n.items...) {
		if s, ok := item.plainText(); ok {
			have = append(have, s)
		}
	}
	for _, rung := range brevet.Rungs {
		if !slices.Contains(have, string(rung)) {
			m.add(replaced(n, listOf(append(have, string(rung))...), "the rung "+string(rung)+" added"))
			break
		}
	}
	if urgent := string(brevet.RungBreakGlass); len(have) > 0 && !slices.Contains(have, urgent) {
		m.add(replaced(n, listOf(append(have, urgent)...), "the rung "+urgent+" added"))
	}
	if len(n.items) > 1 {
		for i := range n.items {
			m.add(dropped(n, i, "rung dropped"))
		}
	}
}

// sameAs says why a mutant may go unnoticed, "" if it must not. Each reason
// is one that a reader can check; a new one wants a better claim first.
func (m *mutator) sameAs(e edit) string {
	switch {
	case e.change == changeEverybody && strings.Contains(e.at.path, "AssumeRolePolicyDocument") && m.namesCaller(e.at):
		return "the condition on aws:PrincipalArn still admits one role alone, and its ARN holds its account"
	case e.change == "resource dropped" && m.provider() == "" && strings.Contains(e.at.written(), ":oidc-provider/"):
		return "the account is entered by AssumeRole, so there is no such provider"
	}
	return ""
}

// namesCaller reports whether the statement that n belongs to admits a caller
// by its ARN.
func (m *mutator) namesCaller(n *node) bool {
	for _, d := range m.t.resources {
		for _, s := range statementsOf(d.props) {
			if s.field("Principal") != nil && s.field("Principal").path == n.path {
				return s.field("Condition").field("ArnEquals").field("aws:PrincipalArn") != nil
			}
		}
	}
	return false
}

// provider is the logical id of the template's identity provider.
func (m *mutator) provider() string {
	for id, d := range m.t.resources {
		if d.kind == "AWS::IAM::OIDCProvider" {
			return id
		}
	}
	return ""
}

// statementsOf finds the statements of every policy below n.
func statementsOf(n *node) []*node {
	if n == nil {
		return nil
	}
	if s := n.field("Statement"); s != nil {
		if s.kind == mappingNode {
			return []*node{s}
		}
		return s.items
	}
	var out []*node
	for _, item := range n.items {
		out = append(out, statementsOf(item)...)
	}
	return out
}

// written is the text of a scalar or of the argument of a call.
func (n *node) written() string {
	if n.kind == callNode {
		n = n.items[0]
	}
	s, _ := asText(n.value)
	return s
}
