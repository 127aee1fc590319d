package sandbox

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// iamRole is a role as IAM describes it.
type iamRole struct {
	Path, RoleName, RoleId, Arn, CreateDate string
	AssumeRolePolicyDocument                string       // URL-encoded, RFC 3986
	Description                             string       `xml:",omitempty"`
	MaxSessionDuration                      int          // seconds
	PermissionsBoundary                     *iamBoundary `xml:",omitempty"`
}

type iamBoundary struct{ PermissionsBoundaryType, PermissionsBoundaryArn string }

func (r *heldRole) describe(id brevet.AccountID) iamRole {
	d := iamRole{Path: "/", RoleName: r.name, RoleId: roleID(id, r.name), Arn: r.arn, CreateDate: stamp(r.made),
		AssumeRolePolicyDocument: encodePolicy(r.trust), Description: r.about, MaxSessionDuration: int(r.max.Seconds())}
	if r.boundary != "" {
		d.PermissionsBoundary = &iamBoundary{"Policy", r.boundary}
	}
	return d
}

// stamp is a time as the Query protocol writes it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func encodePolicy(p *iam.Policy) string {
	if p == nil {
		return ""
	}
	text, err := p.MarshalJSON()
	if err != nil {
		return ""
	}
	return encodeDocument(text)
}

// encodeDocument URL-encodes a policy document as IAM's answers hold it.
func encodeDocument(text []byte) string {
	return strings.ReplaceAll(url.QueryEscape(string(text)), "+", "%20")
}

func listRoles(a *AWS, c *call) (any, *fault) {
	var out struct {
		IsTruncated bool
		Roles       members[iamRole]
	}
	if p := c.param("PathPrefix"); p != "" && p != "/" {
		return out, nil
	}
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	for _, r := range h.roles {
		d := r.describe(c.account.ID)
		d.PermissionsBoundary = nil // AWS leaves it out of lists
		out.Roles.Member = append(out.Roles.Member, d)
	}
	return out, nil
}

func getRole(a *AWS, c *call) (any, *fault) {
	r, f := a.roleNamed(c)
	if f != nil {
		return nil, f
	}
	return struct{ Role iamRole }{r.describe(c.account.ID)}, nil
}

// roleNamed finds the role that a call names.
func (a *AWS) roleNamed(c *call) (*heldRole, *fault) {
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	r := h.role(c.param("RoleName"))
	if r == nil {
		return nil, faultf(noSuchEntity, "The role with name %s cannot be found.", clip(c.param("RoleName")))
	}
	return r, nil
}

// attached is a managed policy on a role.
type attached struct{ PolicyName, PolicyArn string }

func listAttachedRolePolicies(a *AWS, c *call) (any, *fault) {
	r, f := a.roleNamed(c)
	if f != nil {
		return nil, f
	}
	var out struct {
		IsTruncated      bool
		AttachedPolicies members[attached]
	}
	for _, arn := range r.attached {
		out.AttachedPolicies.Member = append(out.AttachedPolicies.Member, attached{lastPolicyName(arn), arn})
	}
	return out, nil
}

func listRolePolicies(a *AWS, c *call) (any, *fault) {
	r, f := a.roleNamed(c)
	if f != nil {
		return nil, f
	}
	var out struct {
		IsTruncated bool
		PolicyNames members[string]
	}
	for _, n := range r.inline {
		out.PolicyNames.Member = append(out.PolicyNames.Member, n.Name)
	}
	return out, nil
}

func getRolePolicy(a *AWS, c *call) (any, *fault) {
	r, f := a.roleNamed(c)
	if f != nil {
		return nil, f
	}
	for _, n := range r.inline {
		if n.Name == c.param("PolicyName") {
			return struct{ RoleName, PolicyName, PolicyDocument string }{r.name, n.Name, encodePolicy(n.Policy)}, nil
		}
	}
	return nil, faultf(noSuchEntity, "The role policy with name %s cannot be found.", clip(c.param("PolicyName")))
}

// providerEntry is one line of ListOpenIDConnectProviders.
type providerEntry struct{ Arn string }

func listProviders(a *AWS, c *call) (any, *fault) {
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	var out struct {
		OpenIDConnectProviderList members[providerEntry]
	}
	for _, p := range h.providers {
		out.OpenIDConnectProviderList.Member = append(out.OpenIDConnectProviderList.Member, providerEntry{p.arn})
	}
	return out, nil
}

func getProvider(a *AWS, c *call) (any, *fault) {
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	arn := c.param("OpenIDConnectProviderArn")
	i := slices.IndexFunc(h.providers, func(p heldProvider) bool { return p.arn == arn })
	if i < 0 {
		return nil, faultf(noSuchEntity, "OpenIDConnect Provider not found for arn %s", clip(arn))
	}
	p := h.providers[i]
	return struct {
		Url            string
		CreateDate     string
		ClientIDList   members[string]
		ThumbprintList members[string]
		Tags           members[string]
	}{p.url, stamp(p.made), members[string]{p.audiences}, members[string]{p.thumbs}, members[string]{}}, nil
}

// iamPolicy and iamVersion are a managed policy as IAM describes it.
type iamPolicy struct {
	PolicyName, PolicyId, Arn, Path, DefaultVersionId string
	AttachmentCount, PermissionsBoundaryUsageCount    int
	IsAttachable                                      bool
	CreateDate, UpdateDate                            string
}

type iamVersion struct {
	Document         string `xml:",omitempty"` // URL-encoded
	VersionId        string
	IsDefaultVersion bool
	CreateDate       string
}

func (p *heldPolicy) describe(v policyVersion, document bool) iamVersion {
	d := iamVersion{VersionId: v.id, IsDefaultVersion: v.id == p.standard, CreateDate: stamp(v.made)}
	if document {
		d.Document = encodePolicy(v.policy)
	}
	return d
}

// policyNamed finds the managed policy that a call names; one of AWS's own
// has one version.
func (a *AWS) policyNamed(c *call) (*holding, *heldPolicy, *fault) {
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, nil, f
	}
	arn := c.param("PolicyArn")
	if p := h.policy(arn); p != nil {
		return h, p, nil
	}
	if doc := h.document(arn); doc != nil {
		return h, &heldPolicy{name: lastPolicyName(arn), arn: arn, versions: []policyVersion{{"v1", doc, a.born}}, standard: "v1", made: a.born}, nil
	}
	return nil, nil, faultf(noSuchEntity, "Policy %s was not found.", clip(arn))
}

func getPolicy(a *AWS, c *call) (any, *fault) {
	h, p, f := a.policyNamed(c)
	if f != nil {
		return nil, f
	}
	d := iamPolicy{PolicyName: p.name, PolicyId: "ANPA" + roleID(c.account.ID, "policy "+p.arn)[4:], Arn: p.arn, Path: "/", DefaultVersionId: p.standard,
		IsAttachable: true, CreateDate: stamp(p.made), UpdateDate: stamp(p.versions[len(p.versions)-1].made)}
	for _, r := range h.roles {
		if slices.Contains(r.attached, p.arn) {
			d.AttachmentCount++
		}
		if r.boundary == p.arn {
			d.PermissionsBoundaryUsageCount++
		}
	}
	return struct{ Policy iamPolicy }{d}, nil
}

func getPolicyVersion(a *AWS, c *call) (any, *fault) {
	_, p, f := a.policyNamed(c)
	if f != nil {
		return nil, f
	}
	v := p.version(c.param("VersionId"))
	if v == nil {
		return nil, faultf(noSuchEntity, "Policy %s version %s does not exist or is not attachable.", p.arn, clip(c.param("VersionId")))
	}
	return struct{ PolicyVersion iamVersion }{p.describe(*v, true)}, nil
}

func listPolicyVersions(a *AWS, c *call) (any, *fault) {
	_, p, f := a.policyNamed(c)
	if f != nil {
		return nil, f
	}
	var out struct {
		IsTruncated bool
		Versions    members[iamVersion]
	}
	for _, v := range slices.Backward(p.versions) {
		out.Versions.Member = append(out.Versions.Member, p.describe(v, false))
	}
	return out, nil
}

// entity is a role that has a policy.
type entity struct{ RoleName, RoleId string }

func listEntities(a *AWS, c *call) (any, *fault) {
	h, p, f := a.policyNamed(c)
	if f != nil {
		return nil, f
	}
	var out struct {
		IsTruncated  bool
		PolicyGroups members[string]
		PolicyUsers  members[string]
		PolicyRoles  members[entity]
	}
	boundary := c.param("PolicyUsageFilter") == "PermissionsBoundary"
	for _, r := range h.roles {
		if boundary && r.boundary == p.arn || !boundary && slices.Contains(r.attached, p.arn) {
			out.PolicyRoles.Member = append(out.PolicyRoles.Member, entity{r.name, roleID(c.account.ID, r.name)})
		}
	}
	return out, nil
}

func listAccountAliases(_ *AWS, c *call) (any, *fault) {
	var out struct {
		IsTruncated    bool
		AccountAliases members[string]
	}
	out.AccountAliases.Member = []string{strings.ToLower(c.account.Name)}
	return out, nil
}

// listUsers shows the users that calls made. The owner stands for whatever
// the customer's own administration is and is not shown.
func listUsers(a *AWS, c *call) (any, *fault) {
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	var out struct {
		IsTruncated bool
		Users       members[iamUser]
	}
	for _, u := range h.users {
		out.Users.Member = append(out.Users.Member, iamUser{"/", u.Name, userID(c.account.ID, u.Name), c.iamARN("user/" + u.Name), stamp(u.made)})
	}
	return out, nil
}
