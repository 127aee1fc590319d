package stack

import (
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
)

// each is every action on every resource, by a role.
func onEach(role brevet.RoleName, resources []string, actions []string, changes ...callChange) []try {
	var out []try
	for _, resource := range resources {
		for _, action := range actions {
			out = append(out, doing(role, action, resource, changes...))
		}
	}
	return out
}

// named returns services' actions: "iam: A B, logs: C" is iam:A, iam:B, logs:C.
func actionsOf(s string) []string {
	var out []string
	for _, part := range strings.Split(s, ",") {
		service, names, _ := strings.Cut(part, ":")
		for _, name := range strings.Fields(names) {
			out = append(out, strings.TrimSpace(service)+":"+name)
		}
	}
	return out
}

// What would change each kind of thing that the stacks make, as actionsOf reads
// it.
const (
	changesRole = `iam: AttachRolePolicy DetachRolePolicy PutRolePolicy DeleteRolePolicy PutRolePermissionsBoundary DeleteRolePermissionsBoundary
		UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy DeleteRole TagRole UntagRole CreateRole`
	changesPolicy   = "iam: CreatePolicyVersion SetDefaultPolicyVersion DeletePolicyVersion DeletePolicy TagPolicy CreatePolicy"
	changesProvider = `iam: AddClientIDToOpenIDConnectProvider RemoveClientIDFromOpenIDConnectProvider UpdateOpenIDConnectProviderThumbprint
		DeleteOpenIDConnectProvider TagOpenIDConnectProvider CreateOpenIDConnectProvider`
	changesStack = `cloudformation: UpdateStack DeleteStack CreateStack CreateChangeSet ExecuteChangeSet SetStackPolicy UpdateTerminationProtection
		CancelUpdateStack RollbackStack ContinueUpdateRollback`
	changesLog = `logs: DeleteLogGroup DeleteLogStream PutRetentionPolicy DeleteRetentionPolicy PutMetricFilter DeleteMetricFilter PutSubscriptionFilter
		DeleteSubscriptionFilter AssociateKmsKey DisassociateKmsKey PutDataProtectionPolicy PutTransformer CreateExportTask PutLogEvents CreateLogStream`
	changesAlarm     = "cloudwatch: DeleteAlarms DisableAlarmActions PutMetricAlarm PutCompositeAlarm SetAlarmState EnableAlarmActions"
	changesDashboard = "cloudwatch: DeleteDashboards PutDashboard"
	changesTopic     = "sns: DeleteTopic SetTopicAttributes Subscribe RemovePermission AddPermission Publish PutDataProtectionPolicy"
	changesRule      = "events: DisableRule DeleteRule PutRule PutTargets RemoveTargets EnableRule"
	changesTrail     = "cloudtrail: StopLogging DeleteTrail UpdateTrail PutEventSelectors PutInsightSelectors StartLogging AddTags RemoveTags"
	changesBucket    = `s3: DeleteBucket PutBucketPolicy DeleteBucketPolicy PutLifecycleConfiguration PutBucketVersioning PutBucketPublicAccessBlock
		PutEncryptionConfiguration PutReplicationConfiguration`
	changesObject   = "s3: PutObject DeleteObject DeleteObjectVersion PutObjectAcl PutObjectTagging"
	changesKey      = "kms: ScheduleKeyDeletion DisableKey PutKeyPolicy CreateGrant UntagResource TagResource UpdateKeyDescription DisableKeyRotation"
	changesFunction = "lambda: UpdateFunctionCode UpdateFunctionConfiguration DeleteFunction InvokeFunction AddPermission PutFunctionConcurrency DeleteFunctionConcurrency"
	changesDocument = "ssm: UpdateDocument DeleteDocument UpdateDocumentDefaultVersion ModifyDocumentPermission CreateDocument"
)

// things are what the templates install, by the changes that would harm it.
type things struct {
	what      string
	changes   []string
	resources func(w *world) []string
}

func arns[T any](list []T, arn func(T) string) []string {
	var out []string
	for _, v := range list {
		out = append(out, arn(v))
	}
	return out
}

// entrance is the way in.
func entrance() []things {
	return []things{
		{"roles", actionsOf(changesRole), func(w *world) []string { return arns(w.in.Roles, func(r InstalledRole) string { return r.ARN }) }},
		{"policies", actionsOf(changesPolicy), func(w *world) []string { return arns(w.in.Managed, func(p NamedPolicy) string { return p.ARN }) }},
		{"provider", actionsOf(changesProvider), func(w *world) []string { return arns(w.in.Providers, func(p Provider) string { return p.ARN }) }},
		{"stacks", actionsOf(changesStack), func(w *world) []string {
			var out []string
			for _, name := range []string{"access", "events", "events-forward"} {
				out = append(out, w.arn("cloudformation", "stack/"+w.ours(name)+"/0a1b2c3d"), w.arnIn("cloudformation", "us-east-1", "stack/"+w.ours(name)+"/0a1b2c3d"))
			}
			return append(out, w.arn("cloudformation", "stack/StackSet-"+w.ours("access")+"-0a1b/0c1d"), w.arn("cloudformation", "stackset/"+w.ours("access")+":0a1b"))
		}},
		{"document", actionsOf(changesDocument), func(w *world) []string { return arns(w.in.Documents, func(d Document) string { return d.ARN }) }},
		{"revoker", actionsOf(changesFunction), func(w *world) []string { return arns(w.in.Functions, func(f Function) string { return f.ARN }) }},
	}
}

// recording is the record.
func recording() []things {
	return []things{
		{"log-groups", actionsOf(changesLog), func(w *world) []string {
			return arns(w.in.LogGroups, func(g LogGroup) string { return g.ARN })
		}},
		{"alarms", actionsOf(changesAlarm), func(w *world) []string { return arns(w.in.Alarms, func(a Alarm) string { return a.ARN }) }},
		{"dashboard", actionsOf(changesDashboard), func(w *world) []string {
			return arns(w.in.Dashboards, func(d Dashboard) string { return w.global("cloudwatch", "dashboard/"+d.Name) })
		}},
		{"topics", actionsOf(changesTopic), func(w *world) []string { return arns(w.in.Topics, func(t Topic) string { return t.ARN }) }},
		{"rules", actionsOf(changesRule), func(w *world) []string { return arns(w.in.Rules, func(r Rule) string { return r.ARN }) }},
		{"trail", actionsOf(changesTrail), func(w *world) []string { return arns(w.in.Trails, func(t Trail) string { return t.ARN }) }},
		{"bucket", actionsOf(changesBucket), func(w *world) []string { return arns(w.in.Buckets, func(b Bucket) string { return b.ARN }) }},
		{"objects", actionsOf(changesObject), func(w *world) []string {
			return arns(w.in.Buckets, func(b Bucket) string { return b.ARN + "/AWSLogs/1.json.gz" })
		}},
	}
}

// withAll are the parameters with which the templates install all that they
// can.
func (b *book) withAll() []string { return append([]string{"Revoker", "true"}, b.withTrail()...) }

func (b *book) withTrail() []string {
	if _, ok := b.has(roleOfData); ok {
		return []string{"CreateTrail", "true", "DataTrail", "true"}
	}
	return []string{"CreateTrail", "true"}
}

// ofThings is each harmful change to each thing of a kind.
func ofThings(role brevet.RoleName, kind things) func(w *world) []try {
	return func(w *world) []try {
		resources := kind.resources(w)
		if len(resources) == 0 {
			return []try{{"there is one", func(*world) finding { return finding{result: Absent, why: "the templates install none"} }}}
		}
		return onEach(role, resources, kind.changes)
	}
}

// wayIn is what the strongest role may not do to the way in.
func (b *book) wayIn() {
	r, ok := b.strongest()
	if !ok {
		return
	}
	texts := map[string]string{
		"roles": "changes none of the stacks' roles: no trust, no policy, no boundary", "policies": "rewrites none of the stacks' policies",
		"provider": "changes no identity provider of brevet's", "stacks": "neither updates nor deletes the stacks",
		"document": "replaces no session document", "revoker": "neither changes nor calls the revoker",
	}
	for _, kind := range entrance() {
		if kind.what == "provider" && b.side.Account.Broker != "" {
			continue
		}
		b.claimOf("admin-cannot-change-"+kind.what, string(r.Name)+" "+texts[kind.what]+".", Refused, permissionsLayer, ofThings(r.Name, kind)).
			with(b.withAll()...).against(HostileEngineer, StolenLaptop)
	}
	w := &world{side: b.side}
	b.claim("admin-may-read-way-in", string(r.Name)+" may read how the way in is made.", Allowed, permissionsLayer,
		slices.Concat(onEach(r.Name, []string{b.side.Account.RoleARN(r.Name)}, actionsOf("iam: GetRole ListRolePolicies")),
			onEach(r.Name, []string{w.global("iam", "policy/"+w.ours("Boundary"))}, actionsOf("iam: GetPolicyVersion ListPolicyVersions")),
			onEach(r.Name, []string{w.arn("cloudformation", "stack/"+w.ours("access")+"/0a1b")}, actionsOf("cloudformation: DescribeStacks GetTemplate")),
			onEach(r.Name, []string{w.arn("ssm", "document/"+w.ours("Shell"))}, actionsOf("ssm: GetDocument DescribeDocument")))...)
	b.claim("admin-may-change-others", string(r.Name)+" may change stacks, documents, functions and policies that are not brevet's.", Allowed, permissionsLayer,
		slices.Concat(onEach(r.Name, []string{w.arn("cloudformation", "stack/shop/0a1b"), w.arn("cloudformation", "stack/not-"+w.ours("access")+"/0a1b")}, actionsOf("cloudformation: UpdateStack DeleteStack")),
			onEach(r.Name, []string{w.arn("ssm", "document/shop")}, actionsOf("ssm: UpdateDocument DeleteDocument")),
			onEach(r.Name, []string{w.arn("lambda", "function:shop")}, actionsOf("lambda: UpdateFunctionCode DeleteFunction InvokeFunction")),
			onEach(r.Name, []string{w.global("iam", "policy"+w.workload()+"shop")}, actionsOf("iam: CreatePolicy CreatePolicyVersion SetDefaultPolicyVersion DeletePolicy")))...)
}

// record is what it may not do to the record.
func (b *book) record() {
	r, ok := b.strongest()
	if !ok {
		return
	}
	texts := map[string]string{
		"log-groups": "neither empties nor shortens the log, nor writes into it", "alarms": "silences no alarm", "dashboard": "does not touch the dashboard",
		"topics": "does not touch the topic, nor publishes to it", "rules": "does not touch the rules", "trail": "does not touch the trail",
		"bucket": "does not touch the trail's bucket", "objects": "does not touch the trail's objects",
	}
	for _, kind := range recording() {
		b.claimOf("admin-cannot-touch-"+kind.what, string(r.Name)+" "+texts[kind.what]+".", Refused, permissionsLayer, ofThings(r.Name, kind)).
			with(b.withAll()...).against(HostileEngineer, StolenLaptop)
	}
	w := &world{side: b.side}
	refuse := func(id, about string, tries ...try) {
		b.claim(id, string(r.Name)+" "+about+".", Refused, permissionsLayer, tries...).against(HostileEngineer, StolenLaptop)
	}
	keys := things{"key", actionsOf(changesKey), func(w *world) []string { return arns(w.in.Keys, func(k Key) string { return k.ARN }) }}
	b.claimOf("admin-cannot-touch-key", string(r.Name)+" does not touch the trail's key.", Refused, permissionsLayer, func(w *world) []try {
		var tags []string
		for _, k := range w.in.Keys {
			for name, v := range k.Tags {
				tags = append(tags, name, v)
			}
		}
		out := onEach(r.Name, keys.resources(w), keys.changes, tagged(tags...))
		if len(out) == 0 {
			out = ofThings(r.Name, keys)(w)
		}
		// another of the account's, which its owner has tagged so
		return append(out, onEach(r.Name, []string{w.arn("kms", "key/0a1b2c3d")}, keys.changes, tagged("brevet-record", "true"))...)
	}).with(b.withAll()...).against(HostileEngineer, StolenLaptop)
	b.claimOf("admin-cannot-touch-renamed-log", string(r.Name)+" does not touch the log group, whatever it is called.", Refused, permissionsLayer, ofThings(r.Name, recording()[0])).
		with("LogGroupName", "shared.example-access").against(HostileEngineer, StolenLaptop)
	refuse("admin-cannot-stop-any-trail", "stops or narrows no trail of the account, not even one that is not brevet's",
		onEach(r.Name, []string{w.arn("cloudtrail", "trail/management")}, actionsOf("cloudtrail: StopLogging DeleteTrail UpdateTrail PutEventSelectors PutInsightSelectors"))...)
	refuse("admin-cannot-redirect-logs", "sets no policy of logs, by which the record could be shut out or sent away",
		onEach(r.Name, []string{"*"}, actionsOf("logs: PutResourcePolicy DeleteResourcePolicy PutAccountPolicy DeleteAccountPolicy"))...)
	refuse("admin-cannot-open-bus", "neither opens the event bus to others nor changes its key, without which no rule sees anything", onEach(r.Name, []string{w.arn("events", "event-bus/default")}, actionsOf("events: PutPermission RemovePermission UpdateEventBus"))...)
	refuse("admin-cannot-unsubscribe", "unsubscribes nobody, and filters no subscription",
		onEach(r.Name, []string{w.arn("sns", w.ours("alerts")+":0a1b"), "*"}, actionsOf("sns: Unsubscribe SetSubscriptionAttributes"))...)
	refuse("admin-cannot-mute-alarms", "mutes no alarms", onEach(r.Name, []string{w.arn("cloudwatch", "alarm-mute-rule:x")}, actionsOf("cloudwatch: PutAlarmMuteRule DeleteAlarmMuteRule"))...)
	b.claim("admin-may-read-record", string(r.Name)+" may read the record.", Allowed, permissionsLayer,
		slices.Concat(onEach(r.Name, []string{w.arn("logs", "log-group:"+b.logGroup()+":*")}, actionsOf("logs: FilterLogEvents GetLogEvents StartQuery DescribeLogStreams")),
			onEach(r.Name, []string{w.arn("cloudwatch", "alarm:"+w.ours("denied"))}, actionsOf("cloudwatch: DescribeAlarms")),
			onEach(r.Name, []string{w.arn("events", "rule/"+w.ours("calls"))}, actionsOf("events: DescribeRule ListTargetsByRule")),
			onEach(r.Name, []string{w.arn("cloudtrail", "trail/"+w.ours("trail"))}, actionsOf("cloudtrail: GetTrailStatus")))...)
	b.claim("admin-may-touch-other-records", string(r.Name)+" may change logs, alarms, topics, rules and buckets that are not brevet's.", Allowed, permissionsLayer,
		slices.Concat(onEach(r.Name, []string{w.arn("logs", "log-group:shop:*")}, actionsOf("logs: DeleteLogGroup PutRetentionPolicy PutSubscriptionFilter")),
			onEach(r.Name, []string{w.arn("cloudwatch", "alarm:shop")}, actionsOf("cloudwatch: DeleteAlarms SetAlarmState")),
			onEach(r.Name, []string{w.arn("sns", "shop")}, actionsOf("sns: DeleteTopic Publish Subscribe")),
			onEach(r.Name, []string{w.arn("events", "rule/shop")}, actionsOf("events: DisableRule DeleteRule PutTargets")),
			onEach(r.Name, []string{w.arn("kms", "key/0a1b2c3d")}, actionsOf("kms: DisableKey ScheduleKeyDeletion")),
			onEach(r.Name, []string{w.bucket("shop")}, actionsOf("s3: PutBucketPolicy DeleteBucket")))...)
}

// logGroup is the name of the record.
func (b *book) logGroup() string {
	if b.side.Customer.LogGroup != "" {
		return b.side.Customer.LogGroup
	}
	return b.side.Account.Prefix + "access"
}

// everyRole is what holds for each role, however weak.
func (b *book) everyRole() {
	for _, r := range b.side.Roles {
		id := idOfRole(r.Name)
		kinds := append(recording(), entrance()...)
		b.claimOf(id+"-cannot-touch-record", string(r.Name)+" changes neither the record nor the way in.", Refused, permissionsLayer, func(w *world) []try {
			var out []try
			for _, kind := range kinds {
				out = append(out, onEach(r.Name, kind.resources(w), kind.changes[:min(3, len(kind.changes))])...)
			}
			return out
		}).with(b.withAll()...).against(HostileEngineer, StolenLaptop)
		if t, ok := b.work(r); ok {
			b.claim(id+"-works", string(r.Name)+" does its work.", Allowed, permissionsLayer, doing(r.Name, t.action, t.resource, tagged("database", "true")))
		}
		b.claim(id+"-bounded", string(r.Name)+" has the boundary, and what only an administrator needs it has not.", Present, permissionsLayer, b.bounded(r)...)
	}
}

// bounded compares what is installed with what the catalog says.
func (b *book) bounded(r brevet.Role) []try {
	return []try{{"the boundary", func(w *world) finding {
		in, ok := w.in.Role(w.side.Account.RoleARN(r.Name))
		want := w.global("iam", "policy/"+w.ours("Boundary"))
		return present(ok && in.BoundaryARN == want && in.Boundary != nil, in.BoundaryARN, "the boundary must be "+want)
	}}, {"no more policies than the catalog gives", func(w *world) finding {
		in, _ := w.in.Role(w.side.Account.RoleARN(r.Name))
		for _, p := range in.Policies {
			name, aws := strings.CutPrefix(p.ARN, "arn:"+w.in.Partition+":iam::aws:policy/")
			if aws && !slices.Contains(r.Policies, name) {
				return finding{result: Absent, statement: name, why: "the catalog does not give " + string(r.Name) + " the policy " + name}
			}
			if !aws && len(r.Inline) == 0 && slices.ContainsFunc(p.Policy.Statements, isAllow) {
				return finding{result: Absent, statement: p.Name, why: "the policy allows something, and the catalog gives none"}
			}
		}
		for _, name := range r.Policies {
			if !slices.ContainsFunc(in.Policies, func(p NamedPolicy) bool { return strings.HasSuffix(p.ARN, ":iam::aws:policy/"+name) }) {
				return finding{result: Absent, statement: name, why: "the policy " + name + " is missing"}
			}
		}
		return finding{result: Present, statement: strings.Join(r.Policies, ", ")}
	}}}
}
