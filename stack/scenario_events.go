package stack

import (
	"maps"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// What CloudTrail puts onto the bus, as far as rules look at it.

// envelope wraps what CloudTrail recorded.
func (w *world) envelope(source, detailType, region string, detail map[string]any) map[string]any {
	detail["awsRegion"] = region
	return map[string]any{"version": "0", "id": "0a1b", "detail-type": detailType, "source": source, "account": string(w.side.Account.ID), "time": now, "region": region,
		"resources": []any{}, "detail": detail}
}

const callType = "AWS API Call via CloudTrail"

// identity is a session as CloudTrail names it.
func (w *world) identity(role, session string) map[string]any {
	name := role[strings.LastIndex(role, "/")+1:]
	return map[string]any{"type": "AssumedRole", "principalId": "AROAEXAMPLE:" + session, "arn": w.global("sts", "assumed-role/"+name+"/"+session), "accountId": string(w.side.Account.ID),
		"sessionContext": map[string]any{"sessionIssuer": map[string]any{"type": "Role", "userName": name, "arn": role, "accountId": string(w.side.Account.ID)}, "sourceIdentity": oneHandle}}
}

// callEvent is what is reported of a call; code is "" where it went through.
func (w *world) callEvent(c call, code string) map[string]any {
	service, action, _ := strings.Cut(c.action, ":")
	detail := map[string]any{"userIdentity": w.identity(c.role, sessionName), "eventSource": service + ".amazonaws.com", "eventName": action, "readOnly": c.reads, "sourceIPAddress": anywhere,
		"eventType": "AwsApiCall", "managementEvent": true}
	if code != "" {
		detail["errorCode"] = code
	}
	return w.envelope("aws."+service, callType, w.side.Account.Region, detail)
}

// entryEvent is what is reported of an attempt to begin a session.
func (w *world) entryEvent(a attempt) map[string]any {
	_, action, _ := strings.Cut(a.action, ":")
	who := map[string]any{"type": "WebIdentityUser", "principalId": a.caller.Federated + ":x:" + onePerson, "userName": onePerson, "identityProvider": a.caller.Federated}
	switch a.caller.Kind {
	case iam.KindAssumedRole:
		who = map[string]any{"type": "AWSAccount", "principalId": "AROAEXAMPLE:brevetd", "accountId": "999999999999"}
	case iam.KindUser:
		who = map[string]any{"type": "IAMUser", "arn": a.caller.ARN, "accountId": string(w.side.Account.ID)}
	}
	asked := map[string]any{"roleArn": a.role, "roleSessionName": sessionName, "sourceIdentity": oneHandle}
	a.tagged(action, asked)
	return w.envelope("aws.sts", callType, w.side.Account.Region, map[string]any{"userIdentity": who, "eventSource": "sts.amazonaws.com", "eventName": action, "readOnly": true,
		"requestParameters": asked, "sourceIPAddress": w.from(), "eventType": "AwsApiCall", "managementEvent": true})
}

// tagged adds the session's tags to what was asked for, as CloudTrail has
// them: a list where the caller gave them, a mapping where a token did.
func (a attempt) tagged(action string, asked map[string]any) {
	byKey, list := map[string]any{}, []any{}
	for _, key := range slices.Sorted(maps.Keys(a.context)) {
		if name, ok := strings.CutPrefix(key, "aws:RequestTag/"); ok && len(a.context[key]) > 0 {
			byKey[name] = a.context[key][0]
			list = append(list, map[string]any{"key": name, "value": a.context[key][0]})
		}
	}
	switch {
	case len(list) == 0:
	case action == "AssumeRole":
		asked["tags"] = list
	default:
		asked["principalTags"] = byKey
	}
}

// refusedEntry is an entry that STS refused. It then tells what was asked
// for, or the role's ARN only in its message, or both.
func refusedEntry(e map[string]any, role string, parameters bool) map[string]any {
	detail := e["detail"].(map[string]any)
	detail["errorCode"] = "AccessDenied"
	detail["errorMessage"] = "User: x is not authorized to perform: sts:AssumeRoleWithWebIdentity on resource: " + role
	if !parameters {
		detail["requestParameters"] = nil
		delete(detail, "requestParameters")
	}
	return e
}

// goes says where an event ends: in the record, in another region's bus, with
// people; nowhere.
func (w *world) goes(e map[string]any, region string, where func(w *world, t Target) bool) (rule string) {
	if w.fallen[LayerRecord] {
		return ""
	}
	detail, _ := e["detail"].(map[string]any)
	reads, _ := detail["readOnly"].(bool)
	for _, r := range w.in.Rules {
		on, all := r.Delivers()
		if r.Region == region && on && (all || !reads) && MatchEvent(r.Pattern, e) && slices.ContainsFunc(r.Targets, func(t Target) bool { return where(w, t) }) {
			return r.Name
		}
	}
	return ""
}

// recordTarget is the log group that is kept.
func recordTarget(w *world, t Target) bool {
	return slices.ContainsFunc(w.in.LogGroups, func(g LogGroup) bool { return strings.TrimSuffix(g.ARN, ":*") == t.ARN })
}

func peopleTarget(w *world, t Target) bool {
	return slices.ContainsFunc(w.in.Topics, func(topic Topic) bool { return topic.ARN == t.ARN })
}

// busTarget is the bus of the home region, with a role that may write there.
func busTarget(w *world, t Target) bool {
	role, ok := w.in.Role(t.RoleARN)
	if !ok || t.ARN != w.arn("events", "event-bus/default") {
		return false
	}
	service := iam.Caller{Kind: iam.KindService, Service: "events.amazonaws.com"}
	enter := iam.Evaluate(iam.Input{Resource: role.Trust, Request: iam.Request{Caller: service, Action: "sts:AssumeRole", Resource: role.ARN, ResourceAccount: w.in.Account,
		Context: iam.Context{"aws:SourceAccount": {w.in.Account}, "aws:SourceArn": {w.arnIn("events", elsewhere(w.side.Account), "rule/"+w.ours("calls"))}}}})
	put := iam.Evaluate(iam.Input{Identity: role.Identity(), Boundary: role.Boundary, Request: iam.Request{Caller: w.caller(role.ARN), Action: "events:PutEvents", Resource: t.ARN}})
	return enter.Decision == iam.Allow && put.Decision == iam.Allow
}

// happening is an event, and whether it is recorded.
func happening(what string, event func(w *world) map[string]any) try {
	return happeningAt(what, "", recordTarget, event)
}

func happeningAt(what, region string, where func(*world, Target) bool, event func(w *world) map[string]any) try {
	return try{what, func(w *world) finding {
		at := region
		if at == "" {
			at = w.side.Account.Region
		}
		if rule := w.goes(event(w), at, where); rule != "" {
			return finding{result: Recorded, statement: "rule " + rule}
		}
		return finding{result: Ignored, statement: "no rule"}
	}}
}

// calling is the event of a call by a session.
func calling(role func(*world) string, action string, reads bool, code string) func(*world) map[string]any {
	return func(w *world) map[string]any {
		return w.callEvent(call{role: role(w), action: action, reads: reads}, code)
	}
}

// elsewhere is a region of the account's partition that is not its home.
func elsewhere(a brevet.Account) string {
	regions := map[string][2]string{"aws-cn": {"cn-north-1", "cn-northwest-1"}, "aws-us-gov": {"us-gov-west-1", "us-gov-east-1"}, "aws-eusc": {"eusc-de-east-1", "eusc-de-west-1"}}
	pair, ok := regions[a.Partition()]
	if !ok {
		pair = [2]string{"us-east-1", "eu-west-1"}
	}
	if a.Region == pair[0] {
		return pair[1]
	}
	return pair[0]
}

// events is about the record.
func (b *book) events() {
	elsewhere := elsewhere(b.side.Account)
	for _, r := range b.side.Roles {
		id, role := idOfRole(r.Name), func(w *world) string { return w.side.Account.RoleARN(r.Name) }
		entry := func(w *world) map[string]any { return w.entryEvent(w.right(r.Name, "5m")) }
		refused := func(parameters bool) func(*world) map[string]any {
			return func(w *world) map[string]any { return refusedEntry(entry(w), role(w), parameters) }
		}
		b.claim(id+"-calls-recorded", "What sessions of "+string(r.Name)+" do is recorded, reading too, and what was refused.", Recorded, recordLayer,
			happening("a change", calling(role, "ec2:StopInstances", false, "")), happening("a call that reads", calling(role, "ec2:DescribeInstances", true, "")),
			happening("a refused call", calling(role, "iam:CreateUser", false, "AccessDenied")), happening("a console sign-in", func(w *world) map[string]any {
				return w.envelope("aws.signin", "AWS Console Signin via CloudTrail", w.side.Account.Region, map[string]any{"userIdentity": w.identity(role(w), sessionName), "eventName": "ConsoleLogin", "readOnly": false})
			}), happening("an action in the console", func(w *world) map[string]any {
				return w.envelope("aws.ec2", "AWS Console Action via CloudTrail", w.side.Account.Region, map[string]any{"userIdentity": w.identity(role(w), sessionName), "eventName": "x", "readOnly": false})
			})).against(StolenKey, StolenLaptop, HostileEngineer, HostileBroker)
		b.claim(id+"-entries-recorded", "Each attempt to enter "+string(r.Name)+" is recorded, whoever makes it, and the refused ones.", Recorded, recordLayer,
			happening("an entry", entry), happening("a refused entry", refused(true)), happening("a refused entry, of which only the message tells the role", refused(false)),
			happening("an entry by a user", func(w *world) map[string]any {
				return w.entryEvent(attempt{role: role(w), action: "sts:AssumeRole", caller: iam.Caller{Kind: iam.KindUser, ARN: w.global("iam", "user/x")}})
			}), happening("an entry from another account", func(w *world) map[string]any {
				return w.entryEvent(attempt{role: role(w), action: "sts:AssumeRole", caller: iam.Caller{Kind: iam.KindAssumedRole}})
			}), happening("an entry by SAML", func(w *world) map[string]any {
				return w.entryEvent(attempt{role: role(w), action: "sts:AssumeRoleWithSAML", caller: iam.Caller{Kind: iam.KindFederated}})
			}), happening("an entry by another role's session", calledByOther(role))).against(StolenKey, StolenLaptop, HostileEngineer, HostileBroker)
		b.claim(id+"-forwarded", "The same in another region reaches the home region.", Recorded, recordLayer,
			happeningAt("a call", elsewhere, busTarget, moved(elsewhere, calling(role, "ec2:StopInstances", false, ""))), happeningAt("a call that reads", elsewhere, busTarget, moved(elsewhere, calling(role, "ec2:DescribeInstances", true, ""))),
			happeningAt("a console sign-in", elsewhere, busTarget, func(w *world) map[string]any {
				return w.envelope("aws.signin", "AWS Console Signin via CloudTrail", elsewhere, map[string]any{"userIdentity": w.identity(role(w), sessionName), "eventName": "ConsoleLogin", "readOnly": false})
			}), happeningAt("an action in the console", elsewhere, busTarget, func(w *world) map[string]any {
				return w.envelope("aws.ec2", "AWS Console Action via CloudTrail", elsewhere, map[string]any{"userIdentity": w.identity(role(w), sessionName), "eventName": "x", "readOnly": false})
			}), happeningAt("an entry", elsewhere, busTarget, moved(elsewhere, entry)), happeningAt("a refused entry", elsewhere, busTarget, moved(elsewhere, refused(false))),
			happeningAt("a refused entry with the role", elsewhere, busTarget, moved(elsewhere, refused(true))), happeningAt("an entry by a role", elsewhere, busTarget, moved(elsewhere, calledByOther(role))),
			happeningAt("an entry by SAML", elsewhere, busTarget, moved(elsewhere, func(w *world) map[string]any {
				return w.entryEvent(attempt{role: role(w), action: "sts:AssumeRoleWithSAML", caller: iam.Caller{Kind: iam.KindFederated}})
			})), happeningAt("an entry by AssumeRole", elsewhere, busTarget, moved(elsewhere, func(w *world) map[string]any {
				return w.entryEvent(attempt{role: role(w), action: "sts:AssumeRole", caller: iam.Caller{Kind: iam.KindAssumedRole}})
			}))).against(StolenKey, StolenLaptop, HostileEngineer, HostileBroker)
	}
	b.foreign(elsewhere)
	b.told()
	b.emergencyTold()
}

// moved has an event happen in another region.
func moved(region string, event func(*world) map[string]any) func(*world) map[string]any {
	return func(w *world) map[string]any {
		e := event(w)
		e["region"] = region
		e["detail"].(map[string]any)["awsRegion"] = region
		return e
	}
}

// calledByOther is an attempt by a session of a role that is not brevet's.
func calledByOther(role func(*world) string) func(*world) map[string]any {
	return func(w *world) map[string]any {
		e := w.entryEvent(attempt{role: role(w), action: "sts:AssumeRole", caller: iam.Caller{Kind: iam.KindUser}})
		e["detail"].(map[string]any)["userIdentity"] = w.identity(w.roleARN("somebody"), "x")
		return e
	}
}

// foreign is what must not be recorded: it is nobody's business but the
// customer's.
func (b *book) foreign(elsewhere string) {
	first := func(w *world) string { return w.side.Account.RoleARN(b.side.Roles[0].Name) }
	byIdentity := func(source string, who map[string]any) func(*world) map[string]any {
		return func(w *world) map[string]any {
			return w.envelope(source, callType, w.side.Account.Region, map[string]any{"userIdentity": who, "eventName": "StopInstances", "readOnly": false})
		}
	}
	others := func(region string, where func(*world, Target) bool) []try {
		var out []try
		for _, t := range []struct {
			what  string
			event func(*world) map[string]any
		}{
			{"another role's call", calling(func(w *world) string { return w.roleARN("shop") }, "ec2:StopInstances", false, "")},
			{"a role whose name begins alike", calling(func(w *world) string { return first(w) + "2" }, "ec2:StopInstances", false, "")},
			{"a role whose name ends alike", calling(func(w *world) string { return w.roleARN("x" + w.ours(string(b.side.Roles[0].Name))) }, "ec2:StopInstances", false, "")},
			{"a user's call", byIdentity("aws.ec2", map[string]any{"type": "IAMUser", "arn": "arn:aws:iam::" + string(b.side.Account.ID) + ":user/x"})},
			{"a user's call with the type of a session", byIdentity("aws.ec2", map[string]any{"type": "AssumedRole", "arn": "arn:aws:iam::" + string(b.side.Account.ID) + ":user/x"})},
			{"the root user's call", byIdentity("aws.ec2", map[string]any{"type": "Root", "arn": "arn:aws:iam::" + string(b.side.Account.ID) + ":root"})},
			{"a service's call", byIdentity("aws.ec2", map[string]any{"type": "AWSService", "invokedBy": "x.amazonaws.com"})},
			{"an entry into another role", func(w *world) map[string]any {
				return w.entryEvent(attempt{role: w.roleARN("shop"), action: "sts:AssumeRole", caller: iam.Caller{Kind: iam.KindUser}})
			}},
			{"a refused entry into another role", func(w *world) map[string]any {
				return refusedEntry(w.entryEvent(attempt{role: w.roleARN("shop"), action: "sts:AssumeRole", caller: iam.Caller{Kind: iam.KindUser}}), w.roleARN("shop"), false)
			}},
			{"a refused entry into a role whose name begins alike", func(w *world) map[string]any {
				return refusedEntry(w.entryEvent(attempt{role: first(w) + "2", action: "sts:AssumeRole", caller: iam.Caller{Kind: iam.KindUser}}), first(w)+"2", false)
			}},
			{"another call of STS", func(w *world) map[string]any {
				e := w.entryEvent(w.right(b.side.Roles[0].Name, "5m"))
				e["detail"].(map[string]any)["eventName"] = "GetCallerIdentity"
				return e
			}},
			{"something else called AssumeRole", func(w *world) map[string]any {
				e := w.entryEvent(w.right(b.side.Roles[0].Name, "5m"))
				e["source"] = "aws.other"
				return e
			}},
			{"no call at all", func(w *world) map[string]any {
				e := w.callEvent(call{role: first(w), action: "ec2:StopInstances"}, "")
				e["detail-type"] = "EC2 Instance State-change Notification"
				return e
			}},
			{"an entry that is no call", func(w *world) map[string]any {
				e := w.entryEvent(w.right(b.side.Roles[0].Name, "5m"))
				e["detail-type"] = "AWS Service Event via CloudTrail"
				return e
			}},
			{"another account's session", func(w *world) map[string]any {
				e := w.callEvent(call{role: first(w), action: "ec2:StopInstances"}, "")
				e["account"] = b.side.stranger()
				return e
			}},
			{"another account's entry", func(w *world) map[string]any {
				e := w.entryEvent(w.right(b.side.Roles[0].Name, "5m"))
				e["account"] = b.side.stranger()
				return e
			}},
		} {
			event := t.event
			if region != "" {
				event = moved(region, event)
			}
			out = append(out, happeningAt(t.what, region, where, event))
		}
		return out
	}
	b.claim("foreign-calls-ignored", "What anybody else does in the account is not recorded by brevet.", Ignored, recordLayer, others("", recordTarget)...)
	b.claim("foreign-calls-not-forwarded", "Nor is it forwarded from another region.", Ignored, recordLayer, others(elsewhere, busTarget)...)
	b.claim("forwarded-once", "What was forwarded is not forwarded again.", Ignored, recordLayer, happeningAt("a forwarded call", elsewhere, busTarget, calling(first, "ec2:StopInstances", false, "")),
		happeningAt("a forwarded entry", elsewhere, busTarget, func(w *world) map[string]any { return w.entryEvent(w.right(b.side.Roles[0].Name, "5m")) }))
	b.claim("forwarded-recorded", "What another region forwarded is recorded.", Recorded, recordLayer, happening("a call elsewhere", moved(elsewhere, calling(first, "ec2:StopInstances", false, ""))),
		happening("an entry elsewhere", moved(elsewhere, func(w *world) map[string]any { return w.entryEvent(w.right(b.side.Roles[0].Name, "5m")) })))
}

// told is about the mail for each session of Admin.
func (b *book) told() {
	if _, ok := b.has("Admin"); !ok {
		return
	}
	entry := func(role brevet.RoleName) func(*world) map[string]any {
		return func(w *world) map[string]any { return w.entryEvent(w.right(role, "5m")) }
	}
	by := func(action string) func(*world) map[string]any {
		return func(w *world) map[string]any {
			return w.entryEvent(attempt{role: w.side.Account.RoleARN("Admin"), action: action, caller: iam.Caller{Kind: iam.KindUser}})
		}
	}
	b.claim("admin-session-told", "The customer's security contact is told of each session of Admin as it begins.", Recorded, recordLayer, happeningAt("a session of Admin", "", peopleTarget, entry("Admin")),
		happeningAt("by AssumeRole", "", peopleTarget, by("sts:AssumeRole")), happeningAt("by SAML", "", peopleTarget, by("sts:AssumeRoleWithSAML")), happeningAt("by a token", "", peopleTarget, by("sts:AssumeRoleWithWebIdentity"))).
		against(StolenKey, StolenLaptop, HostileEngineer, HostileBroker)
	quiet := []try{happeningAt("a refused entry", "", peopleTarget, func(w *world) map[string]any {
		return refusedEntry(entry("Admin")(w), w.side.Account.RoleARN("Admin"), true)
	}), happeningAt("a call in the session", "", peopleTarget, calling(func(w *world) string { return w.side.Account.RoleARN("Admin") }, "ec2:StopInstances", false, "")),
		happeningAt("another account", "", peopleTarget, func(w *world) map[string]any {
			e := entry("Admin")(w)
			e["account"] = b.side.stranger()
			return e
		}), happeningAt("another source", "", peopleTarget, func(w *world) map[string]any {
			e := entry("Admin")(w)
			e["source"] = "aws.other"
			return e
		}), happeningAt("no call", "", peopleTarget, func(w *world) map[string]any {
			e := entry("Admin")(w)
			e["detail-type"] = "AWS Service Event via CloudTrail"
			return e
		}), happeningAt("another call of STS", "", peopleTarget, by("sts:GetCallerIdentity"))}
	for _, r := range b.side.Roles {
		if r.Name != "Admin" && !r.Offline {
			quiet = append(quiet, happeningAt("a session of "+string(r.Name), "", peopleTarget, entry(r.Name)))
		}
	}
	b.claim("other-sessions-not-told", "They are not told of anything else, so that they read what they get.", Ignored, recordLayer, quiet...)
}
