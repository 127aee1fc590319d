package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
)

// carrying is one account's turn.
type carrying struct {
	b       *Broker
	rules   *ruling
	account brevet.Account
	keys    map[brevet.GrantID]probing // sessions that were begun before their grant was told
}

// probing is a session that carries the tag of a grant that is revoked.
type probing struct {
	errand errand
	cred   brevet.Credential
}

// slot takes one of a bounded number of places; free gives it back.
func slot(ctx context.Context, places chan struct{}) (free func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// tell has the customer's revoker deny what is out under the grants, and
// records what it holds. Those that it has no room for are told anew, as wide
// as it must be. Held are those that it holds now.
func (c *carrying) tell(ctx context.Context, list []brevet.Revocation, shells bool) (held []brevet.Revocation, err error) {
	b := c.b
	free, err := slot(ctx, b.revoking.tells)
	if err != nil {
		return nil, err
	}
	defer free()
	ctx, cancel := context.WithTimeout(ctx, tellPatience)
	defer cancel()
	e, err := b.openOwn(ctx, revoker, c.rules, c.account, brevet.Role{Name: brevet.RevokeRole, MFA: brevet.Rung24h}, endWhatIsOut(len(list)))
	if err != nil {
		return nil, err
	}
	defer b.closeOwn(ctx, e)
	as, err := b.enter(ctx, e, brevet.Issue{Account: c.account, Role: brevet.RevokeRole, MFA: brevet.Rung24h, Errand: brevet.ErrandRevoke}, "")
	if err != nil {
		c.noteRevoker(err)
		return nil, err
	}
	k := brevet.Kill{Shells: shells, Grants: grantsOf(list)}
	got, err := b.Clouds["aws"].Revoke(ctx, as, c.account, k)
	c.noteRevoker(err)
	if err != nil {
		return nil, err
	}
	var full []brevet.Revocation
	for _, r := range list {
		if shells || !got.Full || slices.Contains(got.Held, r.Grant) {
			held = append(held, r)
		} else {
			full = append(full, r)
		}
	}
	if err := c.told(ctx, held, brevet.Killed{}, e.actor()); err != nil || len(full) == 0 {
		return held, err
	}
	wide, err := c.widen(ctx, full, as, e.actor())
	return append(held, wide...), err
}

func (c *carrying) noteRevoker(err error) {
	if err == nil || brevet.KindOf(err) == brevet.CloudRefused {
		c.b.revoking.noteRevoker(c.account.ID, err == nil, c.b.now())
	}
}

func grantsOf(list []brevet.Revocation) []brevet.GrantID {
	out := make([]brevet.GrantID, len(list))
	for i, r := range list {
		out[i] = r.Grant
	}
	return out
}

// told records that the revoker holds the revocations. Shells are ended by
// then, and there is nothing more to see.
func (c *carrying) told(ctx context.Context, list []brevet.Revocation, wide brevet.Killed, by brevet.Actor) error {
	return c.b.change(ctx, list, func(r brevet.Revocation, now time.Time) (brevet.Revocation, []brevet.Event, error) {
		next, events, err := r.Tell(wide.Cut, wide.Everybody, by, now)
		if err != nil || !r.Shells {
			return next, events, err
		}
		next, more, err := next.Confirm(by, now)
		return next, append(events, more...), err
	})
}

// widen has the revoker deny everything to the people behind the grants,
// whatever they began until now: the policy has no room for one grant more. A
// session that stands for each is begun before, to see that it is cut off; one
// begun later would not be.
func (c *carrying) widen(ctx context.Context, list []brevet.Revocation, as brevet.Credential, by brevet.Actor) ([]brevet.Revocation, error) {
	var people []brevet.Handle
	for _, r := range list {
		if r.Handle != "" && !slices.Contains(people, r.Handle) {
			people = append(people, r.Handle)
		}
	}
	if len(people) == 0 {
		return nil, brevet.Errorf(brevet.CloudRefused, "the list of revoked grants in %s is full, and whose these are is not known", c.account.Name)
	}
	for _, r := range list {
		if p, err := c.stand(ctx, r); err == nil {
			c.keys[r.Grant] = p
		}
	}
	got, err := c.b.Clouds["aws"].Revoke(ctx, as, c.account, brevet.Kill{Grants: grantsOf(list), Widen: people})
	if err != nil {
		return nil, err
	}
	var held []brevet.Revocation
	for _, r := range list {
		if got.Everybody || slices.Contains(got.Cut, r.Handle) || slices.Contains(got.Held, r.Grant) {
			held = append(held, r)
		}
	}
	if err := c.told(ctx, held, got, by); err != nil {
		return held, err
	}
	if len(held) < len(list) {
		return held, brevet.Errorf(brevet.CloudRefused, "the list of revoked grants in %s is full", c.account.Name).
			WithHint("its owner can set Freeze, which stops every session at once")
	}
	return held, nil
}

// stand begins a session in the role of a revoked grant, with its tag and its
// holder as source identity.
func (c *carrying) stand(ctx context.Context, r brevet.Revocation) (p probing, err error) {
	role, ok := c.stands(r)
	if !ok {
		return p, brevet.Errorf(brevet.CloudRefused, "role %s has left the catalog, so it cannot be seen what its sessions may do", r.Role)
	}
	if p.errand, err = c.b.openOwn(ctx, prober, c.rules, c.account, role, "see that grant "+string(r.Grant)+" is cut off"); err != nil {
		return p, err
	}
	p.cred, err = c.b.enter(ctx, p.errand, brevet.Issue{Account: c.account, Role: role.Name, MFA: role.MFA, Errand: brevet.ErrandTry, Source: r.Handle}, r.Grant)
	if err != nil {
		c.b.closeOwn(ctx, p.errand)
	}
	return p, err
}

// stands returns the role in which it is seen that a revocation counts: the
// grant's own. Into one that trusts only the offline issuer the broker has no
// way; the customer's revoker denies by one policy that every role has, so
// another one shows as well that the cloud holds it.
func (c *carrying) stands(r brevet.Revocation) (brevet.Role, bool) {
	if role, ok := c.role(r.Role); ok {
		return role, true
	}
	roles := c.rules.RolesIn(c.account.ID)
	if !slices.ContainsFunc(roles, func(o brevet.Role) bool { return o.Name == r.Role && o.Offline }) {
		return brevet.Role{}, false
	}
	i := slices.IndexFunc(roles, func(o brevet.Role) bool { return !o.Offline })
	if i < 0 {
		return brevet.Role{}, false
	}
	return roles[i], true
}

func (c *carrying) role(name brevet.RoleName) (brevet.Role, bool) {
	roles := c.rules.RolesIn(c.account.ID)
	i := slices.IndexFunc(roles, func(r brevet.Role) bool { return r.Name == name && !r.Offline })
	if i < 0 {
		return brevet.Role{}, false
	}
	return roles[i], true
}

// confirm sees, for each of the revocations, that the cloud refuses.
func (c *carrying) confirm(ctx context.Context, list []brevet.Revocation) error {
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for _, r := range list {
		if r.Shells {
			continue
		}
		all.Go(func() {
			err := c.see(ctx, r)
			if err != nil {
				err = c.b.trouble(ctx, []brevet.Revocation{r}, err)
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// see confirms one revocation: a session that carries the grant's tag is
// refused what another of the same role, without it, is let do; twice in a
// row, as the cloud's hosts do not learn of it all at once.
func (c *carrying) see(ctx context.Context, r brevet.Revocation) error {
	p, ready := c.keys[r.Grant]
	if !ready {
		free, err := slot(ctx, c.b.revoking.tries)
		if err != nil {
			return err
		}
		p, err = c.stand(ctx, r)
		free()
		if err != nil {
			return err
		}
	}
	defer c.b.closeOwn(ctx, p.errand)
	role, _ := c.stands(r)
	free, err := slot(ctx, c.b.revoking.tries)
	if err != nil {
		return err
	}
	allowed, err := c.allowed(ctx, p.errand, role)
	free()
	if err != nil {
		return err
	}
	began, seen := c.b.now(), 0
	for pause := time.Second; ; pause = min(2*pause, 10*time.Second) {
		refused, err := c.refused(ctx, p, role.Name, allowed)
		if err != nil {
			return err
		}
		if seen++; !refused {
			seen = 0
		}
		if seen == 2 {
			return c.b.change(ctx, []brevet.Revocation{r}, func(r brevet.Revocation, now time.Time) (brevet.Revocation, []brevet.Event, error) {
				return r.Confirm(p.errand.actor(), now)
			})
		}
		if c.b.now().Sub(began) >= confirmWithin { // before the errand's own end, from which on its session is refused anyhow
			return brevet.Errorf(brevet.CloudRefused, "AWS let sessions of the grant work for %s after it was told", brevet.FormatDuration(confirmWithin))
		}
		if seen > 0 {
			pause = time.Second
		}
		if err := c.b.Pause(ctx, pause); err != nil {
			return err
		}
	}
}

// allowed returns the harmless calls that the role is let make in a session
// of the errand's own: what is refused beyond that says nothing.
func (c *carrying) allowed(ctx context.Context, e errand, role brevet.Role) ([]string, error) {
	cred, err := c.b.enter(ctx, e, brevet.Issue{Account: c.account, Role: role.Name, MFA: role.MFA, Errand: brevet.ErrandTry}, "")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range c.b.Clouds["aws"].Try(ctx, cred, c.account, role.Name) {
		if t.Result == brevet.TryAllowed {
			out = append(out, t.Action)
		}
	}
	if out == nil {
		return nil, brevet.Errorf(brevet.CloudRefused, "role %s may make none of the calls by which it could be seen that AWS refuses", role.Name)
	}
	return out, nil
}

// refused reports whether the session is refused all that is allowed without
// the tag.
func (c *carrying) refused(ctx context.Context, p probing, role brevet.RoleName, allowed []string) (bool, error) {
	free, err := slot(ctx, c.b.revoking.tries)
	if err != nil {
		return false, err
	}
	defer free()
	denied := 0
	for _, t := range c.b.Clouds["aws"].Try(ctx, p.cred, c.account, role) {
		byItsEnd := strings.Contains(t.Detail, "session policy")
		if t.Result == brevet.TryDenied && !byItsEnd && slices.Contains(allowed, t.Action) {
			denied++
		}
	}
	return denied == len(allowed), nil
}

// endWhatIsOut is the reason of an errand to the revoker.
func endWhatIsOut(grants int) string {
	if grants == 1 {
		return "end what is out under a grant"
	}
	return fmt.Sprintf("end what is out under %d grants", grants)
}
