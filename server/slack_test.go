package server_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/server"
)

const signingSecret = "8f742231b10e8888abcd99yyyzzz85a5"

// slackWorld is a world whose channel C1 decides.
type slackWorld struct {
	*world
	hooks *httptest.Server
	mu    sync.Mutex
	told  []string // answers to whoever pressed
}

func newSlackWorld(t *testing.T) *slackWorld {
	t.Helper()
	w := &slackWorld{}
	w.hooks = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var in struct{ Text string }
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &in); err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, in.Text)
	}))
	t.Cleanup(w.hooks.Close)
	w.world = newWorld(t, func(c *server.Config) {
		c.Slack = []server.SlackApp{{Name: "chat", Channel: "C1", Secret: signingSecret, API: w.hooks.URL, HTTP: w.hooks.Client()}}
	})
	w.broker.Channels = []broker.Channel{{Name: "chat", Kind: "slack", Customers: []brevet.CustomerID{customer}}}
	return w
}

// call sends a body signed as Slack does, at the world's time.
func (w *slackWorld) call(body string) *httptest.ResponseRecorder {
	return w.signed(body, signingSecret, w.Now())
}

func (w *slackWorld) signed(body, secret string, at time.Time) *httptest.ResponseRecorder {
	w.t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	return w.send("POST", "/slack", body, "Content-Type", "application/x-www-form-urlencoded", "X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
}

func (w *slackWorld) press(user string, r api.Request, action, channel string) string {
	payload := fmt.Sprintf(`{"type":"block_actions","team":{"id":"T1"},"user":{"id":%q,"team_id":"T1"},"channel":{"id":%q},"response_url":%q,"trigger_id":%q,
		"actions":[{"action_id":"brevet_%s","value":%q}]}`, user, channel, w.hooks.URL+"/actions/x", w.Now().String(), action, fmt.Sprintf(`{"request":%q,"digest":%q}`, r.ID, r.Digest))
	return "payload=" + url.QueryEscape(payload)
}

// link makes user somebody's.
func (w *slackWorld) link(token, user string) *httptest.ResponseRecorder {
	w.t.Helper()
	var l api.SlackLink
	w.as(token, "POST", "/v1/slack/link", "", http.StatusOK, &l)
	return w.call(url.Values{"command": {"/brevet"}, "text": {"link " + l.Code}, "team_id": {"T1"}, "user_id": {user}, "channel_id": {"C1"}}.Encode())
}

func (w *slackWorld) ask(token string) (r api.Request) {
	w.t.Helper()
	w.as(token, "POST", "/v1/requests", `{"target":"acme-prod/Admin","duration":"1h","reason":"restore db-7"}`, http.StatusOK, &r)
	return r
}

func (w *slackWorld) state(token string, r api.Request) api.Request {
	w.t.Helper()
	w.as(token, "GET", "/v1/requests/"+r.ID, "", http.StatusOK, &r)
	return r
}

func (w *slackWorld) lastTold() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.told) == 0 {
		return ""
	}
	return w.told[len(w.told)-1]
}

// TestSlackDecides: a linked person decides by a button, under the laws that
// hold on the page: not their own, not without a fresh proof, not what they
// were not shown, and not twice by one call.
func TestSlackDecides(t *testing.T) {
	w := newSlackWorld(t)
	engineer, lead := w.signIn("engineer", "engineers"), w.signIn("lead", "leads")
	r := w.ask(engineer)
	refuse := func(what, body, why string) {
		t.Helper()
		w.sleep(time.Second)
		if rec := w.call(body); rec.Code != http.StatusOK {
			t.Fatalf("%s: status %d", what, rec.Code)
		}
		if got := w.state(engineer, r).State; got != "pending" {
			t.Fatalf("%s: the request is %s", what, got)
		}
		if !strings.Contains(w.lastTold(), why) || why != "" && !strings.Contains(w.lastTold(), base+"/requests/"+r.ID) {
			t.Errorf("%s: told %q, want %q and the link", what, w.lastTold(), why)
		}
	}
	refuse("a stranger", w.press("U9", r, "approve", "C1"), "not linked to a person")
	if rec := w.link(lead, "U7"); !strings.Contains(rec.Body.String(), "You are lead here") {
		t.Fatalf("link: %s", rec.Body)
	}
	if rec := w.link(engineer, "U8"); !strings.Contains(rec.Body.String(), "You are engineer here") {
		t.Fatalf("link: %s", rec.Body)
	}
	w.sleep(time.Second)
	if rec := w.link(engineer, "U7"); !strings.Contains(rec.Body.String(), "linked to a person already") {
		t.Fatalf("a user of somebody else: %s", rec.Body)
	}
	refuse("the requester", w.press("U8", r, "approve", "C1"), "nobody approves their own request")
	other := r
	other.Digest = strings.Repeat("0", 64)
	refuse("another digest", w.press("U7", other, "approve", "C1"), "something else")
	w.mu.Lock()
	w.told = nil
	w.mu.Unlock()
	refuse("another room", w.press("U7", r, "approve", "C2"), "")
	w.as(lead, "POST", "/v1/logout", "", http.StatusNoContent, nil)
	refuse("signed in nowhere", w.press("U7", r, "approve", "C1"), "you are not signed in anywhere")
	exchange := w.broker.Providers[0].Exchange
	w.broker.Providers[0].Exchange = func(ctx context.Context, code, verifier, nonce string, maxAge time.Duration) (brevet.Identity, error) {
		id, err := exchange(ctx, code, verifier, nonce, maxAge)
		id.Proof.MFA = time.Time{}
		return id, err
	}
	w.signIn("lead", "leads")
	refuse("no proof", w.press("U7", r, "approve", "C1"), "MFA at most 1h old")
	w.broker.Providers[0].Exchange = exchange
	w.signIn("lead", "leads")
	w.sleep(time.Second)
	body := w.press("U7", r, "approve", "C1")
	if rec := w.call(body); rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	got := w.state(engineer, r)
	if got.State != "approved" || got.Decisions[0].By != "lead" || got.Decisions[0].Comment != "in slack, as U7" {
		t.Errorf("request = %+v; told %q", got, w.lastTold())
	}
}

// TestSlackOffIsOff: without an app there is no door.
func TestSlackOffIsOff(t *testing.T) {
	w := newWorld(t)
	if rec := w.send("POST", "/slack", "payload={}", "Content-Type", "application/x-www-form-urlencoded"); rec.Code != http.StatusNotFound {
		t.Errorf("status %d", rec.Code)
	}
}

// TestSlackReplays sends 300 calls that are forged, old or were taken before:
// none is processed.
func TestSlackReplays(t *testing.T) {
	w := newSlackWorld(t)
	engineer, lead := w.signIn("engineer", "engineers"), w.signIn("lead", "leads")
	w.link(lead, "U7")
	r := w.ask(engineer)
	taken := w.press("U9", r, "deny", "C1") // by a stranger: taken, and comes to nothing
	w.call(taken)
	at := w.Now()
	before := len(w.told)
	for i := range 100 {
		w.sleep(time.Millisecond * 100) // guests are counted by their address
		for what, send := range map[string]func() *httptest.ResponseRecorder{
			"a forgery": func() *httptest.ResponseRecorder {
				return w.signed(w.press("U7", r, "approve", "C1"), signingSecret+strconv.Itoa(i), w.Now())
			},
			"an old one": func() *httptest.ResponseRecorder {
				return w.signed(w.press("U7", r, "approve", "C1"), signingSecret, w.Now().Add(-5*time.Minute-time.Duration(i+1)*time.Second))
			},
			"a replay": func() *httptest.ResponseRecorder { return w.signed(taken, signingSecret, at) },
		} {
			if rec := send(); rec.Code != http.StatusUnauthorized && rec.Code != http.StatusConflict && rec.Code != http.StatusTooManyRequests {
				t.Errorf("%s: status %d: %s", what, rec.Code, rec.Body)
			}
		}
	}
	if got := w.state(engineer, r); got.State != "pending" || len(got.Decisions) > 0 || len(w.told) != before {
		t.Errorf("request %s, decisions %v, %d answers", got.State, got.Decisions, len(w.told)-before)
	}
}

// TestSlackCodes: a code links once, within five minutes, and while the
// sign-in lives that asked for it.
func TestSlackCodes(t *testing.T) {
	w := newSlackWorld(t)
	lead := w.signIn("lead", "leads")
	code := func() string {
		var l api.SlackLink
		w.as(lead, "POST", "/v1/slack/link", "", http.StatusOK, &l)
		return l.Code
	}
	use := func(code, user string) string {
		w.sleep(time.Second)
		return w.call(url.Values{"command": {"/brevet"}, "text": {"link " + code}, "team_id": {"T1"}, "user_id": {user}}.Encode()).Body.String()
	}
	once := code()
	if got := use(once, "U1"); !strings.Contains(got, "You are lead") {
		t.Errorf("first: %s", got)
	}
	if got := use(once, "U2"); !strings.Contains(got, "used already") {
		t.Errorf("twice: %s", got)
	}
	late := code()
	w.sleep(5 * time.Minute)
	if got := use(late, "U3"); !strings.Contains(got, "too old") {
		t.Errorf("late: %s", got)
	}
	if got := use("AAAA", "U3"); !strings.Contains(got, "not right") {
		t.Errorf("made up: %s", got)
	}
	over := code()
	w.as(lead, "POST", "/v1/logout", "", http.StatusNoContent, nil)
	if got := use(over, "U3"); !strings.Contains(got, "ended") {
		t.Errorf("after signing out: %s", got)
	}
	lead = w.signIn("lead", "leads")
	w.sleep(61 * time.Minute)
	w.as(lead, "POST", "/v1/slack/link", "", http.StatusUnauthorized, nil) // the proof is too old
}
