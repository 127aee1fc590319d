package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// Webhook posts messages as JSON, signed as Standard Webhooks has it
// (https://www.standardwebhooks.com), with a signature for each secret: while
// a secret is changed, for the new and the old one.
type Webhook struct {
	URL     string
	Secrets [][]byte
	HTTP    *http.Client
	Now     func() time.Time
}

// ParseWebhookSecret reads "whsec_" and the base64 of 24 to 64 bytes. The
// error is of kind [brevet.Invalid] and does not show the secret.
func ParseWebhookSecret(s string) ([]byte, error) {
	body, ok := strings.CutPrefix(s, "whsec_")
	raw, err := base64.StdEncoding.DecodeString(body)
	if !ok || err != nil || len(raw) < 24 || len(raw) > 64 {
		return nil, brevet.Errorf(brevet.Invalid, "a secret is whsec_ and the base64 of 24 to 64 bytes").
			WithHint(`printf 'whsec_%%s\n' "$(openssl rand -base64 32)" makes one`)
	}
	return raw, nil
}

// maxPayload is what Standard Webhooks recommends to stay below.
const maxPayload = 20_000

// payload is the body of a webhook. Its fields are part of the interface and
// never change their names.
type payload struct {
	Type      brevet.EventKind `json:"type"`
	Timestamp time.Time        `json:"timestamp"`
	Data      data             `json:"data"`
}

type data struct {
	Customer brevet.CustomerID `json:"customer,omitempty"`
	Urgent   bool              `json:"urgent"`
	About    string            `json:"about,omitempty"`
	Title    string            `json:"title"`
	Facts    []brevet.Fact     `json:"facts"`
	Cut      bool              `json:"cut,omitempty"` // facts were shortened or left out
	Link     string            `json:"link,omitempty"`
	Actor    string            `json:"actor,omitempty"`
	Person   brevet.PersonID   `json:"person,omitempty"`
	Request  brevet.RequestID  `json:"request,omitempty"`
	Grant    brevet.GrantID    `json:"grant,omitempty"`
	Session  brevet.SessionID  `json:"session,omitempty"`
	Account  brevet.AccountID  `json:"account,omitempty"`
	Role     brevet.RoleName   `json:"role,omitempty"`
	End      *time.Time        `json:"end,omitempty"`
}

// Payload returns the body for m, below 20 kB.
func Payload(m brevet.Message) ([]byte, error) {
	e := m.Event
	p := payload{Type: m.Kind, Timestamp: m.Time.UTC(), Data: data{Customer: m.Customer, Urgent: m.Urgent, About: line(m.About, 200), Title: line(m.Title, 500),
		Facts: []brevet.Fact{}, Link: m.Link, Actor: line(e.Actor.String(), 200), Person: e.Person, Request: e.Request, Grant: e.Grant, Session: e.Session,
		Account: e.Account, Role: e.Role, End: e.End}}
	for _, f := range m.Facts {
		f.Name = line(f.Name, 100)
		if len(f.Value) > 2000 {
			p.Data.Cut = true
		}
		f.Value = line(f.Value, 2000)
		p.Data.Facts = append(p.Data.Facts, f)
	}
	for {
		body, err := json.Marshal(p)
		if err != nil || len(body) < maxPayload || len(p.Data.Facts) == 0 {
			return body, err
		}
		p.Data.Cut, p.Data.Facts = true, p.Data.Facts[:len(p.Data.Facts)-1]
	}
}

// SignWebhook returns the value of the header webhook-signature.
func SignWebhook(secrets [][]byte, id string, at time.Time, body []byte) string {
	var all []string
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// Notify makes one delivery. Whatever is not 2xx is a failure, a redirect
// too; 410 says that the receiver wants nothing more.
func (w *Webhook) Notify(ctx context.Context, m brevet.Message) (string, error) {
	body, err := Payload(m)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return "", brevet.Errorf(brevet.Invalid, "its URL is malformed")
	}
	now := w.Now()
	h := r.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "brevet")
	h.Set("webhook-id", string(m.ID))
	h.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	h.Set("webhook-signature", SignWebhook(w.Secrets, string(m.ID), now, body))
	answer, err := w.HTTP.Do(r)
	if err != nil {
		return "", unreachable(err)
	}
	defer finish(answer)
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return "", nil
	case code == http.StatusGone:
		return "", &brevet.Undelivered{Err: brevet.Errorf(brevet.Unavailable, "it answered 410: it wants nothing more"), Gone: true}
	case code >= 300 && code < 400:
		return "", brevet.Errorf(brevet.Unavailable, "it answered %d, a redirect, which is not followed", code)
	default:
		return "", &brevet.Undelivered{Err: brevet.Errorf(brevet.Unavailable, "it answered %d", code), After: retryAfter(answer.Header, now)}
	}
}
