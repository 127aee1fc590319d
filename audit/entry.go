package audit

import (
	"encoding/json"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/tlog"
)

// Entry is one row of the log as a reader gets it. Whoever may not read it
// gets Index, Hash and Nodes only.
type Entry struct {
	Index   int64
	Hash    tlog.Hash   // of the leaf, as the log stored it
	Nodes   []tlog.Hash // inner nodes that the entry completes, as stored; nil: not given. They help to name a changed row
	Leaf    []byte      // nil: not visible to the reader
	Salt    []byte      // nil once erased
	Details []byte      // the event's JSON; nil once erased
	Erased  bool
}

// Check tests the entry for itself: the leaf against the hash, salt and
// details against the leaf, the event against both. An entry that is not
// visible passes with a zero leaf. The event is zero when it was erased or is
// not visible. The error is of kind [brevet.Internal] and says what was
// changed.
func (e Entry) Check() (Leaf, brevet.Event, error) {
	if e.Leaf == nil {
		return Leaf{}, brevet.Event{}, nil
	}
	leaf, err := ParseLeaf(e.Leaf)
	if err != nil {
		return leaf, brevet.Event{}, changed("its leaf is malformed").WithCause(err)
	}
	if LeafHash(e.Leaf) != e.Hash {
		return leaf, brevet.Event{}, changed("its time, kind, customer, number or details were changed")
	}
	if e.Erased && e.Salt == nil && e.Details == nil {
		return leaf, brevet.Event{}, nil
	}
	event, err := openDetails(leaf, e.Salt, e.Details)
	return leaf, event, err
}

// openDetails reads the event behind a leaf.
func openDetails(leaf Leaf, salt, details []byte) (ev brevet.Event, err error) {
	if len(salt) != SaltSize || HashDetails(salt, details) != leaf.Details {
		return ev, changed("its details or salt were changed")
	}
	if err := json.Unmarshal(details, &ev); err != nil {
		return ev, changed("its details are not an event").WithCause(err)
	}
	if ev.Kind != leaf.Kind || (ev.Customer == "") != (leaf.Customer == [32]byte{}) {
		return brevet.Event{}, changed("its details are those of another event")
	}
	return ev, nil
}

func changed(what string) *brevet.Error { return brevet.Errorf(brevet.Internal, "%s", what) }

// The keys of the Data of a [brevet.DetailsErased] event. It belongs to the
// customer of the entry whose details it erases.
const (
	ErasedIndex = "index" // index of the erased entry, decimal
	ErasedKind  = "kind"  // its kind; if that was an ending, the event names the same grant, person or sign-in
)
