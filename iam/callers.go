package iam

import (
	"slices"
	"strings"
)

// stranger is an AWS account that no policy means.
const stranger = digitsOfEvil

// callersOf are the principals of an account that a hostile corpus has.
func callersOf(account, name string) []Caller {
	return []Caller{
		{ARN: "arn:aws:sts::" + account + ":assumed-role/" + name + "/session", Account: account},
		{ARN: "arn:aws:iam::" + account + ":user/" + name, Account: account},
		{ARN: "arn:aws:iam::" + account + ":root", Account: account},
	}
}

// principalARN is what aws:PrincipalArn says of a caller: for a session its
// role.
func principalARN(c Caller) string {
	head, tail, ok := strings.Cut(c.ARN, ":assumed-role/")
	if !ok {
		return c.ARN
	}
	name, _, _ := strings.Cut(tail, "/")
	return strings.ReplaceAll(head, ":sts:", ":iam:") + ":role/" + name
}

// as makes the context of a caller out of one that meets the conditions.
func (c *search) as(caller Caller) Context {
	ctx := copyOf(c.meets)
	elsewhere(ctx)
	set := func(key, value string) {
		if _, ok := ctx[key]; ok {
			ctx[key] = []string{value}
		}
	}
	set("aws:principalaccount", caller.account())
	set("aws:userid", "AROAEVILEVILEVILEVILE:session")
	ctx["aws:principalarn"] = []string{principalARN(caller)}
	for _, key := range []string{"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid"} { // only services say so
		delete(ctx, key)
	}
	if caller.kind() == KindAnonymous {
		for key := range ctx {
			if strings.HasPrefix(key, "aws:principal") || key == "aws:username" || key == "kms:calleraccount" {
				delete(ctx, key)
			}
		}
	}
	if caller.account() == stranger {
		set("aws:principalorgid", "o-attacker00")
		set("aws:principalorgpaths", "o-attacker00/r-evil/ou-evil-66666666/")
		set("kms:calleraccount", stranger)
	}
	return ctx
}

// foreigners tries callers of an account that has nothing to do with the
// policy, and nobody known.
func (c *search) foreigners(at string) {
	action, resource, ok := c.what("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:TagSession")
	if !ok {
		return
	}
	rule, why := "T01", "lets in callers of any account"
	if at == ".NotPrincipal" {
		rule, why = "T07", "lets in everybody but those who are named"
	}
	names := []string{"attacker"}
	for _, v := range c.statement.patterns("aws:PrincipalArn") {
		if _, name, ok := strings.Cut(concrete(v), "/"); ok {
			names = append(names, name)
		}
	}
	for _, name := range names {
		for _, one := range c.strangers(name, action, resource) {
			if c.hole(rule, c.path(at), why, one) {
				return
			}
		}
	}
	c.multiFactor("x")
}

// strangers are the requests of callers of a foreign account, of one that is
// in no organization, and of nobody known, whom STS does not serve.
func (c *search) strangers(name, action, resource string) []try {
	var out []try
	for _, caller := range callersOf(stranger, name) {
		ctx := c.as(caller)
		out = append(out, try{who: "a caller of a foreign account", caller: caller, action: action, resource: resource, context: ctx},
			try{who: "a caller of a foreign account without organization", caller: caller, action: action, resource: resource,
				context: ctx.with("aws:PrincipalOrgID").with("aws:PrincipalOrgPaths")})
	}
	if c.kind != TrustPolicy {
		nobody := Caller{Kind: KindAnonymous}
		out = append(out, try{who: "anybody, without signing", caller: nobody, action: action, resource: resource, context: c.as(nobody)})
	}
	return out
}

// named tries callers of the accounts that the statement names.
func (c *search) named() {
	for i, p := range c.statement.Principal.AWS {
		path := c.path(".Principal.AWS")
		if len(c.statement.Principal.AWS) > 1 {
			path = index(path, i)
		}
		if !strings.HasPrefix(p, "arn:") && !digits(p) {
			c.add("L30", path, quote(p)+" is the number of a principal that was deleted", nil)
			continue
		}
		c.deputy(path, p)
	}
}

// deputy tries a trusted third party that acts for another of its customers,
// and others of its account.
func (c *search) deputy(path, principal string) {
	action, resource, ok := c.what("sts:AssumeRole")
	if !ok || c.kind != TrustPolicy {
		return
	}
	account, name := accountAndName(principal)
	caller := callersOf(account, name)[0]
	if strings.Contains(principal, ":user/") {
		caller = callersOf(account, name)[1]
	}
	ctx := c.meets
	one := try{caller: caller, action: action, resource: resource, context: ctx}
	if account != c.account && !c.statement.pins("aws:PrincipalOrgID") && !c.statement.pins("aws:PrincipalOrgPaths") {
		for _, id := range []string{"", "another-customer"} {
			one.who = "the trusted account on behalf of another customer"
			one.context = ctx.with("sts:ExternalId")
			if id != "" {
				one.context = ctx.with("sts:ExternalId", id)
			}
			if c.hole("T02", path, "lets in "+one.who+", since no ExternalId is demanded", one) {
				break
			}
		}
		c.guessable()
	}
	c.lookalikeRoles(path, principal, account, one)
	c.multiFactor(account)
}

// accountAndName takes a principal apart; a whole account stands for any role
// of it.
func accountAndName(principal string) (account, name string) {
	if digits(principal) {
		return principal, "any-role"
	}
	parts := strings.SplitN(principal, ":", 6)
	if len(parts) < 6 {
		return "", "any-role"
	}
	_, name, ok := strings.Cut(parts[5], "/")
	if !ok {
		return parts[4], "any-role"
	}
	if parts[2] == "sts" {
		name, _, _ = strings.Cut(name, "/")
	}
	return parts[4], name[strings.LastIndex(name, "/")+1:]
}

// guessable finds an ExternalId that is no secret and no random text either.
func (c *search) guessable() {
	for _, v := range c.statement.patterns("sts:ExternalId") {
		letters := []byte(v)
		slices.Sort(letters)
		if bare(v) != v || len(v) < 20 || len(slices.Compact(letters)) < 8 {
			c.add("T12", c.pathOf("sts:ExternalId"), "the ExternalId "+quote(v)+" can be guessed", nil)
		}
	}
}

// lookalikeRoles tries other roles of the trusted account.
func (c *search) lookalikeRoles(path, principal, account string, one try) {
	as := func(name string) try {
		t := one
		t.caller, t.who = Caller{ARN: "arn:aws:sts::" + account + ":assumed-role/" + name + "/session", Account: account}, "another role of account "+account
		t.context = c.meets.with("aws:PrincipalArn", principalARN(t.caller))
		return t
	}
	meant := c.statement.patterns("aws:PrincipalArn")
	whole := digits(principal) || strings.HasSuffix(principal, ":root")
	if whole && account != c.account && len(c.statement.about("aws:PrincipalArn")) == 0 {
		c.hole("T05", path, "lets in every role and user of account "+account, as("attacker"))
	}
	for _, v := range meant {
		_, n, _ := strings.Cut(bare(v), "/")
		for _, name := range []string{n + "-evil", "evil-" + n, swapCase(n), "evil/" + n} {
			if t := as(name); n != "" && !slices.Contains(meant, principalARN(t.caller)) {
				c.hole("T10", c.pathOf("aws:PrincipalArn"), "lets in another role than the one that is meant", t)
			}
		}
	}
}

// multiFactor tries a session without MFA where a condition is about it.
func (c *search) multiFactor(account string) {
	for _, key := range []string{"aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge"} {
		about := c.statement.about(key)
		if len(about) == 0 || c.kind != TrustPolicy {
			continue
		}
		action, resource, ok := c.what("sts:AssumeRole")
		if !ok {
			continue
		}
		caller := callersOf(account, "any-role")[0]
		if len(c.statement.Principal.AWS) > 0 {
			a, n := accountAndName(c.statement.Principal.AWS[0])
			caller = callersOf(a, n)[0]
		}
		one := try{who: "a session that was begun without MFA", caller: caller, action: action, resource: resource,
			context: c.meets.with("aws:MultiFactorAuthPresent").with("aws:MultiFactorAuthAge")}
		c.hole("T03", c.pathOf(key), "the condition on MFA holds without MFA", one)
	}
}

// service tries an AWS service that acts for another account.
func (c *search) service(name string) {
	if c.kind != ResourcePolicy {
		return
	}
	action, resource, _ := c.what()
	caller := Caller{Kind: KindService, Service: name}
	ctx := copyOf(c.meets)
	for _, key := range []string{"aws:sourceaccount", "aws:sourceorgid", "aws:sourcearn", "aws:principalorgid"} {
		v := map[string]string{"aws:sourceaccount": stranger, "aws:sourceorgid": "o-attacker00", "aws:principalorgid": "o-attacker00"}[key]
		if old := ctx[key]; key == "aws:sourcearn" && len(old) > 0 {
			v = foreign(old[0])
		}
		if v != "" {
			ctx[key] = []string{v}
		}
	}
	c.hole("T06", c.path(".Principal.Service"), "lets in "+name+" on behalf of any account",
		try{who: "a service on behalf of a foreign account", caller: caller, action: action, resource: resource, context: ctx})
}

// foreign is an ARN in a foreign account.
func foreign(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 && parts[4] != "" {
		parts[4] = stranger
	}
	return strings.Join(parts, ":")
}

// saml tries assertions that were made for another service.
func (c *search) saml(provider string) {
	action, resource, ok := c.what("sts:AssumeRoleWithSAML")
	if !ok || c.kind != TrustPolicy {
		return
	}
	one := try{who: "an assertion that was made for another service", caller: Caller{Kind: KindFederated, Federated: provider}, action: action, resource: resource,
		context: c.meets.with("SAML:aud", "https://attacker.example/saml")}
	c.hole("L03", c.pathOf("SAML:aud"), "no condition says for whom the assertion must be made", one)
	one.context = c.meets.with("SAML:aud")
	if len(c.statement.about("SAML:aud")) > 0 {
		c.hole("L04", c.pathOf("SAML:aud"), "the condition holds where there is no SAML:aud", one)
	}
}
