package broker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/store"
)

// pigeon is a notifier that keeps what it was given and answers what the test
// says.
type pigeon struct {
	mu     sync.Mutex
	got    []brevet.Message
	answer func(n int, m brevet.Message) (string, error)
}

func (p *pigeon) Notify(_ context.Context, m brevet.Message) (string, error) {
	p.mu.Lock()
	p.got = append(p.got, m)
	n, answer := len(p.got), p.answer
	p.mu.Unlock()
	if answer != nil {
		return answer(n, m)
	}
	return "receipt of " + string(m.ID), nil
}

// kinds lists what came, in order.
func (p *pigeon) kinds() (out []brevet.EventKind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.got {
		out = append(out, m.Kind)
	}
	return out
}

func (p *pigeon) last(t *testing.T) brevet.Message {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got) == 0 {
		t.Fatal("no message came")
	}
	return p.got[len(p.got)-1]
}

// withChannels gives the house's broker channels, as a restart would.
func (h *house) withChannels(channels ...broker.Channel) {
	h.t.Helper()
	c := h.Broker.Config
	c.URL, c.Channels = "https://brevet.test", channels
	h.Broker = broker.New(c)
	if _, err := h.Propose(context.Background(), brevet.Actor{System: "test"}, sandboxCatalog()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) deliver() {
	h.t.Helper()
	if err := h.DeliverDue(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

func everything(name string, p *pigeon) broker.Channel {
	return broker.Channel{Name: name, Kind: "test", Notifier: p, All: true, Topics: broker.Topics}
}

// acme is the customer of the sandbox's catalog.
func (h *house) acme() brevet.CustomerID { return h.Catalog().Customers[0].ID }

func (h *house) letters(f store.LetterFilter) (out []store.Letter) {
	h.t.Helper()
	err := h.db.View(context.Background(), func(tx *store.Tx) (err error) {
		out, err = tx.Letters(f)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// TestOneMessagePerRequestAndSession follows a request on both databases: it
// is told once, what became of it once, and the privileged session once,
// however often its credential is renewed.
func TestOneMessagePerRequestAndSession(t *testing.T) {
	onBoth(t, func(t *testing.T, newHouse func(testing.TB) *house) {
		h, p := newHouse(t), &pigeon{}
		h.withChannels(everything("all", p))
		engineer, lead := h.login("engineer"), h.login("lead")
		r := h.ask(engineer, "acme-prod/Admin", 2*time.Hour)
		h.deliver()
		m := p.last(t)
		if m.Choice == nil || m.Choice.Request != r.ID || m.Choice.Digest != r.Digest() || m.Link != "https://brevet.test/requests/"+string(r.ID) || m.Urgent || m.First != "" {
			t.Errorf("message = %+v", m)
		}
		if m.Title != "engineer asks for acme-prod/Admin for 2h" || !slices.Contains(m.Facts, brevet.Fact{Name: "reason", Value: "restore db-7"}) {
			t.Errorf("it says %q, %v", m.Title, m.Facts)
		}
		first := "receipt of " + string(m.ID)
		h.approve(lead, r.ID)
		h.deliver()
		if m = p.last(t); m.Kind != brevet.RequestApproved || m.First != first || !m.Amends || m.Choice != nil || !strings.HasPrefix(m.Title, "approved by lead: engineer asks") {
			t.Errorf("update = %+v", m)
		}
		for range 3 {
			h.want(engineer, "acme-prod/Admin", "")
			h.deliver()
		}
		h.want(engineer, "acme-staging/ReadOnly", "") // automatic, opened at first use, not privileged
		h.deliver()
		want := []brevet.EventKind{brevet.RequestCreated, brevet.RequestApproved, brevet.SessionIssued}
		if got := p.kinds(); !slices.Equal(got, want) {
			t.Errorf("messages = %v, want %v", got, want)
		}
		if m = p.last(t); m.Title != "engineer entered acme-prod/Admin" || m.First != first || m.Amends {
			t.Errorf("session = %+v", m)
		}
	})
}

// TestErrandsAreQuiet: that brevet looks whether a privileged grant is cut off,
// as the role itself, is no news.
func TestErrandsAreQuiet(t *testing.T) {
	h, p := newHouse(t), &pigeon{}
	h.withChannels(everything("all", p))
	engineer, lead, security := h.login("engineer"), h.login("lead"), h.login("security")
	got := h.granted(engineer, lead, "acme-prod/Admin")
	h.deliver()
	before := p.kinds()
	act := h.revokeAll(security, broker.RevokeAll{Grant: got.Grant.ID})
	h.CarryOut(t.Context())
	h.deliver()
	if v := h.one(security, act.ID); v.State != brevet.RevokeConfirmed {
		t.Fatalf("%+v", v)
	}
	h.errandsAreWhatTheySay(got.Grant.ID)
	if after := p.kinds(); len(after) != len(before) {
		t.Errorf("a revocation told %v", after[len(before):])
	}
}

// TestOffboardedAreNamed: what is told of somebody who was just offboarded
// names them, and not as a row that somebody edited does.
func TestOffboardedAreNamed(t *testing.T) {
	for edit, want := range map[string]string{
		"": "lapsed: engineer asks for acme-prod/SRE for 1h",
		`UPDATE persons SET handle = 'x.' || handle`: "lapsed: pr_",
	} {
		h, p := newHouse(t), &pigeon{}
		h.withChannels(everything("all", p))
		h.ask(h.login("engineer"), "acme-prod/SRE", time.Hour)
		h.deliver()
		if _, err := h.OffboardPerson(t.Context(), h.login("security"), broker.OffboardPerson{Person: "engineer", Reason: "left"}); err != nil {
			t.Fatal(err)
		}
		if edit != "" {
			h.edit(edit)
		}
		h.deliver()
		if m := p.last(t); m.Kind != brevet.RequestLapsed || !strings.HasPrefix(m.Title, want) {
			t.Errorf("after %q: %s, %q", edit, m.Kind, m.Title)
		}
	}
}

// TestWallOfChannels sends what happens at one customer past the channels of
// others (law 13); rows that somebody moved go nowhere.
func TestWallOfChannels(t *testing.T) {
	h, own, other, installation := newHouse(t), &pigeon{}, &pigeon{}, &pigeon{}
	stranger := brevet.NewID[brevet.CustomerID](h.now())
	h.withChannels(
		broker.Channel{Name: "own", Notifier: own, Customers: []brevet.CustomerID{h.acme()}, Topics: broker.Topics},
		broker.Channel{Name: "other", Notifier: other, Customers: []brevet.CustomerID{stranger}, Topics: broker.Topics},
		broker.Channel{Name: "installation", Notifier: installation, All: true, Topics: []broker.Topic{broker.TopicUrgent}})
	engineer := h.login("engineer")
	h.ask(engineer, "acme-prod/Admin", time.Hour)
	err := h.db.Update(t.Context(), func(tx *store.Tx) error { // of the installation, so of no customer's
		_, err := tx.Record(brevet.Event{Kind: brevet.CatalogProposed, Data: map[string]string{"version": "7", "diff": "the price of birch"}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.edit(`UPDATE outbox SET channel = 'other' WHERE channel = 'installation'`)
	h.edit(`INSERT INTO outbox SELECT 'msg_copy', 'other', customer_id, about, kind, urgent, leaf, created_at, state, due_at, tries, tried_at, done_at, receipt, problem FROM outbox WHERE channel = 'own'`)
	h.edit(`INSERT INTO outbox SELECT 'msg_lie', 'other', '` + string(stranger) + `', about, kind, urgent, leaf, created_at, state, due_at, tries, tried_at, done_at, receipt, problem FROM outbox WHERE channel = 'own'`)
	h.deliver()
	if got := own.kinds(); !slices.Equal(got, []brevet.EventKind{brevet.RequestCreated}) {
		t.Errorf("the customer's own channel got %v", got)
	}
	if got := append(other.kinds(), installation.kinds()...); len(got) > 0 {
		t.Errorf("others got %v", got)
	}
	for _, l := range h.letters(store.LetterFilter{Channel: "other"}) {
		if l.State != store.LetterFailed {
			t.Errorf("letter %s is %s", l.ID, l.State)
		}
	}
	if n := len(h.letters(store.LetterFilter{Channel: "other"})); n != 3 {
		t.Errorf("%d letters were moved, want 3", n)
	}
}

// TestRetries fails a letter until it is given up: ten tries, never earlier
// than the schedule says and never more than a tenth later, under one id.
func TestRetries(t *testing.T) {
	h, p := newHouse(t), &pigeon{}
	p.answer = func(int, brevet.Message) (string, error) { return "", errors.New("503 from the other side") }
	h.withChannels(everything("all", p))
	h.ask(h.login("engineer"), "acme-prod/Admin", time.Hour)
	waits := []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}
	h.deliver()
	for i, wait := range waits {
		l := h.letters(store.LetterFilter{})[0]
		if d := l.Due.Sub(h.now()); d < wait || d > wait+wait/10+1 || l.State != store.LetterWaiting || l.Problem != "503 from the other side" {
			t.Fatalf("after try %d it is %s, due in %s, because of %q; want from %s on", i+1, l.State, d, l.Problem, wait)
		}
		h.advance(l.Due.Sub(h.now()) - time.Second)
		h.deliver()
		if n := len(p.kinds()); n != i+1 {
			t.Fatalf("try %d came early", n)
		}
		h.advance(time.Second)
		h.deliver()
	}
	h.advance(100 * 24 * time.Hour)
	h.deliver()
	if n := len(p.kinds()); n != 10 {
		t.Errorf("%d tries", n)
	}
	for i, m := range p.got {
		if m.ID != p.got[0].ID || m.Again != (i > 0) {
			t.Errorf("try %d: id %s, again %v", i+1, m.ID, m.Again)
		}
	}
	if l := h.letters(store.LetterFilter{})[0]; l.State != store.LetterFailed || l.Tries != 10 {
		t.Errorf("letter = %+v", l)
	}
	if got := h.events(); got[len(got)-1] != brevet.MessageLost {
		t.Errorf("the loss is not on record: %v", got[len(got)-1])
	}
}

// TestRetryAfter waits as long as the medium wants, and gives up at once
// where no other try helps.
func TestRetryAfter(t *testing.T) {
	h, p := newHouse(t), &pigeon{}
	why := &brevet.Undelivered{Err: errors.New("slow down"), After: time.Hour}
	p.answer = func(int, brevet.Message) (string, error) { return "", why }
	h.withChannels(everything("all", p))
	h.ask(h.login("engineer"), "acme-prod/Admin", time.Hour)
	h.deliver()
	if l := h.letters(store.LetterFilter{})[0]; l.Due.Before(h.now().Add(time.Hour)) {
		t.Errorf("due %s", l.Due)
	}
	h.advance(2 * time.Hour)
	why = &brevet.Undelivered{Err: errors.New("no such room"), Final: true}
	h.deliver()
	if l := h.letters(store.LetterFilter{})[0]; l.State != store.LetterFailed || l.Tries != 2 {
		t.Errorf("letter = %+v", l)
	}
}

// TestGone stops what is not urgent where the receiver answered that it wants
// nothing more; what is urgent is tried all the same, and if it arrives the
// channel works again.
func TestGone(t *testing.T) {
	h, p := newHouse(t), &pigeon{}
	gone := true
	p.answer = func(int, brevet.Message) (string, error) {
		if gone {
			return "", &brevet.Undelivered{Err: errors.New("410"), Gone: true}
		}
		return "", nil
	}
	h.withChannels(everything("all", p))
	engineer := h.login("engineer")
	urgent := func() {
		t.Helper()
		if err := h.db.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Record(brevet.Event{Kind: "catalog.proposed", Data: map[string]string{"version": "9"}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		h.advance(time.Second)
		h.deliver()
	}
	ask := func(want int) {
		t.Helper()
		h.ask(engineer, "acme-prod/SRE", time.Hour)
		h.advance(time.Second)
		h.deliver()
		if n := len(p.kinds()); n != want {
			t.Fatalf("%d messages, want %d", n, want)
		}
	}
	ask(1)
	ask(1)
	urgent()
	ask(2)
	gone = false
	urgent()
	ask(4)
}

// TestCrashBetweenSendAndMark dies after the medium took a message and before
// that was on record: the message comes again, with the same id and saying so,
// and only once the lost try counts as lost.
func TestCrashBetweenSendAndMark(t *testing.T) {
	h, p := newHouse(t), &pigeon{}
	ctx, crash := context.WithCancel(context.Background())
	p.answer = func(n int, _ brevet.Message) (string, error) {
		if n == 1 {
			crash()
			return "", ctx.Err()
		}
		return "", nil
	}
	h.withChannels(everything("all", p))
	h.ask(h.login("engineer"), "acme-prod/Admin", time.Hour)
	_ = h.DeliverDue(ctx)
	h.withChannels(everything("all", p)) // another process
	h.deliver()
	if n := len(p.kinds()); n != 1 {
		t.Fatalf("%d tries: the first may still be under way elsewhere", n)
	}
	h.advance(2 * time.Minute)
	h.deliver()
	h.advance(48 * time.Hour)
	h.deliver()
	if len(p.got) != 2 || p.got[1].ID != p.got[0].ID || p.got[0].Again || !p.got[1].Again {
		t.Errorf("tries = %+v", p.got)
	}
}

// TestNothingIsToldOfWhatDidNotHappen rolls a transaction back: no letter is
// left. And what was recorded beside it is told.
func TestNothingIsToldOfWhatDidNotHappen(t *testing.T) {
	onBoth(t, func(t *testing.T, newHouse func(testing.TB) *house) {
		h, p := newHouse(t), &pigeon{}
		h.withChannels(everything("all", p))
		boom := errors.New("boom")
		e := brevet.Event{Kind: "breakglass.opened", Customer: h.acme(), Grant: "gr_1"}
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				err := h.db.Update(context.Background(), func(tx *store.Tx) error {
					if _, err := tx.Record(e); err != nil || i%2 == 0 {
						return errors.Join(err, boom)
					}
					return nil
				})
				if (err != nil) != (i%2 == 0) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		h.deliver()
		if n := len(p.kinds()); n != 20 {
			t.Errorf("%d messages of 20 events", n)
		}
	})
}

// TestShout returns when all urgent letters were tried, and no later than it
// may where a channel hangs.
func TestShout(t *testing.T) {
	h, good, bad := newHouse(t), &pigeon{}, &pigeon{}
	bad.answer = func(int, brevet.Message) (string, error) { return "", errors.New("dead") }
	h.withChannels(everything("good", good), everything("bad", bad))
	open := func(about string) {
		t.Helper()
		err := h.db.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Record(brevet.Event{Kind: "breakglass.opened", Customer: h.acme(), Grant: brevet.GrantID(about)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	open("gr_1")
	if arrived, tried := h.Shout(t.Context(), "gr_1", time.Hour); arrived != 1 || tried != 2 {
		t.Errorf("arrived %d of %d", arrived, tried)
	}
	hang := make(chan struct{})
	defer close(hang)
	bad.answer = func(int, brevet.Message) (string, error) { <-hang; return "", nil }
	open("gr_2")
	if arrived, tried := h.Shout(t.Context(), "gr_2", 200*time.Millisecond); arrived != 1 || tried != 1 {
		t.Errorf("arrived %d of %d beside a channel that hangs", arrived, tried)
	}
	if arrived, tried := h.Shout(t.Context(), "gr_none", time.Hour); arrived != 0 || tried != 0 {
		t.Errorf("of nothing arrived %d of %d", arrived, tried)
	}
}
