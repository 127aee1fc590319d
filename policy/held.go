package policy

import (
	"cmp"

	"github.com/cedar-policy/cedar-go/types"

	"github.com/brevet-access/brevet"
)

// LooksAtHeld reports whether any Cedar rule asks what a person holds already,
// so that a query without Held is refused or not approved by it.
func (s *Set) LooksAtHeld() bool {
	return s != nil && (s.attrs.context["held"] || s.attrs.context["held_envs"])
}

// held is what the person holds beside the role that q asks for: targets, or
// the environments of their accounts. An account that has left the catalog is
// named by its number and has no environment.
func (s *Set) held(q *Query, c *cell, envs bool) types.Set {
	var out []types.Value
	for _, h := range q.Held {
		if h.Account == c.account.ID && h.Role == c.role.Name {
			continue
		}
		name, env := string(h.Account), ""
		if a, ok := s.accounts[h.Account]; ok {
			name, env = cmp.Or(a.Name, name), a.Env
		}
		if envs {
			out = append(out, types.String(env))
		} else {
			out = append(out, types.String(brevet.Target{Account: name, Role: h.Role}.String()))
		}
	}
	return types.NewSet(out...)
}
