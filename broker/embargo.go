package broker

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// embargo is how long a version that widened access approves nothing by
// itself for who wrote and who confirmed it (law 12).
const embargo = 24 * time.Hour

// widening is a version of the last day that lets somebody do more.
type widening struct {
	version int64
	at      time.Time
	by      [2]brevet.PersonID // who wrote and who confirmed it
	before  *ruling            // what ruled until then; nil: not known any more
}

// heir gives r what old, which ruled until r, knows of the last day.
func (r *ruling) heir(old *ruling) *ruling {
	r.recent = slices.Clone(old.recent)
	return r
}

// recent returns the widenings of the last day, as the log tells them from the
// confirmation e backwards. Versions that one person put in force alone are
// not among them: where that is allowed, so is the rest.
func recent(tx *store.Tx, e brevet.Event) ([]widening, error) {
	var out []widening
	for tx.Now().Sub(e.Time) < embargo {
		before, err := strconv.ParseInt(e.Data["before"], 10, 64)
		if err != nil {
			break // the first one, or one from before this was told
		}
		old, err := tx.Proven(before)
		if err != nil {
			return nil, err
		}
		if e.Data["widens"] == "true" && e.Actor.Person != "" {
			version, _ := strconv.ParseInt(e.Data["version"], 10, 64)
			w := widening{version: version, at: e.Time, by: [2]brevet.PersonID{brevet.PersonID(e.Data["author"]), e.Actor.Person}}
			w.before = ruled(tx, old)
			out = append(out, w)
		}
		e = old
	}
	slices.Reverse(out)
	return out, nil
}

// ruled returns the version that a confirmation put in force; nil if it cannot
// be read any more.
func ruled(tx *store.Tx, confirmation brevet.Event) *ruling {
	version, err := strconv.ParseInt(confirmation.Data["version"], 10, 64)
	if err != nil {
		return nil
	}
	cv, err := tx.Catalog(version)
	if err != nil || cv.Digest != confirmation.Digest {
		return nil
	}
	r, err := readRuling(cv.Text)
	if err != nil || r.Digest != confirmation.Digest {
		return nil
	}
	return r
}

// decide is what policy says under this version, except that nothing which a
// version of the last day brought in is approved by itself for who wrote or
// confirmed that version.
func (r *ruling) decide(q policy.Query) policy.Answer { return r.without(q, r.Policy.Decide(q)) }

// offer is decide where it is not known yet what will be asked.
func (r *ruling) offer(q policy.Query) policy.Answer { return r.without(q, r.Policy.Offer(q)) }

// explain is decide with facts.
func (r *ruling) explain(q policy.Query) policy.Answer { return r.without(q, r.Policy.Explain(q)) }

func (r *ruling) without(q policy.Query, a policy.Answer) policy.Answer {
	if !a.Allowed || !a.Approval.Automatic {
		return a
	}
	for _, w := range r.recent { // the oldest first: what ruled before all of them counts
		if !w.concerns(q) || w.gaveAlready(r, q, a) {
			continue
		}
		until := w.at.Add(embargo)
		return policy.Answer{Facts: a.Facts, Unmet: []brevet.Unmet{{
			Condition: fmt.Sprintf("not have written or confirmed what opens this by itself (version %d of the catalog)", w.version),
			Have:      "you did, " + brevet.FormatDuration(max(0, q.Now.Sub(w.at)).Truncate(time.Second)) + " ago",
			Remedy:    "it opens for you from " + until.UTC().Format(time.RFC3339) + " on; ask for what a person approves until then"}}}
	}
	return a
}

// concerns reports whether the widening is of the person's making and of the
// last day.
func (w widening) concerns(q policy.Query) bool {
	return q.Person != "" && slices.Contains(w.by[:], q.Person) && q.Now.Sub(w.at) < embargo
}

// gaveAlready reports whether the same was approved by itself before the
// widening, for as long and of the same role.
func (w widening) gaveAlready(now *ruling, q policy.Query, a policy.Answer) bool {
	if w.before == nil || w.before.Policy == nil {
		return false
	}
	was, ok := w.before.Role(q.Account.ID, q.Role)
	is, same := now.Role(q.Account.ID, q.Role)
	if !ok || !same || was.Digest() != is.Digest() {
		return false
	}
	if q.Duration == 0 {
		q.Duration = a.Longest
	}
	old := w.before.Policy.Decide(q)
	return old.Allowed && old.Approval.Automatic && old.Longest >= a.Longest && a.MFA.Tighter(old.MFA) == a.MFA &&
		old.Entitlement.GroupsWithin >= a.Entitlement.GroupsWithin &&
		(old.Entitlement.Activate == a.Entitlement.Activate || a.Entitlement.Activate != brevet.OnUse)
}
