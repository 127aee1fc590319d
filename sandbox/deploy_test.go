package sandbox_test

import (
	"encoding/json"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/stack"
)

// template is a small stack with roles, and one of each thing that newcomers
// look at. Trust overrides the roles' trust policies.
func (c *cloud) template(account brevet.Account) string {
	type m = map[string]any
	raw := func(p *iam.Policy) json.RawMessage {
		text, err := p.MarshalJSON()
		if err != nil {
			c.t.Fatal(err)
		}
		return text
	}
	resources := m{
		"Provider": m{"Type": "AWS::IAM::OIDCProvider", "Properties": m{"Url": account.Issuer, "ClientIdList": []string{account.Audience}}},
		"Group":    m{"Type": "AWS::Logs::LogGroup", "Properties": m{"LogGroupName": "/brevet/access"}},
		"Topic":    m{"Type": "AWS::SNS::Topic", "Properties": m{"TopicName": "brevet-access"}},
		"Rule":     m{"Type": "AWS::Events::Rule", "Properties": m{"Name": "brevet-access", "EventPattern": m{"source": []string{"aws.iam"}}}},
	}
	trust := c.trust
	if trust == nil {
		trust = stack.Trust
	}
	for _, r := range c.roles {
		p, err := trust(account, r)
		if err != nil {
			c.t.Fatal(err)
		}
		managed := []string{}
		for _, name := range r.Policies {
			managed = append(managed, "arn:aws:iam::aws:policy/"+name)
		}
		properties := m{"RoleName": account.Prefix + string(r.Name), "AssumeRolePolicyDocument": raw(p), "MaxSessionDuration": int(r.Max.Seconds()), "ManagedPolicyArns": managed}
		if r.About != "" {
			properties["Description"] = r.About
		}
		if r.Inline != nil {
			properties["Policies"] = []m{{"PolicyName": "brevet", "PolicyDocument": r.Inline}}
		}
		resources["Role"+string(r.Name)] = m{"Type": "AWS::IAM::Role", "Properties": properties}
	}
	text, err := json.Marshal(m{"Resources": resources, "Outputs": m{"ContractVersion": m{"Value": "1"}}})
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// deploy brings the accounts up to date with c.roles and c.trust.
func (c *cloud) deploy() {
	c.t.Helper()
	for _, account := range c.accounts {
		if _, err := c.aws.Deploy(account, sandbox.Own{Name: "brevet-access", Region: account.Region, Template: c.template(account)}); err != nil {
			c.t.Fatal(err)
		}
	}
}
