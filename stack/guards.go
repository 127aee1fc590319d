package stack

import "github.com/brevet-access/brevet/iam"

// frozen is what all our roles get while the account is frozen.
func frozen() []clause {
	return []clause{{"", deny("Frozen", "*")}}
}

// denyProd keeps a role off what is tagged env-prod=true, and off the tag.
// AWS knows a resource's tags only for actions that name a resource and
// support them; SECURITY.md says for which they do not.
func denyProd() []clause {
	tagged, tag := deny("TaggedProd", "*"), deny("TheTagItself", "*")
	tagged.Conditions = []iam.Condition{when("StringEqualsIgnoreCase", "aws:ResourceTag/env-prod", "true")}
	tag.Conditions = []iam.Condition{when("ForAnyValue:StringEqualsIgnoreCase", "aws:TagKeys", "env-prod")}
	return []clause{
		{"Nothing that is tagged env-prod=true, not even to look at it where AWS checks tags on reading.", tagged},
		{"Nobody gets round it by taking the tag off, or puts it on to lock others out.", tag},
	}
}

// dataGuard keeps the role Data to instances and data stores that are tagged
// database=true. It allows nothing: what Data may do there is for the catalog
// to say, as with every role, so that an approval covers it.
func dataGuard(n names) []clause {
	untagged := []iam.Condition{when("StringNotEquals", "aws:ResourceTag/database", "true")}
	tag := deny("TheTagItself", "*")
	tag.Conditions = []iam.Condition{when("ForAnyValue:StringEqualsIgnoreCase", "aws:TagKeys", "database")}
	instances := []string{n.arn("ec2", "*", "instance/*"), n.arn("ssm", "*", "managed-instance/*")}
	return []clause{
		{"Shells only on instances that are tagged database=true.", iam.Statement{Sid: "OtherInstances", Effect: iam.EffectDeny, Action: []string{"ssm:StartSession"},
			Resource: instances, Conditions: untagged}},
		{"Commands and automations name their targets by tags of the caller's choice, and a user of a database cannot be\ntagged. So neither at all.",
			deny("NoCommands", "rds-db:connect", "ssm:CreateAssociation*", "ssm:SendCommand", "ssm:StartAutomationExecution",
				"ssm:StartChangeRequestExecution", "ssm:UpdateAssociation*")},
		{"Of data stores only those that are tagged database=true; of others no more than that they exist. A bucket's tag\ncounts once ABAC is switched on for it (INSTRUCTIONS.md). What is new has no tag yet, so Data makes no stores.",
			iam.Statement{Sid: "OtherStores", Effect: iam.EffectDeny, NotAction: dataReads(), Resource: n.stores(), Conditions: untagged}},
		{"Nobody gets round it by setting the tag.", tag},
		{"Nor by the calls that set a bucket's tags, which do not say which ones.",
			deny("BucketTags", "s3:PutBucketAbac", "s3:PutBucketTagging")},
	}
}

// stores are the data stores that AWS can tag.
func (n names) stores() []string {
	var out []string
	for _, s := range []struct {
		service string
		kinds   []string
	}{
		{"dynamodb", []string{"table/*"}},
		{"elasticache", []string{"cluster:*", "replicationgroup:*", "serverlesscache:*", "serverlesscachesnapshot:*", "snapshot:*"}},
		{"rds", []string{"auto-backup:*", "cluster-auto-backup:*", "cluster-snapshot:*", "cluster:*", "db:*", "snapshot:*"}},
		{"redshift", []string{"cluster:*", "dbname:*", "dbuser:*", "snapshot:*"}},
		{"redshift-serverless", []string{"namespace/*", "snapshot/*", "workgroup/*"}},
	} {
		for _, kind := range s.kinds {
			out = append(out, n.arn(s.service, "*", kind))
		}
	}
	return append(out, "arn:"+n.partition+":s3:::*", n.arn("s3", "*", "accesspoint/*"))
}

// dataReads tell that a store exists, and nothing of what is in it.
func dataReads() []string {
	return join(each("dynamodb", "Describe*", "List*"), each("elasticache", "Describe*", "List*"), each("rds", "Describe*", "List*"),
		each("redshift", "Describe*", "List*"), each("redshift-serverless", "List*"), each("s3", "GetBucketLocation", "GetBucketTagging", "ListAllMyBuckets", "ListTagsForResource"))
}
