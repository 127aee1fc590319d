package sandbox

import (
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
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
	const sts, iamv = "2011-06-15", "2010-05-08"
	return map[string]operation{
		"sts AssumeRole":         {sts, "", nil, assumeRole}, // judges by itself
		"sts GetCallerIdentity":  {sts, "", nil, getCallerIdentity},
		"sts GetSessionToken":    {sts, "", nil, refuseSessionToken},
		"sts GetFederationToken": {sts, "", nil, refuseSessionToken},

		"iam ListRoles":                  {iamv, "iam:ListRoles", allRoles, listRoles},
		"iam GetRole":                    {iamv, "iam:GetRole", namedRole, getRole},
		"iam ListAttachedRolePolicies":   {iamv, "iam:ListAttachedRolePolicies", namedRole, listAttachedRolePolicies},
		"iam ListRolePolicies":           {iamv, "iam:ListRolePolicies", namedRole, listRolePolicies},
		"iam GetRolePolicy":              {iamv, "iam:GetRolePolicy", namedRole, getRolePolicy},
		"iam ListOpenIDConnectProviders": {iamv, "iam:ListOpenIDConnectProviders", nil, listProviders},
		"iam GetOpenIDConnectProvider":   {iamv, "iam:GetOpenIDConnectProvider", namedProvider, getProvider},
		"iam ListAccountAliases":         {iamv, "iam:ListAccountAliases", nil, listAccountAliases},
		"iam ListUsers":                  {iamv, "iam:ListUsers", allUsers, listUsers},

		"s3 ListBuckets":                {"", "s3:ListAllMyBuckets", nil, listBuckets},
		"cloudformation DescribeStacks": {"2010-05-15", "cloudformation:DescribeStacks", namedStack, describeStacks},
		"cloudformation ListStacks":     {"2010-05-15", "cloudformation:ListStacks", nil, listStacks},
		"sns ListTopics":                {"2010-03-31", "sns:ListTopics", nil, listTopics},
		"cloudtrail LookupEvents":       {"", "cloudtrail:LookupEvents", nil, lookupEvents},
		"logs DescribeLogGroups":        {"", "logs:DescribeLogGroups", allLogGroups, describeLogGroups},
		"events ListRules":              {"", "events:ListRules", allRules, listRules},
	}
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
		if f := a.allowed(c, op.permission, resource); f != nil {
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
		permission := c.service + ":" + strings.Replace(c.action, "ListObjectsV2", "ListBucket", 1)
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
func allLogGroups(c *call) string  { return c.arn("logs", "log-group::log-stream:") }
func allRules(c *call) string      { return c.arn("events", "rule/*") }

// stackName is what the sandbox calls each account's one stack.
const stackName = "brevet-access"

func stackARN(c *call) string {
	digest := roleID(c.account.ID, "stack "+stackName)
	return c.arn("cloudformation", "stack/"+stackName+"/"+strings.ToLower(digest[4:12]+"-"+digest[12:16]+"-4"+digest[16:19]+"-8000-"+digest[4:16]))
}

func namedStack(c *call) string {
	switch name := c.param("StackName"); {
	case name == "":
		return c.arn("cloudformation", "stack/*/*")
	case name == stackName:
		return stackARN(c)
	case strings.HasPrefix(name, "arn:"):
		return name
	default:
		return c.arn("cloudformation", "stack/"+name+"/*")
	}
}

// stackSummary is the account's stack, as both calls state it.
type stackSummary struct {
	StackId, StackName, TemplateDescription, CreationTime, StackStatus string
}

// stackDescription is what DescribeStacks states beyond the summary.
type stackDescription struct {
	StackId, StackName, Description, CreationTime, StackStatus string
	Capabilities                                               members[string]
	Outputs                                                    members[stackOutput]
	Tags                                                       members[string]
	DisableRollback                                            bool
}

type stackOutput struct{ OutputKey, OutputValue string }

const stackAbout = "brevet: temporary access (simulated by the brevet sandbox)"

func describeStacks(a *AWS, c *call) (any, *fault) {
	id := stackARN(c)
	if name := c.param("StackName"); name != "" && name != stackName && name != id {
		return nil, faultf(validationError, "Stack with id %s does not exist", clip(name))
	}
	d := stackDescription{StackId: id, StackName: stackName, Description: stackAbout, CreationTime: a.born.Format(time.RFC3339), StackStatus: "CREATE_COMPLETE"}
	d.Capabilities.Member = []string{"CAPABILITY_NAMED_IAM"}
	d.Outputs.Member = []stackOutput{{"ContractVersion", strconv.Itoa(c.account.Contract)}}
	return struct{ Stacks members[stackDescription] }{members[stackDescription]{[]stackDescription{d}}}, nil
}

func listStacks(a *AWS, c *call) (any, *fault) {
	var out struct{ StackSummaries members[stackSummary] }
	var wanted []string
	for i := 1; c.params.Has("StackStatusFilter.member." + strconv.Itoa(i)); i++ {
		wanted = append(wanted, c.param("StackStatusFilter.member."+strconv.Itoa(i)))
	}
	if wanted == nil || slices.Contains(wanted, "CREATE_COMPLETE") {
		out.StackSummaries.Member = []stackSummary{{stackARN(c), stackName, stackAbout, a.born.Format(time.RFC3339), "CREATE_COMPLETE"}}
	}
	return out, nil
}

type topic struct{ TopicArn string }

func listTopics(_ *AWS, c *call) (any, *fault) {
	return struct{ Topics members[topic] }{members[topic]{[]topic{{c.arn("sns", stackName)}}}}, nil
}

// bucket is one line of ListBuckets.
type bucket struct {
	Name, CreationDate string
}

type bucketList struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   struct{ ID, DisplayName string }
	Buckets struct {
		Bucket []bucket
	}
}

// listBuckets shows two buckets per account, so that there is something to
// see.
func listBuckets(a *AWS, c *call) (any, *fault) {
	var out bucketList
	out.Owner.ID, out.Owner.DisplayName = strings.ToLower(roleID(c.account.ID, "owner")), c.account.Name
	for _, what := range []string{"logs", "uploads"} {
		name := strings.ToLower(c.account.Name) + "-" + what
		out.Buckets.Bucket = append(out.Buckets.Bucket, bucket{name, a.born.Format("2006-01-02T15:04:05.000Z")})
	}
	return out, nil
}

func describeLogGroups(a *AWS, c *call) (any, *fault) {
	in := struct{ LogGroupNamePrefix, LogGroupNamePattern string }{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	name := "/brevet/access"
	groups := []map[string]any{}
	if strings.HasPrefix(name, in.LogGroupNamePrefix) && strings.Contains(name, in.LogGroupNamePattern) {
		groups = append(groups, map[string]any{
			"logGroupName": name, "arn": c.arn("logs", "log-group:"+name+":*"), "logGroupArn": c.arn("logs", "log-group:"+name),
			"creationTime": a.born.UnixMilli(), "retentionInDays": 365, "storedBytes": 0, "metricFilterCount": 0, "logGroupClass": "STANDARD",
		})
	}
	return map[string]any{"logGroups": groups}, nil
}

func listRules(_ *AWS, c *call) (any, *fault) {
	in := struct{ NamePrefix string }{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	rules := []map[string]any{}
	if strings.HasPrefix(stackName, in.NamePrefix) {
		rules = append(rules, map[string]any{
			"Name": stackName, "Arn": c.arn("events", "rule/"+stackName), "State": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
			"EventBusName": "default", "Description": stackAbout,
		})
	}
	return map[string]any{"Rules": rules}, nil
}

// lastPolicyName is the part of a managed policy's name after its path.
func lastPolicyName(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// roleNamed finds the role that a call names by its IAM name.
func (a *AWS) roleNamed(c *call) (brevet.Role, *fault) {
	name, ok := strings.CutPrefix(c.param("RoleName"), c.account.Prefix)
	role, found := a.role(c.account, brevet.RoleName(name))
	if !ok || !found {
		return brevet.Role{}, faultf(noSuchEntity, "The role with name %s cannot be found.", clip(c.param("RoleName")))
	}
	return role, nil
}
