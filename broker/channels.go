package broker

import (
	"context"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// ChannelView is a channel and what it has seen.
type ChannelView struct {
	Channel
	store.Traffic
	Names []string // of its customers
}

// ChannelTest is what became of a test message.
type ChannelTest struct {
	Channel string
	Message brevet.MessageID
	State   store.LetterState
	Problem string
}

// testPatience is how long a test waits for its messages to be tried.
const testPatience = 30 * time.Second

// mayTend reports whether the caller may look after a channel: they hold the
// right to operate or to revoke at every customer whose events it is told of
// (law 13).
func (b *Broker) mayTend(c brevet.Caller, ch *Channel) bool {
	customers := ch.Customers
	if ch.All {
		customers = nil
		for _, k := range b.Catalog().Customers {
			customers = append(customers, k.ID)
		}
	}
	return len(customers) > 0 && !slices.ContainsFunc(customers, func(id brevet.CustomerID) bool {
		return !b.holds(c, id, brevet.RightOperate) && !b.holds(c, id, brevet.RightRevoke)
	})
}

// tended returns the channels that the caller may look after; with a name,
// that one.
func (b *Broker) tended(c brevet.Caller, name string) (out []*Channel, err error) {
	for i := range b.Channels {
		if ch := &b.Channels[i]; (name == "" || ch.Name == name) && b.mayTend(c, ch) {
			out = append(out, ch)
		}
	}
	if name != "" && out == nil {
		return nil, brevet.Errorf(brevet.NotFound, "there is no channel %s that you could look after", brevet.Printable(name)).
			WithHint("brevet notify ls lists yours").
			WithUnmet(brevet.Unmet{Condition: "hold the right operate or revoke at every customer of the channel", Have: "you do not, or there is none of that name", Remedy: "ask whoever runs the server"})
	}
	return out, nil
}

// ListChannels lists the channels that the caller may look after, in the
// order of the server's configuration.
func (b *Broker) ListChannels(ctx context.Context, c brevet.Caller) ([]ChannelView, error) {
	c = b.current(ctx, c, 15*time.Minute)
	channels, err := b.tended(c, "")
	if err != nil {
		return nil, err
	}
	var out []ChannelView
	err = b.DB.View(ctx, func(tx *store.Tx) error {
		for _, ch := range channels {
			v := ChannelView{Channel: *ch}
			if v.Traffic, err = tx.Traffic(ch.Name); err != nil {
				return err
			}
			if ch.All {
				v.Names = []string{"*"}
			}
			for _, id := range ch.Customers {
				v.Names = append(v.Names, b.customerName(id))
			}
			out = append(out, v)
		}
		return nil
	})
	return out, err
}

// TestChannels sends a message by a channel, or with "" by every one that the
// caller may look after, and waits until each was tried, at most 30 s. It is
// on record who asked for it.
func (b *Broker) TestChannels(ctx context.Context, c brevet.Caller, name string) ([]ChannelTest, error) {
	c = b.current(ctx, c, 15*time.Minute)
	channels, err := b.tended(c, name)
	if err != nil {
		return nil, err
	}
	if channels == nil {
		return nil, brevet.Errorf(brevet.NotFound, "there is no channel that you could look after").WithHint("docs/notifications.md says how to set one up")
	}
	leaves := make([]int64, len(channels))
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := proveSignIn(tx, c.SignIn); err != nil {
			return err
		}
		for i, ch := range channels {
			e := brevet.Event{Kind: brevet.ChannelTested, Actor: actor(c), Data: map[string]string{"channel": ch.Name}}
			if !ch.All && len(ch.Customers) == 1 {
				e.Customer = ch.Customers[0]
			}
			if leaves[i], err = tx.Record(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b.awaitTests(ctx, channels, leaves)
}

func (b *Broker) awaitTests(ctx context.Context, channels []*Channel, leaves []int64) (out []ChannelTest, err error) {
	ctx, cancel := context.WithTimeout(ctx, testPatience)
	defer cancel()
	b.drainUrgent(ctx)
	for {
		changed := b.settled.wait()
		out = nil
		open := false
		err := b.DB.View(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			for i, ch := range channels {
				found, err := tx.Letters(store.LetterFilter{Channel: ch.Name, Kind: brevet.ChannelTested, Limit: 20})
				if err != nil {
					return err
				}
				at := slices.IndexFunc(found, func(l store.Letter) bool { return l.Leaf == leaves[i] })
				if at < 0 {
					continue
				}
				l := found[at]
				out = append(out, ChannelTest{Channel: ch.Name, Message: l.ID, State: l.State, Problem: l.Problem})
				open = open || l.State == store.LetterWaiting && l.Problem == ""
			}
			return nil
		})
		if err != nil || !open || !b.settled.pause(ctx, changed) {
			return out, err
		}
	}
}

// drainUrgent has every channel send what is urgent, in the background.
func (b *Broker) drainUrgent(ctx context.Context) {
	for _, l := range b.lanes {
		if l.urgent {
			go func() { _ = b.drain(context.WithoutCancel(ctx), l) }() // Deliver looks after what fails
		}
	}
}
