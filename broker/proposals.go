package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/store"
)

// mostProposals is how many versions of the catalog may wait at a time.
const mostProposals = 20

// Version is one version of the catalog, and what became of it.
type Version struct {
	Version   int64
	Base      int64 // the version that it was made from; 0: none
	Digest    string
	State     string // "rules", "waits", "stale", "past" or "withdrawn"
	By        brevet.Actor
	Created   time.Time
	Confirmer brevet.Actor // a person, or why none was needed
	Confirmed time.Time
	Changes   []string // of one that waits: what it would change now
	Mine      bool     // the caller put it forward
}

// widens reports whether any line of a diff says that somebody may do more.
func widens(changes []string) bool {
	for _, line := range changes {
		if strings.HasPrefix(line, "+") {
			return true
		}
	}
	return false
}

// proposedEvent records that a version was put forward, with its diff from
// the version base.
func proposedEvent(by brevet.Actor, now time.Time, a Applied, base int64) brevet.Event {
	const most = 16 << 10 // an entry of the log is below 64 KiB
	diff := strings.Join(a.Changes, "\n")
	if len(diff) > most {
		diff = strings.ToValidUTF8(diff[:most], "") + "\n…"
	}
	return brevet.Event{Kind: brevet.CatalogProposed, Time: now, Actor: by, Digest: a.Digest, Data: map[string]string{
		"version": fmt.Sprint(a.Version), "base": fmt.Sprint(base), "widens": fmt.Sprint(a.Widens), "changes": fmt.Sprint(len(a.Changes)), "diff": diff}}
}

// confirmedEvent records that what p proposed rules from now on. It names the
// confirmation before it, so that the log alone tells who widened what.
func confirmedEvent(tx *store.Tx, by brevet.Actor, p brevet.Event) brevet.Event {
	e := brevet.Event{Kind: brevet.CatalogConfirmed, Time: tx.Now(), Actor: by, Digest: p.Digest, Data: map[string]string{
		"version": p.Data["version"], "base": p.Data["base"], "widens": p.Data["widens"], "author": string(p.Actor.Person)}}
	if i, ok := tx.Latest(store.CatalogKey); ok {
		e.Data["before"] = fmt.Sprint(i)
	}
	return e
}

// wait keeps a version that a second person has to confirm. The same text that
// the same person proposed before is the same proposal.
func (b *Broker) wait(tx *store.Tx, by brevet.Actor, now store.CatalogVersion, next *ruling, out Applied) (Applied, error) {
	waiting, err := waitingIn(tx)
	if err != nil {
		return out, err
	}
	for _, w := range waiting {
		if w.Digest == next.Digest && w.Base == now.Version && w.By.Person == by.Person {
			out.Version = w.Version
			return out, nil
		}
	}
	if len(waiting) >= mostProposals {
		return out, brevet.Errorf(brevet.Conflict, "%d versions of the catalog wait for confirmation already", len(waiting)).
			WithHint("brevet catalog withdraw takes one back")
	}
	if out.Version, err = tx.CatalogNext(); err != nil {
		return out, err
	}
	leaf, err := tx.Record(proposedEvent(by, tx.Now(), out, now.Version))
	if err == nil {
		_, err = tx.AddCatalog(store.CatalogVersion{Digest: next.Digest, Text: next.Text, By: by, Created: tx.Now(), Leaf: leaf})
	}
	return out, err
}

// waitingIn returns the versions that wait, oldest first.
func waitingIn(tx *store.Tx) ([]Version, error) {
	rows, err := tx.CatalogsWaiting(10 * mostProposals)
	if err != nil {
		return nil, err
	}
	var out []Version
	for _, cv := range rows {
		v, err := versionOf(tx, cv)
		if err != nil {
			return nil, err
		}
		if v.State == "waits" {
			out = append(out, v)
		}
	}
	return out, nil
}

// versionOf says what the log tells of a version. One of which it does not
// tell does not wait.
func versionOf(tx *store.Tx, cv store.CatalogVersion) (Version, error) {
	v := Version{Version: cv.Version, Digest: cv.Digest, State: "past", By: cv.By, Created: cv.Created, Confirmed: cv.Confirmed}
	i, ok := tx.Latest(store.ProposalKey(fmt.Sprint(cv.Version)))
	if !ok {
		return v, nil
	}
	e, err := tx.Proven(i)
	if err != nil {
		return v, err
	}
	v.Base, _ = strconv.ParseInt(e.Data["base"], 10, 64)
	switch e.Kind {
	case brevet.CatalogProposed:
		v.By, v.Created, v.State = e.Actor, e.Time, "waits"
		if rules, ok := tx.Latest(store.CatalogKey); ok {
			now, err := tx.Proven(rules)
			if err != nil {
				return v, err
			}
			if now.Data["version"] != e.Data["base"] {
				v.State = "stale"
			}
		}
	case brevet.CatalogWithdrawn:
		v.State = "withdrawn"
	case brevet.CatalogConfirmed:
		v.Confirmer, v.Confirmed = e.Actor, e.Time
		if rules, _ := tx.Latest(store.CatalogKey); rules == i {
			v.State = "rules"
		}
	}
	return v, nil
}

// proposal returns the proposal of a version that waits, by the log, and its
// text, which is matched with it (law 11).
func proposal(tx *store.Tx, version int64) (p brevet.Event, next *ruling, err error) {
	cv, err := tx.Catalog(version)
	if err != nil {
		return p, nil, err
	}
	i, ok := tx.Latest(store.ProposalKey(fmt.Sprint(version)))
	if !ok {
		return p, nil, disagree("catalog version", fmt.Sprint(version))
	}
	if p, err = tx.Proven(i); err != nil {
		return p, nil, err
	}
	if p.Kind != brevet.CatalogProposed {
		return p, nil, brevet.Errorf(brevet.Conflict, "version %d of the catalog does not wait for confirmation", version).WithHint("brevet catalog ls")
	}
	sum := sha256.Sum256(cv.Text)
	if p.Digest != cv.Digest || p.Digest != hex.EncodeToString(sum[:]) || p.Data["version"] != fmt.Sprint(version) {
		return p, nil, disagree("catalog version", fmt.Sprint(version))
	}
	next, err = readRuling(cv.Text)
	return p, next, err
}

// Plan says what text would change, and keeps nothing.
func (b *Broker) Plan(ctx context.Context, c brevet.Caller, text []byte) (Applied, error) {
	c = b.current(ctx, c, 15*time.Minute)
	rules := b.ruling.Load()
	if err := b.mayEdit(c, rules.Customers); err != nil {
		return Applied{}, b.refused(ctx, c, brevet.Account{}, "", "catalog", err)
	}
	next, err := readRuling(text)
	if err != nil {
		return Applied{}, err
	}
	if b.Contract > 0 {
		if err := next.CheckContracts(b.Contract); err != nil {
			return Applied{}, err
		}
	}
	changes := changesOf(rules, next)
	return Applied{Version: rules.version, Digest: next.Digest, Changes: changes, Widens: widens(changes), Rules: !widens(changes) || b.OnePerson}, nil
}

// Confirm makes a version that waits rule. The caller is another person than
// the one who put it forward, holds the right catalog at every customer whom
// it concerns, and names the digest of what was shown.
func (b *Broker) Confirm(ctx context.Context, c brevet.Caller, version int64, digest string) (Applied, error) {
	c = b.current(ctx, c, 15*time.Minute)
	out, err := again(ctx, b, func() (Applied, error) { return b.confirmOnce(ctx, c, version, digest) })
	if brevet.KindOf(err) == brevet.Denied {
		return out, b.refused(ctx, c, brevet.Account{}, "", fmt.Sprintf("catalog version %d", version), err)
	}
	return out, err
}

func (b *Broker) confirmOnce(ctx context.Context, c brevet.Caller, version int64, digest string) (out Applied, err error) {
	rules := b.ruling.Load()
	var p brevet.Event
	var next *ruling
	if err := b.look(ctx, func(tx *store.Tx) error { p, next, err = proposal(tx, version); return err }); err != nil {
		return out, b.hidden(c, err)
	}
	if err := b.mayConfirm(c, rules, next); err != nil {
		return out, err
	}
	if p.Actor.Person == c.Person.ID {
		return out, brevet.Errorf(brevet.Denied, "nobody confirms their own change of the catalog").
			WithUnmet(brevet.Unmet{Condition: "be another person than who proposed it", Have: "you proposed version " + fmt.Sprint(version), Remedy: "ask somebody else with the right catalog"})
	}
	if digest != p.Digest {
		return out, brevet.Errorf(brevet.Conflict, "version %d is something else than what you confirm", version).WithHint("brevet catalog approve %d shows it again", version)
	}
	if err := stepUp(c, brevet.Rung1h, b.now(), "to change the catalog"); err != nil {
		return out, err
	}
	if !fromFile(p.Actor) {
		if err := b.notTaken(ctx, next.Catalog); err != nil {
			return out, err
		}
	}
	if err := b.fit(next); err != nil {
		return out, err
	}
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := proveSignIn(tx, c.SignIn); err != nil {
			return err
		}
		if err := rules.rules(tx); err != nil {
			return err
		}
		again, _, err := proposal(tx, version)
		if err != nil {
			return err
		}
		if base, _ := strconv.ParseInt(again.Data["base"], 10, 64); base != rules.version {
			return moved(base, rules.version)
		}
		if err := freshExternalIDs(tx, rules, next, rules.version); err != nil {
			return err
		}
		leaf, err := tx.Record(confirmedEvent(tx, actor(c), again))
		if err != nil {
			return err
		}
		next = next.confirmed(version, leaf).heir(rules)
		next.recent = append(next.recent, widening{version, tx.Now(), [2]brevet.PersonID{again.Actor.Person, c.Person.ID}, rules})
		return tx.ConfirmCatalog(version, tx.Now(), leaf)
	})
	if err != nil {
		return out, err
	}
	b.adopt(next)
	b.changes.notify()
	changes := changesOf(rules, next)
	return Applied{Version: version, Digest: digest, Changes: changes, Widens: widens(changes), Rules: true}, nil
}

// mayConfirm checks that the caller may edit every customer whom the step from
// rules to next concerns; all of them where it concerns none that is there.
func (b *Broker) mayConfirm(c brevet.Caller, rules, next *ruling) error {
	if concerned := catalog.Concerned(rules.Catalog, next.Catalog); len(concerned) > 0 {
		return b.mayEdit(c, concerned)
	}
	return b.mayEdit(c, rules.Customers)
}

// hidden answers whoever has nothing to do with the catalog as if there were
// no such version.
func (b *Broker) hidden(c brevet.Caller, err error) error {
	if no := b.editsSomething(c); no != nil {
		return no
	}
	return err
}

// editsSomething refuses whoever holds the right catalog nowhere.
func (b *Broker) editsSomething(c brevet.Caller) error {
	for _, k := range b.Catalog().Customers {
		if b.holds(c, k.ID, brevet.RightCatalog) {
			return nil
		}
	}
	return b.mayEdit(c, b.Catalog().Customers)
}

// Retract takes a version back that waits: whoever proposed it does, or
// somebody who may confirm it.
func (b *Broker) Retract(ctx context.Context, c brevet.Caller, version int64) error {
	c = b.current(ctx, c, 15*time.Minute)
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		p, next, err := proposal(tx, version)
		if err != nil {
			return b.hidden(c, err)
		}
		if err := b.mayConfirm(c, b.ruling.Load(), next); err != nil && p.Actor.Person != c.Person.ID {
			return err
		}
		_, err = tx.Record(brevet.Event{Kind: brevet.CatalogWithdrawn, Actor: actor(c), Digest: p.Digest, Data: map[string]string{"version": p.Data["version"]}})
		return err
	})
}

// Versions lists versions of the catalog, newest first, and says whether one
// person may change it here. What waits is shown to whoever may confirm it,
// with what it would change; the rest to whoever may edit everything.
func (b *Broker) Versions(ctx context.Context, c brevet.Caller) (out []Version, onePerson bool, err error) {
	c = b.current(ctx, c, 15*time.Minute)
	rules := b.ruling.Load()
	if err := b.editsSomething(c); err != nil {
		return nil, false, b.refused(ctx, c, brevet.Account{}, "", "catalog", err)
	}
	all := b.mayEdit(c, rules.Customers) == nil
	err = b.look(ctx, func(tx *store.Tx) error {
		out = nil
		rows, err := tx.Catalogs(50)
		for _, cv := range rows {
			v, err := versionOf(tx, cv)
			if err != nil {
				return err
			}
			v.Mine = v.By.Person == c.Person.ID
			shown := all || v.Mine
			if v.State == "waits" {
				_, next, err := proposal(tx, cv.Version)
				if err != nil {
					return err
				}
				v.Changes = changesOf(rules, next)
				shown = shown || b.mayConfirm(c, rules, next) == nil
			}
			if shown {
				out = append(out, v)
			}
		}
		return err
	})
	return out, b.OnePerson, err
}
