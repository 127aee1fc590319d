package broker_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// globex is a customer beside acme, whose accounts engineer enters too.
const globex = `  - name: globex
    prefix: brevet-
    accounts:
      - {name: globex-prod, number: "777788889999", env: prod, region: eu-west-1, contract: 1}
    rights: {view: [lead], decide: [lead], audit: [lead], catalog: [group:security]}
`

const globexEntitlement = `
  - name: globex-look
    who: [group:engineers]
    customer: globex
    accounts: ["*"]
    roles: [ReadOnly]
    longest: 8h
    approval: automatic
    activate: on-use
`

func withGlobex(t testing.TB) *house {
	h := newHouse(t)
	text := bytes.Replace(sandboxCatalog(), []byte("entitlements:"), []byte(globex+"\nentitlements:"), 1)
	h.apply(complete(t, append(text, globexEntitlement...)))
	return h
}

func TestStatement(t *testing.T) {
	h := withGlobex(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	begin := h.now()
	first := h.want(engineer, "acme-staging/ReadOnly", "")
	other := h.want(engineer, "globex-prod/ReadOnly", "")
	r := h.ask(engineer, "acme-prod/SRE", time.Hour)
	if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Approve: true, Comment: "=cmd|' /C calc'!A0"}); err != nil {
		t.Fatal(err)
	}
	prod := h.want(engineer, "acme-prod/SRE", "")
	h.advance(10 * time.Minute)
	if _, err := h.Revoke(t.Context(), security, prod.Grant.ID, "incident 7", ""); err != nil {
		t.Fatal(err)
	}
	end := h.now().Add(time.Hour)
	s, err := h.Statement(t.Context(), security, "acme", begin, end)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := h.db.Checkpoint(h.db.Head())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Accesses) != 2 || s.Log.Size != h.db.Head().Size || s.Log.Checkpoint != string(signed.Note) || s.Log.Entries == 0 || s.Log.Entries >= s.Log.Size {
		t.Fatalf("%+v", s)
	}
	look, sre := s.Accesses[0], s.Accesses[1]
	if look.Grant != string(first.Grant.ID) || look.Who != "engineer" || look.Name != "acme-staging" || look.ApprovedBy() != "policy staging-look" || len(look.Sessions) != 1 ||
		look.Sessions[0].AccessKey != first.Credential.AccessKeyID || !look.Sessions[0].Expires.Equal(first.Expires) {
		t.Errorf("%+v", look)
	}
	if sre.Reason != "restore db-7" || !strings.HasPrefix(sre.ApprovedBy(), "lead (") || sre.Ended != "revoked by security: incident 7" || !sre.End.Equal(h.now()) || sre.Sessions[0].AccessKey != prod.Credential.AccessKeyID {
		t.Errorf("%+v", sre)
	}

	// a customer is a wall (law 13)
	text, _ := json.Marshal(s)
	foreign, _ := h.Catalog().Customer("globex")
	for _, secret := range []string{"globex", "777788889999", string(other.Grant.ID), string(other.Session.ID), other.Credential.AccessKeyID, string(foreign.ID)} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the statement of acme tells %s", secret)
		}
	}
	for _, test := range []struct {
		who      brevet.Caller
		customer string
		kind     brevet.Kind
	}{{security, "acme", ""}, {lead, "acme", ""}, {lead, "globex", ""}, {security, "globex", brevet.Denied}, {engineer, "acme", brevet.Denied}, {h.login("contractor"), "globex", brevet.NotFound}, {lead, "nobody", brevet.NotFound}} {
		if _, err := h.Statement(t.Context(), test.who, test.customer, begin, end); brevet.KindOf(err) != test.kind {
			t.Errorf("%s of %s: %v, want %q", test.who.Person.Handle, test.customer, err, test.kind)
		}
	}
	if s, err = h.Statement(t.Context(), lead, "globex", begin, end); err != nil || len(s.Accesses) != 1 || s.Accesses[0].Grant != string(other.Grant.ID) {
		t.Errorf("globex: %+v (%v)", s.Accesses, err)
	}
	if s, err = h.Statement(t.Context(), security, "acme", begin.Add(-time.Hour), begin); err != nil || len(s.Accesses) != 0 {
		t.Errorf("before anybody came: %+v (%v)", s.Accesses, err)
	}
	if _, err = h.Statement(t.Context(), security, "acme", end, begin); !errors.Is(err, brevet.Invalid) {
		t.Errorf("backwards: %v", err)
	}
}

// TestStatementOfATamperedLog: rows are not authority (law 11), so a statement
// of rows that do not give the head is none.
func TestStatementOfATamperedLog(t *testing.T) {
	for _, edit := range []string{
		`UPDATE events SET details = CAST(replace(CAST(details AS TEXT), 'restore db-7', 'nothing much') AS BLOB) WHERE kind = 'request.created'`,
		`UPDATE events SET customer_id = (SELECT customer_id FROM events WHERE customer_id <> '' LIMIT 1) WHERE kind = 'signin.opened'`,
		`DELETE FROM events WHERE kind = 'session.issued'`,
		`UPDATE events SET customer_seq = customer_seq + 1 WHERE kind = 'grant.opened'`,
	} {
		h := newHouse(t)
		engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
		h.approve(lead, h.ask(engineer, "acme-prod/SRE", time.Hour).ID)
		h.want(engineer, "acme-prod/SRE", "")
		h.edit(edit)
		if s, err := h.Statement(t.Context(), security, "acme", h.now().Add(-time.Hour), h.now().Add(time.Hour)); err == nil {
			t.Errorf("%s: %+v", edit, s.Accesses)
		}
	}
}
