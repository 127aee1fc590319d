package broker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// granted returns a live grant of who's under which a credential is out.
func (h *house) granted(who, lead brevet.Caller, target string) broker.Issued {
	h.t.Helper()
	h.approve(lead, h.ask(who, target, time.Hour).ID)
	return h.want(who, target, "")
}

// revokeAll revokes and fails the test if that is refused.
func (h *house) revokeAll(c brevet.Caller, in broker.RevokeAll) broker.RevokedAll {
	h.t.Helper()
	in.Reason = "a laptop was stolen"
	v, err := h.RevokeAll(h.t.Context(), c, in)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// one returns the state of an act that ends one grant.
func (h *house) one(c brevet.Caller, id brevet.RevocationID) broker.RevocationView {
	h.t.Helper()
	v, err := h.Revocation(h.t.Context(), c, id, 0)
	if err != nil || len(v.Grants) != 1 {
		h.t.Fatalf("act %s: %d grants, %v", id, len(v.Grants), err)
	}
	return v.Grants[0]
}

// TestRevocation tells the whole story of one: asked for, told, seen.
func TestRevocation(t *testing.T) { onBoth(t, revocationOn) }

func revocationOn(t *testing.T, newHouse func(testing.TB) *house) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	got := h.granted(engineer, lead, "acme-prod/SRE")
	neighbour := h.granted(engineer, lead, "acme-prod/Data")
	act := h.revokeAll(security, broker.RevokeAll{Grant: got.Grant.ID})
	asked := h.now()
	if v := h.one(security, act.ID); v.State != brevet.RevokeRequested || !v.Until.Equal(got.Expires) || v.Target != "acme-prod/SRE" || v.By != "security" {
		t.Errorf("%+v", v)
	}
	h.want(engineer, "acme-prod/SRE", brevet.NoGrant) // before anything was carried out
	h.reach = func(brevet.Issue) bool { return h.now().Sub(asked) >= 6*time.Second }
	h.CarryOut(t.Context())
	v := h.one(security, act.ID)
	if v.State != brevet.RevokeConfirmed || v.Took() < 7*time.Second || v.Took() > 25*time.Second || v.Told.IsZero() || v.Tries != 0 {
		t.Errorf("it took %s: %+v", v.Took(), v)
	}
	if !h.killed[got.Grant.ID] || h.killed[neighbour.Grant.ID] {
		t.Errorf("killed: %v", h.killed)
	}
	h.want(engineer, "acme-prod/Data", "")
	h.errandsAreWhatTheySay(got.Grant.ID)
	if n := len(h.issues); n > 0 {
		h.CarryOut(t.Context())
		if len(h.issues) != n {
			t.Error("what is confirmed is carried out again")
		}
	}
	// in the log, in order
	want := []brevet.EventKind{brevet.GrantRevoked, brevet.RevocationRequested, brevet.RevocationTold, brevet.RevocationConfirmed}
	var kinds []brevet.EventKind
	for _, k := range h.events() {
		if slices.Contains(want, k) {
			kinds = append(kinds, k)
		}
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
}

// errandsAreWhatTheySay checks the sessions of the broker's own: one calls the
// revoker, one carries the grant's tag, one does not; none is the person's.
func (h *house) errandsAreWhatTheySay(id brevet.GrantID) {
	h.t.Helper()
	var calls, stands, controls int
	for _, i := range h.issues {
		switch {
		case i.Errand == "":
			continue
		case i.TTL > 15*time.Minute || i.End.Sub(h.now()) > 15*time.Minute || !strings.HasPrefix(string(i.Handle), "brevet-"):
			h.t.Errorf("%+v", i)
		case i.Errand == brevet.ErrandRevoke && i.Role == brevet.RevokeRole:
			calls++
		case i.Errand == brevet.ErrandTry && i.Grant == id && i.Source == "engineer":
			stands++
		case i.Errand == brevet.ErrandTry && i.Grant != id && i.Source == "":
			controls++
		}
	}
	if calls != 1 || stands != 1 || controls != 1 {
		h.t.Errorf("%d calls, %d sessions in the grant's place, %d without", calls, stands, controls)
	}
}

// A cloud that never refuses is not believed to have.
func TestRevocationIsNotSeen(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	got := h.granted(engineer, lead, "acme-prod/SRE")
	h.reach = func(brevet.Issue) bool { return false }
	act := h.revokeAll(security, broker.RevokeAll{Person: "engineer"})
	h.CarryOut(t.Context())
	v := h.one(security, act.ID)
	if v.State != brevet.RevokeUnconfirmed || v.Told.IsZero() || !strings.Contains(v.Trouble, "AWS let sessions of the grant work for 10m") || !v.Until.Equal(got.Expires) {
		t.Errorf("%+v", v)
	}
	h.advance(time.Minute)
	h.reach = nil
	h.CarryOut(t.Context())
	if v := h.one(security, act.ID); v.State != brevet.RevokeConfirmed || v.Took() < 11*time.Minute {
		t.Errorf("%+v, %s", v, v.Took())
	}
}

// Without a revoker nothing can be cut, which is said, until it dies by itself.
func TestRevocationWithoutRevoker(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	got := h.granted(engineer, lead, "acme-prod/SRE")
	h.kill = func(brevet.Account, brevet.Kill) (brevet.Killed, error) {
		return brevet.Killed{}, brevet.Errorf(brevet.CloudRefused, "AWS said no").WithHint("there is no revoker")
	}
	act := h.revokeAll(security, broker.RevokeAll{Account: "acme-prod"})
	for range 3 {
		h.CarryOut(t.Context())
		h.advance(time.Minute)
	}
	v := h.one(security, act.ID)
	if v.State != brevet.RevokeUnconfirmed || v.Tries != 1 || !v.Told.IsZero() || !v.Until.Equal(got.Expires) || v.Trouble != "AWS said no (there is no revoker)" {
		t.Errorf("%+v", v)
	}
	h.advance(time.Hour)
	if err := h.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := h.one(security, act.ID); v.State != brevet.RevokeOver || v.Open() {
		t.Errorf("%+v", v)
	}
}

// A cloud that is out of reach is asked again, quietly at first.
func TestRevocationIsTriedAgain(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	h.granted(engineer, lead, "acme-prod/SRE")
	n := 0
	h.kill = func(_ brevet.Account, k brevet.Kill) (brevet.Killed, error) {
		if n++; n < 6 {
			return brevet.Killed{}, brevet.Errorf(brevet.Unavailable, "no answer")
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.killed[k.Grants[0]] = true
		return brevet.Killed{Held: k.Grants}, nil
	}
	act := h.revokeAll(security, broker.RevokeAll{Everything: true})
	var states []brevet.RevocationState
	for range 40 {
		h.CarryOut(t.Context())
		states = append(states, h.one(security, act.ID).State)
		h.advance(time.Second)
	}
	if states[0] != brevet.RevokeRequested || !slices.Contains(states, brevet.RevokeUnconfirmed) || states[39] != brevet.RevokeConfirmed || n != 6 {
		t.Errorf("%d calls: %v", n, states)
	}
}

// When the policy is full the cut is wider, which is said; and what stands for
// the grant was begun before, else it would not be cut.
func TestRevocationWidens(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	got := h.granted(engineer, lead, "acme-prod/SRE")
	var before int
	h.kill = func(_ brevet.Account, k brevet.Kill) (brevet.Killed, error) {
		if k.Widen == nil {
			return brevet.Killed{Held: []brevet.GrantID{"gr_other"}, Full: true}, nil
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		before = len(h.issues)
		h.killed[got.Grant.ID] = true
		return brevet.Killed{Held: []brevet.GrantID{"gr_other"}, Full: true, Cut: []brevet.Handle{"engineer", "lead"}}, nil
	}
	act := h.revokeAll(security, broker.RevokeAll{Grant: got.Grant.ID})
	h.CarryOut(t.Context())
	v := h.one(security, act.ID)
	if v.State != brevet.RevokeConfirmed || !slices.Equal(v.Cut, []brevet.Handle{"engineer", "lead"}) || v.Everybody {
		t.Errorf("%+v", v)
	}
	stands := slices.IndexFunc(h.issues, func(i brevet.Issue) bool { return i.Errand == brevet.ErrandTry && i.Grant == got.Grant.ID })
	if stands < 0 || stands >= before || h.issues[stands].Source != "engineer" {
		t.Errorf("what stands for the grant was begun as number %d, the cut came after %d", stands, before)
	}
}

// Who may revoke what.
func TestRevokeAllRights(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	h.granted(engineer, lead, "acme-prod/SRE")
	for _, in := range []broker.RevokeAll{{Everything: true}, {Account: "acme-prod"}} {
		in.Reason = "because"
		if _, err := h.RevokeAll(t.Context(), lead, in); !errors.Is(err, brevet.Denied) {
			t.Errorf("%+v: %v", in, err)
		}
	}
	for _, in := range []broker.RevokeAll{{}, {Everything: true, Person: "engineer"}, {Person: "a b"}} {
		in.Reason = "because"
		if _, err := h.RevokeAll(t.Context(), security, in); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%+v: %v", in, err)
		}
	}
	if v := h.revokeAll(lead, broker.RevokeAll{Person: "engineer"}); len(v.Grants) != 0 {
		t.Errorf("lead ended %d grants", len(v.Grants))
	}
	h.want(engineer, "acme-prod/SRE", "")
	if v := h.revokeAll(engineer, broker.RevokeAll{Person: "engineer"}); len(v.Grants) != 1 { // one's own
		t.Errorf("engineer ended %d of their grants", len(v.Grants))
	}
	h.advance(90 * time.Minute)
	if _, err := h.RevokeAll(t.Context(), security, broker.RevokeAll{Everything: true, Reason: "because"}); !errors.Is(err, brevet.StepUp) {
		t.Errorf("everything, on an old proof: %v", err)
	}
}

// What is sent again under its key is the same act.
func TestRevokeAllOnce(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	h.granted(engineer, lead, "acme-prod/SRE")
	first := h.revokeAll(security, broker.RevokeAll{Person: "engineer", Key: "k"})
	again := h.revokeAll(security, broker.RevokeAll{Person: "engineer", Key: "k"})
	if first.ID != again.ID || len(again.Grants) != 1 {
		t.Errorf("%+v, then %+v", first, again)
	}
}

// Neither an edited row nor a removed one keeps a grant from being cut off.
func TestRevocationMindsTheLog(t *testing.T) {
	for _, edit := range []string{
		`UPDATE grants SET state = 'ended'`, `UPDATE grants SET state = 'revoked', closed_at = 1`, `DELETE FROM sessions`, `UPDATE sessions SET state = 'ended'`,
		`UPDATE persons SET handle = 'nobody' WHERE handle = 'engineer'`,
	} {
		h := newHouse(t)
		engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
		got := h.granted(engineer, lead, "acme-prod/SRE")
		h.edit(edit)
		h.revokeAll(security, broker.RevokeAll{Person: "engineer"})
		h.edit(`DELETE FROM revocations`)
		h.CarryOut(t.Context())
		if !h.killed[got.Grant.ID] {
			t.Errorf("%s: the grant is not cut off", edit)
		}
	}
}

func TestShellsEndWithTheirGrant(t *testing.T) {
	h := newHouse(t)
	h.Config.Shells = func(_ brevet.Account, r brevet.Role) bool { return r.Name == "SRE" }
	engineer, lead := h.login("engineer"), h.login("lead")
	var asked []brevet.Kill
	h.kill = func(_ brevet.Account, k brevet.Kill) (brevet.Killed, error) {
		asked = append(asked, k)
		return brevet.Killed{Held: []brevet.GrantID{}, Shells: 1}, nil
	}
	dropped, ran := h.granted(engineer, lead, "acme-prod/SRE"), h.granted(engineer, lead, "acme-prod/Data")
	if _, err := h.Drop(t.Context(), engineer, dropped.Grant.ID, ""); err != nil {
		t.Fatal(err)
	}
	h.CarryOut(t.Context())
	late := h.granted(engineer, lead, "acme-prod/SRE")
	h.advance(time.Hour + time.Second)
	if err := h.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.CarryOut(t.Context())
	if len(asked) != 2 || !asked[0].Shells || asked[0].Grants[0] != dropped.Grant.ID || !asked[1].Shells || asked[1].Grants[0] != late.Grant.ID {
		t.Errorf("%+v; %s opens no shells", asked, ran.Grant.ID)
	}
	if left := h.db.OpenRevocations(); len(left) != 0 {
		t.Errorf("%d are open", len(left))
	}
}
