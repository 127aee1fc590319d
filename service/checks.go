package service

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/notify"
)

// Check is one that entitlements may name in their rules on tickets and
// reasons: it is asked by a signed POST (docs/requests.md).
type Check struct {
	Name         string   `yaml:"name"`
	URL          string   `yaml:"url"`
	SecretFile   string   `yaml:"secret_file"`   // whsec_…, as Standard Webhooks have it
	AllowPrivate []string `yaml:"allow_private"` // networks that it may be in, beside public ones

	// Secret is read from SecretFile; the sandbox sets it.
	Secret string `yaml:"-"`

	secret  []byte
	private []netip.Prefix
}

// Bounds on asking a check.
const (
	checkPatience  = 3 * time.Second
	maxCheckAnswer = 64 << 10 // bytes
	maxCheckWhy    = 300      // bytes of a check's own words
)

// check looks for what is wrong with the i-th check.
func (c *Check) check(i int, seen map[string]bool, bad []string) []string {
	at := "checks[" + strconv.Itoa(i) + "]."
	if !brevet.ValidName(c.Name) || seen[c.Name] {
		bad = append(bad, at+"name: each needs a name of its own")
	}
	seen[c.Name] = true
	c.private, bad = prefixes(at+"allow_private", c.AllowPrivate, bad)
	u, err := url.Parse(c.URL)
	local := err == nil && u.Scheme == "http" && loopback(u.Hostname()) && len(c.private) > 0
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && !local {
		bad = append(bad, at+"url: must be https://…; http only on 127.0.0.1, with that in allow_private")
	}
	if c.Secret != "" && c.readSecret(c.Secret) != nil || c.SecretFile == "" && c.Secret == "" {
		bad = append(bad, at+"secret_file: name the file of the secret that requests are signed with")
	}
	return bad
}

// readSecretFile reads the file of the secret, where one is named.
func (c *Check) readSecretFile() error {
	if c.SecretFile == "" {
		return nil
	}
	text, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "checks.%s.secret_file: %s", c.Name, err)
	}
	return c.readSecret(strings.TrimSpace(string(text)))
}

func (c *Check) readSecret(text string) (err error) {
	if c.secret, err = notify.ParseWebhookSecret(text); err != nil {
		e := *brevet.AsError(err)
		e.Message = "checks." + c.Name + ".secret_file: " + e.Message
		return &e
	}
	return nil
}

// asked is the body of the question; its fields never change their names.
type asked struct {
	Ticket    string         `json:"ticket"`
	Person    brevet.Handle  `json:"person"`
	Target    string         `json:"target"`
	Reason    string         `json:"reason"`
	Duration  string         `json:"duration"`
	NotBefore *time.Time     `json:"not_before,omitempty"`
	Extends   brevet.GrantID `json:"extends,omitempty"`
}

// checks returns what asks the configured checks; nil where there are none.
func (s *Service) checks() func(context.Context, string, broker.Question) (bool, string, error) {
	if len(s.cfg.Checks) == 0 {
		return nil
	}
	clients := map[string]*http.Client{}
	known := map[string]Check{}
	for _, c := range s.cfg.Checks {
		clients[c.Name] = (&notify.Dialer{Allow: c.private}).HTTP()
		known[c.Name] = c
	}
	return func(ctx context.Context, name string, q broker.Question) (bool, string, error) {
		c, ok := known[name]
		if !ok {
			return false, "", brevet.Errorf(brevet.Unavailable, "no check of this name is configured on this server")
		}
		return c.ask(ctx, clients[name], s.opt.Now(), q)
	}
}

// ask posts the question and reads {"ok":true} or {"ok":false,"why":"…"}.
// Whatever else comes back is no answer, and neither is none in 3 s.
func (c Check) ask(ctx context.Context, client *http.Client, now time.Time, q broker.Question) (ok bool, why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	in := asked{Ticket: q.Ticket, Person: q.Person, Target: q.Target, Reason: q.Reason, Duration: brevet.FormatDuration(q.Duration), Extends: q.Extends}
	if !q.NotBefore.IsZero() {
		in.NotBefore = &q.NotBefore
	}
	body, err := json.Marshal(in)
	if err != nil {
		return false, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return false, "", noAnswer("its URL is not one")
	}
	id := string(brevet.NewID[brevet.MessageID](now))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "brevet")
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", notify.SignWebhook([][]byte{c.secret}, id, now, body))
	res, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return false, "", noAnswer("it took longer than %s", checkPatience)
		}
		return false, "", noAnswer("it cannot be reached").WithCause(err)
	}
	defer res.Body.Close()
	return readCheck(res)
}

func readCheck(res *http.Response) (ok bool, why string, err error) {
	if res.StatusCode != http.StatusOK {
		return false, "", noAnswer("it answered HTTP %d", res.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return false, "", noAnswer("its answer is not JSON")
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxCheckAnswer+1))
	if err != nil {
		return false, "", noAnswer("its answer broke off").WithCause(err)
	}
	if len(text) > maxCheckAnswer {
		return false, "", noAnswer("its answer is larger than %d KiB", maxCheckAnswer>>10)
	}
	return parseCheck(text)
}

// parseCheck reads the body of an answer.
func parseCheck(text []byte) (ok bool, why string, err error) {
	var out struct {
		OK  *bool  `json:"ok"`
		Why string `json:"why"`
	}
	if err := json.Unmarshal(text, &out); err != nil || out.OK == nil {
		return false, "", noAnswer(`its answer has no "ok"`)
	}
	if *out.OK {
		return true, "", nil
	}
	why = strings.Join(strings.Fields(brevet.Printable(out.Why)), " ")
	if len(why) > maxCheckWhy {
		why = strings.ToValidUTF8(why[:maxCheckWhy], "") + "…"
	}
	return false, why, nil
}

func noAnswer(format string, args ...any) *brevet.Error {
	return brevet.Errorf(brevet.Unavailable, format, args...)
}
