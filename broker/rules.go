package broker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// Applied says what became of a version of the catalog that somebody put
// forward.
type Applied struct {
	Version int64
	Digest  string
	Changes []string // the diff, one line a change; empty if nothing changed
	Widens  bool     // it lets somebody do more, or might
	Rules   bool     // it is in force; else a second person has to confirm it
}

// Propose puts text forward as the catalog. What widens nothing rules at once,
// as does the first catalog of an installation; anything else waits until a
// second person confirms it (law 12), unless one person may change the catalog
// here: then the event says so.
func (b *Broker) Propose(ctx context.Context, by brevet.Actor, text []byte) (Applied, error) {
	return b.propose(ctx, by, text, 0)
}

// propose is Propose for a text that was made from version base; 0 stands for
// whatever rules.
func (b *Broker) propose(ctx context.Context, by brevet.Actor, text []byte, base int64) (Applied, error) {
	next, err := readRuling(text)
	if err != nil {
		return Applied{}, err
	}
	if err := b.fit(next); err != nil {
		return Applied{}, err
	}
	var out Applied
	var rules *ruling
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		out, rules, err = b.proposeIn(tx, by, next, base)
		return err
	})
	if err != nil {
		return Applied{}, err
	}
	b.adopt(rules)
	b.changes.notify()
	return out, nil
}

// fit checks a catalog against what this server can work with, and makes the
// keys of its customers: a stack registers the issuer before the first token.
func (b *Broker) fit(next *ruling) error {
	if b.Contract > 0 {
		if err := next.CheckContracts(b.Contract); err != nil {
			return err
		}
	}
	for _, c := range next.Customers {
		if b.Ensure == nil {
			break
		}
		if err := b.Ensure(c.ID); err != nil {
			return err
		}
	}
	return nil
}

// readRuling reads what may come to rule.
func readRuling(text []byte) (*ruling, error) {
	c, set, err := ReadCatalog("catalog", text)
	return &ruling{Catalog: c, Policy: set}, err
}

// confirmed is r as the version that the event at leaf confirmed.
func (r *ruling) confirmed(version, leaf int64) *ruling {
	return &ruling{Catalog: r.Catalog, Policy: r.Policy, version: version, leaf: leaf}
}

// changesOf says in words what changes from old to next.
func changesOf(old, next *ruling) []string {
	return append(catalog.Diff(old.Catalog, next.Catalog), policy.Diff(old.Policy, next.Policy)...)
}

// adopt makes next rule here, unless something newer does.
func (b *Broker) adopt(next *ruling) {
	for {
		now := b.ruling.Load()
		if now.Policy != nil && now.version >= next.version {
			return
		}
		if b.ruling.CompareAndSwap(now, next) {
			b.forgetRotas()
			return
		}
	}
}

// fromFile reports whether a version was proposed from the server's file.
func fromFile(by brevet.Actor) bool { return by.System != "" }

func (b *Broker) proposeIn(tx *store.Tx, by brevet.Actor, next *ruling, base int64) (Applied, *ruling, error) {
	before := &ruling{Catalog: &catalog.Catalog{}}
	now, err := tx.CatalogRuling()
	first := errors.Is(err, brevet.NotFound)
	if err == nil {
		if before, err = load(tx, now); errors.Is(err, brevet.Internal) {
			return Applied{}, nil, err
		} else if base != 0 && base != now.Version {
			return Applied{}, nil, moved(base, now.Version)
		} else if now.Digest == next.Digest {
			return Applied{Version: now.Version, Digest: now.Digest, Rules: true}, next.confirmed(now.Version, now.Leaf).heir(before), nil
		} else if err != nil && !b.OnePerson {
			return Applied{}, nil, unruly(now.Version, err)
		} else if err != nil { // all of it counts as changed
			before = &ruling{Catalog: &catalog.Catalog{}}
		} else if seen, err := alreadyProposed(tx, by, next.Digest); seen || err != nil {
			return Applied{Version: now.Version, Digest: now.Digest, Rules: true}, before, err
		}
	} else if !first {
		return Applied{}, nil, err
	} else if _, known := tx.Latest(store.CatalogKey); known {
		return Applied{}, nil, disagree("catalog", "in force")
	}
	if err := freshExternalIDs(tx, before, next, now.Version); err != nil {
		return Applied{}, nil, err
	}
	out := Applied{Digest: next.Digest, Changes: changesOf(before, next)}
	out.Widens = widens(out.Changes)
	out.Rules = first || !out.Widens || b.OnePerson
	if !out.Rules {
		out, err = b.wait(tx, by, now, next, out)
		return out, before, err
	}
	if out.Version, err = tx.CatalogNext(); err != nil {
		return out, nil, err
	}
	p := proposedEvent(by, tx.Now(), out, now.Version)
	if _, err := tx.Record(p); err != nil {
		return out, nil, err
	}
	leaf, err := tx.Record(confirmedEvent(tx, brevet.Actor{System: alone(first, out.Widens)}, p))
	if err != nil {
		return out, nil, err
	}
	_, err = tx.AddCatalog(store.CatalogVersion{Digest: next.Digest, Text: next.Text, By: by, Created: tx.Now(), Confirmed: tx.Now(), Leaf: leaf})
	return out, next.confirmed(out.Version, leaf).heir(before), err
}

// unruly says that what is in force does not pass the checks of this version of
// brevet: whom it names as a second person is not known either.
func unruly(version int64, why error) error {
	return brevet.Errorf(brevet.Invalid, "version %d of the catalog is in force and does not pass the checks of this brevetd, so nothing is issued: %s", version, brevet.AsError(why).Message).
		WithHint("go back to the brevetd that made it; or mend the catalog file and start once with catalog: {file: FILE, one_person: true} in brevet.yaml, as no rule says who else could confirm it").
		WithCause(why)
}

// alone says why a version rules without a second person.
func alone(first, widens bool) string {
	switch {
	case first:
		return "the first catalog"
	case !widens:
		return "it widens nothing"
	}
	return "one person changes the catalog here"
}

// moved says that a text was made from a version that does not rule.
func moved(base, rules int64) error {
	return brevet.Errorf(brevet.Conflict, "version %d of the catalog rules, not version %d that yours was made from", rules, base).
		WithHint("brevet catalog show prints what rules")
}

// freshExternalIDs refuses an external id that another customer had in any
// version: the stack of one that left may still trust it.
func freshExternalIDs(tx *store.Tx, before, next *ruling, newest int64) error {
	for _, k := range next.Customers {
		id := next.ExternalID(k.ID)
		if id == "" || before.ExternalID(k.ID) == id {
			continue
		}
		for v := newest; v > 0; v-- {
			cv, err := tx.Catalog(v)
			if err != nil {
				return err
			}
			if owner, taken := ownedBefore(cv.Text, id); taken && owner != k.ID {
				return brevet.Errorf(brevet.Invalid, "catalog: the external_id of customer %s was another customer's in version %d", k.Name, v).
					WithHint("take external_id out of the file and let brevet customer add or brevetd dev make one")
			}
		}
	}
	return nil
}

// ownedBefore returns whose external id that was in an older text.
func ownedBefore(text []byte, externalID string) (brevet.CustomerID, bool) {
	if !bytes.Contains(text, []byte(externalID)) {
		return "", false
	}
	old, err := catalog.Parse("catalog", text)
	if err != nil {
		return "", false // read by rules that have changed since: whose it was is not known
	}
	for _, k := range old.Customers {
		if old.ExternalID(k.ID) == externalID {
			return k.ID, true
		}
	}
	return "", false
}

// alreadyProposed reports whether a file with this digest was the last that
// the server's file was: a restart must not undo what was applied since, nor
// propose again what was withdrawn or waits.
func alreadyProposed(tx *store.Tx, by brevet.Actor, sum string) (bool, error) {
	if !fromFile(by) {
		return false, nil
	}
	next, err := tx.CatalogNext()
	for v := next - 1; v > 0 && err == nil; v-- {
		var cv store.CatalogVersion
		if cv, err = tx.Catalog(v); err == nil && fromFile(cv.By) {
			return cv.Digest == sum, nil
		}
	}
	return false, err
}

// load reads a version back and matches it with the event that confirmed it:
// a row that somebody wrote does not rule (law 11).
func load(tx *store.Tx, cv store.CatalogVersion) (*ruling, error) {
	e, err := tx.Proven(cv.Leaf)
	if err != nil {
		return nil, err
	}
	c, parseErr := readRuling(cv.Text)
	sum := sha256.Sum256(cv.Text)
	if !newest(tx, store.CatalogKey, cv.Leaf) || e.Kind != brevet.CatalogConfirmed || e.Digest != cv.Digest || e.Data["version"] != fmt.Sprint(cv.Version) || cv.Digest != hex.EncodeToString(sum[:]) {
		return nil, disagree("catalog version", fmt.Sprint(cv.Version))
	}
	if parseErr != nil {
		return nil, parseErr
	}
	next := c.confirmed(cv.Version, cv.Leaf)
	next.recent, err = recent(tx, e)
	return next, err
}

// follow takes up a version that another replica put in force.
func (b *Broker) follow(ctx context.Context) error {
	var next *ruling
	err := b.look(ctx, func(tx *store.Tx) error {
		n, err := tx.CatalogNewest()
		if err != nil || n <= b.ruling.Load().version {
			return err
		}
		cv, err := tx.CatalogRuling()
		if err != nil {
			return err
		}
		next, err = load(tx, cv)
		return err
	})
	if err != nil || next == nil {
		return err
	}
	b.adopt(next)
	return nil
}

// Apply is [Broker.Propose] for a caller, who holds the right to edit the catalog for
// every customer that is in force. A base other than 0 is the version that the
// text was made from: if another rules by now, nothing changes.
func (b *Broker) Apply(ctx context.Context, c brevet.Caller, text []byte, base int64) (Applied, error) {
	c = b.current(ctx, c, 15*time.Minute)
	if err := b.mayEdit(c, b.Catalog().Customers); err != nil {
		return Applied{}, b.refused(ctx, c, brevet.Account{}, "", "catalog", err)
	}
	if err := stepUp(c, brevet.Rung1h, b.now(), "to change the catalog"); err != nil {
		return Applied{}, err
	}
	next, err := catalog.Parse("catalog", text) // compiled below
	if err != nil {
		return Applied{}, err
	}
	if err := b.notTaken(ctx, next); err != nil {
		return Applied{}, b.refused(ctx, c, brevet.Account{}, "", "catalog", err)
	}
	return b.propose(ctx, actor(c), text, base)
}

// notTaken refuses to bring a customer back that was here before: its history
// is not for whoever edits the rest. The operator's file may.
func (b *Broker) notTaken(ctx context.Context, next *catalog.Catalog) error {
	return b.DB.View(ctx, func(tx *store.Tx) error {
		for _, k := range next.Customers {
			if _, known := b.Catalog().CustomerByID(k.ID); known {
				continue
			}
			if tx.CustomerOver(k.ID) {
				return brevet.Errorf(brevet.Denied, "customer %s was offboarded, and id %s does not come back", k.Name, k.ID).
					WithHint("make it a new customer: brevet customer add gives it an id of its own, and with that an issuer and keys")
			}
			past, err := tx.Requests(store.RequestFilter{Customers: []brevet.CustomerID{k.ID}, Limit: 1})
			if err != nil {
				return err
			}
			if len(past) > 0 {
				return brevet.Errorf(brevet.Denied, "customer id %s was used before", k.ID).WithHint("only the server's own catalog file brings a customer back")
			}
		}
		return nil
	})
}

// mayEdit checks that the caller may edit every one of the customers. Of
// those with whom the caller has nothing to do the refusal says nothing.
func (b *Broker) mayEdit(c brevet.Caller, customers []brevet.Customer) error {
	if len(b.Catalog().Customers) == 0 {
		return brevet.Errorf(brevet.Denied, "no catalog is in force yet; the server's operator starts with one")
	}
	for _, k := range customers {
		if b.holds(c, k.ID, brevet.RightCatalog) {
			continue
		}
		if !b.knows(c, k.ID) {
			return brevet.Errorf(brevet.Denied, "you may not edit the catalog").
				WithUnmet(brevet.Unmet{Condition: "hold the right catalog for every customer in it", Have: "you do not", Remedy: "ask whoever runs the server"})
		}
		return brevet.Errorf(brevet.Denied, "you may not edit the catalog of %s", k.Name).
			WithUnmet(brevet.Unmet{Condition: "hold the right catalog for " + k.Name, Have: "you do not", Remedy: "ask " + b.policy().Holders(k.ID, brevet.RightCatalog).String()})
	}
	return nil
}

// CatalogText returns the version in force to whoever may edit some of it.
func (b *Broker) CatalogText(ctx context.Context, c brevet.Caller) (version int64, sum string, text []byte, err error) {
	c = b.current(ctx, c, 15*time.Minute)
	r := b.ruling.Load()
	if err := b.mayEdit(c, r.Customers); err != nil {
		return 0, "", nil, b.refused(ctx, c, brevet.Account{}, "", "catalog", err)
	}
	return r.version, r.Digest, r.Text, nil
}
