package web_test

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/client"
)

// A double tap decides once, and both taps see the same.
func TestDoubleTap(t *testing.T) {
	w := newWorld(t)
	r := w.ask("acme-prod/SRE", "1h", "restart db-7")
	p := w.signIn(w.lead, "/requests/"+r.ID)
	first := w.press(w.lead, p, "approve", nil)
	size := w.Service.DB.Head().Size
	again := w.press(w.lead, p, "approve", nil)
	has(t, first, "Approved just now")
	has(t, again, "Approved just now")
	if again.Status != http.StatusOK || w.Service.DB.Head().Size != size {
		t.Errorf("the second tap: status %d, %d more entries", again.Status, w.Service.DB.Head().Size-size)
	}
	// The same form with the other button is another intent.
	other := w.press(w.lead, p, "deny", nil)
	if other.Status != http.StatusConflict || w.Service.DB.Head().Size != size {
		t.Errorf("no after yes: status %d", other.Status)
	}
	has(t, other, "Nothing was decided")
}

// What changed since the page was opened is shown, and nothing is decided.
func TestChangedMeanwhile(t *testing.T) {
	w := newWorld(t)
	r := w.ask("acme-prod/SRE", "1h", "restart db-7")
	p := w.signIn(w.lead, "/requests/"+r.ID)
	text, err := os.ReadFile(filepath.Join(w.Dir, "catalog.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	next := bytes.Replace(text, []byte("run and repair what runs"), []byte("run what runs, and read people's mail"), 1)
	if _, err := w.Service.Broker.Propose(t.Context(), brevet.Actor{System: "test"}, next); err != nil {
		t.Fatal(err)
	}
	got := w.press(w.lead, p, "approve", nil)
	if got.Status != http.StatusConflict {
		t.Errorf("status %d", got.Status)
	}
	has(t, got, "Nothing was decided: it is not what you were shown", "run and repair what runs", "run what runs, and read people&#39;s mail", "the role was redefined since it was asked for")
	if now, err := w.engineer.Request(t.Context(), r.ID, 0); err != nil || now.State != "pending" || len(now.Decisions) != 0 {
		t.Errorf("%+v, %v", now, err)
	}
}

// Whose proof is too old is sent to give a fresh one and comes back to the
// same page; no needs none.
func TestStepUp(t *testing.T) {
	w := newWorld(t)
	r := w.ask("acme-prod/Admin", "1h", "restore db-7")
	p := w.signIn(w.lead, "/requests/"+r.ID)
	w.Clock.Advance(70 * time.Minute)
	got := w.press(w.lead, p, "approve", nil) // the page was open all the while
	if got.Status == http.StatusOK {
		t.Errorf("an old proof approves")
	}
	has(t, got, "Nothing was decided", "needs MFA at most 1h old", "Confirm that it is you", `value="deny"`)
	if strings.Contains(got.Body, `value="approve"`) {
		t.Error("there is a button that would do nothing")
	}
	back := w.open(w.lead, "/signin?next=/requests/"+r.ID+"&fresh=1", http.StatusOK)
	if back.URL.Path != "/requests/"+r.ID {
		t.Fatalf("after the step-up: %s", back.URL)
	}
	has(t, w.press(w.lead, back, "approve", nil), "Approved just now")
}

// TestWall: what somebody may not see and what is not there look the same,
// and strangers learn of neither.
func TestWall(t *testing.T) {
	w := newWorld(t)
	r := w.ask("acme-prod/Data", "1h", "look")
	p := w.signIn(w.lead, "/requests/"+r.ID)
	w.press(w.lead, p, "approve", nil)
	got, err := w.engineer.Request(t.Context(), r.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	contractor, stranger := w.browser("contractor"), w.browser("lead")
	w.signIn(contractor, "/")
	for real, none := range map[string]string{
		"/requests/" + r.ID:       "/requests/req_01m89tdv62eg8cx0rgthpjz1ws",
		"/grants/" + got.Grant.ID: "/grants/gr_01m89tdv62eg8cx0rgthpjz1ws",
	} {
		for name, b := range map[string]*brevettest.Browser{"contractor": contractor, "stranger": stranger} {
			status := http.StatusNotFound
			if name == "stranger" {
				status = http.StatusUnauthorized
			}
			one, two := w.open(b, real, status), w.open(b, none, status)
			if blank(one.Body, real) != blank(two.Body, none) {
				t.Errorf("%s: %s is told apart from what is not there:\n%s\n%s", name, real, one.Body, two.Body)
			}
		}
	}
	for _, path := range []string{"/requests/x", "/requests/gr_01m89tdv62eg8cx0rgthpjz1ws", "/grants/req_01m89tdv62eg8cx0rgthpjz1ws", "/requests/%3Cscript%3E"} {
		if p := w.open(contractor, path, http.StatusNotFound); strings.Contains(p.Body, "<script") {
			t.Errorf("%s: %s", path, p.Body)
		}
	}
	if page := w.open(contractor, "/", http.StatusOK); strings.Contains(page.Body, "acme-prod") {
		t.Errorf("the contractor's home shows what is not theirs:\n%s", page.Body)
	}
}

// blank removes what differs between two pages by itself.
func blank(body, path string) string {
	id := path[strings.LastIndexByte(path, '/')+1:]
	for part := range strings.SplitSeq(body, "value=\"") {
		value, _, _ := strings.Cut(part, `"`)
		if len(value) > 20 {
			body = strings.ReplaceAll(body, value, "")
		}
	}
	return strings.ReplaceAll(body, id, "ID")
}

// TestTexts: whatever people type is text on the page.
func TestTexts(t *testing.T) {
	w := newWorld(t)
	nasty := `"><script>alert(1)</script><img src=x onerror=alert(2)> {{.}} &amp; javascript:x ' ` + "`"
	r := w.ask("acme-prod/SRE", "1h", nasty)
	p := w.signIn(w.lead, "/requests/"+r.ID)
	for _, page := range []brevettest.Page{p, w.open(w.lead, "/", http.StatusOK), w.press(w.lead, p, "deny", url.Values{"comment": {nasty}})} {
		if strings.Contains(page.Body, "<script") || strings.Contains(page.Body, "<img") {
			t.Errorf("%s: %s", page.URL, page.Body)
		}
	}
	has(t, p, "&lt;script&gt;alert(1)")
	// A comment that could rewrite a terminal is refused and nothing decided.
	r = w.ask("acme-prod/SRE", "1h", "plain")
	p = w.open(w.lead, "/requests/"+r.ID, http.StatusOK)
	got := w.press(w.lead, p, "approve", url.Values{"comment": {"a\u202eb"}})
	if got.Status != http.StatusBadRequest {
		t.Errorf("status %d", got.Status)
	}
	has(t, got, "Nothing was decided: comment: character U&#43;202E")
}

// TestHeaders: every page says that nothing may be loaded, framed or kept.
func TestHeaders(t *testing.T) {
	w := newWorld(t)
	r := w.ask("acme-prod/SRE", "1h", "restart db-7")
	for _, p := range []brevettest.Page{w.open(w.lead, "/", http.StatusUnauthorized), w.signIn(w.lead, "/"), w.open(w.lead, "/requests/"+r.ID, http.StatusOK),
		w.open(w.lead, "/requests/x", http.StatusNotFound)} {
		csp := p.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "style-src 'sha256-", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: %q lacks %s", p.URL, csp, part)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") || strings.Contains(csp, "*") {
			t.Errorf("%s: %q", p.URL, csp)
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"} {
			if got := p.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", p.URL, name, got)
			}
		}
		if got := p.Header.Values("Set-Cookie"); len(got) != 0 {
			t.Errorf("%s sets %v", p.URL, got)
		}
	}
}

// TestUsual: what somebody did before is what the page compares with.
func TestUsual(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		r := w.ask("acme-prod/SRE", "1h", "restart db-7")
		p := w.signIn(w.lead, "/requests/"+r.ID)
		w.press(w.lead, p, "approve", nil)
		w.Clock.Advance(24 * time.Hour)
		w.engineer, _ = w.Login(t, "engineer")
	}
	r := w.ask("acme-prod/SRE", "1h", "again")
	p := w.signIn(w.lead, "/requests/"+r.ID)
	has(t, p, "1 h; longest 1 h", "5 times in 90 days")
	for _, not := range []string{"First time", "Longer than", "Unusual hour", "New here"} {
		if strings.Contains(p.Body, not) {
			t.Errorf("the usual is shown as %q", not)
		}
	}
	w.press(w.lead, p, "deny", url.Values{"comment": {"not today"}})
	w.Clock.Advance(12 * time.Hour)
	w.engineer, _ = w.Login(t, "engineer")
	r = w.ask("acme-prod/SRE", "3h", "once more")
	p = w.signIn(w.lead, "/requests/"+r.ID)
	has(t, p, "Longer than ever: 3 h; the longest so far was 1 h", "Unusual hour: asked at", "Denied before: the same by lead 12 h ago: not today")
}

// TestPages checks what a program can of what makes a page usable for
// everybody: every field has a label, every section a name, every button a
// text, ids are unique, headings descend one by one.
func TestPages(t *testing.T) {
	w := newWorld(t)
	r := w.ask("acme-prod/Admin", "1h", "restore db-7")
	mine := w.browser("engineer")
	w.signIn(mine, "/")
	stranger := w.open(w.lead, "/", http.StatusUnauthorized)
	p := w.signIn(w.lead, "/requests/"+r.ID)
	done := w.press(w.lead, p, "approve", url.Values{"comment": {"go"}})
	got, err := w.engineer.Request(t.Context(), r.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	security := w.browser("security")
	w.signIn(security, "/")
	for name, page := range map[string]brevettest.Page{"stranger": stranger, "request": p, "decided": done, "home": w.open(mine, "/", http.StatusOK),
		"grant": w.open(mine, "/grants/"+got.Grant.ID, http.StatusOK), "revoke": w.open(security, "/grants/"+got.Grant.ID, http.StatusOK),
		"none": w.open(mine, "/requests/x", http.StatusNotFound)} {
		for _, why := range usable(page.Body) {
			t.Errorf("%s: %s", name, why)
		}
	}
}

// TestRevoke: who holds the right ends somebody's grant, and must say why.
func TestRevoke(t *testing.T) {
	w := newWorld(t)
	r := w.ask("acme-staging/SRE", "1h", "restart db-7")
	if r.Grant == nil {
		t.Fatalf("%+v", r)
	}
	security := w.browser("security")
	p := w.signIn(security, "/grants/"+r.Grant.ID)
	if got := w.press(security, p, "revoke", nil); got.Status != http.StatusBadRequest {
		t.Errorf("without a reason: status %d", got.Status)
	}
	has(t, w.press(security, p, "revoke", url.Values{"comment": {"gone home"}}), "revoked just now")
	grants, err := w.engineer.Grants(t.Context(), client.List{})
	if err != nil || !slices.ContainsFunc(grants, func(g api.Grant) bool { return g.ID == r.Grant.ID && g.State == "revoked" }) {
		t.Errorf("%+v, %v", grants, err)
	}
	lead := w.signIn(w.lead, "/grants/"+r.Grant.ID) // may view
	if strings.Contains(lead.Body, `value="revoke"`) {
		t.Error("a button for somebody who may not")
	}
}

// What was asked together is linked, each is decided for itself, and the page
// leads on to the next.
func TestTogether(t *testing.T) {
	w := newWorld(t)
	b, err := w.engineer.AskTogether(t.Context(), api.NewBatch{Targets: []string{"acme-prod/SRE", "acme-prod/ReadOnly", "acme-staging/SRE"}, Duration: "1h", Reason: "compare"})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(b.Requests, func(r api.Request) bool { return r.Target == "acme-prod/SRE" })
	j := slices.IndexFunc(b.Requests, func(r api.Request) bool { return r.Target == "acme-prod/ReadOnly" })
	p := w.signIn(w.lead, "/requests/"+b.Requests[i].ID)
	has(t, p, "Asked together with this", "acme-staging/SRE", `href="/requests/`+b.Requests[j].ID+`"`, "waits for your decision")
	for _, why := range usable(p.Body) {
		t.Error(why)
	}
	done := w.press(w.lead, p, "approve", nil)
	has(t, done, "Next: acme-prod/ReadOnly")
	if r, err := w.engineer.Request(t.Context(), b.Requests[j].ID, 0); err != nil || r.State != "pending" {
		t.Errorf("the other one is %s, %v", r.State, err)
	}
	next := w.press(w.lead, w.open(w.lead, "/requests/"+b.Requests[j].ID, http.StatusOK), "deny", nil)
	if strings.Contains(next.Body, "Next: ") {
		t.Error("there is no next one")
	}
}
