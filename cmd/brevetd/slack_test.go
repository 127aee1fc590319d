package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// slackStandIn speaks as Slack's Web API does: what it took is kept in the
// order of the calls, a line each, "METHOD BODY" with the keys sorted.
type slackStandIn struct {
	server *httptest.Server
	secret string

	watch    // its lock guards what follows
	calls    []string
	buttons  map[string]string // the value of the newest button, by its action
	answered []string          // what whoever pressed was told
	sent     int
}

var slacks byScript[*slackStandIn]

// The room, its team and the bot of the stand-in.
const (
	slackRoom  = "C0ROOM"
	slackTeam  = "T0TEAM"
	slackToken = "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzzqgy"
)

func (s *slackStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in map[string]any
	if err != nil || json.Unmarshal(body, &in) != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	if strings.HasPrefix(r.URL.Path, "/actions/") {
		s.answered = append(s.answered, fmt.Sprint(in["text"]))
		fmt.Fprint(w, "ok")
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	say := func(v map[string]any) { json.NewEncoder(w).Encode(v) }
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	switch {
	case r.Header.Get("Authorization") != "Bearer "+slackToken:
		say(map[string]any{"ok": false, "error": "invalid_auth"})
	case in["channel"] != slackRoom:
		say(map[string]any{"ok": false, "error": "channel_not_found"})
	case method == "chat.postMessage" || method == "chat.update":
		s.take(method, in)
		ts := fmt.Sprintf("1503435956.%06d", s.sent)
		if method == "chat.update" {
			ts = fmt.Sprint(in["ts"])
		}
		say(map[string]any{"ok": true, "channel": slackRoom, "ts": ts, "message": map[string]any{"type": "message", "bot_id": "B19LU7CSY", "ts": ts, "text": in["text"]}})
	case method == "conversations.history" || method == "conversations.replies":
		say(map[string]any{"ok": true, "messages": []any{}, "has_more": false})
	default:
		say(map[string]any{"ok": false, "error": "unknown_method"})
	}
}

// take keeps a message and its buttons.
func (s *slackStandIn) take(method string, in map[string]any) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	enc.Encode(in)
	s.sent++
	s.calls = append(s.calls, method+" "+line.String())
	blocks, _ := in["blocks"].([]any)
	for _, b := range blocks {
		block, _ := b.(map[string]any)
		elements, _ := block["elements"].([]any)
		for _, e := range elements {
			if button, _ := e.(map[string]any); button["type"] == "button" && button["value"] != nil {
				s.buttons[fmt.Sprint(button["action_id"])] = fmt.Sprint(button["value"])
			}
		}
	}
}

// slackCommand is the script's command slack:
//
//	slack start                      starts it and sets $SLACK
//	slack said PATTERN               waits until a call matches
//	slack answered PATTERN           waits until somebody who pressed was told so
//	slack [-forged] press USER approve|deny
//	slack type USER TEXT…            the command /brevet
func slackCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 1 && args[0] == "start" {
		s := &slackStandIn{secret: strings.TrimSpace(ts.ReadFile("signing")), buttons: map[string]string{}, watch: newWatch()}
		s.server = httptest.NewServer(s)
		ts.Defer(s.server.Close)
		slacks.put(ts, s)
		ts.Setenv("SLACK", s.server.URL)
		return
	}
	s, secret := slacks.get(ts), ""
	if len(args) > 0 && args[0] == "-forged" {
		args, secret = args[1:], "of somebody else"
	}
	switch {
	case len(args) == 2 && args[0] == "said":
		s.wait(ts, args[1], func() []string { return s.calls })
	case len(args) == 2 && args[0] == "answered":
		s.wait(ts, args[1], func() []string { return s.answered })
	case len(args) == 3 && args[0] == "press":
		s.press(ts, s.secret+secret, args[1], "brevet_"+args[2])
	case len(args) > 2 && args[0] == "type":
		s.post(ts, s.secret+secret, url.Values{"command": {"/brevet"}, "text": {strings.Join(args[2:], " ")}, "team_id": {slackTeam}, "user_id": {args[1]}, "user_name": {"lead"},
			"channel_id": {slackRoom}, "api_app_id": {"A123456"}, "trigger_id": {fmt.Sprint(time.Now().UnixNano())}, "response_url": {s.server.URL + "/actions/T0TEAM/1"}})
	default:
		ts.Fatalf("usage: slack start | said PATTERN | answered PATTERN | [-forged] press USER approve|deny | type USER TEXT…")
	}
}

// wait waits until one of the lines matches.
func (s *slackStandIn) wait(ts *testscript.TestScript, pattern string, lines func() []string) {
	is := regexp.MustCompile(pattern)
	all := ""
	if s.until(func() bool {
		all = strings.Join(lines(), "\n")
		return is.MatchString(all)
	}) {
		return
	}
	ts.Fatalf("Slack has:\n%s", all)
}

// press sends what Slack does when somebody presses the newest such button
// (https://docs.slack.dev/reference/interaction-payloads/block_actions-payload).
func (s *slackStandIn) press(ts *testscript.TestScript, secret, user, action string) {
	s.mu.Lock()
	value, ok := s.buttons[action]
	s.mu.Unlock()
	if !ok {
		ts.Fatalf("no message has a button %s", action)
	}
	payload, err := json.Marshal(map[string]any{"type": "block_actions", "team": map[string]any{"id": slackTeam, "domain": "acme"},
		"user":       map[string]any{"id": user, "username": "lead", "name": "lead", "team_id": slackTeam},
		"api_app_id": "A123456", "trigger_id": fmt.Sprint(time.Now().UnixNano()), "container": map[string]any{"type": "message", "channel_id": slackRoom, "is_ephemeral": false},
		"channel": map[string]any{"id": slackRoom, "name": "approvals"}, "response_url": s.server.URL + "/actions/T0TEAM/1",
		"actions": []any{map[string]any{"action_id": action, "block_id": "=qXel", "type": "button", "value": value, "action_ts": "1548426417.840180"}}})
	ts.Check(err)
	s.post(ts, secret, url.Values{"payload": {string(payload)}})
}

// post signs a form as Slack does and sends it to the broker; status and
// answer go to stdout.
func (s *slackStandIn) post(ts *testscript.TestScript, secret string, form url.Values) {
	body, stamp := form.Encode(), strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	r, err := http.NewRequest(http.MethodPost, ts.Getenv("BREVET_URL")+"/slack", strings.NewReader(body))
	ts.Check(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d %s\n", res.StatusCode, text)
}
