package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"github.com/brevet-access/brevet"
	cloudaws "github.com/brevet-access/brevet/cloud/aws"
	"github.com/brevet-access/brevet/idp/oidc"
	"github.com/brevet-access/brevet/signer"
)

// TestMint joins brevet's own halves to the simulated AWS: its signer's token,
// its cloud's call, its session policy and its console address.
func TestMint(t *testing.T) {
	c := newCloud(t)
	customer := brevet.NewID[brevet.CustomerID](c.clock.now())
	keys, err := signer.Open(signer.Config{Dir: t.TempDir(), Root: make([]byte, 32), LogName: "brevet.invalid", Issuer: "https://issuer.brevet.invalid", Now: c.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.accounts {
		c.accounts[i].Customer, c.accounts[i].Issuer = customer, keys.IssuerOf(customer)
	}
	c.cfg.JWKS = func(issuer string) ([]byte, error) {
		if issuer != keys.IssuerOf(customer) {
			t.Errorf("keys of %s were asked for", issuer)
		}
		return keys.JWKS(customer)
	}
	c.restart()
	cloud := cloudaws.New(cloudaws.Config{Token: keys.Token, STS: func(string, string) string { return c.url }, SignIn: c.url + "/federation",
		Console: c.url + "/console", Now: c.clock.now})
	end := c.clock.now().Add(10 * time.Minute)
	issue := brevet.Issue{Session: brevet.NewID[brevet.SessionID](c.clock.now()), Grant: grantTag, Person: person, Handle: "engineer",
		Account: c.accounts[0], Role: "Admin", MFA: brevet.Rung1h, TTL: time.Hour, End: end}
	cred, err := cloud.Issue(t.Context(), issue)
	if err != nil {
		t.Fatal(err)
	}
	client := c.sts(credentials.NewStaticCredentialsProvider(cred.AccessKeyID, cred.SecretAccessKey, cred.SessionToken))
	id, err := client.GetCallerIdentity(t.Context(), nil)
	if err != nil || !strings.HasSuffix(aws.ToString(id.Arn), "/brevet-Admin/"+issue.SessionName()) {
		t.Errorf("GetCallerIdentity: %v, %v", id, err)
	}
	address, err := cloud.Console(t.Context(), cred, "eu-west-1", "")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(address)
	if p := look(t, resp, err); p.status != 200 || !strings.Contains(p.body, end.UTC().Format("15:04:05 UTC")) {
		t.Errorf("the console: %d\n%s", p.status, p.body)
	}
	var a assumed
	a.Result.Credentials.AccessKeyId, a.Result.Credentials.SecretAccessKey, a.Result.Credentials.SessionToken = cred.AccessKeyID, cred.SecretAccessKey, cred.SessionToken
	if status, body := c.query(a, "iam ListRoles"); status != 200 {
		t.Errorf("within the grant: %d\n%s", status, body)
	}
	c.clock.add(10 * time.Minute)
	if status, body := c.query(a, "iam ListRoles"); status != 403 || !strings.Contains(body, "explicit deny in a session policy") {
		t.Errorf("after the grant: %d\n%s", status, body)
	}
	issue.MFA, issue.End = brevet.Rung8h, c.clock.now().Add(time.Hour)
	if _, err := cloud.Issue(t.Context(), issue); brevet.KindOf(err) != brevet.CloudRefused {
		t.Errorf("MFA beyond the role's bound: %v", err)
	}
}

// TestProvider has brevet's own relying party sign in at the simulated
// identity provider.
func TestProvider(t *testing.T) {
	p := newProvider(t)
	rp := oidc.New(oidc.Config{Name: "sandbox", Issuer: p.url, ClientID: "brevet", ClientSecret: "s3cret+/=", RedirectURL: callback,
		MFA: oidc.MFA{AMR: []string{"mfa"}}, Now: p.clock.now})
	b := p.browser()
	address, err := rp.AuthURL(t.Context(), "state", "nonce", oauth2.S256ChallengeFromVerifier(verifier), 0)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(address, "max_age=0") {
		t.Errorf("AuthURL %s", address)
	}
	q := p.answer(p.signIn(b, p.open(b, address), p.people[1]))
	who, err := rp.Exchange(t.Context(), q.Get("code"), verifier, "nonce", 0)
	if err != nil {
		t.Fatal(err)
	}
	if who.Login != "lead" || who.Name != "Lead" || !who.Proof.MFA.Equal(p.clock.now()) || !cmp.Equal(who.Groups.Names, []string{"leads"}) {
		t.Errorf("identity: %+v", who)
	}
	p.idp.SetGroups("lead", []string{"leads", "engineers"})
	groups, next, err := rp.Refresh(t.Context(), who.Refresh)
	if err != nil || next == who.Refresh || !cmp.Equal(groups.Names, []string{"engineers", "leads"}) {
		t.Errorf("Refresh: %v, %v", groups, err)
	}
}
