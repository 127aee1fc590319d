// Package brevettest gives tests the real thing: a whole world (broker,
// identity provider, simulated AWS) in a temporary folder, with a clock that
// the test may set, and clients that have really signed in.
package brevettest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/sandbox"
)

// Clock is a clock that tests set. The zero value starts at a fixed time.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at now.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock; d may be negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// World is a running sandbox and the means to sign in to it.
type World struct {
	*sandbox.World
	Clock *Clock // nil when it runs on real time
	stop  func()
}

// Start starts a world on free ports, on a clock that stands still until the
// test moves it. It ends with the test.
func Start(t testing.TB) *World {
	clock := NewClock(time.Now())
	w := StartConfig(t, sandbox.Config{Dir: t.TempDir(), Now: clock.Now})
	w.Clock = clock
	return w
}

// StartConfig starts a world as c says; it ends with the test.
func StartConfig(t testing.TB, c sandbox.Config) *World {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w, err := sandbox.Open(ctx, c)
	if err != nil {
		cancel()
		t.Fatalf("open world: %v", err)
	}
	done, ready := make(chan error, 1), make(chan struct{})
	go func() { done <- w.Serve(ctx, func() { close(ready) }) }()
	var once sync.Once
	out := &World{World: w, stop: func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("world: %v", err)
			}
			if err := w.Close(); err != nil {
				t.Errorf("close world: %v", err)
			}
		})
	}}
	t.Cleanup(out.stop)
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("world: %v", err)
	}
	return out
}

// Stop ends the world before the test does; its folder can be opened again.
func (w *World) Stop() { w.stop() }

// Login signs a person in, as a browser and brevet login would, and returns
// their client and token.
func (w *World) Login(t testing.TB, username string) (*client.Client, api.Token) {
	t.Helper()
	now := time.Now
	if w.Clock != nil {
		now = w.Clock.Now
	}
	c, token, err := SignIn(context.Background(), w.Facts, now, username)
	if err != nil {
		t.Fatal(err)
	}
	return c, token
}

// SignIn is [World.Login] without a test.
func SignIn(ctx context.Context, facts sandbox.Facts, now func() time.Time, username string) (*client.Client, api.Token, error) {
	verifier := random()
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		"response_type": {"code"}, "state": {"s"}, "device": {"test"}}
	page, err := Browse(facts, now, username, facts.URL+"/login/authorize?"+q.Encode())
	if err != nil {
		return nil, api.Token{}, err
	}
	code := oneTimeCode.FindString(page)
	if code == "" {
		return nil, api.Token{}, fmt.Errorf("no one-time code on the page:\n%s", page)
	}
	token, err := client.New(facts.URL, "", api.Version).Login(ctx, code, verifier)
	if err != nil {
		return nil, token, fmt.Errorf("redeem: %w", err)
	}
	return client.New(facts.URL, token.Token, api.Version), token, nil
}

var (
	oneTimeCode = regexp.MustCompile(`\b[a-z2-7]{5}(-[a-z2-7]{5}){3}\b`)
	formAction  = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	hidden      = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`)
	attribute   = regexp.MustCompile(`(name|value)="([^"]*)"`)
)

// Browse opens address in a new browser and signs username in on the way; it
// returns the first page without a form.
func (w *World) Browse(t testing.TB, username, address string) string {
	t.Helper()
	now := time.Now
	if w.Clock != nil {
		now = w.Clock.Now
	}
	page, err := Browse(w.Facts, now, username, address)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// Browse is what a person does in a browser: it opens address and fills in
// the sandbox's sign-in forms as username until a page comes without one,
// which is returned.
func Browse(facts sandbox.Facts, now func() time.Time, username, address string) (page string, err error) {
	i := slices.IndexFunc(facts.People, func(p sandbox.PersonFact) bool { return p.Username == username })
	if i < 0 {
		return "", fmt.Errorf("nobody is called %q", username)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := &http.Client{Jar: jar}
	resp, err := browser.Get(address)
	for range 5 {
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return "", err
		}
		page = string(body)
		action := formAction.FindStringSubmatch(page)
		if action == nil {
			return page, nil
		}
		to, err := resp.Request.URL.Parse(html.UnescapeString(action[1]))
		if err != nil {
			return "", err
		}
		form, err := fill(page, facts.People[i], now())
		if err != nil {
			return "", err
		}
		if resp, err = browser.PostForm(to.String(), form); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("the sign-in never ends:\n%s", page)
}

// fill answers a form of the sandbox's sign-in.
func fill(page string, p sandbox.PersonFact, now time.Time) (url.Values, error) {
	form := hiddenFields(page)
	if strings.Contains(page, `name="otp"`) {
		code, err := totp.GenerateCode(p.TOTP, now)
		form.Set("otp", code)
		return form, err
	}
	form.Set("username", p.Username)
	form.Set("password", p.Password)
	return form, nil
}

func random() string {
	var raw [32]byte
	rand.Read(raw[:])
	return base64.RawURLEncoding.EncodeToString(raw[:])
}
