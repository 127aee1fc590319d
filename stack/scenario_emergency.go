package stack

import (
	"slices"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// sentences say what a role's trust policy admits.
type sentences struct{ right, within, beyond string }

func entrySentences(r brevet.Role) sentences {
	name, bound := string(r.Name), string(r.MFA)
	switch {
	case r.Offline:
		return sentences{
			right:  "In an emergency, a token of the offline issuer opens " + name + ".",
			within: name + " admits brevet-mfa=breakglass.",
			beyond: name + " admits nothing but brevet-mfa=breakglass, however fresh the second factor.",
		}
	case r.Emergency:
		return sentences{
			right:  "The right person, with a grant for " + name + " and fresh MFA, gets in.",
			within: name + " admits MFA of up to " + bound + ", and in an emergency brevet-mfa=breakglass.",
			beyond: name + " admits no MFA older than " + bound + ", and no other value that is no rung.",
		}
	}
	return sentences{
		right:  "The right person, with a grant for " + name + " and fresh MFA, gets in.",
		within: name + " admits MFA of up to " + bound + ".",
		beyond: name + " admits no MFA older than " + bound + ", and no value that is no rung.",
	}
}

// emergencies is about the two issuers: each opens the roles that are its own.
func (b *book) emergencies() {
	if !b.side.offline() {
		return
	}
	var offline, online []brevet.Role
	for _, r := range b.side.Roles {
		if r.Offline {
			offline = append(offline, r)
		} else {
			online = append(online, r)
		}
	}
	acc := b.side.Account
	rung := func(r brevet.Rung) change { return set("aws:RequestTag/"+brevet.TagMFA, string(r)) }
	main, second := issuedBy(acc.Issuer), issuedBy(acc.OfflineIssuer)
	borrowed := provider(func(string) string { return OfflineProviderARN(acc) })
	b.claim("enter-offline-main-issuer", "What the broker signs opens no role that is offline, not even for an emergency.", Refused, trustLayer, slices.Concat(
		entering("in an emergency", offline, main), entering("with fresh MFA", offline, main, rung(brevet.Rung5m)),
		entering("the broker's claims at the offline provider", offline, main, borrowed))...).against(StolenKey, HostileBroker)
	b.claim("enter-online-offline-issuer", "What the offline issuer signs opens no role that is not offline, whatever it says.", Refused, trustLayer, slices.Concat(
		entering("with fresh MFA", online, second), entering("in an emergency", online, second, rung(brevet.RungBreakGlass)),
		entering("its provider with the broker's claims", online, borrowed))...).against(StolenKey, HostileEngineer)
	b.claim("enter-offline-from-anywhere", "With BrokerCidrs, a role that is offline is still open from anywhere: the broker's addresses are gone with it.", Allowed, trustLayer,
		entering("from outside", offline, set("aws:SourceIp", "198.51.100.9"))...).with("BrokerCidrs", "203.0.113.7/32")
}

// emergencyTold is about the mail for each session that an emergency opened.
func (b *book) emergencyTold() {
	if !b.side.urgent() {
		return
	}
	first := func(want func(brevet.Role) bool) (brevet.RoleName, bool) {
		i := slices.IndexFunc(b.side.Roles, want)
		if i < 0 {
			return "", false
		}
		return b.side.Roles[i].Name, true
	}
	entry := func(role brevet.RoleName, rung brevet.Rung) func(*world) map[string]any {
		return func(w *world) map[string]any { return w.entryEvent(w.right(role, string(rung))) }
	}
	var told []try
	for _, r := range b.side.Roles { // also of one whose trust policy somebody changed
		told = append(told, happeningAt("an emergency session of "+string(r.Name), "", peopleTarget, entry(r.Name, brevet.RungBreakGlass)))
		if r.Offline {
			told = append(told, happeningAt("any session of "+string(r.Name), "", peopleTarget, func(w *world) map[string]any {
				return w.entryEvent(attempt{role: w.side.Account.RoleARN(r.Name), action: "sts:AssumeRole", caller: iam.Caller{Kind: iam.KindUser}})
			}))
		}
	}
	b.claim("emergency-told", "The customer's security contact is told of each session that an emergency opened, by the account itself.", Recorded, recordLayer, told...).
		against(StolenKey, StolenLaptop, HostileEngineer, HostileBroker)
	name, ok := first(func(r brevet.Role) bool { return !r.Offline && r.Name != roleAdmin })
	urgent, _ := first(func(r brevet.Role) bool { return r.Emergency || r.Offline })
	quiet := []try{
		happeningAt("a refused emergency session", "", peopleTarget, func(w *world) map[string]any {
			return refusedEntry(entry(urgent, brevet.RungBreakGlass)(w), w.side.Account.RoleARN(urgent), true)
		}),
		happeningAt("a call in an emergency session", "", peopleTarget, calling(func(w *world) string { return w.side.Account.RoleARN(urgent) }, "ec2:StopInstances", false, "")),
		happeningAt("a role of somebody else with the tag", "", peopleTarget, func(w *world) map[string]any {
			e := entry(urgent, brevet.RungBreakGlass)(w)
			e["detail"].(map[string]any)["requestParameters"].(map[string]any)["roleArn"] = w.roleARN("shop")
			return e
		}),
		happeningAt("another account", "", peopleTarget, func(w *world) map[string]any {
			e := entry(urgent, brevet.RungBreakGlass)(w)
			e["account"] = b.side.stranger()
			return e
		}),
		happeningAt("another source", "", peopleTarget, func(w *world) map[string]any {
			e := entry(urgent, brevet.RungBreakGlass)(w)
			e["source"] = "aws.other"
			return e
		}),
		happeningAt("no call", "", peopleTarget, func(w *world) map[string]any {
			e := entry(urgent, brevet.RungBreakGlass)(w)
			e["detail-type"] = "AWS Service Event via CloudTrail"
			return e
		}),
		happeningAt("another call of STS", "", peopleTarget, func(w *world) map[string]any {
			e := entry(urgent, brevet.RungBreakGlass)(w)
			e["detail"].(map[string]any)["eventName"] = "GetCallerIdentity"
			return e
		}),
	}
	if ok {
		quiet = append(quiet, happeningAt("an ordinary session", "", peopleTarget, entry(name, brevet.Rung5m)))
	}
	b.claim("emergency-told-alone", "They are told of no other session as of an emergency.", Ignored, recordLayer, quiet...)
}
