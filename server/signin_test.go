package server_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("engineer", "engineers")
	var me api.Whoami
	w.as(token, "GET", "/v1/whoami", "", http.StatusOK, &me)
	if me.Handle != "engineer" || me.Provider != "corp" || len(me.Groups) != 1 || !me.MFA.Equal(w.Now()) || len(me.Rungs) == 0 {
		t.Errorf("whoami: %+v", me)
	}
	w.as(token, "POST", "/v1/logout", "", http.StatusNoContent, nil)
	w.as(token, "GET", "/v1/whoami", "", http.StatusUnauthorized, nil)
	if log := w.log.String(); strings.Contains(log, token) || strings.Contains(log, verifier) || !strings.Contains(log, `"caller":"engineer"`) {
		t.Errorf("the log names a secret or not the caller:\n%s", log)
	}
}

func TestRedirectBack(t *testing.T) {
	w := newWorld(t)
	for _, redirect := range []string{"http://127.0.0.1:49152/a/b", "http://[::1]:5/"} {
		state, cookie := w.authorize(redirect)
		rec := w.send("GET", "/login/callback?code=engineer:engineers&state="+state, "", "Cookie", cookie.Name+"="+cookie.Value)
		to := rec.Header().Get("Location")
		u, err := url.Parse(to)
		if err != nil || !strings.HasPrefix(to, redirect+"?") {
			t.Fatalf("sent to %q, want %q", to, redirect)
		}
		if q := u.Query(); q.Get("state") != "mine" || q.Get("iss") != base || q.Get("code") == "" {
			t.Errorf("sent back with %v", q)
		}
		if rec.Body.Len() != 0 {
			t.Errorf("the redirect has a body: %s", rec.Body)
		}
		if c := rec.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
			t.Errorf("the cookie was not removed: %v", c)
		}
	}
}

func TestCookie(t *testing.T) {
	w := newWorld(t)
	_, c := w.authorize("")
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/login" || c.Secure || c.MaxAge <= 0 || c.MaxAge > 900 {
		t.Errorf("over http: %+v", c)
	}
	w = newWorld(t, secure)
	rec := w.send("GET", "/login/authorize?code_challenge_method=S256&code_challenge="+challenge(), "", "Host", "brevet.example")
	c = rec.Result().Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || !c.Secure || c.Path != "/" || !strings.HasPrefix(c.Name, "__Host-") {
		t.Errorf("over https: %+v", c)
	}
	if rec.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS over https")
	}
}

func TestCodePage(t *testing.T) {
	w := newWorld(t)
	state, cookie := w.authorize("")
	rec := w.send("GET", "/login/callback?code=engineer:engineers&state="+state, "", "Cookie", cookie.Name+"="+cookie.Value)
	body := rec.Body.String()
	found := regexp.MustCompile(`<code>([a-z0-9-]{20,})</code>`).FindStringSubmatch(body)
	if rec.Code != http.StatusOK || found == nil || !strings.Contains(body, "terminal of laptop") || !strings.Contains(body, "Signed in as engineer") {
		t.Fatalf("status %d: %s", rec.Code, body)
	}
	if strings.Contains(body, "<form") || strings.Contains(body, "<input") {
		t.Error("there is a form on the page")
	}
	var token api.Token
	w.as("", "POST", "/v1/login/token", `{"code":" `+found[1]+`\n","verifier":"`+verifier+`"}`, http.StatusOK, &token)
	if token.Token == "" || token.LogKey == "" || token.Whoami.Handle != "engineer" {
		t.Errorf("token: %+v", token)
	}
	w.as("", "POST", "/v1/login/token", `{"code":"`+found[1]+`","verifier":"`+verifier+`"}`, http.StatusGone, nil)
}

func TestAuthorizeRefuses(t *testing.T) {
	w := newWorld(t)
	good := url.Values{"code_challenge": {challenge()}, "code_challenge_method": {"S256"}, "state": {"s"}, "redirect_uri": {"http://127.0.0.1:1/x"}}
	for name, value := range map[string][]string{
		"code_challenge":        {"", "short", challenge() + "=", strings.Repeat("ä", 43), challenge() + "\n"},
		"code_challenge_method": {"", "plain", "s256"},
		"state":                 {strings.Repeat("s", 201), "a\nb", "ünicode"},
		"max_age":               {"-1", "1.5", "x", "99999999999", "1h"},
		"provider":              {"other", "<script>"},
		"response_type":         {"token"},
		"device":                {"a\x1b[2J", strings.Repeat("d", 300)},
		"redirect_uri": {"https://127.0.0.1:1/x", "http://localhost:1/x", "http://127.0.0.1/x", "http://127.0.0.1:0/x", "http://127.0.0.1:99999/x",
			"http://127.0.0.1:1", "http://127.0.0.2:1/x", "http://evil.example:1/x", "http://127.0.0.1:1@evil.example/x", "http://u@127.0.0.1:1/x",
			"http://127.0.0.1:1/x?a=b", "http://127.0.0.1:1/x?", "http://127.0.0.1:1/x#f", "http://[::1%25lo]:1/x", "http://[::2]:1/x", "http://127.1:1/x",
			"http://0x7f000001:1/x", "http://[::ffff:127.0.0.1]:1/x", "//127.0.0.1:1/x", "javascript:alert(1)", "http:127.0.0.1:1/x", "http://127.0.0.1:1\\@evil/x",
			"http://127.0.0.1:1/x\r\nSet-Cookie: a=b", "http://127.0.0.1:01/x", "http://127.0.0.1:1/" + strings.Repeat("x", 400)},
	} {
		for _, v := range value {
			q := url.Values{}
			for k, vs := range good {
				q[k] = vs
			}
			q.Set(name, v)
			rec := w.send("GET", "/login/authorize?"+q.Encode(), "")
			to := rec.Header().Get("Location")
			if name == "redirect_uri" || name == "state" { // nobody is there who could be told
				if rec.Code != http.StatusBadRequest || to != "" || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/html") {
					t.Errorf("%s=%q: status %d, location %q", name, v, rec.Code, to)
				}
			} else if at, err := url.Parse(to); err != nil || rec.Code != http.StatusSeeOther || !strings.HasPrefix(to, good.Get("redirect_uri")+"?") ||
				at.Query().Get("error") != "invalid_request" || at.Query().Get("state") != good.Get("state") || at.Query().Get("iss") == "" || at.Query().Has("code") {
				t.Errorf("%s=%q: status %d, location %q", name, v, rec.Code, to)
			}
			if strings.Contains(rec.Body.String(), "<script") || strings.Contains(rec.Body.String(), "\x1b") {
				t.Errorf("%s=%q is on the page as it came", name, v)
			}
		}
	}
	if rec := w.send("GET", "/login/authorize?"+good.Encode()+"&state=t", ""); rec.Code != http.StatusBadRequest {
		t.Errorf("state twice: status %d", rec.Code)
	}
	if rec := w.send("HEAD", "/login/authorize?"+good.Encode(), ""); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("HEAD: status %d", rec.Code)
	}
	good.Del("redirect_uri")
	if rec := w.send("GET", "/login/authorize?"+good.Encode(), "", "Sec-Fetch-Site", "cross-site"); rec.Code != http.StatusForbidden {
		t.Errorf("a code for a terminal, begun on another site: status %d", rec.Code)
	}
}

func TestCallbackRefuses(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name, query, cookie string
		status              int
		page                string
	}{
		{"nothing", "", "", http.StatusGone, "too old"},
		{"unknown state", "state=x&code=engineer:engineers", "good", http.StatusGone, "too old"},
		{"no cookie", "state=STATE&code=engineer:engineers", "", http.StatusForbidden, "another browser"},
		{"another cookie", "state=STATE&code=engineer:engineers", "bad", http.StatusForbidden, "another browser"},
		{"another issuer", "state=STATE&code=engineer:engineers&iss=https://evil.example", "good", http.StatusSeeOther, "another+provider"},
		{"the provider says no", "state=STATE&error=access_denied&error_description=%3Cb%3Eno%0a%1b[2J", "good", http.StatusSeeOther, "%3Cb%3Eno"},
		{"a bad code", "state=STATE&code=nobody", "good", http.StatusSeeOther, "no+such+code"},
		{"a long code", "state=STATE&code=" + strings.Repeat("x", 9000), "good", http.StatusBadRequest, "too long"},
		{"twice", "state=STATE&state=STATE&code=engineer:engineers", "good", http.StatusBadRequest, "2 times"},
	} {
		state, cookie := w.authorize("http://127.0.0.1:49152/done")
		value := map[string]string{"good": cookie.Value, "bad": "x", "": ""}[test.cookie]
		rec := w.send("GET", "/login/callback?"+strings.ReplaceAll(test.query, "STATE", state), "", "Cookie", cookie.Name+"="+value)
		// Once the browser is known to be the right one, the waiting client is told.
		said, to := rec.Body.String(), rec.Header().Get("Location")
		if rec.Code == http.StatusSeeOther {
			said = to
		}
		if rec.Code != test.status || !strings.Contains(said, test.page) || (to != "") != strings.HasPrefix(to, "http://127.0.0.1:49152/done?") {
			t.Errorf("%s: status %d, want %d and %q: %s %s", test.name, rec.Code, test.status, test.page, to, rec.Body)
		}
	}
	state, cookie := w.authorize("")
	if rec := w.send("HEAD", "/login/callback?code=engineer:engineers&state="+state, "", "Cookie", cookie.Name+"="+cookie.Value); rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("HEAD: status %d", rec.Code)
	}
	if rec := w.send("GET", "/login/callback?code=engineer:engineers&state="+state, "", "Cookie", cookie.Name+"="+cookie.Value); rec.Code != http.StatusOK {
		t.Errorf("HEAD used the sign-in up: %d %s", rec.Code, rec.Body)
	}
}

func TestChooseProvider(t *testing.T) {
	w := newWorld(t)
	w.broker.Providers = append(w.broker.Providers, provider(`home"><b>`, w))
	q := url.Values{"code_challenge": {challenge()}, "code_challenge_method": {"S256"}, "state": {"mine"}}
	rec := w.send("GET", "/login/authorize?"+q.Encode(), "")
	links := regexp.MustCompile(`<a href="([^"]+)">`).FindAllStringSubmatch(rec.Body.String(), -1)
	if rec.Code != http.StatusOK || len(links) != 2 || strings.Contains(rec.Body.String(), "<b>") {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	to := strings.ReplaceAll(links[0][1], "&amp;", "&")
	if rec := w.send("GET", to, "", "Sec-Fetch-Site", "same-origin"); rec.Code != http.StatusSeeOther || !strings.HasPrefix(rec.Header().Get("Location"), "https://corp.idp.invalid/") {
		t.Errorf("choosing %s: status %d to %s", to, rec.Code, rec.Header().Get("Location"))
	}
}

func TestMaxAge(t *testing.T) {
	w := newWorld(t)
	asked := map[string]time.Duration{"": -1, "0": 0, "3600": time.Hour}
	for text, want := range asked {
		var got time.Duration
		inner := provider("corp", w).AuthURL
		w.broker.Providers = []broker.Provider{provider("corp", w)}
		w.broker.Providers[0].AuthURL = func(ctx ctx, state, nonce, challenge string, age time.Duration) (string, error) {
			got = age
			return inner(ctx, state, nonce, challenge, age)
		}
		rec := w.send("GET", "/login/authorize?code_challenge_method=S256&max_age="+text+"&code_challenge="+challenge(), "")
		if rec.Code != http.StatusSeeOther || got != want {
			t.Errorf("max_age=%q: status %d, asked the provider for %v, want %v", text, rec.Code, got, want)
		}
	}
}

func TestProviderDown(t *testing.T) {
	w := newWorld(t)
	w.broker.Providers[0].AuthURL = func(ctx, string, string, string, time.Duration) (string, error) {
		return "", brevet.Errorf(brevet.Unavailable, "the provider corp cannot be reached")
	}
	rec := w.send("GET", "/login/authorize?code_challenge_method=S256&code_challenge="+challenge(), "")
	if rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "The provider corp cannot be reached.") {
		t.Errorf("status %d: %s", rec.Code, rec.Body)
	}
	rec = w.send("GET", "/login/authorize?code_challenge_method=S256&code_challenge="+challenge()+"&state=mine&redirect_uri=http://127.0.0.1:49152/done", "")
	at, err := url.Parse(rec.Header().Get("Location"))
	if err != nil || rec.Code != http.StatusSeeOther || at.Host != "127.0.0.1:49152" || at.Query().Get("error") != "temporarily_unavailable" ||
		at.Query().Get("error_description") != "the provider corp cannot be reached" || at.Query().Get("state") != "mine" {
		t.Errorf("the client that waits is not told: status %d, %s", rec.Code, rec.Header().Get("Location"))
	}
}
