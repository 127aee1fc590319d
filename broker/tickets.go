package broker

import (
	"context"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
)

// Question is what a check is asked about a request.
type Question struct {
	Ticket    string
	Person    brevet.Handle
	Target    string
	Reason    string
	Duration  time.Duration
	NotBefore time.Time      // zero: at once
	Extends   brevet.GrantID // more of this grant; "": a request of its own
}

// checkTexts asks the checks that the entitlements name, at the same time and
// outside any transaction. A check that gave no answer has not said yes.
func (b *Broker) checkTexts(ctx context.Context, ready []prepared) error {
	no := make([]error, len(ready))
	var wait sync.WaitGroup
	targets := make([]string, len(ready))
	for i, p := range ready {
		targets[i] = p.target
		wait.Go(func() { no[i] = b.checkText(ctx, p.entitlement, p.target, p.caller.Person.Handle, p.ask) })
	}
	wait.Wait()
	var said []error
	for i, err := range no {
		if brevet.KindOf(err) == brevet.Denied {
			p := ready[i]
			err = b.refused(ctx, p.caller, brevet.Account{ID: p.ask.Account, Customer: p.ask.Customer}, p.ask.Role, "request", err)
		}
		if err != nil {
			said = append(said, err)
		}
	}
	return together(targets, said)
}

// checkText asks the checks on the reason and the ticket of one request. A
// ticket that was not needed and not given is not asked about.
func (b *Broker) checkText(ctx context.Context, e brevet.Entitlement, target string, who brevet.Handle, ask brevet.Ask) error {
	q := Question{Ticket: ask.Ticket, Person: who, Target: target, Reason: ask.Reason, Duration: ask.Duration, NotBefore: ask.NotBefore, Extends: ask.Extends}
	for _, f := range []struct {
		what, text string
		rule       brevet.TextRule
	}{{"reason", ask.Reason, e.Reason}, {"ticket", ask.Ticket, e.Ticket}} {
		if f.rule.Check == "" || f.text == "" {
			continue
		}
		if err := b.checked(ctx, f.rule.Check, f.what, f.text, q); err != nil {
			return err
		}
	}
	return nil
}

// checked asks one check.
func (b *Broker) checked(ctx context.Context, name, what, text string, q Question) error {
	unmet := brevet.Unmet{Condition: "a " + what + " that check " + name + " says yes to", Have: brevet.Printable(text)}
	silent := func(have string, cause error) error {
		unmet.Have, unmet.Remedy = have, "try again; if it lasts, ask who operates brevet"
		return brevet.Errorf(brevet.Unavailable, "%s: whether %s counts could not be asked, so it does not: %s", what, text, have).
			WithHint("try again in a moment").WithUnmet(unmet).WithCause(cause)
	}
	if b.Check == nil {
		return silent("no check "+name+" is configured on this server", nil)
	}
	ok, why, err := b.Check(ctx, name, q)
	switch {
	case err != nil:
		b.Log.WarnContext(ctx, "a check gave no answer", "check", name, "err", err)
		return silent("check "+name+" gave no answer: "+brevet.AsError(err).Message, err)
	case ok:
		return nil
	}
	unmet.Have, unmet.Remedy = "check "+name+" says no", "name another "+what
	if why != "" {
		unmet.Have += ": " + why
	}
	return brevet.Errorf(brevet.Denied, "%s %s does not count: %s", what, text, unmet.Have).WithHint("brevet request … --%s TEXT", what).WithUnmet(unmet)
}
