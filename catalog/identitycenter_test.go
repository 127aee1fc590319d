package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
)

const byCenter = `issuer: https://issuer.example.com
roles:
  ReadOnly: {max: 8h, policies: [ReadOnlyAccess]}
  Data: {max: 4h, policies: [AmazonS3FullAccess]}
customers:
  - name: acme
    id: cu_01jd0000000000000000000000
    entry: identity-center
    identity_center:
      region: eu-west-1
      instance: arn:aws:sso:::instance/ssoins-7223aaaabbbbcccc
      store: d-1234567890
      start: https://d-1234567890.awsapps.com/start
      strays: remove
      roles:
        ReadOnly: arn:aws:sso:::permissionSet/ssoins-7223aaaabbbbcccc/ps-1111222233334444
      groups:
        acme-prod/Data: 11111111-2222-3333-4444-555555555555
    accounts:
      - {name: acme-prod, number: "444455556666", region: eu-west-1, audience: "brevet:444455556666:abcdefghijklmnopqrstuvwxyz"}
      - {name: acme-staging, number: "111122223333", region: eu-west-1, audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz", roles: [ReadOnly]}
entitlements:
  - {name: look, who: [engineer], customer: acme, accounts: ["*"], roles: [ReadOnly], longest: 8h, approval: automatic}
`

func TestIdentityCenter(t *testing.T) {
	c := parse(t, byCenter)
	want := brevet.IdentityCenter{Region: "eu-west-1", Instance: "arn:aws:sso:::instance/ssoins-7223aaaabbbbcccc", Store: "d-1234567890",
		Start: "https://d-1234567890.awsapps.com/start", Remove: true,
		Sets: map[brevet.RoleName]brevet.Entrance{"ReadOnly": {Set: "arn:aws:sso:::permissionSet/ssoins-7223aaaabbbbcccc/ps-1111222233334444"}}}
	staging, _ := c.Account("acme-staging")
	if d := cmp.Diff(&want, staging.Center); d != "" {
		t.Error(d)
	}
	want.Sets["Data"] = brevet.Entrance{Group: "11111111-2222-3333-4444-555555555555"}
	prod, _ := c.Account("acme-prod")
	if d := cmp.Diff(&want, prod.Center); d != "" {
		t.Error(d)
	}
	if c.Entry(prod.Customer) != catalog.ByCenter {
		t.Error(c.Entry(prod.Customer))
	}
	other := parse(t, strings.Replace(byCenter, "d-1234567890\n", "d-0000000000\n", 1))
	diff := []string{"+ account acme-prod: identity_center: changed", "+ account acme-staging: identity_center: changed"}
	if d := cmp.Diff(diff, catalog.Diff(c, other)); d != "" {
		t.Error(d)
	}
}

func TestIdentityCenterErrors(t *testing.T) {
	for _, one := range [][3]string{
		{"    entry: identity-center\n", "", "catalog:9: customers[0].identity_center: is for entry: identity-center only; this customer is entered by oidc"},
		{"entry: identity-center\n", "entry: sso\n", "is not a way into accounts: oidc, assume-role or identity-center"},
		{"entry: identity-center", "external_id: abcdefghijklmnopqrstuvwxyz\n    entry: identity-center", "is for entry: assume-role only"},
		{"      store: d-1234567890\n", "", "identity_center.store: missing"},
		{"d-1234567890\n", "D-1\n", "the id of an identity store"},
		{"https://d-1234567890.awsapps.com/start", "http://portal.example.com", "the address of the access portal"},
		{"strays: remove", "strays: keep", "report or remove"},
		{"strays: remove", "find: mail", "external-id or user-name"},
		{"permissionSet/ssoins-7223aaaabbbbcccc", "permissionSet/ssoins-7223aaaabbbbdddd", "is a permission set of another instance"},
		{"        ReadOnly: arn", "        Admin: arn", `there is no role "Admin"`},
		{"acme-prod/Data:", "acme-prod/Admin:", `there is no role "Admin"`},
		{"acme-prod/Data:", "acme-staging/Data:", `"acme-staging/Data" is not a role in an account of customer acme`},
		{"acme-prod/Data:", "other/Data:", `"other/Data" is not a role in an account of customer acme`},
		{"555555555555\n", "555555555555\n        acme-prod/ReadOnly: 11111111-2222-3333-4444-555555555555\n", "acme-prod/Data has this group, too"},
		{", roles: [ReadOnly]}", "}", "nothing in identity_center stands for role Data"},
	} {
		text := strings.Replace(byCenter, one[0], one[1], 1)
		if text == byCenter {
			t.Fatalf("%q is not there", one[0])
		}
		if _, err := catalog.Parse("catalog", []byte(text)); err == nil || !strings.Contains(err.Error(), one[2]) {
			t.Errorf("%q -> %q: %v\nwant %s", one[0], one[1], err, one[2])
		}
	}
	without := strings.Replace(byCenter, byCenter[strings.Index(byCenter, "    identity_center:"):strings.Index(byCenter, "    accounts:")], "", 1)
	if _, err := catalog.Parse("catalog", []byte(without)); err == nil || !strings.Contains(err.Error(), "needs to know which") {
		t.Error(err)
	}
}
