package brevet

import (
	"context"
	"time"
)

// Message is what people are told about an event. It is put together when it
// is sent, from the event as the log proves it, so that a row that somebody
// wrote tells nobody anything. Its texts are plain: whoever sends it escapes
// them for the medium.
type Message struct {
	ID       MessageID // the same at every try, so that a receiver can tell a message that came twice
	Kind     EventKind
	Time     time.Time
	Urgent   bool
	Customer CustomerID // empty: about the installation
	About    string     // id of the request, grant or version: messages about one thing belong together
	Title    string     // one line
	Facts    []Fact
	Link     string  // page to go on from; "" for none
	Choice   *Choice // a request that waits for people; nil otherwise
	Amends   bool    // says anew what the first message about the thing said
	First    string  // receipt of the first message about the thing, "" if this is it
	Again    bool    // a try before this one may have arrived
	Event    Event
}

// Fact is a line of a message.
type Fact struct {
	Name  string `json:"name"` // "reason"
	Value string `json:"value"`
}

// Choice is a request that waits for a yes or no. Digest is that of the ask
// which the message shows.
type Choice struct {
	Request RequestID
	Digest  string
}

// Notifier sends messages by one channel. Notify returns once the medium has
// taken the message; receipt is what the medium calls it, "" where it has no
// name for it, and comes back in [Message.First]. A failure is tried again,
// unless it is an [Undelivered] that says otherwise.
type Notifier interface {
	Notify(ctx context.Context, m Message) (receipt string, err error)
}

// Undelivered says why a message did not arrive, and whether to try again.
type Undelivered struct {
	Err   error
	After time.Duration // the medium wants no other try before
	Final bool          // no other try will help
	Gone  bool          // the receiver wants nothing more by this channel
}

// Error returns that of Err.
func (u *Undelivered) Error() string { return u.Err.Error() }

// Unwrap returns Err.
func (u *Undelivered) Unwrap() error { return u.Err }
