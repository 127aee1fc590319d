package stack

import (
	"net/url"
	"slices"
	"strings"
	"time"

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
// caller that meets every condition to begin a session with tags and a source
// identity. The caller holds a token of the account's issuer; or, where the
// account names a broker, is that role and says the customer's external id. A
// role that is offline admits the account's offline issuer in the place of
// either, and nothing but emergencies; one with Emergency admits those, too.
// STS evaluates the three actions separately and refuses the whole call if
// one is not allowed. The error is of kind [brevet.Invalid] and names the
// field of account or role that does not fit.
func Trust(account brevet.Account, role brevet.Role) (*iam.Policy, error) {
	if err := check(account, role); err != nil {
		return nil, err
	}
	p := trust(concrete(Side{Account: account, Roles: []brevet.Role{role}}), role)
	text, err := p.MarshalJSON()
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the trust policy of role %s cannot be printed", role.Name).WithCause(err)
	}
	if len(text) >= LongestTrust {
		return nil, brevet.Errorf(brevet.Invalid, "the trust policy of role %s has %d characters; they must stay below %d", role.Name, len(text), LongestTrust)
	}
	return p, nil
}

// trust is the one source of every role's trust policy: of one account's by
// its concrete names, and of a template's by symbolic ones.
func trust(n names, role brevet.Role) *iam.Policy {
	n = n.to(role)
	tag := func(name string) string { return "aws:RequestTag/" + name }
	s := iam.Statement{
		Effect:    iam.EffectAllow,
		Principal: &iam.Principals{Federated: []string{n.provider()}},
		Action:    []string{"sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"},
		Conditions: []iam.Condition{
			// ForAllValues holds where there is no tag at all; the tags that
			// StringEquals and Null demand rule that out
			{Operator: "ForAllValues:StringLike", Key: "aws:TagKeys", Values: []string{"brevet-*"}},
			{Operator: "Null", Key: tag(brevet.TagGrant), Values: []string{"false"}},
			{Operator: "StringEquals", Key: tag(brevet.TagContract), Values: []string{n.contract}},
			{Operator: "StringEquals", Key: tag(brevet.TagMFA), Values: rungs(role)},
			{Operator: "StringEquals", Key: tag(brevet.TagRole), Values: []string{string(role.Name)}},
		},
	}
	if n.broker != "" {
		n.byBroker(&s)
	} else {
		s.Conditions = append(s.Conditions,
			iam.Condition{Operator: "StringEquals", Key: n.issuer + ":aud", Values: []string{n.audience}},
			iam.Condition{Operator: "StringLike", Key: n.issuer + ":sub", Values: []string{anyPerson}})
	}
	s.Conditions = append(s.Conditions, iam.Condition{Operator: "StringLike", Key: "sts:SourceIdentity", Values: []string{"?*"}})
	return &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{s}}
}

// to returns the names with which a role is entered: for one that is offline
// the issuer is the account's offline one, and there is no broker.
func (n names) to(role brevet.Role) names {
	if role.Offline {
		n.issuer, n.broker = n.offline, ""
	}
	return n
}

// rungs are the values of the tag brevet-mfa that a role admits.
func rungs(role brevet.Role) []string {
	var out []string
	if !role.Offline {
		for _, r := range role.MFA.Within() {
			out = append(out, string(r))
		}
	}
	if role.Emergency || role.Offline {
		out = append(out, string(brevet.RungBreakGlass))
	}
	return out
}

// byBroker makes s admit the broker's role. The principal is its account: a
// role's ARN there would be kept as the id of the role that then is, and a
// role made anew would be locked out. The condition is what names the role;
// the external id keeps the broker from being talked into the account on
// another customer's behalf (IAM User Guide, "The confused deputy problem").
func (n names) byBroker(s *iam.Statement) {
	s.Principal = &iam.Principals{AWS: []string{"arn:" + n.partition + ":iam::" + n.brokerAccount + ":root"}}
	s.Action = []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}
	s.Conditions = slices.Concat(
		[]iam.Condition{{Operator: "ArnEquals", Key: "aws:PrincipalArn", Values: []string{n.broker}}}, s.Conditions,
		[]iam.Condition{{Operator: "StringEquals", Key: "sts:ExternalId", Values: []string{n.externalID}}})
}

func issuerName(account brevet.Account) string { return strings.TrimPrefix(account.Issuer, scheme) }

var (
	random = lazy{expr: `^[a-z2-7]{26}$`}
	issuer = lazy{expr: `^https://[a-z0-9.-]+(/[A-Za-z0-9._~-]+)*$`}
	broker = lazy{expr: `^arn:(aws[a-z-]*):iam::([0-9]{12}):role/[A-Za-z0-9+=,.@_/-]{1,256}$`}
)

// check finds what would make a trust policy say something else than it
// should: a text with a variable or wildcard in it, a part that is missing.
func check(account brevet.Account, role brevet.Role) error {
	id := string(account.ID)
	switch {
	case !brevet.ValidAWSAccount(id):
		return brevet.Errorf(brevet.Invalid, "%q is not an AWS account number", brevet.Printable(id))
	case !brevet.ValidRole(string(role.Name)):
		return brevet.Errorf(brevet.Invalid, "%q is not the name of a role", brevet.Printable(string(role.Name)))
	case !role.Offline && len(role.MFA.Within()) == 0:
		return brevet.Errorf(brevet.Invalid, "role %s has no bound on the age of MFA", role.Name)
	case account.Contract < 1:
		return brevet.Errorf(brevet.Invalid, "account %s has no contract version", id)
	case role.Offline:
		return checkOffline(account, role)
	case account.Broker != "":
		return checkBroker(account)
	}
	return checkIssuer(account)
}

// checkOffline is check for a role that trusts the offline issuer alone.
func checkOffline(account brevet.Account, role brevet.Role) error {
	switch {
	case account.OfflineIssuer == "" || account.Broker != "":
		return brevet.Errorf(brevet.Invalid, "role %s is offline, and account %s has no offline issuer for it to trust", role.Name, account.ID).
			WithHint("offline_issuer of a customer with entry: oidc")
	case !validIssuer(account.OfflineIssuer):
		return brevet.Errorf(brevet.Invalid, "the offline issuer of account %s is not what AWS registers: https, a host without port, a path, at most 255 characters", account.ID)
	case account.OfflineIssuer == account.Issuer:
		return brevet.Errorf(brevet.Invalid, "the offline issuer of account %s is the one that the broker signs for", account.ID)
	case role.Max > time.Hour:
		return brevet.Errorf(brevet.Invalid, "role %s is offline, so its sessions last at most 1h", role.Name)
	}
	return checkIssuer(account)
}

// checkIssuer is check for an account that is entered by its OIDC provider.
func checkIssuer(account brevet.Account) error {
	given, ok := strings.CutPrefix(account.Audience, "brevet:"+string(account.ID)+":")
	switch {
	case !ok || !random.regexp().MatchString(given):
		return brevet.Errorf(brevet.Invalid, "the audience of account %s is not brevet:%s: and 26 characters of a-z and 2-7", account.ID, account.ID)
	case !validIssuer(account.Issuer):
		return brevet.Errorf(brevet.Invalid, "the issuer of account %s is not what AWS registers: https, a host without port, a path, at most 255 characters", account.ID)
	}
	return nil
}

// checkBroker is check for an account that is entered by AssumeRole.
func checkBroker(account brevet.Account) error {
	arn := broker.regexp().FindStringSubmatch(account.Broker)
	switch {
	case arn == nil:
		return brevet.Errorf(brevet.Invalid, "broker: %q is not the ARN of an AWS role", brevet.Printable(account.Broker)).
			WithHint("write arn:%s:iam::ACCOUNT:role/NAME, the role that the server itself runs as", account.Partition())
	case arn[1] != account.Partition():
		return brevet.Errorf(brevet.Invalid, "broker: %s lies in another partition than account %s (%s), so it cannot enter it", account.Broker, account.ID, account.Partition()).
			WithHint("enter this customer by its OIDC provider: entry: oidc")
	case !random.regexp().MatchString(account.ExternalID):
		return brevet.Errorf(brevet.Invalid, "external_id: that of account %s is not 26 characters of a-z and 2-7", account.ID).
			WithHint("brevet customer add writes one")
	}
	return nil
}

// brokerAccount returns the account number in the ARN of the broker's role,
// "" if there is none.
func brokerAccount(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 4 {
		return parts[4]
	}
	return ""
}

func validIssuer(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 255 && issuer.regexp().MatchString(s) && u.Host != "" && u.Port() == ""
}
