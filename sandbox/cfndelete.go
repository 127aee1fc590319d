package sandbox

import (
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// deleteStack deletes a stack. Where a resource cannot be deleted the stack
// stays whole, in DELETE_FAILED; then, but not before, retain may name
// resources to leave behind. (AWS deletes the others all the same.) What does
// not exist counts as deleted.
func (a *AWS) deleteStack(c *call, account brevet.Account, name, region string, retain []string, at time.Time) *fault {
	s, f := a.state(account)
	if f != nil {
		return f
	}
	if d := s.find(name, region); d == nil || d.Status == deleteComplete {
		return nil
	}
	return a.change(account, func(s *saved) *fault {
		d := s.find(name, region).copied()
		if len(retain) > 0 && d.Status != deleteFailed {
			return faultf(validationError, "Stack [%s] cannot be deleted with RetainResources: it is in %s state, not in DELETE_FAILED", d.Name, d.Status)
		}
		defer func() { s.put(d) }()
		var gone []stack.Resource
		if d.live() {
			dep, err := d.deploy(account)
			if err != nil {
				return faultf(validationError, "%s", brevet.AsError(err).Message)
			}
			gone = slices.Clone(dep.Resources)
		}
		for i := range gone {
			gone[i].Retain = gone[i].Retain || slices.Contains(retain, gone[i].ID)
		}
		d.Hand = true
		d.event("DELETE_IN_PROGRESS", "User Initiated", at)
		if bad := a.undeletable(c, account, s, d, gone); bad != nil {
			d.rollBack(*bad, deleteFailed, deleteFailed, "delete", at)
			return nil
		}
		for _, r := range slices.Backward(gone) {
			status := deleteComplete
			if r.Retain {
				status = "DELETE_SKIPPED"
			}
			d.happened(r, status, "", at)
		}
		d.Status, d.Reason, d.Deleted = deleteComplete, "", at
		d.event(deleteComplete, "", at)
		s.leave(d, gone)
		return nil
	})
}

// undeletable finds a resource that IAM would not delete because something
// beside the stack hangs on it, or that the caller may not delete.
func (a *AWS) undeletable(c *call, account brevet.Account, s *saved, d *deployed, gone []stack.Resource) *failure {
	now, f := a.hold(account, *s)
	if f != nil {
		return &failure{"", f.msg}
	}
	plain := s.clone()
	plain.Edits = nil
	made, f := a.hold(account, plain)
	if f != nil {
		return &failure{"", f.msg}
	}
	for i := range gone {
		r := &gone[i]
		if r.Retain {
			continue
		}
		if c != nil {
			if bad := c.mayChange(a, account, stackChange{r, nil}); bad != nil {
				return bad
			}
		}
		switch r.Type {
		case "AWS::IAM::Role":
			if why := hangsOn(now.role(r.Physical), made.role(r.Physical)); why != "" {
				return &failure{r.ID, "Resource handler returned message: \"" + why + "\""}
			}
		case "AWS::IAM::ManagedPolicy":
			if used(now, r.Physical, gone) {
				return &failure{r.ID, "Resource handler returned message: \"Cannot delete a policy attached to entities.\""}
			}
		}
	}
	return nil
}

// hangsOn says what keeps a role from being deleted: policies that somebody
// attached beside the stack.
func hangsOn(now, made *heldRole) string {
	if now == nil || made == nil {
		return ""
	}
	for _, arn := range now.attached {
		if !slices.Contains(made.attached, arn) {
			return "Cannot delete entity, must detach all policies first."
		}
	}
	for _, n := range now.inline {
		if !slices.ContainsFunc(made.inline, func(o stack.NamedPolicy) bool { return o.Name == n.Name }) {
			return "Cannot delete entity, must delete policies first."
		}
	}
	return ""
}

// used reports whether a role that stays has the policy, or is bounded by it.
func used(h *holding, arn string, gone []stack.Resource) bool {
	return slices.ContainsFunc(h.roles, func(r *heldRole) bool {
		goes := slices.ContainsFunc(gone, func(g stack.Resource) bool { return g.Type == "AWS::IAM::Role" && g.Physical == r.name && !g.Retain })
		return !goes && (r.boundary == arn || slices.Contains(r.attached, arn))
	})
}

// makes are the permissions that CloudFormation needs of its caller to make,
// change and delete a resource.
var makes = map[string][3]string{
	"AWS::IAM::Role":             {"iam:CreateRole", "iam:UpdateAssumeRolePolicy", "iam:DeleteRole"},
	"AWS::IAM::ManagedPolicy":    {"iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy"},
	"AWS::IAM::OIDCProvider":     {"iam:CreateOpenIDConnectProvider", "iam:AddClientIDToOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider"},
	"AWS::IAM::Policy":           {"iam:PutRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy"},
	"AWS::Events::Rule":          {"events:PutRule", "events:PutRule", "events:DeleteRule"},
	"AWS::Logs::LogGroup":        {"logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"},
	"AWS::SNS::Topic":            {"sns:CreateTopic", "sns:SetTopicAttributes", "sns:DeleteTopic"},
	"AWS::CloudTrail::Trail":     {"cloudtrail:CreateTrail", "cloudtrail:UpdateTrail", "cloudtrail:DeleteTrail"},
	"AWS::CloudWatch::Alarm":     {"cloudwatch:PutMetricAlarm", "cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"},
	"AWS::Lambda::Function":      {"lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:DeleteFunction"},
	"AWS::SSM::Document":         {"ssm:CreateDocument", "ssm:UpdateDocument", "ssm:DeleteDocument"},
	"AWS::S3::Bucket":            {"s3:CreateBucket", "s3:PutBucketPolicy", "s3:DeleteBucket"},
	"AWS::CloudWatch::Dashboard": {"cloudwatch:PutDashboard", "cloudwatch:PutDashboard", "cloudwatch:DeleteDashboards"},
}

// mayChange asks whether the caller may do to a resource what CloudFormation
// would do in its name.
func (c *call) mayChange(a *AWS, account brevet.Account, change stackChange) *failure {
	r, at := change.is, 0
	switch {
	case change.is == nil:
		r, at = change.was, 2
	case change.was != nil:
		at = 1
	}
	if r == nil || makes[r.Type][at] == "" {
		return nil
	}
	context := map[string][]string{}
	if b := text(r.Properties["PermissionsBoundary"]); b != "" {
		context["iam:PermissionsBoundary"] = []string{b}
	}
	for _, resource := range c.resourceOf(r) {
		if f := a.allowed(c, makes[r.Type][at], resource, context); f != nil {
			return &failure{r.ID, "Resource handler returned message: \"" + f.msg + "\""}
		}
	}
	return nil
}

// resourceOf returns the ARNs that authorising a change of a resource is
// about.
func (c *call) resourceOf(r *stack.Resource) []string {
	name := r.Physical
	if strings.HasPrefix(name, "arn:") {
		return []string{name}
	}
	switch r.Type {
	case "AWS::IAM::Role":
		return []string{c.iamARN("role/" + name)}
	case "AWS::IAM::Policy":
		var out []string
		for _, role := range texts(r.Properties["Roles"]) {
			out = append(out, c.iamARN("role/"+role))
		}
		return out
	case "AWS::Events::Rule":
		return []string{c.arn("events", "rule/"+name)}
	case "AWS::Logs::LogGroup":
		return []string{c.arn("logs", "log-group:"+name)}
	case "AWS::CloudTrail::Trail":
		return []string{c.arn("cloudtrail", "trail/"+name)}
	case "AWS::CloudWatch::Alarm":
		return []string{c.arn("cloudwatch", "alarm:"+name)}
	case "AWS::CloudWatch::Dashboard":
		return []string{"arn:" + c.account.Partition() + ":cloudwatch::" + string(c.account.ID) + ":dashboard/" + name}
	case "AWS::Lambda::Function":
		return []string{c.arn("lambda", "function:"+name)}
	case "AWS::SSM::Document":
		return []string{c.arn("ssm", "document/"+name)}
	case "AWS::S3::Bucket":
		return []string{"arn:" + c.account.Partition() + ":s3:::" + name}
	}
	return []string{"*"}
}
