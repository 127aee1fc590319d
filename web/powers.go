package web

import (
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// ability is something that people understand, and the actions of which any
// one is enough for it.
type ability struct {
	grave   bool
	words   string
	actions string // space-separated
}

// abilities are those that a page speaks of, the gravest first.
var abilities = []ability{
	{true, "change people, roles and their rights", "iam:CreateUser iam:CreateAccessKey iam:AttachRolePolicy iam:PutRolePolicy iam:AttachUserPolicy iam:PutUserPolicy iam:UpdateAssumeRolePolicy iam:CreatePolicyVersion"},
	{true, "let people in through IAM Identity Center, if it is run from this account", "sso:CreateAccountAssignment sso:AttachManagedPolicyToPermissionSet"},
	{true, "switch off or delete the record of what happens", "cloudtrail:StopLogging cloudtrail:DeleteTrail cloudtrail:PutEventSelectors logs:DeleteLogGroup config:StopConfigurationRecorder guardduty:DeleteDetector"},
	{true, "enter other roles, or hand them to machines", "sts:AssumeRole iam:PassRole"},
	{true, "read secrets", "secretsmanager:GetSecretValue ssm:GetParameter"},
	{true, "delete databases, keys or stacks", "rds:DeleteDBInstance rds:DeleteDBCluster dynamodb:DeleteTable kms:ScheduleKeyDeletion cloudformation:DeleteStack backup:DeleteRecoveryPoint"},
	{false, "read data in buckets and tables", "s3:GetObject dynamodb:GetItem dynamodb:Scan athena:GetQueryResults rds-data:ExecuteStatement"},
	{false, "write or delete data in buckets and tables", "s3:PutObject s3:DeleteObject dynamodb:PutItem dynamodb:DeleteItem"},
	{false, "open shells on machines, or run code there", "ssm:StartSession ssm:SendCommand ec2-instance-connect:SendSSHPublicKey ecs:ExecuteCommand lambda:UpdateFunctionCode"},
	{false, "start, stop and end machines", "ec2:RunInstances ec2:StopInstances ec2:TerminateInstances autoscaling:UpdateAutoScalingGroup ecs:UpdateService"},
	{false, "open the network to others", "ec2:AuthorizeSecurityGroupIngress ec2:ModifyVpcEndpointServicePermissions s3:PutBucketPolicy"},
	{false, "change names and addresses (DNS)", "route53:ChangeResourceRecordSets"},
}

// power is an ability that a role has.
type power struct {
	Grave bool
	Words string
	Some  bool // on some resources or under some condition only
}

// powers is what a role can do, in words. It errs to the dangerous side: the
// stack's permissions boundary may take more away.
type powers struct {
	All      bool // everything, everywhere
	Reads    bool // nothing but reading
	List     []power
	Changes  []string // services in which something can be changed
	Looks    []string // services that can only be looked at
	Unknown  []string // managed policies that brevet does not know
	Policies []string // names of the managed policies; "an inline policy"
	Narrowed []string // what a session policy leaves, line by line
}

// Grave reports whether the role can do what an approver must not overlook.
func (p powers) Grave() bool {
	return p.All || p.Unknown != nil || slices.ContainsFunc(p.List, func(a power) bool { return a.Grave })
}

// powersOf reads a role's policies, and the session policy that narrows them.
func powersOf(account brevet.Account, role brevet.Role, session string) powers {
	p := powers{Policies: slices.Clone(role.Policies)}
	var docs []*iam.Policy
	take := func(r brevet.Role, name string) {
		found, err := stack.Permissions(account, r)
		if err != nil {
			p.Unknown = append(p.Unknown, name)
			return
		}
		docs = append(docs, found...)
	}
	for _, name := range role.Policies {
		take(brevet.Role{Name: role.Name, Policies: []string{name}}, name)
	}
	if len(role.Inline) > 0 {
		p.Policies = append(p.Policies, "a policy of its own")
		take(brevet.Role{Name: role.Name, Inline: role.Inline}, "its own policy")
	}
	may := func(action string) iam.Extent { return iam.MayDo(docs, action) }
	if session != "" {
		narrow, err := iam.Parse([]byte(session))
		if err != nil { // it was checked when it was asked for
			p.Narrowed = []string{session}
			p.Unknown = append(p.Unknown, "the session policy")
			narrow = &iam.Policy{}
		} else {
			p.Narrowed = statements(narrow)
		}
		whole := may
		may = func(action string) iam.Extent { return min(whole(action), iam.MayDo([]*iam.Policy{narrow}, action)) }
		docs = []*iam.Policy{narrow} // of which services it speaks
	}
	p.All = may("brevet:Anything") == iam.Everywhere && may("iam:CreateUser") == iam.Everywhere
	for _, a := range abilities {
		most := iam.Nowhere
		for action := range strings.FieldsSeq(a.actions) {
			most = max(most, may(action))
		}
		if most > iam.Nowhere {
			p.List = append(p.List, power{a.grave, a.words, most == iam.Somewhere})
		}
	}
	p.services(docs)
	p.Reads = !p.All && p.Changes == nil && len(p.Unknown) == 0
	return p
}

// services sorts the services that the policies name into those where
// something can be changed and those that can be looked at.
func (p *powers) services(docs []*iam.Policy) {
	changes, looks := map[string]bool{}, map[string]bool{}
	for _, doc := range docs {
		for _, s := range doc.Statements {
			if s.Effect != iam.EffectAllow {
				continue
			}
			if s.NotAction != nil {
				changes["everything but "+strings.Join(s.NotAction, ", ")] = true
			}
			for _, action := range s.Action {
				service, verb, _ := strings.Cut(action, ":")
				switch {
				case service == "*":
					changes["every service"] = true
				case reads(verb):
					looks[service] = true
				default:
					changes[service] = true
				}
			}
		}
	}
	for service := range changes {
		delete(looks, service)
		p.Changes = append(p.Changes, service)
	}
	for service := range looks {
		p.Looks = append(p.Looks, service)
	}
	slices.Sort(p.Changes)
	slices.Sort(p.Looks)
}

// readers are the words that the names of actions which change nothing begin
// with.
const readers = "Get List Describe BatchGet BatchDescribe BatchRead View Lookup Search Read Check Head Query Scan Select Detect Estimate Preview Simulate " +
	"Test Validate Discover Filter Find Fetch Retrieve Sample Count Compare Calculate Is Has Verify Evaluate Resolve Poll Download Summarize"

// reads reports whether an action of this name, or every action that its
// pattern covers, changes nothing, as far as names tell.
func reads(verb string) bool {
	for word := range strings.FieldsSeq(readers) {
		if len(verb) >= len(word) && strings.EqualFold(verb[:len(word)], word) {
			return true
		}
	}
	return false
}

// statements writes a policy for people, a line for each statement.
func statements(p *iam.Policy) []string {
	var out []string
	for _, s := range p.Statements {
		verb := "only "
		if s.Effect == iam.EffectDeny {
			verb = "never "
		}
		what := strings.Join(s.Action, ", ")
		if s.NotAction != nil {
			what = "anything but " + strings.Join(s.NotAction, ", ")
		}
		where := strings.Join(s.Resource, ", ")
		if s.NotResource != nil {
			where = "anything but " + strings.Join(s.NotResource, ", ")
		}
		line := verb + what
		if where != "*" && where != "" {
			line += " on " + where
		}
		for _, c := range s.Conditions {
			line += ", if " + c.Operator + " " + c.Key + " " + strings.Join(c.Values, " or ")
		}
		out = append(out, brevet.Printable(line))
	}
	return out
}
