package stack

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// LongestTrust is AWS's default quota on the length of a trust policy in
// characters without white space; what [Trust] writes stays below it
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const LongestTrust = 2048

// anyPerson stands for every person's id: pr_ and a ULID.
var anyPerson = "pr_" + strings.Repeat("?", 26)

// Trust returns the trust policy of a role: one statement, which allows a
// token of the account's issuer that meets every condition to begin a
// session with tags and a source identity. STS evaluates the three actions
// separately and refuses the whole call if one is not allowed. The error is
// of kind [brevet.Invalid] and names the field of account or role that does
// not fit.
func Trust(account brevet.Account, role brevet.Role) (*iam.Policy, error) {
	if err := check(account, role); err != nil {
		return nil, err
	}
	issuer := issuerName(account)
	var rungs []string
	for _, r := range role.MFA.Within() {
		rungs = append(rungs, string(r))
	}
	tag := func(name string) string { return "aws:RequestTag/" + name }
	p := &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{{
		Effect:    iam.EffectAllow,
		Principal: &iam.Principals{Federated: []string{ProviderARN(account)}},
		Action:    []string{"sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"},
		Conditions: []iam.Condition{
			// ForAllValues holds where there is no tag at all; the tags that
			// StringEquals and Null demand rule that out
			{Operator: "ForAllValues:StringLike", Key: "aws:TagKeys", Values: []string{"brevet-*"}},
			{Operator: "Null", Key: tag(brevet.TagGrant), Values: []string{"false"}},
			{Operator: "StringEquals", Key: tag(brevet.TagContract), Values: []string{strconv.Itoa(account.Contract)}},
			{Operator: "StringEquals", Key: tag(brevet.TagMFA), Values: rungs},
			{Operator: "StringEquals", Key: tag(brevet.TagRole), Values: []string{string(role.Name)}},
			{Operator: "StringEquals", Key: issuer + ":aud", Values: []string{account.Audience}},
			{Operator: "StringLike", Key: issuer + ":sub", Values: []string{anyPerson}},
			{Operator: "StringLike", Key: "sts:SourceIdentity", Values: []string{"?*"}},
		},
	}}}
	text, err := p.MarshalJSON()
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the trust policy of role %s cannot be printed", role.Name).WithCause(err)
	}
	if len(text) >= LongestTrust {
		return nil, brevet.Errorf(brevet.Invalid, "the trust policy of role %s has %d characters; they must stay below %d", role.Name, len(text), LongestTrust)
	}
	return p, nil
}

func issuerName(account brevet.Account) string { return strings.TrimPrefix(account.Issuer, scheme) }

var (
	audience = regexp.MustCompile(`^[a-z2-7]{26}$`)
	issuer   = regexp.MustCompile(`^https://[a-z0-9.-]+(/[A-Za-z0-9._~-]+)*$`)
)

// check finds what would make a trust policy say something else than it
// should: a text with a variable or wildcard in it, a part that is missing.
func check(account brevet.Account, role brevet.Role) error {
	id := string(account.ID)
	random, ok := strings.CutPrefix(account.Audience, "brevet:"+id+":")
	switch {
	case !brevet.ValidAWSAccount(id):
		return brevet.Errorf(brevet.Invalid, "%q is not an AWS account number", brevet.Printable(id))
	case !brevet.ValidRole(string(role.Name)):
		return brevet.Errorf(brevet.Invalid, "%q is not the name of a role", brevet.Printable(string(role.Name)))
	case len(role.MFA.Within()) == 0:
		return brevet.Errorf(brevet.Invalid, "role %s has no bound on the age of MFA", role.Name)
	case !ok || !audience.MatchString(random):
		return brevet.Errorf(brevet.Invalid, "the audience of account %s is not brevet:%s: and 26 characters of a-z and 2-7", id, id)
	case account.Contract < 1:
		return brevet.Errorf(brevet.Invalid, "account %s has no contract version", id)
	case !validIssuer(account.Issuer):
		return brevet.Errorf(brevet.Invalid, "the issuer of account %s is not what AWS registers: https, a host without port, a path, at most 255 characters", id)
	}
	return nil
}

func validIssuer(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 255 && issuer.MatchString(s) && u.Host != "" && u.Port() == ""
}
