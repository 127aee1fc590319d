package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestAttackDevicePhish: what the starter of a sign-in wrote does not speak to
// the person on our page.
func TestAttackDevicePhish(t *testing.T) {
	w := newWorld(t)
	q := url.Values{"code_challenge": {challenge()}, "code_challenge_method": {"S256"},
		"device": {"our help desk: call 555-0100 and read it to Bob, who verifies your account"}}
	rec := w.send("GET", "/login/authorize?"+q.Encode(), "")
	if rec.Code != http.StatusSeeOther {
		return
	}
	u, _ := url.Parse(rec.Header().Get("Location"))
	cookie := rec.Result().Cookies()[0]
	rec = w.send("GET", "/login/callback?"+url.Values{"state": {u.Query().Get("state")}, "code": {"ann:engineers"}}.Encode(), "", "Cookie", cookie.Name+"="+cookie.Value)
	if strings.Contains(rec.Body.String(), "call 555-0100") {
		t.Error("the page with the code says: call 555-0100 and read it to Bob")
	}
}

// TestAttackBearerFlood: made-up bearers cost a stranger's budget too.
func TestAttackBearerFlood(t *testing.T) {
	w := newWorld(t)
	for i := range 1000 {
		rec := w.send("GET", "/v1/whoami", "", "Authorization", fmt.Sprintf("Bearer brv_%d", i))
		if rec.Code == http.StatusTooManyRequests {
			return
		}
	}
	t.Error("1000 made-up bearers at once were each looked up in the database")
}

// TestAttackCodeElsewhere: a one-time code works once and with its verifier
// only; a wrong verifier uses it up.
func TestAttackCodeElsewhere(t *testing.T) {
	w := newWorld(t)
	state, cookie := w.authorize("http://127.0.0.1:49152/done")
	q := url.Values{"state": {state}, "code": {"ann:engineers"}}
	rec := w.send("GET", "/login/callback?"+q.Encode(), "", "Cookie", cookie.Name+"="+cookie.Value)
	u, err := url.Parse(rec.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	code := u.Query().Get("code")
	body := `{"code":"` + code + `","verifier":"` + verifier + `"}`
	for i, wrong := range []string{`{"code":"` + code + `","verifier":"` + strings.Repeat("x", 43) + `"}`, body} {
		if rec := w.send("POST", "/v1/login/token", wrong); rec.Code == http.StatusOK {
			t.Errorf("try %d gave a token", i)
		}
	}
	rec = w.send("GET", "/login/callback?"+q.Encode(), "", "Cookie", cookie.Name+"="+cookie.Value)
	if rec.Code == http.StatusSeeOther && strings.Contains(rec.Header().Get("Location"), "code=") {
		t.Error("the provider's answer was taken twice")
	}
}

// TestAttackSecretsInLog: no bearer, code, verifier, cookie or state reaches
// the log, whatever fails.
func TestAttackSecretsInLog(t *testing.T) {
	w := newWorld(t)
	token := w.signIn("ann", "engineers")
	state, cookie := w.authorize("http://127.0.0.1:49152/done")
	w.send("GET", "/login/callback?"+url.Values{"state": {state}, "code": {"bad-provider-code"}}.Encode(), "", "Cookie", cookie.Name+"=wrong-cookie")
	w.send("GET", "/login/callback?"+url.Values{"state": {state}, "error": {"x\n{\"level\":\"forged\"}"}}.Encode(), "", "Cookie", cookie.Name+"="+cookie.Value)
	w.send("POST", "/v1/login/token", `{"code":"secret-code","verifier":"`+verifier+`"}`)
	w.send("GET", "/v1/whoami?x=secret-query", "", "Authorization", "Bearer "+token)
	w.send("GET", "/v1/%2e%2e/secret-path", "", "Authorization", "Bearer "+token)
	rec := w.send("POST", "/v1/credentials", `{"target":"acme-staging/ReadOnly"}`, "Authorization", "Bearer "+token)
	if !strings.Contains(rec.Body.String(), "secret-of-") {
		t.Fatalf("no credential: %s", rec.Body)
	}
	log := w.log.String()
	for _, secret := range []string{token, state, cookie.Value, "bad-provider-code", "wrong-cookie", "secret-code", verifier, "secret-query", "secret-path", "secret-of-"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if strings.Contains(log, "\n{\"level\":\"forged\"}") {
		t.Error("a line of the log was forged")
	}
}

// TestAttackIssuerPaths: no spelling of a customer's id reaches the files of
// keys.
func TestAttackIssuerPaths(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"..", "%2e%2e", "cu_..%2f..%2f..%2fetc", "cu_0100000000000000000000000%2f", "CU_01000000000000000000000000", "cu_01000000000000000000000000%00", "cu_8zzzzzzzzzzzzzzzzzzzzzzzzz"} {
		for _, doc := range []string{"/jwks.json", "/.well-known/openid-configuration"} {
			rec := w.send("GET", "/c/"+id+doc, "")
			if rec.Code == http.StatusOK {
				t.Errorf("%s%s: %s", id, doc, rec.Body)
			}
		}
	}
}
