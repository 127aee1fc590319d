package sandbox

import (
	"context"
	"encoding/json"
	"regexp"
	"time"

	"github.com/brevet-access/brevet"
)

// The broker's own AWS role, which customers of the older kind trust: it
// lives in an account that is none of the catalog's, and may do nothing but
// assume roles.

var brokerARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/((?:[\w+=,.@-]+/)*)([\w+=,.@-]{1,64})$`)

// brokerHome returns the account and role of the broker, as the accounts of
// the catalog name it.
func (a *AWS) brokerHome() (brevet.Account, brevet.Role, bool) {
	for _, customer := range a.cfg.Accounts() {
		arn := brokerARN.FindStringSubmatch(customer.Broker)
		if arn == nil {
			continue
		}
		home := brevet.Account{ID: brevet.AccountID(arn[1]), Name: "broker", Region: customer.Region, Prefix: arn[2]}
		inline := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],"Resource":"arn:` +
			home.Partition() + `:iam::*:role/*"}]}`
		return home, brevet.Role{Name: brevet.RoleName(arn[3]), Max: brevet.MaxSession, Inline: json.RawMessage(inline)}, true
	}
	return brevet.Account{}, brevet.Role{}, false
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
	s := &session{Account: home.ID, Role: role.Name, Name: "brevetd", Issued: now, Expires: now.Add(time.Hour).Truncate(time.Second), Broker: true}
	token := a.issue(s)
	return brevet.Credential{AccessKeyID: s.Key, SecretAccessKey: s.Secret, SessionToken: token, Expires: s.Expires}, nil
}

// located finds the account and role that a session works in.
func (a *AWS) located(s *session) (brevet.Account, brevet.Role, bool) {
	if s.Broker {
		home, role, ok := a.brokerHome()
		return home, role, ok && s.Account == home.ID && s.Role == role.Name
	}
	account, ok := a.account(s.Account)
	if !ok {
		return brevet.Account{}, brevet.Role{}, false
	}
	role, ok := a.role(account, s.Role)
	return account, role, ok
}
