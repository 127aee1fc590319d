package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// TestWalls: twenty customers, each with somebody who asks and somebody who
// may do everything there. For each of the 380 wrong pairs that somebody sees
// nothing of the other customer's, decides nothing and ends nothing (law 13).
func TestWalls(t *testing.T) {
	const customers = 20
	h := newHouse(t)
	var text strings.Builder
	text.WriteString("issuer: https://issuer.brevet.invalid\nroles:\n  SRE: {max: 4h, mfa: 8h, policies: [job-function/ViewOnlyAccess]}\ncustomers:\n")
	var rules strings.Builder
	for i := range customers {
		fmt.Fprintf(&text, "  - name: k%d\n    id: %s\n    accounts:\n      - {name: a%d, number: \"1111222233%02d\", env: prod, region: eu-west-1, audience: \"brevet:1111222233%02d:%s\"}\n    rights:\n",
			i, brevet.NewID[brevet.CustomerID](h.now()), i, i, i, strings.Repeat(string(rune('a'+i)), 26))
		for _, right := range []string{"view", "decide", "revoke", "audit", "catalog"} {
			fmt.Fprintf(&text, "      %s: [group:chiefs%d]\n", right, i)
		}
		fmt.Fprintf(&rules, "  - {name: e%d, who: [\"group:people%d\"], customer: k%d, accounts: [\"*\"], roles: [SRE], longest: 4h, approval: {by: [\"group:chiefs%d\"]}}\n", i, i, i, i)
		h.groups[fmt.Sprint("person", i)], h.groups[fmt.Sprint("chief", i)] = []string{fmt.Sprint("people", i)}, []string{fmt.Sprint("chiefs", i)}
	}
	h.rules([]byte(text.String() + "entitlements:\n" + rules.String()))

	type side struct {
		person, chief brevet.Caller
		asked         broker.RequestView // pending
		grant         brevet.GrantID     // live, with a session
		session       brevet.SessionID
		target        string
	}
	all := make([]side, customers)
	for i := range all {
		s := side{person: h.login(fmt.Sprint("person", i)), chief: h.login(fmt.Sprint("chief", i)), target: fmt.Sprintf("a%d/SRE", i)}
		h.approve(s.chief, h.ask(s.person, s.target, time.Hour).ID)
		got := h.want(s.person, s.target, "")
		s.grant, s.session = got.Grant.ID, got.Session.ID
		s.asked = h.ask(s.person, s.target, 2*time.Hour)
		all[i] = s
	}
	ctx, pairs := t.Context(), 0
	for i, mine := range all {
		for j, theirs := range all {
			if i == j {
				continue
			}
			pairs++
			must := func(what string, err error, kinds ...brevet.Kind) {
				t.Helper()
				for _, k := range kinds {
					if errors.Is(err, k) {
						return
					}
				}
				t.Errorf("customer %d and %d: %s: %v", i, j, what, err)
			}
			for _, c := range []brevet.Caller{mine.person, mine.chief} {
				_, err := h.Ask(ctx, c, broker.Ask{Target: theirs.target, Duration: time.Hour, Reason: "mine"})
				must("asks", err, brevet.NotFound)
				_, err = h.Credential(ctx, c, broker.Want{Target: theirs.target, Have: theirs.session})
				must("uses", err, brevet.NotFound)
				_, err = h.Decide(ctx, c, broker.Decide{ID: theirs.asked.ID, Approve: true})
				must("decides", err, brevet.NotFound)
				_, err = h.Request(ctx, c, theirs.asked.ID, 0)
				must("sees a request", err, brevet.NotFound)
				_, err = h.Revoke(ctx, c, theirs.grant, "mine", "")
				must("revokes", err, brevet.NotFound)
			}
			_, err := h.Offboard(ctx, mine.chief, broker.Offboard{Customer: fmt.Sprint("k", j), Reason: "mine"})
			must("offboards", err, brevet.NotFound)
			_, err = h.RevokeAll(ctx, mine.chief, broker.RevokeAll{Account: fmt.Sprint("a", j), Reason: "mine"})
			must("revokes all of an account", err, brevet.NotFound)
		}
		seen, err := h.Grants(ctx, mine.chief, broker.List{Scope: "all", Limit: 1000})
		if err != nil || len(seen) != 1 || seen[0].ID != mine.grant {
			t.Errorf("customer %d sees %d grants: %v", i, len(seen), err)
		}
		requests, err := h.Requests(ctx, mine.chief, broker.List{Scope: "all", Limit: 1000})
		if err != nil || len(requests) != 2 {
			t.Errorf("customer %d sees %d requests: %v", i, len(requests), err)
		}
		_, err = h.Apply(ctx, mine.chief, h.Catalog().Text, 0)
		if !errors.Is(err, brevet.Denied) {
			t.Errorf("customer %d edits the catalog of all: %v", i, err)
		}
	}
	if pairs != 380 {
		t.Errorf("%d pairs", pairs)
	}
	for i, s := range all {
		if got := h.want(s.person, s.target, ""); got.Grant.ID != s.grant {
			t.Errorf("customer %d lost its grant", i)
		}
	}
}
