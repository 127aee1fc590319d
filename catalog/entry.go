package catalog

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
)

// The ways into a customer's accounts.
const (
	OIDC       = "oidc"            // AssumeRoleWithWebIdentity by the customer's own OIDC provider; the default
	AssumeRole = "assume-role"     // AssumeRole from the broker's AWS role, with the customer's external id
	ByCenter   = "identity-center" // assignments in the customer's AWS IAM Identity Center; people sign in at its portal
)

// waysIn is what entry may be.
const waysIn = "a way into accounts: oidc, assume-role or identity-center"

func validEntry(s string) bool { return s == OIDC || s == AssumeRole || s == ByCenter }

// entry is how a customer's accounts are entered.
type entry struct{ way, externalID, offline string }

// Entry returns how the customer's accounts are entered: [OIDC], [AssumeRole]
// or [ByCenter]; "" for a customer that is not in the catalog.
func (c *Catalog) Entry(id brevet.CustomerID) string { return c.entries[id].way }

// ExternalID returns the external id with which the customer's accounts are
// entered; "" where none is needed.
func (c *Catalog) ExternalID(id brevet.CustomerID) string { return c.entries[id].externalID }

var (
	roleARN    = lazy(`^arn:(aws|aws-cn|aws-us-gov|aws-eusc):iam::[0-9]{12}:role/([\x21-\x7e]+/)?[A-Za-z0-9+=,.@_-]{1,64}$`)
	externalID = lazy(`^[a-z2-7]{26}$`)
	mailbox    = lazy(`^[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$`)
	logGroup   = lazy(`^[.\-_/#A-Za-z0-9]{1,512}$`) // CloudWatch Logs, API reference of CreateLogGroup
)

// The bounds on what egress may hold.
const (
	maxEgress = 50
	widest    = 8 // bits of the shortest prefix
)

func (p *parser) brokerRole(v value) string {
	return p.matching(v, roleARN().MatchString, "the ARN of an IAM role, such as arn:aws:iam::999999999999:role/brevet-broker")
}

// addresses reads a list of CIDR blocks, written as networks write them.
func (p *parser) addresses(v value) []string {
	var out []string
	p.list(v, func(v value) {
		s := p.text(v)
		if s == "" {
			return
		}
		block, err := netip.ParsePrefix(s)
		switch {
		case err != nil || block.Addr().Is4In6():
			p.errorf(v, "%s is not a CIDR block, such as 203.0.113.7/32 or 2001:db8::/64", quote(s))
		case block.Bits() < widest:
			p.errorf(v, "%s is too wide: it would admit everybody; at least /%d", s, widest)
		case block.Masked() != block:
			p.errorf(v, "%s has bits outside its own mask; do you mean %s?", s, block.Masked())
		case slices.Contains(out, block.String()):
			p.errorf(v, "%s stands there twice", s)
		}
		out = append(out, block.String())
	})
	if len(out) > maxEgress {
		p.errorf(v, "%d blocks are too many; at most %d", len(out), maxEgress)
	}
	return out
}

// checkEntry holds how the customer is entered against what that needs.
func (p *parser) checkEntry(k *customer) {
	switch {
	case k.entry.name == "":
		return // reported where it was read
	case k.entry.name == ByCenter:
		p.checkCenter(k)
		return
	case k.center != nil:
		p.errorf(k.center.at, "is for entry: identity-center only; this customer is entered by %s", k.entry.name)
	}
	switch {
	case k.entry.name == OIDC:
		if k.external.name != "" {
			p.errorf(k.external.at, "is for entry: assume-role only; this customer is entered by OIDC")
		}
		return
	}
	if k.external.name == "" && !p.incomplete && k.external.at.Node == nil {
		p.errorf(k.entry.at, "assume-role needs an external_id; brevet customer add and brevetd dev make one")
	}
	if p.broker.at.Node == nil {
		p.errorf(k.entry.at, "assume-role needs the ARN of the broker's role: broker, at the top of the file")
	}
	if p.broker.name == "" {
		return
	}
	partition, _, _ := strings.Cut(strings.TrimPrefix(p.broker.name, "arn:"), ":")
	for _, a := range k.accounts {
		if has := a.Partition(); a.Region != "" && has != partition {
			p.errorf(a.at, "the broker's role lies in the partition %s and the account in %s: no role is assumed across; use entry: oidc", partition, has)
		}
	}
}

// CheckContracts refuses accounts whose stack is said to be of a version
// after newest: there is none such yet. The error is that of [Parse].
func (c *Catalog) CheckContracts(newest int) error {
	r := reader{file: c.places.file}
	for i, a := range c.Accounts {
		if a.Contract > newest {
			r.errorf(c.places.contracts[i].value(), "there is no contract %d; the newest that this brevet knows is %d", a.Contract, newest)
		}
	}
	return r.err()
}
