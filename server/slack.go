package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/notify"
)

// SlackApp is a channel of Slack in which people may decide. Its app sends
// buttons and the command /brevet to URL/slack.
type SlackApp struct {
	Name    string // of the channel, in the server's configuration
	Channel string // its id at Slack
	Secret  string // the app's signing secret
	API     string // https://slack.com/api; answers go to hooks.slack.com then
	HTTP    *http.Client
}

const (
	routeSlack    = "POST /slack"
	slackPatience = 2 * time.Second  // Slack gives up after three
	slackWork     = 30 * time.Second // on what goes on behind its back
)

// slack takes what Slack sends. Who pressed or typed is known by the ids that
// Slack signed, and by nothing else in the call.
func (s *server) slack(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "too large, or it ended early", http.StatusBadRequest)
		return
	}
	app, signature := s.slackApp(r.Header, body)
	if app == nil {
		http.Error(w, "not signed as Slack does", http.StatusUnauthorized)
		return
	}
	call, err := notify.ParseSlack(body)
	if err != nil {
		s.slackSay(w, s.slackWhy(r.Context(), err))
		return
	}
	fresh, err := s.Broker.Once(r.Context(), "slack", signature)
	if err != nil || !fresh {
		http.Error(w, "not taken, or taken already", http.StatusConflict)
		return
	}
	who, addr := brevet.Principal{Issuer: notify.SlackIssuer(call.Team), Subject: call.User}, exchangeOf(r.Context()).addr
	if call.Code != "" {
		handle, err := s.Broker.Link(r.Context(), call.Code, who, addr)
		if err != nil {
			s.slackSay(w, s.slackWhy(r.Context(), err))
			return
		}
		s.slackSay(w, "You are "+string(handle)+" here from now on.")
		return
	}
	if call.Request == "" || call.Channel != app.Channel {
		w.WriteHeader(http.StatusOK)
		return
	}
	done := make(chan struct{})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), slackWork)
	go func() {
		defer cancel()
		defer close(done)
		s.slackDecide(ctx, app, call, who, signature, addr)
	}()
	t := time.NewTimer(slackPatience)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
	w.WriteHeader(http.StatusOK)
}

// slackApp returns the app that signed the call, nil if none did; of several
// with one secret that of the call's channel.
func (s *server) slackApp(h http.Header, body []byte) (found *SlackApp, signature string) {
	call, _ := notify.ParseSlack(body)
	for i := range s.Slack {
		app := &s.Slack[i]
		sum, err := notify.VerifySlack(app.Secret, h, body, s.Now())
		if err == nil && (found == nil || app.Channel == call.Channel) {
			found, signature = app, sum
		}
	}
	return found, signature
}

// slackDecide decides, and tells whoever pressed if that was not to be. What
// became of the request is told to all by the outbox.
func (s *server) slackDecide(ctx context.Context, app *SlackApp, call notify.SlackCall, who brevet.Principal, key, addr string) {
	_, err := s.Broker.DecideAs(ctx, app.Name, who, broker.Decide{ID: call.Request, Approve: call.Approve, Digest: call.Digest, Key: key}, addr)
	text := "Recorded."
	if err != nil {
		text = s.slackWhy(ctx, err) + "\nDecide on the page: " + s.URL + "/requests/" + string(call.Request)
	}
	if !app.answersAt(call.ResponseURL) {
		return
	}
	body, err := json.Marshal(ephemeral(text))
	if err != nil {
		return
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, call.ResponseURL, bytes.NewReader(body))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	answer, err := app.HTTP.Do(r)
	if err != nil {
		s.Log.WarnContext(ctx, "an answer did not reach Slack", "channel", app.Name)
		return
	}
	answer.Body.Close()
}

// answersAt reports whether a URL is one at which Slack takes answers.
func (a *SlackApp) answersAt(s string) bool {
	u, err := url.Parse(s)
	home, homeErr := url.Parse(a.API)
	return err == nil && homeErr == nil && u.User == nil && u.Scheme == home.Scheme && (u.Host == "hooks."+home.Host || u.Host == home.Host)
}

// slackWhy explains a refusal (law 10), with nothing that is not fit to be
// shown.
func (s *server) slackWhy(ctx context.Context, err error) string {
	e := brevet.AsError(err)
	if e.Kind == brevet.Internal {
		s.Log.ErrorContext(ctx, "a call of Slack failed", "err", err, "cause", e.Cause)
	}
	text := brevet.Printable(e.Message)
	if e.Hint != "" {
		text += " (" + brevet.Printable(e.Hint) + ")"
	}
	for _, u := range e.Unmet {
		text += "\nneeds: " + brevet.Printable(u.Condition+", but "+u.Have)
	}
	return text
}

// ephemeral is an answer that only whoever acted sees.
func ephemeral(text string) map[string]any {
	return map[string]any{"response_type": "ephemeral", "replace_original": false, "text": notify.EscapeSlack(text), "mrkdwn": false}
}

func (s *server) slackSay(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(ephemeral(text)) // whoever has gone misses it
}
