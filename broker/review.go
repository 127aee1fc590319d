package broker

import (
	"context"
	"errors"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// remindReview is how often those who should review an emergency are reminded.
const remindReview = 24 * time.Hour

// ReviewView is an emergency and what somebody else thinks of it.
type ReviewView struct {
	Grant     brevet.GrantID
	Target    string
	Who       brevet.Handle
	Reason    string
	Opened    time.Time
	End       time.Time // as it was opened
	Waits     string    // for whom
	Mine      bool
	CanReview bool
	Reviewed  time.Time // zero: not yet
	By        brevet.Handle
	Verdict   string
	Comment   string
	Offline   string // id of the offline key by which it was opened, while the broker was out of reach; "" if it was not
}

// Reviews lists emergencies, newest first: those that wait for a review by
// the caller, or of the caller's own; with all, also those that are reviewed,
// and those of customers for whom the caller holds the right to view.
func (b *Broker) Reviews(ctx context.Context, c brevet.Caller, all bool) (out []ReviewView, err error) {
	c = b.current(ctx, c, 15*time.Minute)
	err = b.look(ctx, func(tx *store.Tx) error {
		out = nil
		var inner error
		err := emergencies(tx, store.AnyGlass, brevet.PriorGlass, func(e brevet.Event) bool {
			v, err := b.reviewView(tx, c, e)
			if err != nil {
				inner = err
				return false
			}
			if v.CanReview || v.Mine && (all || v.Reviewed.IsZero()) || all && b.maySeeGlass(c, e) {
				out = append(out, v)
			}
			return len(out) < 1000
		})
		return errors.Join(err, inner)
	})
	return out, err
}

// maySeeGlass: reviewers see what they reviewed or could have, holders of
// view all of their customer.
func (b *Broker) maySeeGlass(c brevet.Caller, e brevet.Event) bool {
	return e.Person == c.Person.ID || e.Data[brevet.GlassSecond] == string(c.Person.ID) || b.reviews(c, e) || b.holds(c, e.Customer, brevet.RightView)
}

// reviews reports whether the caller is among those who review e, under the
// catalog in force; the holders of decide, where that does not know it.
func (b *Broker) reviews(c brevet.Caller, e brevet.Event) bool {
	who := b.policy().Holders(e.Customer, brevet.RightDecide)
	within := 15 * time.Minute
	b.glassRules(e, func(x brevet.Entitlement) { who = x.BreakGlass.Review })
	return c.Person.ID != e.Person && string(c.Person.ID) != e.Data[brevet.GlassSecond] && c.Member(who, b.now(), within)
}

// glassRules calls do with the entitlement under which e was opened, if the
// catalog in force knows it as one for emergencies of that customer.
func (b *Broker) glassRules(e brevet.Event, do func(brevet.Entitlement)) {
	if x, ok := b.policy().Find(e.Data["entitlement"]); ok && x.BreakGlass != nil && x.Customer == e.Customer {
		do(x)
	}
}

func (b *Broker) reviewView(tx *store.Tx, c brevet.Caller, e brevet.Event) (ReviewView, error) {
	v := ReviewView{Grant: e.Grant, Target: b.targetName(e.Account, e.Role), Who: e.Actor.Handle, Reason: e.Reason, Opened: e.Time,
		Waits: e.Data["review"], Mine: e.Person == c.Person.ID}
	if e.End != nil {
		v.End = *e.End
	}
	if v.Offline = e.Data[brevet.OfflineKey]; v.Offline != "" { // others may have brought the record
		v.Who, v.Opened = brevet.Handle(e.Data["handle"]), *e.Start
	}
	i, seen := tx.Latest(store.ReviewKey(e.Grant))
	if !seen {
		if with := e.Data[brevet.GlassSecondHandle]; with != "" {
			v.Waits += " (but not " + with + ", whose code helped)"
		}
		v.CanReview = b.reviews(c, e)
		return v, nil
	}
	r, err := tx.Proven(i)
	if err != nil {
		return v, err
	}
	v.Reviewed, v.By, v.Verdict, v.Comment = r.Time, r.Actor.Handle, r.Data["verdict"], r.Reason
	return v, nil
}

// Review records what the caller thinks of an emergency of somebody else's.
// That is done once.
func (b *Broker) Review(ctx context.Context, c brevet.Caller, id brevet.GrantID, ok bool, comment, key string) (v ReviewView, err error) {
	if comment, err = brevet.CleanText("comment", comment, brevet.MaxComment); err != nil {
		return v, err
	}
	c = b.current(ctx, c, 15*time.Minute)
	var opened brevet.Event
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := proveSignIn(tx, c.SignIn); err != nil {
			return err
		}
		var err error
		if opened, _, err = b.emergency(tx, c, id); err != nil {
			return err
		}
		e, err := opened.Review(ok, comment, actor(c), tx.Now())
		if err != nil {
			return err
		}
		if !b.reviews(c, opened) {
			return brevet.Errorf(brevet.Denied, "%s reviews this", opened.Data["review"]).
				WithUnmet(brevet.Unmet{Condition: "be one of " + opened.Data["review"], Have: "you are " + string(c.Person.Handle), Remedy: "ask one of them"})
		}
		fresh, err := claim(tx, c, key, "review "+e.Data["verdict"], string(id)+" "+comment)
		if err != nil {
			return err
		}
		if _, seen := tx.Latest(store.ReviewKey(id)); seen && fresh {
			return brevet.Errorf(brevet.Conflict, "this emergency was reviewed already").WithHint("brevet review ls --all shows it")
		}
		if fresh {
			if _, err := tx.Record(e); err != nil {
				return err
			}
		}
		v, err = b.reviewView(tx, c, opened)
		return err
	})
	if errors.Is(err, brevet.Denied) {
		err = b.refused(ctx, c, brevet.Account{ID: opened.Account, Customer: opened.Customer}, opened.Role, "review of "+string(id), err)
	}
	if err == nil {
		b.changes.notify()
	}
	return v, err
}

// sweepReviews reminds people of emergencies that nobody has looked at, a day
// after each and every day from then on.
func (b *Broker) sweepReviews(ctx context.Context) error {
	if _, any := b.latestGlass(ctx); !any {
		return nil
	}
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		var inner error
		err := emergencies(tx, store.AnyGlass, brevet.PriorGlass, func(e brevet.Event) bool {
			if _, seen := tx.Latest(store.ReviewKey(e.Grant)); seen || tx.CustomerOver(e.Customer) {
				return true
			}
			last := e.Time
			if i, ok := tx.Latest(store.ReviewReminderKey(e.Grant)); ok {
				r, err := tx.Proven(i)
				if err != nil {
					inner = err
					return false
				}
				last = r.Time
			}
			if now.Sub(last) < remindReview {
				return true
			}
			inner = post(tx, brevet.Event{Kind: brevet.BreakGlassReminded, Time: now, Customer: e.Customer, Actor: clock, Person: e.Person, Request: e.Request,
				Grant: e.Grant, Account: e.Account, Role: e.Role, Reason: e.Reason, Data: map[string]string{"review": e.Data["review"]}})
			return inner == nil
		})
		return errors.Join(err, inner)
	})
}

// latestGlass returns where the log speaks of the newest emergency.
func (b *Broker) latestGlass(ctx context.Context) (i int64, ok bool) {
	_ = b.DB.View(ctx, func(tx *store.Tx) error {
		i, ok = tx.Latest(store.AnyGlass)
		return nil
	})
	return i, ok
}
