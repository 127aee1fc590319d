package stack

import (
	"slices"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
)

// Side is one customer's account as the catalog says: all that the templates
// are made from.
type Side struct {
	Customer brevet.Customer
	Account  brevet.Account
	Roles    []brevet.Role // those that the account has, in the catalog's order
	Egress   []string      // the broker's own addresses as CIDR blocks; empty: any may enter
}

// File is one file of what a customer is handed.
type File struct {
	Name string
	Text []byte
}

// The contract says what a token must hold for a stack to admit it, and how
// what the stack creates is called. A stack keeps the version that it was
// made with for as long as it is deployed.
const (
	// NewestContract is the version that new stacks get.
	NewestContract = 1
	supportedBack  = 2 // how many older versions still work
)

// SupportsContract reports whether brevet issues for stacks of that version.
func SupportsContract(version int) bool {
	return version >= 1 && version <= NewestContract && version >= NewestContract-supportedBack
}

// names are the parts of which the names in an account are made. They are
// known where one account is meant, and references to CloudFormation's
// pseudo parameters where a template is.
type names struct {
	partition, account, region string
	audience, externalID       string
	broker                     string // ARN of the broker's role; "": the account is entered by its OIDC provider
	brokerAccount              string // in which that role lies; always a number
	prefix, logGroup           string
	workload                   string // path of the roles that may be passed on
	issuer                     string // without its scheme
	offline                    string // the offline issuer, likewise; "": no role trusts one
	contract                   string
}

// provider is the ARN of the account's OIDC provider.
func (n names) provider() string { return providerARN(n.partition, n.account, n.issuer) }

func providerARN(partition, account, issuer string) string {
	return "arn:" + partition + ":iam::" + account + ":oidc-provider/" + issuer
}

// concrete names one account.
func concrete(s Side) names {
	a := s.Account
	n := names{partition: a.Partition(), account: string(a.ID), region: a.Region, audience: a.Audience, externalID: a.ExternalID,
		broker: a.Broker, brokerAccount: brokerAccount(a.Broker), prefix: a.Prefix, logGroup: s.Customer.LogGroup, workload: "/workload/",
		issuer: issuerName(a), contract: strconv.Itoa(a.Contract)}
	if s.offline() {
		n.offline = strings.TrimPrefix(a.OfflineIssuer, scheme)
	}
	return n
}

// urgent reports whether the account has a role that emergencies open.
func (s Side) urgent() bool {
	return slices.ContainsFunc(s.Roles, func(r brevet.Role) bool { return r.Emergency || r.Offline })
}

// offlineRole reports whether that role trusts the offline issuer alone.
func (s Side) offlineRole(name brevet.RoleName) bool {
	return slices.ContainsFunc(s.Roles, func(r brevet.Role) bool { return r.Offline && r.Name == name })
}

// offline reports whether the account has a role that trusts its offline
// issuer alone.
func (s Side) offline() bool {
	return slices.ContainsFunc(s.Roles, func(r brevet.Role) bool { return r.Offline })
}

// symbolic names whatever account a template is deployed in. The broker's
// account is a number even so: a trust policy's principal is best read as it
// is, and BrokerRoleArn is held to that account by its AllowedPattern.
func symbolic(s Side) names {
	n := concrete(s)
	n.partition, n.account, n.region = "${AWS::Partition}", "${AWS::AccountId}", "${AWS::Region}"
	n.logGroup, n.workload, n.audience = "${LogGroupName}", "${WorkloadPath}", "${Audience}"
	if n.broker != "" {
		n.broker, n.externalID = "${BrokerRoleArn}", "${ExternalId}"
	}
	return n
}
