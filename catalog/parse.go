package catalog

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
)

// Parse reads a catalog. Name is how errors call the text, usually the file's
// path. The error is of kind [brevet.Invalid]; its message has one line for
// everything that is wrong, as FILE:LINE: path.to.field: message. Cedar is not
// compiled here: who does so tells what is wrong with it by [Catalog.Blame].
func Parse(name string, text []byte) (*Catalog, error) { return parse(name, text, false) }

// ParseIncomplete is Parse, but customers may lack ids and accounts
// audiences, which [Complete] adds. Nothing may be issued by such a catalog:
// the ids that it makes up are no ids.
func ParseIncomplete(name string, text []byte) (*Catalog, error) { return parse(name, text, true) }

func parse(name string, text []byte, incomplete bool) (*Catalog, error) {
	p := &parser{reader: reader{file: name}, incomplete: incomplete}
	return p.parse(text)
}

func (p *parser) parse(text []byte) (*Catalog, error) {
	root, ok := p.document(text)
	if !ok {
		return nil, p.err()
	}
	p.root(root)
	p.crossCheck()
	if err := p.err(); err != nil {
		return nil, err
	}
	c := p.catalog(text)
	c.index()
	c.places = p.places()
	return c, nil
}

// parser reads the fields of a catalog and keeps beside each where it stood.
type parser struct {
	reader
	incomplete   bool
	top          value
	issuer       string
	broker       named
	egress       []string
	customers    []*customer
	roles        []*role
	entitlements []*entitlement
	guardrails   cedarText
	automatic    cedarText
	rotas        []*rota
	duties       []named // rotas that subjects name
}

type customer struct {
	brevet.Customer
	at       value
	prefix   string
	entry    named // how its accounts are entered
	external named // its external id
	offline  named // its offline issuer
	center   *center
	accounts []*account
	rights   map[brevet.Right]subjects
	envs     []named // of its own approval

	engagements []*engagement
}

type account struct {
	brevet.Account
	at, number, audience value
	name, contract       value
	roles                []named // nil: all
}

type role struct {
	brevet.Role
	at                  value
	max, mfa, emergency value // where they stood, if they did
}

// named is a name and where it stood.
type named struct {
	name string
	at   value
}

// cedarText is a Cedar text and where it stood.
type cedarText struct {
	text string
	at   value
}

func (p *parser) root(v value) {
	p.top = v
	p.mapping(v, fields{
		"issuer":       func(v value) { p.issuer = p.issuerURL(v) },
		"broker":       func(v value) { p.broker = named{p.brokerRole(v), v} },
		"egress":       func(v value) { p.egress = p.addresses(v) },
		"roles":        p.readRoles,
		"customers":    func(v value) { p.list(v, p.readCustomer) },
		"entitlements": func(v value) { p.list(v, p.readEntitlement) },
		"rotas":        func(v value) { p.readRotas(nil, v) },
		"guardrails":   func(v value) { p.guardrails = cedarText{p.text(v), v} },
		"automatic":    func(v value) { p.automatic = cedarText{p.text(v), v} },
	}, "issuer", "roles", "customers", "entitlements")
}

// catalog puts together what was read without a problem.
func (p *parser) catalog(text []byte) *Catalog {
	sum := sha256.Sum256(text)
	c := &Catalog{Issuer: p.issuer, Broker: p.broker.name, Egress: p.egress, Guardrails: p.guardrails.text, Automatic: p.automatic.text,
		Text: append([]byte(nil), text...), Digest: hex.EncodeToString(sum[:]), rolesIn: map[brevet.AccountID][]brevet.Role{},
		entries: map[brevet.CustomerID]entry{}}
	for _, r := range p.roles {
		c.Roles = append(c.Roles, r.Role)
	}
	for _, k := range p.customers {
		c.Customers = append(c.Customers, k.Customer)
		c.entries[k.ID] = entry{k.entry.name, k.external.name, k.offline.name}
		for _, a := range k.accounts {
			c.Accounts = append(c.Accounts, p.account(k, a))
			c.rolesIn[a.ID] = p.rolesOf(k, a, c.Roles)
		}
		for _, right := range brevet.AllRights {
			if who := k.rights[right]; !who.Empty() {
				c.Holdings = append(c.Holdings, brevet.Holding{Customer: k.ID, Right: right, Who: who.Subjects})
			}
		}
	}
	for _, e := range p.entitlements {
		c.Entitlements = append(c.Entitlements, e.Entitlement)
	}
	c.Rotas, c.Engagements = p.catalogRotas(), p.catalogEngagements()
	return c
}

func (p *parser) account(k *customer, a *account) brevet.Account {
	out := a.Account
	out.Customer, out.Prefix = k.ID, k.prefix
	out.Contract = cmp.Or(out.Contract, firstContract)
	out.Issuer = p.issuer + "/c/" + string(k.ID)
	switch k.entry.name {
	case OIDC:
		out.OfflineIssuer = k.offline.name
	case AssumeRole:
		out.Broker, out.ExternalID = p.broker.name, k.external.name
	}
	out.Center = k.center.in(a)
	return out
}

func (p *parser) rolesOf(k *customer, a *account, all []brevet.Role) []brevet.Role {
	if a.roles == nil && !slices.ContainsFunc(all, func(r brevet.Role) bool { return !k.offers(r) }) {
		return all
	}
	var out []brevet.Role
	for _, r := range all {
		if a.has(r.Name) && k.offers(r) {
			out = append(out, r)
		}
	}
	return out
}

func (a *account) has(name brevet.RoleName) bool {
	if a.roles == nil {
		return true
	}
	for _, n := range a.roles {
		if n.name == string(name) {
			return true
		}
	}
	return false
}

// firstContract is the version of the stack that an account has deployed when
// the catalog does not say.
const firstContract = 1

// The bounds on what a catalog may say.
const (
	minGrant = time.Minute
	maxGrant = brevet.MaxSession // a console session gets the rest of a grant, and AWS knows none longer
)
