package stack

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// first is how a resource of the current type comes to be; nil for one that
// decides and records nothing.
func (in *installer) first() func() {
	return map[string]func(){
		"AWS::IAM::Role": in.role, "AWS::IAM::ManagedPolicy": in.managedPolicy, "AWS::IAM::OIDCProvider": in.provider, "AWS::IAM::SAMLProvider": in.saml,
		"AWS::Events::Rule": in.rule, "AWS::Logs::LogGroup": in.logGroup, "AWS::Logs::ResourcePolicy": in.logPolicy, "AWS::Logs::MetricFilter": in.filter,
		"AWS::CloudWatch::Alarm": in.alarm, "AWS::CloudWatch::CompositeAlarm": in.alarm, "AWS::CloudWatch::Dashboard": in.dashboard,
		"AWS::SNS::Topic": in.topic, "AWS::SNS::Subscription": in.subscription, "AWS::CloudTrail::Trail": in.trail, "AWS::S3::Bucket": in.bucket,
		"AWS::KMS::Key": in.key, "AWS::Lambda::Function": in.function, "AWS::SSM::Document": in.document,
	}[in.r.Type]
}

// second is what a resource of the current type does to others.
func (in *installer) second() func() {
	return map[string]func(){
		"AWS::IAM::Role": in.attach, "AWS::IAM::Policy": in.inline, "AWS::IAM::RolePolicy": in.inline, "AWS::IAM::ManagedPolicy": in.attachTo,
		"AWS::SNS::TopicPolicy": in.topicPolicy, "AWS::S3::BucketPolicy": in.bucketPolicy,
	}[in.r.Type]
}

func (in *installer) role() {
	in.claim("")
	r := InstalledRole{Source: in.source(), Name: in.r.Physical, ARN: arnOf(in.d.Place, in.r), BoundaryARN: in.text("PermissionsBoundary"), Max: time.Hour}
	if !roleName(r.Name) {
		in.fail("RoleName", "%s is not a name for a role: up to 64 letters, digits and +=,.@_-", quote(r.Name))
	}
	r.Trust = in.policy("AssumeRolePolicyDocument", in.r.Properties["AssumeRolePolicyDocument"], false)
	if s := in.text("MaxSessionDuration"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 3600 || n > 43200 {
			in.fail("MaxSessionDuration", "must be 3600 to 43200 seconds")
		}
		r.Max = time.Duration(n) * time.Second
	}
	in.Roles = append(in.Roles, r)
}

func roleName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+=,.@_-") == ""
}

func (in *installer) managedPolicy() {
	in.claim("")
	p := NamedPolicy{Source: in.source(), Name: nameOf(in.d.Place, in.r), ARN: in.r.Physical}
	p.Policy = in.policy("PolicyDocument", in.r.Properties["PolicyDocument"], true)
	if n := in.length; n > LongestPolicy {
		in.fail("PolicyDocument", "%d characters without white space are too many; IAM takes %d", n, LongestPolicy)
	}
	in.Managed = append(in.Managed, p)
}

// LongestPolicy is how many characters, white space not counted, a managed
// policy may have
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const LongestPolicy = 6144

func (in *installer) provider() {
	in.claim("")
	in.Providers = append(in.Providers, Provider{Source: in.source(), ARN: in.r.Physical, URL: in.need("Url"), Audiences: in.texts("ClientIdList")})
}

func (in *installer) saml() {
	in.claim("")
	in.Providers = append(in.Providers, Provider{Source: in.source(), ARN: in.r.Physical, SAML: true})
}

// attach gives a role what its own properties say.
func (in *installer) attach() {
	at := slices.IndexFunc(in.Roles, func(r InstalledRole) bool { return r.Name == in.r.Physical })
	role := &in.Roles[at]
	if role.BoundaryARN != "" {
		role.Boundary = in.byARN("PermissionsBoundary", role.BoundaryARN).Policy
	}
	var first []NamedPolicy
	for _, arn := range in.texts("ManagedPolicyArns") {
		if slices.ContainsFunc(first, func(p NamedPolicy) bool { return p.ARN == arn }) {
			in.fail("ManagedPolicyArns", "%s stands there twice", quote(arn))
		}
		p := in.byARN("ManagedPolicyArns", arn)
		first = append(first, p)
		role.Policies = slices.DeleteFunc(role.Policies, func(q NamedPolicy) bool { return q.ARN == arn })
	}
	list, _ := in.r.Properties["Policies"].([]any)
	for _, item := range list {
		m, _ := item.(map[string]any)
		name, _ := m["PolicyName"].(string)
		if name == "" {
			in.fail("Policies", "a policy has no name")
		}
		first = append(first, NamedPolicy{Source: in.source(), Name: name, Policy: in.policy("Policies", m["PolicyDocument"], true)})
	}
	role.Policies = append(first, role.Policies...)
}

// byARN returns a managed policy: one of the stacks, or one of AWS's.
func (in *installer) byARN(property, arn string) NamedPolicy {
	for _, p := range in.Managed {
		if p.ARN == arn {
			return p
		}
	}
	name, ok := strings.CutPrefix(arn, "arn:"+in.Partition+":iam::aws:policy/")
	if !ok {
		in.fail(property, "the templates create no policy %s, and it is none of AWS's", quote(arn))
		return NamedPolicy{Policy: &iam.Policy{}}
	}
	p, err := managedPolicy(in.Partition, name)
	if err != nil {
		in.fail(property, "%s; what the role may do cannot be judged without its document", err)
		return NamedPolicy{Policy: &iam.Policy{}}
	}
	return NamedPolicy{Source: in.source(), Name: name, ARN: arn, Policy: p}
}

// attachTo attaches a managed policy to the roles that it lists.
func (in *installer) attachTo() {
	for _, name := range in.texts("Roles") {
		p := in.byARN("Roles", in.r.Physical)
		if role := in.named("Roles", name); role != nil && !slices.ContainsFunc(role.Policies, func(q NamedPolicy) bool { return q.ARN == p.ARN }) {
			role.Policies = append(role.Policies, p)
		}
	}
}

// inline gives roles an inline policy.
func (in *installer) inline() {
	roles := in.texts("Roles")
	if in.r.Type == "AWS::IAM::RolePolicy" {
		roles = []string{in.need("RoleName")}
	}
	if len(roles) == 0 && in.r.Properties["Users"] == nil && in.r.Properties["Groups"] == nil {
		in.fail("Roles", "the policy belongs to nobody")
	}
	p := NamedPolicy{Source: in.source(), Name: in.need("PolicyName"), Policy: in.policy("PolicyDocument", in.r.Properties["PolicyDocument"], true)}
	for _, name := range roles {
		role := in.named("Roles", name)
		if role == nil {
			return
		}
		// of two inline policies with one name the later one is what remains
		role.Policies = slices.DeleteFunc(role.Policies, func(q NamedPolicy) bool { return q.ARN == "" && q.Name == p.Name })
		role.Policies = append(role.Policies, p)
	}
}

// named returns a role of the stacks by its name.
func (in *installer) named(property, name string) *InstalledRole {
	for i := range in.Roles {
		if in.Roles[i].Name == name {
			return &in.Roles[i]
		}
	}
	in.fail(property, "the templates create no role %s", quote(name))
	return nil
}

// Identity returns the documents of the policies of a role.
func (r InstalledRole) Identity() []*iam.Policy {
	out := make([]*iam.Policy, len(r.Policies))
	for i, p := range r.Policies {
		out[i] = p.Policy
	}
	return out
}

// Target returns the role as the catalog names it, "" if the name does not
// begin with the prefix.
func (r InstalledRole) Target(prefix string) brevet.RoleName {
	name, ok := strings.CutPrefix(r.Name, prefix)
	if !ok {
		return ""
	}
	return brevet.RoleName(name)
}
