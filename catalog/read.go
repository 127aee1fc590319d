package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

var (
	issuerHost = lazy(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)
	issuerPath = lazy(`^(/[A-Za-z0-9._-]+)*$`)
	regionName = lazy(`^[a-z]{2,4}(-[a-z]+){1,2}-[0-9]{1,2}$`)
	audience   = lazy(`^brevet:[0-9]{12}:[a-z2-7]{26}$`)
	iamPrefix  = lazy(`^[A-Za-z0-9+=,.@_-]{1,24}$`) // with a role of 40, the 64 characters that IAM takes
	managed    = lazy(`^[A-Za-z0-9+=,.@_-]+(/[A-Za-z0-9+=,.@_-]+)*$`)
)

// IAM's own limits on a role.
const (
	maxManaged = 10    // policies attached, without asking AWS for more
	maxInline  = 10240 // characters of inline policies, white space not counted
)

// issuerURL reads the installation's issuer. AWS registers it without a port,
// and a customer's stack holds it for years.
func (p *parser) issuerURL(v value) string {
	s := p.text(v)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "":
		p.errorf(v, "%s is not https://HOST", quote(s))
	case u.Port() != "" || strings.Contains(u.Host, ":"):
		p.errorf(v, "must have no port: AWS takes none in the URL of an identity provider")
	case u.User != nil || strings.ContainsAny(s, "?#"):
		p.errorf(v, "must have neither user, query nor fragment")
	case strings.HasSuffix(s, "/"):
		p.errorf(v, "must not end in /")
	case !issuerHost().MatchString(u.Host) || !issuerPath().MatchString(u.EscapedPath()) || len(s) > 200:
		p.errorf(v, "%s is not https://HOST with a lower-case host name", quote(s))
	default:
		return s
	}
	return ""
}

func (p *parser) readRoles(v value) {
	p.each(v, func(name string, k, v value) {
		if !brevet.ValidRole(name) {
			p.errorf(k, "%s cannot name a role: a letter and up to 39 letters, digits, _ and -", quote(name))
		} else if slices.Contains(reserved, strings.ToLower(name)) {
			p.errorf(k, "%s cannot name a role: the stack has a role of its own that is called so", name)
		}
		r := &role{Role: brevet.Role{Name: brevet.RoleName(name)}, at: k}
		r.Max, r.MFA = defaults(r.Name)
		p.mapping(v, fields{
			"about":     func(v value) { r.About = p.line(v) },
			"max":       func(v value) { r.Max, r.max = p.duration(v, time.Hour, brevet.MaxSession), v },
			"mfa":       func(v value) { r.MFA, r.mfa = p.rung(v), v },
			"policies":  func(v value) { r.Policies = p.managedPolicies(v) },
			"inline":    func(v value) { r.Inline = p.inline(v) },
			"emergency": func(v value) { r.Emergency, r.emergency = p.boolean(v), v },
			"offline":   func(v value) { r.Offline = p.boolean(v) },
		})
		p.settle(r)
		p.roles = append(p.roles, r)
	})
	if n := len(p.roles); n == 0 || n > maxRoles {
		p.errorf(v, "must hold 1 to %d roles, not %d", maxRoles, n)
		p.roles = p.roles[:min(n, maxRoles)]
	}
}

// defaults are the longest session and the bound on MFA of a role that does
// not say: less for the administrator, who may do everything.
func defaults(name brevet.RoleName) (longest time.Duration, mfa brevet.Rung) {
	if name == "Admin" {
		return 2 * time.Hour, brevet.Rung1h
	}
	return 4 * time.Hour, brevet.Rung8h
}

// managedPolicies reads names of AWS managed policies.
func (p *parser) managedPolicies(v value) []string {
	var out []string
	p.list(v, func(v value) {
		s := p.matching(v, func(s string) bool { return managed().MatchString(s) && len(s) <= 128 },
			"the name of an AWS managed policy, such as job-function/ViewOnlyAccess")
		if s != "" && slices.Contains(out, s) {
			p.errorf(v, "%s stands there twice", s)
		}
		out = append(out, s)
	})
	if len(out) > maxManaged {
		p.errorf(v, "%d policies are too many; AWS attaches at most %d to a role", len(out), maxManaged)
	}
	return out
}

// inline reads an IAM policy document, written as JSON.
func (p *parser) inline(v value) json.RawMessage {
	s := p.text(v)
	if s == "" {
		return nil
	}
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(s)); err != nil {
		p.errorf(v, "not JSON: %s", brevet.Printable(err.Error()))
		return json.RawMessage("{}") // it said something, wrongly
	}
	if err := checkPolicy(out.Bytes()); err != nil {
		p.errorf(v, "%s", brevet.Printable(err.Error()))
	}
	if out.Len() > maxInline {
		p.errorf(v, "%d characters are too many; AWS takes at most %d", out.Len(), maxInline)
	}
	return out.Bytes()
}

func (p *parser) readCustomer(v value) {
	k := &customer{at: v, prefix: "brevet-", entry: named{OIDC, v}, rights: map[brevet.Right]subjects{}}
	need := []string{"name", "id"}
	if p.incomplete {
		need = need[:1]
	}
	p.mapping(v, fields{
		"name": func(v value) {
			k.Name = p.matching(v, validCustomerName, "a name: 1 to 63 letters, digits, . _ -, not starting with cu_")
			k.at = v
		},
		"id": func(v value) { k.ID = p.customerID(v) },
		"prefix": func(v value) {
			k.prefix = p.matching(v, iamPrefix().MatchString, "the beginning of an IAM role's name, at most 24 characters")
		},
		"contact": func(v value) {
			k.Contact = p.matching(v, func(s string) bool { return len(s) <= 254 && mailbox().MatchString(s) }, "an e-mail address")
		},
		"log_group": func(v value) {
			k.LogGroup = p.matching(v, validLogGroup, "the name of a log group: 1 to 512 of A-Z a-z 0-9 . - _ / #, not starting with aws/")
		},
		"entry": func(v value) {
			k.entry = named{p.matching(v, validEntry, waysIn), v}
		},
		"offline_issuer":  func(v value) { k.offline = p.offlineIssuer(v) },
		"identity_center": func(v value) { k.center = p.readCenter(v) },
		"external_id": func(v value) {
			k.external = named{p.matching(v, externalID().MatchString, "26 characters of a-z 2-7; leave it out and brevetd dev or brevet customer add makes one"), v}
		},
		"accounts":    func(v value) { p.list(v, func(v value) { k.accounts = append(k.accounts, p.readAccount(v)) }) },
		"rights":      func(v value) { p.readRights(k, v) },
		"approval":    func(v value) { p.readConsent(k, v) },
		"rotas":       func(v value) { p.readRotas(k, v) },
		"engagements": func(v value) { p.list(v, func(v value) { p.readEngagement(k, v) }) },
	}, need...)
	k.LogGroup = cmp.Or(k.LogGroup, k.prefix+"access")
	if k.ID == "" {
		k.ID = brevet.CustomerID("incomplete-" + k.Name)
	}
	p.customers = append(p.customers, k)
}

// reserved are the names, in small letters, of roles that the stack makes for
// itself beside those of the catalog.
var reserved = []string{"errand", "forward", "revoke", "revoker"}

// validLogGroup: AWS keeps aws/ for itself.
func validLogGroup(s string) bool { return logGroup().MatchString(s) && !strings.HasPrefix(s, "aws/") }

func validCustomerName(s string) bool { return brevet.ValidName(s) && !strings.HasPrefix(s, "cu_") }

func (p *parser) customerID(v value) brevet.CustomerID {
	s := p.text(v)
	if s == "" {
		return ""
	}
	id, err := brevet.ParseID[brevet.CustomerID](s)
	if err != nil {
		p.errorf(v, "%s", err)
	}
	return id
}

func (p *parser) readAccount(v value) *account {
	a := &account{at: v, name: v, number: v, audience: v, contract: v}
	need := []string{"name", "number", "region", "audience"}
	if p.incomplete {
		need = need[:3]
	}
	p.mapping(v, fields{
		"name": func(v value) {
			a.Name = p.matching(v, validAccountName, "a name: 1 to 63 letters, digits, . _ -, not a number of twelve digits")
			a.name = v
		},
		"number": func(v value) {
			a.ID = brevet.AccountID(p.matching(v, brevet.ValidAWSAccount, "an account number: twelve digits"))
			a.number = v
		},
		"env":    func(v value) { a.Env = p.matching(v, brevet.ValidName, "a name: 1 to 63 letters, digits, . _ -") },
		"region": func(v value) { a.Region = p.matching(v, regionName().MatchString, "an AWS region, such as eu-west-1") },
		"audience": func(v value) {
			a.Audience = p.text(v)
			a.audience = v
		},
		"contract": func(v value) { a.Contract, a.contract = p.integer(v, 1), v },
		"roles":    func(v value) { a.roles = p.names(v) },
	}, need...)
	if a.Audience != "" && a.ID != "" && (!audience().MatchString(a.Audience) || !strings.HasPrefix(a.Audience, "brevet:"+string(a.ID)+":")) {
		p.errorf(a.audience, "%s is not brevet:%s: and 26 characters of a-z 2-7", quote(a.Audience), a.ID)
	}
	return a
}

func validAccountName(s string) bool { return brevet.ValidName(s) && !brevet.ValidAWSAccount(s) }

// names reads a list of names that stand there once each. It is never nil.
func (p *parser) names(v value) []named {
	out, seen := []named{}, map[string]bool{}
	p.list(v, func(v value) {
		n := named{p.text(v), v}
		if n.name == "" {
			return
		}
		if seen[n.name] {
			p.errorf(v, "%s stands there twice", quote(n.name))
			return
		}
		seen[n.name] = true
		out = append(out, n)
	})
	if v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
		p.errorf(v, "must not be empty")
	}
	return out
}
