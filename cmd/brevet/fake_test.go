package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/audit"
)

// fake is a server that speaks package api and decides nothing by itself. It
// stands in for the real one in the tests of the client.
type fake struct {
	srv *httptest.Server

	mu       sync.Mutex
	came     chan struct{} // a request came since somebody looked
	down     bool
	hostile  bool
	refuse   string // kind
	asked    int
	codes    map[string][2]string // one-time code -> challenge, person
	tokens   map[string]string    // token -> person
	requests []*api.Request
	grants   []*api.Grant
	sessions map[string]*api.Grant
	catalog  api.Catalog
	signer   note.Signer
	key      string
	tree     audit.Frontier
	log      []api.Entry
	left     *api.Offboarded // how acme left
	changed  chan struct{}
}

func newFake() *fake {
	f := &fake{codes: map[string][2]string{}, tokens: map[string]string{}, sessions: map[string]*api.Grant{}, changed: make(chan struct{}), came: make(chan struct{}, 1),
		catalog: api.Catalog{Version: 1, Digest: "d1", Text: "issuer: https://issuer.brevet.invalid\n"}}
	f.newLogKey()
	f.record(brevet.Event{Kind: brevet.LogOpened, Actor: brevet.Actor{System: "boot"}})
	f.srv = httptest.NewUnstartedServer(f.routes())
	f.srv.Start()
	return f
}

func (f *fake) newLogKey() {
	skey, vkey, err := note.GenerateKey(rand.Reader, "brevet.test")
	if err != nil {
		panic(err)
	}
	if f.signer, err = note.NewSigner(skey); err != nil {
		panic(err)
	}
	f.key = vkey
}

func (f *fake) record(e brevet.Event) {
	e.Time = brevet.Instant(time.Now())
	details, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	salt := make([]byte, audit.SaltSize)
	rand.Read(salt)
	leaf := audit.Leaf{Time: e.Time, Kind: e.Kind, Seq: int64(len(f.log)) + 1, Details: audit.HashDetails(salt, details)}.Marshal()
	hash := audit.LeafHash(leaf)
	f.tree.Append(hash)
	f.log = append(f.log, api.Entry{Index: int64(len(f.log)), Hash: base64.StdEncoding.EncodeToString(hash[:]), Leaf: string(leaf),
		Salt: base64.StdEncoding.EncodeToString(salt), Details: string(details)})
}

// answer handles one route: in is the decoded body, nil for GET.
type answer func(who string, r *http.Request) (any, error)

func (f *fake) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(api.RouteAuthorize, f.authorize)
	for route, a := range map[string]answer{
		api.RouteToken: f.token, api.RouteLogout: f.logout, api.RouteWhoami: f.whoami, api.RouteTargets: f.targets, api.RouteWhy: f.why,
		api.RouteStatus: f.status, api.RouteRequest: f.ask, api.RouteRequests: f.list, api.RouteRequestGet: f.get, api.RouteDecide: f.decide,
		api.RouteWithdraw: f.withdraw, api.RouteGrants: f.listGrants, api.RouteDrop: f.end, api.RouteRevoke: f.end,
		api.RouteCredential: f.credential, api.RouteConsole: f.console, api.RouteCheckpoint: f.checkpoint, api.RouteEntries: f.entries,
		api.RouteCatalog: f.showCatalog, api.RouteApply: f.apply, api.RoutePlan: f.apply, api.RouteVersions: f.versions, api.RouteConfirm: f.confirm, api.RouteRetract: f.retract, api.RouteCustomers: f.customers, api.RouteOffboard: f.offboard,
	} {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, route, a) })
	}
	return mux
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request, route string, a answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway)
		return
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	who := f.tokens[bearer]
	var out any
	err := error(brevet.Errorf(brevet.Unauthenticated, "the sign-in has ended").WithHint("sign in: brevet login"))
	if r.Method == http.MethodPost && r.Header.Get(api.IdempotencyKey) == "" {
		err = brevet.Errorf(brevet.Invalid, "no idempotency key")
	} else if who != "" || route == api.RouteToken {
		out, err = a(who, r)
	}
	if err != nil {
		p := api.NewProblem(err)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(p.Status)
		json.NewEncoder(w).Encode(p)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}

// authorize is provider and server in one: the cookie says who signs in.
func (f *fake) authorize(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := r.URL.Query()
	person := "engineer"
	if c, err := r.Cookie("person"); err == nil && c.Value != "" {
		person = c.Value
	}
	one := strconv.Itoa(len(f.codes)) + "abcd-efgh"
	f.codes[one] = [2]string{q.Get("code_challenge"), person}
	back := q.Get("redirect_uri")
	if back == "" {
		fmt.Fprintf(w, "code: %s", one)
		return
	}
	v := url.Values{"code": {one}, "state": {q.Get("state")}, "iss": {f.srv.URL}}
	if person == "stranger" {
		v = url.Values{"error": {"access_denied"}, "error_description": {"not \x1b[31mhere"}, "state": {q.Get("state")}}
	}
	if person == "nobody-there" {
		v = url.Values{"error": {"temporarily_unavailable"}, "error_description": {"the provider corp cannot be reached"}, "state": {q.Get("state")}}
	}
	http.Redirect(w, r, back+"?"+v.Encode(), http.StatusFound)
}

func (f *fake) token(_ string, r *http.Request) (any, error) {
	var in api.TokenRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	c, ok := f.codes[in.Code]
	if !ok {
		return nil, brevet.Errorf(brevet.Expired, "that code is not right, is too old, or was used already")
	}
	delete(f.codes, in.Code)
	sum := sha256.Sum256([]byte(in.Verifier))
	if base64.RawURLEncoding.EncodeToString(sum[:]) != c[0] {
		return nil, brevet.Errorf(brevet.Denied, "this code belongs to another brevet login")
	}
	token := "brv_" + random()
	f.tokens[token] = c[1]
	f.record(brevet.Event{Kind: brevet.SignInOpened, Actor: brevet.Actor{Handle: brevet.Handle(c[1])}})
	who, err := f.whoami(c[1], r)
	return api.Token{Token: token, Expires: time.Now().Add(8 * time.Hour), LogKey: f.key, Whoami: who.(api.Whoami)}, err
}

func (f *fake) logout(_ string, r *http.Request) (any, error) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	delete(f.tokens, bearer)
	return struct{}{}, nil
}

func (f *fake) whoami(who string, _ *http.Request) (any, error) {
	now := time.Now().UTC()
	mfa := now.Add(-3 * time.Second)
	w := api.Whoami{Person: "pr_" + who, Handle: who, Provider: "sandbox", Groups: []string{who + "s"}, GroupsAt: mfa, AuthTime: mfa, Methods: []string{"pwd", "otp"},
		MFA: mfa, SignedIn: mfa, Expires: now.Add(8 * time.Hour), Now: now,
		Rungs: []api.Rung{{Rung: "1h", Until: mfa.Add(time.Hour), Roles: []string{"Admin"}}, {Rung: "8h", Until: mfa.Add(8 * time.Hour), Roles: []string{"ReadOnly", "SRE"}}}}
	if f.hostile {
		w.Name, w.Groups = "a\x1b]0;title\x07\u202eb", []string{"x\ny"}
	}
	return w, nil
}

func (f *fake) targets(string, *http.Request) (any, error) {
	out := []api.Target{
		{Target: "acme-prod/Admin", Account: "444455556666", Role: "Admin", Longest: "2h", Approval: "lead", MFA: "1h", Region: "eu-west-1", Endpoint: "http://127.0.0.1:8479"},
		{Target: "acme-staging/ReadOnly", Account: "111122223333", Role: "ReadOnly", Longest: "4h", Approval: "automatic", Automatic: true, OnUse: true, MFA: "8h",
			About: "look, but see no data; " + strings.Repeat("and more, ", 10), Region: "eu-west-1", Endpoint: "http://127.0.0.1:8479"},
	}
	if f.hostile {
		out[0].Region = "eu-west-1\ncredential_process = evil"
	}
	return out, nil
}

func (f *fake) why(_ string, r *http.Request) (any, error) {
	return api.Why{Target: r.URL.Query().Get("target"), Summary: "acme-prod/Admin needs a grant", Unmet: []brevet.Unmet{{Condition: "a live grant", Have: "none", Remedy: "ask for one"},
		{Condition: "MFA at most 1h old", Have: "acme-prod/Admin needs a grant", Remedy: "brevet request acme-prod/Admin --reason \"…\""}},
		Facts: []string{"entitlement prod-admin covers you for 59m32s"}, Next: "brevet request acme-prod/Admin --reason \"…\""}, nil
}

func (f *fake) status(who string, _ *http.Request) (any, error) {
	st := api.Status{Now: time.Now()}
	for _, g := range f.grants {
		if g.Live && g.Person == who {
			st.Active = append(st.Active, *g)
		}
	}
	for _, r := range f.requests {
		switch {
		case r.State != "pending":
		case r.Person == who:
			st.Waiting = append(st.Waiting, *r)
		case who == "lead":
			st.Decide = append(st.Decide, *r)
		}
	}
	return st, nil
}

func (f *fake) ask(who string, r *http.Request) (any, error) {
	var in api.NewRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if strings.HasSuffix(in.Target, "/Nothing") {
		return nil, brevet.Errorf(brevet.Denied, "you may not ask for %s", in.Target).WithUnmet(brevet.Unmet{Condition: "be one of group owners", Have: "you are " + who, Remedy: "ask to be added"})
	}
	if in.Reason == "" {
		return nil, brevet.Errorf(brevet.Invalid, "%s needs a reason", in.Target).WithHint("brevet request … --reason TEXT")
	}
	if in.Duration == "" {
		in.Duration = "1h"
	}
	now := time.Now()
	q := &api.Request{ID: string(brevet.NewID[brevet.RequestID](now)), Target: in.Target, Person: who, Reason: in.Reason, Ticket: in.Ticket, Duration: in.Duration,
		State: "pending", Approval: "lead", WaitsFor: "lead", Created: now, Lapses: now.Add(time.Hour), Digest: "digest"}
	f.requests = append(f.requests, q)
	select {
	case f.came <- struct{}{}:
	default:
	}
	f.record(brevet.Event{Kind: brevet.RequestCreated, Actor: brevet.Actor{Handle: brevet.Handle(who)}, Reason: in.Reason})
	if !strings.HasPrefix(in.Target, "acme-prod/") {
		q.Approval = "automatic"
		f.open(q, api.Decision{By: "policy staging", Approve: true, At: now})
	}
	return q, nil
}

// open approves q and opens its grant.
func (f *fake) open(q *api.Request, d api.Decision) {
	length, err := brevet.ParseDuration(q.Duration)
	if err != nil {
		panic(err)
	}
	q.State, q.WaitsFor, q.Decided, q.Decisions = "approved", "", d.At, []api.Decision{d}
	g := &api.Grant{ID: string(brevet.NewID[brevet.GrantID](d.At)), Request: q.ID, Target: q.Target, Person: q.Person, State: "active", Live: true, Start: d.At, End: d.At.Add(length), Approved: d.By}
	f.grants = append(f.grants, g)
	q.Grant = g
	f.stir()
}

func (f *fake) stir() { close(f.changed); f.changed = make(chan struct{}) }

// wait gives way until something changed.
func (f *fake) wait(ctx context.Context, limit time.Duration) {
	changed := f.changed
	f.mu.Unlock()
	defer f.mu.Lock()
	select {
	case <-changed:
	case <-ctx.Done():
	case <-time.After(limit):
	}
}

// waitPending returns the newest pending request once there is one; another
// process is about to ask.
func (f *fake) waitPending() string {
	late := time.After(30 * time.Second)
	for {
		f.mu.Lock()
		for _, q := range slices.Backward(f.requests) {
			if q.State == "pending" {
				f.mu.Unlock()
				return q.ID
			}
		}
		f.mu.Unlock()
		select {
		case <-f.came:
		case <-late:
			return ""
		}
	}
}

func (f *fake) find(id string) (*api.Request, error) {
	for _, q := range f.requests {
		if q.ID == id {
			return q, nil
		}
	}
	return nil, brevet.Errorf(brevet.NotFound, "no request %s", id)
}

func (f *fake) list(who string, r *http.Request) (any, error) {
	out := []*api.Request{}
	for _, q := range slices.Backward(f.requests) {
		scope := r.URL.Query().Get("scope")
		if state := r.URL.Query().Get("state"); state != "" && q.State != state {
			continue
		}
		if scope == "all" || scope == "mine" && q.Person == who || scope == "decide" && q.State == "pending" && q.Person != who {
			out = append(out, q)
		}
	}
	return out, nil
}

func (f *fake) get(_ string, r *http.Request) (any, error) {
	q, err := f.find(r.PathValue("id"))
	if limit, perr := brevet.ParseDuration(r.URL.Query().Get("wait")); err == nil && perr == nil && q.State == "pending" {
		f.wait(r.Context(), limit)
	}
	return q, err
}

func (f *fake) decide(who string, r *http.Request) (any, error) {
	var in api.Decide
	q, err := f.find(r.PathValue("id"))
	if err == nil {
		err = decode(r, &in)
	}
	switch {
	case err != nil:
		return nil, err
	case in.Digest != q.Digest || q.State != "pending":
		return nil, brevet.Errorf(brevet.Conflict, "request %s is %s already", q.ID, q.State)
	case who == q.Person:
		return nil, brevet.Errorf(brevet.Denied, "nobody approves their own request").WithHint("it waits for lead")
	}
	d := api.Decision{By: who, Approve: in.Approve, Comment: in.Comment, At: q.Created.Add(41 * time.Second)}
	if in.Approve {
		f.open(q, d)
		q.Grant.End = time.Now().Add(time.Hour)
		return q, nil
	}
	q.State, q.Decided, q.Decisions = "denied", d.At, []api.Decision{d}
	f.stir()
	return q, nil
}

func (f *fake) withdraw(_ string, r *http.Request) (any, error) {
	q, err := f.find(r.PathValue("id"))
	if err == nil {
		q.State = "withdrawn"
		f.stir()
	}
	return q, err
}

func (f *fake) listGrants(who string, r *http.Request) (any, error) {
	out := []*api.Grant{}
	for _, g := range slices.Backward(f.grants) {
		if (r.URL.Query().Get("scope") == "all" || g.Person == who) && (g.Live || r.URL.Query().Get("live") == "") {
			out = append(out, g)
		}
	}
	return out, nil
}

func (f *fake) end(_ string, r *http.Request) (any, error) {
	for _, g := range f.grants {
		if g.ID == r.PathValue("id") {
			if !g.Live {
				return nil, brevet.Errorf(brevet.Conflict, "grant %s is %s already", g.ID, g.State)
			}
			g.Live, g.State, g.Closed = false, "ended", time.Now()
			return api.Revoked{Grant: *g, State: "requested", Until: time.Now().Add(15 * time.Minute)}, nil
		}
	}
	return nil, brevet.Errorf(brevet.NotFound, "no grant %s", r.PathValue("id"))
}

func (f *fake) credential(who string, r *http.Request) (any, error) {
	var in api.CredentialRequest
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	f.asked++
	if f.refuse != "" {
		return nil, brevet.Errorf(brevet.Kind(f.refuse), "refused with %s", f.refuse)
	}
	g := f.live(who, in.Target)
	if g == nil && in.Target == "acme-staging/ReadOnly" {
		f.open(&api.Request{Target: in.Target, Person: who, Duration: "4h"}, api.Decision{At: time.Now()})
		g = f.live(who, in.Target)
	}
	if g == nil {
		return nil, brevet.Errorf(brevet.NoGrant, "you hold no grant for %s", in.Target).WithHint("run: brevet request %s --reason \"…\"", in.Target)
	}
	now := time.Now()
	c := api.Credential{Session: in.Have, Grant: g.ID, Target: in.Target, Account: "444455556666", Expires: now.Add(time.Hour), GrantEnds: g.End, Region: "eu-west-1",
		Endpoint: "http://127.0.0.1:8479", Now: now}
	if f.sessions[in.Have] == g {
		c.Keep = true
		return c, nil
	}
	c.Session = string(brevet.NewID[brevet.SessionID](now))
	f.sessions[c.Session] = g
	c.AccessKeyID, c.SecretAccessKey, c.SessionToken = fmt.Sprintf("ASIAEXAMPLE%d", len(f.sessions)), "secret", "token"
	return c, nil
}

func (f *fake) live(who, target string) *api.Grant {
	for _, g := range slices.Backward(f.grants) {
		if g.Live && g.Person == who && g.Target == target {
			return g
		}
	}
	return nil
}

func (f *fake) console(string, *http.Request) (any, error) {
	return api.Console{URL: f.srv.URL + "/console?token=t", Expires: time.Now().Add(time.Hour)}, nil
}

func (f *fake) checkpoint(string, *http.Request) (any, error) {
	head, err := audit.Sign(f.signer, "brevet.test", 1, f.tree.Size(), f.tree.Root())
	return api.Checkpoint{Note: string(head.Note), Key: f.key, Size: head.Size, Epoch: 1}, err
}

func (f *fake) entries(_ string, r *http.Request) (any, error) {
	from, _ := strconv.Atoi(r.URL.Query().Get("from"))
	from = min(from, len(f.log))
	to := min(from+4, len(f.log)) // small pages
	next := int64(to)
	if to == len(f.log) {
		next = f.tree.Size()
	}
	return api.Entries{Entries: f.log[from:to], Next: next, Size: f.tree.Size()}, nil
}

func (f *fake) showCatalog(string, *http.Request) (any, error) { return f.catalog, nil }

func (f *fake) apply(_ string, r *http.Request) (any, error) {
	var in api.Apply
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if strings.Contains(in.Text, "wrong") {
		return nil, brevet.Errorf(brevet.Invalid, "catalog:1: first\ncatalog:2: second")
	}
	f.catalog.Version++
	f.catalog.Text = in.Text
	return api.Applied{Version: f.catalog.Version, Changes: []string{"+ account acme-dev"}, Rules: true}, nil
}

func (f *fake) versions(string, *http.Request) (any, error) {
	return api.Versions{OnePerson: true, Versions: []api.CatalogVersion{{Version: 7, State: "waits", By: "security", Digest: "d", Changes: []string{"+ account acme-dev"}}}}, nil
}

func (f *fake) confirm(string, *http.Request) (any, error) {
	return api.Applied{Version: 7, Changes: []string{"+ account acme-dev"}, Widens: true, Rules: true}, nil
}

func (f *fake) retract(string, *http.Request) (any, error) { return nil, nil }

func decode(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return brevet.Errorf(brevet.Invalid, "malformed body").WithCause(err)
	}
	return nil
}
