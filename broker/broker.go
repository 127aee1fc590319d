// Package broker is the house's first trade: sign-in sessions, and the way
// from a request over a decision and a grant to a session and its end.
//
// It is the only place that puts policy, store, cloud and log together. Every
// method that reads or changes state takes the [brevet.Caller] right after
// the context, so identity is never forgotten and never hides.
//
// Issuing is intent, effect, outcome (law 2): a transaction re-checks
// everything and records the intent; then the cloud is called, outside any
// transaction; then a transaction re-checks that the grant still lives and
// records the outcome; only then does the credential leave. What fails
// between intent and outcome leaves a session in doubt, which counts as live
// until the latest moment at which it could die.
//
// Rows are not authority (law 11). Sign-ins, persons, approvals and grants
// are matched with the events that made them, and those are proven to be in
// the log; what has ended is known from the log alone.
package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/glass"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// Config is what a Broker works with. Everything but Ensure, Prove, Fits, Check, OfflineKeys, Contract, Idle, Absolute,
// Endpoint and Log is required; every field that is a function is set by package
// service.
type Config struct {
	DB        *store.DB
	Clouds    map[string]brevet.Cloud // by name; "aws"
	Center    Center                  // its zero value: no account is entered through IAM Identity Center
	Console   func(ctx context.Context, c brevet.Credential, region, destination string) (string, error)
	Providers []Provider
	Seal      func(label string, plain []byte) ([]byte, error)
	Unseal    func(label string, sealed []byte) ([]byte, error)
	Ensure    func(brevet.CustomerID) error // makes a customer's keys, if it has none; nil: nothing to make
	// Prove makes what would let brevet into a role and throws it away, without
	// asking the cloud; the error says why it was refused. nil: [Broker.MayMint]
	// is the proof.
	Prove func(context.Context, brevet.Account, brevet.RoleName) error
	// Fits says whether a session of the role can carry a policy that narrows
	// it, beside what brevet itself adds; nil: not asked before the cloud is.
	Fits func(a brevet.Account, role brevet.RoleName, policy string) error
	// Check asks a configured check by its name whether the ticket or the reason
	// of a request counts, and why not; nil: there are none.
	Check func(ctx context.Context, name string, q Question) (ok bool, why string, err error)
	// OfflineKeys returns the public keys whose records of emergencies count for
	// a customer; nil: none do.
	OfflineKeys func(brevet.CustomerID) (glass.KeySet, error)
	// OnePerson lets one person change the catalog (law 12 off), which the log
	// and whoever lists its versions are told.
	OnePerson bool
	Contract  int    // newest version of the stack that there is; 0: not checked
	Endpoint  string // AWS endpoint that clients are told; "" = AWS's own
	LogKey    string // verifier key of the log, pinned by clients
	// Shifts asks a rota's source for the shifts around now; nil: nobody is ever
	// on duty.
	Shifts   func(ctx context.Context, r brevet.Rota, now time.Time) ([]brevet.Shift, error)
	URL      string        // where people reach the server, for links in messages
	Channels []Channel     // by which people are told
	Idle     time.Duration // longest pause between two uses of a sign-in; default 8 h
	Absolute time.Duration // longest life of a sign-in; default 8 h
	// Shells reports whether sessions of a role may open shells, which outlive
	// them; nil: none may.
	Shells func(brevet.Account, brevet.Role) bool
	// Pause waits between two looks at a cloud; nil: a timer that ends with ctx.
	Pause func(ctx context.Context, d time.Duration) error
	Now   func() time.Time
	Log   *slog.Logger
}

// Provider is an identity provider, as the broker needs it.
type Provider struct {
	Name   string
	Issuer string
	// AuthURL returns where the browser goes. A maxAge below zero asks for
	// nothing, zero for a fresh sign-in.
	AuthURL func(ctx context.Context, state, nonce, challenge string, maxAge time.Duration) (string, error)
	// Exchange turns the code that came back into a verified identity.
	Exchange func(ctx context.Context, code, verifier, nonce string, maxAge time.Duration) (brevet.Identity, error)
	// NamesItself reports whether the provider says that each of its answers
	// carries iss (RFC 9207); nil: it does not.
	NamesItself func(ctx context.Context) (bool, error)
	// Refresh asks for the groups again without the person; nil where the
	// provider cannot. It returns the refresh token to use next.
	Refresh func(ctx context.Context, token string) (brevet.Groups, string, error)
}

// Broker carries out what callers ask for. Its methods may be used by many
// goroutines at once.
type Broker struct {
	Config
	ruling   atomic.Pointer[ruling]
	changes  changes
	starts   starts
	letters  changes // there is something to send
	settled  changes // a message was sent, or was not
	warned   warned
	lanes    []*lane
	known    known
	refresh  singleflight.Group
	duty     duty
	bounded  bounded
	stating  sync.Mutex // statements are made one at a time: each reads the whole log
	revoking *revoking  // revocations that are carried out
	doors    doors
	strays   strays
	unfound  atomic.Int64 // when grants were last looked for that rows hide, in Unix seconds
	guesses  guesses      // sealed codes that were wrong lately
}

// ruling is the version of the catalog that is in force.
type ruling struct {
	*catalog.Catalog
	Policy  *policy.Set // compiled from all of it; nil while none rules
	version int64
	leaf    int64 // index of the event that confirmed it
	recent  []widening
}

// errMoved says that another catalog took effect between judging and
// recording: what was judged is judged again.
var errMoved = brevet.Errorf(brevet.Conflict, "the catalog changed meanwhile").WithHint("try again")

// rules reports whether r is the catalog in force by the log.
func (r *ruling) rules(tx *store.Tx) error {
	if i, ok := tx.Latest(store.CatalogKey); !ok || i != r.leaf {
		return errMoved
	}
	return nil
}

// again runs do, and once more under the newest catalog if that changed
// meanwhile.
func again[T any](ctx context.Context, b *Broker, do func() (T, error)) (T, error) {
	v, err := do()
	for range 2 {
		if err != error(errMoved) {
			break
		}
		if err := b.follow(ctx); err != nil {
			return v, err
		}
		v, err = do()
	}
	return v, err
}

// New returns a broker without a catalog: until Propose has succeeded once it
// knows no target.
func New(c Config) *Broker {
	if c.Idle <= 0 {
		c.Idle = 8 * time.Hour
	}
	if c.Absolute <= 0 {
		c.Absolute = 8 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Shells == nil {
		c.Shells = func(brevet.Account, brevet.Role) bool { return false }
	}
	if c.Pause == nil {
		c.Pause = brevet.Pause
	}
	b := &Broker{Config: c, revoking: newRevoking(), changes: changes{drained: make(chan struct{})}}
	b.Clouds = make(map[string]brevet.Cloud, len(c.Clouds))
	for name, cloud := range c.Clouds {
		b.Clouds[name] = gate{cloud, b}
	}
	if b.Prove == nil {
		b.Prove = func(_ context.Context, a brevet.Account, _ brevet.RoleName) error { return b.MayMint(a.Customer) }
	}
	b.ruling.Store(&ruling{Catalog: &catalog.Catalog{}})
	b.lanes = lanesOf(b.Channels)
	b.letters.drained, b.settled.drained = b.changes.drained, b.changes.drained
	if b.DB != nil {
		b.DB.Tell(b.route)
	}
	return b
}

// now is the time as the house keeps it.
func (b *Broker) now() time.Time { return brevet.Instant(b.Now()) }

// Catalog returns the version in force. It is never nil and never changes.
func (b *Broker) Catalog() *catalog.Catalog { return b.ruling.Load().Catalog }

// policy returns that of the catalog in force; nil, which allows nothing,
// while none is.
func (b *Broker) policy() *policy.Set { return b.ruling.Load().Policy }

// Ready reports whether credentials could be issued: the database answers and
// a catalog rules.
func (b *Broker) Ready(ctx context.Context) error {
	if b.policy() == nil {
		return brevet.Errorf(brevet.Unavailable, "no catalog is in force yet")
	}
	return b.DB.Ping(ctx)
}

// actor names the caller in events.
func actor(c brevet.Caller) brevet.Actor {
	return brevet.Actor{Person: c.Person.ID, Handle: c.Person.Handle, Addr: c.Addr}
}

var clock = brevet.Actor{System: "clock"}

// look runs fn on a snapshot and, where a row there does not fit the log, once
// more under the head's lock: rows and log change together, but a snapshot may
// be a moment older or newer than what this process knows of the log.
func (b *Broker) look(ctx context.Context, fn func(*store.Tx) error) error {
	err := b.DB.View(ctx, fn)
	if brevet.KindOf(err) == brevet.Internal {
		err = b.DB.Update(ctx, fn)
	}
	return err
}

// query asks policy about the caller.
func query(c brevet.Caller, account brevet.Account, role brevet.RoleName, now time.Time) policy.Query {
	return policy.Query{Person: c.Person.ID, Handle: c.Person.Handle, Groups: c.SignIn.Groups,
		Account: account, Role: role, MFA: c.SignIn.Proof.MFA, Addr: c.Addr, Duty: c.Duty, Held: c.Held, Now: now, Codes: c.SignIn.Only != ""}
}

// record writes events in order and returns the index of the last one.
func record(tx *store.Tx, events []brevet.Event) (int64, error) {
	last := int64(-1)
	for _, e := range events {
		i, err := tx.Record(e)
		if err != nil {
			return 0, err
		}
		last = i
	}
	return last, nil
}

// refused puts a refusal on record and returns it. If even that fails, the
// failure is returned: no record, no answer.
func (b *Broker) refused(ctx context.Context, c brevet.Caller, account brevet.Account, role brevet.RoleName, what string, no error) error {
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Record(brevet.Event{Kind: brevet.AccessRefused, Customer: account.Customer, Actor: actor(c), Person: c.Person.ID,
			Account: account.ID, Role: role, Reason: brevet.AsError(no).Message, Data: map[string]string{"what": what, "kind": string(brevet.KindOf(no))}})
		return err
	})
	if err != nil {
		return err
	}
	return no
}

// digest names v by the lower-case hex SHA-256 of its JSON.
func digest(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("broker: " + err.Error()) // plain structs only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
