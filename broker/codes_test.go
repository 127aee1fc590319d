package broker_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// sheet makes a person's sheet, right after a sign-in.
func (h *house) sheet(name string) []string {
	h.t.Helper()
	s, err := h.NewSheet(context.Background(), h.login(name))
	if err != nil {
		h.t.Fatal(err)
	}
	return s.Codes
}

// sealed asks to break the glass for Admin in production with engineer's code
// and lead's, after change.
func (h *house) sealed(code, second string, change ...func(*broker.SealedGlass)) (broker.Glass, string, error) {
	h.t.Helper()
	in := broker.SealedGlass{BreakGlass: broker.BreakGlass{Target: "acme-prod/Admin", Reason: "the provider is down, and so is db-7"},
		As: "engineer", Code: code, With: "lead", WithCode: second, Addr: "192.0.2.7"}
	for _, do := range change {
		do(&in)
	}
	v, token, _, err := h.BreakGlassSealed(context.Background(), in)
	return v, token, err
}

// by is who holds a token of a sign-in by sealed codes.
func (h *house) by(token string) brevet.Caller {
	h.t.Helper()
	c, err := h.WhoIsSealed(context.Background(), token, "192.0.2.7")
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// last returns the newest event of a kind.
func (h *house) last(kind brevet.EventKind) (found brevet.Event) {
	h.t.Helper()
	err := h.db.View(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Entries(0, 100000)
		for _, r := range rows {
			if r.Kind == kind {
				if _, found, err = r.Check(); err != nil {
					return err
				}
			}
		}
		return err
	})
	if err != nil || found.Kind == "" {
		h.t.Fatalf("no %s on record (%v)", kind, err)
	}
	return found
}

// TestSealedCodes: with the provider gone for days, two codes open the role,
// for an hour and by the word that it is an emergency; everybody is told, and
// others review it.
func TestSealedCodes(t *testing.T) {
	onBoth(t, func(t *testing.T, newHouse func(testing.TB) *house) {
		h, p := newHouse(t), &pigeon{}
		h.withChannels(everything("all", p))
		own, second := h.sheet("engineer"), h.sheet("lead")
		h.down = true
		if h.since.IsZero() { // PostgreSQL's own clock goes on as it does
			h.advance(6 * 24 * time.Hour)
		}
		v, token, err := h.sealed(own[0], strings.ToUpper(strings.ReplaceAll(second[3], "-", " ")))
		if err != nil {
			t.Fatal(err)
		}
		if v.Grant == nil || !v.Grant.Live || v.Grant.End.Sub(v.Grant.Start) != time.Hour || v.Arrived != 1 {
			t.Fatalf("glass = %+v, grant %+v", v, v.Grant)
		}
		if m := p.last(t); m.Kind != brevet.BreakGlassOpened || !m.Urgent || !strings.Contains(factsOf(m), "one of engineer and one of lead") {
			t.Errorf("told %+v", m)
		}
		got := h.want(h.by(token), "acme-prod/Admin", "")
		if i := h.issues[len(h.issues)-1]; i.MFA != brevet.RungBreakGlass || i.Handle != "engineer" || got.Grant.ID != v.Grant.ID || got.Expires.After(v.Grant.End) {
			t.Errorf("issued %+v under %s", i, got.Grant.ID)
		}
		if e := h.last(brevet.BreakGlassOpened); e.Data[brevet.GlassSecondHandle] != "lead" {
			t.Errorf("the alarm names %q as the second person", e.Data)
		}
		h.down = false
		lead, security := h.login("lead"), h.login("security")
		if _, err := h.Review(t.Context(), lead, v.Grant.ID, true, "I lent a code", ""); !errors.Is(err, brevet.Denied) {
			t.Errorf("the second person reviews: %v", err)
		}
		if e, err := h.Emergency(t.Context(), security, v.Grant.ID); err != nil || len(e.Told.Approvals) != 2 || e.Told.Approvals[1].By != "lead" || e.Waits != "lead, group security (but not lead, whose code helped)" {
			t.Errorf("told %+v (%v)", e, err)
		}
		if _, err := h.Review(t.Context(), security, v.Grant.ID, true, "seen", ""); err != nil {
			t.Error(err)
		}
		if !h.since.IsZero() {
			return
		}
		h.advance(time.Hour)
		if _, err := h.WhoIsSealed(t.Context(), token, ""); !errors.Is(err, brevet.Unauthenticated) {
			t.Errorf("the sign-in outlives the emergency: %v", err)
		}
		s, err := h.Sheets(t.Context(), h.login("engineer"))
		if err != nil || s.Left != brevet.SheetSize-1 || len(s.Opens) != 1 || !s.Opens[0].Mine || len(s.Opens[0].Holders) != 1 || s.Opens[0].Holders[0] != "lead" {
			t.Errorf("sheets = %+v (%v)", s, err)
		}
		if s, err = h.Sheets(t.Context(), h.login("contractor")); err != nil || len(s.Opens) != 0 || !s.Made.IsZero() {
			t.Errorf("whom it does not concern sees %+v (%v)", s, err)
		}
	})
}

func factsOf(m brevet.Message) string {
	var b strings.Builder
	for _, f := range m.Facts {
		b.WriteString(f.Value + "\n")
	}
	return b.String()
}

// TestSealedCodesAlike: whatever is wrong with a pair of codes, the answer is
// the same, nothing is used up, and it is on record.
func TestSealedCodesAlike(t *testing.T) {
	h := newHouse(t)
	own, second, other := h.sheet("engineer"), h.sheet("lead"), h.sheet("security")
	h.login("contractor") // known, without a sheet
	unknown := func(in *broker.SealedGlass) { in.As = "nobody-at-all" }
	good := brevet.FormatSealedCode(brevet.NewSealedCode())
	var said string
	for name, try := range map[string]func() error{
		"a wrong code of one's own": func() error { _, _, err := h.sealed(good, second[0]); return err },
		"a wrong second code":       func() error { _, _, err := h.sealed(own[0], good); return err },
		"both wrong":                func() error { _, _, err := h.sealed(good, good); return err },
		"nobody of that name":       func() error { _, _, err := h.sealed(own[0], second[0], unknown); return err },
		"somebody without a sheet": func() error {
			_, _, err := h.sealed(own[0], second[0], func(in *broker.SealedGlass) { in.With = "contractor" })
			return err
		},
		"the codes the other way round": func() error { _, _, err := h.sealed(second[0], own[0]); return err },
		"both of one person":            func() error { _, _, err := h.sealed(own[0], own[1]); return err },
		"another's code":                func() error { _, _, err := h.sealed(own[0], other[0]); return err },
	} {
		h.advance(11 * time.Minute)
		before := len(h.events())
		err := try()
		if !errors.Is(err, brevet.Denied) {
			t.Fatalf("%s: %v", name, err)
		}
		if text := err.Error() + brevet.AsError(err).Hint; said == "" {
			said = text
		} else if said != text {
			t.Errorf("%s: %q, not %q", name, text, said)
		}
		if got := h.events(); len(got) != before+1 || got[before] != brevet.CodesRefused {
			t.Errorf("%s: on record is %v", name, got[before:])
		}
	}
	if _, _, err := h.sealed(own[0], own[0], func(in *broker.SealedGlass) { in.With = "Engineer" }); !errors.Is(err, brevet.Invalid) {
		t.Errorf("one person twice: %v", err)
	}
	if _, _, err := h.sealed(own[0], second[0][:18]+"x"); !errors.Is(err, brevet.Invalid) {
		t.Errorf("a typing error: %v", err)
	}
	if _, _, err := h.sealed(own[0], second[0]); err != nil {
		t.Errorf("after all that the codes are still good: %v", err)
	}
}

// TestSealedCodesOnce: a code opens one thing, however often and however many
// at once it is sent.
func TestSealedCodesOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, newHouse func(testing.TB) *house) {
		h := newHouse(t)
		own, second := h.sheet("engineer"), h.sheet("lead")
		var all sync.WaitGroup
		var mu sync.Mutex
		opened := 0
		for i := range 4 { // fewer than what one address may get wrong
			all.Go(func() {
				if _, _, err := h.sealed(own[i%2], second[0]); err == nil {
					mu.Lock()
					opened++
					mu.Unlock()
				} else if !errors.Is(err, brevet.Denied) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if opened != 1 {
			t.Errorf("one code opened %d emergencies", opened)
		}
		used := 0
		for _, k := range h.events() {
			if k == brevet.CodesUsed {
				used++
			}
		}
		if used != 2 {
			t.Errorf("%d codes on record as used", used)
		}
	})
}

// TestSealedCodesRefused: two right codes open no more than the catalog says,
// the refusal explains itself and is on record, and uses nothing up.
func TestSealedCodesRefused(t *testing.T) {
	h := newHouse(t)
	own, second, security, contractor := h.sheet("engineer"), h.sheet("lead"), h.sheet("security"), h.sheet("contractor")
	for name, try := range map[string]struct {
		code, second string
		change       func(*broker.SealedGlass)
		kind         brevet.Kind
		says         string
	}{
		"a second person who is not named": {own[0], security[0], func(in *broker.SealedGlass) { in.With = "security" }, brevet.Denied, "a second code of lead"},
		"somebody who may not":             {contractor[0], second[0], func(in *broker.SealedGlass) { in.As = "contractor" }, brevet.Denied, "group engineers"},
		"a role without emergencies":       {own[0], second[0], func(in *broker.SealedGlass) { in.Target = "acme-prod/SRE" }, brevet.Denied, "break_glass.codes"},
		"no such target":                   {own[0], second[0], func(in *broker.SealedGlass) { in.Target = "globex-prod/Admin" }, brevet.NotFound, ""},
		"too long":                         {own[0], second[0], func(in *broker.SealedGlass) { in.Duration = 61 * time.Minute }, brevet.Denied, "1h"},
	} {
		_, _, err := h.sealed(try.code, try.second, try.change)
		if brevet.KindOf(err) != try.kind {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text := ""
		for _, u := range brevet.AsError(err).Unmet {
			text += u.Condition + u.Have
		}
		if !strings.Contains(text, try.says) {
			t.Errorf("%s is explained by %q", name, text)
		}
	}
	if e := h.last(brevet.AccessRefused); e.Data["what"] != "break-glass" {
		t.Errorf("on record: %+v", e)
	}
	h.rule("emergency: true, ", "", ", codes: [lead]", "") // no role admits the word any more
	if _, _, err := h.sealed(own[0], second[0]); !errors.Is(err, brevet.Denied) {
		t.Errorf("without emergency: %v", err)
	}
	h.rules(sandboxCatalog())
	if _, _, err := h.sealed(own[0], second[0]); err != nil {
		t.Errorf("the codes were used up by what was refused: %v", err)
	}
}

// TestSealedCodesEnd: a new sheet ends the old one, a void one opens nothing,
// nor does that of whoever was offboarded, on either side, or of whom no
// provider has spoken for long.
func TestSealedCodesEnd(t *testing.T) {
	h := newHouse(t)
	own, second := h.sheet("engineer"), h.sheet("lead")
	refused := func(why, code, other string) {
		t.Helper()
		h.advance(11 * time.Minute)
		if _, _, err := h.sealed(code, other); !errors.Is(err, brevet.Denied) {
			t.Errorf("%s: %v", why, err)
		}
	}
	old := own
	own = h.sheet("engineer")
	refused("an old sheet", old[0], second[0])
	if err := h.VoidSheet(t.Context(), h.login("lead")); err != nil {
		t.Fatal(err)
	}
	refused("a void sheet", own[0], second[0])
	if err := h.VoidSheet(t.Context(), h.login("lead")); !errors.Is(err, brevet.NotFound) {
		t.Errorf("void twice: %v", err)
	}
	second = h.sheet("lead")
	h.down = true
	h.advance(31 * 24 * time.Hour)
	refused("groups of a month ago", own[0], second[0])
	h.down = false
	h.login("engineer")
	if _, _, err := h.sealed(own[0], second[0]); err != nil {
		t.Fatalf("named by handle, of whom nobody spoke for long: %v", err)
	}
	security := h.login("security")
	if _, err := h.OffboardPerson(t.Context(), security, broker.OffboardPerson{Person: "lead", Reason: "left"}); err != nil {
		t.Fatal(err)
	}
	refused("an offboarded second", own[1], second[1])
	if _, err := h.OffboardPerson(t.Context(), security, broker.OffboardPerson{Person: "engineer", Reason: "left"}); err != nil {
		t.Fatal(err)
	}
	refused("an offboarded requester", own[1], second[1])
}

// TestNewSheetNeedsProof: a sheet is worth more than the sign-in that makes it.
func TestNewSheetNeedsProof(t *testing.T) {
	h := newHouse(t)
	engineer := h.login("engineer")
	h.advance(16 * time.Minute)
	if _, err := h.NewSheet(t.Context(), engineer); !errors.Is(err, brevet.StepUp) {
		t.Errorf("on a proof 16 minutes old: %v", err)
	}
	h.mfa = false
	if _, err := h.NewSheet(t.Context(), h.login("engineer")); !errors.Is(err, brevet.StepUp) {
		t.Errorf("on none: %v", err)
	}
}
