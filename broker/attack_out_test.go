package broker_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// unbound edits rows of the house's SQLite database, whatever refers to them.
func (h *house) unbound(query string, args ...any) {
	h.t.Helper()
	db, err := sql.Open("sqlite", "file:"+h.path+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(0)")
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query, args...); err != nil {
		h.t.Fatal(err)
	}
}

// TestAttackHiddenOut edits rows so that a credential which is out under a
// grant that was handed back is not found, and then revokes or offboards: it
// is cut off all the same, and a neighbour's is not.
func TestAttackHiddenOut(t *testing.T) {
	edits := map[string]string{
		"nothing":        ``,
		"session's end":  `UPDATE sessions SET until_at = 1 WHERE grant_id = ?1`,
		"session's fate": `UPDATE sessions SET state = 'ended' WHERE grant_id = ?1`,
		"session gone":   `DELETE FROM sessions WHERE grant_id = ?1`,
		"session's":      `UPDATE sessions SET grant_id = ?2 WHERE grant_id = ?1`,
		"grant's person": `UPDATE grants SET person_id = (SELECT person_id FROM grants WHERE id = ?2) WHERE id = ?1`,
		"grant's end":    `UPDATE grants SET end_at = 1 WHERE id = ?1`,
		"grant's place":  `UPDATE grants SET account = '999999999999', customer_id = 'cu_x' WHERE id = ?1`,
		"grant gone":     `DELETE FROM grants WHERE id = ?1`,
		"neighbour":      `UPDATE grants SET person_id = (SELECT person_id FROM grants WHERE id = ?1) WHERE id = ?2`,
	}
	for name, edit := range edits {
		for _, act := range []string{"person", "account", "grant", "offboard"} {
			if act != "person" && name != "session gone" && name != "grant gone" { // the rest finds them in the same way
				continue
			}
			t.Run(name+" "+act, func(t *testing.T) {
				h := newHouse(t)
				engineer, security := h.login("engineer"), h.login("security")
				target := h.granted(engineer, h.login("lead"), "acme-prod/ReadOnly").Grant.ID
				neighbour := h.want(h.login("contractor"), "acme-staging/ReadOnly", "").Grant.ID
				if _, err := h.Drop(t.Context(), engineer, target, ""); err != nil {
					t.Fatal(err)
				}
				h.unbound(edit, target, neighbour)
				switch act {
				case "person":
					h.revokeAll(security, broker.RevokeAll{Person: "engineer"})
				case "account":
					h.revokeAll(security, broker.RevokeAll{Account: "acme-prod"})
				case "grant":
					h.revokeAll(security, broker.RevokeAll{Grant: target})
				default:
					h.gone(security, "engineer")
				}
				h.CarryOut(t.Context())
				if !h.killed[target] || h.killed[neighbour] {
					t.Errorf("cut off: %t, the neighbour: %t", h.killed[target], h.killed[neighbour])
				}
			})
		}
	}
}

// TestAttackEndedEarly edits a grant's end, so that a sweep believes that it
// is over; what is out under it is cut off all the same.
func TestAttackEndedEarly(t *testing.T) {
	for _, edit := range []string{`UPDATE grants SET end_at = 1`, `UPDATE grants SET state = 'scheduled', waits_at = 1`} {
		h := newHouse(t)
		engineer, security := h.login("engineer"), h.login("security")
		target := h.granted(engineer, h.login("lead"), "acme-prod/SRE").Grant.ID
		h.edit(edit)
		h.edit(`DELETE FROM sessions`)
		h.sweep()
		h.revokeAll(security, broker.RevokeAll{Everything: true})
		h.CarryOut(t.Context())
		if !h.killed[target] {
			t.Errorf("%s: it is not cut off", edit)
		}
	}
}

// TestAttackRevocationForgotten edits sessions so that nothing seems to be out,
// while the cloud cannot be told: it is told as long as something may be out.
func TestAttackRevocationForgotten(t *testing.T) {
	for _, edit := range []string{`UPDATE sessions SET until_at = 1`, `DELETE FROM sessions`} {
		h := newHouse(t)
		engineer, security := h.login("engineer"), h.login("security")
		got := h.granted(engineer, h.login("lead"), "acme-prod/SRE")
		h.edit(edit)
		h.kill = func(brevet.Account, brevet.Kill) (brevet.Killed, error) {
			return brevet.Killed{}, brevet.Errorf(brevet.CloudRefused, "not today")
		}
		act := h.revokeAll(security, broker.RevokeAll{Grant: got.Grant.ID})
		for range 5 {
			h.CarryOut(t.Context())
			h.advance(10 * time.Minute)
			h.sweep()
		}
		if v := h.one(security, act.ID); !v.Open() || v.Until.Before(got.Expires) {
			t.Errorf("%s: %s until %s, though a credential is out until %s", edit, v.State, v.Until, got.Expires)
		}
		h.kill = nil
		h.CarryOut(t.Context())
		if !h.killed[got.Grant.ID] {
			t.Errorf("%s: it is not cut off", edit)
		}
	}
}

// TestAttackHiddenShells edits the rows of a grant: the shells that were opened
// under it are ended with it all the same.
func TestAttackHiddenShells(t *testing.T) {
	for _, edit := range []string{`DELETE FROM sessions`, `UPDATE grants SET end_at = 9000000000000000`, `UPDATE grants SET state = 'ended'`, `DELETE FROM grants`} {
		h := newHouse(t)
		h.Config.Shells = func(brevet.Account, brevet.Role) bool { return true }
		got := h.granted(h.login("engineer"), h.login("lead"), "acme-prod/SRE")
		h.sweep()
		h.unbound(edit)
		for range 3 {
			h.advance(time.Hour)
			_ = h.Sweep(t.Context()) // which tells of the row that is gone
		}
		ended, begun := 0, 0
		for _, k := range h.events() {
			switch k {
			case brevet.GrantEnded:
				ended++
			case brevet.RevocationRequested:
				begun++
			}
		}
		if ended != 1 || begun != 1 {
			t.Errorf("%s: grant %s ended %d times, its shells %d times", edit, got.Grant.ID, ended, begun)
		}
	}
}

// TestAttackHiddenFromOffboarding edits rows of a customer and offboards it:
// the log says of each grant that it has ended, and when the last credential
// dies.
func TestAttackHiddenFromOffboarding(t *testing.T) {
	for _, edit := range []string{
		`SELECT 1`, `UPDATE grants SET state = 'ended'`, `UPDATE grants SET customer_id = 'cu_x'`, `DELETE FROM grants`,
		`UPDATE sessions SET until_at = 1`, `UPDATE sessions SET customer_id = 'cu_x'`, `DELETE FROM sessions`,
	} {
		h := newHouse(t)
		engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
		used := h.granted(engineer, lead, "acme-prod/SRE")
		h.approve(lead, h.ask(engineer, "acme-prod/Data", time.Hour).ID)
		h.unbound(edit)
		v := h.offboard(security, "acme")
		if v.Grants != 2 || v.Sessions != 1 || v.Until.Before(used.Expires) {
			t.Errorf("%s: %+v", edit, v.Offboarding)
		}
		err := h.db.View(t.Context(), func(tx *store.Tx) error {
			if left := tx.HeldAt(""); len(left) > 0 {
				t.Errorf("%s: %d grants live by the log", edit, len(left))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Sweep(t.Context()); err != nil {
			t.Errorf("%s: %v", edit, err)
		}
	}
}
