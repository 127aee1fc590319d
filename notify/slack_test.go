package notify_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/notify"
)

// workspace stands in for Slack's Web API: it checks what Slack checks of a
// call, and keeps what was posted.
type workspace struct {
	t      *testing.T
	calls  []string
	posted []map[string]any
	status int    // of the next answer; 0: 200
	fail   string // error of the next answer; "": none
	retry  string // its Retry-After
}

func (s *workspace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	s.calls = append(s.calls, method)
	if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer xoxb-token" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		s.t.Errorf("%s: %s with %v", method, r.Method, r.Header)
	}
	var in map[string]any
	text, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(text, &in); err != nil {
		s.t.Errorf("%s: %v", method, err)
	}
	if s.retry != "" {
		w.Header().Set("Retry-After", s.retry)
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	out := map[string]any{"ok": s.fail == "", "channel": "C0BREVET"}
	switch {
	case s.fail != "":
		out["error"] = s.fail
		s.fail = ""
	case method == "chat.postMessage":
		for _, old := range s.posted {
			if old["client_msg_id"] == in["client_msg_id"] {
				s.t.Errorf("%v was posted twice", in["client_msg_id"])
			}
		}
		in["ts"] = "1700000000.00000" + string(rune('1'+len(s.posted)))
		s.posted = append(s.posted, in)
		out["ts"] = in["ts"]
	case method == "chat.update":
		in["updated"] = true
		for i, old := range s.posted {
			if old["ts"] == in["ts"] {
				s.posted[i] = in
			}
		}
		out["ts"] = in["ts"]
	case strings.HasPrefix(method, "conversations."):
		out["messages"] = s.posted
	default:
		s.t.Errorf("method %s is not Slack's", method)
	}
	_ = json.NewEncoder(w).Encode(out)
}

func newWorkspace(t *testing.T) (*workspace, *notify.Slack) {
	t.Helper()
	ws := &workspace{t: t}
	s := httptest.NewServer(ws)
	t.Cleanup(s.Close)
	return ws, &notify.Slack{API: s.URL + "/api", Token: "xoxb-token", Channel: "C0BREVET", HTTP: local().HTTP(), Now: now}
}

// TestSlackLife posts a request, reminds in its thread, and edits the outcome
// into it.
func TestSlackLife(t *testing.T) {
	ws, s := newWorkspace(t)
	s.Approve = true
	m := message()
	receipt, err := s.Notify(t.Context(), m)
	if err != nil || receipt != "C0BREVET 1700000000.000001" {
		t.Fatalf("receipt %q, %v", receipt, err)
	}
	text, _ := json.Marshal(ws.posted[0])
	for _, part := range []string{`"engineer asks for acme-prod/Admin for 1h"`, `"restore db-7"`, `"url":"https://brevet.test/requests/req_01jd0000000000000000000002"`, `"brevet_approve"`, `"brevet_deny"`,
		`"event_payload":{"id":"msg_01jd0000000000000000000001"}`, `"unfurl_links":false`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the message lacks %s:\n%s", part, text)
		}
	}
	reminder := message()
	reminder.ID, reminder.Kind, reminder.First = "msg_2", "request.reminded", receipt
	if _, err := s.Notify(t.Context(), reminder); err != nil || ws.posted[1]["thread_ts"] != "1700000000.000001" || ws.posted[1]["reply_broadcast"] != true {
		t.Errorf("reminder = %v, %v", ws.posted[1], err)
	}
	outcome := message()
	outcome.ID, outcome.Kind, outcome.First, outcome.Amends, outcome.Choice, outcome.Title = "msg_3", brevet.RequestApproved, receipt, true, nil, "approved by lead"
	again, err := s.Notify(t.Context(), outcome)
	if err != nil || again != receipt || len(ws.posted) != 2 || ws.posted[0]["updated"] != true {
		t.Errorf("outcome: %q, %v, %v", again, err, ws.posted[0])
	}
	if text, _ := json.Marshal(ws.posted[0]); strings.Contains(string(text), "brevet_approve") || !strings.Contains(string(text), "approved by lead") {
		t.Errorf("after the outcome it is\n%s", text)
	}
	ws.fail = "message_not_found" // somebody deleted it
	outcome.ID = "msg_4"
	if again, err := s.Notify(t.Context(), outcome); err != nil || again == receipt || len(ws.posted) != 3 || ws.posted[2]["thread_ts"] != nil {
		t.Errorf("after a deletion: %q, %v", again, err)
	}
}

// TestSlackApprovalIsOptIn: without it there is one button, and it opens the
// page.
func TestSlackApprovalIsOptIn(t *testing.T) {
	ws, s := newWorkspace(t)
	if _, err := s.Notify(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(ws.posted[0]); strings.Contains(string(text), "brevet_approve") || !strings.Contains(string(text), "brevet_open") {
		t.Errorf("message = %s", text)
	}
}

// TestSlackTriedAgain looks whether a message arrived before it posts it a
// second time.
func TestSlackTriedAgain(t *testing.T) {
	ws, s := newWorkspace(t)
	m := message()
	first, err := s.Notify(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Again = true // whoever posted it died before that was on record
	if again, err := s.Notify(t.Context(), m); err != nil || again != first || len(ws.posted) != 1 {
		t.Errorf("%q, %v, %d posted", again, err, len(ws.posted))
	}
	m.ID = "msg_other"
	ws.fail = "missing_scope" // the bot may not look: it is posted, under the id by which Slack itself knows it
	if _, err := s.Notify(t.Context(), m); err != nil || len(ws.posted) != 2 {
		t.Errorf("%v, %d posted", err, len(ws.posted))
	}
}

func TestSlackFailures(t *testing.T) {
	for _, test := range []struct {
		status      int
		fail, retry string
		after       time.Duration
		final       bool
	}{
		{429, "", "30", 30 * time.Second, false}, {500, "", "", 0, false}, {503, "", "3600", time.Hour, false}, {302, "", "", 0, false},
		{0, "ratelimited", "90", 90 * time.Second, false}, {0, "invalid_auth", "", 0, false}, {0, "channel_not_found", "", 0, false},
		{0, "not_in_channel", "", 0, false}, {0, "is_archived", "", 0, false}, {0, "msg_too_long", "", 0, true}, {0, "invalid_blocks", "", 0, true},
	} {
		ws, s := newWorkspace(t)
		ws.status, ws.fail, ws.retry = test.status, test.fail, test.retry
		_, err := s.Notify(t.Context(), message())
		var u *brevet.Undelivered
		if !errors.As(err, &u) || u.After != test.after || u.Final != test.final || strings.Contains(err.Error(), "xoxb") {
			t.Errorf("%+v: %v, %+v", test, err, u)
		}
	}
}

// TestSlackSaysNothingElse posts texts that want to be mentions, links or
// markup: they stand only where Slack reads nothing into them.
func TestSlackSaysNothingElse(t *testing.T) {
	ws, s := newWorkspace(t)
	s.Approve = true
	for i, text := range nasty(1000) {
		m := tainted(text)
		m.ID = brevet.MessageID("msg_" + string(rune('a'+i%26)) + strings.Repeat("x", i))
		ws.posted = nil
		if _, err := s.Notify(t.Context(), m); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		post := ws.posted[0]
		if out := post["text"].(string); strings.ContainsAny(out, "<>") || strings.Contains(strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(out), "&") {
			t.Errorf("%q: the notification is %q", text, out)
		}
		if post["link_names"] != nil || post["parse"] != nil || post["mrkdwn"] != false {
			t.Errorf("%q: Slack reads more into it: %v", text, post)
		}
		checkBlocks(t, post["blocks"])
	}
}

// checkBlocks walks blocks: no text of Slack's markup, none too long or
// empty, none with anything that is not printable.
func checkBlocks(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			checkBlocks(t, x)
		}
	case map[string]any:
		if v["type"] == "mrkdwn" {
			t.Errorf("markup: %v", v)
		}
		if text, ok := v["text"].(string); ok {
			limit := map[any]int{"plain_text": 300, "text": 3000}[v["type"]]
			if text == "" || len(text) > limit || text != brevet.Printable(text) {
				t.Errorf("text of type %v: %q", v["type"], text)
			}
		}
		for _, x := range v {
			checkBlocks(t, x)
		}
	}
}
