package notify_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/notify"
	"github.com/brevet-access/brevet/notify/smtpd"
)

// certificate makes one for mail.test and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// post is a mail server that keeps what it gets.
type post struct {
	mu     sync.Mutex
	mails  []smtpd.Mail
	answer error
}

func (p *post) take(m smtpd.Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, m)
	return p.answer
}

func serveMail(t *testing.T, s *smtpd.Server) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}

func sender(port int) *notify.Mail {
	return &notify.Mail{Host: "127.0.0.1", Port: port, TLS: notify.NoTLS, From: "brevet@acme.example", To: []string{"security@acme.example", "leads@acme.example"}, Domain: "brevet.test", Dialer: local()}
}

// TestMailTLS sends by STARTTLS and by implicit TLS, signed in; and nothing
// to a server that offers no TLS or whose certificate is a stranger's.
func TestMailTLS(t *testing.T) {
	cert, pool := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	for _, test := range []struct {
		name  string
		tls   notify.MailTLS
		serve smtpd.Server
		roots *x509.CertPool
		ok    bool
	}{
		{"starttls", notify.StartTLS, smtpd.Server{TLS: config, User: "brevet", Password: "pass-4711"}, pool, true},
		{"implicit", notify.ImplicitTLS, smtpd.Server{TLS: config, Implicit: true, User: "brevet", Password: "pass-4711"}, pool, true},
		{"no starttls", notify.StartTLS, smtpd.Server{}, pool, false},
		{"stranger", notify.StartTLS, smtpd.Server{TLS: config, User: "brevet", Password: "pass-4711"}, nil, false},
		{"stranger, implicit", notify.ImplicitTLS, smtpd.Server{TLS: config, Implicit: true, User: "brevet", Password: "pass-4711"}, nil, false},
		{"wrong password", notify.StartTLS, smtpd.Server{TLS: config, User: "brevet", Password: "another"}, pool, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &post{}
			test.serve.Take = p.take
			s := sender(serveMail(t, &test.serve))
			s.TLS, s.Roots, s.Username, s.Password = test.tls, test.roots, "brevet", "pass-4711"
			receipt, err := s.Notify(t.Context(), message())
			if (err == nil) != test.ok || err != nil && strings.Contains(err.Error(), "4711") {
				t.Fatalf("receipt %q, %v", receipt, err)
			}
			if !test.ok {
				if len(p.mails) > 0 {
					t.Errorf("a mail left: %+v", p.mails)
				}
				return
			}
			if m := p.mails[0]; len(p.mails) != 1 || !m.TLS || m.User != "brevet" || len(m.To) != 2 || m.From != "brevet@acme.example" || receipt != "msg_01jd0000000000000000000001@brevet.test" {
				t.Errorf("mail = %+v", m)
			}
		})
	}
}

// read takes a mail apart: its headers, its plain and its HTML text.
func read(t *testing.T, raw []byte) (h mail.Header, plain, html string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("type %q, %v", kind, err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = p
		if p.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			body = quotedprintable.NewReader(p)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		switch kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")); kind {
		case "text/plain":
			plain += string(text)
		case "text/html":
			html += string(text)
		default:
			t.Errorf("a part of type %s", kind)
		}
	}
	return m.Header, plain, html
}

// TestMailReads checks what people see, and what mail programs join by.
func TestMailReads(t *testing.T) {
	p := &post{}
	s := sender(serveMail(t, &smtpd.Server{Take: p.take}))
	m := message()
	m.First, m.Urgent = "msg_0@brevet.test", true
	if _, err := s.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	h, plain, html := read(t, p.mails[0].Data)
	for name, want := range map[string]string{"Subject": "[brevet] URGENT engineer asks for acme-prod/Admin for 1h", "Message-Id": "<msg_01jd0000000000000000000001@brevet.test>",
		"In-Reply-To": "<msg_0@brevet.test>", "References": "<msg_0@brevet.test>", "Auto-Submitted": "auto-generated"} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	if !strings.Contains(plain, "reason:      restore db-7") || !strings.Contains(plain, "\nhttps://brevet.test/requests/req_01jd0000000000000000000002\n") {
		t.Errorf("plain:\n%s", plain)
	}
	if !strings.Contains(html, `<a href="https://brevet.test/requests/req_01jd0000000000000000000002">`) || strings.Contains(html, "<img") {
		t.Errorf("html:\n%s", html)
	}
}

// TestMailSaysNothingElse sends texts that want to be headers, parts, markup
// or a terminal's commands.
func TestMailSaysNothingElse(t *testing.T) {
	p := &post{}
	s := sender(serveMail(t, &smtpd.Server{Take: p.take}))
	if _, err := s.Notify(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	usual, _, html := read(t, p.mails[0].Data)
	tags := strings.Count(html, "<")
	for _, text := range nasty(1000) {
		p.mails = nil
		if _, err := s.Notify(t.Context(), tainted(text)); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if len(p.mails) != 1 || len(p.mails[0].To) != 2 {
			t.Fatalf("%q: %d mails", text, len(p.mails))
		}
		h, plain, html := read(t, p.mails[0].Data)
		if len(h) != len(usual) {
			t.Errorf("%q: headers %v", text, h)
		}
		if strings.Count(html, "<") != tags {
			t.Errorf("%q: other markup\n%s", text, html)
		}
		if got := strings.Count(strings.ReplaceAll(plain, "\r\n", "\n"), "\n"); got != 9 {
			t.Errorf("%q: %d lines\n%s", text, got, plain)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
		if err != nil {
			t.Errorf("%q: subject %q: %v", text, h.Get("Subject"), err)
		}
		for _, s := range []string{subject, strings.NewReplacer("\r", "", "\n", "").Replace(plain), strings.NewReplacer("\r", "", "\n", "").Replace(html)} {
			if s != brevet.Printable(s) {
				t.Errorf("%q: %q", text, s)
			}
		}
	}
}

// TestMailIsAnswered: what the server does not take is a failure, what it
// took is none even if it hangs up then.
func TestMailIsAnswered(t *testing.T) {
	p := &post{answer: &textproto.Error{Code: 550, Msg: "5.7.1 go away \x1b[2J"}}
	s := sender(serveMail(t, &smtpd.Server{Take: p.take}))
	if _, err := s.Notify(t.Context(), message()); err == nil || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("refused: %v", err)
	}
	s.Port = 1
	if _, err := s.Notify(t.Context(), message()); err == nil {
		t.Error("nobody listens")
	}
	s = sender(hangingUp(t))
	if _, err := s.Notify(t.Context(), message()); err != nil {
		t.Errorf("taken, then hung up: %v", err)
	}
	s = sender(25)
	s.Host, s.Dialer = "127.0.0.1", &notify.Dialer{}
	if _, err := s.Notify(t.Context(), message()); !errors.Is(err, brevet.Denied) {
		t.Errorf("a private address that is not allowed: %v", err)
	}
}

// hangingUp takes one mail and closes the connection at once.
func hangingUp(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		text := textproto.NewConn(c)
		_ = text.PrintfLine("220 hi")
		for {
			line, err := text.ReadLine()
			if err != nil {
				return
			}
			if strings.HasPrefix(line, "DATA") {
				_ = text.PrintfLine("354 go on")
				_, _ = text.ReadDotBytes()
				_ = text.PrintfLine("250 kept")
				return
			}
			_ = text.PrintfLine("250 OK")
		}
	}()
	port, _ := strconv.Atoi(l.Addr().String()[strings.LastIndex(l.Addr().String(), ":")+1:])
	return port
}
