package broker_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/glass"
)

// lockbox is an offline key of one holder, and what it signs.
type lockbox struct {
	t      *testing.T
	bundle glass.Bundle
	id     age.Identity
}

// lockboxOf makes an offline key for a customer, for the person to call with.
func lockboxOf(t *testing.T, h *house, customer brevet.CustomerID, who brevet.Person) lockbox {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	b := glass.Bundle{Customer: customer, CustomerName: "acme", Issuer: "https://glass.brevet.invalid/acme", Made: h.now(), Threshold: 1,
		Holders: []glass.Holder{{Name: "alice", Recipient: id.Recipient().String()}}, People: []glass.Person{{Handle: who.Handle, ID: who.ID}},
		Accounts: []glass.Account{{Number: "444455556666", Name: "acme-prod", Region: "eu-west-1", Prefix: "brevet-", Audience: "x", Contract: 1, Roles: []brevet.RoleName{"BreakGlass", "Admin"}},
			{Number: "999900001111", Name: "other-prod", Region: "eu-west-1", Prefix: "brevet-", Audience: "x", Contract: 1, Roles: []brevet.RoleName{"BreakGlass"}}}}
	if b, err = glass.Deal(b); err != nil {
		t.Fatal(err)
	}
	return lockbox{t, b, id}
}

// keys is what the server knows of the boxes' keys.
func keys(boxes ...lockbox) func(brevet.CustomerID) (glass.KeySet, error) {
	return func(id brevet.CustomerID) (set glass.KeySet, err error) {
		for _, b := range boxes {
			if b.bundle.Customer == id {
				set, err = set.With(b.bundle)
			}
		}
		return set, err
	}
}

// record uses the key for a target at a time and returns what it wrote.
func (l lockbox) record(target string, who brevet.Person, at time.Time, out *glass.Outcome) (brevet.GrantID, []byte) {
	l.t.Helper()
	o, err := glass.Begin(l.bundle, glass.Ask{Target: target, As: string(who.Handle), Reason: "brevet is down"}, at)
	if err != nil {
		l.t.Fatal(err)
	}
	h, err := glass.Hold(l.bundle, o.Call.Text(), []age.Identity{l.id}, at)
	if err != nil {
		l.t.Fatal(err)
	}
	text, err := h.Answer()
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := o.Add(text); err != nil {
		l.t.Fatal(err)
	}
	key, err := o.Key()
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := o.Intend(key, at)
	if err != nil {
		l.t.Fatal(err)
	}
	if out != nil {
		if r, err = r.Close(key, *out); err != nil {
			l.t.Fatal(err)
		}
	}
	return r.Intent.Grant, r.Text()
}

// offlineHouse is a house whose engineer used the offline key ten minutes ago.
func offlineHouse(t *testing.T) (h *house, l lockbox, engineer brevet.Caller, id brevet.GrantID, text []byte) {
	h = newHouse(t)
	h.withChannels(everything("quiet", &pigeon{}))
	if _, err := h.Propose(t.Context(), brevet.Actor{System: "test"}, withOffline(sandboxCatalog())); err != nil {
		t.Fatal(err)
	}
	engineer = h.login("engineer")
	l = lockboxOf(t, h, h.Catalog().Customers[0].ID, engineer.Person)
	h.OfflineKeys = keys(l)
	at := h.now().Add(-10 * time.Minute)
	id, text = l.record("acme-prod/BreakGlass", engineer.Person, at, &glass.Outcome{Time: at, AccessKey: "ASIAOFFLINE", Expires: at.Add(time.Hour)})
	return h, l, engineer, id, text
}

// withOffline gives the catalog's customer an offline issuer, and a role that
// trusts it, if it has none.
func withOffline(text []byte) []byte {
	if bytes.Contains(text, []byte("offline_issuer:")) {
		return text
	}
	text = bytes.Replace(text, []byte("\nroles:\n"), []byte("\nroles:\n  BreakGlass: {about: \"everything\", offline: true, policies: [AdministratorAccess]}\n"), 1)
	return bytes.Replace(text, []byte("\n    prefix: brevet-"), []byte("\n    offline_issuer: https://glass.brevet.invalid/acme\n    prefix: brevet-"), 1)
}

// TestImport: an emergency that was opened offline is an emergency, and gives
// nobody anything.
func TestImport(t *testing.T) {
	h, _, engineer, id, text := offlineHouse(t)
	lead := h.login("lead")
	v, err := h.Import(t.Context(), engineer, text)
	if err != nil {
		t.Fatal(err)
	}
	if v.Grant != id || v.Who != "engineer" || !v.Mine || v.Access != "ASIAOFFLINE" || v.Again || v.Channels != 1 || v.Arrived != 1 || !v.Alive.Equal(h.now().Add(50*time.Minute)) || v.Offline == "" {
		t.Fatalf("imported %+v", v)
	}
	n := len(h.events())
	if again, err := h.Import(t.Context(), lead, text); err != nil || !again.Again || again.Grant != id {
		t.Fatalf("the same again: %+v, %v", again, err)
	}
	if got := len(h.events()); got != n {
		t.Errorf("the same record again: %d more entries", got-n)
	}
	h.want(engineer, "acme-prod/BreakGlass", brevet.Denied)
	grants, err := h.Grants(t.Context(), engineer, broker.List{})
	if err != nil || len(grants) != 1 || grants[0].Live || grants[0].Sessions != 1 || grants[0].Reason != "brevet is down" || grants[0].Approved != "alice" {
		t.Errorf("grants %+v, %v", grants, err)
	}
	e, err := h.Emergency(t.Context(), lead, id)
	if err != nil || len(e.Told.Sessions) != 1 || e.Told.Sessions[0].AccessKey != "ASIAOFFLINE" || e.Told.Offline == "" || e.Told.Ended != "" || len(e.Told.Approvals) != 1 {
		t.Errorf("told %+v, %v", e.Told, err)
	}
	if _, err := h.Broker.Review(t.Context(), engineer, id, true, "mine", ""); !errors.Is(err, brevet.Denied) {
		t.Errorf("their own review: %v", err)
	}
	if r, err := h.Broker.Review(t.Context(), lead, id, true, "it burned", ""); err != nil || r.Verdict != brevet.ReviewOK {
		t.Errorf("review %+v, %v", r, err)
	}
	h.advance(time.Hour)
	h.Sweep(t.Context())
	if grants, err := h.Grants(t.Context(), engineer, broker.List{}); err != nil || grants[0].Sessions != 0 {
		t.Errorf("an hour later: %+v, %v", grants, err)
	}
}

// TestImportedCounts: what was opened offline counts against the limit.
func TestImportedCounts(t *testing.T) {
	h, l, engineer, _, text := offlineHouse(t)
	for range 3 {
		if _, err := h.Import(t.Context(), engineer, text); err != nil {
			t.Fatal(err)
		}
		_, text = l.record("acme-prod/BreakGlass", engineer.Person, h.now(), nil)
	}
	h.smash(engineer, brevet.Denied)
}

// TestImportRefuses: what the customer's key did not sign, what is another
// customer's, what cannot be true, and what others bring.
func TestImportRefuses(t *testing.T) {
	h, l, engineer, id, text := offlineHouse(t)
	contractor := h.login("contractor")
	acme := h.Catalog().Customers[0].ID
	stranger := lockboxOf(t, h, acme, engineer.Person)
	elsewhere := lockboxOf(t, h, brevet.NewID[brevet.CustomerID](h.now()), engineer.Person)
	nobody := brevet.Person{ID: brevet.NewID[brevet.PersonID](h.now()), Handle: "engineer"}
	other := lockboxOf(t, h, acme, brevet.Person{ID: nobody.ID, Handle: "engineer"})
	named := lockboxOf(t, h, acme, brevet.Person{ID: engineer.Person.ID, Handle: "lead"})
	h.OfflineKeys = keys(l, elsewhere, other, named)
	lead := h.login("lead")
	of := func(l lockbox, target string, who brevet.Person, at time.Time) []byte {
		_, text := l.record(target, who, at, nil)
		return text
	}
	n := len(h.events())
	for name, test := range map[string]struct {
		by   brevet.Caller
		text []byte
		kind brevet.Kind
	}{
		"by somebody without rights": {contractor, text, brevet.Denied},
		"another key":                {engineer, of(stranger, "acme-prod/BreakGlass", engineer.Person, h.now()), brevet.Denied},
		"another customer's":         {engineer, of(elsewhere, "acme-prod/BreakGlass", engineer.Person, h.now()), brevet.NotFound},
		"another customer's account": {engineer, of(l, "other-prod/BreakGlass", engineer.Person, h.now()), brevet.Conflict},
		"a role of the broker's":     {engineer, of(l, "acme-prod/Admin", engineer.Person, h.now()), brevet.Conflict},
		"from the future":            {engineer, of(l, "acme-prod/BreakGlass", engineer.Person, h.now().Add(time.Hour)), brevet.Clock},
		"of nobody":                  {lead, of(other, "acme-prod/BreakGlass", nobody, h.now()), brevet.Conflict},
		"under another's handle":     {engineer, of(named, "acme-prod/BreakGlass", brevet.Person{ID: engineer.Person.ID, Handle: "lead"}, h.now()), brevet.Conflict},
		"no record":                  {engineer, []byte("{}"), brevet.Invalid},
		"changed":                    {engineer, []byte(strings.Replace(string(text), `"says":"e`, `"says":"f`, 1)), brevet.Invalid},
	} {
		if _, err := h.Import(t.Context(), test.by, test.text); brevet.KindOf(err) != test.kind {
			t.Errorf("%s: %v, want %q", name, err, test.kind)
		}
	}
	if got := len(h.events()); got != n {
		t.Errorf("refused records left %d entries", got-n)
	}
	h.OfflineKeys = nil
	if _, err := h.Import(t.Context(), engineer, text); !errors.Is(err, brevet.Denied) {
		t.Errorf("without any key: %v", err)
	}
	h.OfflineKeys = keys(l)
	if v, err := h.Import(t.Context(), engineer, text); err != nil || v.Grant != id {
		t.Errorf("the true one: %v", err)
	}
}

// TestImportedGivesNothing attacks an imported grant as whoever may write to
// the database would: no edit of rows has the broker issue under it.
func TestImportedGivesNothing(t *testing.T) {
	h, _, engineer, id, text := offlineHouse(t)
	smashed := h.smash(engineer, "")
	live, request := smashed.Grant.ID, string(smashed.ID)
	if _, err := h.Import(t.Context(), engineer, text); err != nil {
		t.Fatal(err)
	}
	for _, edit := range []string{
		`UPDATE grants SET state = 'active', closed_at = 0 WHERE id = '` + string(id) + `'`,
		`UPDATE grants SET role = 'Admin' WHERE id = '` + string(id) + `'`,
		`UPDATE grants SET request_id = '` + request + `' WHERE id = '` + string(id) + `'`,
		`UPDATE grants SET leaf = (SELECT leaf FROM grants WHERE id = '` + string(live) + `'), end_at = end_at + 36000000000 WHERE id = '` + string(id) + `'`,
	} {
		if h.edit(edit) != 1 {
			t.Fatal("nothing was edited: " + edit)
		}
		h.want(engineer, "acme-prod/BreakGlass", brevet.Denied)
		got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/Admin"})
		if err == nil && got.Grant.ID == id {
			t.Fatalf("%s: issued under the imported grant", edit)
		}
		if got, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/Admin", Grant: id}); err == nil {
			t.Fatalf("%s: issued %+v", edit, got.Grant)
		}
	}
}

// TestImportTakesNoGrant: a record cannot end, or shout about, a grant that the
// broker gave.
func TestImportTakesNoGrant(t *testing.T) {
	h, l, engineer, _, _ := offlineHouse(t)
	id, text := l.record("acme-prod/BreakGlass", engineer.Person, h.now(), nil)
	h.smash(engineer, "")
	if h.edit(`UPDATE grants SET id = '`+string(id)+`'`) != 1 {
		t.Fatal("no grant was renamed")
	}
	if _, err := h.Import(t.Context(), engineer, text); !errors.Is(err, brevet.Conflict) {
		t.Errorf("a record under the name of a grant: %v", err)
	}
}

// TestRevokeImported: what is out under it is cut off as after any grant,
// whichever way it is revoked.
func TestRevokeImported(t *testing.T) {
	for name, revoke := range map[string]func(h *house, c brevet.Caller, id brevet.GrantID) error{
		"the grant": func(h *house, c brevet.Caller, id brevet.GrantID) error {
			_, err := h.Broker.Revoke(t.Context(), c, id, "enough", "")
			return err
		},
		"an act": func(h *house, c brevet.Caller, id brevet.GrantID) error {
			_, err := h.RevokeAll(t.Context(), c, broker.RevokeAll{Grant: id, Reason: "enough"})
			return err
		},
		"all of a person": func(h *house, c brevet.Caller, _ brevet.GrantID) error {
			_, err := h.RevokeAll(t.Context(), c, broker.RevokeAll{Person: "engineer", Reason: "enough"})
			return err
		},
	} {
		h, _, engineer, id, text := offlineHouse(t)
		security := h.login("security")
		if _, err := h.Import(t.Context(), engineer, text); err != nil {
			t.Fatal(err)
		}
		if err := revoke(h, security, id); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		h.CarryOut(t.Context())
		if !h.killed[id] {
			t.Errorf("%s: the customer's revoker was not told", name)
		}
		if kinds := h.events(); !slices.Contains(kinds, brevet.RevocationConfirmed) {
			t.Errorf("%s: not confirmed: %v", name, kinds)
		}
		h.want(engineer, "acme-prod/BreakGlass", brevet.Denied)
	}
}
