// Package smtpd is a mail server that delivers nothing: it keeps what it is
// given, for the sandbox's mailbox and for tests. It speaks SMTP (RFC 5321)
// with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954).
package smtpd

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// Mail is a message as it was handed in.
type Mail struct {
	From string
	To   []string
	Data []byte // headers and body
	TLS  bool
	User string // who signed in; "" for nobody
}

// Server keeps mails. Its fields must not change once it serves.
type Server struct {
	TLS      *tls.Config // nil: no STARTTLS
	Implicit bool        // TLS from the first byte
	User     string      // with Password: who must sign in; "" for nobody
	Password string
	MaxSize  int64 // of one mail; 0: 1 MiB
	// Take is given every mail; what it returns is the answer: nil for 250, a
	// *textproto.Error for its code, anything else for 451.
	Take func(Mail) error
}

// Serve answers on l until it is closed; then it waits for the sessions in
// flight.
func (s *Server) Serve(l net.Listener) error {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		all.Go(func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			if s.Implicit {
				conn = tls.Server(conn, s.TLS)
			}
			c := &session{server: s, secure: s.Implicit}
			c.use(conn)
			c.run()
		})
	}
}

// session is one connection.
type session struct {
	server *Server
	conn   net.Conn
	text   *textproto.Conn
	secure bool
	user   string
	mail   Mail
}

func (c *session) use(conn net.Conn) { c.conn, c.text = conn, textproto.NewConn(conn) }

func (c *session) say(line string) bool { return c.text.PrintfLine("%s", line) == nil }

func (c *session) run() {
	ok := c.say("220 smtpd ready")
	for ok {
		line, err := c.text.ReadLine()
		if err != nil {
			return
		}
		verb, arg, _ := strings.Cut(line, " ")
		ok = c.step(strings.ToUpper(verb), arg)
	}
}

// step answers one command; false ends the session.
func (c *session) step(verb, arg string) bool {
	switch verb {
	case "EHLO":
		return c.hello()
	case "HELO", "NOOP":
		return c.say("250 OK")
	case "RSET":
		c.mail = Mail{}
		return c.say("250 OK")
	case "QUIT":
		c.say("221 bye")
		return false
	case "STARTTLS":
		return c.startTLS()
	case "AUTH":
		return c.auth(arg)
	case "MAIL":
		if c.server.User != "" && c.user == "" {
			return c.say("530 5.7.0 sign in first")
		}
		c.mail = Mail{From: address(arg, "FROM:"), TLS: c.secure, User: c.user}
		return c.say("250 OK")
	case "RCPT":
		c.mail.To = append(c.mail.To, address(arg, "TO:"))
		return c.say("250 OK")
	case "DATA":
		return c.data()
	}
	return c.say("502 5.5.1 not known here")
}

func (c *session) hello() bool {
	lines := []string{"250-smtpd", "250-8BITMIME", "250-ENHANCEDSTATUSCODES"}
	if c.server.TLS != nil && !c.secure {
		lines = append(lines, "250-STARTTLS")
	}
	if c.server.User != "" && c.secure {
		lines = append(lines, "250-AUTH PLAIN")
	}
	for _, l := range append(lines, "250 SMTPUTF8") {
		if !c.say(l) {
			return false
		}
	}
	return true
}

func (c *session) startTLS() bool {
	if c.server.TLS == nil || c.secure {
		return c.say("502 5.5.1 not now")
	}
	if !c.say("220 go on") {
		return false
	}
	c.use(tls.Server(c.conn, c.server.TLS)) // what was sent in the clear before is forgotten
	c.secure, c.user, c.mail = true, "", Mail{}
	return true
}

func (c *session) auth(arg string) bool {
	how, given, _ := strings.Cut(arg, " ")
	raw, err := base64.StdEncoding.DecodeString(given)
	if parts := strings.Split(string(raw), "\x00"); err == nil && c.secure && strings.EqualFold(how, "PLAIN") && len(parts) == 3 && parts[1] == c.server.User && parts[2] == c.server.Password {
		c.user = parts[1]
		return c.say("235 2.7.0 OK")
	}
	return c.say("535 5.7.8 no")
}

func (c *session) data() bool {
	if len(c.mail.To) == 0 {
		return c.say("503 5.5.1 for whom")
	}
	if !c.say("354 go on") {
		return false
	}
	limit := c.server.MaxSize
	if limit == 0 {
		limit = 1 << 20
	}
	data, err := io.ReadAll(io.LimitReader(c.text.DotReader(), limit+1))
	if err != nil || int64(len(data)) > limit {
		c.say("552 5.3.4 too large")
		return false
	}
	m := c.mail
	m.Data, c.mail = data, Mail{}
	err = c.server.Take(m)
	var code *textproto.Error
	switch {
	case err == nil:
		return c.say("250 2.0.0 kept")
	case errors.As(err, &code):
		return c.say(code.Error())
	}
	return c.say("451 4.3.0 not now")
}

// address takes what stands between angle brackets.
func address(arg, word string) string {
	if len(arg) >= len(word) && strings.EqualFold(arg[:len(word)], word) {
		arg = arg[len(word):]
	}
	arg = strings.TrimSpace(arg)
	if i := strings.IndexByte(arg, '>'); strings.HasPrefix(arg, "<") && i > 0 {
		return arg[1:i]
	}
	return arg
}
