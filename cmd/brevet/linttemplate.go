package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// home is the account that a template is deployed to where none was said.
const home = "111122223333"

// template judges every policy of a CloudFormation template: with its
// parameters as they are by default, and then with each of their other values
// that the template lists.
func (r *lintReport) template(ask linting, name string, text []byte) error {
	t, err := stack.ReadTemplate(name, text)
	if err != nil {
		return brevet.AsError(err).WithHint("a file is a policy (a JSON object with Statement) or a CloudFormation template")
	}
	account := cmp.Or(ask.account, home)
	place := stack.Place{Partition: "aws", Account: account, Region: "eu-west-1", Stack: "lint"}
	seen := map[string]bool{}
	for i, parameters := range variants(t, ask.parameters, account) {
		d, err := t.Deploy(place, parameters)
		if err != nil && i == 0 {
			return brevet.AsError(err).WithHint("--parameter NAME=VALUE gives a parameter its value")
		}
		if err != nil {
			continue // two values that exclude each other
		}
		if err := r.deployed(ask, name, d, seen); err != nil {
			return err
		}
	}
	return nil
}

// variants are the sets of parameters to try: the first has every default.
func variants(t *stack.Template, given map[string]string, account string) []map[string]string {
	usual := maps.Clone(given)
	if usual == nil {
		usual = map[string]string{}
	}
	for _, p := range t.Parameters {
		if _, ok := usual[p.Name]; !ok && !p.HasDefault {
			usual[p.Name] = madeUp(p, account)
		}
	}
	out := []map[string]string{usual}
	for _, p := range t.Parameters {
		if _, ok := given[p.Name]; ok {
			continue
		}
		for _, v := range p.Allowed {
			one := maps.Clone(usual)
			one[p.Name] = v
			out = append(out, one)
		}
	}
	return out
}

// madeUp is a value for a parameter that has no default.
func madeUp(p stack.Parameter, account string) string {
	switch {
	case len(p.Allowed) > 0:
		return p.Allowed[0]
	case p.Type == "Number":
		return "1"
	case strings.Contains(strings.ToLower(p.Name), "account"):
		return account
	case strings.Contains(strings.ToLower(p.Name), "arn"):
		return "arn:aws:iam::" + account + ":role/" + p.Name
	}
	return strings.ToLower(p.Name)
}

// deployed judges the policies of one deployment; those that were seen
// before, as they are, not again.
func (r *lintReport) deployed(ask linting, file string, d *stack.Deployment, seen map[string]bool) error {
	boundaries := map[string]bool{}
	for _, res := range d.Resources {
		if arn, ok := res.Properties["PermissionsBoundary"].(string); ok {
			boundaries[arn] = true
		}
	}
	for _, res := range d.Resources {
		found := &policies{resource: res, boundary: boundaries[res.Physical]}
		found.walk("Resources."+res.ID+".Properties", res.Properties)
		if found.err != nil {
			return brevet.Errorf(brevet.Invalid, "%s:%d: %s", file, res.Line, found.err).WithHint("AWS would refuse this policy too")
		}
		for _, p := range found.list {
			key := p.path + " " + p.policy.String()
			if seen[key] {
				continue
			}
			seen[key] = true
			kind := p.kind
			if ask.kind != "" {
				kind = iam.PolicyKind(ask.kind)
			}
			r.policy(file, res.Line, p.path, kind, d.Account, p.policy)
			if res.Type == "AWS::IAM::Role" && kind == iam.TrustPolicy {
				r.keep(file, res.Line, p.path, iam.Linter{Account: d.Account}.LintRole(p.policy, useOf(res.Properties)))
			}
		}
	}
	return nil
}

// useOf reads what a role is attached to and how long its sessions are.
func useOf(properties map[string]any) iam.RoleUse {
	var use iam.RoleUse
	managed, _ := properties["ManagedPolicyArns"].([]any)
	for _, m := range managed {
		if arn, ok := m.(string); ok {
			use.Managed = append(use.Managed, arn)
		}
	}
	if seconds, err := strconv.Atoi(fmt.Sprint(properties["MaxSessionDuration"])); err == nil {
		use.Longest = time.Duration(seconds) * time.Second
	}
	return use
}

// policies is the search for policies in one resource.
type policies struct {
	resource stack.Resource
	boundary bool // the resource is a permissions boundary
	list     []placed
	err      error
}

// placed is a policy and where it stands.
type placed struct {
	path   string
	kind   iam.PolicyKind
	policy *iam.Policy
}

// walk looks for policies: mappings with statements, and texts that are JSON
// of such.
func (p *policies) walk(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if isPolicy(v) {
			p.take(path, v)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			p.walk(path+"."+key, v[key])
		}
	case []any:
		for i, item := range v {
			p.walk(path+"["+strconv.Itoa(i)+"]", item)
		}
	case string:
		var in map[string]any
		if strings.HasPrefix(strings.TrimSpace(v), "{") && json.Unmarshal([]byte(v), &in) == nil && isPolicy(in) {
			p.take(path, in)
		}
	}
}

// isPolicy reports whether a mapping has statements with effects.
func isPolicy(m map[string]any) bool {
	list, ok := m["Statement"].([]any)
	if !ok {
		list = []any{m["Statement"]}
	}
	for _, s := range list {
		statement, ok := s.(map[string]any)
		if _, has := statement["Effect"]; !ok || !has {
			return false
		}
	}
	return len(list) > 0
}

func (p *policies) take(path string, v map[string]any) {
	text, err := json.Marshal(v)
	if err == nil {
		var policy *iam.Policy
		if policy, err = iam.Parse(text); err == nil {
			p.list = append(p.list, placed{path, p.kind(path), policy})
		}
	}
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("%s: %w", path, err)
	}
}

// kind tells by the type of the resource what a policy is for.
func (p *policies) kind(path string) iam.PolicyKind {
	switch {
	case strings.Contains(path, ".AssumeRolePolicyDocument"):
		return iam.TrustPolicy
	case p.boundary:
		return iam.BoundaryPolicy
	case p.resource.Type == "AWS::Organizations::Policy":
		return iam.ControlPolicy
	case strings.HasPrefix(p.resource.Type, "AWS::IAM::"), p.resource.Type == "AWS::SSO::PermissionSet":
		return iam.IdentityPolicy
	}
	return iam.ResourcePolicy
}
