package broker

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// The broker's own errands are grants of named system principals (law 1):
// asked for, approved by a policy of their own name, activated, and handed
// back as soon as the errand is done; at most 15 minutes.
const (
	longestErrand = 15 * time.Minute
	probePatience = 80 * time.Second // for a whole probe

	// LongestCanary is how long a probe may wait for its canary.
	LongestCanary = 45 * time.Second
)

// prober is the principal that probes. No identity provider has an issuer of
// that name, so nobody can sign in as it.
var prober = brevet.Principal{Issuer: "brevet", Subject: "probe"}

// Probed is what a probe found.
type Probed struct {
	Account  brevet.Account
	Customer string
	Role     brevet.RoleName // in which it looked round
	Grant    brevet.GrantID
	At       time.Time
	Checks   []brevet.Check
}

// Misses counts what is not as it should be.
func (p Probed) Misses() int { return p.count(brevet.CheckMiss) }

func (p Probed) count(r brevet.CheckResult) int {
	n := 0
	for _, c := range p.Checks {
		if c.Result == r {
			n++
		}
	}
	return n
}

// Probe tries out the customer's side of an account. Whoever calls holds the
// right to audit for its customer, and their own second factor is what the
// probe's sessions carry. All that it does is on record, and so is what it
// found. Wait is how long the canary may take, at most [LongestCanary].
func (b *Broker) Probe(ctx context.Context, c brevet.Caller, account string, wait time.Duration) (Probed, error) {
	if wait < 0 || wait > LongestCanary {
		return Probed{}, brevet.Errorf(brevet.Invalid, "wait: %s is too long; at most %s", brevet.FormatDuration(wait), brevet.FormatDuration(LongestCanary))
	}
	door, _ := b.Clouds["aws"].(gate) // which probe keeps shut for customers that left
	cloud, ok := door.Cloud.(prover)
	if !ok {
		return Probed{}, brevet.Errorf(brevet.Unavailable, "this server has no cloud that can be probed")
	}
	return again(ctx, b, func() (Probed, error) { return b.probe(ctx, c, account, wait, cloud.Probe) })
}

// prover is a cloud that can be probed.
type prover interface {
	Probe(ctx context.Context, p brevet.Probe) []brevet.Check
}

func (b *Broker) probe(ctx context.Context, c brevet.Caller, name string, wait time.Duration, run func(context.Context, brevet.Probe) []brevet.Check) (Probed, error) {
	c = b.current(ctx, c, 15*time.Minute)
	rules := b.ruling.Load()
	account, ok := rules.Account(name)
	if !ok || !b.knows(c, account.Customer) {
		return Probed{}, brevet.Errorf(brevet.NotFound, "there is no account %s that you could probe", brevet.Printable(name))
	}
	if !b.holds(c, account.Customer, brevet.RightAudit) {
		no := brevet.Errorf(brevet.Denied, "you may not probe accounts of %s", b.customerName(account.Customer)).
			WithUnmet(brevet.Unmet{Condition: "hold the right to audit", Have: "you do not", Remedy: "ask " + b.policy().Holders(account.Customer, brevet.RightAudit).String()})
		return Probed{}, b.refused(ctx, c, account, "", "probe", no)
	}
	if err := b.MayMint(account.Customer); err != nil {
		return Probed{}, err
	}
	roles := rules.RolesIn(account.ID)
	role, ok := reader(roles)
	if !ok {
		return Probed{}, brevet.Errorf(brevet.Invalid, "account %s has no role in which a probe could look round", account.Name).
			WithHint("a probe uses ReadOnly, or else Security")
	}
	if err := stepUp(c, role.MFA, b.now(), "to probe "+account.Name); err != nil {
		return Probed{}, err
	}
	e, err := b.openErrand(ctx, c, rules, account, role, "probe of "+account.Name)
	if err != nil {
		return Probed{}, err
	}
	// The client may hang up; what the cloud did must be recorded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probePatience)
	defer cancel()
	rung, _ := brevet.RungOf(c.SignIn.Proof.MFA, b.now())
	customer, _ := rules.CustomerByID(account.Customer)
	p := brevet.Probe{Customer: customer, Account: account, Roles: roles, Foreign: foreign(rules.Customers, account.Customer), Wait: wait,
		Issue: brevet.Issue{Grant: e.grant.ID, Person: e.person.ID, Handle: e.person.Handle, Account: account, Role: role.Name, MFA: rung,
			TTL: longestErrand, End: e.grant.End},
		Begin: func() (brevet.SessionID, func(*brevet.Credential, error) error, error) { return b.begin(ctx, e, rung) }}
	checks := run(ctx, p)
	out := Probed{Account: account, Customer: customer.Name, Role: role.Name, Grant: e.grant.ID, At: b.now(), Checks: checks}
	return out, b.closeErrand(context.WithoutCancel(ctx), c, e, out)
}

// reader returns the role in which a probe looks round.
func reader(roles []brevet.Role) (brevet.Role, bool) {
	for _, name := range brevet.ProbeRoles {
		if i := slices.IndexFunc(roles, func(r brevet.Role) bool { return r.Name == name && !r.Offline }); i >= 0 {
			return roles[i], true
		}
	}
	return brevet.Role{}, false
}

// foreign returns another customer than that one.
func foreign(all []brevet.Customer, not brevet.CustomerID) brevet.CustomerID {
	for _, k := range all {
		if k.ID != not {
			return k.ID
		}
	}
	return ""
}

// errand is one that the broker is on.
type errand struct {
	person brevet.Person
	grant  brevet.Grant
	system string // "probe", "revoke"
}

func (e errand) actor() brevet.Actor {
	return brevet.Actor{Person: e.person.ID, Handle: e.person.Handle, System: e.system}
}

// openErrand writes the request of an errand, its approval, and its grant.
// The person at whose wish it is stands in the request's reason.
func (b *Broker) openErrand(ctx context.Context, c brevet.Caller, rules *ruling, account brevet.Account, role brevet.Role, what string) (e errand, err error) {
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := rules.rules(tx); err != nil {
			return err
		}
		if err := proveSignIn(tx, c.SignIn); err != nil {
			return err
		}
		if err := provePerson(tx, c.Person); err != nil {
			return err
		}
		e.system = "probe"
		if e.person, err = systemPerson(tx, prober, "brevet-probe"); err != nil {
			return err
		}
		return b.grantErrand(tx, &e, rules, account, role, what+" for "+string(c.Person.Handle))
	})
	return e, err
}

// grantErrand writes the request of an errand, its approval, and its grant.
func (b *Broker) grantErrand(tx *store.Tx, e *errand, rules *ruling, account brevet.Account, role brevet.Role, reason string) error {
	now := tx.Now()
	ask := brevet.Ask{Person: e.person.ID, Customer: account.Customer, Account: account.ID, Role: role.Name, RoleDigest: role.Digest(),
		Entitlement: "errand", Rule: brevet.Approval{Automatic: true}, Activate: brevet.OnApproval, MFA: role.MFA, Duration: longestErrand,
		Reason: reason, CatalogVersion: rules.version}
	r, events := brevet.NewRequest(brevet.NewID[brevet.RequestID](now), ask, e.actor(), now, brevet.DefaultWait)
	r, more, err := r.Decide(brevet.Decision{Policy: "errand", Approve: true, Digest: r.Digest()}, now)
	if err != nil {
		return err
	}
	if r.Leaf, err = record(tx, append(events, more...)); err != nil {
		return err
	}
	if err := tx.AddRequest(r); err != nil {
		return err
	}
	e.grant, err = b.open(tx, r, brevet.Actor{Policy: "errand"})
	return err
}

// systemPerson returns the person that stands for a system principal; the
// first time it makes them.
func systemPerson(tx *store.Tx, who brevet.Principal, h brevet.Handle) (brevet.Person, error) {
	p, err := tx.PersonByPrincipal(who)
	if errors.Is(err, brevet.NotFound) {
		return newPerson(tx, brevet.Identity{Principal: who, Login: string(h), Name: "brevet's own errand"}, "")
	}
	if err != nil {
		return p, err
	}
	if err := provePerson(tx, p); err != nil {
		return p, err
	}
	return p, provePrincipal(tx, p, who)
}

// begin records the intent of one attempt of an errand. What it returns
// records the outcome: a session that the cloud made although it should not
// have is in doubt, as nobody holds it.
func (b *Broker) begin(ctx context.Context, e errand, rung brevet.Rung) (id brevet.SessionID, done func(*brevet.Credential, error) error, err error) {
	var s brevet.Session
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		if tx.GrantOver(e.grant.ID) || tx.PersonOver(e.person.ID) || tx.CustomerOver(e.grant.Customer) {
			return brevet.Errorf(brevet.NoGrant, "the errand was ended")
		}
		var events []brevet.Event
		if s, events, err = e.grant.Intend(brevet.NewID[brevet.SessionID](now), e.actor(), rung, longestErrand, now); err != nil {
			return err
		}
		if _, err := record(tx, events); err != nil {
			return err
		}
		return tx.AddSession(s)
	})
	return s.ID, func(cred *brevet.Credential, cause error) error {
		return b.outcomeOf(context.WithoutCancel(ctx), e, s, cred, cause)
	}, err
}

// outcomeOf records what became of an attempt.
func (b *Broker) outcomeOf(ctx context.Context, e errand, s brevet.Session, cred *brevet.Credential, cause error) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		var next brevet.Session
		var events []brevet.Event
		switch k := brevet.KindOf(cause); {
		case cred != nil:
			g := e.grant
			if tx.GrantOver(g.ID) {
				g.State = brevet.Revoked
			}
			var no error
			next, events, no = s.Issue(g, e.actor(), cred.AccessKeyID, brevet.Instant(cred.Expires), now)
			if errors.Is(no, brevet.Conflict) {
				return no
			}
		case k == brevet.CloudRefused || k == brevet.Invalid || k == brevet.NoGrant: // certainly not made
			next, events = s.Refuse(e.grant, clock, brevet.AsError(cause).Message, now)
		default:
			next, events = s.Doubt(e.grant, clock, "the answer of the cloud is not known", now)
		}
		if _, err := record(tx, events); err != nil {
			return err
		}
		return tx.PutSession(next)
	})
}

// closeErrand hands the grant back and puts on record what was found.
func (b *Broker) closeErrand(ctx context.Context, c brevet.Caller, e errand, found Probed) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		now := tx.Now()
		g, err := tx.Grant(e.grant.ID)
		if err != nil {
			return err
		}
		if g, events, err := g.Drop(e.actor(), now); err == nil { // else somebody revoked it meanwhile
			if _, err := record(tx, events); err != nil {
				return err
			}
			if err := tx.PutGrant(g); err != nil {
				return err
			}
		}
		data := map[string]string{}
		for _, k := range found.Checks {
			data[strings.ReplaceAll(k.Name, " ", "_")] = string(k.Result) + ": " + k.Detail
		}
		_, err = tx.Record(brevet.Event{Kind: brevet.StackProbed, Customer: found.Account.Customer, Actor: actor(c), Person: c.Person.ID,
			Grant: e.grant.ID, Request: e.grant.Request, Account: found.Account.ID, Role: found.Role, Reason: found.summary(), Data: data})
		return err
	})
}

// summary says in a few words how a probe came out.
func (p Probed) summary() string {
	words := []string{}
	for _, r := range []brevet.CheckResult{brevet.CheckOK, brevet.CheckMiss, brevet.CheckPending, brevet.CheckUnknown} {
		if n := p.count(r); n > 0 {
			words = append(words, strconv.Itoa(n)+" "+string(r))
		}
	}
	return strings.Join(words, ", ")
}
