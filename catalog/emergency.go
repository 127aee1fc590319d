package catalog

import (
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// offlineMax is how long a session of an offline role may live: nobody
// decides about a second one.
const offlineMax = time.Hour

// offlineIssuer reads the URL of a customer's offline issuer.
func (p *parser) offlineIssuer(v value) named {
	s := p.issuerURL(v)
	if slices.ContainsFunc(strings.Split(s, "/"), func(part string) bool { return part == "." || part == ".." }) {
		p.errorf(v, "must not have . or .. as a part of its path")
	}
	return named{s, v}
}

// settle gives a role that the broker never issues for the bounds that its
// trust policy has, and refuses what would say otherwise. The rung is one
// that no proof meets, so that whoever asked by mistake would be refused.
func (p *parser) settle(r *role) {
	if !r.Offline {
		return
	}
	if r.emergency.Node != nil && r.Emergency {
		p.errorf(r.emergency, "an offline role admits nothing but emergencies: leave out emergency")
	}
	if r.mfa.Node != nil {
		p.errorf(r.mfa, "an offline role is entered when nobody can prove a second factor: leave out mfa")
	}
	if r.max.Node != nil && r.Max != offlineMax {
		p.errorf(r.max, "a session of an offline role lasts %s: leave out max", brevet.FormatDuration(offlineMax))
	}
	r.Max, r.MFA = offlineMax, brevet.RungBreakGlass
}

// offers reports whether a role can be entered at a customer at all: one that
// is offline needs an offline issuer to trust.
func (k *customer) offers(r brevet.Role) bool {
	return !r.Offline || k.entry.name == OIDC && k.offline.name != ""
}

// checkOffline holds a customer's offline issuer, and the offline roles that
// its accounts list, against the rest.
func (p *parser) checkOffline(k *customer) {
	if k.offline.at.Node != nil && k.entry.name != OIDC && k.entry.name != "" {
		p.errorf(k.offline.at, "is for entry: oidc only; this customer is entered by %s", k.entry.name)
	}
	if p.ownIssuer(k.offline.name) {
		p.errorf(k.offline.at, "is where this server's own tokens come from; what opens when it is gone needs an issuer and a key of its own")
	}
	for _, a := range k.accounts {
		for _, n := range a.roles {
			if r := p.findRole(n.name); r != nil && !k.offers(r.Role) {
				p.errorf(n.at, "role %s is offline, and customer %s has no offline_issuer for it to trust", r.Name, k.Name)
			}
		}
	}
}

// ownIssuer reports whether a URL is, or lies among, those of the issuers of
// the installation's customers.
func (p *parser) ownIssuer(s string) bool {
	return s != "" && p.issuer != "" && (s == p.issuer || strings.HasPrefix(s+"/", p.issuer+"/c/"))
}

// checkOnline refuses an entitlement to roles for which the broker never
// issues.
func (p *parser) checkOnline(n named, r *role) {
	if r.Offline {
		p.errorf(n.at, "role %s is offline: the broker never issues for it, so nobody can ask for it", r.Name)
	}
}

// checkCodes holds those who keep the second code against the rest of an
// entitlement for emergencies.
func (p *parser) checkCodes(e *entitlement) {
	codes := e.BreakGlass.Codes
	if codes.Empty() {
		return
	}
	if len(codes.Rotas) > 0 {
		p.errorf(e.codes, "codes lie sealed with people long before they are needed; who is on duty changes")
	}
	if why := lacks(e.Who, codes, 1); why != "" {
		p.errorf(e.codes, "nobody else has a code: %s", why)
	}
	admits := func(name brevet.RoleName) bool {
		r := p.findRole(string(name))
		return r == nil || r.Emergency // one that is not known was reported
	}
	if len(e.Roles) > 0 && !slices.ContainsFunc(e.Roles, admits) {
		p.errorf(e.codes, "are for when nobody can prove a second factor, and none of the entitlement's roles has emergency: true")
	}
}

// emergency compares what a role says of emergencies. An offline role trusts
// a key that lies in no server, another one trusts what the broker signs:
// neither is the narrower.
func (d *differ) emergency(what string, o, n *brevet.Role) {
	if o.Emergency != n.Emergency {
		d.either(n.Emergency, "%s: emergency: %t -> %t", what, o.Emergency, n.Emergency)
	}
	if o.Offline != n.Offline {
		d.wider("%s: offline: %t -> %t; %s", what, o.Offline, n.Offline, opened(n))
	}
}

// admits says of a new role what its trust policy asks for.
func admits(r *brevet.Role) string {
	switch {
	case r.Offline:
		return "offline: " + opened(r)
	case r.Emergency:
		return "MFA at most " + string(r.MFA) + " old, or in an emergency none"
	}
	return "MFA at most " + string(r.MFA) + " old"
}

// opened says by whom an offline role is opened, or that it is none.
func opened(r *brevet.Role) string {
	if r.Offline {
		return "it trusts the offline issuer alone"
	}
	return "it trusts what the broker signs"
}

// offlineIssuers compares a customer's offline issuer.
func (d *differ) offlineIssuers(what, o, n string) {
	if o != n {
		d.either(n != "", "%s: offline_issuer: %s -> %s", what, orNone(o), orNone(n))
	}
}
