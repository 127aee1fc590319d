package sandbox

import (
	"context"
	"regexp"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// The broker's own AWS role, which customers of the older kind trust, and which
// makes assignments where people enter through IAM Identity Center: it lives
// in an account that is none of the catalog's, and may do nothing else.

var brokerARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/((?:[\w+=,.@-]+/)*)([\w+=,.@-]{1,64})$`)

// brokerHome returns the account and role of the broker, as the accounts of
// the catalog name it.
func (a *AWS) brokerHome() (brevet.Account, *heldRole, bool) {
	for _, customer := range a.cfg.Accounts() {
		arn := brokerARN.FindStringSubmatch(customer.Broker)
		if arn == nil {
			continue
		}
		home := brevet.Account{ID: brevet.AccountID(arn[1]), Name: "broker", Region: customer.Region}
		return home, brokerRole(home, arn[2]+arn[3]), true
	}
	for _, customer := range a.cfg.Accounts() {
		if customer.Center != nil {
			home := brevet.Account{ID: "999999999999", Name: "broker", Region: customer.Center.Region}
			return home, brokerRole(home, "brevet-broker"), true
		}
	}
	return brevet.Account{}, nil, false
}

// brokerRole is the role, with what docs/entry.md and docs/identity-center.md
// say that it must be allowed.
func brokerRole(home brevet.Account, name string) *heldRole {
	p := &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{
		{Effect: iam.EffectAllow, Action: []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}, Resource: []string{"arn:" + home.Partition() + ":iam::*:role/*"}},
		{Effect: iam.EffectAllow, Resource: []string{"*"}, Action: []string{"sso:CreateAccountAssignment", "sso:DeleteAccountAssignment",
			"sso:DescribeAccountAssignmentCreationStatus", "sso:DescribeAccountAssignmentDeletionStatus", "sso:ListAccountAssignments",
			"identitystore:GetUserId", "identitystore:ListGroupMemberships", "identitystore:ListGroupMembershipsForMember",
			"identitystore:CreateGroupMembership", "identitystore:DeleteGroupMembership"}}}}
	return &heldRole{name: name, arn: "arn:" + home.Partition() + ":iam::" + string(home.ID) + ":role/" + name, max: brevet.MaxSession,
		inline: []stack.NamedPolicy{{Name: "assume", Policy: p}}}
}

// BrokerCredential returns credentials of the broker's own role for an hour,
// as the metadata service of the machine that the broker runs on would. The
// error is of kind not_found if no account names such a role.
func (a *AWS) BrokerCredential(context.Context) (brevet.Credential, error) {
	home, role, ok := a.brokerHome()
	if !ok {
		return brevet.Credential{}, brevet.Errorf(brevet.NotFound, "no account names a broker's role")
	}
	now := brevet.Instant(a.cfg.Now())
	s := &session{Account: home.ID, Role: role.name, Name: "brevetd", Issued: now, Expires: now.Add(time.Hour).Truncate(time.Second), Broker: true}
	token := a.issue(s)
	return brevet.Credential{AccessKeyID: s.Key, SecretAccessKey: s.Secret, SessionToken: token, Expires: s.Expires}, nil
}
