package sandbox_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	cloudaws "github.com/brevet-access/brevet/cloud/aws"
	"github.com/brevet-access/brevet/signer"
)

// TestWalls: twenty customers, each with its own issuer, keys, account and
// stack. Of the 380 wrong pairs none gets in, whichever of the two a token
// claims to be from or for (law 13).
func TestWalls(t *testing.T) {
	const customers = 20
	c := newBareCloud(t)
	keys, err := signer.Open(signer.Config{Dir: t.TempDir(), Root: make([]byte, 32), LogName: "brevet.invalid", Issuer: "https://issuer.brevet.invalid", Now: c.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	c.accounts, c.roles = nil, c.roles[:1]
	for i := range customers {
		id := brevet.NewID[brevet.CustomerID](c.clock.now())
		number := fmt.Sprintf("1111222233%02d", i)
		c.accounts = append(c.accounts, brevet.Account{ID: brevet.AccountID(number), Name: "account-" + number, Customer: id, Region: "eu-west-1", Contract: 1, Prefix: "brevet-",
			Issuer: keys.IssuerOf(id), Audience: "brevet:" + number + ":" + strings.Repeat(string(rune('a'+i)), 26)})
	}
	c.cfg.JWKS = func(issuer string) ([]byte, error) {
		for _, a := range c.accounts {
			if a.Issuer == issuer {
				return keys.JWKS(a.Customer)
			}
		}
		return nil, errors.New("nobody's issuer")
	}
	c.restart()
	cloud := cloudaws.New(cloudaws.Config{Token: keys.Token, STS: func(string, string) string { return c.url }, Now: c.clock.now})
	enter := func(a brevet.Account) error {
		_, err := cloud.Issue(t.Context(), brevet.Issue{Session: "ses_x", Grant: grantTag, Person: person, Handle: "engineer", Account: a, Role: "ReadOnly",
			MFA: brevet.Rung1h, TTL: time.Hour, End: c.clock.now().Add(time.Hour)})
		return err
	}
	pairs := 0
	for i, theirs := range c.accounts {
		for j, mine := range c.accounts {
			if i == j {
				if err := enter(mine); err != nil {
					t.Errorf("%s does not get into its own account: %v", mine.Customer, err)
				}
				continue
			}
			pairs++
			byAudience, byAccount := mine, theirs
			byAudience.ID = theirs.ID          // my key, my audience, their role
			byAccount.Customer = mine.Customer // my key, their audience, their role
			for what, a := range map[string]brevet.Account{"with its own audience": byAudience, "with the other's audience": byAccount} {
				if err := enter(a); brevet.KindOf(err) != brevet.CloudRefused {
					t.Errorf("customer %d enters the account of customer %d %s: %v", j, i, what, err)
				}
			}
		}
	}
	if pairs != 380 {
		t.Errorf("%d pairs", pairs)
	}
}
