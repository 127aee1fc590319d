package broker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
	"github.com/brevet-access/brevet/store/pgtest"
)

// TestSealedGuessing: whoever guesses is stopped soon, wherever from, and the
// true holder is not.
func TestSealedGuessing(t *testing.T) {
	h := newHouse(t)
	own, second := h.sheet("engineer"), h.sheet("lead")
	guess := func(addr string) brevet.Kind {
		_, _, err := h.sealed(brevet.NewSealedCode(), second[0], func(in *broker.SealedGlass) { in.Addr = addr })
		return brevet.KindOf(err)
	}
	count := func(kind brevet.EventKind) (n int) {
		for _, k := range h.events() {
			if k == kind {
				n++
			}
		}
		return n
	}
	for range 5 {
		if k := guess("198.51.100.1"); k != brevet.Denied {
			t.Fatalf("one of the first guesses: %s", k)
		}
	}
	for range 20 {
		if k := guess("198.51.100.1"); k != brevet.Unavailable {
			t.Fatalf("a guess too many: %s", k)
		}
	}
	if n := count(brevet.CodesRefused); n != 6 { // 5 that were wrong, and once that there were too many
		t.Errorf("%d refusals on record", n)
	}
	for i := range 51 { // from everywhere: more than one person may get wrong
		guess(fmt.Sprintf("203.0.113.%d", i))
	}
	for i := range 20 { // one subscriber's network is one address
		if k := guess(fmt.Sprintf("2001:db8::%d", i+1)); (k == brevet.Denied) != (i == 0) {
			t.Errorf("guess %d of a network: %s", i, k)
		}
	}
	if _, _, err := h.sealed(own[0], second[1]); err != nil {
		t.Errorf("the true holder, from an address of their own: %v", err)
	}
	h.advance(10 * time.Minute)
	if k := guess("198.51.100.1"); k != brevet.Denied {
		t.Errorf("after the window: %s", k)
	}
	in := func(in *broker.SealedGlass) { in.Addr = "198.51.100.1" }
	if _, _, err := h.sealed(own[1], second[2], in); err != nil {
		t.Errorf("the true holder, beside the one who guesses: %v", err)
	}
}

// TestSealedGuessingElsewhere: neither another replica nor a restart gives
// whoever guesses new tries.
func TestSealedGuessingElsewhere(t *testing.T) {
	t.Run("restart", func(t *testing.T) {
		h := newHouse(t)
		second := h.sheet("lead")
		guess := func() brevet.Kind {
			_, _, err := h.sealed(brevet.NewSealedCode(), second[0])
			return brevet.KindOf(err)
		}
		for range 5 {
			guess()
			h.advance(time.Second)
		}
		if err := h.restart(); err != nil {
			t.Fatal(err)
		}
		if k := guess(); k != brevet.Unavailable {
			t.Errorf("a guess too many, after a restart: %s", k)
		}
		h.advance(10*time.Minute - 5*time.Second)
		if first, next := guess(), guess(); first != brevet.Denied || next != brevet.Unavailable {
			t.Errorf("once the first is ten minutes old: %s, %s", first, next)
		}
	})
	t.Run("replica", func(t *testing.T) {
		h := newHouseOn(t, pgtest.New(t))
		second := h.sheet("lead")
		here, there := h.Broker, h.replica(t)
		denied := 0
		for i := range 10 {
			h.Broker = []*broker.Broker{here, there}[i%2]
			if _, _, err := h.sealed(brevet.NewSealedCode(), second[0]); brevet.KindOf(err) == brevet.Denied {
				denied++
			}
		}
		if denied != 5 {
			t.Errorf("%d guesses were judged", denied)
		}
	})
}

// TestAttackSealedRows: a code that was used is not good again, and another's
// hash is not put in its place, whatever becomes of the rows: what there is of
// a sheet is in the log.
func TestAttackSealedRows(t *testing.T) {
	h := newHouse(t)
	own, second := h.sheet("engineer"), h.sheet("lead")
	if _, _, err := h.sealed(own[0], second[0]); err != nil {
		t.Fatal(err)
	}
	refused := func(why, code, other string) {
		t.Helper()
		h.advance(11 * time.Minute)
		if v, _, err := h.sealed(code, other); err == nil {
			t.Errorf("%s: opened %s", why, v.ID)
		}
	}
	h.edit(`UPDATE requests SET state = 'pending'`)
	refused("a used code, its request set back", own[0], second[1])
	h.edit(`DELETE FROM signins WHERE only_request <> ''`)
	refused("a used code, its sign-in gone", own[0], second[1])
	h.edit(`UPDATE persons SET handle = 'was' WHERE handle = 'lead'`)
	h.edit(`UPDATE persons SET handle = 'lead' WHERE handle = 'engineer'`)
	h.edit(`UPDATE persons SET handle = 'engineer' WHERE handle = 'was'`)
	refused("people who changed names", second[1], own[1])
	h.edit(`UPDATE persons SET handle = 'was' WHERE handle = 'engineer'`)
	h.edit(`UPDATE persons SET handle = 'engineer' WHERE handle = 'lead'`)
	h.edit(`UPDATE persons SET handle = 'lead' WHERE handle = 'was'`)
	h.edit(`UPDATE events SET details = (SELECT details FROM events WHERE kind = 'codes.made' ORDER BY pos DESC LIMIT 1) WHERE pos = (SELECT min(pos) FROM events WHERE kind = 'codes.made')`)
	refused("a sheet whose hashes were swapped", second[1], second[2])
	refused("its own codes after that", own[1], second[2])
}

// TestAttackSealedUsedEvent: that a code was used is not taken out of the log
// and forgotten.
func TestAttackSealedUsedEvent(t *testing.T) {
	h := newHouse(t)
	own, second := h.sheet("engineer"), h.sheet("lead")
	if _, _, err := h.sealed(own[0], second[0]); err != nil {
		t.Fatal(err)
	}
	err := h.db.Update(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Entries(0, 100000)
		for _, r := range rows {
			if r.Kind == brevet.CodesUsed {
				return tx.Erase(r.Index)
			}
		}
		return err
	})
	if !errors.Is(err, brevet.Conflict) {
		t.Errorf("erasing it: %v", err)
	}
	h.edit(`DELETE FROM events WHERE kind = 'codes.used'`)
	h.db.Close()
	if db, err := store.Open(t.Context(), h.store); err == nil {
		db.Close()
		t.Error("a log without it opens")
	}
}

// TestAttackSealedSignIn: a sign-in by sealed codes is good for the emergency
// that it opened, and what else its person may do is not for it.
func TestAttackSealedSignIn(t *testing.T) {
	h := newHouse(t)
	h.groups["engineer"] = []string{"engineers", "leads", "security"}
	engineer, lead := h.login("engineer"), h.login("lead")
	h.approve(lead, h.ask(engineer, "acme-prod/SRE", 4*time.Hour).ID)
	ordinary := h.smash(engineer, "")
	own, second := h.sheet("engineer"), h.sheet("lead")
	v, token, err := h.sealed(own[0], second[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := h.WhoIs(ctx, token, ""); !errors.Is(err, brevet.Denied) {
		t.Errorf("as an ordinary sign-in: %v", err)
	}
	if e := h.last(brevet.AccessRefused); e.Data["what"] != "sign-in by sealed codes" {
		t.Errorf("on record: %+v", e)
	}
	if _, err := h.WhoIsBrowser(ctx, token, ""); !errors.Is(err, brevet.Unauthenticated) {
		t.Errorf("for the pages: %v", err)
	}
	c := h.by(token) // and even if a route forgot to ask
	pending, err := h.Ask(ctx, h.login("contractor"), broker.Ask{Target: "acme-staging/ReadOnly", Reason: "x", Duration: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"another target of theirs": func() error { _, err := h.Credential(ctx, c, broker.Want{Target: "acme-prod/SRE"}); return err },
		"what opens on use":        func() error { _, err := h.Credential(ctx, c, broker.Want{Target: "acme-staging/ReadOnly"}); return err },
		"their other emergency": func() error {
			_, err := h.Credential(ctx, c, broker.Want{Target: "acme-prod/Admin", Grant: ordinary.Grant.ID})
			return err
		},
		"asking": func() error { _, err := h.Ask(ctx, c, broker.Ask{Target: "acme-staging/SRE", Reason: "x"}); return err },
		"another emergency": func() error {
			_, err := h.BreakGlass(ctx, c, broker.BreakGlass{Target: "acme-prod/Admin", Reason: "x"})
			return err
		},
		"extending": func() error {
			_, err := h.Extend(ctx, c, broker.Extend{Grant: v.Grant.ID, Duration: time.Minute, Reason: "x"})
			return err
		},
		"deciding":               func() error { _, err := h.Decide(ctx, c, broker.Decide{ID: pending.ID, Approve: true}); return err },
		"revoking":               func() error { _, err := h.Revoke(ctx, c, ordinary.Grant.ID, "x", ""); return err },
		"dropping another grant": func() error { _, err := h.Drop(ctx, c, ordinary.Grant.ID, ""); return err },
		"a sheet":                func() error { _, err := h.NewSheet(ctx, c); return err },
		"offboarding": func() error {
			_, err := h.OffboardPerson(ctx, c, broker.OffboardPerson{Person: "lead", Reason: "x"})
			return err
		},
		"the catalog": func() error { _, err := h.Apply(ctx, c, sandboxCatalog(), 0); return err },
		"reviewing":   func() error { _, err := h.Review(ctx, c, v.Grant.ID, true, "x", ""); return err },
	} {
		if err := do(); err == nil {
			t.Errorf("%s is let through", name)
		}
	}
	if targets, err := h.Targets(ctx, c); err != nil || len(targets) != 0 {
		t.Errorf("targets: %v (%v)", targets, err)
	}
	if s, err := h.Status(ctx, c); err != nil || len(s.Active) != 1 || s.Active[0].ID != v.Grant.ID || len(s.Waiting)+len(s.Decide)+len(s.Review) != 0 {
		t.Errorf("status: %+v (%v)", s, err)
	}
	if got := h.want(c, "acme-prod/Admin", ""); got.Grant.ID != v.Grant.ID {
		t.Errorf("issued under %s", got.Grant.ID)
	}
	if _, err := h.Drop(ctx, c, v.Grant.ID, ""); err != nil {
		t.Error(err)
	}
	h.want(c, "acme-prod/Admin", brevet.Denied)
	if _, err := h.Credential(ctx, engineer, broker.Want{Target: "acme-prod/SRE"}); err != nil {
		t.Errorf("what else the person holds goes on: %v", err)
	}
}

// TestSealedSignInRow: the row of such a sign-in does not become an ordinary one.
func TestSealedSignInRow(t *testing.T) {
	h := newHouse(t)
	own, second := h.sheet("engineer"), h.sheet("lead")
	_, token, err := h.sealed(own[0], second[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range []string{
		`UPDATE signins SET only_request = '' WHERE only_request <> ''`,
		`UPDATE signins SET only_request = (SELECT id FROM requests ORDER BY id LIMIT 1), expires_at = expires_at + 3600000000 WHERE hash = (SELECT hash FROM signins ORDER BY created_at DESC LIMIT 1)`,
	} {
		h.edit(edit)
		for _, who := range []func(context.Context, string, string) (brevet.Caller, error){h.WhoIs, h.WhoIsSealed} {
			if c, err := who(t.Context(), token, ""); err == nil {
				t.Errorf("after %s it is good for %q", edit, c.SignIn.Only)
			}
		}
	}
}

// TestSealedGroupsAreNotRenewed: that a code was used says nothing new about
// somebody's groups, however often.
func TestSealedGroupsAreNotRenewed(t *testing.T) {
	h := newHouse(t)
	own := h.sheet("engineer")
	h.advance(29 * 24 * time.Hour)
	second := h.sheet("lead")
	if _, _, err := h.sealed(own[0], second[0]); err != nil {
		t.Fatal(err)
	}
	h.advance(2 * 24 * time.Hour)
	if _, _, err := h.sealed(own[1], second[1]); !errors.Is(err, brevet.Denied) && !errors.Is(err, brevet.NotFound) {
		t.Errorf("a month after the last word of the provider: %v", err)
	}
}

// TestGlassByWord: whoever is signed in is let in by the word that it is an
// emergency, too, on a proof that is good as ever; where AWS refuses that word,
// since the stack is older than the catalog, the proof is enough.
func TestGlassByWord(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	h.smash(engineer, "")
	h.want(engineer, "acme-prod/Admin", "")
	if i := h.issues[len(h.issues)-1]; i.MFA != brevet.RungBreakGlass {
		t.Errorf("issued by %q", i.MFA)
	}
	h.cloud = func(i brevet.Issue) (brevet.Credential, error) {
		if i.MFA == brevet.RungBreakGlass {
			return brevet.Credential{}, brevet.Errorf(brevet.CloudRefused, "AWS said AccessDenied")
		}
		return brevet.Credential{AccessKeyID: "ASIA0000000000000009", SecretAccessKey: "s", SessionToken: "t", Expires: h.now().Add(time.Hour)}, nil
	}
	got := h.want(engineer, "acme-prod/Admin", "")
	if got.Session.MFA != brevet.Rung5m {
		t.Errorf("with an older stack issued by %q", got.Session.MFA)
	}
	tail := []brevet.EventKind{brevet.SessionIntended, brevet.SessionEnded, brevet.SessionIntended, brevet.SessionIssued}
	if all := h.events(); !contains(all[len(all)-4:], tail) {
		t.Errorf("on record: %v", all[len(all)-4:])
	}
	own, second := h.sheet("engineer"), h.sheet("lead")
	_, token, err := h.sealed(own[0], second[0])
	if err != nil {
		t.Fatal(err)
	}
	h.want(h.by(token), "acme-prod/Admin", brevet.CloudRefused) // there is no proof to fall back on
	h.advance(61 * time.Minute)
	h.smash(engineer, brevet.StepUp)
}

// TestRestoredSheets: a restored database has forgotten which codes were used,
// so none is good any more; and a restart forgets nothing.
func TestRestoredSheets(t *testing.T) {
	h := newHouse(t)
	own, second := h.sheet("engineer"), h.sheet("lead")
	h.sheet("security")
	if err := h.VoidSheet(t.Context(), h.login("security")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.sealed(own[0], second[0]); err != nil {
		t.Fatal(err)
	}
	if err := h.restart(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.sealed(own[0], second[1]); !errors.Is(err, brevet.Denied) {
		t.Errorf("a used code after a restart: %v", err)
	}
	var token string
	_, ended := h.restored(t, func() {
		var err error
		if _, token, err = h.sealed(own[1], second[1]); err != nil {
			t.Fatal(err)
		}
	})
	if ended.Sheets != 2 {
		t.Errorf("%d sheets are void", ended.Sheets)
	}
	if _, err := h.WhoIsSealed(t.Context(), token, ""); !errors.Is(err, brevet.Unauthenticated) {
		t.Errorf("a sign-in of before: %v", err)
	}
	for i := range 4 {
		h.advance(11 * time.Minute)
		if _, _, err := h.sealed(own[i], second[i]); !errors.Is(err, brevet.Denied) {
			t.Errorf("code %d of before: %v", i, err)
		}
	}
	own, second = h.sheet("engineer"), h.sheet("lead")
	if _, _, err := h.sealed(own[0], second[0]); err != nil {
		t.Errorf("a new sheet: %v", err)
	}
}
