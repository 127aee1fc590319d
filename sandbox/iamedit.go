package sandbox

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// edit is a call that changed IAM beside the stacks. The edits are done again
// over what the stacks made whenever that changes, so a stack's update leaves
// them, as it does on AWS.
type edit struct {
	Action string            `json:"action"`
	Params map[string]string `json:"params"`
	Made   string            `json:"made,omitempty"` // an id that the call made up
	At     time.Time         `json:"at"`
}

// conflict and the like are errors of IAM.
var (
	entityExists   = faultKind{"EntityAlreadyExists", 409, "ResourceConflictException", "", 0}
	deleteConflict = faultKind{"DeleteConflict", 409, "ResourceConflictException", "", 0}
	limitExceeded  = faultKind{"LimitExceeded", 409, "LimitExceededException", "", 0}
)

var iamName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

// iamEdits are the calls that change IAM.
var iamEdits = map[string]func(h *holding, e edit) *fault{
	"CreateRole":                    (*holding).createRole,
	"DeleteRole":                    (*holding).deleteRole,
	"UpdateAssumeRolePolicy":        (*holding).updateTrust,
	"AttachRolePolicy":              (*holding).attachRolePolicy,
	"DetachRolePolicy":              (*holding).detachRolePolicy,
	"PutRolePolicy":                 (*holding).putRolePolicy,
	"DeleteRolePolicy":              (*holding).deleteRolePolicy,
	"PutRolePermissionsBoundary":    (*holding).putBoundary,
	"DeleteRolePermissionsBoundary": (*holding).dropBoundary,
	"CreatePolicyVersion":           (*holding).createVersion,
	"SetDefaultPolicyVersion":       (*holding).setVersion,
	"DeletePolicyVersion":           (*holding).deleteVersion,
	"CreateUser":                    (*holding).createUser,
	"AttachUserPolicy":              (*holding).attachUserPolicy,
	"CreateAccessKey":               (*holding).createKey,
	"DeleteOpenIDConnectProvider":   (*holding).deleteProvider,
}

func (h *holding) apply(e edit) *fault { return iamEdits[e.Action](h, e) }

// editIAM carries out a call that changes IAM.
func editIAM(a *AWS, c *call) (any, *fault) {
	e := edit{Action: c.action, Params: map[string]string{}, At: c.now}
	for name := range c.params {
		if name != "Action" && name != "Version" && !strings.HasPrefix(name, "X-Amz-") {
			e.Params[name] = c.param(name)
		}
	}
	if c.action == "CreateAccessKey" {
		e.Made = accessKeyID([]byte(randomText(10)))
		if e.Params["UserName"] == "" {
			e.Params["UserName"] = c.who.User
		}
	}
	f := a.change(c.account, func(s *saved) *fault {
		h, f := a.hold(c.account, *s)
		if f == nil {
			f = h.apply(e)
		}
		s.Edits = append(s.Edits, e)
		return f
	})
	if f != nil {
		return nil, f
	}
	return a.edited(c, e)
}

// edited is the answer to a change.
func (a *AWS) edited(c *call, e edit) (any, *fault) {
	switch c.action {
	case "CreateRole":
		return getRole(a, c)
	case "CreateUser":
		name := e.Params["UserName"]
		return struct{ User iamUser }{iamUser{"/", name, userID(c.account.ID, name), c.iamARN("user/" + name), stamp(c.now)}}, nil
	case "CreateAccessKey":
		user := e.Params["UserName"]
		return struct {
			AccessKey struct{ UserName, AccessKeyId, Status, SecretAccessKey, CreateDate string }
		}{struct{ UserName, AccessKeyId, Status, SecretAccessKey, CreateDate string }{user, e.Made, "Active", a.userSecret(c.account.ID, user, e.Made), stamp(c.now)}}, nil
	case "CreatePolicyVersion":
		_, h, f := a.holding(c.account)
		if f != nil {
			return nil, f
		}
		p := h.policy(e.Params["PolicyArn"])
		v := p.versions[len(p.versions)-1]
		return struct{ PolicyVersion iamVersion }{p.describe(v, false)}, nil
	}
	return struct{}{}, nil
}

// iamUser is a user as IAM describes it.
type iamUser struct{ Path, UserName, UserId, Arn, CreateDate string }

func (h *holding) needRole(e edit) (*heldRole, *fault) {
	r := h.role(e.Params["RoleName"])
	if r == nil {
		return nil, faultf(noSuchEntity, "The role with name %s cannot be found.", clip(e.Params["RoleName"]))
	}
	return r, nil
}

// policyText reads a policy document that a call brings.
func policyText(raw string, trust bool, most int) (*iam.Policy, *fault) {
	p, err := iam.Parse([]byte(raw))
	if err != nil {
		return nil, faultf(malformedPolicy, "Syntax errors in policy: %s", clip(err.Error()))
	}
	for _, s := range p.Statements {
		if principal := s.Principal != nil || s.NotPrincipal != nil; principal != trust {
			return nil, faultf(malformedPolicy, "Policy document should %sspecify a principal.", map[bool]string{true: "", false: "not "}[trust])
		}
	}
	if n := dense(p); n > most {
		return nil, faultf(limitExceeded, "Cannot exceed quota for PolicySize: %d", most)
	}
	return p, nil
}

// dense is the length of a policy without white space.
func dense(p *iam.Policy) int {
	text, err := p.MarshalJSON()
	if err != nil {
		return 0
	}
	return len(text)
}

func (h *holding) createRole(e edit) *fault {
	name := e.Params["RoleName"]
	if !iamName.MatchString(name) {
		return faultf(validationError, "The specified value for roleName is invalid.")
	}
	if h.role(name) != nil {
		return faultf(entityExists, "Role with name %s already exists.", name)
	}
	trust, f := policyText(e.Params["AssumeRolePolicyDocument"], true, stack.LongestTrust)
	if f != nil {
		return f
	}
	r := &heldRole{name: name, arn: "arn:" + h.account.Partition() + ":iam::" + string(h.account.ID) + ":role/" + name, about: e.Params["Description"],
		trust: trust, boundary: e.Params["PermissionsBoundary"], max: time.Hour, made: e.At}
	if n, err := strconv.Atoi(e.Params["MaxSessionDuration"]); err == nil {
		r.max = min(max(time.Duration(n)*time.Second, time.Hour), brevet.MaxSession)
	}
	h.roles = append(h.roles, r)
	return nil
}

func (h *holding) deleteRole(e edit) *fault {
	r, f := h.needRole(e)
	if f != nil {
		return f
	}
	if len(r.attached) > 0 {
		return faultf(deleteConflict, "Cannot delete entity, must detach all policies first.")
	}
	if len(r.inline) > 0 {
		return faultf(deleteConflict, "Cannot delete entity, must delete policies first.")
	}
	h.roles = slices.DeleteFunc(h.roles, func(o *heldRole) bool { return o == r })
	return nil
}

func (h *holding) updateTrust(e edit) *fault {
	r, f := h.needRole(e)
	if f != nil {
		return f
	}
	trust, f := policyText(e.Params["PolicyDocument"], true, stack.LongestTrust)
	if f == nil {
		r.trust = trust
	}
	return f
}

func (h *holding) attachRolePolicy(e edit) *fault {
	r, f := h.needRole(e)
	if f != nil {
		return f
	}
	return h.attach(&r.attached, e.Params["PolicyArn"], "PoliciesPerRole")
}

func (h *holding) attach(to *[]string, arn, quota string) *fault {
	switch {
	case h.document(arn) == nil:
		return faultf(noSuchEntity, "Policy %s does not exist or is not attachable.", clip(arn))
	case slices.Contains(*to, arn):
		return nil
	case len(*to) == mostAttached:
		return faultf(limitExceeded, "Cannot exceed quota for %s: %d", quota, mostAttached)
	}
	*to = append(slices.Clone(*to), arn)
	return nil
}

func (h *holding) detachRolePolicy(e edit) *fault {
	r, f := h.needRole(e)
	if f != nil {
		return f
	}
	arn := e.Params["PolicyArn"]
	if !slices.Contains(r.attached, arn) {
		return faultf(noSuchEntity, "Policy %s was not found.", clip(arn))
	}
	r.attached = slices.DeleteFunc(slices.Clone(r.attached), func(s string) bool { return s == arn })
	return nil
}

func (h *holding) putRolePolicy(e edit) *fault {
	r, f := h.needRole(e)
	if f != nil {
		return f
	}
	p, f := policyText(e.Params["PolicyDocument"], false, longestInline)
	if f != nil {
		return f
	}
	name := e.Params["PolicyName"]
	r.inline = append(slices.DeleteFunc(slices.Clone(r.inline), func(n stack.NamedPolicy) bool { return n.Name == name }), stack.NamedPolicy{Name: name, Policy: p})
	return nil
}

func (h *holding) deleteRolePolicy(e edit) *fault {
	r, f := h.needRole(e)
	if f != nil {
		return f
	}
	left := slices.DeleteFunc(slices.Clone(r.inline), func(n stack.NamedPolicy) bool { return n.Name == e.Params["PolicyName"] })
	if len(left) == len(r.inline) {
		return faultf(noSuchEntity, "The role policy with name %s cannot be found.", clip(e.Params["PolicyName"]))
	}
	r.inline = left
	return nil
}

func (h *holding) putBoundary(e edit) *fault {
	r, f := h.needRole(e)
	if f != nil {
		return f
	}
	arn := e.Params["PermissionsBoundary"]
	if h.document(arn) == nil {
		return faultf(noSuchEntity, "Scope ARN: %s does not exist or is not attachable.", clip(arn))
	}
	r.boundary = arn
	return nil
}

func (h *holding) dropBoundary(e edit) *fault {
	r, f := h.needRole(e)
	if f == nil {
		r.boundary = ""
	}
	return f
}

func (h *holding) needPolicy(e edit) (*heldPolicy, *fault) {
	p := h.policy(e.Params["PolicyArn"])
	if p == nil {
		return nil, faultf(noSuchEntity, "Policy %s was not found.", clip(e.Params["PolicyArn"]))
	}
	return p, nil
}

func (h *holding) createVersion(e edit) *fault {
	p, f := h.needPolicy(e)
	if f != nil {
		return f
	}
	doc, f := policyText(e.Params["PolicyDocument"], false, longestManaged)
	if f != nil {
		return f
	}
	if len(p.versions) >= mostVersions {
		return faultf(limitExceeded, "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", mostVersions)
	}
	p.newest++
	v := policyVersion{"v" + strconv.Itoa(p.newest), doc, e.At}
	p.versions = append(slices.Clone(p.versions), v)
	if e.Params["SetAsDefault"] == "true" {
		p.before = append(slices.Clone(p.before), ruled{*p.version(p.standard), e.At})
		p.standard = v.id
	}
	return nil
}

func (h *holding) setVersion(e edit) *fault {
	p, f := h.needPolicy(e)
	if f != nil {
		return f
	}
	if p.version(e.Params["VersionId"]) == nil {
		return faultf(noSuchEntity, "Policy %s version %s does not exist or is not attachable.", p.arn, clip(e.Params["VersionId"]))
	}
	p.standard = e.Params["VersionId"]
	return nil
}

func (h *holding) deleteVersion(e edit) *fault {
	p, f := h.needPolicy(e)
	if f != nil {
		return f
	}
	id := e.Params["VersionId"]
	switch {
	case p.version(id) == nil:
		return faultf(noSuchEntity, "Policy %s version %s does not exist or is not attachable.", p.arn, clip(id))
	case id == p.standard:
		return faultf(deleteConflict, "Cannot delete the default version of a policy.")
	}
	p.versions = slices.DeleteFunc(slices.Clone(p.versions), func(v policyVersion) bool { return v.id == id })
	return nil
}

func (h *holding) createUser(e edit) *fault {
	name := e.Params["UserName"]
	if !iamName.MatchString(name) {
		return faultf(validationError, "The specified value for userName is invalid.")
	}
	if name == ownerName || h.user(name) != nil {
		return faultf(entityExists, "User with name %s already exists.", name)
	}
	h.users = append(h.users, &heldUser{Name: name, made: e.At})
	return nil
}

func (h *holding) needUser(e edit) (*heldUser, *fault) {
	u := h.user(e.Params["UserName"])
	if u == nil {
		return nil, faultf(noSuchEntity, "The user with name %s cannot be found.", clip(e.Params["UserName"]))
	}
	return u, nil
}

func (h *holding) attachUserPolicy(e edit) *fault {
	u, f := h.needUser(e)
	if f != nil {
		return f
	}
	return h.attach(&u.Attached, e.Params["PolicyArn"], "PoliciesPerUser")
}

func (h *holding) createKey(e edit) *fault {
	u, f := h.needUser(e)
	if f != nil {
		return f
	}
	if len(u.Keys) == 2 {
		return faultf(limitExceeded, "Cannot exceed quota for AccessKeysPerUser: 2")
	}
	u.Keys = append(slices.Clone(u.Keys), e.Made)
	return nil
}

func (h *holding) deleteProvider(e edit) *fault {
	arn := e.Params["OpenIDConnectProviderArn"]
	left := slices.DeleteFunc(slices.Clone(h.providers), func(p heldProvider) bool { return p.arn == arn })
	if len(left) == len(h.providers) {
		return faultf(noSuchEntity, "OpenIDConnect Provider not found for arn %s", clip(arn))
	}
	h.providers = left
	return nil
}

// forget drops the edits of what a stack took with it.
func (s *saved) forget(gone []part) {
	s.Edits = slices.DeleteFunc(s.Edits, func(e edit) bool {
		return slices.ContainsFunc(gone, func(p part) bool {
			switch p.Type {
			case "AWS::IAM::Role":
				return e.Params["RoleName"] == p.Physical
			case "AWS::IAM::ManagedPolicy":
				return e.Params["PolicyArn"] == p.Physical
			case "AWS::IAM::OIDCProvider":
				return e.Params["OpenIDConnectProviderArn"] == p.Physical
			}
			return false
		})
	})
}
