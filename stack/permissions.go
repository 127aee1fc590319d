package stack

import (
	"embed"
	"strings"
	"sync"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// The documents of AWS's managed policies; managed/README.md says where they
// come from.
//
//go:embed managed/*.json managed/job-function/*.json
var managed embed.FS

// Permissions returns what a role may do: the documents of its managed
// policies in their order, then its inline one. The result is shared between
// calls and must not be changed. The error is of kind [brevet.Invalid] and
// names the policy that is not known or cannot be read.
func Permissions(account brevet.Account, role brevet.Role) ([]*iam.Policy, error) {
	var out []*iam.Policy
	for _, name := range role.Policies {
		p, err := managedPolicy(account.Partition(), name)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if len(role.Inline) > 0 {
		p, err := inlinePolicy(role)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// known keeps the managed policies that were read, by partition and name.
var known sync.Map

// managedPolicy reads a managed policy. The ARNs in it are those of the
// commercial partition; elsewhere AWS has the same documents with its own.
func managedPolicy(partition, name string) (*iam.Policy, error) {
	key := partition + " " + name
	if p, ok := known.Load(key); ok {
		return p.(*iam.Policy), nil
	}
	text, err := managed.ReadFile("managed/" + name + ".json")
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "%q is not an AWS managed policy that brevet knows", brevet.Printable(name)).
			WithHint("write its document as the role's inline policy").WithCause(err)
	}
	doc := string(text)
	if partition != "aws" {
		doc = strings.ReplaceAll(doc, `"arn:aws:`, `"arn:`+partition+`:`)
	}
	p, err := iam.Parse([]byte(doc))
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the managed policy %s cannot be read", name).WithCause(err)
	}
	first, _ := known.LoadOrStore(key, p)
	return first.(*iam.Policy), nil
}

func inlinePolicy(role brevet.Role) (*iam.Policy, error) {
	p, err := iam.Parse(role.Inline)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "inline policy of role %s: %s", role.Name, err).WithCause(err)
	}
	for _, s := range p.Statements {
		switch {
		case s.Principal != nil || s.NotPrincipal != nil:
			return nil, brevet.Errorf(brevet.Invalid, "inline policy of role %s: a principal has no place in it", role.Name)
		case len(s.Resource) == 0 && len(s.NotResource) == 0:
			return nil, brevet.Errorf(brevet.Invalid, "inline policy of role %s: a statement names no resource", role.Name)
		}
	}
	return p, nil
}
