package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet/api"
)

// glass has the engineer break the glass and enter.
func (w *world) glass(reason string) (api.Glass, api.Credential) {
	w.t.Helper()
	g, err := w.engineer.BreakGlass(w.t.Context(), api.BreakGlass{Target: "acme-prod/Admin", Reason: reason})
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := w.engineer.Credential(w.t.Context(), api.CredentialRequest{Target: "acme-prod/Admin"})
	if err != nil {
		w.t.Fatal(err)
	}
	return g, c
}

// TestReview: from the link of the alarm to what happened and what somebody
// else thinks of it; looking changes nothing, and it is said once.
func TestReview(t *testing.T) {
	w := newWorld(t)
	g, cred := w.glass("db-7 is <b>down</b>")
	path := "/reviews/" + g.Request.Grant.ID
	if p := w.open(w.lead, path, http.StatusUnauthorized); strings.Contains(p.Body, "acme") {
		t.Errorf("a stranger learns of it:\n%s", p.Body)
	}
	p := w.signIn(w.lead, path)
	size := w.Service.DB.Head().Size
	has(t, p, "engineer broke the glass for acme-prod/Admin", "db-7 is &lt;b&gt;down&lt;/b&gt;", "Waits for your review", cred.AccessKeyID, "444455556666", "by nobody", "Everything.", ", from <code>127.0.0.1<")
	home := w.open(w.lead, "/", http.StatusOK)
	has(t, home, "Emergencies that nobody has reviewed", `href="`+path+`"`)
	list := w.open(w.lead, "/reviews", http.StatusOK)
	has(t, list, "Wait for your review", `href="`+path+`"`)
	for name, page := range map[string]string{"page": p.Body, "home": home.Body, "list": list.Body} {
		for _, why := range usable(page) {
			t.Errorf("%s: %s", name, why)
		}
	}
	if now := w.Service.DB.Head().Size; now != size {
		t.Errorf("looking wrote %d entries", now-size)
	}
	if got := w.press(w.lead, p, "ok", nil); got.Status != http.StatusBadRequest {
		t.Errorf("without a comment: status %d", got.Status)
	}
	said := url.Values{"comment": {"the pager says so, too"}}
	done := w.press(w.lead, p, "ok", said)
	has(t, done, "It was right", "says lead", "the pager says so, too")
	for _, why := range usable(done.Body) {
		t.Errorf("reviewed: %s", why)
	}
	size = w.Service.DB.Head().Size
	if again := w.press(w.lead, p, "ok", said); again.Status != http.StatusOK || w.Service.DB.Head().Size != size {
		t.Errorf("a double tap: status %d", again.Status)
	}
	security := w.browser("security")
	late := w.signIn(security, path)
	if strings.Contains(late.Body, "not-ok") {
		t.Error("a second review is offered")
	}
	if got := w.press(w.lead, p, "not-ok", said); got.Status != http.StatusConflict {
		t.Errorf("on second thought: status %d", got.Status)
	}
	has(t, w.open(w.lead, "/reviews", http.StatusOK), "Reviewed", ">ok</span> says lead")
}

// Nobody reviews their own, and who may not see it does not learn of it.
func TestReviewWall(t *testing.T) {
	w := newWorld(t)
	g, _ := w.glass("db-7 is down")
	path, none := "/reviews/"+g.Request.Grant.ID, "/reviews/gr_01m89tdv62eg8cx0rgthpjz1ws"
	mine := w.browser("engineer")
	p := w.signIn(mine, path)
	has(t, p, "You broke the glass", "Nobody reviews their own emergency")
	if strings.Contains(p.Body, "<textarea") {
		t.Error("one's own is to be reviewed")
	}
	has(t, w.open(mine, "/", http.StatusOK), "by you", "waits for lead")
	contractor := w.browser("contractor")
	w.signIn(contractor, "/")
	one, two := w.open(contractor, path, http.StatusNotFound), w.open(contractor, none, http.StatusNotFound)
	if blank(one.Body, path) != blank(two.Body, none) {
		t.Errorf("told apart from what is not there:\n%s\n%s", one.Body, two.Body)
	}
	if list := w.open(contractor, "/reviews", http.StatusOK); strings.Contains(list.Body, "acme") {
		t.Error(list.Body)
	}
	// A form that was made for somebody else, or elsewhere, does nothing.
	theirs := w.signIn(w.lead, path)
	size := w.Service.DB.Head().Size
	said := url.Values{"comment": {"fine"}}
	if got := w.press(mine, theirs, "ok", said); got.Status != http.StatusForbidden {
		t.Errorf("the lead's form in the engineer's browser: status %d", got.Status)
	}
	if now := w.Service.DB.Head().Size; now != size {
		t.Errorf("%d entries were written", now-size)
	}
}

// What a reviewer was not shown is not reviewed.
func TestReviewOfMore(t *testing.T) {
	w := newWorld(t)
	g, _ := w.glass("db-7 is down")
	p := w.signIn(w.lead, "/reviews/"+g.Request.Grant.ID)
	w.Clock.Advance(time.Minute)
	c, err := w.engineer.Credential(t.Context(), api.CredentialRequest{Target: "acme-prod/Admin"})
	if err != nil {
		t.Fatal(err)
	}
	said := url.Values{"comment": {"fine"}}
	got := w.press(w.lead, p, "ok", said)
	if got.Status != http.StatusConflict {
		t.Errorf("status %d", got.Status)
	}
	has(t, got, "more has happened than you were shown", c.AccessKeyID)
	has(t, w.press(w.lead, got, "not-ok", said), "It was not right")
}
