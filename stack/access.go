package stack

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// The template before it is filled in, and what stands in it for each role.
var (
	//go:embed skeleton/access.yaml
	accessSkeleton string
	//go:embed skeleton/role.yaml
	roleSkeleton string
)

// accessTemplate returns access.yaml: the way in, the roles, and what they
// may never do. It is the same for the same side, byte for byte.
func accessTemplate(s Side) (File, error) {
	n := symbolic(s)
	n.contract = strconv.Itoa(NewestContract)
	values := accessValues(s, n)
	var roles, outputs []string
	for _, r := range s.Roles {
		text, err := roleResource(s, n, r)
		if err != nil {
			return File{}, err
		}
		roles = append(roles, text)
		outputs = append(outputs, fmt.Sprintf("%sArn:\n  Value: !GetAtt %s.Arn\n", logicalID(r.Name), logicalID(r.Name)))
	}
	values["roles"], values["outputs"] = strings.Join(roles, "\n"), strings.Join(outputs, "")
	return File{"access.yaml", []byte(fillSkeleton(accessSkeleton, values, accessFlags(s)))}, nil
}

// accessFlags say which parts the account needs.
func accessFlags(s Side) map[string]bool {
	return map[string]bool{"oidc": s.Account.Broker == "", "role": s.Account.Broker != "", "data": s.has(roleData),
		"offline": s.offline(), "emergency": s.urgent()}
}

// accessValues are what the template says of this account, but for the roles.
func accessValues(s Side, n names) map[string]string {
	a := s.Account
	v := map[string]string{
		"customer": s.Customer.Name, "customerName": yamlString(s.Customer.Name), "home": a.Region, "prefix": n.prefix,
		"contract": n.contract, "audience": yamlQuoted(a.Audience), "externalID": yamlQuoted(a.ExternalID), "broker": yamlQuoted(a.Broker),
		"brokerAccount": n.brokerAccount, "brokerPattern": "arn:aws[a-z-]*:iam::" + n.brokerAccount + ":role/[A-Za-z0-9+=,.@_/-]{1,256}",
		"egress": strings.Join(s.Egress, ","), "logGroup": yamlQuoted(s.Customer.LogGroup), "workload": concrete(s).workload,
		"issuer": a.Issuer, "providerARN": n.provider(), "console": "https://" + consoleHost(a.Partition()) + "/cloudformation/home?region=${AWS::Region}#/stacks/stackinfo?stackId=${AWS::StackId}", "count": countRoles(s.Roles),
		"dataRole": logicalID(roleData), "code": revokerCode, "offlineIssuer": a.OfflineIssuer, "offlineARN": providerARN(n.partition, n.account, n.offline),
		"way":        "an identity provider, by which AWS knows the tokens that brevet signs for\n#     this customer alone",
		"entryNames": "Audience", "cidrNote": "", "mfaNote": "",
		"trustNotes": "#   - the token was made out to this account and names a person;\n",
	}
	if s.offline() {
		v["cidrNote"] = " An offline role is entered from anywhere, as brevet is gone then."
	}
	if s.urgent() {
		v["mfaNote"] = ",\n  #     or breakglass, where the role is open to emergencies"
	}
	if a.Broker != "" {
		v["way"] = "nothing to get in by: the roles trust one role in brevet's own account, if it\n#     says this customer's external id"
		v["entryNames"] = "ExternalId, BrokerRoleArn"
		v["trustNotes"] = "#   - the caller is brevet's own role, and says this customer's external id;\n"
	}
	v["frozen"], v["denyProd"] = policyText(8, frozen()), policyText(8, denyProd())
	v["boundary"], v["dataGuard"] = policyText(8, boundary(n)), policyText(8, dataGuard(n))
	v["revocations"] = policyText(8, revocations())
	v["revokerTrust"], v["revokerPolicy"] = policyText(8, plain(serviceTrust("lambda.amazonaws.com"))), policyText(12, plain(revokerPolicy(n)))
	v["revokeTrust"], v["revokePolicy"] = trustText(n, revokeRole), policyText(12, plain(revokePolicy(n)))
	denyProdValues(v, s.Roles)
	return v
}

// denyProdValues are the parameters, conditions and references with which
// DenyProd is chosen for each role.
func denyProdValues(v map[string]string, roles []brevet.Role) {
	var ids, parameters, conditions, chosen, refs, of []string
	for _, r := range roles {
		id := logicalID(r.Name)
		parameter := "DenyProd" + lettersAndDigits(r.Name)
		ids = append(ids, parameter)
		parameters = append(parameters, fmt.Sprintf("%s:\n  Type: String\n  Default: 'false'\n  AllowedValues: ['true', 'false']\n"+
			"  Description: true - the role %s may touch nothing that is tagged env-prod=true.\n", parameter, r.Name))
		conditions = append(conditions, fmt.Sprintf("%s: !Equals [!Ref %s, 'true']\n", parameter, parameter))
		chosen = append(chosen, fmt.Sprintf("- !If [%s, !Ref %s, !Ref AWS::NoValue]\n", parameter, id))
		refs = append(refs, "!Ref "+id)
		of = append(of, "!Condition "+parameter)
	}
	v["denyProdNames"], v["roleRefs"] = strings.Join(ids, ", "), strings.Join(refs, ", ")
	v["denyProdParameters"] = strings.Join(parameters, "")
	v["denyProdConditions"] = strings.Join(conditions, "") + "AnyDenyProd: " + anyOf(of) + "\n"
	v["denyProdRoles"] = strings.Join(chosen, "")
	if len(roles) == 1 { // the condition of the whole policy is the role's
		v["denyProdRoles"] = "- " + refs[0] + "\n"
	}
}

// anyOf is CloudFormation's or, which takes two to ten conditions.
func anyOf(conditions []string) string {
	switch n := len(conditions); {
	case n == 1:
		return conditions[0]
	case n > 10:
		return "!Or [" + strings.Join(conditions[:9], ", ") + ", " + anyOf(conditions[9:]) + "]"
	}
	return "!Or [" + strings.Join(conditions, ", ") + "]"
}

// roleResource is the part of the template that makes one role.
func roleResource(s Side, n names, r brevet.Role) (string, error) {
	if _, err := Permissions(s.Account, r); err != nil {
		return "", err
	}
	v := map[string]string{
		"about": r.About, "id": logicalID(r.Name), "name": n.prefix + string(r.Name), "description": yamlQuoted(describe(r)),
		"seconds": strconv.Itoa(int(r.Max.Seconds())), "max": brevet.FormatDuration(r.Max), "trust": trustText(n, r), "managed": managedARNs(r.Policies),
	}
	if r.About == "" {
		v["about"] = string(r.Name)
	}
	if len(r.Inline) > 0 {
		p, err := inlinePolicy(r)
		if err != nil {
			return "", err
		}
		v["inline"] = "Policies:\n  - PolicyName: Own\n    PolicyDocument:\n" + indented(6, policyText(12, plain(p)))
	}
	flags := accessFlags(s)
	flags["oidc"], flags["offline"] = flags["oidc"] && !r.Offline, r.Offline
	flags["managed"], flags["inline"] = len(r.Policies) > 0, len(r.Inline) > 0
	return fillSkeleton(roleSkeleton, v, flags), nil
}

// describe is the description of a role as IAM takes it: Latin-1 only.
func describe(r brevet.Role) string {
	text := "brevet: " + string(r.Name)
	if r.About != "" {
		text += ", " + r.About
	}
	return strings.Map(func(c rune) rune {
		if c >= ' ' && c <= '~' || c >= 0xa1 && c <= 0xff {
			return c
		}
		return '?'
	}, text)
}

func managedARNs(policies []string) string {
	var b strings.Builder
	b.WriteString("ManagedPolicyArns:\n")
	for _, name := range policies {
		b.WriteString("  - !Sub 'arn:${AWS::Partition}:iam::aws:policy/" + name + "'\n")
	}
	return b.String()
}

// logicalID is what a role is called within the template.
func logicalID(name brevet.RoleName) string { return "Role" + lettersAndDigits(name) }

// lettersAndDigits is what CloudFormation's names can hold of a role's: letters
// and digits.
func lettersAndDigits(name brevet.RoleName) string {
	return strings.Map(func(c rune) rune {
		if c == '-' || c == '_' {
			return -1
		}
		return c
	}, string(name))
}

func policyText(indent int, clauses []clause) string {
	w := policyYAML{indent: indent}
	return w.print(clauses)
}

// trustText is a role's trust policy, with the parameters that can stop or
// narrow it. Who enters an offline role has no broker to do so from.
func trustText(n names, r brevet.Role) string {
	w := policyYAML{indent: 6, effect: "!If [Frozen, Deny, Allow]"}
	if !r.Offline {
		w.condition = []string{"IpAddress: !If [HasBrokerCidrs, {aws:SourceIp: !Ref BrokerCidrs}, !Ref AWS::NoValue]"}
	}
	return w.print(plain(trust(n, r)))
}

func serviceTrust(service string) *iam.Policy {
	return &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{{Effect: iam.EffectAllow,
		Principal: &iam.Principals{Service: []string{service}}, Action: []string{"sts:AssumeRole"}}}}
}

func indented(by int, text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		b.WriteString(strings.Repeat(" ", by) + l)
	}
	return b.String()
}

func countRoles(roles []brevet.Role) string {
	words := []string{"no role", "one role", "two roles", "three roles", "four roles", "five roles", "six roles"}
	if len(roles) < len(words) {
		return words[len(roles)]
	}
	return strconv.Itoa(len(roles)) + " roles"
}
