package glass

import (
	"cmp"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/brevet-access/brevet"
)

// Opening is a call on its way: the requester's side.
type Opening struct {
	Bundle Bundle
	Call   Call

	identity *age.X25519Identity
	shares   []share
}

// Begin makes a call for what is asked.
func Begin(b Bundle, in Ask, now time.Time) (*Opening, error) {
	target, err := brevet.ParseTarget(in.Target)
	if err != nil {
		return nil, err
	}
	a, err := b.account(target)
	if err != nil {
		return nil, err
	}
	handle, err := brevet.ParseHandle(in.As)
	if err != nil {
		return nil, err
	}
	p, err := b.person(handle)
	if err != nil {
		return nil, err
	}
	reason, err := brevet.CleanText("reason", in.Reason, brevet.MaxReason)
	if err != nil {
		return nil, err
	}
	d := cmp.Or(in.Duration, longest).Truncate(time.Second)
	if d < shortest || d > longest {
		return nil, brevet.Errorf(brevet.Invalid, "duration: %s; at least 1m, at most 1h", brevet.FormatDuration(in.Duration))
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "no recipient can be made").WithCause(err)
	}
	now = brevet.Instant(now)
	c := Call{Format: formatCall, Customer: b.Customer, Issuer: b.Issuer, Key: b.Key, Account: a.Number, Target: brevet.Target{Account: a.Name, Role: target.Role}.String(),
		Handle: p.Handle, Person: p.ID, Grant: brevet.NewID[brevet.GrantID](now), Reason: reason, Seconds: int(d / time.Second), Time: now,
		Recipient: id.Recipient().String()}
	c.text = encode(c)
	return &Opening{Bundle: b, Call: c, identity: id}, nil
}

// state is what an opening is resumed from: a secret for as long as the call
// lives.
type state struct {
	Call     []byte `json:"call"`
	Identity string `json:"identity"`
}

// State returns what [Resume] needs. It opens the answers to this call, so it
// is kept sealed, and forgotten when the call is over.
func (o *Opening) State() []byte { return encode(state{o.Call.Text(), o.identity.String()}) }

// Resume goes on with a call that was begun before, if it is young enough.
func Resume(b Bundle, text []byte, now time.Time) (*Opening, error) {
	var s state
	if err := decode(text, &s); err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "the call that was begun cannot be read")
	}
	id, err := age.ParseX25519Identity(s.Identity)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "the call that was begun cannot be read")
	}
	c, err := ParseCall(s.Call)
	if err != nil {
		return nil, err
	}
	if c.Recipient != id.Recipient().String() {
		return nil, brevet.Errorf(brevet.Conflict, "the call that was begun is another")
	}
	if err := c.suits(b); err != nil {
		return nil, err
	}
	if err := c.timely(now); err != nil {
		return nil, err
	}
	return &Opening{Bundle: b, Call: c, identity: id}, nil
}

// Add takes a holder's answer and returns who gave it. One for another call or
// key, a wrong share, and one that was given already are refused, by name.
func (o *Opening) Add(text []byte) (holder string, err error) {
	body, err := unarmour(armourAnswer, text)
	if err != nil {
		return "", invalid("this is no answer", err)
	}
	plain, err := openWith(body, o.identity)
	if err != nil {
		return "", brevet.Errorf(brevet.Conflict, "the answer is to another call than %s, or was changed on its way", o.Call.Check()).WithCause(err)
	}
	defer clear(plain)
	var a answer
	if err := decode(plain, &a); err != nil || a.Format != formatAnswer {
		return "", brevet.Errorf(brevet.Invalid, "the answer cannot be read")
	}
	holders := o.Bundle.Holders
	switch i := a.Index - 1; {
	case i < 0 || i >= len(holders) || holders[i].Name != a.Holder:
		return "", brevet.Errorf(brevet.Conflict, "the answer is of %s, who holds no share of this key", brevet.Printable(a.Holder))
	case a.Call != o.Call.Digest():
		return a.Holder, brevet.Errorf(brevet.Conflict, "the answer of %s is to another call", a.Holder).WithHint("send them this one: %s", o.Call.Check())
	case a.Key != o.Bundle.Key:
		return a.Holder, brevet.Errorf(brevet.Conflict, "the answer of %s holds a share of another key", a.Holder).WithHint("they have another bundle")
	case slices.ContainsFunc(o.shares, func(s share) bool { return s.index == a.Index }):
		return a.Holder, brevet.Errorf(brevet.Conflict, "%s has answered already; nobody's share counts twice", a.Holder)
	}
	value, err := scalar(a.Value)
	if err != nil || !(share{a.Index, value}).fits(o.Bundle.Commitments) {
		return a.Holder, brevet.Errorf(brevet.Conflict, "the share of %s is a wrong one", a.Holder).WithHint("it is not the one that was sealed to them; ask another holder")
	}
	o.shares = append(o.shares, share{a.Index, value})
	return a.Holder, nil
}

// Have names the holders whose shares are there.
func (o *Opening) Have() (out []string) {
	for _, s := range o.shares {
		out = append(out, o.Bundle.Holders[s.index-1].Name)
	}
	slices.Sort(out)
	return out
}

// Missing returns how many more are needed.
func (o *Opening) Missing() int { return max(0, o.Bundle.Threshold-len(o.shares)) }

// Key puts the key together. The caller wipes it.
func (o *Opening) Key() (*Key, error) {
	if n := o.Missing(); n > 0 {
		return nil, brevet.Errorf(brevet.Denied, "%d of %d holders have answered", len(o.shares), o.Bundle.Threshold)
	}
	k, err := join(o.shares, o.Bundle)
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the shares do not give the key").WithCause(err)
	}
	return k, nil
}
