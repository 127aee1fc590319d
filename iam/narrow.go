package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Piece is a part of what a role may do, as a person names it: actions, and
// what they may be used on. Without Resources that is whatever the role may
// use them on.
type Piece struct {
	Actions   []string // service:Name, with wildcards in the name
	Resources []string // ARNs, "*", or names such as a bucket's
}

// Home is where names without account and region are at home.
type Home struct {
	Partition string // "aws"
	Account   string // twelve digits
	Region    string
}

// Bounds on what a person names.
const (
	maxScopeText = 8 << 10 // bytes of one text
	maxPieces    = 100
	maxResource  = 1100 // bytes of one resource; keys of S3 objects have up to 1024
)

// ParsePieces reads what a person names as action[@resource], with commas
// between. A resource holds for the actions before it that have none yet; an
// action may be followed by several:
//
//	s3:ListBucket,s3:GetObject@logs            both on the bucket logs
//	dynamodb:GetItem@orders,@orders-archive    on two tables
//	s3:GetObject@logs/2026/*,ec2:Describe*     the second on whatever the role may
func ParsePieces(text string) ([]Piece, error) {
	if len(text) > maxScopeText {
		return nil, fmt.Errorf("%d bytes are too many; at most %d", len(text), maxScopeText)
	}
	var out []Piece
	var open Piece // whose resources may be yet to come
	for item := range strings.SplitSeq(text, ",") {
		action, resource, on := strings.Cut(strings.TrimSpace(item), "@")
		if action != "" && len(open.Resources) > 0 {
			out, open = append(out, open), Piece{}
		}
		if action != "" {
			if err := pieceAction(action); err != nil {
				return nil, err
			}
			open.Actions = append(open.Actions, action)
		}
		switch {
		case on && len(open.Actions) == 0:
			return nil, fmt.Errorf("%s stands there without an action", quote("@"+resource))
		case on:
			if err := pieceResource(resource); err != nil {
				return nil, err
			}
			open.Resources = append(open.Resources, resource)
		case action == "":
			return nil, fmt.Errorf("an action is missing between two commas; write it as s3:GetObject@BUCKET")
		}
	}
	if out = append(out, open); len(out) > maxPieces {
		return nil, fmt.Errorf("%d pieces are too many; at most %d", len(out), maxPieces)
	}
	return out, nil
}

// pieceAction takes service:Name of a service that there is. A wildcard for
// the service would narrow nothing that a person can picture.
func pieceAction(s string) error {
	service, name, _ := strings.Cut(s, ":")
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !letter(r) && (r < '0' || r > '9') && r != '*' && r != '?' }) {
		return fmt.Errorf("%s is not an action; write it as s3:GetObject", quote(s))
	}
	if !knownServices()[strings.ToLower(service)] {
		return fmt.Errorf("%s: there is no service %s", quote(s), quote(service))
	}
	return nil
}

func letter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// pieceResource takes printable ASCII without what would end a text or start
// a variable.
func pieceResource(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("a resource is missing after @; write it as s3:GetObject@BUCKET")
	case len(s) > maxResource:
		return fmt.Errorf("a resource of %d bytes is too long; at most %d", len(s), maxResource)
	case strings.Contains(s, "${"):
		return fmt.Errorf("%s holds a variable; write ? in the place of the $ if it is one of the name", quote(s))
	}
	for _, r := range s {
		if r <= ' ' || r > '~' || r == '"' || r == '\\' || r == '@' {
			return fmt.Errorf("%s: the character %q cannot stand in a resource; write ? in its place", quote(s), r)
		}
	}
	return nil
}

// Narrow returns a session policy that allows the actions of the pieces on
// their resources and nothing else. As AWS takes the intersection of a role's
// policies with a session policy, it cannot add to the role. Names become ARNs
// in home, as the action needs them: s3:ListBucket on a bucket, s3:GetObject on
// what is in it.
func Narrow(pieces []Piece, home Home) (*Policy, error) {
	p := &Policy{Version: Version2012}
	if len(pieces) == 0 {
		return nil, fmt.Errorf("no action is named")
	}
	for _, piece := range pieces {
		for _, action := range piece.Actions {
			if err := pieceAction(action); err != nil {
				return nil, err
			}
			resources, err := home.resources(action, piece.Resources)
			if err != nil {
				return nil, err
			}
			p.allow(action, resources)
		}
	}
	if _, err := p.MarshalJSON(); err != nil {
		return nil, err
	}
	return p, nil
}

// allow adds an action to the statement about the same resources.
func (p *Policy) allow(action string, resources []string) {
	i := slices.IndexFunc(p.Statements, func(s Statement) bool { return slices.Equal(s.Resource, resources) })
	if i < 0 {
		p.Statements = append(p.Statements, Statement{Effect: EffectAllow, Action: []string{action}, Resource: resources})
		return
	}
	s := &p.Statements[i]
	if !slices.ContainsFunc(s.Action, func(a string) bool { return strings.EqualFold(a, action) }) {
		s.Action = append(s.Action, action)
	}
}

// resources turns what a person wrote into sorted ARNs for one action.
func (h Home) resources(action string, written []string) ([]string, error) {
	if len(written) == 0 {
		return []string{"*"}, nil
	}
	var out []string
	for _, s := range written {
		if err := pieceResource(s); err != nil {
			return nil, err
		}
		arns, err := h.resource(action, s)
		if err != nil {
			return nil, err
		}
		out = append(out, arns...)
	}
	slices.Sort(out)
	if out = slices.Compact(out); slices.Contains(out, "*") {
		return []string{"*"}, nil
	}
	return out, nil
}

func (h Home) resource(action, s string) ([]string, error) {
	service, name, _ := strings.Cut(action, ":")
	service = strings.ToLower(service)
	switch {
	case s == "*":
		return []string{"*"}, nil
	case !strings.HasPrefix(s, "arn:"):
		return h.named(service, name, s)
	}
	parts := strings.SplitN(s, ":", 6)
	if len(parts) < 6 || parts[5] == "" {
		return nil, fmt.Errorf("%s is not an ARN: arn:%s:SERVICE:REGION:ACCOUNT:RESOURCE", quote(s), h.Partition)
	}
	if parts[1] != h.Partition {
		return nil, fmt.Errorf("%s is in partition %s, and the account is in %s", quote(s), quote(parts[1]), quote(h.Partition))
	}
	if parts[2] == "s3" && parts[3] == "" && parts[4] == "" && service == "s3" {
		return h.bucket(name, parts[5])
	}
	h.fill(parts)
	return []string{strings.Join(parts, ":")}, nil
}

// fill puts the account and the region into an ARN that leaves them out where
// its service's ARNs have them.
func (h Home) fill(parts []string) {
	switch parts[2] {
	case "iam", "sts":
		if parts[4] == "" {
			parts[4] = h.Account
		}
	case "dynamodb", "sqs", "sns", "lambda", "secretsmanager", "ssm", "ec2", "logs", "kms", "rds", "ecr", "kinesis", "states", "ecs":
		if parts[3] == "" {
			parts[3] = h.Region
		}
		if parts[4] == "" {
			parts[4] = h.Account
		}
	}
}

// Words says for people what a policy made by [Narrow] allows, one line a
// statement: "s3:GetObject on arn:aws:s3:::logs/*".
func (p *Policy) Words() []string {
	var out []string
	for _, s := range p.Statements {
		line := strings.Join(append(slices.Clone(s.Action), notAll(s.NotAction)...), ", ") + " on " + strings.Join(append(slices.Clone(s.Resource), notAll(s.NotResource)...), ", ")
		if slices.Equal(s.Resource, []string{"*"}) {
			line = strings.Join(append(slices.Clone(s.Action), notAll(s.NotAction)...), ", ") + " on whatever the role may"
		}
		if s.Effect == EffectDeny {
			line = "never " + line
		}
		if len(s.Conditions) > 0 {
			line += ", under conditions"
		}
		out = append(out, line)
	}
	return out
}

func notAll(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return []string{"all but " + strings.Join(list, ", ")}
}
