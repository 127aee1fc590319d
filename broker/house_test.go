package broker_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/signer"
	"github.com/brevet-access/brevet/store"
	"github.com/brevet-access/brevet/store/pgtest"
)

// house is a broker on a real SQLite database and real keys, with an identity
// provider and a cloud that do what the test says.
type house struct {
	*broker.Broker
	t     testing.TB
	db    *store.DB
	path  string // of the database file
	store store.Config
	clock time.Time
	since time.Time // when the clock began to run; zero: it stands still until it is moved
	mu    sync.Mutex

	onNow  []func()            // what happens at the next looks at the clock
	groups map[string][]string // what the provider says about its people
	asked  func()              // what happens when the provider is asked for groups, once
	down   bool                // the provider does not answer refreshes
	mfa    bool                // sign-ins give a multi-factor proof
	cloud  func(brevet.Issue) (brevet.Credential, error)
	issues []brevet.Issue
	kill   func(brevet.Account, brevet.Kill) (brevet.Killed, error)
	killed map[brevet.GrantID]bool // by kills, or kill's doing
	reach  func(brevet.Issue) bool // whether what was killed has reached the services
}

func (h *house) now() time.Time {
	h.mu.Lock()
	var do func()
	if len(h.onNow) > 0 {
		do, h.onNow = h.onNow[0], h.onNow[1:]
	}
	h.mu.Unlock()
	if do != nil {
		do()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.since.IsZero() {
		return h.clock.Add(time.Since(h.since))
	}
	return h.clock
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// cloud is the house's brevet.Cloud.
type cloud struct{ h *house }

func (c cloud) Issue(_ context.Context, i brevet.Issue) (brevet.Credential, error) {
	h := c.h
	h.mu.Lock()
	h.issues = append(h.issues, i)
	n, do := len(h.issues), h.cloud
	h.mu.Unlock()
	if do != nil {
		return do(i)
	}
	return brevet.Credential{AccessKeyID: fmt.Sprintf("ASIA%016d", n), SecretAccessKey: "s", SessionToken: "t", Expires: h.now().Add(max(i.TTL, brevet.MinSession))}, nil
}

func (c cloud) Revoke(_ context.Context, as brevet.Credential, a brevet.Account, k brevet.Kill) (brevet.Killed, error) {
	h := c.h
	h.mu.Lock()
	do := h.kill
	h.mu.Unlock()
	if i := h.issueOf(as); i.Errand != brevet.ErrandRevoke || i.Role != brevet.RevokeRole || i.Account.ID != a.ID {
		return brevet.Killed{}, brevet.Errorf(brevet.CloudRefused, "a session of %s calls the revoker", i.Role)
	}
	if do != nil {
		return do(a, k)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range k.Grants {
		h.killed[g] = true
	}
	return brevet.Killed{Held: k.Grants}, nil
}

func (c cloud) Try(_ context.Context, as brevet.Credential, _ brevet.Account, role brevet.RoleName) []brevet.Tried {
	i := c.h.issueOf(as)
	c.h.mu.Lock()
	dead, reach := c.h.killed[i.Grant], c.h.reach
	c.h.mu.Unlock()
	if i.Errand != brevet.ErrandTry || i.Role != role {
		return nil
	}
	if dead && (reach == nil || reach(i)) {
		return []brevet.Tried{{Action: "iam:GetRole", Result: brevet.TryDenied, Detail: "AccessDenied: with an explicit deny in an identity-based policy"}, {Action: "sns:ListTopics", Result: brevet.TryDenied}}
	}
	return []brevet.Tried{{Action: "iam:GetRole", Result: brevet.TryAllowed}, {Action: "sns:ListTopics", Result: brevet.TryDenied}} // the role may not
}

// issueOf returns what a credential was made for.
func (h *house) issueOf(c brevet.Credential) brevet.Issue {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	if _, err := fmt.Sscanf(c.AccessKeyID, "ASIA%d", &n); err != nil || n < 1 || n > len(h.issues) {
		return brevet.Issue{}
	}
	return h.issues[n-1]
}

var sandboxCatalog = sync.OnceValue(func() []byte {
	text, _, err := catalog.Complete(catalog.Sandbox, rand.Reader, time.Now())
	if err != nil {
		panic(err)
	}
	return text
})

func TestMain(m *testing.M) { pgtest.Main(m) }

func newHouse(t testing.TB) *house { return newHouseOn(t, "") }

// onBoth runs a test in a house on SQLite and in one on PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, newHouse func(testing.TB) *house)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newHouse) })
	t.Run("postgres", func(t *testing.T) {
		test(t, func(t testing.TB) *house { return newHouseOn(t, pgtest.New(t)) })
	})
}

// newHouseOn is newHouse on a database of its own; "" makes one of SQLite.
func newHouseOn(t testing.TB, database string) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{t: t, path: filepath.Join(dir, "brevet.db"), clock: time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC), mfa: true, killed: map[brevet.GrantID]bool{},
		groups: map[string][]string{"engineer": {"engineers"}, "lead": {"leads"}, "security": {"security"}, "contractor": {"contractors"}}}
	if database != "" { // the store compares the clocks, and a test may take its time
		h.since = time.Now()
		h.clock = brevet.Instant(h.since)
	}
	keys, err := signer.Open(signer.Config{Dir: filepath.Join(dir, "keys"), Root: make([]byte, 32), LogName: "brevet.test", Issuer: "https://issuer.brevet.invalid", Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	h.store = store.Config{URL: cmp.Or(database, "sqlite:"+h.path), Now: h.now, Host: "brevet.test", Signer: keys.LogSigner(), Verifier: keys.LogVerifier()}
	h.db, err = store.Open(t.Context(), h.store)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.db.Close() })
	h.Broker = broker.New(broker.Config{DB: h.db, Clouds: map[string]brevet.Cloud{"aws": cloud{h}}, Seal: keys.Seal, Unseal: keys.Unseal, Now: h.now,
		Console: func(context.Context, brevet.Credential, string, string) (string, error) {
			return "https://console", nil
		},
		Pause:     func(ctx context.Context, d time.Duration) error { h.advance(d); return ctx.Err() },
		Providers: []broker.Provider{h.provider()}, LogKey: keys.LogKey(), OnePerson: true})
	if _, err := h.Propose(t.Context(), brevet.Actor{System: "test"}, sandboxCatalog()); err != nil {
		t.Fatal(err)
	}
	return h
}

// replica returns another broker on the house's database, which is PostgreSQL,
// with the catalog in force.
func (h *house) replica(t testing.TB) *broker.Broker {
	t.Helper()
	c := h.Broker.Config
	var err error
	if c.DB, err = store.Open(t.Context(), h.store); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.DB.Close() })
	b := broker.New(c)
	if err := b.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

const issuer = "https://idp.test"

// provider signs in whoever the code names.
func (h *house) provider() broker.Provider {
	facts := func(name string) brevet.Groups { return brevet.Groups{Names: h.groups[name], At: h.now()} }
	return broker.Provider{Name: "test", Issuer: issuer,
		AuthURL: func(_ context.Context, state, _, _ string, _ time.Duration) (string, error) {
			return issuer + "/?state=" + url.QueryEscape(state), nil
		},
		Exchange: func(_ context.Context, code, _, _ string, _ time.Duration) (brevet.Identity, error) {
			id := brevet.Identity{Principal: brevet.Principal{Issuer: issuer, Subject: "sub-" + code}, Login: code, Name: code,
				Proof: brevet.Proof{AuthTime: h.now()}, Groups: facts(code), Refresh: code}
			if h.mfa {
				id.Proof.MFA, id.Proof.Methods = h.now(), []string{"pwd", "otp", "mfa"}
			}
			return id, nil
		},
		Refresh: func(_ context.Context, token string) (brevet.Groups, string, error) {
			if h.down {
				return brevet.Groups{}, "", brevet.Errorf(brevet.Unavailable, "the provider is down")
			}
			if do := h.asked; do != nil {
				h.asked = nil
				do()
			}
			return facts(token), token, nil
		}}
}

// login goes all the way from the browser to a bearer token and back to a
// caller.
func (h *house) login(name string) brevet.Caller {
	h.t.Helper()
	_, c := h.token(name)
	return c
}

func (h *house) token(name string) (string, brevet.Caller) {
	h.t.Helper()
	ctx := context.Background()
	verifier := "verifier-of-at-least-forty-three-characters-long"
	sum := sha256.Sum256([]byte(verifier))
	redirect, cookie, err := h.StartLogin(ctx, broker.LoginStart{Challenge: base64.RawURLEncoding.EncodeToString(sum[:]), MaxAge: -1})
	if err != nil {
		h.t.Fatal(err)
	}
	u, _ := url.Parse(redirect)
	done, err := h.FinishLogin(ctx, u.Query().Get("state"), cookie, name, issuer, "", "192.0.2.1")
	if err != nil {
		h.t.Fatal(err)
	}
	token, _, err := h.Redeem(ctx, done.Code, verifier, "192.0.2.1")
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := h.WhoIs(ctx, token, "192.0.2.1")
	if err != nil {
		h.t.Fatal(err)
	}
	return token, c
}

// ask requests and fails the test if that is refused.
func (h *house) ask(c brevet.Caller, target string, d time.Duration) broker.RequestView {
	h.t.Helper()
	v, err := h.Ask(context.Background(), c, broker.Ask{Target: target, Duration: d, Reason: "restore db-7"})
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// approve decides yes and fails the test if that is refused.
func (h *house) approve(c brevet.Caller, id brevet.RequestID) broker.RequestView {
	h.t.Helper()
	v, err := h.Broker.Decide(context.Background(), c, broker.Decide{ID: id, Approve: true})
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// want asks for a credential and checks the kind of the answer ("" = issued).
func (h *house) want(c brevet.Caller, target string, kind brevet.Kind) broker.Issued {
	h.t.Helper()
	got, err := h.Credential(context.Background(), c, broker.Want{Target: target})
	if brevet.KindOf(err) != kind {
		h.t.Fatalf("credential for %s: got %q (%v), want %q", target, brevet.KindOf(err), err, kind)
	}
	return got
}

// events returns the kinds of all events in the log, in order.
func (h *house) events() []brevet.EventKind {
	h.t.Helper()
	var kinds []brevet.EventKind
	err := h.db.View(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Entries(0, 100000)
		for _, r := range rows {
			kinds = append(kinds, r.Kind)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return kinds
}
