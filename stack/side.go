package stack

import (
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
	broker                     string // ARN of the broker's role
	prefix, logGroup           string
	workload                   string // path of the roles that may be passed on
	issuer                     string // without its scheme
}

// concrete names one account.
func concrete(s Side) names {
	a := s.Account
	return names{partition: a.Partition(), account: string(a.ID), region: a.Region, audience: a.Audience, externalID: a.ExternalID, broker: a.Broker,
		prefix: a.Prefix, logGroup: s.Customer.LogGroup, workload: "/workload/", issuer: issuerName(a)}
}

// symbolic names whatever account a template is deployed in.
func symbolic(s Side) names {
	return names{partition: "${AWS::Partition}", account: "${AWS::AccountId}", region: "${AWS::Region}", audience: "${Audience}",
		externalID: "${ExternalId}", broker: "${BrokerRoleArn}", prefix: s.Account.Prefix, logGroup: "${LogGroupName}",
		workload: "${WorkloadPath}", issuer: issuerName(s.Account)}
}
