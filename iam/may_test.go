package iam_test

import (
	"testing"

	"github.com/brevet-access/brevet/iam"
)

func TestMayDo(t *testing.T) {
	for _, c := range []struct {
		policy, action string
		want           iam.Extent
	}{
		{`{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}`, "s3:GetObject", iam.Everywhere},
		{`{"Effect":"Allow","Action":"S3:GET*","Resource":"*"}`, "s3:GetObject", iam.Everywhere},
		{`{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::logs/*"}`, "s3:GetObject", iam.Somewhere},
		{`{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}}`, "s3:GetObject", iam.Somewhere},
		{`{"Effect":"Allow","Action":"s3:Get*","NotResource":"arn:aws:s3:::logs/*"}`, "s3:GetObject", iam.Somewhere},
		{`{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}`, "s3:PutObject", iam.Nowhere},
		{`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`, "s3:PutObject", iam.Everywhere},
		{`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`, "iam:CreateUser", iam.Nowhere},
		{`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*"}`, "iam:CreateUser", iam.Nowhere},
		{`{"Effect":"Deny","Action":"iam:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}},{"Effect":"Allow","Action":"*","Resource":"*"}`, "iam:CreateUser", iam.Everywhere},
		{`{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"arn:aws:iam::1:user/x"}`, "iam:CreateUser", iam.Everywhere},
	} {
		p, err := iam.Parse([]byte(`{"Version":"2012-10-17","Statement":[` + c.policy + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := iam.MayDo([]*iam.Policy{p}, c.action); got != c.want {
			t.Errorf("%s of %s: %v, want %v", c.action, c.policy, got, c.want)
		}
	}
}
