package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/catalog"
)

// twoCustomers is a catalog of two customers who share nothing but a group of
// consultants; globex may be left out, or get other rights.
func twoCustomers(globex, rights string) []byte {
	text := `issuer: https://issuer.brevet.invalid
roles:
  SRE: {about: "run", max: 8h, mfa: 8h, policies: [job-function/ViewOnlyAccess]}
customers:
  - name: acme
    id: cu_01000000000000000000000000
    prefix: brevet-
    accounts:
      - {name: acme-prod, number: "111122223333", env: prod, region: eu-west-1, audience: "brevet:111122223333:abcdefghijklmnopqrstuvwxyz", contract: 1}
    rights: {view: ["group:acme-sec"], revoke: ["group:acme-sec"], audit: ["group:acme-sec"], catalog: ["group:acme-sec"]}
`
	if globex != "" {
		text += fmt.Sprintf(`  - name: %s
    id: cu_02000000000000000000000000
    prefix: brevet-
    accounts:
      - {name: globex-prod, number: "444455556666", env: prod, region: eu-west-1, audience: "brevet:444455556666:abcdefghijklmnopqrstuvwxyz", contract: 1}
    rights: {view: ["group:%[2]s"], revoke: ["group:%[2]s"], audit: ["group:%[2]s"], catalog: ["group:%[2]s"]}
`, globex, rights)
	}
	text += `entitlements:
  - {name: acme, who: ["group:acme-eng"], customer: acme, accounts: ["env:prod"], roles: [SRE], longest: 4h, approval: {by: ["group:acme-leads"]}}
`
	if globex != "" {
		text += `  - {name: globex, who: ["group:globex-eng"], customer: ` + globex + `, accounts: ["env:prod"], roles: [SRE], longest: 4h, approval: {by: ["group:globex-leads"]}}
`
	}
	return []byte(text)
}

func wall(t *testing.T) *house {
	t.Helper()
	text := twoCustomers("globex", "globex-sec")
	if _, err := catalog.Parse("x", text); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t)
	h.rules(text)
	for _, c := range []string{"acme", "globex"} {
		for _, g := range []string{"eng", "leads", "sec"} {
			h.groups[c+"-"+g] = []string{c + "-" + g}
		}
	}
	return h
}

// TestAttackWall: nobody of one customer sees, decides, ends or reads anything
// of the other (law 13), and a refusal is that of a thing that is not there.
func TestAttackWall(t *testing.T) {
	h := wall(t)
	r := h.ask(h.login("globex-eng"), "globex-prod/SRE", time.Hour)
	h.approve(h.login("globex-leads"), r.ID)
	g := h.want(h.login("globex-eng"), "globex-prod/SRE", "")
	pending := h.ask(h.login("globex-eng"), "globex-prod/SRE", time.Hour)
	ctx := t.Context()
	for _, who := range []string{"acme-eng", "acme-leads", "acme-sec"} {
		c := h.login(who)
		for what, err := range map[string]error{
			"ask":      second(h.Ask(ctx, c, broker.Ask{Target: "globex-prod/SRE", Reason: "x"})),
			"use":      second(h.Credential(ctx, c, broker.Want{Target: "globex-prod/SRE", Have: g.Session.ID})),
			"use no":   second(h.Credential(ctx, c, broker.Want{Target: "444455556666/SRE"})),
			"console":  second(h.Console(ctx, c, "globex-prod/SRE", "")),
			"why":      second(h.Why(ctx, c, "globex-prod/SRE")),
			"why role": second(h.Why(ctx, c, "globex-prod/Nothing")),
			"get":      second(h.Request(ctx, c, r.ID, 0)),
			"decide":   second(h.Decide(ctx, c, broker.Decide{ID: pending.ID, Approve: true})),
			"withdraw": second(h.Withdraw(ctx, c, pending.ID, "")),
			"drop":     second(h.Drop(ctx, c, g.Grant.ID, "")),
			"revoke":   second(h.Revoke(ctx, c, g.Grant.ID, "x", "")),
		} {
			e := brevet.AsError(err)
			said := fmt.Sprint(e, e.Hint, e.Unmet)
			said = strings.ReplaceAll(said, "globex-prod/", "")
			if brevet.KindOf(err) != brevet.NotFound || strings.Contains(said, "globex") {
				t.Errorf("%s, %s: %s: %s", who, what, e.Kind, said)
			}
		}
		for _, scope := range []string{"mine", "all", "decide"} {
			if list, err := h.Requests(ctx, c, broker.List{Scope: scope}); err != nil || len(list) > 0 {
				t.Errorf("%s lists %d requests with %s: %v", who, len(list), scope, err)
			}
		}
		if list, err := h.Grants(ctx, c, broker.List{Scope: "all"}); err != nil || len(list) > 0 {
			t.Errorf("%s lists %d grants: %v", who, len(list), err)
		}
	}
	entries, _, err := h.Entries(ctx, h.login("acme-sec"), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(string(e.Details), "globex") || strings.Contains(string(e.Details), "cu_02") || strings.Contains(string(e.Details), "444455556666") {
			t.Errorf("acme reads %s", e.Details)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestAttackCatalogWall: who edits one customer's catalog learns nothing of
// the other's customers and people from a refusal.
func TestAttackCatalogWall(t *testing.T) {
	h := wall(t)
	_, _, _, err := h.CatalogText(t.Context(), h.login("acme-sec"))
	if said := fmt.Sprintf("%v %v", err, brevet.AsError(err).Unmet); err == nil || strings.Contains(said, "globex") {
		t.Errorf("acme is told: %s", said)
	}
}

// TestAttackCustomerTaken: a customer that was removed is not taken over, with
// all its history, by whoever edits the rest.
func TestAttackCustomerTaken(t *testing.T) {
	h := wall(t)
	h.ask(h.login("globex-eng"), "globex-prod/SRE", time.Hour)
	h.rules(twoCustomers("", ""))
	mallory := h.login("acme-sec")
	if _, err := h.Apply(t.Context(), mallory, twoCustomers("new", "acme-sec"), 0); err != nil {
		return
	}
	list, err := h.Requests(t.Context(), mallory, broker.List{Scope: "all"})
	if err == nil && len(list) > 0 {
		t.Errorf("acme reads %d requests of a customer that left: %q", len(list), list[0].Reason)
	}
}

// TestAttackListsShare: how much another customer does cannot be told from
// one's own lists.
func TestAttackListsShare(t *testing.T) {
	h := wall(t)
	own := h.ask(h.login("acme-eng"), "acme-prod/SRE", time.Hour)
	h.advance(time.Second)
	other := h.login("globex-eng")
	for range 5 {
		h.ask(other, "globex-prod/SRE", time.Hour)
	}
	list, err := h.Requests(t.Context(), h.login("acme-sec"), broker.List{Scope: "all", Limit: 5})
	if err != nil || len(list) != 1 || list[0].ID != own.ID {
		t.Errorf("5 requests of globex hide acme's from acme: %d, %v", len(list), err)
	}
}
