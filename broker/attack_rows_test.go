package broker_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// edit changes rows behind the broker's back.
func (h *house) edit(query string, args ...any) int64 {
	h.t.Helper()
	driver, source := "sqlite", "file:"+h.path+"?_pragma=busy_timeout(5000)"
	if !strings.HasPrefix(h.store.URL, "sqlite:") {
		driver, source = "pgx", h.store.URL
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	res, err := db.Exec(query, args...)
	if err != nil {
		h.t.Fatalf("%s: %v", query, err)
	}
	n, _ := res.RowsAffected()
	if n == 0 && query[:6] != "CREATE" {
		h.t.Fatalf("%s: changed nothing", query)
	}
	return n
}

// halfway signs in up to the one-time code.
func (h *house) halfway(name string) (code, verifier string) {
	h.t.Helper()
	verifier = "verifier-of-at-least-forty-three-characters-long"
	sum := sha256.Sum256([]byte(verifier))
	redirect, cookie, err := h.StartLogin(h.t.Context(), broker.LoginStart{Challenge: base64.RawURLEncoding.EncodeToString(sum[:]), MaxAge: -1})
	if err != nil {
		h.t.Fatal(err)
	}
	u, _ := url.Parse(redirect)
	done, err := h.FinishLogin(h.t.Context(), u.Query().Get("state"), cookie, name, issuer, "", "192.0.2.1")
	if err != nil {
		h.t.Fatal(err)
	}
	return done.Code, verifier
}

// TestAttackPrincipalSwap: a principal that is given to another person between
// the browser and the terminal signs nobody in as that person.
func TestAttackPrincipalSwap(t *testing.T) {
	h := newHouse(t)
	h.login("lead")
	h.login("engineer")
	code, verifier := h.halfway("engineer")
	h.edit(`UPDATE principals SET person_id = (SELECT id FROM persons WHERE handle = 'lead') WHERE subject = 'sub-engineer'`)
	_, c, err := h.Redeem(t.Context(), code, verifier, "")
	if err == nil {
		t.Errorf("engineer's browser signed in as %s", c.Person.Handle)
	}
}

// TestAttackPrincipalSwapSelfApproval is what the swap is good for.
func TestAttackPrincipalSwapSelfApproval(t *testing.T) {
	h := newHouse(t)
	h.login("lead")
	engineer := h.login("engineer")
	r := h.ask(engineer, "acme-prod/Admin", time.Hour)
	code, verifier := h.halfway("engineer")
	h.edit(`UPDATE principals SET person_id = (SELECT id FROM persons WHERE handle = 'lead') WHERE subject = 'sub-engineer'`)
	token, _, err := h.Redeem(t.Context(), code, verifier, "")
	if err != nil {
		return
	}
	c, err := h.WhoIs(t.Context(), token, "")
	if err != nil {
		return
	}
	if _, err := h.Decide(t.Context(), c, broker.Decide{ID: r.ID, Approve: true}); err != nil {
		return
	}
	if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/Admin"}); err == nil {
		t.Errorf("engineer approved their own Admin and got %s", got.Credential)
	}
}

// TestAttackPrincipalForgotten: a person whose principal's row was deleted
// comes back as the same person or not at all (laws 3 and 8).
func TestAttackPrincipalForgotten(t *testing.T) {
	h := newHouse(t)
	first := h.login("engineer")
	h.edit(`DELETE FROM principals WHERE subject = 'sub-engineer'`)
	code, verifier := h.halfwayOrNot("engineer")
	if code == "" {
		return
	}
	_, c, err := h.Redeem(t.Context(), code, verifier, "")
	if err == nil && c.Person.ID != first.Person.ID {
		t.Errorf("one principal is two persons: %s and %s", first.Person.Handle, c.Person.Handle)
	}
}

func (h *house) halfwayOrNot(name string) (code, verifier string) {
	verifier = "verifier-of-at-least-forty-three-characters-long"
	sum := sha256.Sum256([]byte(verifier))
	redirect, cookie, err := h.StartLogin(h.t.Context(), broker.LoginStart{Challenge: base64.RawURLEncoding.EncodeToString(sum[:]), MaxAge: -1})
	if err != nil {
		return "", ""
	}
	u, _ := url.Parse(redirect)
	done, err := h.FinishLogin(h.t.Context(), u.Query().Get("state"), cookie, name, issuer, "", "192.0.2.1")
	if err != nil {
		return "", ""
	}
	return done.Code, verifier
}

// TestAttackRefreshSwap: another's sealed refresh token gives nobody another's
// groups.
func TestAttackRefreshSwap(t *testing.T) {
	h := newHouse(t)
	h.login("engineer")
	token, contractor := h.token("contractor")
	h.want(contractor, "acme-prod/SRE", brevet.Denied)
	h.edit(`UPDATE signins SET refresh = (SELECT refresh FROM signins s JOIN persons p ON p.id = s.person_id WHERE p.handle = 'engineer')
WHERE person_id = (SELECT id FROM persons WHERE handle = 'contractor')`)
	h.advance(16 * time.Minute)
	c, err := h.WhoIs(t.Context(), token, "")
	if err != nil {
		t.Fatal(err)
	}
	h.Targets(t.Context(), c) // refreshes
	if c, err = h.WhoIs(t.Context(), token, ""); err != nil {
		return
	}
	for _, g := range c.SignIn.Groups.Names {
		if g == "engineers" {
			t.Errorf("the contractor is a member of %v", c.SignIn.Groups.Names)
		}
	}
	if got, err := h.Ask(t.Context(), c, broker.Ask{Target: "acme-staging/SRE", Reason: "x"}); err == nil {
		cred, err := h.Credential(t.Context(), c, broker.Want{Target: "acme-staging/SRE"})
		t.Errorf("and was given %s (%s): %v %v", got.Target, got.State, cred.Credential, err)
	}
}

// TestAttackSecondGrant: an approved request opens one grant. A row for
// another one, waiting for its first use, issues nothing.
func TestAttackSecondGrant(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	first := h.want(engineer, "acme-prod/SRE", "")
	if _, err := h.Revoke(t.Context(), h.login("security"), first.Grant.ID, "incident", ""); err != nil {
		t.Fatal(err)
	}
	h.want(engineer, "acme-prod/SRE", brevet.NoGrant)
	h.edit(`INSERT INTO grants (id, request_id, person_id, customer_id, account, role, duration, state, created_at, waits_at, start_at, end_at, closed_at, leaf)
SELECT 'gr_01000000000000000000000000', request_id, person_id, customer_id, account, role, $1, 'scheduled', created_at, $2, 0, 0, 0, 0 FROM grants WHERE id = $3`,
		int64(300*24*time.Hour), h.now().Add(time.Hour).UnixMicro(), string(first.Grant.ID))
	if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil {
		t.Errorf("a forged grant row issued %s under a grant until %s, though it was revoked", got.Credential, got.Grant.End)
	}
}

// onUseProd is the sandbox's catalog with a prod that waits for first use.
func onUseProd() []byte {
	return swap(sandboxCatalog(), "    longest: 4h\n    approval: {by: [lead]}\n  - name: prod-admin", "    longest: 4h\n    approval: {by: [lead]}\n    activate: on-use\n  - name: prod-admin")
}

// TestAttackScheduledDuration: the row of a grant that waits for first use
// does not say how long it lasts.
func TestAttackScheduledDuration(t *testing.T) {
	h := newHouse(t)
	h.rules(onUseProd())
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	h.edit(`UPDATE grants SET duration = duration * 1000 WHERE state = 'scheduled'`)
	if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil && got.Grant.End.Sub(h.now()) > time.Hour {
		t.Errorf("1h was approved, the grant lasts %s", got.Grant.End.Sub(h.now()))
	}
}

// TestAttackScheduledWaits: nor how long it may wait.
func TestAttackScheduledWaits(t *testing.T) {
	h := newHouse(t)
	h.rules(onUseProd())
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	h.edit(`UPDATE grants SET waits_at = waits_at + 30 * 86400 * 1000000 WHERE state = 'scheduled'`)
	h.advance(72 * time.Hour)
	engineer = h.login("engineer")
	if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil {
		t.Errorf("a grant that waits 24 h was used after 72: %s", got.Credential)
	}
}

// TestAttackReactivate: a grant starts once. A row set back to scheduled does
// not get its time again.
func TestAttackReactivate(t *testing.T) {
	h := newHouse(t)
	h.rules(onUseProd())
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
	first := h.want(engineer, "acme-prod/SRE", "")
	h.advance(50 * time.Minute)
	h.edit(`UPDATE grants SET state = 'scheduled', start_at = 0, end_at = 0, leaf = leaf - 4`)
	if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/SRE"}); err == nil && got.Grant.End.After(first.Grant.End) {
		t.Errorf("the grant ended at %s and was started again until %s", first.Grant.End, got.Grant.End)
	}
}

// TestAttackOverRequest: a request that was denied is over, whatever its row
// says.
func TestAttackOverRequest(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Approve: false}); err != nil {
		t.Fatal(err)
	}
	h.edit(`UPDATE requests SET state = 'pending', decisions = 'null', decided_at = 0, leaf = $1`, r.Leaf)
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Approve: true}); err == nil {
		t.Error("a denied request was approved")
	}
}

// TestAttackLapsesEdited: nor how long a request may wait for an answer.
func TestAttackLapsesEdited(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	h.edit(`UPDATE requests SET lapses_at = lapses_at + 30 * 86400 * 1000000`)
	h.advance(7 * 24 * time.Hour)
	h.login("engineer")
	if _, err := h.Decide(t.Context(), h.login("lead"), broker.Decide{ID: r.ID, Approve: true}); err == nil {
		t.Error("a request of last week was approved")
	}
}

// TestAttackLoginReplay: a one-time code works once, even if somebody put its
// row back.
func TestAttackLoginReplay(t *testing.T) {
	h := newHouse(t)
	code, verifier := h.halfway("engineer")
	h.edit(`CREATE TABLE thief AS SELECT * FROM logins`)
	if _, _, err := h.Redeem(t.Context(), code, verifier, ""); err != nil {
		t.Fatal(err)
	}
	for _, later := range []time.Duration{0, 48 * time.Hour} { // meanwhile the provider shut the account
		h.advance(later)
		h.edit(`INSERT INTO logins SELECT kind, hash, sealed, $1 FROM thief WHERE kind = 'code'`, h.now().Add(time.Hour).UnixMicro())
		if _, c, err := h.Redeem(t.Context(), code, verifier, ""); !errors.Is(err, brevet.Expired) {
			t.Errorf("a used code, %s later: %s (%v)", later, c.Person.Handle, err)
		}
	}
}

// TestAttackMixUp: where the provider says that it names itself in each answer
// (RFC 9207), one that names nobody is not believed; and never one that names
// another.
func TestAttackMixUp(t *testing.T) {
	for _, tt := range []struct {
		names bool
		iss   string
		want  error
	}{{true, issuer, nil}, {true, "", brevet.Denied}, {true, "https://other.test", brevet.Denied}, {false, "", nil}, {false, "https://other.test", brevet.Denied}} {
		h := newHouse(t)
		h.Providers[0].NamesItself = func(context.Context) (bool, error) { return tt.names, nil }
		redirect, cookie, err := h.StartLogin(t.Context(), broker.LoginStart{Challenge: "x", MaxAge: -1})
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(redirect)
		_, err = h.FinishLogin(t.Context(), u.Query().Get("state"), cookie, "engineer", tt.iss, "", "")
		if !errors.Is(err, tt.want) {
			t.Errorf("announced %t, iss %q: %v, want %v", tt.names, tt.iss, err, tt.want)
		}
	}
}

// TestAttackCatalogBack: the newest version that was confirmed rules after a
// restart, even if its row is gone.
func TestAttackCatalogBack(t *testing.T) {
	for _, query := range []string{
		`DELETE FROM catalogs WHERE version = 2`,
		`UPDATE catalogs SET confirmed_at = 0 WHERE version = 2`,
	} {
		h := newHouse(t)
		if _, err := h.Apply(t.Context(), h.login("security"), longest("1h"), 0); err != nil {
			t.Fatal(err)
		}
		h.edit(query)
		next := broker.New(h.Config)
		if a, err := next.Propose(t.Context(), atStart, sandboxCatalog()); err == nil && a.Version == 1 {
			t.Errorf("after %s a restart is ruled by version 1, which was replaced", query)
		}
	}
}

// TestAttackOlderGroups: a sign-in's row set back to an older leaf, when the
// person was still a member.
func TestAttackOlderGroups(t *testing.T) {
	h := newHouse(t)
	token, c := h.token("engineer")
	h.edit(`CREATE TABLE thief AS SELECT * FROM signins`)
	h.groups["engineer"] = nil
	h.advance(16 * time.Minute)
	h.Targets(t.Context(), c) // refreshes: not a member any more
	c, err := h.WhoIs(t.Context(), token, "")
	if err != nil || len(c.SignIn.Groups.Names) != 0 {
		t.Fatalf("%v %v", c.SignIn.Groups, err)
	}
	h.edit(`UPDATE signins SET (group_names, groups_at, leaf) = (SELECT group_names, groups_at, leaf FROM thief)`)
	h.edit(`UPDATE signins SET refresh = NULL`)
	if c, err = h.WhoIs(t.Context(), token, ""); err != nil {
		return
	}
	if got, err := h.Credential(t.Context(), c, broker.Want{Target: "acme-staging/ReadOnly"}); err == nil {
		t.Errorf("who left the group got %s", got.Credential)
	}
}

// TestAttackSweepSurvives: one bad row does not keep the others from being
// swept.
func TestAttackSweepSurvives(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	h.want(engineer, "acme-staging/ReadOnly", "")
	h.ask(engineer, "acme-staging/SRE", time.Hour)
	h.want(engineer, "acme-staging/SRE", "")
	h.edit(`DELETE FROM grants WHERE role = 'ReadOnly'`)
	h.advance(10 * time.Hour)
	for range 3 {
		if err := h.Sweep(t.Context()); err != nil {
			t.Logf("sweep: %v", err)
		}
	}
	db, err := sql.Open("sqlite", "file:"+h.path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var left int
	if err := db.QueryRow(`SELECT count(*) FROM sessions WHERE state <> 'ended' AND role = 'SRE'`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left > 0 {
		t.Errorf("one bad row keeps %d other sessions from being ended, at every sweep", left)
	}
}

// TestAttackRefreshLaunders: what somebody writes into a sign-in's row while
// the provider is asked for groups is not put on record as a fact.
func TestAttackRefreshLaunders(t *testing.T) {
	h := newHouse(t)
	h.mfa = false
	token, c := h.token("engineer")
	h.want(c, "acme-staging/ReadOnly", brevet.StepUp)
	h.advance(16 * time.Minute)
	refresh := h.Providers[0].Refresh
	h.Providers[0].Refresh = func(ctx context.Context, token string) (brevet.Groups, string, error) {
		h.edit(`UPDATE signins SET mfa_at = $1, expires_at = expires_at + 365 * 86400 * 1000000`, h.now().UnixMicro())
		return refresh(ctx, token)
	}
	h.Targets(t.Context(), c) // refreshes
	c, err := h.WhoIs(t.Context(), token, "")
	if err != nil {
		return
	}
	if got, err := h.Credential(t.Context(), c, broker.Want{Target: "acme-staging/ReadOnly"}); err == nil {
		t.Errorf("without any MFA: %s, rung %s; the sign-in lasts until %s", got.Credential, got.Session.MFA, c.SignIn.Expires)
	}
}

// TestAttackTouchUnproven: the row that notes the last use is the one that was
// proven.
func TestAttackTouchUnproven(t *testing.T) {
	h := newHouse(t)
	h.mfa = false
	token, _ := h.token("engineer")
	h.advance(58 * time.Second)
	if _, err := h.WhoIs(t.Context(), token, ""); err != nil { // proven, and known for a moment
		t.Fatal(err)
	}
	h.advance(3 * time.Second) // the last use is a minute ago: it is noted
	h.edit(`UPDATE signins SET mfa_at = $1`, h.now().UnixMicro())
	if c, err := h.WhoIs(t.Context(), token, ""); err == nil || !c.SignIn.Proof.MFA.IsZero() {
		t.Errorf("a caller with MFA at %s, who gave none: %v", c.SignIn.Proof.MFA, err)
	}
}
