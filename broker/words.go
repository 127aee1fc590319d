package broker

import (
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// asksForWords reports whether no, the answer to somebody who says nothing, is
// due to guardrails that look at the reason or the duration alone. A credential
// is issued without a reason of its own: it is that of the request behind the
// grant which counts, and which [order.prove] judges. Nothing opens by itself
// then.
func (o *order) asksForWords(no policy.Answer, now time.Time) bool {
	if o.caller.SignIn.Only != "" {
		return false // by sealed codes there is but the emergency
	}
	offer := o.rules.offer(query(o.caller, o.account, o.role.Name, now))
	if !offer.Allowed || len(no.Unmet) == 0 {
		return false
	}
	o.answer, o.words = offer, no.Unmet
	return true
}

// counts reports whether the grant of a request is one that a credential may be
// issued under, where several live.
func (o *order) counts(tx *store.Tx, r brevet.Request, now time.Time) (bool, error) {
	switch {
	case r.BreakGlass:
		return true, nil
	case o.no != nil:
		return false, nil
	case o.words == nil:
		return true, nil
	}
	c, err := o.rules.withHeld(tx, o.caller, now)
	if err != nil {
		return false, err
	}
	_, why, err := o.rules.stands(r, c, now)
	return err == nil && why == "", nil
}
