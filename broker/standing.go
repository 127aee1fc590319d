package broker

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// Each statement of a provider about a person says since when they have been
// known, and since when they are in the groups in which they were not seen
// before. It goes on where the statement before it ended, so that the newest
// event of a sign-in tells all of it, proven by the log (law 11).
const (
	statedKnown  = "known"  // RFC 3339: when a provider first spoke of the person
	statedJoined = "joined" // JSON: group -> microseconds since 1970
)

// joinedFor is how long it is kept when a group was joined: longer than any
// catalog may ask for, and than any request waits.
const joinedFor = 60 * 24 * time.Hour

// mostJoined bounds what is kept of groups by name, in bytes.
const mostJoined = 8 << 10

// state adds to e, which is about to be recorded, what is known of the person
// by the statements before it.
func state(tx *store.Tx, e *brevet.Event, groups []string, now time.Time) error {
	e.Data["groups"] = writeGroups(groups)
	s := brevet.Standing{Known: now}
	before, spoke := tx.Latest(store.StatedKey(e.Person, e.Data["provider"]))
	any, known := tx.Latest(store.StatedKey(e.Person, ""))
	switch {
	case spoke:
		last, err := tx.Proven(before)
		if err != nil {
			return err
		}
		s = next(last, groups, now)
	case known: // another provider of the same person: whatever it states begins now
		last, err := tx.Proven(any)
		if err != nil {
			return err
		}
		s = brevet.Standing{Known: standingIn(last).Known, Joined: map[string]time.Time{brevet.AnyGroup: now}}
	}
	e.Data[statedKnown] = writeTime(s.Known)
	if len(s.Joined) > 0 {
		e.Data[statedJoined] = writeJoined(s.Joined)
	}
	return nil
}

// next is the standing of somebody of whom last was said before, and groups
// now.
func next(last brevet.Event, groups []string, now time.Time) brevet.Standing {
	was, names := standingIn(last), map[string]bool{}
	for _, g := range readGroups(last.Data["groups"]) {
		names[g] = true
	}
	s := brevet.Standing{Known: was.Known, Joined: map[string]time.Time{}}
	if at, ok := was.Joined[brevet.AnyGroup]; ok && now.Sub(at) < joinedFor {
		s.Joined[brevet.AnyGroup] = at
	}
	for _, g := range groups {
		at, joined := was.Joined[g]
		switch {
		case g == brevet.AnyGroup:
		case !names[g]:
			s.Joined[g] = now
		case joined && now.Sub(at) < joinedFor:
			s.Joined[g] = at
		}
	}
	return s
}

// standingIn reads the standing out of a statement. One that was made before
// statements told it stands for a first one.
func standingIn(e brevet.Event) brevet.Standing {
	s := brevet.Standing{Known: e.Time}
	if at, err := time.Parse(time.RFC3339Nano, e.Data[statedKnown]); err == nil {
		s.Known = at
	}
	if text := e.Data[statedJoined]; text != "" {
		var joined map[string]int64
		if json.Unmarshal([]byte(text), &joined) != nil {
			joined = map[string]int64{brevet.AnyGroup: e.Time.UnixMicro()} // not readable: all of it began then
		}
		s.Joined = make(map[string]time.Time, len(joined))
		for g, at := range joined {
			s.Joined[g] = time.UnixMicro(at).UTC()
		}
	}
	return s
}

func writeTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// writeJoined writes what is bounded: where groups are too many, all of them
// count as joined with the newest.
func writeJoined(joined map[string]time.Time) string {
	out, newest, size := make(map[string]int64, len(joined)), time.Time{}, 0
	for g, at := range joined {
		out[g] = at.UnixMicro()
		size += len(g) + 24
		if at.After(newest) {
			newest = at
		}
	}
	if size > mostJoined {
		out = map[string]int64{brevet.AnyGroup: newest.UnixMicro()}
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic("broker: " + err.Error()) // strings and numbers
	}
	return string(text)
}

// writeGroups lists groups with spaces between them, or as JSON where that
// would not be plain.
func writeGroups(names []string) string {
	plain := strings.Join(names, " ")
	if fields := strings.Fields(plain); len(fields) == len(names) && !strings.HasPrefix(plain, "[") && strings.Join(fields, " ") == plain {
		return plain
	}
	text, err := json.Marshal(names)
	if err != nil {
		panic("broker: " + err.Error()) // strings only
	}
	return string(text)
}

func readGroups(s string) []string {
	var names []string
	if strings.HasPrefix(s, "[") && json.Unmarshal([]byte(s), &names) == nil {
		return names
	}
	return strings.Fields(s)
}

// standingOf returns what the log tells of the caller's standing, by the
// sign-in in hand.
func standingOf(tx *store.Tx, s brevet.SignIn) (brevet.Standing, error) {
	e, err := tx.Proven(s.Leaf)
	if err != nil {
		return brevet.Standing{}, err
	}
	return standingIn(e), nil
}
