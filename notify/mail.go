package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"html"
	"net"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/brevet-access/brevet"
)

// Mail sends messages by SMTP, as plain text with an HTML alternative.
type Mail struct {
	Host     string
	Port     int
	TLS      MailTLS
	Roots    *x509.CertPool // nil: the system's
	Username string         // "" to send without signing in
	Password string
	From     string
	To       []string
	Domain   string // what Message-IDs end in
	Dialer   *Dialer
}

// MailTLS says how a connection to a mail server is protected.
type MailTLS string

// The ways. Without TLS mail leaves for loopback only.
const (
	StartTLS    MailTLS = "starttls" // begun in the clear; no mail leaves before it is encrypted
	ImplicitTLS MailTLS = "implicit" // from the first byte
	NoTLS       MailTLS = "none"
)

// mailPatience is how long a mail server may take for one step.
const mailPatience = 20 * time.Second

// MessageID returns the Message-ID of m, without angle brackets: the same at
// every try.
func (s *Mail) MessageID(m brevet.Message) string { return string(m.ID) + "@" + s.Domain }

// Notify hands one mail to the server. The receipt is its Message-ID.
func (s *Mail) Notify(ctx context.Context, m brevet.Message) (string, error) {
	msg, err := s.compose(m)
	if err != nil {
		return "", &brevet.Undelivered{Err: err, Final: true}
	}
	var raw net.Conn
	defer func() {
		if raw != nil {
			raw.Close() // the client leaves it open where a dialogue fails
		}
	}()
	dial := func(ctx context.Context, network, addr string) (_ net.Conn, err error) {
		raw, err = s.Dialer.Dial(ctx, network, addr)
		return raw, err
	}
	c, err := mail.NewClient(s.Host, s.options(dial)...)
	if err != nil {
		return "", brevet.Errorf(brevet.Invalid, "the mail server's settings are wrong: %s", brevet.Printable(err.Error()))
	}
	err = c.DialAndSendWithContext(ctx, msg)
	if err != nil && !msg.IsDelivered() { // what goes wrong after the server took it is not a failure
		return "", unreachable(err)
	}
	return s.MessageID(m), nil
}

func (s *Mail) options(dial mail.DialContextFunc) []mail.Option {
	config := &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12, RootCAs: s.Roots}
	o := []mail.Option{mail.WithPort(s.Port), mail.WithTimeout(mailPatience), mail.WithoutNoop(), mail.WithHELO(s.Domain)}
	switch s.TLS {
	case ImplicitTLS:
		o = append(o, mail.WithSSL(), mail.WithDialContextFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
			raw, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			conn := tls.Client(raw, config)
			if err := conn.HandshakeContext(ctx); err != nil {
				return nil, err
			}
			return conn, nil
		}))
	case NoTLS:
		o = append(o, mail.WithTLSPolicy(mail.NoTLS), mail.WithDialContextFunc(dial))
	default:
		o = append(o, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithTLSConfig(config), mail.WithDialContextFunc(dial))
	}
	if s.Username != "" {
		o = append(o, mail.WithSMTPAuth(mail.SMTPAuthPlain), mail.WithUsername(s.Username), mail.WithPassword(s.Password))
	}
	return o
}

// compose writes the mail. Every text of others is one printable line, so no
// header and no part begins where it should not.
func (s *Mail) compose(m brevet.Message) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := msg.From(s.From); err != nil {
		return nil, err
	}
	if err := msg.To(s.To...); err != nil {
		return nil, err
	}
	msg.Subject("[brevet] " + strings.ReplaceAll(title(m, 180), "=?", "= ?")) // what looks like an encoded word (RFC 2047) would be read as one
	if alarming(m) {
		msg.SetImportance(mail.ImportanceUrgent)
	}
	msg.SetMessageIDWithValue(s.MessageID(m))
	msg.SetDateWithValue(m.Time)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834
	msg.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All")
	msg.SetUserAgent("brevet")
	if m.First != "" && strings.Count(m.First, "@") == 1 {
		msg.SetGenHeader(mail.HeaderInReplyTo, "<"+line(m.First, 200)+">")
		msg.SetGenHeader(mail.HeaderReferences, "<"+line(m.First, 200)+">")
	}
	msg.SetBodyString(mail.TypeTextPlain, plainBody(m))
	msg.AddAlternativeString(mail.TypeTextHTML, htmlBody(m))
	return msg, nil
}

// mostFacts bounds the facts of a mail.
const mostFacts = 200

func factsOf(m brevet.Message) []brevet.Fact {
	facts := m.Facts
	if len(facts) > mostFacts {
		facts = append(facts[:mostFacts:mostFacts], brevet.Fact{Name: "and", Value: fmt.Sprintf("%d more", len(m.Facts)-mostFacts)})
	}
	return facts
}

// plainBody is what a mail program on a terminal shows: nothing in it can
// drive that.
func plainBody(m brevet.Message) string {
	var b strings.Builder
	b.WriteString(line(m.Title, 500) + "\n\n")
	for _, f := range factsOf(m) {
		fmt.Fprintf(&b, "%-12s %s\n", line(f.Name, 60)+":", line(f.Value, 2000))
	}
	if m.Link != "" {
		b.WriteString("\n" + m.Link + "\n")
	}
	b.WriteString("\n-- \nbrevet, " + m.Time.UTC().Format("2 Jan 2006 15:04:05 UTC") + ". Nothing is decided by answering this mail.\n")
	return b.String()
}

// htmlBody loads nothing and links to one page.
func htmlBody(m brevet.Message) string {
	e := func(s string, n int) string { return html.EscapeString(line(s, n)) }
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head><body style="font-family:sans-serif;max-width:40em">`)
	b.WriteString("<h2>" + e(m.Title, 500) + "</h2>\n<table>\n")
	for _, f := range factsOf(m) {
		b.WriteString(`<tr><td style="vertical-align:top;padding-right:1em"><b>` + e(f.Name, 60) + "</b></td><td>" + e(f.Value, 2000) + "</td></tr>\n")
	}
	b.WriteString("</table>\n")
	if m.Link != "" {
		b.WriteString(`<p><a href="` + html.EscapeString(m.Link) + `">Open</a></p>` + "\n")
	}
	b.WriteString("<p><small>brevet, " + m.Time.UTC().Format("2 Jan 2006 15:04:05 UTC") + ". Nothing is decided by answering this mail.</small></p></body></html>\n")
	return b.String()
}
