package store_test

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// suite is what both databases must do alike: each closure gets a transaction
// of a fresh database.
var suite = map[string]func(t *testing.T, tx *store.Tx){
	"people":   testPeople,
	"sign-ins": testSignIns,
	"logins":   testLogins,
	"requests": testRequests,
	"grants":   testGrants,
	"sessions": testSessions,
	"catalog":  testCatalog,
	"claims":   testClaims,
}

func TestSuite(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		for name, test := range suite {
			t.Run(name, func(t *testing.T) {
				cfg := config(url)
				cfg.Now = func() time.Time { return time.Now().Add(123 * time.Nanosecond) }
				db := open(t, cfg)
				defer db.Close()
				err := db.Update(t.Context(), func(tx *store.Tx) error { test(t, tx); return errStep })
				if !errors.Is(err, errStep) { // which leaves the database as it was for the next
					t.Error(err)
				}
			})
		}
	})
}

var empty = cmpopts.EquateEmpty()

// same fails unless got is want and err is nil.
func same[T any](t *testing.T, what string, want T) func(got T, err error) {
	t.Helper()
	return func(got T, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v (%v)", what, err, brevet.AsError(err).Cause)
		} else if diff := cmp.Diff(want, got, empty); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

// ok fails unless err is nil.
func ok(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v (%v)", what, err, brevet.AsError(err).Cause)
	}
}

// isKind fails unless err is of the kind; it takes a result beside it.
func isKind[T any](t *testing.T, kind brevet.Kind) func(T, error) {
	t.Helper()
	return func(_ T, err error) { t.Helper(); wantKind(t, err, kind) }
}

func testPeople(t *testing.T, tx *store.Tx) {
	p := brevet.Person{ID: "pr_1", Handle: "Engineer", Name: "An Engineer ü", Created: noon, Leaf: 4}
	first := brevet.Principal{Issuer: "https://idp.invalid", Subject: "1"}
	ok(t, "AddPerson", tx.AddPerson(p, first))
	same(t, "Person", p)(tx.Person("pr_1"))
	same(t, "PersonByHandle", p)(tx.PersonByHandle("Engineer"))
	same(t, "PersonByPrincipal", p)(tx.PersonByPrincipal(first))
	isKind[brevet.Person](t, brevet.NotFound)(tx.PersonByHandle("engineer"))
	isKind[brevet.Person](t, brevet.NotFound)(tx.Person("pr_2"))
	isKind[brevet.Person](t, brevet.NotFound)(tx.PersonByPrincipal(brevet.Principal{Issuer: first.Issuer, Subject: "2"}))
	wantKind(t, tx.AddPerson(brevet.Person{ID: "pr_2", Handle: "ENGINEER"}, brevet.Principal{Issuer: "x", Subject: "2"}), brevet.Conflict)
	wantKind(t, tx.AddPerson(brevet.Person{ID: "pr_1", Handle: "other"}, brevet.Principal{Issuer: "x", Subject: "2"}), brevet.Conflict)
	wantKind(t, tx.LinkPrincipal("pr_9", brevet.Principal{Issuer: "x", Subject: "9"}), brevet.NotFound)
	second := brevet.Principal{Issuer: "https://other.invalid", Subject: "1"}
	ok(t, "LinkPrincipal", tx.LinkPrincipal("pr_1", second))
	wantKind(t, tx.LinkPrincipal("pr_1", second), brevet.Conflict)
	same(t, "PersonByPrincipal", p)(tx.PersonByPrincipal(second))

	p.Name, p.Ended = "renamed", noon.Add(time.Hour)
	ok(t, "PutPerson", tx.PutPerson(brevet.Person{ID: p.ID, Handle: p.Handle, Name: p.Name, Created: noon.Add(1), Ended: p.Ended, Leaf: p.Leaf}))
	same(t, "People", []brevet.Person{p})(tx.People())
	p.Ended = time.Time{}
	wantKind(t, tx.PutPerson(p), brevet.Conflict)
	wantKind(t, tx.PutPerson(brevet.Person{ID: "pr_7", Handle: "seven"}), brevet.NotFound)
}

func testSignIns(t *testing.T, tx *store.Tx) {
	ok(t, "AddPerson", tx.AddPerson(brevet.Person{ID: "pr_s", Handle: "signer", Created: noon}, brevet.Principal{Issuer: "i", Subject: "s"}))
	s := brevet.SignIn{ID: "si_1", Hash: sha256.Sum256([]byte("token")), Person: "pr_s",
		Principal: brevet.Principal{Issuer: "i", Subject: "s"}, Provider: "corp",
		Proof:  brevet.Proof{AuthTime: noon, Methods: []string{"pwd", "otp"}, Class: "2fa", MFA: noon.Add(time.Microsecond)},
		Groups: brevet.Groups{Names: []string{"engineers"}, At: noon}, Refresh: []byte{0, 1, 2}, Device: "laptop",
		Created: noon, Used: noon, Expires: noon.Add(8 * time.Hour), Leaf: 9}
	ok(t, "AddSignIn", tx.AddSignIn(s))
	wantKind(t, tx.AddSignIn(s), brevet.Conflict)
	same(t, "SignInByHash", s)(tx.SignInByHash(s.Hash))
	isKind[brevet.SignIn](t, brevet.NotFound)(tx.SignInByHash([32]byte{}))
	bare := brevet.SignIn{ID: "si_2", Hash: [32]byte{2}, Person: "pr_s", Only: "req_1", Created: noon.Add(time.Second), Used: noon, Expires: noon}
	ok(t, "AddSignIn", tx.AddSignIn(bare))
	forged := brevet.SignIn{ID: s.ID, Hash: [32]byte{9}, Person: "pr_2", Principal: brevet.Principal{Issuer: "x", Subject: "x"}, Provider: "x",
		Proof: brevet.Proof{AuthTime: noon.Add(time.Hour), Methods: []string{"x"}, Class: "x", MFA: noon.Add(time.Hour)}, Device: "x",
		Created: noon.Add(time.Hour), Expires: noon.Add(24 * 365 * time.Hour)}
	s.Groups, s.Refresh, s.Used, s.Leaf = brevet.Groups{Names: []string{"leads"}, At: noon.Add(time.Second)}, []byte{3}, noon.Add(time.Second), 10
	forged.Groups, forged.Refresh, forged.Used, forged.Leaf = s.Groups, s.Refresh, s.Used, s.Leaf
	ok(t, "PutSignIn", tx.PutSignIn(forged))
	same(t, "what makes a sign-in, after PutSignIn", s)(tx.SignInByHash(s.Hash))
	s.Ended, s.Refresh = noon.Add(time.Minute), nil
	ok(t, "PutSignIn", tx.PutSignIn(s))
	same(t, "SignIns", []brevet.SignIn{bare, s})(tx.SignIns("pr_s"))
	same(t, "SignIns", []brevet.SignIn(nil))(tx.SignIns("pr_2"))
	wantKind(t, tx.PutSignIn(s), brevet.Conflict)
}

func testLogins(t *testing.T, tx *store.Tx) {
	l := store.Login{Hash: [32]byte{1}, Kind: "code", Sealed: []byte("sealed"), Expires: tx.Now().Add(time.Minute)}
	ok(t, "PutLogin", tx.PutLogin(l))
	wantKind(t, tx.PutLogin(l), brevet.Conflict)
	isKind[store.Login](t, brevet.NotFound)(tx.TakeLogin("state", l.Hash))
	same(t, "TakeLogin", l)(tx.TakeLogin("code", l.Hash))
	isKind[store.Login](t, brevet.NotFound)(tx.TakeLogin("code", l.Hash))
	l.Expires = tx.Now()
	ok(t, "PutLogin", tx.PutLogin(l))
	isKind[store.Login](t, brevet.NotFound)(tx.TakeLogin("code", l.Hash))
}

func testRequests(t *testing.T, tx *store.Tx) {
	r := brevet.Request{ID: "req_1", State: brevet.Pending, Created: noon, Lapses: noon.Add(time.Hour),
		Ask: brevet.Ask{Person: "pr_1", Customer: "cu_1", Account: "444455556666", Role: "Admin", RoleDigest: "ab", Entitlement: "prod",
			Rule:     brevet.Approval{Steps: []brevet.Step{{By: brevet.Subjects{Groups: []string{"leads"}}, Quorum: 2}}},
			Activate: brevet.OnApproval, Duration: time.Hour + time.Nanosecond, NotBefore: noon.Add(time.Minute),
			Reason: "restore db-7 — \"now\"", Ticket: "T-1", SessionPolicy: "{}", CatalogVersion: 3, Batch: "bt_1",
			Bound: brevet.Bound{Until: noon.Add(2 * time.Hour), Duty: []string{"sre", "sre/secondary"}}}}
	ok(t, "AddRequest", tx.AddRequest(r))
	wantKind(t, tx.AddRequest(r), brevet.Conflict)
	same(t, "Request", r)(tx.Request("req_1"))
	isKind[brevet.Request](t, brevet.NotFound)(tx.Request("req_0"))
	digest := r.Digest()
	r.Decisions = []brevet.Decision{{Person: "pr_2", Handle: "lead", Groups: []string{"leads"}, Approve: true, Comment: "fine", Digest: digest, At: noon}}
	ok(t, "PutRequest", tx.PutRequest(r))
	same(t, "Request", r)(tx.Request("req_1"))
	r.State, r.Decided, r.Leaf = brevet.Approved, noon.Add(time.Second), 12
	ok(t, "PutRequest", tx.PutRequest(brevet.Request{ID: r.ID, State: r.State, Created: noon.Add(time.Hour), Lapses: noon.Add(24 * time.Hour),
		Ask: brevet.Ask{Person: "x", Customer: "x", Account: "x", Role: "x", RoleDigest: "x", Entitlement: "x", Rule: brevet.Approval{Automatic: true},
			Activate: brevet.OnUse, Duration: 1, NotBefore: noon, Reason: "x", Ticket: "x", SessionPolicy: "x", CatalogVersion: 1, Batch: "bt_x"},
		Decided: r.Decided, Decisions: r.Decisions, Leaf: r.Leaf}))
	same(t, "what was asked, after PutRequest", r)(tx.Request("req_1"))
	wantKind(t, tx.PutRequest(r), brevet.Conflict)
	if got, err := tx.Request("req_1"); err != nil || got.Digest() != digest {
		t.Errorf("the digest changed in the database: %v", err)
	}
	other := brevet.Request{ID: "req_2", Ask: brevet.Ask{Person: "pr_2", Customer: "cu_2"}, State: brevet.Pending, Created: noon.Add(time.Minute)}
	ok(t, "AddRequest", tx.AddRequest(other))
	for what, c := range map[string]struct {
		filter store.RequestFilter
		want   []brevet.RequestID
	}{
		"all":          {store.RequestFilter{}, []brevet.RequestID{"req_2", "req_1"}},
		"one":          {store.RequestFilter{Limit: 1}, []brevet.RequestID{"req_2"}},
		"two":          {store.RequestFilter{Limit: 2}, []brevet.RequestID{"req_2", "req_1"}},
		"person":       {store.RequestFilter{Person: "pr_1"}, []brevet.RequestID{"req_1"}},
		"state":        {store.RequestFilter{State: brevet.Pending}, []brevet.RequestID{"req_2"}},
		"customers":    {store.RequestFilter{Customers: []brevet.CustomerID{"cu_1", "cu_3"}}, []brevet.RequestID{"req_1"}},
		"no customers": {store.RequestFilter{Customers: []brevet.CustomerID{}}, nil},
		"before":       {store.RequestFilter{Before: noon.Add(time.Minute)}, []brevet.RequestID{"req_1"}},
		"several":      {store.RequestFilter{Person: "pr_2", Customers: []brevet.CustomerID{"cu_2"}, State: brevet.Pending, Limit: 5}, []brevet.RequestID{"req_2"}},
	} {
		got, err := tx.Requests(c.filter)
		same(t, what, c.want)(ids(got, func(r brevet.Request) brevet.RequestID { return r.ID }), err)
	}
}

func ids[T, ID any](rows []T, id func(T) ID) []ID {
	var out []ID
	for _, r := range rows {
		out = append(out, id(r))
	}
	return out
}

func testGrants(t *testing.T, tx *store.Tx) {
	g := brevet.Grant{ID: "gr_1", Request: "req_1", Person: "pr_1", Customer: "cu_1", Account: "444455556666", Role: "Admin",
		Duration: time.Hour, State: brevet.Scheduled, Created: noon, Waits: noon.Add(24 * time.Hour), Leaf: 3}
	ok(t, "AddGrant", tx.AddGrant(g))
	wantKind(t, tx.AddGrant(g), brevet.Conflict)
	g.State, g.Waits, g.Start, g.End, g.Leaf = brevet.Active, noon.Add(25*time.Hour), noon.Add(time.Minute), noon.Add(time.Hour), 5
	ok(t, "PutGrant", tx.PutGrant(brevet.Grant{ID: g.ID, Request: "x", Person: "x", Customer: "x", Account: "x", Role: "x", Duration: 1,
		Created: noon.Add(time.Hour), State: g.State, Waits: g.Waits, Start: g.Start, End: g.End, Leaf: g.Leaf}))
	same(t, "the grant, after PutGrant", g)(tx.Grant("gr_1"))
	isKind[brevet.Grant](t, brevet.NotFound)(tx.Grant("gr_0"))
	waiting := brevet.Grant{ID: "gr_2", Person: "pr_2", Customer: "cu_2", Account: "111122223333", Role: "ReadOnly",
		State: brevet.Scheduled, Created: noon.Add(time.Second), Waits: noon.Add(2 * time.Hour)}
	ok(t, "AddGrant", tx.AddGrant(waiting))
	early, late := noon.Add(time.Hour), noon.Add(2*time.Hour)
	for what, c := range map[string]struct {
		filter store.GrantFilter
		want   []brevet.GrantID
	}{
		"all":     {store.GrantFilter{}, []brevet.GrantID{"gr_2", "gr_1"}},
		"target":  {store.GrantFilter{Account: "444455556666", Role: "Admin", Person: "pr_1"}, []brevet.GrantID{"gr_1"}},
		"states":  {store.GrantFilter{States: []brevet.GrantState{brevet.Scheduled, brevet.Ended}}, []brevet.GrantID{"gr_2"}},
		"over":    {store.GrantFilter{Over: &early}, []brevet.GrantID{"gr_1"}},
		"later":   {store.GrantFilter{Over: &late, Limit: 10}, []brevet.GrantID{"gr_2", "gr_1"}},
		"theirs":  {store.GrantFilter{Customers: []brevet.CustomerID{"cu_2"}}, []brevet.GrantID{"gr_2"}},
		"nothing": {store.GrantFilter{Customers: []brevet.CustomerID{"cu_2"}, Person: "pr_1"}, nil},
	} {
		got, err := tx.Grants(c.filter)
		same(t, what, c.want)(ids(got, func(g brevet.Grant) brevet.GrantID { return g.ID }), err)
	}
	g.State, g.Closed = brevet.Revoked, noon.Add(2*time.Minute)
	ok(t, "PutGrant", tx.PutGrant(g))
	g.State = brevet.Active
	wantKind(t, tx.PutGrant(g), brevet.Conflict)
	wantKind(t, tx.PutGrant(brevet.Grant{ID: "gr_9"}), brevet.NotFound)
}

func testSessions(t *testing.T, tx *store.Tx) {
	s := brevet.Session{ID: "ses_1", Grant: "gr_1", Person: "pr_1", Customer: "cu_1", Account: "444455556666", Role: "Admin",
		State: brevet.Intended, Console: true, MFA: brevet.Rung1h, Created: noon, Until: noon.Add(time.Hour)}
	ok(t, "AddSession", tx.AddSession(s))
	wantKind(t, tx.AddSession(s), brevet.Conflict)
	s.State, s.AccessKey, s.Expires, s.Until = brevet.Issued, "ASIAIOSFODNN7EXAMPLE", noon.Add(30*time.Minute), noon.Add(31*time.Minute)
	ok(t, "PutSession", tx.PutSession(brevet.Session{ID: s.ID, Grant: "x", Person: "x", Customer: "x", Account: "x", Role: "x", MFA: brevet.Rung8h,
		Created: noon.Add(time.Hour), State: s.State, Until: s.Until, AccessKey: s.AccessKey, Expires: s.Expires}))
	same(t, "the session, after PutSession", s)(tx.Session("ses_1"))
	isKind[brevet.Session](t, brevet.NotFound)(tx.Session("ses_0"))
	doubt := brevet.Session{ID: "ses_2", Grant: "gr_2", Person: "pr_1", State: brevet.InDoubt, Created: noon.Add(time.Second), Until: noon.Add(time.Minute)}
	ok(t, "AddSession", tx.AddSession(doubt))
	for what, c := range map[string]struct {
		filter store.SessionFilter
		want   []brevet.SessionID
	}{
		"all":    {store.SessionFilter{Person: "pr_1"}, []brevet.SessionID{"ses_2", "ses_1"}},
		"whose":  {store.SessionFilter{Customer: "cu_none"}, nil},
		"grant":  {store.SessionFilter{Grant: "gr_1", Limit: 3}, []brevet.SessionID{"ses_1"}},
		"states": {store.SessionFilter{States: []brevet.SessionState{brevet.InDoubt}}, []brevet.SessionID{"ses_2"}},
		"live":   {store.SessionFilter{LiveAt: noon.Add(time.Minute)}, []brevet.SessionID{"ses_1"}},
	} {
		got, err := tx.Sessions(c.filter)
		same(t, what, c.want)(ids(got, func(s brevet.Session) brevet.SessionID { return s.ID }), err)
	}
	s.State, s.Closed = brevet.SessionOver, noon.Add(time.Minute)
	ok(t, "PutSession", tx.PutSession(s))
	wantKind(t, tx.PutSession(s), brevet.Conflict)
	for what, c := range map[string]struct {
		filter store.SessionFilter
		want   []brevet.SessionID
	}{
		"ended": {store.SessionFilter{States: []brevet.SessionState{brevet.SessionOver}}, []brevet.SessionID{"ses_1"}},
		"any":   {store.SessionFilter{States: []brevet.SessionState{brevet.SessionOver, brevet.InDoubt}}, []brevet.SessionID{"ses_2", "ses_1"}},
		"over":  {store.SessionFilter{OverAt: noon.Add(time.Hour)}, []brevet.SessionID{"ses_2"}},
		"none":  {store.SessionFilter{States: []brevet.SessionState{}}, nil},
	} {
		got, err := tx.Sessions(c.filter)
		same(t, what, c.want)(ids(got, func(s brevet.Session) brevet.SessionID { return s.ID }), err)
	}
}

func testCatalog(t *testing.T, tx *store.Tx) {
	isKind[store.CatalogVersion](t, brevet.NotFound)(tx.CatalogRuling())
	first, err := tx.AddCatalog(store.CatalogVersion{Digest: "d1", Text: []byte("issuer: x\n"), By: brevet.Actor{Handle: "lead"}, Created: noon, Confirmed: noon})
	if err != nil || first.Version != 1 {
		t.Errorf("AddCatalog gave version %d: %v", first.Version, err)
	}
	second, err := tx.AddCatalog(store.CatalogVersion{Digest: "d2", Text: []byte("issuer: y\n"), Created: noon})
	if err != nil || second.Version != 2 {
		t.Errorf("AddCatalog gave version %d: %v", second.Version, err)
	}
	same(t, "CatalogRuling", first)(tx.CatalogRuling())
	same(t, "Catalog", second)(tx.Catalog(2))
	isKind[store.CatalogVersion](t, brevet.NotFound)(tx.Catalog(3))
	ok(t, "ConfirmCatalog", tx.ConfirmCatalog(2, noon.Add(time.Hour), 5))
	wantKind(t, tx.ConfirmCatalog(2, noon, 5), brevet.Conflict)
	second.Confirmed, second.Leaf = noon.Add(time.Hour), 5
	same(t, "CatalogRuling", second)(tx.CatalogRuling())
}

func testClaims(t *testing.T, tx *store.Tx) {
	claim := func(who, key, digest, result, prior string, fresh bool) {
		t.Helper()
		p, f, err := tx.Claim(who, key, digest, result)
		if err != nil || p != prior || f != fresh {
			t.Errorf("Claim(%s, %s) = %q, %v, %v; want %q, %v", who, key, p, f, err, prior, fresh)
		}
	}
	claim("pr_1", "k", "d", "req_1", "", true)
	claim("pr_1", "k", "d", "req_2", "req_1", false)
	claim("pr_2", "k", "d", "req_3", "", true)
	if _, _, err := tx.Claim("pr_1", "k", "other", "req_4"); !errors.Is(err, brevet.Conflict) {
		t.Errorf("another intent under the same key: %v", err)
	}
}

// TestClaimLife moves the clock past the 24 hours of a claim.
func TestClaimLife(t *testing.T) {
	now := noon
	cfg := config(newSQLite(t))
	cfg.Now = func() time.Time { return now }
	db := open(t, cfg)
	claim := func() (fresh bool) {
		update(t, db, func(tx *store.Tx) (err error) { _, fresh, err = tx.Claim("pr_1", "k", "d", "r"); return err })
		return fresh
	}
	if !claim() || claim() {
		t.Error("a claim is not kept")
	}
	now = now.Add(24*time.Hour - time.Second)
	if claim() {
		t.Error("a claim was forgotten before its time")
	}
	now = now.Add(time.Second)
	if !claim() {
		t.Error("a claim outlives its 24 hours")
	}
}
