package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// Why explains what stands between the caller and a target (law 10).
type Why struct {
	Target  string
	Summary string
	Allowed bool // a credential would be issued now
	Unmet   []brevet.Unmet
	Facts   []string
	Next    string // the next command
}

// Why looks at everything that an issue looks at and changes nothing.
func (b *Broker) Why(ctx context.Context, c brevet.Caller, target string) (Why, error) {
	account, role, err := b.resolve(c, target)
	if err != nil {
		return Why{}, err
	}
	if b.DB.CustomerOver(account.Customer) {
		no := brevet.AsError(b.left(account.Customer))
		return Why{Target: brevet.Target{Account: account.Name, Role: role.Name}.String(), Summary: no.Message, Unmet: no.Unmet, Next: no.Hint}, nil
	}
	c, _, rules := b.judge(ctx, c, account, role.Name, 0, "") // refreshes stale groups
	a := rules.explain(query(c, account, role.Name, b.now()))
	if e, ok := rules.Policy.Urgent(query(c, account, role.Name, b.now())); ok {
		a.Facts = append(a.Facts, urgent(account, role, rules.RolesIn(account.ID), e.BreakGlass)...)
	}
	o := &order{caller: c, account: account, role: role, answer: a, rules: rules, target: brevet.Target{Account: account.Name, Role: role.Name}.String()}
	w := Why{Target: o.target, Facts: a.Facts, Unmet: a.Unmet}
	now := b.now()
	if !a.Allowed && o.asksForWords(a, now) {
		live := false
		err := b.look(ctx, func(tx *store.Tx) error {
			live = b.choose(tx, o, now) == nil && o.grant.Live(now)
			return nil
		})
		if err != nil {
			return w, err
		}
		if live { // what was asked for said enough
			a, w.Unmet = o.answer, nil
		}
	}
	if !a.Allowed {
		w.Summary = "you may not ask for " + o.target
		if len(a.Unmet) > 0 {
			w.Next = a.Unmet[0].Remedy
		}
		return w, nil
	}
	w.Facts = append(w.Facts, fmt.Sprintf("entitlement %s lets you ask for up to %s; approval: %s", a.Entitlement.Name, brevet.FormatDuration(a.Longest), a.Approval))
	if account.Broker != "" {
		w.Facts = append(w.Facts, fmt.Sprintf("one credential lasts at most %s there, as %s is entered by AssumeRole; it is renewed while the grant lives",
			brevet.FormatDuration(account.LongestSession()), account.Name))
	}
	mfa := stepUp(c, a.MFA, now, o.target)
	if mfa != nil {
		w.Unmet = append(w.Unmet, brevet.AsError(mfa).Unmet...)
	} else {
		w.Facts = append(w.Facts, fmt.Sprintf("your MFA counts: it is %s old and %s is allowed", brevet.FormatDuration(now.Sub(c.SignIn.Proof.MFA).Truncate(time.Second)), a.MFA))
	}
	err = b.look(ctx, func(tx *store.Tx) error { return b.whyGrant(tx, o, &w, mfa, now) })
	return w, err
}

// urgent names the ways into a role in an emergency, for somebody who may break
// the glass for it: with the provider there, without it, and without brevet.
func urgent(account brevet.Account, role brevet.Role, all []brevet.Role, rule *brevet.BreakGlass) []string {
	target := brevet.Target{Account: account.Name, Role: role.Name}
	facts := []string{fmt.Sprintf("in an emergency: brevet break-glass %s; nobody approves, everybody is told, and it is reviewed by %s", target, rule.Review)}
	if admitsGlass(account, role) && !rule.Codes.Empty() {
		facts = append(facts, fmt.Sprintf("while the identity provider is down: brevet break-glass %s --codes, with a sealed code of yours and one of %s; brevet codes ls says who has some", target, rule.Codes))
	}
	for _, r := range all {
		if r.Offline && account.OfflineIssuer != "" {
			facts = append(facts, fmt.Sprintf("while brevet itself is down: brevet break-glass %s --offline, if the bundle of %s names you",
				brevet.Target{Account: account.Name, Role: r.Name}, account.OfflineIssuer))
		}
	}
	return facts
}

// whyGrant adds what the grants and requests of the caller say.
func (b *Broker) whyGrant(tx *store.Tx, o *order, w *Why, mfa error, now time.Time) error {
	if err := b.choose(tx, o, now); err != nil {
		no := brevet.AsError(err)
		w.Summary, w.Next = no.Message, no.Hint
		w.Unmet = append(w.Unmet, brevet.Unmet{Condition: "a grant that matches the log and the catalog", Have: no.Message, Remedy: no.Hint})
		return nil
	}
	switch {
	case o.grant.Live(now):
		w.Facts = append(w.Facts, fmt.Sprintf("grant %s gives access for another %s", o.grant.ID, brevet.FormatDuration(o.grant.Left(now).Truncate(time.Second))))
	case o.grant.ID != "" || b.mayOpen(tx, o, now) == nil:
		w.Facts = append(w.Facts, "it opens by itself on first use")
	default:
		no := brevet.AsError(b.noGrant(tx, o, now))
		w.Unmet = append(w.Unmet, brevet.Unmet{Condition: "a grant for " + o.target, Have: no.Message, Remedy: no.Hint})
		w.Summary, w.Next = no.Message, no.Hint
		return nil
	}
	if mfa != nil {
		w.Summary, w.Next = brevet.AsError(mfa).Message, brevet.AsError(mfa).Hint
		return nil
	}
	w.Allowed, w.Summary, w.Next = true, "you may use "+o.target+" now", "brevet exec "+o.target+" -- aws sts get-caller-identity"
	return nil
}
