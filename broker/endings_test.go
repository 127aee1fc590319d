package broker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// newest returns how the newest revocation stands.
func (h *house) newest(c brevet.Caller) broker.RevocationView {
	h.t.Helper()
	v, err := h.Revocations(h.t.Context(), c, 10)
	if err != nil || len(v.Grants) == 0 {
		h.t.Fatalf("%d revocations, %v", len(v.Grants), err)
	}
	return v.Grants[0]
}

// TestOffDutyIsCutOff: who is taken off duty loses also what is out, whatever
// rows say about the grant, and although another's cannot be read.
func TestOffDutyIsCutOff(t *testing.T) {
	onBoth(t, func(t *testing.T, newHouse func(testing.TB) *house) {
		for _, edit := range []string{"", `UPDATE grants SET state = 'ended'`, `DELETE FROM requests WHERE id IN (SELECT request_id FROM grants WHERE role = 'ReadOnly')`} {
			h, r := newHouse(t), &rota{}
			h.Shifts = r.ask
			h.apply(dutyCatalog(t, sreRota, sreOnDuty))
			engineer, security := h.login("engineer"), h.login("security")
			r.set("", h.shift("engineer", brevet.Primary, -time.Hour, 4*time.Hour))
			other := h.want(engineer, "acme-staging/ReadOnly", "")
			got := h.want(engineer, "acme-prod/SRE", "")
			if edit != "" {
				h.edit(edit)
			}
			r.set("", h.shift("lead", brevet.Primary, -time.Hour, 4*time.Hour))
			h.advance(10 * time.Second)
			h.FollowDuty(t.Context())
			_ = h.Sweep(t.Context()) // which tells of the row that is gone
			h.CarryOut(t.Context())
			if !h.killed[got.Grant.ID] || h.killed[other.Grant.ID] {
				t.Errorf("%q: killed %v, want %s alone", edit, h.killed, got.Grant.ID)
			}
			if v := h.newest(security); v.State != brevet.RevokeConfirmed || v.Grant != got.Grant.ID || v.By != "rota" || !strings.Contains(v.Reason, "off duty") {
				t.Errorf("%q: %+v", edit, v)
			}
		}
	})
}

// TestEngagementIsCutOff: an engagement that the catalog shortens, or that
// does not name the person any more, takes what is out under it with it.
func TestEngagementIsCutOff(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"shorter":  func(text string) string { return strings.Replace(text, "05:00", "03:00", 1) },
		"not here": func(text string) string { return strings.Replace(text, "acme-staging", "acme-prod", 1) },
	} {
		h := newHouse(t)
		text := engagement(h.now(), h.now().Add(3*time.Hour).Truncate(time.Hour))
		h.apply(dutyCatalog(t, text, contractorProd))
		contractor, security := h.login("contractor"), h.login("security")
		got := h.want(contractor, "acme-staging/ReadOnly", "")
		changed := change(text)
		if changed == text {
			t.Fatalf("%s: nothing changes in %s", name, text)
		}
		h.apply(dutyCatalog(t, changed, contractorProd))
		h.sweep()
		h.CarryOut(t.Context())
		if v := h.newest(security); !h.killed[got.Grant.ID] || v.State != brevet.RevokeConfirmed || v.By != "engagement" {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// TestEmergencyIsCutOff: what was opened by breaking the glass is revoked like
// anything else, and its shells end with it.
func TestEmergencyIsCutOff(t *testing.T) {
	h := newHouse(t)
	h.withChannels(everything("quiet", &pigeon{}))
	h.Config.Shells = func(brevet.Account, brevet.Role) bool { return true }
	engineer, security := h.login("engineer"), h.login("security")
	cut := h.smash(engineer, "")
	h.want(engineer, "acme-prod/Admin", "")
	act := h.revokeAll(security, broker.RevokeAll{Person: "engineer"})
	h.want(engineer, "acme-prod/Admin", brevet.NoGrant)
	h.CarryOut(t.Context())
	if v := h.one(security, act.ID); v.State != brevet.RevokeConfirmed || v.Shells || !h.killed[cut.Grant.ID] {
		t.Errorf("%+v", v)
	}
	ran := h.smash(engineer, "")
	h.want(engineer, "acme-prod/Admin", "")
	h.advance(time.Hour)
	h.sweep()
	h.CarryOut(t.Context())
	if v := h.newest(h.login("security")); v.Grant != ran.Grant.ID || !v.Shells || v.Open() {
		t.Errorf("after its hour: %+v", v)
	}
}

// TestExtensionMovesTheEnd: shells end when their grant does: at its old end
// if more time was refused, at the new one if it was given.
func TestExtensionMovesTheEnd(t *testing.T) {
	for _, yes := range []bool{false, true} {
		h := newHouse(t)
		h.Config.Shells = func(brevet.Account, brevet.Role) bool { return true }
		engineer, lead := h.login("engineer"), h.login("lead")
		var ended []time.Duration
		got := h.granted(engineer, lead, "acme-prod/SRE")
		began := got.Grant.Start
		h.kill = func(_ brevet.Account, k brevet.Kill) (brevet.Killed, error) {
			if !k.Shells || !slices.Equal(k.Grants, []brevet.GrantID{got.Grant.ID}) {
				t.Errorf("killed: %+v", k)
			}
			ended = append(ended, h.now().Sub(began))
			return brevet.Killed{Held: k.Grants}, nil
		}
		if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: h.extend(engineer, got.Grant.ID, time.Hour).ID, Approve: yes, Comment: "enough"}); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			h.sweep()
			h.CarryOut(t.Context())
			h.advance(30 * time.Minute)
		}
		want := time.Hour
		if yes {
			want = 2 * time.Hour
		}
		if !slices.Equal(ended, []time.Duration{want}) {
			t.Errorf("extended: %v; shells were ended after %v", yes, ended)
		}
	}
}

// TestCustomerLeavesWhileCutOff: brevet enters nothing of a customer that has
// left, not even to finish cutting off; what is out is shown with its end.
func TestCustomerLeavesWhileCutOff(t *testing.T) {
	h := newHouse(t)
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	got := h.granted(engineer, lead, "acme-prod/SRE")
	act := h.revokeAll(security, broker.RevokeAll{Account: "acme-prod"})
	h.offboard(security, "acme")
	before := len(h.issues)
	for range 3 {
		h.CarryOut(t.Context())
		h.advance(time.Minute)
	}
	if len(h.issues) != before || len(h.killed) != 0 {
		t.Errorf("%d sessions were begun, %d grants cut off", len(h.issues)-before, len(h.killed))
	}
	v := h.one(security, act.ID)
	if v.State != brevet.RevokeUnconfirmed || !v.Until.Equal(got.Expires) || !strings.Contains(v.Trouble, "was offboarded") {
		t.Errorf("%+v", v)
	}
	h.advance(time.Hour)
	h.sweep()
	if v := h.one(security, act.ID); v.State != brevet.RevokeOver {
		t.Errorf("%+v", v)
	}
}
