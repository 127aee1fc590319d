package sandbox

import (
	"net/url"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// iamRole is a role as IAM describes it.
type iamRole struct {
	Path, RoleName, RoleId, Arn, CreateDate string
	AssumeRolePolicyDocument                string // URL-encoded, RFC 3986
	Description                             string `xml:",omitempty"`
	MaxSessionDuration                      int    // seconds
}

func (a *AWS) iamRole(c *call, r brevet.Role) (iamRole, *fault) {
	trust, err := a.cfg.Trust(c.account, r)
	if err != nil {
		return iamRole{}, faultf(internalFailure, "The brevet sandbox cannot tell the trust policy of %s.", r.Name)
	}
	text, err := trust.MarshalJSON()
	if err != nil {
		return iamRole{}, faultf(internalFailure, "The brevet sandbox cannot print the trust policy of %s.", r.Name)
	}
	return iamRole{
		Path: "/", RoleName: c.account.Prefix + string(r.Name), RoleId: roleID(c.account.ID, r.Name), Arn: c.account.RoleARN(r.Name),
		CreateDate: a.born.Format(time.RFC3339), AssumeRolePolicyDocument: encodeDocument(text),
		Description: r.About, MaxSessionDuration: int(r.Max.Seconds()),
	}, nil
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
	for _, r := range a.cfg.Roles(c.account.ID) {
		role, f := a.iamRole(c, r)
		if f != nil {
			return nil, f
		}
		out.Roles.Member = append(out.Roles.Member, role)
	}
	return out, nil
}

func getRole(a *AWS, c *call) (any, *fault) {
	r, f := a.roleNamed(c)
	if f != nil {
		return nil, f
	}
	role, f := a.iamRole(c, r)
	if f != nil {
		return nil, f
	}
	return struct{ Role iamRole }{role}, nil
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
	for _, name := range r.Policies {
		out.AttachedPolicies.Member = append(out.AttachedPolicies.Member,
			attached{lastPolicyName(name), "arn:" + c.account.Partition() + ":iam::aws:policy/" + name})
	}
	return out, nil
}

// inlinePolicy is what the inline policy of a role is called.
const inlinePolicy = "brevet"

func listRolePolicies(a *AWS, c *call) (any, *fault) {
	r, f := a.roleNamed(c)
	if f != nil {
		return nil, f
	}
	var out struct {
		IsTruncated bool
		PolicyNames members[string]
	}
	if r.Inline != nil {
		out.PolicyNames.Member = []string{inlinePolicy}
	}
	return out, nil
}

func getRolePolicy(a *AWS, c *call) (any, *fault) {
	r, f := a.roleNamed(c)
	if f != nil {
		return nil, f
	}
	if r.Inline == nil || c.param("PolicyName") != inlinePolicy {
		return nil, faultf(noSuchEntity, "The role policy with name %s cannot be found.", clip(c.param("PolicyName")))
	}
	return struct{ RoleName, PolicyName, PolicyDocument string }{c.param("RoleName"), inlinePolicy, encodeDocument(r.Inline)}, nil
}

// providerEntry is one line of ListOpenIDConnectProviders.
type providerEntry struct{ Arn string }

func listProviders(_ *AWS, c *call) (any, *fault) {
	var out struct {
		OpenIDConnectProviderList members[providerEntry]
	}
	if c.account.Issuer != "" {
		out.OpenIDConnectProviderList.Member = []providerEntry{{stack.ProviderARN(c.account)}}
	}
	return out, nil
}

func getProvider(a *AWS, c *call) (any, *fault) {
	arn := c.param("OpenIDConnectProviderArn")
	if c.account.Issuer == "" || arn != stack.ProviderARN(c.account) {
		return nil, faultf(noSuchEntity, "OpenIDConnect Provider not found for arn %s", clip(arn))
	}
	var out struct {
		Url            string
		CreateDate     string
		ClientIDList   members[string]
		ThumbprintList members[string]
		Tags           members[string]
	}
	out.Url, out.CreateDate = strings.TrimPrefix(c.account.Issuer, "https://"), a.born.Format(time.RFC3339)
	out.ClientIDList.Member = []string{c.account.Audience}
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

// listUsers is empty: there are no IAM users where brevet is used.
func listUsers(*AWS, *call) (any, *fault) {
	return struct {
		IsTruncated bool
		Users       members[string]
	}{}, nil
}
