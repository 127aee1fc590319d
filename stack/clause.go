package stack

import (
	"slices"

	"github.com/brevet-access/brevet/iam"
)

// clause is a statement of a policy with what a reader of the template should
// know about it.
type clause struct {
	why string // a comment of one or more lines; "": none
	iam.Statement
}

// policyOf puts clauses together.
func policyOf(clauses []clause) *iam.Policy {
	p := &iam.Policy{Version: iam.Version2012}
	for _, c := range clauses {
		p.Statements = append(p.Statements, c.Statement)
	}
	return p
}

// plain makes clauses of a policy that needs no comment.
func plain(p *iam.Policy) []clause {
	var out []clause
	for _, s := range p.Statements {
		out = append(out, clause{Statement: s})
	}
	return out
}

var everything = []string{"*"}

// deny is a Deny of actions on everything, unless it is told otherwise.
func deny(sid string, actions ...string) iam.Statement {
	return iam.Statement{Sid: sid, Effect: iam.EffectDeny, Action: actions, Resource: everything}
}

func when(operator, key string, values ...string) iam.Condition {
	return iam.Condition{Operator: operator, Key: key, Values: values}
}

// arn is the ARN of something in the account, in its region or in any.
func (n names) arn(service, region, rest string) string {
	return "arn:" + n.partition + ":" + service + ":" + region + ":" + n.account + ":" + rest
}

// each adds a service's prefix to the names of its actions.
func each(service string, actions ...string) []string {
	out := make([]string, len(actions))
	for i, a := range actions {
		out[i] = service + ":" + a
	}
	return out
}

func join(lists ...[]string) []string { return slices.Concat(lists...) }
