package sandbox

import (
	"context"
	"regexp"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// The broker's own AWS role, which customers of the older kind trust: it
// lives in an account that is none of the catalog's, and may do nothing but
// assume roles.

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
		p := &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{{Effect: iam.EffectAllow,
			Action: []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}, Resource: []string{"arn:" + home.Partition() + ":iam::*:role/*"}}}}
		return home, &heldRole{name: arn[2] + arn[3], arn: customer.Broker, max: brevet.MaxSession, inline: []stack.NamedPolicy{{Name: "assume", Policy: p}}}, true
	}
	return brevet.Account{}, nil, false
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
