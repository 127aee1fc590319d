package brevet

import (
	"slices"
	"strings"
	"time"
)

// AccountID is what the cloud calls an account; on AWS its twelve digits.
type AccountID string

// RoleName is a role's name as in a target, without the prefix that its IAM
// name carries.
type RoleName string

// Customer owns accounts and deploys the stack. A company with only its own
// accounts has one customer: itself. Its id never changes: the issuer URL
// that its stack registers ends in it.
type Customer struct {
	ID       CustomerID
	Name     string
	Contact  string   // e-mail address that its stack sends alerts to; "" if none is known
	LogGroup string   // where its stack records what sessions of its roles do
	Approval *Consent // its own word on requests for its accounts; nil: none is needed
}

// Consent is a customer's own step: the last one of every request for its
// accounts that people decide.
type Consent struct {
	Step
	Envs   []string // only for accounts of these environments; empty: for all
	Always bool     // also where policy alone would approve
}

// For reports whether the customer is asked about accounts of env.
func (c *Consent) For(env string) bool {
	return c != nil && (len(c.Envs) == 0 || slices.Contains(c.Envs, env))
}

// On returns rule with the customer's step at its end.
func (c *Consent) On(rule Approval) Approval {
	switch {
	case !rule.Automatic:
		rule.Steps = append(slices.Clip(rule.Steps), c.Step)
	case c.Always:
		rule = Approval{Steps: []Step{c.Step}}
	}
	return rule
}

// Account is an AWS account. It belongs to exactly one customer.
type Account struct {
	ID       AccountID
	Name     string
	Customer CustomerID
	Env      string // "prod", "staging", …; free, for display and guardrails
	Region   string // where its sessions work by default, and whose STS is asked
	Audience string // brevet:ACCOUNT: and 26 random lower-case base32 characters
	Contract int    // version of the stack that it deployed
	Prefix   string // what its IAM role names start with, "brevet-"
	Issuer   string // https://ISSUER-HOST/c/CUSTOMER-ID, as its stack registers it; no port

	// Broker is the ARN of the broker's own AWS role where the account is
	// entered by AssumeRole with the customer's ExternalID; "" where it is
	// entered by the customer's OIDC provider.
	Broker     string
	ExternalID string

	// OfflineIssuer is the issuer, https://HOST/PATH, that the account's roles
	// with [Role.Offline] trust, and no other role does; "" if there is none.
	// Its key lies in no server: k of n people open it when the broker is gone.
	OfflineIssuer string

	// Center is set where people enter through AWS IAM Identity Center; then
	// brevet makes no credentials for the account.
	Center *IdentityCenter
}

// Partition returns the AWS partition that the account's region lies in.
func (a Account) Partition() string {
	switch {
	case strings.HasPrefix(a.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(a.Region, "us-gov-"):
		return "aws-us-gov"
	case strings.HasPrefix(a.Region, "eusc-"):
		return "aws-eusc"
	}
	return "aws"
}

// LongestSession bounds one session in the account: AWS gives an hour to a
// role that another role assumes (role chaining), as the broker's does, and
// up to twelve to a web identity. A grant may be longer; then its sessions
// are renewed.
func (a Account) LongestSession() time.Duration {
	if a.Broker != "" {
		return ChainedSession
	}
	return MaxSession
}

// RoleARN returns the ARN of the IAM role that stands for name in the account.
func (a Account) RoleARN(name RoleName) string {
	return "arn:" + a.Partition() + ":iam::" + string(a.ID) + ":role/" + a.Prefix + string(name)
}

// Target is what one asks for: a role in an account. It is written
// ACCOUNT/ROLE everywhere; the account by name or by number.
type Target struct {
	Account string
	Role    RoleName
}

// String returns ACCOUNT/ROLE.
func (t Target) String() string { return t.Account + "/" + string(t.Role) }

// ValidName reports whether s can name a customer or an account: 1 to 63
// characters of letters, digits and . _ -, starting with a letter or digit.
func ValidName(s string) bool {
	return named(s, 63, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "._-")
}

// ValidRole reports whether s can name a role: a letter and up to 39 letters,
// digits, _ and -.
func ValidRole(s string) bool {
	return named(s, 40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "0123456789_-")
}

// ValidAWSAccount reports whether s is an AWS account number.
func ValidAWSAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// ParseTarget reads ACCOUNT/ROLE. The error is of kind [Invalid].
func ParseTarget(s string) (Target, error) {
	account, role, ok := strings.Cut(s, "/")
	if !ok || !ValidName(account) || !ValidRole(role) {
		return Target{}, Errorf(Invalid, "%q is not a target", clip(s, 80)).
			WithHint("write ACCOUNT/ROLE, for example acme-prod/Admin; brevet ls shows what there is")
	}
	return Target{account, RoleName(role)}, nil
}

func named(s string, most int, first, more string) bool {
	return s != "" && len(s) <= most && strings.IndexByte(first, s[0]) >= 0 && strings.Trim(s, first+more) == ""
}
