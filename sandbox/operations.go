package sandbox

import (
	"strings"
)

// operation is one API call that the sandbox simulates.
type operation struct {
	version    string               // of the API, demanded by the Query protocol
	permission string               // the IAM action; "" if none is needed
	resource   func(c *call) string // its ARN; nil: "*"
	run        func(*AWS, *call) (any, *fault)
}

// operations lists what is simulated, by service and action.
func operations() map[string]operation {
	const sts = "2011-06-15"
	all := map[string]operation{
		"sts AssumeRole":         {sts, "", nil, assumeRole}, // judges by itself
		"sts GetCallerIdentity":  {sts, "", nil, getCallerIdentity},
		"sts GetSessionToken":    {sts, "", nil, refuseSessionToken},
		"sts GetFederationToken": {sts, "", nil, refuseSessionToken},

		"s3 ListBuckets":   {"", "s3:ListAllMyBuckets", nil, listBuckets},
		"s3 ListObjectsV2": {"", "s3:ListBucket", namedBucket, listObjects},
		"s3 GetObject":     {"", "s3:GetObject", namedObject, getObject},
		"s3 PutObject":     {"", "s3:PutObject", namedObject, putObject},
	}
	add := func(service, version string, calls map[string]operation) {
		for action, op := range calls {
			op.version = version
			if op.permission == "" {
				op.permission = service + ":" + action
			}
			all[service+" "+action] = op
		}
	}
	add("iam", "2010-05-08", iamCalls())
	add("cloudformation", "2010-05-15", map[string]operation{
		"CreateStack": {"", "", namedStack, createStack}, "UpdateStack": {"", "", namedStack, updateStack}, "DeleteStack": {"", "", namedStack, deleteStack},
		"DescribeStacks": {"", "", namedStack, describeStacks}, "ListStacks": {"", "", nil, listStacks},
		"DescribeStackResources": {"", "", namedStack, describeStackResources}, "ListStackResources": {"", "", namedStack, listStackResources},
		"DescribeStackEvents": {"", "", namedStack, describeStackEvents}, "GetTemplate": {"", "", namedStack, getTemplate},
		"GetTemplateSummary": {"", "", namedStack, getTemplateSummary}, "ValidateTemplate": {"", "", nil, validateTemplate},
		"CreateChangeSet": {"", "", namedStack, createChangeSet}, "DescribeChangeSet": {"", "", namedStack, describeChangeSet},
		"ExecuteChangeSet": {"", "", namedStack, executeChangeSet}, "DeleteChangeSet": {"", "", namedStack, deleteChangeSet},
	})
	add("sns", "2010-03-31", map[string]operation{
		"ListTopics": {"", "", nil, listTopics}, "GetTopicAttributes": {"", "", namedTopic, getTopicAttributes}, "Subscribe": {"", "", namedTopic, subscribe},
		"Unsubscribe": {"", "", namedSubscription, unsubscribe}, "ListSubscriptions": {"", "", nil, listSubscriptions},
		"ListSubscriptionsByTopic": {"", "", namedTopic, listSubscriptions},
	})
	add("cloudtrail", "", map[string]operation{
		"LookupEvents": {"", "", nil, lookupEvents}, "DescribeTrails": {"", "", nil, describeTrails}, "GetTrail": {"", "", namedTrail, getTrail},
		"GetTrailStatus": {"", "", namedTrail, getTrailStatus}, "DeleteTrail": {"", "", namedTrail, deleteTrail},
	})
	add("events", "", map[string]operation{
		"ListRules": {"", "", allRules, listRules}, "DescribeRule": {"", "", namedRule, describeRule}, "ListTargetsByRule": {"", "", namedRule, listTargets},
		"PutEvents": {"", "", func(c *call) string { return c.arn("events", "event-bus/default") }, putEvents},
	})
	add("logs", "", map[string]operation{
		"DescribeLogGroups": {"", "", allLogGroups, describeLogGroups}, "DescribeLogStreams": {"", "", namedGroup, describeLogStreams},
		"FilterLogEvents": {"", "", namedGroup, filterLogEvents}, "GetLogEvents": {"", "", namedGroup, getLogEvents},
		"DescribeMetricFilters": {"", "", namedGroup, describeMetricFilters}, "StartQuery": {"", "", namedGroup, startQuery},
		"GetQueryResults": {"", "", nil, getQueryResults},
	})
	add("monitoring", "", map[string]operation{
		"DescribeAlarms": {"", "cloudwatch:DescribeAlarms", allAlarms, describeAlarms}, "ListDashboards": {"", "cloudwatch:ListDashboards", nil, listDashboards},
		"GetDashboard": {"", "cloudwatch:GetDashboard", namedDashboard, getDashboard},
	})
	add("ssm", "", map[string]operation{"StartSession": {"", "", namedInstance, startSession}, "TerminateSession": {"", "", namedShell, terminateSession},
		"DescribeSessions": {"", "", nil, describeSessions}, "DescribeDocument": {"", "", namedDocument, describeDocument}, "GetDocument": {"", "", namedDocument, getDocument}})
	judged := func(service, version string, resource func(c *call) string, actions ...string) {
		for _, action := range actions {
			add(service, version, map[string]operation{action: {"", "", resource, onlyJudged}})
		}
	}
	judged("logs", "", namedGroup, "DeleteLogGroup", "PutRetentionPolicy", "DeleteRetentionPolicy", "DeleteMetricFilter")
	judged("events", "", namedRule, "PutRule", "DisableRule", "DeleteRule", "PutTargets", "RemoveTargets")
	judged("cloudtrail", "", namedTrail, "StopLogging", "UpdateTrail")
	judged("sns", "2010-03-31", namedTopic, "DeleteTopic", "SetTopicAttributes")
	judged("ssm", "", namedDocument, "DeleteDocument", "UpdateDocument")
	judged("iam", "2010-05-08", namedPolicy, "DeletePolicy")
	center, store := centerCalls()
	add("sso", "", center)
	add("identitystore", "", store)
	add("lambda", "", map[string]operation{"GetFunction": {"", "", namedFunction, getFunction}, "Invoke": {"", "lambda:InvokeFunction", namedFunction, invoke}})
	return all
}

// onlyJudged is a call that the sandbox authorises and then does not carry
// out: what policies say of it is what matters here.
func onlyJudged(_ *AWS, c *call) (any, *fault) {
	return nil, faultf(notSimulated, "You may do this, but the brevet sandbox does not simulate %s:%s.", c.service, c.action)
}

// iamCalls are those of IAM.
func iamCalls() map[string]operation {
	all := map[string]operation{
		"ListRoles": {"", "", allRoles, listRoles}, "GetRole": {"", "", namedRole, getRole},
		"ListAttachedRolePolicies": {"", "", namedRole, listAttachedRolePolicies}, "ListRolePolicies": {"", "", namedRole, listRolePolicies},
		"GetRolePolicy":              {"", "", namedRole, getRolePolicy},
		"ListOpenIDConnectProviders": {"", "", nil, listProviders}, "GetOpenIDConnectProvider": {"", "", namedProvider, getProvider},
		"ListAccountAliases": {"", "", nil, listAccountAliases}, "ListUsers": {"", "", allUsers, listUsers},
		"GetPolicy": {"", "", namedPolicy, getPolicy}, "GetPolicyVersion": {"", "", namedPolicy, getPolicyVersion},
		"ListPolicyVersions": {"", "", namedPolicy, listPolicyVersions}, "ListEntitiesForPolicy": {"", "", namedPolicy, listEntities},
	}
	for action := range iamEdits {
		resource := namedRole
		switch {
		case strings.HasSuffix(action, "PolicyVersion"):
			resource = namedPolicy
		case strings.Contains(action, "User") || action == "CreateAccessKey":
			resource = namedUser
		case strings.HasSuffix(action, "Provider"):
			resource = namedProvider
		}
		all[action] = operation{"", "", resource, editIAM}
	}
	return all
}

// run finds the operation that an authenticated call means, authorises and
// runs it.
func (a *AWS) run(c *call) (any, *fault) {
	op, ok := a.ops[c.service+" "+c.action]
	if !ok {
		return nil, a.unknown(c)
	}
	if op.version != "" {
		if f := c.version(op.version); f != nil {
			return nil, f
		}
	}
	if op.permission != "" {
		resource := "*"
		if op.resource != nil {
			resource = op.resource(c)
		}
		if f := a.allowed(c, op.permission, resource, a.about(c)); f != nil {
			return nil, f
		}
	}
	return op.run(a, c)
}

// unknown refuses what the sandbox does not simulate; first as the policies
// would, if they certainly would.
func (a *AWS) unknown(c *call) *fault {
	if c.action == "" { // which permission it needs is not known; but a Deny of everything is
		if f := a.deniedOutright(c, c.service+":Unknown"); f != nil {
			return f
		}
		return faultf(notSimulated, "The brevet sandbox does not simulate %s %s of %s.", clip(c.req.Method), clip(c.req.URL.Path), c.service)
	}
	name := c.service + ":" + clip(c.action)
	if c.on == wireS3 { // here the resource is known, too
		permission := c.service + ":" + c.action
		if f := a.allowed(c, permission, "arn:"+c.account.Partition()+":s3:::"+strings.Trim(c.req.URL.Path, "/")); f != nil {
			return f
		}
	} else if f := a.denied(c, name); f != nil {
		return f
	}
	return faultf(notSimulated, "The brevet sandbox does not simulate %s.", name)
}

func (c *call) arn(service, rest string) string {
	return "arn:" + c.account.Partition() + ":" + service + ":" + c.region + ":" + string(c.account.ID) + ":" + rest
}

func (c *call) iamARN(rest string) string {
	return "arn:" + c.account.Partition() + ":iam::" + string(c.account.ID) + ":" + rest
}

func allRoles(c *call) string      { return c.iamARN("role/") }
func allUsers(c *call) string      { return c.iamARN("user/") }
func namedRole(c *call) string     { return c.iamARN("role/" + c.param("RoleName")) }
func namedProvider(c *call) string { return c.param("OpenIDConnectProviderArn") }

func namedUser(c *call) string {
	return c.iamARN("user/" + orEmpty(c.param("UserName"), c.who.User))
}
func namedPolicy(c *call) string       { return c.param("PolicyArn") }
func namedSubscription(c *call) string { return c.param("SubscriptionArn") }

// about is what AWS knows beyond the request itself of what a call of IAM is
// about: the policy that it attaches, and the boundary of the role, which for
// CreateRole and PutRolePermissionsBoundary is the one it asks for.
func (a *AWS) about(c *call) map[string][]string {
	if c.service == "s3" {
		return c.aboutList()
	}
	if c.service == "ssm" && c.action == "StartSession" {
		return aboutShell(c)
	}
	if c.service != "iam" {
		return nil
	}
	m := map[string][]string{}
	if strings.HasPrefix(c.action, "Attach") || strings.HasPrefix(c.action, "Detach") {
		m["iam:PolicyARN"] = []string{c.param("PolicyArn")}
	}
	if asked := c.param("PermissionsBoundary"); asked != "" {
		m["iam:PermissionsBoundary"] = []string{asked}
	} else if _, h, f := a.holding(c.account); f == nil && c.action != "CreateRole" {
		if r := h.role(c.param("RoleName")); r != nil && r.boundary != "" {
			m["iam:PermissionsBoundary"] = []string{r.boundary}
		}
	}
	return m
}

// lastPolicyName is the part of a managed policy's name after its path.
func lastPolicyName(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }
