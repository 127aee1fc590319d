package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/keychain"
)

// want is what a command needs of a credential.
type want struct {
	target    string
	remaining time.Duration // it must live at least this much longer
	always    bool          // ask the server however young its last word is
	grant     string        // under this one and no other; "": the best
	uncached  bool          // neither read nor write the cache
}

// lockLimit is how long to wait for another process that is asking.
const lockLimit = 15 * time.Second

// ends lists the kinds of answer after which nothing that is cached for a
// target may be handed out any more.
var ends = []brevet.Kind{brevet.NoGrant, brevet.Denied, brevet.Expired, brevet.Unauthenticated}

// credential returns a credential by these rules. While the server's last
// word is under a minute old the cached one is handed out. Else the server is
// asked, naming the cached one, and either confirms it or sends another. If
// it cannot be reached the cached one is handed out until it expires (law 9);
// stale is true then. An answer that ends the grant purges what it gave.
// Processes that want the same target take turns, and the later ones use what
// the first got.
func (s *session) credential(ctx context.Context, w want) (c keychain.Credential, stale bool, err error) {
	if w.uncached {
		c, err = s.askFor(ctx, w, keychain.Credential{})
		return c, false, err
	}
	if c, ok := s.vault.Credential(s.server, w.target); ok && (!w.always || c.Offline) && c.Fresh(s.now(), w.remaining) {
		return c, false, nil
	}
	began := s.now()
	unlock, err := s.lock(ctx, w.target)
	if err != nil {
		if c, ok := s.vault.Credential(s.server, w.target); ok && c.Usable(s.now(), w.remaining) {
			return c, true, nil
		}
		return c, false, err
	}
	old, ok := s.vault.Credential(s.server, w.target)
	c, stale, err = s.renew(ctx, w, old, began)
	if ended(err) {
		err = errors.Join(err, s.home.Drop(s.server, w.target))
	}
	unlock()
	if s.glass != nil && ended(err) { // the ordinary sign-in counts again
		err = errors.Join(err, s.home.DropGlass(s.server, w.target))
	}
	if ok && ended(err) {
		err = errors.Join(err, s.vault.PurgeGrant(s.server, old.Grant))
	}
	return c, stale, err
}

func ended(err error) bool { return err != nil && slices.Contains(ends, brevet.KindOf(err)) }

// lock takes the entry of target, but does not wait for ever.
func (s *session) lock(ctx context.Context, target string) (func(), error) {
	type result struct {
		unlock func()
		err    error
	}
	got := make(chan result, 1)
	go func() {
		unlock, err := s.home.Lock(keychain.CredentialName(s.server, target))
		got <- result{unlock, err}
	}()
	timer := time.NewTimer(lockLimit)
	defer timer.Stop()
	select {
	case r := <-got:
		return r.unlock, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, brevet.Errorf(brevet.Unavailable, "another brevet is still asking for %s", target).WithHint("try again in a moment")
	}
}

// renew gets a credential while the entry's lock is held; old is what is
// cached, zero if nothing is.
func (s *session) renew(ctx context.Context, w want, old keychain.Credential, began time.Time) (c keychain.Credential, stale bool, err error) {
	usable := old.Usable(s.now(), w.remaining)
	switch {
	case !w.always && old.Fresh(s.now(), w.remaining):
		return old, false, nil // another process asked meanwhile
	case usable && old.Tried.After(began):
		return old, true, nil // another process found the server out of reach meanwhile
	}
	c, err = s.askFor(ctx, w, old)
	if errors.Is(err, brevet.Unavailable) && usable {
		old.Tried = s.now()
		return old, true, s.keep(old)
	}
	if err != nil {
		return keychain.Credential{}, false, err
	}
	return c, false, s.keep(c)
}

// keep caches c, unless somebody signed in or out while it was on its way.
func (s *session) keep(c keychain.Credential) error {
	if !s.current() {
		return nil
	}
	return s.vault.PutCredential(s.server, c)
}

// askFor asks the server. With an old credential that is still good for the
// purpose it asks whether that one stands.
func (s *session) askFor(ctx context.Context, w want, old keychain.Credential) (keychain.Credential, error) {
	sent := s.now()
	in := api.CredentialRequest{Target: w.target, Grant: w.grant}
	if w.remaining > 0 {
		in.MinRemaining = brevet.FormatDuration(max(w.remaining, time.Second))
	}
	if old.Usable(sent, w.remaining) && !old.Renewable(sent) {
		in.Have = old.Session
	}
	got, err := s.Credential(ctx, in)
	if err != nil {
		return keychain.Credential{}, err
	}
	c := fromWire(got, w.target, sent)
	if got.Keep {
		if got.Session != old.Session {
			return keychain.Credential{}, brevet.Errorf(brevet.Internal, "%s spoke of another credential than was asked about", s.server)
		}
		old.Heard, old.Tried, old.Grant, old.GrantEnds = sent, time.Time{}, got.Grant, got.GrantEnds
		c = old
	}
	return c, s.judge(c, w, got.Now)
}

// judge refuses what would be useless here: over already by this machine's
// clock, or too short for what was wanted.
func (s *session) judge(c keychain.Credential, w want, now time.Time) error {
	if !c.Usable(s.now(), 0) {
		if err := s.WrongClock(now); err != nil {
			return err
		}
		return brevet.Errorf(brevet.Conflict, "the credential for %s was over when it arrived", w.target).WithHint("brevet why %s", w.target)
	}
	if !c.Usable(s.now(), w.remaining) {
		return brevet.Errorf(brevet.Conflict, "access to %s ends at %s, sooner than %s from now", w.target, at(c.Expires, s.now()), human(w.remaining)).
			WithHint("brevet request %s --reason \"…\" asks for more", w.target)
	}
	return nil
}

func fromWire(got api.Credential, target string, sent time.Time) keychain.Credential {
	return keychain.Credential{
		Target: target, Account: got.Account, Session: got.Session, Grant: got.Grant,
		AccessKeyID: got.AccessKeyID, SecretAccessKey: got.SecretAccessKey, SessionToken: got.SessionToken,
		Made: sent, Expires: got.Expires, GrantEnds: got.GrantEnds, Heard: sent, Region: got.Region, Endpoint: got.Endpoint,
	}
}

// anew is client.New for code that has no session yet.
func (c *cli) anew(server string) *client.Client {
	cl := client.New(server, "", api.Version)
	cl.Now = c.now
	return cl
}
