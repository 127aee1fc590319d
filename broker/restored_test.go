package broker_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// restored takes a backup of the house after before, lets after happen, and
// moves the house into what was restored from the backup.
func (h *house) restored(t *testing.T, after func()) (store.Restored, broker.Ended) {
	t.Helper()
	var file bytes.Buffer
	if _, err := store.WriteBackup(t.Context(), h.store, &file, store.Backup{}); err != nil {
		t.Fatal(err)
	}
	after()
	seen, err := h.db.Checkpoint(h.db.Head())
	if err != nil {
		t.Fatal(err)
	}
	fresh := newHouse(t)
	if err := fresh.db.Close(); err != nil {
		t.Fatal(err)
	}
	h.path = fresh.path + ".restored"
	h.store.URL = "sqlite:" + h.path
	var ended broker.Ended
	out, err := store.Restore(t.Context(), h.store, store.Restoring{Archive: bytes.NewReader(file.Bytes()), Seen: [][]byte{seen.Note}, End: func(tx *store.Tx) (err error) {
		ended, err = broker.EndRestored(tx)
		return err
	}})
	if err != nil {
		t.Fatalf("%v (%v)", err, brevet.AsError(err).Cause)
	}
	if err := h.restart(); err != nil {
		t.Fatalf("%v (%v)", err, brevet.AsError(err).Cause)
	}
	return out, ended
}

// TestRestoredEndsAll: whatever lived when the backup was made is over, and
// what became of it afterwards does not come back. People and what is over
// stay, and work goes on.
func TestRestoredEndsAll(t *testing.T) {
	h := newHouse(t)
	token, engineer := h.token("engineer")
	lead, security := h.login("lead"), h.login("security")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", 4*time.Hour).ID)
	used := h.want(engineer, "acme-prod/SRE", "")
	h.approve(lead, h.ask(engineer, "acme-prod/Data", time.Hour).ID)
	pending := h.ask(engineer, "acme-prod/DevOps", time.Hour)
	denied := h.ask(engineer, "acme-prod/Security", time.Hour)
	h.want(engineer, "acme-staging/ReadOnly", "")
	var lateRequest brevet.RequestID
	out, ended := h.restored(t, func() {
		if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: denied.ID}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Revoke(t.Context(), security, used.Grant.ID, "incident", ""); err != nil {
			t.Fatal(err)
		}
		lateRequest = h.ask(engineer, "acme-prod/Admin", time.Hour).ID
	})
	if lost, known := out.Lost(); lost == 0 || !known {
		t.Errorf("lost %d, %t", lost, known)
	}
	if ended.Grants != 3 || ended.Requests != 2 || ended.SignIns != 3 || ended.Sessions != 2 || !ended.Until.Equal(used.Expires) {
		t.Errorf("%+v; a credential was out until %s", ended, used.Expires)
	}
	if n := len(h.db.OpenRevocations()); n != 3 {
		t.Errorf("%d revocations are under way", n)
	}
	if _, err := h.WhoIs(t.Context(), token, ""); !errors.Is(err, brevet.Unauthenticated) {
		t.Errorf("the sign-in of before: %v", err)
	}
	again := h.login("engineer")
	if again.Person.ID != engineer.Person.ID {
		t.Error("somebody else signed in")
	}
	h.want(again, "acme-prod/SRE", brevet.NoGrant)
	h.want(again, "acme-prod/Data", brevet.NoGrant)
	lead = h.login("lead")
	for _, id := range []brevet.RequestID{pending.ID, denied.ID, lateRequest} {
		if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: id, Approve: true}); err == nil {
			t.Errorf("request %s of before was approved", id)
		}
	}
	h.approve(lead, h.ask(again, "acme-prod/SRE", time.Hour).ID)
	h.want(again, "acme-prod/SRE", "")
}

// TestAttackRestoredRows: rows set back to what they were do not bring
// anything back, and a customer that left before the backup stays out.
func TestAttackRestoredRows(t *testing.T) {
	h := newHouse(t)
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", 4*time.Hour).ID)
	h.want(engineer, "acme-prod/SRE", "")
	h.edit(`UPDATE grants SET state = 'ended', closed_at = 1 WHERE role = 'SRE'`) // so that no row says that there is one to end
	h.restored(t, func() {})
	h.edit(`UPDATE grants SET state = 'active', closed_at = 0`)
	h.edit(`UPDATE signins SET ended_at = 0`)
	h.want(h.login("engineer"), "acme-prod/SRE", brevet.Internal)

	h = newHouse(t)
	who := leftBehind(t, h)
	h.restored(t, func() {})
	for name := range who {
		who[name] = h.login(name)
	}
	h.edit(`UPDATE grants SET state = 'active', closed_at = 0`)
	assertShut(t, h, who, "restored")
}
