package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/cloud/aws"
	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/store/pgtest"
)

// TestTakeOver kills -9 the brevetd that carries out a revocation, while the
// customer's revoker does not answer it, or after it did and before AWS was
// seen to refuse. Another on the same PostgreSQL takes the revocation over as
// soon as it may think that the first is dead, and not before: then it is told
// and confirmed, once, and never before AWS refuses.
func TestTakeOver(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: starts four servers")
	}
	h := startHollow(t)
	first := h.start(t, strings.TrimPrefix(h.facts.URL, "http://"))
	h.signIn(t)
	for _, c := range []takeOver{
		{name: "the revoker has not heard of it", target: "acme-prod/SRE", at: atRevoker, after: 15 * time.Second},
		{name: "the revoker has done it, unanswered", target: "acme-prod/Data", at: behindRevoker, after: 15 * time.Second},
		{name: "told, and not seen to count", target: "acme-prod/DevOps", at: afterRevoker, after: 30 * time.Second},
	} {
		start := func() *guarded { return h.start(t, "") }
		if !t.Run(c.name, func(t *testing.T) { first = c.run(t, h, first, start) }) {
			return // first is dead, perhaps
		}
	}
}

// takeOver is a death and what follows it.
type takeOver struct {
	name   string
	target string
	at     deadlyCall
	after  time.Duration // since the last word of the dead one
}

// run has first die, and returns what start started to take over.
func (c takeOver) run(t *testing.T, h *hollow, first *guarded, start func() *guarded) (next *guarded) {
	work := h.enter(t, first.url, c.target)
	beside := h.enter(t, first.url, "acme-prod/Security")
	first.gate.arm(c.at)
	began := h.now()
	act, err := h.at(first.url, "security").RevokeAll(t.Context(), api.RevokeAll{Grant: work.Grant, Reason: "a laptop was stolen"})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-first.gate.struck:
	case <-time.After(time.Minute):
		t.Fatal("nobody carries the revocation out")
	}
	first.kill()
	h.noJobs(t)
	if refused := h.refused(t, work); refused != (c.at != atRevoker) {
		t.Fatalf("refused when the first died: %t", refused)
	}

	next = start()
	security := h.at(next.url, "security")
	h.move(t, c.after-time.Second)
	h.looks(t, next.url)
	v, err := security.Revocation(t.Context(), act.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if r := v.Grants[0]; !r.Closed.IsZero() || r.Told.IsZero() != (c.at != afterRevoker) {
		t.Errorf("the next did not wait whether the first lives: %+v", r)
	}
	h.move(t, 2*time.Second)
	r := settled(t, security, act.ID)
	told := h.now()
	if c.at == afterRevoker {
		told = began
	}
	if r.State != "confirmed" || !r.Told.Equal(told) || !r.Closed.Equal(h.now()) {
		t.Errorf("state %s, told %s, want %s, closed %s, want %s: %s", r.State, r.Told, told, r.Closed, h.now(), r.Trouble)
	}
	if !h.refused(t, work) {
		t.Error("it is confirmed, and AWS lets the session work")
	}
	if h.refused(t, beside) {
		t.Error("a neighbour's session is cut off")
	}
	h.recordedOnce(t, security, work.Grant)
	return next
}

// settled waits until the one revocation of an act is closed; it gives up
// after a minute.
func settled(t *testing.T, security *client.Client, act string) (r api.Revocation) {
	t.Helper()
	for range 3 {
		v, err := security.Revocation(t.Context(), act, 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if r = v.Grants[0]; !r.Closed.IsZero() {
			return r
		}
	}
	t.Fatalf("nobody takes the revocation over: it is %s", r.State)
	return r
}

// hollow is a world whose brokers are replicas. Its one clock, the database's,
// too, stands still until it is moved.
type hollow struct {
	replicaProcess
	tokens map[string]string
}

// startHollow opens it; no broker is running then.
func startHollow(t *testing.T) *hollow {
	t.Helper()
	h := &hollow{replicaProcess{dir: t.TempDir(), database: pgtest.New(t) + "&search_path=public,pg_catalog", clock: filepath.Join(t.TempDir(), "clock")}, map[string]string{}}
	h.set(t, time.Now())
	var stop func() error
	var err error
	h.facts, stop, err = openHollow(sandbox.Config{Dir: h.dir, DB: h.database, Now: h.now, Port: mustPorts(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// signIn signs people in, at the server that is at the world's address.
func (h *hollow) signIn(t *testing.T) {
	t.Helper()
	for _, who := range []string{"engineer", "lead", "security"} {
		_, token, err := brevettest.SignIn(t.Context(), h.facts, h.now, who)
		if err != nil {
			t.Fatal(err)
		}
		h.tokens[who] = token.Token
	}
}

// guarded is a replica that reaches AWS through a gate of its own.
type guarded struct {
	url  string
	gate *gate
	kill func()
}

// start starts one for as long as t lasts, at an address if one is given.
func (h *hollow) start(t *testing.T, listen string) *guarded {
	t.Helper()
	g, r := startGate(t), h.replicaProcess
	r.proxy, r.listen = g.server.URL, listen
	url, kill := startReplica(t, r)
	return &guarded{url, g, kill}
}

func (h *hollow) now() time.Time { return scriptClock(h.clock)() }

// set sets the clock, by at most half a minute at a time: brevet refuses to
// work where the database's is further off than that.
func (h *hollow) set(t *testing.T, at time.Time) {
	t.Helper()
	text := at.UTC().Format(time.RFC3339)
	onDatabase(t, h.database, `CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '`+text+`' $$`)
	if err := os.WriteFile(h.clock+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.clock+".new", h.clock); err != nil {
		t.Fatal(err)
	}
}

func (h *hollow) move(t *testing.T, by time.Duration) {
	t.Helper()
	h.set(t, h.now().Add(by))
}

func (h *hollow) at(url, who string) *client.Client {
	return client.New(url, h.tokens[who], api.Version)
}

// enter lets engineer into a target, by lead's word where one is needed.
func (h *hollow) enter(t *testing.T, url, target string) api.Credential {
	t.Helper()
	r, err := h.at(url, "engineer").Ask(t.Context(), api.NewRequest{Target: target, Duration: "1h", Reason: "take over"})
	if err == nil && r.State == "pending" {
		_, err = h.at(url, "lead").Decide(t.Context(), r.ID, api.Decide{Approve: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.at(url, "engineer").Credential(t.Context(), api.CredentialRequest{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// noJobs deletes the queued jobs. One would have whoever finds it carry the
// revocation out, too, some time after its worker died; here the rule alone
// must do.
func (h *hollow) noJobs(t *testing.T) {
	t.Helper()
	onDatabase(t, h.database, "DELETE FROM river_job")
}

// looks has a replica look at all that is open, now: it carries out a
// revocation of its own, in another account.
func (h *hollow) looks(t *testing.T, url string) {
	t.Helper()
	c := h.enter(t, url, "acme-staging/SRE")
	act, err := h.at(url, "security").RevokeAll(t.Context(), api.RevokeAll{Grant: c.Grant, Reason: "another incident"})
	if err != nil {
		t.Fatal(err)
	}
	if r := settled(t, h.at(url, "security"), act.ID); r.State != "confirmed" {
		t.Fatalf("a revocation of its own is %s: %s", r.State, r.Trouble)
	}
}

// refused reports whether AWS refuses whatever the session tries because it
// was revoked; what is refused for another reason says nothing.
func (h *hollow) refused(t *testing.T, c api.Credential) bool {
	t.Helper()
	here := func(string, string, string) string { return h.facts.AWS }
	cloud := aws.New(aws.Config{Now: h.now, API: here})
	as := brevet.Credential{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expires: c.Expires}
	allowed, denied := 0, 0
	for _, tried := range cloud.Try(t.Context(), as, brevet.Account{ID: brevet.AccountID(c.Account), Region: c.Region}, "") {
		switch {
		case tried.Result == brevet.TryAllowed:
			allowed++
		case strings.Contains(tried.Detail, "explicit deny in an identity-based policy"):
			denied++
		}
	}
	if allowed == 0 && denied == 0 {
		t.Fatal("AWS neither lets the session work nor denies it")
	}
	return allowed == 0
}

// recordedOnce reads in the log what was recorded of a grant's revocation.
func (h *hollow) recordedOnce(t *testing.T, security *client.Client, grant string) {
	t.Helper()
	got := map[brevet.EventKind]int{}
	for ev := range logged(t, security) {
		if string(ev.Grant) == grant {
			got[ev.Kind]++
		}
	}
	for _, kind := range []brevet.EventKind{brevet.GrantRevoked, brevet.RevocationRequested, brevet.RevocationTold, brevet.RevocationConfirmed} {
		if got[kind] != 1 {
			t.Errorf("%s is on record %d times", kind, got[kind])
		}
	}
	if got[brevet.RevocationFailed]+got[brevet.RevocationOver] > 0 {
		t.Errorf("on record: %v", got)
	}
}

// deadlyCall says at which of its calls of AWS a broker meets its end.
type deadlyCall int

const (
	none          deadlyCall = iota
	atRevoker                // AWS does not get the call of the revoker
	behindRevoker            // the revoker has done it, and its answer does not come
	afterRevoker             // the revoker has answered, and AWS does not get the next call
	atNext                   // AWS does not get whatever comes next
)

// gate is the way of one broker to AWS.
type gate struct {
	server *httptest.Server
	pass   *httputil.ReverseProxy
	struck chan struct{} // closed once the deadly call is there, which is never answered

	mu   sync.Mutex
	next deadlyCall
}

func startGate(t *testing.T) *gate {
	g := &gate{struck: make(chan struct{}), pass: &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host }}} // which is signed
	g.server = httptest.NewServer(g)
	t.Cleanup(g.server.Close)
	return g
}

func (g *gate) arm(at deadlyCall) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = at
}

// judge says whether a call is the deadly one, and of which kind.
func (g *gate) judge(r *http.Request) deadlyCall {
	g.mu.Lock()
	defer g.mu.Unlock()
	revokes := strings.HasSuffix(r.URL.Path, "/invocations")
	switch at := g.next; {
	case at == afterRevoker && revokes:
		g.next = atNext
	case at == atNext || revokes && (at == atRevoker || at == behindRevoker):
		g.next = none
		return at
	}
	return none
}

// ServeHTTP passes a call on to AWS. The deadly one is held until whoever made
// it is gone.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // else it is not noticed when the other side goes
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch g.judge(r) {
	case none:
		g.pass.ServeHTTP(w, r)
		return
	case behindRevoker:
		g.pass.ServeHTTP(httptest.NewRecorder(), r)
	}
	close(g.struck)
	<-r.Context().Done()
}
