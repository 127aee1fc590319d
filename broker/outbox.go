package broker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// Channel is a way to tell people: a room of a chat, a mailbox, a webhook.
type Channel struct {
	Name      string
	Kind      string // "slack", "mail", "webhook"; for display
	Where     string // where messages go, without secrets; for display
	Notifier  brevet.Notifier
	Customers []brevet.CustomerID // whose events it is told of
	All       bool                // of every customer, and of the installation
	Topics    []Topic             // beside what is urgent
}

// Topic is a sort of message that a channel wants or does not.
type Topic string

// The topics. What is urgent goes to every channel of its customer, whatever
// the channel wants: nobody can silence it.
const (
	TopicRequest Topic = "request" // somebody asks, or is still waiting
	TopicOutcome Topic = "outcome" // what became of a request
	TopicSession Topic = "session" // a privileged role is in use
	TopicEnding  Topic = "ending"  // a grant that is in use ends soon
	TopicUrgent  Topic = "urgent"
)

// Topics lists the topics that a channel may want.
var Topics = []Topic{TopicRequest, TopicOutcome, TopicSession, TopicEnding, TopicUrgent}

// topics says what sort of message an event gives. What is not in it gives
// none.
var topics = map[brevet.EventKind]Topic{
	brevet.RequestCreated:     TopicRequest,
	brevet.RequestReminded:    TopicRequest,
	brevet.RequestEscalated:   TopicRequest,
	brevet.RequestDecided:     TopicOutcome,
	brevet.RequestApproved:    TopicOutcome,
	brevet.RequestDenied:      TopicOutcome,
	brevet.RequestWithdrawn:   TopicOutcome,
	brevet.RequestLapsed:      TopicOutcome,
	brevet.SessionIssued:      TopicSession,
	brevet.GrantEnding:        TopicEnding,
	brevet.BreakGlassOpened:   TopicUrgent,
	brevet.BreakGlassReviewed: TopicOutcome,
	brevet.BreakGlassReminded: TopicUrgent,
	brevet.RevocationFailed:   TopicUrgent,
	brevet.CatalogProposed:    TopicUrgent,
	brevet.CatalogConfirmed:   TopicOutcome,
	brevet.ChannelTested:      TopicUrgent,
	brevet.CodesMade:          TopicOutcome,
	brevet.CodesVoided:        TopicOutcome,
}

// serves reports whether the channel may be told of events of a customer (law
// 13); those of the installation are for channels of all customers only.
func (ch *Channel) serves(customer brevet.CustomerID) bool {
	return ch.All || customer != "" && slices.Contains(ch.Customers, customer)
}

// wants reports whether the channel is to be told of an event.
func (ch *Channel) wants(e brevet.Event, t Topic) bool {
	if e.Kind == brevet.ChannelTested {
		return e.Data["channel"] == ch.Name
	}
	return ch.serves(e.Customer) && (t == TopicUrgent || slices.Contains(ch.Topics, t))
}

// route is the [store.Route] of the broker: every event that is recorded
// passes it. Most have no topic and cost one look into a map.
func (b *Broker) route(tx *store.Tx, e brevet.Event) (out []store.Letter) {
	t, ok := topics[e.Kind]
	if !ok || len(b.Channels) == 0 || b.quiet(e) {
		return nil
	}
	about := aboutOf(e)
	for i := range b.Channels {
		ch := &b.Channels[i]
		if !ch.wants(e, t) || !b.news(tx, ch, e, about) {
			continue
		}
		out = append(out, store.Letter{Channel: ch.Name, About: about, Urgent: t == TopicUrgent})
	}
	if out != nil {
		b.letters.notify() // senders look in the writer's queue, so behind this transaction
	}
	return out
}

// quiet reports whether nobody needs to hear of the event: what policy
// approved, what the server itself put in force with the words of a proposal
// that was told just before, sessions of roles that are not privileged, and the
// broker's own, of which many follow one revocation.
func (b *Broker) quiet(e brevet.Event) bool {
	switch e.Kind {
	case brevet.RequestCreated:
		return e.Data["approval"] == "automatic"
	case brevet.RequestApproved:
		return e.Actor.Policy != ""
	case brevet.CatalogProposed:
		return e.Data["version"] == "1" // the first of a new installation
	case brevet.CatalogConfirmed:
		return e.Data["version"] == "1" || e.Actor.System != ""
	case brevet.SessionIssued:
		return e.Actor.System != "" || !b.privileged(e)
	case brevet.RevocationFailed:
		return e.Data["only"] == "shells"
	}
	return false
}

// privileged reports whether a session is of a role that demands a proof at
// most an hour old, or of a break-glass.
func (b *Broker) privileged(e brevet.Event) bool {
	if e.Data["mfa"] == "breakglass" {
		return true
	}
	role, ok := b.Catalog().Role(e.Account, e.Role)
	return ok && privilegedRole(role)
}

func privilegedRole(r brevet.Role) bool { return r.MFA.Age() > 0 && r.MFA.Age() <= time.Hour }

// aboutOf names what messages belong together by.
func aboutOf(e brevet.Event) string {
	switch {
	case e.Request != "":
		return string(e.Request)
	case e.Grant != "":
		return string(e.Grant)
	case e.Kind == brevet.CatalogProposed || e.Kind == brevet.CatalogConfirmed:
		return "catalog " + e.Data["version"]
	case e.Person != "":
		return string(e.Person)
	}
	return ""
}

// onceAfter lists after which events a channel need not hear of another one
// about the same thing.
var onceAfter = map[brevet.EventKind][]brevet.EventKind{
	brevet.SessionIssued:    {brevet.SessionIssued, brevet.BreakGlassOpened},
	brevet.GrantEnding:      {brevet.GrantEnding},
	brevet.RevocationFailed: {brevet.RevocationFailed},
}

// news reports whether a channel has not heard of this already: a session is
// told once a grant, however often its credential is renewed, a revocation
// that is not confirmed once, however often it is tried. A channel whose
// receiver wants nothing more gets what is urgent only.
func (b *Broker) news(tx *store.Tx, ch *Channel, e brevet.Event, about string) bool {
	for _, kind := range onceAfter[e.Kind] {
		told, err := tx.Letters(store.LetterFilter{Channel: ch.Name, About: about, Kind: kind, Limit: 1})
		if err != nil || len(told) > 0 {
			return false // the error has broken the transaction
		}
	}
	if topics[e.Kind] == TopicUrgent {
		return true
	}
	gone, err := tx.Gone(ch.Name)
	return err == nil && !gone
}

// post records an event that there is only to tell people. As with every
// event that is recorded, each channel that is to be told gets its letter in
// the same transaction; whoever records an event of a kind in topics by other
// means needs no post.
func post(tx *store.Tx, e brevet.Event) error {
	_, err := tx.Record(e)
	return err
}

// tries says how long after the one before each try is made, as Standard
// Webhooks recommends; each wait is up to a tenth longer. After the last the
// letter is given up.
var tries = []time.Duration{0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

const (
	sendPatience = 25 * time.Second // of one try
	sendLease    = 2 * time.Minute  // after which a try counts as lost with its process
	lookForPost  = 5 * time.Second  // how often senders look for letters that are due again
	keepLetters  = 30 * 24 * time.Hour
)

// lane is what is sent one after another: the urgent letters of a channel, or
// the others.
type lane struct {
	mu      sync.Mutex
	channel *Channel
	urgent  bool
}

func lanesOf(channels []Channel) (out []*lane) {
	for i := range channels {
		out = append(out, &lane{channel: &channels[i], urgent: true}, &lane{channel: &channels[i]})
	}
	return out
}

// Deliver sends letters until ctx is over. Channels do not wait for each
// other, and what is urgent waits for nothing else.
func (b *Broker) Deliver(ctx context.Context) {
	var all sync.WaitGroup
	for _, l := range b.lanes {
		all.Go(func() {
			for {
				posted := b.letters.wait()
				if err := b.drain(ctx, l); err != nil && ctx.Err() == nil {
					b.Log.WarnContext(ctx, "letters of a channel could not be looked after; it is tried again", "channel", l.channel.Name, "err", err)
				}
				t := time.NewTimer(lookForPost)
				select {
				case <-ctx.Done():
				case <-posted:
				case <-t.C:
				}
				t.Stop()
				if ctx.Err() != nil {
					return
				}
			}
		})
	}
	all.Wait()
}

// DeliverDue tries every letter that is due now once and returns.
func (b *Broker) DeliverDue(ctx context.Context) error {
	errs := make([]error, len(b.lanes))
	var all sync.WaitGroup
	for i, l := range b.lanes {
		all.Go(func() { errs[i] = b.drain(ctx, l) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// drain sends what is due in a lane.
func (b *Broker) drain(ctx context.Context, l *lane) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ctx.Err() == nil {
		letter, ok, err := b.claimLetter(ctx, l)
		if err != nil || !ok {
			return err
		}
		if err := b.deliver(ctx, l.channel, letter); err != nil {
			return err
		}
		b.settled.notify()
	}
	return nil
}

// claimLetter takes the next letter that is due: the try is on record before
// it begins, so that whoever comes after a crash knows that it may have
// arrived, and no other replica makes the same one.
func (b *Broker) claimLetter(ctx context.Context, l *lane) (letter store.Letter, ok bool, err error) {
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		ok = false
		letter, err = tx.NextLetter(l.channel.Name, l.urgent, tx.Now())
		if errors.Is(err, brevet.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		ok = true
		letter.Tries, letter.Tried, letter.Due = letter.Tries+1, tx.Now(), tx.Now().Add(sendLease)
		return tx.PutLetter(letter)
	})
	return letter, ok && err == nil, err
}

// deliver makes one try and records what came of it.
func (b *Broker) deliver(ctx context.Context, ch *Channel, l store.Letter) error {
	receipt, err := "", error(nil)
	if l.Tries > len(tries) { // the process died in the last one
		err = &brevet.Undelivered{Err: brevet.Errorf(brevet.Unavailable, "%s", orElse(l.Problem, "it is not known whether it arrived")), Final: true}
	} else {
		var m brevet.Message
		if m, err = b.message(ctx, ch, l); err == nil {
			try, cancel := context.WithTimeout(ctx, sendPatience)
			receipt, err = ch.Notifier.Notify(try, m)
			cancel()
		}
	}
	if ctx.Err() != nil && err != nil {
		return nil // the server stops: the try counts as lost and is made again
	}
	l = after(l, receipt, err, b.now())
	if err != nil {
		b.Log.WarnContext(ctx, "a message did not arrive", "channel", ch.Name, "message", l.ID, "kind", l.Kind, "try", l.Tries, "given_up", l.State != store.LetterWaiting, "why", l.Problem)
	}
	return b.DB.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		if err := tx.PutLetter(l); err != nil {
			if errors.Is(err, brevet.Conflict) { // settled by somebody who took this try for lost
				return nil
			}
			return err
		}
		if l.State == store.LetterWaiting || l.State == store.LetterSent {
			return nil
		}
		_, err := tx.Record(brevet.Event{Kind: brevet.MessageLost, Customer: l.Customer, Actor: clock, Reason: l.Problem,
			Data: map[string]string{"channel": l.Channel, "message": string(l.ID), "kind": string(l.Kind), "about": l.About}})
		return err
	})
}

// after is the letter after a try.
func after(l store.Letter, receipt string, err error, now time.Time) store.Letter {
	l.Receipt = receipt
	if err == nil {
		l.State, l.Done, l.Problem = store.LetterSent, now, ""
		return l
	}
	l.Problem = problemOf(err)
	var u *brevet.Undelivered
	wait := time.Duration(0)
	switch {
	case errors.As(err, &u) && u.Gone:
		l.State, l.Done = store.LetterGone, now
		return l
	case u != nil && u.Final || l.Tries >= len(tries):
		l.State, l.Done = store.LetterFailed, now
		return l
	case u != nil:
		wait = u.After
	}
	wait = max(wait, tries[l.Tries])
	l.Due = now.Add(wait + rand.N(wait/10+1))
	return l
}

// problemOf says in a line what went wrong, fit to be shown to operators.
func problemOf(err error) string {
	const most = 300
	text := brevet.Printable(err.Error())
	if len(text) > most {
		text = text[:most]
		for len(text) > 0 && text[len(text)-1] >= 0x80 {
			text = text[:len(text)-1]
		}
		text += "…"
	}
	return orElse(text, "it failed")
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Shout waits until every urgent letter about a thing (the id of a request or
// a grant) has been tried on its channel, all channels at once, at most as
// long as most. It is called after the transaction that recorded the event.
// What could not be sent by then goes on being tried; arrived and tried count
// channels.
func (b *Broker) Shout(ctx context.Context, about string, most time.Duration) (arrived, tried int) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	b.drainUrgent(ctx)
	for {
		changed := b.settled.wait()
		arrived, tried = 0, 0
		open := false
		err := b.DB.View(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			letters, err := tx.Letters(store.LetterFilter{About: about})
			for _, l := range letters {
				if !l.Urgent {
					continue
				}
				switch {
				case l.State == store.LetterSent:
					arrived++
					tried++
				case l.State != store.LetterWaiting || l.Problem != "":
					tried++
				default:
					open = true
				}
			}
			return err
		})
		if err != nil {
			b.Log.WarnContext(ctx, "it is not known whether an urgent message arrived", "about", about, "err", err)
		}
		if err == nil && !open || !b.settled.pause(ctx, changed) {
			return arrived, tried
		}
	}
}
