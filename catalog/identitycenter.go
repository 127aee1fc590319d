package catalog

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
)

// What AWS calls the parts of IAM Identity Center
// (https://docs.aws.amazon.com/singlesignon/latest/APIReference/).
var (
	instanceARN = lazy(`^arn:(aws|aws-cn|aws-us-gov|aws-eusc):sso:::instance/(sso)?ins-[a-zA-Z0-9-.]{16}$`)
	setARN      = lazy(`^arn:(aws|aws-cn|aws-us-gov|aws-eusc):sso:::permissionSet/(sso)?ins-[a-zA-Z0-9-.]{16}/ps-[a-zA-Z0-9-./]{16}$`)
	storeID     = lazy(`^(d-[0-9a-f]{10}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$`)
	groupID     = lazy(`^([0-9a-f]{10}-)?[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}$`)
	portalURL   = lazy(`^https://[a-z0-9-]+(\.[a-z0-9-]+)+(/start)?$`)
)

// center is a customer's identity_center and where its parts stood.
type center struct {
	brevet.IdentityCenter
	at     value
	sets   map[brevet.RoleName]entrance // by role: assignments of a permission set
	groups map[string]entrance          // by target: membership of a group
}

// entrance is what stands for a role, or for one in an account.
type entrance struct {
	named
	key value
}

// readCenter reads a customer's identity_center.
func (p *parser) readCenter(v value) *center {
	c := &center{at: v, sets: map[brevet.RoleName]entrance{}, groups: map[string]entrance{}}
	p.mapping(v, fields{
		"region": func(v value) { c.Region = p.matching(v, regionName().MatchString, "an AWS region, such as eu-west-1") },
		"instance": func(v value) {
			c.Instance = p.matching(v, instanceARN().MatchString, "the ARN of an instance, arn:aws:sso:::instance/ssoins-…")
		},
		"store": func(v value) { c.Store = p.matching(v, storeID().MatchString, "the id of an identity store, d-…") },
		"start": func(v value) {
			c.Start = p.matching(v, portalURL().MatchString, "the address of the access portal, https://….awsapps.com/start")
		},
		"find": func(v value) {
			c.ByName = p.matching(v, func(s string) bool { return s == "external-id" || s == "user-name" },
				"how people are found: external-id or user-name") == "user-name"
		},
		"strays": func(v value) {
			c.Remove = p.matching(v, func(s string) bool { return s == "report" || s == "remove" },
				"what becomes of assignments that nobody granted: report or remove") == "remove"
		},
		"roles": func(v value) {
			p.each(v, func(role string, key, v value) {
				c.sets[brevet.RoleName(role)] = entrance{named{p.matching(v, setARN().MatchString, "the ARN of a permission set, arn:aws:sso:::permissionSet/…"), v}, key}
			})
		},
		"groups": func(v value) {
			p.each(v, func(target string, key, v value) {
				c.groups[target] = entrance{named{p.matching(v, groupID().MatchString, "the id of a group of the identity store"), v}, key}
			})
		},
	}, "region", "instance", "store", "start")
	return c
}

// in returns what the account's people enter through.
func (c *center) in(a *account) *brevet.IdentityCenter {
	if c == nil {
		return nil
	}
	out := c.IdentityCenter
	out.Sets = map[brevet.RoleName]brevet.Entrance{}
	for role, e := range c.sets {
		if a.has(role) {
			out.Sets[role] = brevet.Entrance{Set: e.name}
		}
	}
	for target, e := range c.groups {
		if t, err := brevet.ParseTarget(target); err == nil && (t.Account == a.Name || t.Account == string(a.ID)) {
			out.Sets[t.Role] = brevet.Entrance{Group: e.name}
		}
	}
	return &out
}

// checkCenter checks a customer that is entered through Identity Center.
func (p *parser) checkCenter(k *customer) {
	c := k.center
	if c == nil {
		p.errorf(k.entry.at, "identity-center needs to know which: identity_center, with region, instance, store, start and roles")
		return
	}
	if k.external.name != "" {
		p.errorf(k.external.at, "is for entry: assume-role only; this customer is entered through IAM Identity Center")
	}
	instance := c.Instance[strings.LastIndexByte(c.Instance, '/')+1:]
	for role, e := range c.sets {
		r := p.knownRole(named{string(role), e.key})
		if r != nil {
			p.checkOnline(named{string(role), e.key}, r)
		}
		if r != nil && e.name != "" && !strings.Contains(e.name, "/"+instance+"/") {
			p.errorf(e.at, "is a permission set of another instance than %s", c.Instance)
		}
	}
	p.checkGroups(k)
	for _, a := range k.accounts {
		in := c.in(a)
		for _, r := range p.roles {
			if _, ok := in.Sets[r.Name]; !ok && a.has(r.Name) && k.offers(r.Role) {
				p.errorf(a.at, "nothing in identity_center stands for role %s: add it there, or list the account's roles", r.Name)
			}
		}
	}
}

// checkGroups checks that each group lets into one role of one account.
func (p *parser) checkGroups(k *customer) {
	seen := map[string]string{}
	for _, target := range slices.Sorted(maps.Keys(k.center.groups)) {
		e := k.center.groups[target]
		t, err := brevet.ParseTarget(target)
		i := slices.IndexFunc(k.accounts, func(a *account) bool { return a.Name == t.Account || string(a.ID) == t.Account })
		switch other, twice := seen[e.name]; {
		case err != nil || i < 0 || !k.accounts[i].has(t.Role):
			p.errorf(e.key, "%s is not a role in an account of customer %s", quote(target), k.Name)
		case p.knownRole(named{string(t.Role), e.key}) == nil:
		case twice && e.name != "":
			p.errorf(e.at, "%s has this group, too; each lets into one role of one account", other)
		}
		seen[e.name] = target
	}
}

// center compares how an account is entered through Identity Center.
func (d *differ) center(what string, o, n *brevet.IdentityCenter) {
	if !reflect.DeepEqual(o, n) && (o == nil) == (n == nil) { // else its customer's entry changed
		d.wider("%s: identity_center: changed", what)
	}
}
