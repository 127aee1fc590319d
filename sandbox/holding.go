package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// holding is what there is in an account: what its stacks made, and what was
// done beside them. It is never changed once it is made.
type holding struct {
	account   brevet.Account
	roles     []*heldRole
	policies  []*heldPolicy // the customer's own
	providers []heldProvider
	users     []*heldUser
	parts     []part // every resource, stack by stack
	rules     []heldRule
}

// part is a resource of a stack, or one that a stack left behind.
type part struct {
	stack.Resource
	region string
	stack  *deployed // nil: left behind
	made   time.Time
}

// heldRole is an IAM role. Its policies by reference, so that a new version
// of one counts at once.
type heldRole struct {
	name, arn, about string
	trust            *iam.Policy
	attached         []string // ARNs
	inline           []stack.NamedPolicy
	boundary         string // ARN; "": none
	max              time.Duration
	made             time.Time
	stack            string // that made it; "": none
}

// heldPolicy is a managed policy of the customer's own.
type heldPolicy struct {
	name, arn string
	versions  []policyVersion // oldest first
	newest    int             // number of the last version that was made
	standard  string          // the version in force
	before    []ruled         // which were in force before, oldest first
	made      time.Time
	stack     string
}

type policyVersion struct {
	id     string // "v1"
	policy *iam.Policy
	made   time.Time
}

// ruled is a version that was in force until a moment.
type ruled struct {
	version policyVersion
	until   time.Time
}

// asOf is h with the policies that were in force at a moment: what services
// know that a change has not reached yet.
func (h *holding) asOf(at time.Time) *holding {
	then := *h
	then.policies = make([]*heldPolicy, len(h.policies))
	for i, p := range h.policies {
		old := *p
		for _, r := range p.before {
			if at.Before(r.until) {
				old.versions, old.standard = []policyVersion{r.version}, r.version.id
				break
			}
		}
		then.policies[i] = &old
	}
	return &then
}

type heldProvider struct {
	arn, url  string // url without scheme
	audiences []string
	thumbs    []string
	made      time.Time
	stack     string
}

// heldUser is an IAM user that was made by a call.
type heldUser struct {
	Name     string
	Keys     []string
	Attached []string
	made     time.Time
}

// Limits of IAM (reference_iam-quotas), in characters without white space.
const (
	longestManaged = 6144
	longestInline  = 10240
	mostAttached   = 10
	mostVersions   = 5
)

// hold puts together what an account holds.
func (a *AWS) hold(account brevet.Account, s saved) (*holding, *fault) {
	h := &holding{account: account}
	var all []*stack.Deployment
	for _, d := range s.Stacks {
		if !d.live() {
			continue
		}
		dep, err := d.deploy(account)
		if err != nil {
			return nil, faultf(validationError, "%s", brevet.AsError(err).Message)
		}
		if dep == nil {
			continue
		}
		all = append(all, dep)
		for _, r := range dep.Resources {
			h.parts = append(h.parts, part{Resource: r, region: d.Region, stack: d, made: d.Made[r.ID]})
		}
	}
	for _, o := range s.Orphans {
		r := stack.Resource{ID: o.ID, Type: o.Type, Physical: o.Physical, Properties: o.Properties}
		h.parts = append(h.parts, part{Resource: r, region: o.Region, made: o.Made})
	}
	if len(all) > 0 {
		installed, err := stack.Install(all...)
		if err != nil {
			return nil, faultf(validationError, "%s", brevet.AsError(err).Message)
		}
		h.take(installed)
	}
	for _, e := range s.Edits {
		h.apply(e) // what no longer has a place does nothing
	}
	h.listen()
	return h, nil
}

// take copies what the stacks made into what edits may change.
func (h *holding) take(in *stack.Installed) {
	for _, r := range in.Roles {
		role := &heldRole{name: r.Name, arn: r.ARN, trust: r.Trust, boundary: r.BoundaryARN, max: r.Max}
		if p, ok := h.part("AWS::IAM::Role", r.Name); ok {
			role.made, role.stack, role.about = p.made, p.stackName(), text(p.Properties["Description"])
		}
		for _, n := range r.Policies {
			if n.ARN != "" {
				role.attached = append(role.attached, n.ARN)
			} else {
				role.inline = append(role.inline, n)
			}
		}
		h.roles = append(h.roles, role)
	}
	for _, m := range in.Managed {
		p, _ := h.part("AWS::IAM::ManagedPolicy", m.ARN)
		h.policies = append(h.policies, &heldPolicy{name: m.Name, arn: m.ARN, made: p.made, stack: p.stackName(),
			versions: []policyVersion{{"v1", m.Policy, p.made}}, newest: 1, standard: "v1"})
	}
	for _, m := range in.Providers {
		if p, ok := h.part("AWS::IAM::OIDCProvider", m.ARN); ok {
			h.providers = append(h.providers, heldProvider{arn: m.ARN, url: strings.TrimPrefix(m.URL, "https://"), audiences: m.Audiences,
				thumbs: texts(p.Properties["ThumbprintList"]), made: p.made, stack: p.stackName()})
		}
	}
}

func (p part) stackName() string {
	if p.stack == nil {
		return ""
	}
	return p.stack.Name
}

// of returns the resources of a type.
func (h *holding) of(kind string) []part {
	var out []part
	for _, p := range h.parts {
		if p.Type == kind {
			out = append(out, p)
		}
	}
	return out
}

// in returns the resources of a type in a region.
func (h *holding) in(kind, region string) []part {
	return slices.DeleteFunc(h.of(kind), func(p part) bool { return p.region != region })
}

// part returns the resource of a type with that physical id.
func (h *holding) part(kind, physical string) (part, bool) {
	for _, p := range h.parts {
		if p.Type == kind && p.Physical == physical {
			return p, true
		}
	}
	return part{}, false
}

func (h *holding) role(name string) *heldRole {
	i := slices.IndexFunc(h.roles, func(r *heldRole) bool { return r.name == name })
	if i < 0 {
		return nil
	}
	return h.roles[i]
}

func (h *holding) policy(arn string) *heldPolicy {
	i := slices.IndexFunc(h.policies, func(p *heldPolicy) bool { return p.arn == arn })
	if i < 0 {
		return nil
	}
	return h.policies[i]
}

func (h *holding) user(name string) *heldUser {
	i := slices.IndexFunc(h.users, func(u *heldUser) bool { return u.Name == name })
	if i < 0 {
		return nil
	}
	return h.users[i]
}

func (p *heldPolicy) version(id string) *policyVersion {
	i := slices.IndexFunc(p.versions, func(v policyVersion) bool { return v.id == id })
	if i < 0 {
		return nil
	}
	return &p.versions[i]
}

// document returns the text of a managed policy, AWS's own or the
// customer's; nil if there is none.
func (h *holding) document(arn string) *iam.Policy {
	if p := h.policy(arn); p != nil {
		return p.version(p.standard).policy
	}
	name, ok := strings.CutPrefix(arn, "arn:"+h.account.Partition()+":iam::aws:policy/")
	if !ok {
		return nil
	}
	found, err := stack.Permissions(h.account, brevet.Role{Policies: []string{name}})
	if err != nil || len(found) != 1 {
		return nil
	}
	return found[0]
}

// permissions returns the identity policies of a role and its boundary.
func (h *holding) permissions(r *heldRole) (identity []*iam.Policy, boundary *iam.Policy) {
	identity = h.documents(r.attached)
	for _, n := range r.inline {
		identity = append(identity, n.Policy)
	}
	if r.boundary != "" {
		if boundary = h.document(r.boundary); boundary == nil {
			boundary = &iam.Policy{Version: iam.Version2012} // a boundary that is gone allows nothing
		}
	}
	return identity, boundary
}

func (h *holding) documents(arns []string) []*iam.Policy {
	var out []*iam.Policy
	for _, arn := range arns {
		if p := h.document(arn); p != nil {
			out = append(out, p)
		}
	}
	return out
}

// text returns a property that is text, a number or a boolean; else "".
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// texts returns a property that is a list of texts.
func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		out = append(out, text(item))
	}
	return out
}

func number(v any) int {
	n, _ := strconv.ParseFloat(text(v), 64)
	return int(n)
}

func mapping(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// mappings returns a property that is a list of mappings.
func mappings(v any) []map[string]any {
	list, _ := v.([]any)
	var out []map[string]any
	for _, item := range list {
		out = append(out, mapping(item))
	}
	return out
}

// document reads a policy out of a property, a mapping or text; nil if it is
// none.
func document(v any) *iam.Policy {
	raw, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			return nil
		}
		raw = string(b)
	}
	p, err := iam.Parse([]byte(raw))
	if err != nil {
		return nil
	}
	return p
}
