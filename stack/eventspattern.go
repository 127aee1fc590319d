package stack

import (
	"fmt"
	"strings"

	"github.com/brevet-access/brevet"
)

// Event patterns are what EventBridge compares each event with
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html).

// How CloudTrail's events end in detail-type: AWS's own pages write sign-in in
// two ways, and "Amazon" for "AWS" in China.
var (
	apiCall  = yamlMap{{"suffix", " API Call via CloudTrail"}}
	anyCalls = yamlList{apiCall, yamlMap{{"suffix", " Console Action via CloudTrail"}},
		yamlMap{{"suffix", " Console Sign In via CloudTrail"}}, yamlMap{{"suffix", " Console Signin via CloudTrail"}}}
)

// entryCalls are the calls that begin a session of a role.
var entryCalls = yamlList{"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}

// here admits events of this account, and where events are passed on only
// those that happened in this region, so that none goes round in a circle.
func eventsHere(forward bool) yamlMap {
	m := yamlMap{{"account", yamlList{refTo("AWS::AccountId")}}}
	if forward {
		m = append(m, yamlPair{"region", yamlList{refTo("AWS::Region")}})
	}
	return m
}

// callsPattern matches what sessions of our roles do.
func callsPattern(s Side, forward bool) yamlMap {
	var sessions yamlList
	for _, r := range s.Roles {
		sessions = append(sessions, yamlMap{{"prefix", s.sessionsOf(r.Name)}})
	}
	return append(eventsHere(forward),
		yamlPair{"source", yamlList{yamlMap{{"prefix", "aws."}}}}, // which nobody but AWS can put onto a bus
		yamlPair{"detail-type", anyCalls},
		yamlPair{"detail", yamlMap{{"userIdentity", yamlMap{{"type", yamlList{"AssumedRole"}}, {"arn", sessions}}}}})
}

// entriesPattern matches every attempt to begin a session of one of our
// roles, unless one of our sessions makes it: that is a call, and so matched
// already. (Of a caller from another account AWS tells no role, so that one of
// the same name there is not left out.) A message is matched by as little as
// tells the role apart, because patterns are bounded.
func entriesPattern(s Side, forward bool) yamlMap {
	var roles, messages, ours yamlList
	for _, r := range s.Roles {
		name := s.Account.Prefix + string(r.Name)
		roles = append(roles, s.roleARN(r.Name))
		messages = append(messages, yamlMap{{"suffix", "::${AWS::AccountId}:role/" + name}}, yamlMap{{"wildcard", "*::${AWS::AccountId}:role/" + name + " *"}})
		ours = append(ours, name)
	}
	issuer := yamlMap{{"userName", yamlList{yamlMap{{"exists", false}}, yamlMap{{"anything-but", ours}}}}}
	return append(eventsHere(forward),
		yamlPair{"source", yamlList{"aws.sts"}},
		yamlPair{"detail-type", yamlList{apiCall}},
		yamlPair{"detail", yamlMap{
			{"eventName", entryCalls},
			{"userIdentity", yamlMap{{"sessionContext", yamlMap{{"sessionIssuer", issuer}}}}},
			{"$or", yamlList{
				yamlMap{{"requestParameters", yamlMap{{"roleArn", roles}}}},
				yamlMap{{"errorMessage", messages}},
			}},
		}})
}

// adminPattern matches the beginning of each session of Admin.
func adminPattern(s Side) yamlMap {
	return append(eventsHere(false),
		yamlPair{"source", yamlList{"aws.sts"}},
		yamlPair{"detail-type", yamlList{apiCall}},
		yamlPair{"detail", yamlMap{
			{"eventName", entryCalls},
			{"errorCode", yamlList{yamlMap{{"exists", false}}}},
			{"requestParameters", yamlMap{{"roleArn", yamlList{s.roleARN(roleAdmin)}}}},
		}})
}

// emergencyPattern matches the beginning of each session that an emergency
// opened: of a role that is offline, whatever it says of itself, and of any
// role of ours with brevet-mfa=breakglass, whatever its trust policy says.
func emergencyPattern(s Side) yamlMap {
	rung := yamlList{string(brevet.RungBreakGlass)}
	tagged := yamlPair{"principalTags", yamlMap{{brevet.TagMFA, rung}}}
	if s.Account.Broker != "" { // AssumeRole's tags are a list
		tagged = yamlPair{"tags", yamlMap{{"key", yamlList{brevet.TagMFA}}, {"value", rung}}}
	}
	ours := yamlMap{{"requestParameters", yamlMap{{"roleArn", yamlList{yamlMap{{"prefix", s.roleARN("")}}}}, tagged}}}
	which := yamlPair{"$or", yamlList{ours, yamlMap{{"requestParameters", yamlMap{{"roleArn", s.offlineARNs()}}}}}}
	if !s.offline() {
		which = ours[0]
	}
	return append(eventsHere(false),
		yamlPair{"source", yamlList{"aws.sts"}},
		yamlPair{"detail-type", yamlList{apiCall}},
		yamlPair{"detail", yamlMap{
			{"eventName", entryCalls},
			{"errorCode", yamlList{yamlMap{{"exists", false}}}},
			which,
		}})
}

// offlineARNs are the roles that trust the offline issuer.
func (s Side) offlineARNs() (out yamlList) {
	for _, r := range s.Roles {
		if r.Offline {
			out = append(out, s.roleARN(r.Name))
		}
	}
	return out
}

// longestPattern is how many characters EventBridge takes for a pattern
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html).
const longestPattern = 2048

// patternsFit reports patterns that EventBridge would refuse in the account.
func patternsFit(s Side) error {
	for _, rule := range []struct {
		name    string
		pattern yamlMap
	}{{"entries", entriesPattern(s, true)}, {"calls", callsPattern(s, true)}, {"emergency", emergencyPattern(s)}} {
		if n := jsonLength(rule.pattern, s.Account); n > longestPattern {
			return brevet.Errorf(brevet.Invalid, "the pattern of the rule %s%s has %d characters; EventBridge takes %d", s.Account.Prefix, rule.name, n, longestPattern).
				WithHint("give the account fewer roles, or a shorter prefix")
		}
	}
	return nil
}

// jsonLength is how long a value is as JSON, with references filled in for
// the account, and the longest name of a region.
func jsonLength(v any, a brevet.Account) int {
	switch v := v.(type) {
	case yamlMap:
		n := 1 + max(len(v), 1)
		for _, p := range v {
			n += len(p.key) + len(`"":`) + jsonLength(p.value, a)
		}
		return n
	case yamlList:
		n := 1 + max(len(v), 1)
		for _, e := range v {
			n += jsonLength(e, a)
		}
		return n
	case yamlRef:
		return jsonLength("${"+string(v)+"}", a)
	case string:
		return len(`""`) + len(strings.NewReplacer("${AWS::AccountId}", "111122223333", "${AWS::Partition}", a.Partition(), "${AWS::Region}", "ap-southeast-1").Replace(v))
	}
	return len(fmt.Sprint(v))
}

// roleARN names a role of ours in whatever account the template is deployed.
func (s Side) roleARN(r brevet.RoleName) string {
	return "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/" + s.Account.Prefix + string(r)
}

// sessionsOf is what the ARN of each session of the role begins with. The
// slash keeps out roles whose name begins alike.
func (s Side) sessionsOf(r brevet.RoleName) string { return s.anySession() + string(r) + "/" }

// anySession is what the ARN of each session of ours begins with.
func (s Side) anySession() string {
	return "arn:${AWS::Partition}:sts::${AWS::AccountId}:assumed-role/" + s.Account.Prefix
}
