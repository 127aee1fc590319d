package broker

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// Ended counts what ended because the database was restored.
type Ended struct {
	Grants   int
	Requests int
	SignIns  int
	Sheets   int       // of sealed codes: which of them were used since is not known
	Sessions int       // credentials that were out when the backup was made
	Until    time.Time // when the last of them dies by itself; zero if there is none
}

// EndRestored ends every grant, pending request, sign-in and sheet of sealed
// codes of a database that was restored from a backup: what became of them since is not known.
// The log says which there are, so that no edit of a row keeps one. Sessions
// of which nobody knows what came of them are in doubt; those that were out
// count as live until they die, and their grants are revoked.
func EndRestored(tx *store.Tx) (out Ended, err error) {
	const why = "the database was restored from a backup"
	by, now := brevet.Actor{System: "restore"}, tx.Now()
	act := brevet.NewID[brevet.RevocationID](now)
	live, err := liveBy(tx)
	if err != nil {
		return out, err
	}
	if err := doubtAll(tx, by, why, now); err != nil {
		return out, err
	}
	for _, e := range live {
		switch {
		case e.Kind == brevet.CodesMade:
			out.Sheets++
			_, err = tx.Record(brevet.Event{Kind: brevet.CodesVoided, Actor: by, Person: e.Person, Reason: why})
		case e.Grant != "":
			out.Grants++
			err = endGrant(tx, e, act, by, why, now)
		case e.SignIn != "":
			out.SignIns++
			_, err = tx.Record(brevet.Event{Kind: brevet.SignInEnded, Actor: by, Person: e.Person, SignIn: e.SignIn, Reason: why})
		default:
			out.Requests++
			err = lapse(tx, e, by, why, now)
		}
		if err != nil {
			return out, err
		}
	}
	if err := tx.EndSignIns(); err != nil {
		return out, err
	}
	sessions, err := tx.Sessions(store.SessionFilter{LiveAt: now})
	out.Sessions = len(sessions)
	for _, s := range sessions {
		if s.Until.After(out.Until) {
			out.Until = s.Until
		}
	}
	return out, err
}

// longestSignIn is the most that brevet.yaml may allow.
const longestSignIn = 24 * time.Hour

// liveBy returns, in the order of the log, the newest event of each grant,
// sign-in and request that nothing in the log ended or decided.
func liveBy(tx *store.Tx) ([]brevet.Event, error) {
	begun := map[string]int64{} // by id: where the log speaks of it last
	for from := int64(0); ; {
		rows, err := tx.Entries(from, 1000)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			break
		}
		from += int64(len(rows))
		for _, r := range rows {
			if r.Erased {
				continue
			}
			switch r.Kind {
			case brevet.GrantOpened, brevet.GrantActivated, brevet.GrantExtended, brevet.SignInOpened, brevet.RequestCreated, brevet.RequestDecided,
				brevet.RequestApproved, brevet.RequestDenied, brevet.RequestWithdrawn, brevet.RequestLapsed, brevet.CodesMade, brevet.CodesVoided:
			default:
				continue
			}
			_, e, err := r.Check()
			if err != nil {
				return nil, err
			}
			begun[subject(e)] = r.Index
		}
	}
	return standingAt(tx, begun)
}

// subject names what an event is about.
func subject(e brevet.Event) string {
	switch e.Kind {
	case brevet.GrantOpened, brevet.GrantActivated, brevet.GrantExtended:
		return string(e.Grant)
	case brevet.SignInOpened:
		return string(e.SignIn)
	case brevet.CodesMade, brevet.CodesVoided:
		return "codes of " + string(e.Person)
	}
	return string(e.Request)
}

// standingAt keeps what is not over.
func standingAt(tx *store.Tx, begun map[string]int64) (live []brevet.Event, err error) {
	for _, index := range slices.Sorted(maps.Values(begun)) {
		e, err := tx.Proven(index)
		if err != nil {
			return nil, err
		}
		switch e.Kind {
		case brevet.GrantOpened, brevet.GrantActivated, brevet.GrantExtended:
			if tx.GrantOver(e.Grant) || e.End != nil && !tx.Now().Before(*e.End) {
				continue
			}
		case brevet.SignInOpened:
			if tx.SignInOver(e.SignIn) || tx.Now().Sub(e.Time) > longestSignIn {
				continue
			}
			e.Grant, e.Request = "", ""
		case brevet.CodesMade:
			if tx.PersonOver(e.Person) {
				continue
			}
		case brevet.RequestCreated, brevet.RequestDecided:
			e.Grant, e.SignIn = "", ""
		default:
			continue
		}
		live = append(live, e)
	}
	return live, nil
}

// endGrant revokes a grant, whatever its row says, and what may be out under
// it, also what left after the backup: the server tells the clouds once it runs.
func endGrant(tx *store.Tx, e brevet.Event, act brevet.RevocationID, by brevet.Actor, why string, now time.Time) error {
	g := brevet.Grant{ID: e.Grant, Request: e.Request, Person: e.Person, Customer: e.Customer, Account: e.Account, Role: e.Role, State: brevet.Active}
	if e.Start != nil && e.End != nil {
		g.Start, g.End = *e.Start, *e.End
	}
	_, events, err := g.Revoke(by, why, now)
	if err != nil {
		return err
	}
	if _, err := record(tx, events); err != nil {
		return err
	}
	if !g.End.IsZero() {
		if err := killRestored(tx, g, act, by, why, now); err != nil {
			return err
		}
	}
	row, err := tx.Grant(e.Grant)
	if errors.Is(err, brevet.NotFound) {
		return nil
	}
	if err != nil || row.State == brevet.Ended || row.State == brevet.Revoked {
		return err
	}
	row.State, row.Closed = brevet.Revoked, now
	return tx.PutGrant(row)
}

func killRestored(tx *store.Tx, g brevet.Grant, act brevet.RevocationID, by brevet.Actor, why string, now time.Time) error {
	until, err := outstanding(tx, g, now)
	if err != nil {
		return err
	}
	if until.Before(g.End) { // what left after the backup died with its grant at the latest
		until = g.End
	}
	p, err := tx.Person(g.Person)
	if err != nil && !errors.Is(err, brevet.NotFound) {
		return err
	}
	r, events := g.Kill(act, p.Handle, why, until, by, now)
	return putRevocation(tx, r, events)
}

// lapse cancels a request that waits.
func lapse(tx *store.Tx, e brevet.Event, by brevet.Actor, why string, now time.Time) error {
	r := brevet.Request{ID: e.Request, State: brevet.Pending}
	r.Person, r.Customer, r.Account, r.Role = e.Person, e.Customer, e.Account, e.Role
	_, events, err := r.Lapse(why, by, now)
	if err != nil {
		return err
	}
	events[0].Digest, events[0].Data = e.Digest, e.Data
	leaf, err := record(tx, events)
	if err != nil {
		return err
	}
	row, err := tx.Request(e.Request)
	if errors.Is(err, brevet.NotFound) {
		return nil
	}
	if err != nil || row.State != brevet.Pending {
		return err
	}
	row.State, row.Decided, row.Leaf = brevet.Lapsed, now, leaf
	return tx.PutRequest(row)
}

// doubtAll puts what was under way when the backup was made in doubt.
func doubtAll(tx *store.Tx, by brevet.Actor, why string, now time.Time) error {
	under, err := tx.Sessions(store.SessionFilter{States: []brevet.SessionState{brevet.Intended}})
	if err != nil {
		return err
	}
	for _, s := range under {
		s, events := s.Doubt(brevet.Grant{ID: s.Grant}, by, why, now)
		if _, err := record(tx, events); err != nil {
			return err
		}
		if err := tx.PutSession(s); err != nil {
			return err
		}
	}
	return nil
}
