package stack

import (
	"strings"

	"github.com/brevet-access/brevet"
)

// frozen is about the customer's own brake.
func (b *book) frozen() {
	roles := b.side.Roles
	b.claim("frozen-entry", "With Freeze, nobody gets in, whatever they hold.", Refused, trustLayer, entering("a perfect entry", roles)...).
		with("Freeze", "true").against(StolenKey, StolenLaptop, HostileEngineer, HostileBroker)
	b.claim("thawed-entry", "Without Freeze, the same entry works.", Allowed, trustLayer, entering("a perfect entry", roles)...).with("Freeze", "false")
	var live []try
	for _, r := range roles {
		if t, ok := b.work(r); ok {
			live = append(live, doing(r.Name, t.action, t.resource, tagged("database", "true")))
		}
		live = append(live, doing(r.Name, "ec2:DescribeInstances", "*"))
	}
	b.claim("frozen-sessions", "With Freeze, sessions that run already may do nothing.", Refused, permissionsLayer, live...).
		with("Freeze", "true").against(StolenKey, StolenLaptop, HostileEngineer, HostileBroker)
	b.claim("thawed-sessions", "Without Freeze, they go on.", Allowed, permissionsLayer, b.working()...).with("Freeze", "false")
}

// working is each role at its work.
func (b *book) working(changes ...callChange) []try {
	var out []try
	for _, r := range b.side.Roles {
		if t, ok := b.work(r); ok {
			out = append(out, doing(r.Name, t.action, t.resource, append([]callChange{tagged("database", "true")}, changes...)...))
		}
	}
	return out
}

// lifetime is about the grant's end.
func (b *book) lifetime() {
	const end = "2026-11-25T13:00:00Z"
	b.claim("grant-before-its-end", "Until the grant's end a session works.", Allowed, permissionsLayer, b.working(moment("2026-11-25T12:59:59Z", end))...)
	b.claim("grant-after-its-end", "From the grant's end on a session may do nothing, to the second.", Refused, []Layer{LayerBroker, LayerPermissions},
		append(b.working(moment(end, end)), b.working(moment("2026-11-25T13:00:01Z", end))...)...).against(StolenLaptop, HostileEngineer)
	var length []try
	for _, r := range b.side.Roles {
		length = append(length, try{string(r.Name), func(w *world) finding {
			in, ok := w.in.Role(w.side.Account.RoleARN(r.Name))
			return present(ok && in.Max == r.Max, "MaxSessionDuration "+in.Max.String(), "the catalog says "+r.Max.String())
		}})
	}
	b.claim("session-length", "No session of a role lasts longer than the catalog says.", Present, trustLayer, length...)
}

// present is a finding about what is installed.
func present(ok bool, statement, why string) finding {
	if ok {
		return finding{result: Present, statement: statement}
	}
	return finding{result: Absent, statement: statement, why: why}
}

// production is about DenyProd.
func (b *book) production() {
	for _, r := range b.side.Roles {
		t, ok := b.work(r)
		if !ok {
			continue
		}
		id, parameter := idOfRole(r.Name), "DenyProd"+lettersAndDigits(r.Name)
		base := tagged("database", "true")
		b.claim("prod-"+id+"-tagged", "With "+parameter+", "+string(r.Name)+" does nothing to what is tagged env-prod=true.", Refused, permissionsLayer,
			doing(r.Name, t.action, t.resource, base, tagged("env-prod", "true")), doing(r.Name, t.action, t.resource, base, tagged("env-prod", "True"))).
			with(parameter, "true").against(StolenLaptop, HostileEngineer)
		b.claim("prod-"+id+"-untagged", "With "+parameter+", "+string(r.Name)+" works on everything else.", Allowed, permissionsLayer,
			doing(r.Name, t.action, t.resource, base), doing(r.Name, t.action, t.resource, base, tagged("env-prod", "false"))).with(parameter, "true")
		b.claim("prod-"+id+"-off", "Without "+parameter+", "+string(r.Name)+" works on production too.", Allowed, permissionsLayer,
			doing(r.Name, t.action, t.resource, base, tagged("env-prod", "true"))).with(parameter, "false")
	}
	b.productionTag()
}

// productionTag is about setting or removing the tag.
func (b *book) productionTag() {
	w := &world{side: b.side}
	instance := w.arn("ec2", "instance/i-0123456789abcdef0")
	var on []string
	var bad, good []try
	for _, r := range b.side.Roles {
		on = append(on, "DenyProd"+lettersAndDigits(r.Name), "true")
		for _, action := range []string{"ec2:CreateTags", "ec2:DeleteTags", "tag:TagResources", "rds:RemoveTagsFromResource", "lambda:TagResource"} {
			resource := instance
			if strings.HasPrefix(action, "tag:") {
				resource = "*"
			}
			bad = append(bad, doing(r.Name, action, resource, knowing("aws:TagKeys", "env-prod")), doing(r.Name, action, resource, knowing("aws:TagKeys", "team", "Env-Prod")))
		}
		if b.may(r, "ec2:CreateTags", instance) {
			good = append(good, doing(r.Name, "ec2:CreateTags", instance, tagged("database", "true"), knowing("aws:TagKeys", "team")))
		}
	}
	b.claim("prod-tag-itself", "With DenyProd, nobody sets the tag or takes it off, in whatever case.", Refused, permissionsLayer, bad...).with(on...).against(StolenLaptop, HostileEngineer)
	if len(good) > 0 {
		b.claim("prod-other-tags", "With DenyProd, other tags may be set.", Allowed, permissionsLayer, good...).with(on...)
	}
	for i, r := range b.side.Roles { // the parameter binds its own role alone
		t, ok := b.work(r)
		if !ok || len(b.side.Roles) < 2 {
			continue
		}
		other := b.side.Roles[(i+1)%len(b.side.Roles)].Name
		s := b.claim("prod-"+idOfRole(r.Name)+"-only-its-own", "DenyProd of another role does not bind "+string(r.Name)+".", Allowed, permissionsLayer,
			doing(r.Name, t.action, t.resource, tagged("database", "true", "env-prod", "true"))).with("DenyProd"+lettersAndDigits(other), "true")
		s.with("DenyProd"+lettersAndDigits(r.Name), "false")
	}
}

const roleOfData brevet.RoleName = "Data"

// store is a data store that AWS can tag, and calls that touch what is in it.
type store struct {
	resource string
	actions  []string
}

// data is about the role Data.
func (b *book) data() {
	r, ok := b.has(roleOfData)
	if !ok {
		return
	}
	w := &world{side: b.side}
	var tag, none []try
	for _, s := range b.stores() {
		for _, action := range s.actions {
			if b.may(r, action, s.resource) {
				tag = append(tag, doing(roleOfData, action, s.resource, tagged("database", "true")))
			}
			none = append(none, doing(roleOfData, action, s.resource, generous), doing(roleOfData, action, s.resource, generous, tagged("database", "false")), doing(roleOfData, action, s.resource, generous, tagged("env", "database")))
		}
	}
	b.claim("data-stores-tagged", "Data works on data stores that are tagged database=true.", Allowed, permissionsLayer, tag...)
	b.claim("data-stores-untagged", "Data does not touch data stores without that tag.", Refused, permissionsLayer, none...).against(StolenLaptop, HostileEngineer)
	instance, managed := w.arn("ec2", "instance/i-0123456789abcdef0"), w.arn("ssm", "managed-instance/mi-0123456789abcdef0")
	shell := also(w.arn("ssm", "document/"+w.ours("Shell")))
	b.claim("data-shell-tagged", "Where the catalog lets Data open shells, it does so on instances that are tagged database=true.", Allowed, permissionsLayer,
		doing(roleOfData, "ssm:StartSession", instance, generous, shell, checked, tagged("database", "true")), doing(roleOfData, "ssm:StartSession", managed, generous, shell, checked, tagged("database", "true")))
	b.claim("data-shell-untagged", "Data opens no shell on any other instance, whatever the catalog gives it.", Refused, permissionsLayer,
		doing(roleOfData, "ssm:StartSession", instance, generous, shell, checked), doing(roleOfData, "ssm:StartSession", managed, generous, shell, checked),
		doing(roleOfData, "ssm:StartSession", instance, generous, shell, checked, tagged("database", "false"))).against(StolenLaptop, HostileEngineer)
	b.claim("data-commands", "Data sends no commands to instances, has no automation or association do it, and connects as no database user, whatever the catalog gives it.", Refused, permissionsLayer,
		doing(roleOfData, "ssm:SendCommand", instance, generous, tagged("database", "true")), doing(roleOfData, "ssm:StartAutomationExecution", w.arnIn("ssm", "*", "automation-definition/AWS-RunShellScript:1"), generous),
		doing(roleOfData, "ssm:CreateAssociation", instance, generous, tagged("database", "true")), doing(roleOfData, "ssm:CreateAssociationBatch", instance, generous, tagged("database", "true")),
		doing(roleOfData, "ssm:UpdateAssociation", instance, generous, tagged("database", "true")), doing(roleOfData, "ssm:StartChangeRequestExecution", "*", generous),
		doing(roleOfData, "rds-db:connect", w.arn("rds-db", "dbuser:db-1/x"), generous),
		doing(roleOfData, "ec2-instance-connect:SendSSHPublicKey", instance, generous, tagged("database", "true"))).against(StolenLaptop, HostileEngineer)
	var tags []try
	for _, action := range []string{"rds:AddTagsToResource", "rds:RemoveTagsFromResource", "dynamodb:TagResource", "redshift:CreateTags", "elasticache:AddTagsToResource", "ec2:CreateTags", "tag:TagResources", "s3:PutObjectTagging"} {
		tags = append(tags, doing(roleOfData, action, w.arn("rds", "db:orders"), generous, tagged("database", "true"), knowing("aws:TagKeys", "database")),
			doing(roleOfData, action, w.arn("rds", "db:orders"), generous, tagged("database", "true"), knowing("aws:TagKeys", "Database")))
	}
	tags = append(tags, doing(roleOfData, "s3:PutBucketTagging", w.bucket("orders"), generous, tagged("database", "true")),
		doing(roleOfData, "s3:PutBucketAbac", w.bucket("orders"), generous, tagged("database", "true")), doing(roleOfData, "s3:TagResource", w.bucket("orders"), generous, tagged("database", "true"), knowing("aws:TagKeys", "database")))
	b.claim("data-tag-itself", "Data neither sets that tag nor takes it off.", Refused, permissionsLayer, tags...).against(StolenLaptop, HostileEngineer)
	b.dataSees(r)
}

// dataSees is what Data may know of other stores.
func (b *book) dataSees(r brevet.Role) {
	var sees []try
	w := &world{side: b.side}
	for _, t := range []task{{"rds:DescribeDBInstances", w.arn("rds", "db:orders")}, {"dynamodb:ListTables", "*"}, {"dynamodb:DescribeTable", w.arn("dynamodb", "table/orders")},
		{"s3:ListAllMyBuckets", "*"}, {"s3:GetBucketLocation", w.bucket("orders")}, {"elasticache:DescribeCacheClusters", w.arn("elasticache", "cluster:orders")}, {"redshift:DescribeClusters", w.arn("redshift", "cluster:orders")}} {
		if b.may(r, t.action, t.resource) {
			sees = append(sees, doing(roleOfData, t.action, t.resource))
		}
	}
	if len(sees) > 0 {
		b.claim("data-sees", "Data sees which data stores there are.", Allowed, permissionsLayer, sees...)
	}
	if b.may(r, "rds:AddTagsToResource", w.arn("rds", "db:orders")) {
		b.claim("data-other-tags", "Data may set other tags on what is its own.", Allowed, permissionsLayer,
			doing(roleOfData, "rds:AddTagsToResource", w.arn("rds", "db:orders"), tagged("database", "true"), knowing("aws:TagKeys", "team")))
	}
}

// stores are the kinds of data stores that AWS can tag.
func (b *book) stores() []store {
	w := &world{side: b.side}
	return []store{
		{w.arn("dynamodb", "table/orders"), []string{"dynamodb:GetItem", "dynamodb:DeleteTable"}},
		{w.arn("dynamodb", "table/orders/index/by-day"), []string{"dynamodb:Query"}},
		{w.arn("dynamodb", "table/orders/backup/01"), []string{"dynamodb:DeleteBackup"}},
		{w.arn("elasticache", "cluster:orders"), []string{"elasticache:ModifyCacheCluster"}},
		{w.arn("elasticache", "replicationgroup:orders"), []string{"elasticache:ModifyReplicationGroup"}},
		{w.arn("elasticache", "serverlesscache:orders"), []string{"elasticache:ModifyServerlessCache"}},
		{w.arn("elasticache", "serverlesscachesnapshot:orders"), []string{"elasticache:ExportServerlessCacheSnapshot"}},
		{w.arn("elasticache", "snapshot:orders"), []string{"elasticache:CopySnapshot"}},
		{w.arn("rds", "db:orders"), []string{"rds:ModifyDBInstance", "rds:DeleteDBInstance"}},
		{w.arn("rds", "cluster:orders"), []string{"rds:ModifyDBCluster", "rds-data:ExecuteStatement", "rds-data:BatchExecuteStatement"}},
		{w.arn("rds", "snapshot:orders"), []string{"rds:CopyDBSnapshot", "rds:ModifyDBSnapshotAttribute"}},
		{w.arn("rds", "cluster-snapshot:orders"), []string{"rds:CopyDBClusterSnapshot"}},
		{w.arn("rds", "auto-backup:ab-1"), []string{"rds:RestoreDBInstanceToPointInTime"}},
		{w.arn("rds", "cluster-auto-backup:cab-1"), []string{"rds:DeleteDBClusterAutomatedBackup"}},
		{w.arn("redshift", "cluster:orders"), []string{"redshift:ModifyCluster", "redshift-data:ExecuteStatement"}},
		{w.arn("redshift", "dbname:orders/x"), []string{"redshift:GetClusterCredentials"}},
		{w.arn("redshift", "dbuser:orders/x"), []string{"redshift:GetClusterCredentials"}},
		{w.arn("redshift", "snapshot:orders/x"), []string{"redshift:RestoreFromClusterSnapshot"}},
		{w.arn("redshift-serverless", "workgroup/x"), []string{"redshift-serverless:GetCredentials"}},
		{w.arn("redshift-serverless", "namespace/x"), []string{"redshift-serverless:UpdateNamespace"}},
		{w.arn("redshift-serverless", "snapshot/x"), []string{"redshift-serverless:RestoreFromSnapshot"}},
		{w.bucket("orders"), []string{"s3:ListBucket", "s3:PutBucketPolicy", "s3:DeleteBucket"}},
		{w.bucket("orders/2026"), []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}},
		{w.arn("s3", "accesspoint/orders"), []string{"s3:ListBucket"}},
		{w.arn("s3", "accesspoint/orders/object/x"), []string{"s3:GetObject"}},
	}
}

// checked is what Systems Manager knows of a call that names its document.
func checked(c *call) { knowing("ssm:SessionDocumentAccessCheck", "true")(c) }

// shells is about Session Manager.
func (b *book) shells() {
	w := &world{side: b.side}
	instance, managed := w.arn("ec2", "instance/i-0123456789abcdef0"), w.arn("ssm", "managed-instance/mi-0123456789abcdef0")
	document := func(name string) callChange { return also(w.arn("ssm", "document/"+name)) }
	public := func(name string) callChange {
		return also("arn:" + b.side.Account.Partition() + ":ssm:" + b.side.Account.Region + "::document/" + name)
	}
	var ours, forward, standard, unnamed, others, doors []try
	for _, r := range b.side.Roles {
		data := tagged("database", "true")
		if b.may(r, "ssm:StartSession", instance) {
			ours = append(ours, doing(r.Name, "ssm:StartSession", instance, document(w.ours("Shell")), checked, data), doing(r.Name, "ssm:StartSession", managed, document(w.ours("Shell")), checked, data))
		}
		for _, name := range []string{"AWS-StartPortForwardingSession", "AWS-StartPortForwardingSessionToRemoteHost", "AWS-StartPortForwardingSessionToSocket", "AWS-StartSSHSession"} {
			forward = append(forward, doing(r.Name, "ssm:StartSession", instance, public(name), checked, data))
		}
		standard = append(standard, doing(r.Name, "ssm:StartSession", instance, document("SSM-SessionManagerRunShell"), checked, data))
		for _, target := range []string{instance, managed} {
			unnamed = append(unnamed, doing(r.Name, "ssm:StartSession", target, generous, data, knowing("ssm:SessionDocumentAccessCheck", "false")))
		}
		others = append(others, doing(r.Name, "ssm:StartSession", instance, document("my-own"), checked, data), doing(r.Name, "ssm:StartSession", instance, public("AWS-StartInteractiveCommand"), checked, data),
			doing(r.Name, "ssm:StartSession", w.arn("ecs", "task/x/y"), document(w.ours("Shell")), checked))
		doors = append(doors, doing(r.Name, "ec2-instance-connect:SendSSHPublicKey", instance, data), doing(r.Name, "ec2-instance-connect:SendSerialConsoleSSHPublicKey", instance, data),
			doing(r.Name, "ec2-instance-connect:OpenTunnel", w.arn("ec2", "instance-connect-endpoint/eice-1")), doing(r.Name, "ssm-guiconnect:StartConnection", "*"))
	}
	if len(ours) > 0 {
		b.claim("shell-our-document", "Shells open with brevet's document.", Allowed, permissionsLayer, ours...)
	}
	refuse := func(id, about string, tries []try) {
		b.claim(id, about, Refused, permissionsLayer, tries...).against(StolenLaptop, HostileEngineer)
	}
	refuse("shell-port-forwarding", "No session forwards a port or carries SSH, which nobody could record.", forward)
	refuse("shell-default-document", "No shell opens with the account's default document, whose limits are somebody else's.", standard)
	refuse("shell-no-document-named", "No shell opens without naming a document: AWS would take the account's default one, and not ask who may use it.", unnamed)
	refuse("shell-other-documents", "No shell opens with any other document, or on a container.", others)
	refuse("shell-other-doors", "No SSH key is pushed to an instance; no serial console, no remote desktop.", doors)
	b.claim("shell-limits", "brevet's document ends idle and long shells, records them, and forwards no port.", Present, permissionsLayer, shellDocument)
}

var shellDocument = try{"the document in each region", func(w *world) finding {
	regions := map[string]bool{}
	for _, d := range w.in.Documents {
		if d.Name != w.ours("Shell") {
			continue
		}
		inputs, _ := d.Content["inputs"].(map[string]any)
		text := func(name string) string { s, _ := asText(inputs[name]); return s }
		idle, longest := text("idleSessionTimeout"), text("maxSessionDuration")
		limited := minutes(idle, 60) && minutes(longest, 1440)
		recorded := text("cloudWatchLogGroupName") == w.parameters["LogGroupName"] && text("cloudWatchLogGroupName") != "" && text("cloudWatchStreamingEnabled") == "true"
		why := "in " + d.Region + ": idle " + idle + ", longest " + longest + ", log group " + text("cloudWatchLogGroupName")
		if !limited || !recorded || d.Type != "Session" || d.Content["sessionType"] != "Standard_Stream" {
			return finding{result: Absent, statement: d.Name, why: why}
		}
		regions[d.Region] = true
	}
	for _, d := range w.in.Deployments {
		if _, ok := d.Template.Parameter("ShellMaxMinutes"); ok && !regions[d.Region] {
			return finding{result: Absent, statement: w.ours("Shell"), why: "there is no document " + w.ours("Shell") + " in " + d.Region}
		}
	}
	return present(len(regions) > 0, w.ours("Shell"), "there is no document "+w.ours("Shell"))
}}

// minutes reports whether s is a number of minutes from 1 to most.
func minutes(s string, most int) bool {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' || n > most {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n >= 1 && n <= most
}
