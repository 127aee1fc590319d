package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	netmail "net/mail"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/notify/smtpd"
	"github.com/brevet-access/brevet/service"
)

// postbox is where the broker's two channels of the sandbox end: a mail
// server and a receiver of webhooks, both on loopback. What they took is shown
// on the mailbox's page until the process ends.
type postbox struct {
	secret []byte // of the webhooks
	now    func() time.Time

	mu   sync.Mutex
	got  []mail
	told int             // how many were taken
	more chan struct{}   // closed at the next
	seen map[string]bool // ids of webhooks that were taken: one that comes again is not shown again
}

// newPostbox makes one whose webhook secret follows from key.
func newPostbox(key []byte, now func() time.Time) *postbox {
	return &postbox{secret: derived(key, "webhook"), now: now, seen: map[string]bool{}, more: make(chan struct{})}
}

// derived returns the secret of that name that follows from key.
func derived(key []byte, name string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(name))
	return mac.Sum(nil)
}

func (p *postbox) add(m mail) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.got = append(p.got, m); len(p.got) > mostMails {
		p.got = p.got[1:]
	}
	p.told++
	close(p.more)
	p.more = make(chan struct{})
}

// beyond waits until more than n messages were taken, or ctx is over, and
// returns how many were.
func (p *postbox) beyond(ctx context.Context, n int) int {
	for {
		p.mu.Lock()
		told, more := p.told, p.more
		p.mu.Unlock()
		if told > n {
			return told
		}
		select {
		case <-more:
		case <-ctx.Done():
			return told
		}
	}
}

func (p *postbox) mails() []mail {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]mail(nil), p.got...)
}

// channels are the sandbox's: both on loopback, which each says it may reach.
func (p *postbox) channels(smtp, hook string) []service.Channel {
	what := []string{"request", "outcome", "session", "ending"}
	own := []string{"127.0.0.1/32"}
	mail := service.Channel{Name: "mailbox", Kind: "mail", Customers: []string{"*"}, What: what, AllowPrivate: own, From: "brevet@brevet.invalid", To: []string{"everybody@brevet.invalid"}}
	mail.SMTP.Host, mail.SMTP.TLS = smtp, "none"
	return []service.Channel{mail, {Name: "webhook", Kind: "webhook", Customers: []string{"*"}, What: what, AllowPrivate: own, URL: hook + "/webhook",
		Secrets: map[string][]string{"secret_files": {"whsec_" + base64.StdEncoding.EncodeToString(p.secret)}}}}
}

// take is the mail server's: it keeps what a person would read of a mail.
func (p *postbox) take(m smtpd.Mail) error {
	subject, text, err := readMail(m.Data)
	if err != nil {
		return err
	}
	p.add(mail{To: strings.Join(m.To, ", "), Subject: subject, Text: text, At: brevet.Instant(p.now())})
	return nil
}

// readMail returns the subject and the plain text of a mail.
func readMail(raw []byte) (subject, text string, err error) {
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return "", "", err
	}
	if subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return "", "", err
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return "", "", errors.New("the sandbox's mailbox reads the broker's mails only")
	}
	part, err := multipart.NewReader(m.Body, params["boundary"]).NextPart() // decodes quoted-printable
	if err != nil {
		return "", "", err
	}
	var body io.Reader = part
	if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(part)
	}
	plain, err := io.ReadAll(io.LimitReader(body, 1<<20))
	return brevet.Printable(subject), string(plain), err
}

// hook receives webhooks as Standard Webhooks asks: the signature of the body
// as it came, five minutes of tolerance, and each id once.
func (p *postbox) hook(w http.ResponseWriter, r *http.Request) {
	body, id, ok := readHook(w, r, p.secret, p.now())
	if !ok {
		http.Error(w, "not a webhook that the sandbox's broker signed", http.StatusBadRequest)
		return
	}
	var in struct {
		Type string `json:"type"`
		Data struct {
			Title string `json:"title"`
		} `json:"data"`
	}
	var pretty bytes.Buffer
	if json.Unmarshal(body, &in) != nil || json.Indent(&pretty, body, "", "  ") != nil {
		http.Error(w, "the body is not JSON", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	again := p.seen[id]
	p.seen[id] = true
	p.mu.Unlock()
	if !again {
		p.add(mail{To: "webhook " + id, Subject: in.Type + ": " + in.Data.Title, Text: pretty.String(), At: brevet.Instant(p.now())})
	}
	w.WriteHeader(http.StatusNoContent)
}

// readHook reads a call that was signed with the secret at most five minutes
// from now.
func readHook(w http.ResponseWriter, r *http.Request, secret []byte, now time.Time) (body []byte, id string, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 20<<10))
	id, stamp := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	at, numErr := strconv.ParseInt(stamp, 10, 64)
	ok = r.Method == http.MethodPost && err == nil && numErr == nil && id != "" && now.Sub(time.Unix(at, 0)).Abs() <= 5*time.Minute &&
		signedHook(secret, id+"."+stamp+".", body, r.Header.Get("webhook-signature"))
	return body, id, ok
}

func signedHook(secret []byte, head string, body []byte, signatures string) bool {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(head))
	mac.Write(body)
	for s := range strings.FieldsSeq(signatures) {
		given, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "v1,"))
		if err == nil && strings.HasPrefix(s, "v1,") && hmac.Equal(given, mac.Sum(nil)) {
			return true
		}
	}
	return false
}

// openPost takes a port of loopback for the mail server and returns its
// address.
func (w *World) openPost(key []byte, now func() time.Time) (string, error) {
	w.post = newPostbox(key, now)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", brevet.Errorf(brevet.Unavailable, "no port of 127.0.0.1 is free").WithCause(err)
	}
	w.mailServer = l
	return l.Addr().String(), nil
}

// serveMail serves the mail server until its listener is closed.
func (w *World) serveMail() error {
	return (&smtpd.Server{Take: w.post.take}).Serve(w.mailServer)
}
