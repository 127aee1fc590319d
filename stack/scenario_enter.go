package stack

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// attempt is an attempt to begin a session: what STS knows of it.
type attempt struct {
	role    string // ARN
	action  string
	caller  iam.Caller
	context iam.Context
}

// change makes a right attempt a wrong one.
type change func(w *world, a *attempt)

// right is the attempt that the broker makes for a role; for one that is
// offline, that whoever holds a token of the offline issuer makes.
func (w *world) right(role brevet.RoleName, mfa string) attempt {
	acc := w.side.Account
	if w.side.offlineRole(role) {
		acc.Issuer = acc.OfflineIssuer
	}
	a := attempt{role: acc.RoleARN(role), action: "sts:AssumeRoleWithWebIdentity", context: iam.Context{
		"sts:SourceIdentity": {oneHandle}, "sts:RoleSessionName": {sessionName}, "sts:DurationSeconds": {"3600"},
		"aws:TagKeys":                          {brevet.TagContract, brevet.TagGrant, brevet.TagMFA, brevet.TagRole},
		"aws:RequestTag/" + brevet.TagContract: {strconv.Itoa(acc.Contract)},
		"aws:RequestTag/" + brevet.TagGrant:    {oneGrant},
		"aws:RequestTag/" + brevet.TagMFA:      {mfa},
		"aws:RequestTag/" + brevet.TagRole:     {string(role)},
		"aws:SourceIp":                         {w.from()},
		"aws:CurrentTime":                      {now},
		"aws:SecureTransport":                  {"true"},
		"aws:RequestedRegion":                  {acc.Region},
	}}
	if acc.Broker != "" {
		w.byBroker(&a)
		return a
	}
	issuer := issuerName(acc)
	a.caller = iam.Caller{Kind: iam.KindFederated, Federated: ProviderARN(acc)}
	a.context["aws:FederatedProvider"] = []string{ProviderARN(acc)}
	a.context[issuer+":aud"] = []string{acc.Audience}
	a.context[issuer+":sub"] = []string{onePerson}
	return a
}

// byBroker makes the attempt one of the broker's own role.
func (w *world) byBroker(a *attempt) {
	broker := w.side.Account.Broker
	a.action = "sts:AssumeRole"
	a.context["sts:ExternalId"] = []string{w.side.Account.ExternalID}
	a.as(broker)
}

// as makes a role of another account the caller.
func (a *attempt) as(role string) {
	parts := strings.SplitN(role, ":", 6)
	if len(parts) != 6 {
		return
	}
	name := parts[5][strings.LastIndex(parts[5], "/")+1:]
	a.caller = iam.Caller{Kind: iam.KindAssumedRole, Role: role, ARN: "arn:" + parts[1] + ":sts::" + parts[4] + ":assumed-role/" + name + "/brevetd"}
	a.context["aws:PrincipalArn"] = []string{role}
	a.context["aws:PrincipalAccount"] = []string{parts[4]}
}

// enter tries to begin a session. STS judges the tags and the source identity
// as calls of their own, and refuses all if it refuses one.
func (w *world) enter(a attempt) finding {
	out := finding{event: w.entryEvent(a)}
	if w.fallen[LayerTrust] {
		out.result, out.statement = Allowed, "(no trust policy)"
		return out
	}
	role, ok := w.in.Role(a.role)
	if !ok {
		out.result, out.why = Refused, "the templates install no role "+a.role
		return out
	}
	actions := []string{a.action}
	if len(a.context["aws:TagKeys"]) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if len(a.context["sts:SourceIdentity"]) > 0 {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range slices.Backward(actions) { // so that the first one's reason is told
		got := iam.Evaluate(iam.Input{Identity: everythingAllowed, Resource: role.Trust, Request: iam.Request{Caller: a.caller, Action: action,
			Resource: role.ARN, ResourceAccount: string(w.side.Account.ID), Context: a.context}})
		f := w.decided(got, role, true)
		f.event = out.event
		if out.result != Refused || f.result == Refused {
			out = f
		}
	}
	return out
}

var everythingAllowed = []*iam.Policy{{Version: iam.Version2012, Statements: []iam.Statement{
	{Sid: "CallersOwn", Effect: iam.EffectAllow, Action: []string{"*"}, Resource: []string{"*"}}}}}

// decided turns a result into a finding, with the policy by its name.
func (w *world) decided(r iam.Result, role InstalledRole, entry bool) finding {
	f := finding{result: Refused, condition: r.Condition, why: r.Why}
	if r.Decision == iam.Allow {
		f.result = Allowed
	}
	index := func() int {
		_, rest, _ := strings.Cut(r.Policy, "[")
		i, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
		if err != nil {
			return -1
		}
		return i
	}
	name := r.Policy
	switch {
	case r.Policy == "resource" && entry:
		name = role.Name + " trust"
	case r.Policy == "boundary":
		name = role.BoundaryARN[strings.LastIndex(role.BoundaryARN, "/")+1:]
	case strings.HasPrefix(r.Policy, "identity["):
		if i := index(); i >= 0 && i < len(role.Policies) {
			name = role.Policies[i].Name
		}
	case r.Policy == "identity":
		name = "no policy of " + role.Name
	}
	f.statement = strings.TrimSpace(name + " " + r.Statement)
	return f
}

// entering is the attempt for each of the roles, after a change.
func entering(what string, roles []brevet.Role, changes ...change) []try {
	var out []try
	for _, r := range roles {
		out = append(out, try{what + ", " + string(r.Name), func(w *world) finding {
			a := w.right(r.Name, string(tightest(r)))
			for _, c := range changes {
				c(w, &a)
			}
			return w.enter(a)
		}})
	}
	return out
}

// tightest is the tightest rung that a role admits.
func tightest(r brevet.Role) brevet.Rung {
	if r.Offline {
		return brevet.RungBreakGlass
	}
	return brevet.Rungs[0]
}

// issuer is who vouches in an attempt, as conditions name it.
func (a *attempt) issuer() string {
	_, name, _ := strings.Cut(a.caller.Federated, ":oidc-provider/")
	return name
}

// setClaim is set for what the token says under its issuer's name: aud or sub.
func setClaim(name string, values ...string) change {
	return func(w *world, a *attempt) { set(a.issuer()+":"+name, values...)(w, a) }
}

// set gives a condition key values; none removes it.
func set(key string, values ...string) change {
	return func(_ *world, a *attempt) {
		if len(values) == 0 {
			delete(a.context, key)
			return
		}
		a.context[key] = values
	}
}

// tag sets a session tag, or takes it out, also of the list of keys.
func setTag(name string, values ...string) change {
	return func(w *world, a *attempt) {
		set("aws:RequestTag/"+name, values...)(w, a)
		keys := slices.DeleteFunc(slices.Clone(a.context["aws:TagKeys"]), func(k string) bool { return k == name })
		if len(values) > 0 {
			keys = append(keys, name)
		}
		set("aws:TagKeys", keys...)(w, a)
	}
}

// entries are the allowances of the trust policies, and each one's nearest
// refusals.
func (b *book) entries() {
	for i, r := range b.side.Roles {
		id, one := idOfRole(r.Name), []brevet.Role{r}
		said := entrySentences(r)
		b.claim("enter-"+id+"-right", said.right, Allowed, trustLayer, entering("the right entry", one)...)
		var within, beyond []try
		for _, rung := range append(slices.Clip(brevet.Rungs), brevet.RungBreakGlass) {
			t := entering("MFA "+string(rung), one, set("aws:RequestTag/"+brevet.TagMFA, string(rung)))
			if slices.Contains(rungs(r), string(rung)) {
				within = append(within, t...)
			} else {
				beyond = append(beyond, t...)
			}
		}
		for _, v := range []string{"30m", "1H", "breakglass2", "BreakGlass", ""} {
			beyond = append(beyond, entering("MFA "+strconv.Quote(v), one, set("aws:RequestTag/"+brevet.TagMFA, v))...)
		}
		b.claim("enter-"+id+"-mfa-within", said.within, Allowed, trustLayer, within...)
		b.claim("enter-"+id+"-mfa-beyond", said.beyond, Refused, bothEntry, beyond...).
			against(StolenLaptop)
		other := b.side.Roles[(i+1)%len(b.side.Roles)].Name
		var tags []try
		for _, v := range []string{string(other), b.side.Account.Prefix + string(r.Name), strings.ToLower(string(r.Name)), "*"} {
			if v != string(r.Name) {
				tags = append(tags, entering("for "+v, one, set("aws:RequestTag/"+brevet.TagRole, v))...)
			}
		}
		b.claim("enter-"+id+"-only-its-own", "What was issued for another role does not open "+string(r.Name)+".", Refused, bothEntry, tags...).
			against(StolenLaptop, HostileEngineer)
	}
}

// wrongTokens are the attempts that open no role.
func (b *book) wrongTokens() {
	roles := b.side.Roles
	refuse := func(id, about string, groups ...[]try) *Scenario {
		return b.claim(id, about, Refused, bothEntry, slices.Concat(groups...)...).against(StolenLaptop, HostileEngineer)
	}
	tag := func(name string) string { return "aws:RequestTag/" + name }
	refuse("enter-wrong-contract", "An agreement of another version, or none, opens nothing.",
		entering("contract 999", roles, set(tag(brevet.TagContract), "999")), entering("contract 01", roles, set(tag(brevet.TagContract), "01")),
		entering("no contract", roles, setTag(brevet.TagContract)))
	refuse("enter-no-grant", "Nobody gets in without naming the grant.", entering("no grant", roles, setTag(brevet.TagGrant)), entering("an empty grant", roles, setTag(brevet.TagGrant, "")))
	refuse("enter-no-mfa-tag", "Nobody gets in without a statement on MFA.", entering("no MFA", roles, setTag(brevet.TagMFA)))
	refuse("enter-no-role-tag", "Nobody gets in with what was issued for no role.", entering("no role", roles, setTag(brevet.TagRole)))
	refuse("enter-no-source-identity", "Nobody gets in without a source identity: each session has a name.",
		entering("no source identity", roles, set("sts:SourceIdentity")), entering("an empty source identity", roles, set("sts:SourceIdentity", "")))
	refuse("enter-no-tags", "Nobody gets in without session tags.", entering("no tags", roles, func(_ *world, a *attempt) {
		maps.DeleteFunc(a.context, func(k string, _ []string) bool { return k == "aws:TagKeys" || strings.HasPrefix(k, "aws:RequestTag/") })
	}))
	refuse("enter-foreign-tags", "A session gets no tags but brevet's own.", entering("the tag team", roles, setTag("team", "x")), entering("the tag env-prod", roles, setTag("env-prod", "false")))
	b.wrongCallers()
	if b.side.Account.Broker != "" {
		b.wrongBroker(refuse)
	} else {
		b.wrongIssuer(refuse)
	}
	b.addresses()
}

// wrongIssuer are tokens that are somebody else's.
func (b *book) wrongIssuer(refuse func(id, about string, groups ...[]try) *Scenario) {
	roles, acc := b.side.Roles, b.side.Account
	otherID := b.side.stranger()
	aud := func(v ...string) change { return setClaim("aud", v...) }
	sub := func(v ...string) change { return setClaim("sub", v...) }
	refuse("enter-wrong-audience", "A token that is made out to something else opens nothing.",
		entering("another random part", roles, aud("brevet:"+string(acc.ID)+":zyxwvutsrqponmlkjihgfedcba")), entering("in capitals", roles, aud(strings.ToUpper(acc.Audience))),
		entering("sts.amazonaws.com", roles, aud("sts.amazonaws.com")), entering("no audience", roles, aud()))
	refuse("enter-other-account", "A token for another account of the same customer opens nothing here.",
		entering("its audience", roles, aud("brevet:"+otherID+":zyxwvutsrqponmlkjihgfedcba")),
		entering("its provider", roles, provider(func(arn string) string { return strings.Replace(arn, string(acc.ID), otherID, 1) })))
	refuse("enter-other-customer", "A token of another customer's issuer opens nothing.", entering("another customer", roles, issuedBy(strings.TrimSuffix(acc.Issuer, acc.Issuer[max(0, len(acc.Issuer)-1):])+"z"))).
		against(HostileEngineer, StolenKey)
	refuse("enter-other-issuer", "A token of an issuer that is not brevet opens nothing.",
		entering("another host", roles, issuedBy("https://issuer.example.com/c/x")), entering("a host below ours", roles, issuedBy(acc.Issuer+"/x")),
		entering("GitHub's", roles, issuedBy("https://token.actions.githubusercontent.com")))
	refuse("enter-wrong-subject", "A token about something that is no person opens nothing.",
		entering("a machine", roles, sub("si_01jd5w1a2b3c4d5e6f7g8h9j0k")), entering("a handle", roles, sub(oneHandle)),
		entering("too long", roles, sub(onePerson+"0")), entering("no subject", roles, sub()))
}

// provider has another identity provider vouch for the same claims.
func provider(other func(arn string) string) change {
	return func(_ *world, a *attempt) {
		a.caller.Federated = other(a.caller.Federated)
		a.context["aws:FederatedProvider"] = []string{a.caller.Federated}
	}
}

// issuedBy has another issuer's provider in this account vouch, with the
// claims under its own name.
func issuedBy(url string) change {
	return func(w *world, a *attempt) {
		issuer, name := a.issuer(), strings.TrimPrefix(url, scheme)
		for _, claim := range []string{":aud", ":sub"} {
			a.context[name+claim] = a.context[issuer+claim]
			delete(a.context, issuer+claim)
		}
		provider(func(string) string { return w.global("iam", "oidc-provider/"+name) })(w, a)
	}
}

// wrongBroker are attempts by what is not the broker, or on behalf of another
// customer.
func (b *book) wrongBroker(refuse func(id, about string, groups ...[]try) *Scenario) {
	roles, broker := b.side.Roles, b.side.Account.Broker
	account := strings.SplitN(broker+":::::", ":", 6)[4]
	as := func(role string) change { return func(_ *world, a *attempt) { a.as(role) } }
	refuse("enter-no-external-id", "The broker does not get in without this customer's external id.", entering("no external id", roles, set("sts:ExternalId"))).
		against(HostileEngineer, StolenLaptop)
	refuse("enter-wrong-external-id", "Another customer's external id opens nothing.", entering("another external id", roles, set("sts:ExternalId", "zyxwvutsrqponmlkjihgfedcba")),
		entering("in capitals", roles, set("sts:ExternalId", strings.ToUpper(b.side.Account.ExternalID)))).against(HostileEngineer)
	refuse("enter-other-broker-role", "No other role of the broker's own account gets in.", entering("another role", roles, as("arn:"+b.side.Account.Partition()+":iam::"+account+":role/other")),
		entering("a name that begins alike", roles, as(broker+"2"))).against(HostileEngineer)
	refuse("enter-other-broker-account", "No other account gets in, whatever it calls its role.", entering("a role of that name elsewhere", roles, as(strings.Replace(broker, account, b.side.stranger(), 1))))
}

// wrongCallers are principals without a token of ours.
func (b *book) wrongCallers() {
	acc := b.side.Account
	by := func(c iam.Caller, action string) change {
		return func(_ *world, a *attempt) {
			a.caller, a.action = c, action
			a.context["aws:PrincipalArn"] = []string{c.ARN}
			delete(a.context, "aws:FederatedProvider")
		}
	}
	w := &world{side: b.side}
	roles := b.side.Roles
	b.claim("enter-anonymous", "Nobody gets in without an identity that AWS has checked.", Refused, trustLayer, slices.Concat(
		entering("no identity", roles, by(iam.Caller{Kind: iam.KindAnonymous}, "sts:AssumeRoleWithWebIdentity")),
		entering("no identity", roles, by(iam.Caller{Kind: iam.KindAnonymous}, "sts:AssumeRole")))...).against(HostileEngineer, StolenLaptop)
	b.claim("enter-own-principals", "Nobody in the account itself becomes one of the roles: no user, no role, no service.", Refused, trustLayer, slices.Concat(
		entering("a user", roles, by(iam.Caller{Kind: iam.KindUser, ARN: w.global("iam", "user/somebody")}, "sts:AssumeRole")),
		entering("a session of another role", roles, by(w.caller(w.roleARN("somebody")), "sts:AssumeRole")),
		entering("the root user", roles, by(iam.Caller{Kind: iam.KindRoot, ARN: w.global("iam", "root")}, "sts:AssumeRole")),
		entering("a service", roles, by(iam.Caller{Kind: iam.KindService, Service: "lambda.amazonaws.com"}, "sts:AssumeRole")))...).against(HostileEngineer)
	var others []try
	for _, action := range []string{"sts:AssumeRoleWithSAML", "sts:AssumeRoot", "sts:GetFederationToken"} {
		others = append(others, entering(action, roles, func(_ *world, a *attempt) { a.action = action })...)
	}
	b.claim("enter-no-other-way", "What is right for entry is good for no other call of STS.", Refused, trustLayer, others...).against(HostileEngineer)
	b.claim("enter-other-accounts", "No other AWS account gets in.", Refused, trustLayer, slices.Concat(
		entering("a role elsewhere", roles, by(iam.Caller{Kind: iam.KindAssumedRole, ARN: "arn:" + acc.Partition() + ":sts::" + b.side.stranger() + ":assumed-role/x/y"}, "sts:AssumeRole")),
		entering("SAML", roles, by(iam.Caller{Kind: iam.KindFederated, Federated: w.global("iam", "saml-provider/okta")}, "sts:AssumeRoleWithSAML")))...).against(HostileEngineer)
}

// addresses is about where the broker enters from.
func (b *book) addresses() {
	const inside, outside = "203.0.113.7", "198.51.100.9"
	roles := slices.DeleteFunc(slices.Clone(b.side.Roles), func(r brevet.Role) bool { return r.Offline })
	b.claim("enter-from-broker-address", "With BrokerCidrs, entry from these addresses works.", Allowed, trustLayer,
		append(entering("from inside", roles, set("aws:SourceIp", inside)), entering("from the second block", roles, set("aws:SourceIp", "2001:db8::7"))...)...).
		with("BrokerCidrs", inside+"/32,2001:db8::/64")
	b.claim("enter-without-cidrs", "Without BrokerCidrs, entry from anywhere works.", Allowed, trustLayer, entering("from outside", roles, set("aws:SourceIp", outside))...).with("BrokerCidrs", "")
	b.claim("enter-from-elsewhere", "With BrokerCidrs, a perfect entry from another address is refused: a stolen signing key is of no use elsewhere.", Refused, trustLayer,
		append(entering("from outside", roles, set("aws:SourceIp", outside)), entering("from no address", roles, set("aws:SourceIp"))...)...).
		with("BrokerCidrs", inside+"/32,2001:db8::/64").against(StolenKey)
}
