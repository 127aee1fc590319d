package iam

import (
	"maps"
	"slices"
	"strings"
)

var conditionRules = []Rule{
	{"C01", SeverityWarning, "ForAllValues beside Allow holds where the key is missing", "add a Null condition with false on the same key"},
	{"C02", SeverityWarning, "a Deny that an absent key escapes", "write BoolIfExists, so that the Deny applies where the key is missing too"},
	{"C03", SeverityWarning, "a negated condition beside Allow holds where the key is missing", "name the values that are allowed instead, or add a Null condition with false"},
	{"C04", SeverityWarning, "aws:SourceIp with private addresses", "aws:SourceIp is the public address; within a VPC use aws:VpcSourceIp or aws:SourceVpc"},
	{"C05", SeverityError, "a condition key that does not exist", "see the page on global condition keys, or the service authorization reference"},
	{"C06", SeverityError, "a wildcard that is plain text", "write StringLike or ArnLike"},
	{"C07", SeverityWarning, "IfExists beside Allow holds where the key is missing", "write the operator without IfExists, or add a Null condition with false"},
	{"C08", SeverityWarning, "a condition that takes in every address", "name the networks that are yours"},
	{"C09", SeverityWarning, "an operator that does not fit the type of the key", "see the type of the key in the reference"},
	{"C10", SeverityWarning, "a claim that AWS makes no condition key of", "put the claim into the subject at the issuer, or use a key of those that AWS lists for sts"},
}

// globalKeys are the keys that requests to every service may have
// (reference_policies_condition-keys), in lower case, with their types.
var globalKeys = map[string]string{
	"aws:principalarn": "arn", "aws:principalaccount": "string", "aws:principalorgpaths": "list", "aws:principalorgid": "string",
	"aws:principaltag": "string", "aws:principalisawsservice": "bool", "aws:principalservicename": "string", "aws:principalservicenameslist": "list",
	"aws:principaltype": "string", "aws:userid": "string", "aws:username": "string", "aws:assumedroot": "bool",
	"aws:federatedprovider": "string", "aws:tokenissuetime": "date", "aws:multifactorauthage": "number", "aws:multifactorauthpresent": "bool",
	"aws:chatbotsourcearn": "arn", "aws:ec2instancesourcevpc": "string", "aws:ec2instancesourceprivateipv4": "ip", "aws:sourceidentity": "string",
	"ec2:roledelivery": "number", "ec2:sourceinstancearn": "arn", "glue:roleassumedby": "string", "glue:credentialissuingservice": "string",
	"codebuild:buildarn": "arn", "codebuild:projectarn": "arn", "lambda:sourcefunctionarn": "arn", "ssm:sourceinstancearn": "arn",
	"identitystore:userid": "string", "aws:sourceip": "ip", "aws:sourcevpc": "string", "aws:sourcevpcarn": "arn", "aws:sourcevpce": "string",
	"aws:vpcsourceip": "ip", "aws:vpceaccount": "string", "aws:vpceorgid": "string", "aws:vpceorgpaths": "list",
	"aws:resourceaccount": "string", "aws:resourceorgid": "string", "aws:resourceorgpaths": "list", "aws:resourcetag": "string",
	"aws:calledvia": "list", "aws:calledviafirst": "string", "aws:calledvialast": "string", "aws:calledviaawsmcp": "string",
	"aws:viaawsservice": "bool", "aws:viaawsmcpservice": "bool", "aws:currenttime": "date", "aws:epochtime": "date", "aws:referer": "string",
	"aws:requestedregion": "string", "aws:requesttag": "string", "aws:tagkeys": "list", "aws:securetransport": "bool",
	"aws:sourceaccount": "string", "aws:sourcearn": "arn", "aws:sourceorgid": "string", "aws:sourceorgpaths": "list", "aws:useragent": "string",
	"aws:issmetered": "bool", "aws:signininitiatedbyconsole": "bool",
	"sts:externalid": "string", "sts:rolesessionname": "string", "sts:sourceidentity": "string", "sts:transitivetagkeys": "list",
	"sts:durationseconds": "number", "sts:awsservicename": "string", "sts:requestcontext": "string", "sts:requestcontextproviders": "list",
	"sts:roleauthorizedbyidp": "bool", "sts:taskpolicyarn": "arn", "sts:identitytokenaudience": "string", "sts:signingalgorithm": "string",
}

// always are keys that every request has, so that neither a negation nor
// IfExists can be escaped by leaving them out.
var always = []string{"aws:currenttime", "aws:epochtime", "aws:securetransport", "aws:viaawsservice", "aws:principalarn", "aws:principalaccount",
	"aws:principalisawsservice", "aws:principaltype", "aws:userid", "aws:requestedregion", "aws:useragent", "aws:resourceaccount"}

// conditions judges the conditions of every statement.
func (r *report) conditions() {
	for i := range r.policy.Statements {
		s := &r.policy.Statements[i]
		for j := range s.Conditions {
			r.condition(s, &s.Conditions[j], join(join(place(i)+".Condition", s.Conditions[j].Operator), s.Conditions[j].Key))
		}
	}
}

func (r *report) condition(s *Statement, c *Condition, path string) {
	op, ok := parseOperator(c.Operator)
	if !ok {
		return
	}
	key := strings.ToLower(c.Key)
	name, _, _ := strings.Cut(key, "/")
	kind, known := globalKeys[name]
	if !known {
		r.unknownKey(c.Key, path)
	}
	r.absentKey(s, c, op, key, kind, path)
	r.values(c, op, key, kind, path)
	r.mfa(s, c, op, key, path)
}

// unknownKey finds keys that no service has.
func (r *report) unknownKey(key, path string) {
	prefix, rest, ok := strings.Cut(strings.ToLower(key), ":")
	switch {
	case !ok || rest == "":
		r.add("C05", path, quote(key)+" is not a condition key; those have a colon", nil)
	case prefix == "aws" || prefix == "sts":
		why := "there is no key " + quote(key)
		best, least := "", 3
		for _, k := range slices.Sorted(maps.Keys(globalKeys)) {
			if d := distance(strings.ToLower(key), k); strings.HasPrefix(k, prefix) && d < least {
				best, least = k, d
			}
		}
		if best != "" {
			why += "; did you mean " + best + "?"
		}
		r.add("C05", path, why, nil)
	case !knownServices()[prefix] && !strings.Contains(prefix, ".") && !slices.Contains([]string{"saml", "identitycenter", "catalog", "cognito-identity-auth", "cognito-identity-unauth", "cognito-identity"}, prefix):
		r.add("C05", path, "there is no service "+quote(prefix)+" that could have the key", nil)
	}
}

// absentKey finds conditions that are met by leaving the key out.
func (r *report) absentKey(s *Statement, c *Condition, op operator, key, kind, path string) {
	allow := s.Effect == EffectAllow
	if slices.Contains(always, key) || op.name == "Null" {
		return
	}
	if !allow && op.name == "Bool" && !op.ifExists && kind == "bool" && strings.EqualFold(c.Values[0], "false") {
		r.add("C02", path, "does not deny where "+c.Key+" is missing", nil)
	}
	if !allow || s.present(key) {
		return
	}
	claim := strings.HasSuffix(key, ":sub") || strings.HasSuffix(key, ":aud")
	switch {
	case op.each == forAll && !claim:
		r.add("C01", path, "holds where "+c.Key+" is missing", nil)
	case op.negated && op.each != forAny && !claim && !s.narrows(key):
		r.add("C03", path, "holds where "+c.Key+" is missing", nil)
	case op.ifExists && !claim && !strings.HasPrefix(key, "aws:multifactorauth") && escapes(key):
		r.add("C07", path, "holds where "+c.Key+" is missing", nil)
	}
}

// escapes reports whether a caller can see to it that a key is missing, and
// gains by it.
func escapes(key string) bool {
	return slices.Contains([]string{"aws:sourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip", "aws:principalorgid", "aws:principalorgpaths",
		"sts:externalid", "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "sts:sourceidentity", "sts:rolesessionname"}, key) ||
		strings.HasPrefix(key, "aws:principaltag/") || strings.HasPrefix(key, "aws:requesttag/")
}

// present reports whether another condition of the statement demands the key
// to be there; of the list of tag keys, any tag.
func (s *Statement) present(key string) bool {
	for _, c := range s.Conditions {
		k := strings.ToLower(c.Key)
		op, ok := parseOperator(c.Operator)
		if !ok || k != key && !(key == "aws:tagkeys" && strings.HasPrefix(k, "aws:requesttag/")) {
			continue
		}
		if op.name == "Null" && len(c.Values) == 1 && strings.EqualFold(c.Values[0], "false") ||
			op.name != "Null" && !op.ifExists && !op.negated && op.each != forAll {
			return true
		}
	}
	return false
}

// narrows reports whether something else than this key limits the statement.
func (s *Statement) narrows(key string) bool {
	for _, c := range s.Conditions {
		if !strings.EqualFold(c.Key, key) && s.pins(c.Key) {
			return true
		}
	}
	return false
}

// values judges what a condition compares with.
func (r *report) values(c *Condition, op operator, key, kind, path string) {
	for _, v := range c.Values {
		switch {
		case (op.name == "StringEquals" || op.name == "StringEqualsIgnoreCase") && strings.Contains(strings.ReplaceAll(v, "${*}", ""), "*") && key != "aws:tagkeys":
			r.add("C06", path, quote(v)+" holds an asterisk, which "+c.Operator+" takes literally", nil)
		case op.name == "IpAddress" && key == "aws:sourceip":
			r.network(v, path)
		}
	}
	federated := strings.HasSuffix(key, ":sub") || strings.HasSuffix(key, ":aud")
	if op.name == "StringLike" && !op.negated && federated && !slices.ContainsFunc(c.Values, func(v string) bool { return wild(v) || hasVariable(v) }) {
		r.add("L05", path, "has no wildcard, so StringEquals says the same", nil)
	}
	if op.name == "Null" || kind == "" || fits(op.name, kind) {
		return
	}
	r.add("C09", path, c.Operator+" does not fit "+c.Key+", which is of the type "+kind, nil)
}

// fits reports whether an operator compares values of that type.
func fits(operator, kind string) bool {
	switch kind {
	case "bool":
		return operator == "Bool" || strings.HasPrefix(operator, "String")
	case "number":
		return strings.HasPrefix(operator, "Numeric")
	case "date":
		return strings.HasPrefix(operator, "Date") || strings.HasPrefix(operator, "Numeric")
	case "ip":
		return operator == "IpAddress"
	case "arn":
		return strings.HasPrefix(operator, "Arn") || strings.HasPrefix(operator, "String")
	}
	return !strings.HasPrefix(operator, "Numeric") && !strings.HasPrefix(operator, "Date") && operator != "IpAddress"
}

func (r *report) network(v, path string) {
	n, ok := parseRange(v)
	switch {
	case ok && n.Bits() == 0:
		r.add("C08", path, quote(v)+" takes in every address", nil)
	case ok && private(n):
		r.add("C04", path, quote(v)+" is a range of private addresses, which AWS never sees as the source", nil)
	}
}

// mfa finds conditions on MFA that never hold: whoever comes with a token has
// none that AWS could see.
func (r *report) mfa(s *Statement, c *Condition, op operator, key, path string) {
	if s.Effect != EffectAllow || !strings.HasPrefix(key, "aws:multifactorauth") || s.Principal == nil || len(s.Principal.Federated) == 0 {
		return
	}
	v := c.judge(Context{}, r.policy.Version)
	switch {
	case v == fails:
		r.add("T04", path, "nobody who comes with a token or assertion meets it", nil)
	case op.ifExists:
		r.add("T03", path, "holds for every token, since a token has no MFA that AWS could see", nil)
	}
}
