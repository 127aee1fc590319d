package broker

import (
	"context"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// message puts together what a letter says. The event is read back and proven
// to be in the log, and the channel must serve its customer: a row that
// somebody wrote or moved to another channel tells nobody anything (laws 11
// and 13).
func (b *Broker) message(ctx context.Context, ch *Channel, l store.Letter) (m brevet.Message, err error) {
	err = b.look(ctx, func(tx *store.Tx) error {
		e, err := tx.Proven(l.Leaf)
		if err != nil {
			return err
		}
		t, known := topics[e.Kind]
		if !known || e.Kind != l.Kind || e.Customer != l.Customer || aboutOf(e) != l.About || !ch.wants(e, t) {
			return disagree("letter", string(l.ID))
		}
		m = brevet.Message{ID: l.ID, Kind: e.Kind, Time: e.Time, Urgent: t == TopicUrgent, Customer: e.Customer, About: l.About, Again: l.Tries > 1, Event: e}
		m.Amends = t == TopicOutcome && strings.HasPrefix(string(e.Kind), "request.") // an alarm stays as it was sounded
		if l.About != "" {
			if m.First, err = tx.FirstReceipt(ch.Name, l.About); err != nil {
				return err
			}
		}
		return b.word(tx, &m)
	})
	if k := brevet.KindOf(err); k == brevet.Internal || k == brevet.NotFound {
		b.Log.ErrorContext(ctx, "a letter is not sent: what it is about is not in the log as it says", "channel", ch.Name, "message", l.ID, "err", err)
		return m, &brevet.Undelivered{Err: brevet.Errorf(brevet.Internal, "the record and the log disagree, or the details were erased"), Final: true}
	}
	return m, err
}

// word writes title, facts and link of a message.
func (b *Broker) word(tx *store.Tx, m *brevet.Message) error {
	e := m.Event
	w := wording{b: b, tx: tx, m: m, target: b.eventTarget(e)}
	if e.Request != "" {
		r, err := tx.Request(e.Request)
		if err != nil && brevet.KindOf(err) != brevet.NotFound {
			return err
		}
		if err == nil && (e.Digest == "" || e.Digest == r.Digest()) && r.Customer == e.Customer {
			w.request = r
		}
		m.Link = b.URL + "/requests/" + string(e.Request)
	}
	switch e.Kind {
	case brevet.BreakGlassOpened, brevet.BreakGlassReminded, brevet.BreakGlassReviewed:
		m.Link = b.URL + "/reviews/" + string(e.Grant)
	}
	w.who = w.handle(e.Person)
	switch topics[e.Kind] {
	case TopicRequest, TopicOutcome:
		w.requested()
	case TopicSession:
		w.session()
	case TopicEnding:
		w.ending()
	default:
		w.urgent()
	}
	return nil
}

// wording is one message on its way to being worded.
type wording struct {
	b       *Broker
	tx      *store.Tx
	m       *brevet.Message
	request brevet.Request // zero where the event has none, or another
	who     string
	target  string
}

func (w *wording) fact(name, value string) {
	if value != "" {
		w.m.Facts = append(w.m.Facts, brevet.Fact{Name: name, Value: value})
	}
}

// handle names a person as the log does, also one who was offboarded since.
func (w *wording) handle(id brevet.PersonID) string {
	e := w.m.Event
	if id == "" || id == e.Actor.Person && e.Actor.Handle != "" {
		return e.Actor.String()
	}
	p, err := w.tx.Person(id)
	if err != nil || !called(w.tx, p) {
		return string(id)
	}
	return string(p.Handle)
}

func (b *Broker) eventTarget(e brevet.Event) string {
	if e.Account == "" {
		return ""
	}
	name := string(e.Account)
	if a, ok := b.Catalog().AccountByID(e.Account); ok && a.Customer == e.Customer {
		name = a.Name
	}
	return brevet.Target{Account: name, Role: e.Role}.String()
}

func clockTime(t time.Time) string { return t.UTC().Format("2 Jan 15:04 UTC") }

// requested words what concerns a request.
func (w *wording) requested() {
	e, r := w.m.Event, w.request
	asks := w.who + " asks for " + w.target
	if r.Duration > 0 {
		asks += " for " + brevet.FormatDuration(r.Duration)
	}
	by := e.Actor.String()
	switch e.Kind {
	case brevet.RequestCreated:
		w.m.Title = asks
	case brevet.RequestReminded:
		w.m.Title = "still waiting: " + asks
	case brevet.RequestEscalated:
		w.m.Title = "others may decide now: " + asks
	case brevet.RequestDecided:
		w.m.Title = by + " said yes, more are needed: " + asks
	case brevet.RequestApproved:
		w.m.Title = "approved by " + by + ": " + asks
	case brevet.RequestDenied:
		w.m.Title = "denied by " + by + ": " + asks
	case brevet.RequestWithdrawn:
		w.m.Title = "withdrawn: " + asks
	case brevet.RequestLapsed:
		w.m.Title = "lapsed: " + asks
	case brevet.CatalogConfirmed:
		w.catalog()
		return
	case brevet.CodesMade, brevet.CodesVoided:
		w.m.Title = w.who + " made a new sheet of sealed codes for emergencies"
		if e.Kind == brevet.CodesVoided {
			w.m.Title = "the sheet of sealed codes of " + w.who + " is void"
		}
		w.fact("reason", e.Reason)
		w.fact("from", e.Actor.Addr)
		return
	case brevet.BreakGlassReviewed:
		w.m.Title = "reviewed by " + by + ": the break-glass of " + w.who + " in " + w.target
	default:
		w.m.Title = strings.ReplaceAll(string(e.Kind), ".", " ") + ": " + w.target + " of " + w.who
	}
	w.fact("customer", w.b.customerName(e.Customer))
	w.fact("reason", orElse(r.Reason, e.Reason))
	w.fact("ticket", r.Ticket)
	w.fact("narrowed to", r.SessionPolicy)
	w.fact("risk", w.risk())
	w.fact("verdict", e.Data["verdict"])
	w.fact("to review", e.Data["review"])
	if e.Kind != brevet.RequestCreated {
		w.fact("comment", e.Reason)
	}
	waits := r.State == brevet.Pending && (topics[e.Kind] == TopicRequest || e.Kind == brevet.RequestDecided)
	if waits {
		w.fact("waits for", orElse(e.Data["waits_for"], r.Rule.String()))
		w.fact("lapses", clockTime(r.Lapses))
		w.m.Choice = &brevet.Choice{Request: r.ID, Digest: r.Digest()}
	}
}

// risk says in a few words what is at stake.
func (w *wording) risk() string {
	e := w.m.Event
	var why []string
	if a, ok := w.b.Catalog().AccountByID(e.Account); ok && a.Customer == e.Customer && a.Env != "" {
		why = append(why, a.Env)
	}
	if role, ok := w.b.Catalog().Role(e.Account, e.Role); ok {
		if privilegedRole(role) {
			why = append(why, "privileged role (MFA at most "+string(role.MFA)+" old)")
		}
		if role.About != "" {
			why = append(why, "can: "+role.About)
		}
	}
	if w.request.SessionPolicy != "" {
		why = append(why, "narrowed")
	}
	return strings.Join(why, "; ")
}

// session words the first session under a grant for a privileged role.
func (w *wording) session() {
	e := w.m.Event
	w.m.Title = w.who + " entered " + w.target
	w.fact("customer", w.b.customerName(e.Customer))
	w.fact("reason", w.request.Reason)
	w.fact("ticket", w.request.Ticket)
	w.fact("risk", w.risk())
	if g, err := w.tx.Grant(e.Grant); err == nil && g.Customer == e.Customer && !g.End.IsZero() {
		w.fact("until", clockTime(g.End))
	}
	w.fact("access key", e.Data["access_key"])
	w.fact("from", e.Actor.Addr)
	w.fact("grant", string(e.Grant))
}

// ending words the warning before a grant's end.
func (w *wording) ending() {
	e := w.m.Event
	w.m.Title = w.who + "'s grant for " + w.target + " ends soon"
	if e.End != nil {
		w.m.Title = w.who + "'s grant for " + w.target + " ends at " + clockTime(*e.End)
	}
	w.fact("customer", w.b.customerName(e.Customer))
	w.fact("grant", string(e.Grant))
}

// urgent words what nobody can silence.
func (w *wording) urgent() {
	e := w.m.Event
	switch e.Kind {
	case brevet.CatalogProposed:
		w.catalog()
		return
	case brevet.ChannelTested:
		w.m.Title = "this is a test of channel " + e.Data["channel"]
		w.fact("asked for by", e.Actor.String())
		return
	case brevet.BreakGlassOpened:
		w.m.Title = "BREAK-GLASS: " + w.who + " opens " + w.target + " without approval"
		if e.Data[brevet.OfflineKey] != "" {
			w.m.Title = "BREAK-GLASS: " + w.who + " opened " + w.target + " with the offline key"
			w.fact("shares of", strings.ReplaceAll(e.Data["shared"], ",", ", "))
			w.fact("access key", e.Data["access_key"])
			w.fact("outcome", e.Data["outcome"])
		}
	case brevet.BreakGlassReminded:
		w.m.Title = "still to be reviewed: the break-glass of " + w.who + " in " + w.target
	case brevet.RevocationFailed:
		w.m.Title = "revocation not confirmed: " + orElse(strings.TrimSpace(w.target+" of "+w.who), string(e.Grant))
		w.fact("trouble", e.Data["trouble"])
	default:
		w.m.Title = strings.ReplaceAll(string(e.Kind), ".", " ") + ": " + w.target + " of " + w.who
	}
	w.fact("customer", w.b.customerName(e.Customer))
	w.fact("reason", orElse(w.request.Reason, e.Reason))
	w.fact("risk", w.risk())
	if e.End != nil {
		w.fact("until", clockTime(*e.End))
	}
	if second := e.Data[brevet.GlassSecondHandle]; second != "" {
		w.fact("how", "by two sealed codes, without the identity provider: one of "+w.who+" and one of "+second)
	}
	w.fact("to review", e.Data["review"])
	w.fact("by", e.Actor.String())
	w.fact("from", e.Actor.Addr)
	w.fact("grant", string(e.Grant))
}

// catalog words a change of the rules.
func (w *wording) catalog() {
	const most = 1500
	e := w.m.Event
	version := e.Data["version"]
	if e.Kind == brevet.CatalogConfirmed {
		w.m.Title = "version " + version + " of the catalog is in force, confirmed by " + e.Actor.String()
		return
	}
	w.m.Title = "version " + version + " of the catalog, proposed by " + e.Actor.String()
	diff := e.Data["diff"]
	if len(diff) > most {
		diff = strings.ToValidUTF8(diff[:most], "") + "\n…"
	}
	for line := range strings.SplitSeq(diff, "\n") {
		w.fact("change", line)
	}
}
