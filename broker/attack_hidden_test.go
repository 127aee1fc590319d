package broker_test

import (
	"database/sql"
	"testing"

	"github.com/brevet-access/brevet/broker"
)

// TestAttackHiddenGrant edits the row of a grant so that nobody finds it by
// its person, its account or its being alive, and then revokes or offboards:
// what is out under it is cut off all the same, and a neighbour's is not,
// though its row says that it is theirs.
func TestAttackHiddenGrant(t *testing.T) {
	edits := map[string]string{
		"person":        `UPDATE grants SET person_id = (SELECT person_id FROM grants WHERE id = ?2) WHERE id = ?1`,
		"state and end": `UPDATE grants SET state = 'ended', end_at = 1 WHERE id = ?1`,
		"account":       `UPDATE grants SET account = '999999999999', customer_id = 'cu_x' WHERE id = ?1`,
		"gone":          `DELETE FROM grants WHERE id = ?1`,
		"neighbour":     `UPDATE grants SET person_id = (SELECT person_id FROM grants WHERE id = ?1) WHERE id = ?2`,
	}
	for name, edit := range edits {
		for _, act := range []string{"person", "account", "offboard"} {
			t.Run(name+" "+act, func(t *testing.T) {
				h := newHouse(t)
				engineer, security := h.login("engineer"), h.login("security")
				target := h.granted(engineer, h.login("lead"), "acme-prod/ReadOnly").Grant.ID
				neighbour := h.want(h.login("contractor"), "acme-staging/ReadOnly", "").Grant.ID
				db, err := sql.Open("sqlite", "file:"+h.path+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(0)")
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				if _, err := db.Exec(edit, target, neighbour); err != nil {
					t.Fatal(err)
				}
				switch act {
				case "person":
					h.revokeAll(security, broker.RevokeAll{Person: "engineer"})
				case "account":
					h.revokeAll(security, broker.RevokeAll{Account: "acme-prod"})
				default:
					if _, err := h.OffboardPerson(t.Context(), security, broker.OffboardPerson{Person: "engineer", Reason: "left"}); err != nil {
						t.Fatal(err)
					}
				}
				h.CarryOut(t.Context())
				if !h.killed[target] || h.killed[neighbour] {
					t.Errorf("cut off: %t, the neighbour: %t", h.killed[target], h.killed[neighbour])
				}
				if _, err := h.Credential(t.Context(), engineer, broker.Want{Target: "acme-prod/ReadOnly"}); err == nil {
					t.Error("it gives access still")
				}
			})
		}
	}
}
