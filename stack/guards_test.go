package stack_test

import (
	"slices"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

func TestDataIsHeldToItsTag(t *testing.T) {
	w := deployed(t, side(), nil)
	yes, no, other := iam.Context{"aws:ResourceTag/database": {"true"}}, iam.Context(nil), iam.Context{"aws:ResourceTag/database": {"false"}}
	const (
		in = "arn:aws:ec2:eu-west-1:111122223333:instance/i-1"
		db = "arn:aws:rds:eu-west-1:111122223333:db:shop"
	)
	for _, c := range []struct {
		action, resource string
		context          iam.Context
		want             iam.Decision
	}{
		{"rds:ModifyDBInstance", db, yes, iam.Allow},
		{"rds:ModifyDBInstance", db, no, iam.ExplicitDeny},
		{"rds:ModifyDBInstance", db, other, iam.ExplicitDeny},
		{"rds:DeleteDBCluster", "arn:aws:rds:eu-west-1:111122223333:cluster:shop", no, iam.ExplicitDeny},
		{"rds:RestoreDBInstanceFromDBSnapshot", "arn:aws:rds:eu-west-1:111122223333:snapshot:old", no, iam.ExplicitDeny},
		{"rds:CreateDBInstance", "arn:aws:rds:eu-west-1:111122223333:db:new", iam.Context{"aws:RequestTag/database": {"true"}, "aws:TagKeys": {"database"}}, iam.ExplicitDeny},
		{"rds:DescribeDBInstances", db, no, iam.Allow},
		{"dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:111122223333:table/shop", yes, iam.Allow},
		{"dynamodb:GetItem", "arn:aws:dynamodb:eu-west-1:111122223333:table/shop", no, iam.ExplicitDeny},
		{"dynamodb:Query", "arn:aws:dynamodb:eu-west-1:111122223333:table/shop/index/by-day", no, iam.ExplicitDeny},
		{"dynamodb:DescribeTable", "arn:aws:dynamodb:eu-west-1:111122223333:table/shop", no, iam.Allow},
		{"redshift:GetClusterCredentials", "arn:aws:redshift:eu-west-1:111122223333:dbuser:c/admin", no, iam.ExplicitDeny},
		{"elasticache:DeleteReplicationGroup", "arn:aws:elasticache:eu-west-1:111122223333:replicationgroup:r", no, iam.ExplicitDeny},
		{"elasticache:DeleteReplicationGroup", "arn:aws:elasticache:eu-west-1:111122223333:replicationgroup:r", yes, iam.Allow},
		{"s3:GetObject", "arn:aws:s3:::shop/x", yes, iam.Allow},
		{"s3:GetObject", "arn:aws:s3:::shop/x", no, iam.ExplicitDeny},
		{"s3:ListBucket", "arn:aws:s3:::shop", no, iam.ExplicitDeny},
		{"s3:GetObject", "arn:aws:s3:eu-west-1:111122223333:accesspoint/a/object/x", no, iam.ExplicitDeny},
		{"s3:ListAllMyBuckets", "*", no, iam.Allow},
		{"s3:GetBucketLocation", "arn:aws:s3:::shop", no, iam.Allow},
		// the tag itself
		{"rds:AddTagsToResource", db, iam.Context{"aws:TagKeys": {"team", "database"}}, iam.ExplicitDeny},
		{"rds:AddTagsToResource", db, iam.Context{"aws:TagKeys": {"Database"}, "aws:ResourceTag/database": {"true"}}, iam.ExplicitDeny},
		{"rds:AddTagsToResource", db, iam.Context{"aws:TagKeys": {"team"}, "aws:ResourceTag/database": {"true"}}, iam.Allow},
		{"dynamodb:UntagResource", "arn:aws:dynamodb:eu-west-1:111122223333:table/shop", iam.Context{"aws:TagKeys": {"database"}, "aws:ResourceTag/database": {"true"}}, iam.ExplicitDeny},
		{"s3:PutBucketTagging", "arn:aws:s3:::shop", yes, iam.ExplicitDeny},
		{"s3:PutBucketAbac", "arn:aws:s3:::shop", yes, iam.ExplicitDeny},
		// shells, and the ways round them; Data's policies may not allow them anyway
		{"ssm:StartSession", in, no, iam.ExplicitDeny},
		{"ssm:StartSession", "arn:aws:ssm:eu-west-1:111122223333:managed-instance/mi-1", no, iam.ExplicitDeny},
		{"ssm:SendCommand", in, yes, iam.ExplicitDeny},
		{"ssm:StartAutomationExecution", "*", yes, iam.ExplicitDeny},
		{"ssm:CreateAssociation", "*", yes, iam.ExplicitDeny},
		{"ssm:CreateAssociationBatch", "*", yes, iam.ExplicitDeny},
		{"ssm:UpdateAssociation", "*", yes, iam.ExplicitDeny},
		{"ssm:StartChangeRequestExecution", "*", yes, iam.ExplicitDeny},
		{"rds-db:connect", "arn:aws:rds-db:eu-west-1:111122223333:dbuser:db-1/root", yes, iam.ExplicitDeny},
	} {
		if got := w.try(t, "Data", c.action, c.resource, c.context); got.Decision != c.want {
			t.Errorf("%s on %s %v: %s by %s %s", c.action, c.resource, c.context, got.Decision, got.Policy, got.Statement)
		}
	}
	// the guard is Data's alone
	if got := w.try(t, "Admin", "rds:ModifyDBInstance", db, no); got.Decision != iam.Allow {
		t.Errorf("Admin is held to Data's tag: %+v", got)
	}
}

// Where the catalog lets Data open shells, it opens them on databases.
func TestDataShell(t *testing.T) {
	s := side()
	s.Roles[4].Inline = []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ssm:StartSession","Resource":"*"}}`)
	w := deployed(t, s, nil)
	const in = "arn:aws:ec2:eu-west-1:111122223333:instance/i-1"
	yes := iam.Context{"aws:ResourceTag/database": {"true"}}
	for _, c := range []struct {
		resource string
		context  iam.Context
		want     iam.Decision
	}{
		{in, yes, iam.Allow},
		{"arn:aws:ssm:eu-west-1:111122223333:document/brevet-Shell", nil, iam.Allow},
		{in, nil, iam.ExplicitDeny},
		{"arn:aws:ssm:eu-west-1::document/AWS-StartPortForwardingSession", nil, iam.ExplicitDeny},
		{"arn:aws:ssm:eu-west-1:111122223333:document/brevet-Shell2", nil, iam.ExplicitDeny},
	} {
		if got := w.try(t, "Data", "ssm:StartSession", c.resource, c.context); got.Decision != c.want {
			t.Errorf("StartSession on %s %v: %+v", c.resource, c.context, got)
		}
	}
}

func TestDenyProdIsPerRole(t *testing.T) {
	w := deployed(t, side(), map[string]string{"DenyProdAdmin": "true", "DenyProdSRE": "true"})
	const in = "arn:aws:ec2:eu-west-1:111122223333:instance/i-1"
	for _, c := range []struct {
		context iam.Context
		denied  bool
	}{
		{nil, false},
		{iam.Context{"aws:ResourceTag/env-prod": {"true"}}, true},
		{iam.Context{"aws:ResourceTag/env-prod": {"True"}}, true},
		{iam.Context{"aws:ResourceTag/env-prod": {"false"}}, false},
		{iam.Context{"aws:ResourceTag/env": {"prod"}}, false},
		{iam.Context{"aws:TagKeys": {"env-prod"}}, true},
		{iam.Context{"aws:TagKeys": {"team", "Env-Prod"}}, true},
		{iam.Context{"aws:TagKeys": {"team"}}, false},
	} {
		for _, role := range []brevet.RoleName{"Admin", "SRE", "DevOps"} {
			got := w.try(t, role, "ec2:TerminateInstances", in, c.context)
			if want := c.denied && role != "DevOps"; (got.Decision == iam.ExplicitDeny) != want || !want && got.Decision != iam.Allow {
				t.Errorf("%s, %v: %+v; want it denied: %t", role, c.context, got, want)
			}
		}
	}
}

func TestFrozenAccountAdmitsNobody(t *testing.T) {
	for _, frozen := range []string{"true", "false"} {
		w := deployed(t, side(), map[string]string{"Freeze": frozen, "Revoker": "true"})
		for _, r := range six() {
			in, _ := w.Role(w.account.RoleARN(r.Name))
			for _, action := range actions {
				got := right(w.account, r, brevet.Rung1h).assume(in.Trust, w.account, r, action)
				if (got.Decision == iam.Allow) != (frozen == "false") || frozen == "true" && got.Decision != iam.ExplicitDeny {
					t.Errorf("Freeze=%s: %s for %s: %+v", frozen, action, r.Name, got)
				}
			}
			got := w.try(t, r.Name, "iam:ListRoles", "*", nil)
			if (got.Decision == iam.Allow) != (frozen == "false") {
				t.Errorf("Freeze=%s: a running session of %s: %+v", frozen, r.Name, got)
			}
		}
	}
}

// A token is of use from the broker's addresses only, if the customer says so.
func TestBrokerCidrs(t *testing.T) {
	s := side()
	s.Egress = []string{"198.51.100.0/24", "2001:db8::/64"}
	for parameter, cases := range map[string]map[string]bool{
		"198.51.100.0/24,2001:db8::/64": {"198.51.100.9": true, "2001:db8::9": true, "192.0.2.7": false, "": false},
		"":                              {"198.51.100.9": true, "192.0.2.7": true, "": true},
	} {
		w := deployed(t, s, map[string]string{"BrokerCidrs": parameter})
		in, _ := w.Role(w.account.RoleARN("Admin"))
		for address, want := range cases {
			k := right(w.account, sixth(), brevet.Rung1h)
			set("aws:SourceIp", address)(&k)
			if address == "" {
				unset("aws:SourceIp")(&k)
			}
			if got := k.assume(in.Trust, w.account, sixth(), actions[0]); (got.Decision == iam.Allow) != want {
				t.Errorf("BrokerCidrs=%q, from %q: %+v", parameter, address, got)
			}
		}
	}
	def := deployed(t, s, nil)
	in, _ := def.Role(def.account.RoleARN("Admin"))
	if !slices.ContainsFunc(in.Trust.Statements[0].Conditions, func(c iam.Condition) bool { return c.Key == "aws:SourceIp" && len(c.Values) == 2 }) {
		t.Errorf("the broker's addresses of the catalog are not the default: %s", in.Trust)
	}
}

// What is deployed is what the broker believes it to be.
func TestDeployedTrustIsTrust(t *testing.T) {
	by := byBroker()
	by.Egress = nil // BrokerCidrs adds a condition
	for name, s := range map[string]stack.Side{"oidc": side(), "broker": by} {
		w := deployed(t, s, nil)
		for _, r := range six() {
			in, ok := w.Role(w.account.RoleARN(r.Name))
			if !ok || in.Max != r.Max {
				t.Errorf("%s: role %s: %t, at most %s, want %s", name, r.Name, ok, in.Max, r.Max)
			}
			if got, want := in.Trust.String(), mustTrust(t, w.account, r).String(); got != want {
				t.Errorf("%s: %s\nwant %s", name, got, want)
			}
		}
	}
}
