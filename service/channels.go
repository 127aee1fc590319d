package service

import (
	"crypto/x509"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/notify"
	"github.com/brevet-access/brevet/server"
)

// Channel is a way to tell people. Secrets are in files of their own, which
// are read at start.
type Channel struct {
	Name string `yaml:"name"`
	Kind string `yaml:"kind"` // slack, mail or webhook
	// Customers are those whose events it is told of, by name or id; "*" for
	// all, and for what concerns the installation.
	Customers []string `yaml:"customers"`
	// What it wants of request, outcome, session and ending; what is urgent
	// always comes. Default: request, outcome and session; mail without outcome.
	What []string `yaml:"what"`
	// AllowPrivate are networks that it may reach although they are private,
	// such as 10.1.2.3/32 for a relay.
	AllowPrivate []string `yaml:"allow_private"`

	// Of Slack.
	Channel           string `yaml:"channel"`             // C…, the channel's id
	TokenFile         string `yaml:"token_file"`          // the bot's, xoxb-…
	API               string `yaml:"api"`                 // default: https://slack.com/api
	Approve           bool   `yaml:"approve"`             // buttons decide
	SigningSecretFile string `yaml:"signing_secret_file"` // with approve

	// Of a webhook.
	URL         string   `yaml:"url"`
	URLFile     string   `yaml:"url_file"`     // where the URL is a secret
	SecretFiles []string `yaml:"secret_files"` // whsec_…; while it is changed the new and the old one

	// Of mail.
	From string   `yaml:"from"`
	To   []string `yaml:"to"`
	SMTP struct {
		Host         string `yaml:"host"` // HOST:PORT
		TLS          string `yaml:"tls"`  // starttls (default) or implicit; none on loopback only
		User         string `yaml:"user"`
		PasswordFile string `yaml:"password_file"`
		CAFile       string `yaml:"ca_file"` // PEM; default: the system's
	} `yaml:"smtp"`

	// Secrets holds what the files do, by the key that names them; the sandbox
	// sets it.
	Secrets map[string][]string `yaml:"-"`

	allow []netip.Prefix
}

// secretFiles lists the files that a channel names, by key.
func (c *Channel) secretFiles() map[string][]string {
	out := map[string][]string{}
	for key, file := range map[string]string{"token_file": c.TokenFile, "signing_secret_file": c.SigningSecretFile, "url_file": c.URLFile,
		"smtp.password_file": c.SMTP.PasswordFile, "smtp.ca_file": c.SMTP.CAFile} {
		if file != "" {
			out[key] = []string{file}
		}
	}
	if c.SecretFiles != nil {
		out["secret_files"] = c.SecretFiles
	}
	return out
}

// paths are what resolve makes absolute.
func (c *Channel) paths() []*string {
	out := []*string{&c.TokenFile, &c.SigningSecretFile, &c.URLFile, &c.SMTP.PasswordFile, &c.SMTP.CAFile}
	for i := range c.SecretFiles {
		out = append(out, &c.SecretFiles[i])
	}
	return out
}

// check fills in defaults and lists what is wrong.
func (c *Channel) check() (bad []string) {
	fail := func(wrong bool, line string) {
		if wrong {
			bad = append(bad, "channels."+c.Name+"."+line)
		}
	}
	fail(len(c.Customers) == 0, `customers: name whose events it is told of, or "*" for all`)
	topics := []string{string(broker.TopicRequest), string(broker.TopicOutcome), string(broker.TopicSession), string(broker.TopicEnding), string(broker.TopicUrgent)}
	for _, w := range c.What {
		fail(!slices.Contains(topics, w), "what: "+brevet.Printable(w)+" is not one of "+strings.Join(topics, ", "))
	}
	if c.What == nil {
		c.What = []string{"request", "outcome", "session"}
		if c.Kind == "mail" {
			c.What = []string{"request", "session"}
		}
	}
	c.allow, bad = prefixes("channels."+c.Name+".allow_private", c.AllowPrivate, bad)
	switch c.Kind {
	case "slack":
		c.checkSlack(fail)
	case "webhook":
		fail(c.URL == "" && c.URLFile == "" && c.Secrets["url_file"] == nil, "url: https://…, or url_file")
		fail(c.URL != "" && !c.fit(c.URL), "url: must be https://…; http only to a loopback address that allow_private lists")
		fail(len(c.SecretFiles) == 0 && c.Secrets["secret_files"] == nil || len(c.SecretFiles) > 2, "secret_files: one file, or two while the secret is changed")
	case "mail":
		c.checkMail(fail)
	default:
		fail(true, "kind: must be slack, mail or webhook")
	}
	return bad
}

func (c *Channel) checkSlack(fail func(bool, string)) {
	if c.API == "" {
		c.API = "https://slack.com/api"
	}
	fail(!c.fit(c.API), "api: must be https://…")
	fail(len(c.Channel) < 2 || strings.Trim(c.Channel, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "", "channel: must be the channel's id, such as C0123ABCD, not its name")
	fail(c.TokenFile == "" && c.Secrets["token_file"] == nil, "token_file: name the file with the bot's token")
	fail(c.Approve != (c.SigningSecretFile != "" || c.Secrets["signing_secret_file"] != nil), "signing_secret_file: goes together with approve: true")
}

func (c *Channel) checkMail(fail func(bool, string)) {
	if c.SMTP.TLS == "" {
		c.SMTP.TLS = string(notify.StartTLS)
	}
	host, port, err := net.SplitHostPort(c.SMTP.Host)
	n, numErr := strconv.Atoi(port)
	fail(err != nil || numErr != nil || host == "" || n < 1 || n > 65535, "smtp.host: must be HOST:PORT, such as mail.example.com:587")
	fail(!slices.Contains([]string{string(notify.StartTLS), string(notify.ImplicitTLS), string(notify.NoTLS)}, c.SMTP.TLS), "smtp.tls: must be starttls or implicit")
	fail(c.SMTP.TLS == string(notify.NoTLS) && !loopback(host), "smtp.tls: none is for a loopback address only")
	fail((c.SMTP.User != "") != (c.SMTP.PasswordFile != "" || c.Secrets["smtp.password_file"] != nil), "smtp.user: goes together with password_file")
	fail(c.SMTP.User != "" && c.SMTP.TLS == string(notify.NoTLS), "smtp.user: nobody signs in without TLS")
	_, err = mail.ParseAddress(c.From)
	fail(err != nil, "from: must be a mail address")
	fail(len(c.To) == 0, "to: name at least one mail address")
	for _, a := range c.To {
		_, err := mail.ParseAddress(a)
		fail(err != nil, "to: "+brevet.Printable(a)+" is not a mail address")
	}
}

// fit reports whether a URL may be posted to.
func (c *Channel) fit(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	listed := err == nil && a.IsLoopback() && slices.ContainsFunc(c.allow, func(p netip.Prefix) bool { return p.Contains(a) })
	return u.Scheme == "https" || u.Scheme == "http" && listed
}

// checkChannels lists what is wrong with the channels.
func (c *Config) checkChannels() (bad []string) {
	seen := map[string]bool{}
	for i := range c.Channels {
		ch := &c.Channels[i]
		if !brevet.ValidName(ch.Name) || seen[ch.Name] {
			bad = append(bad, "channels: each needs a name of its own")
			continue
		}
		seen[ch.Name] = true
		bad = append(bad, ch.check()...)
	}
	return bad
}

// readChannels reads the files that channels name. No error shows what is in
// one.
func (c *Config) readChannels() error {
	for i := range c.Channels {
		ch := &c.Channels[i]
		ch.Secrets = map[string][]string{}
		for key, files := range ch.secretFiles() {
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil || len(text) > 1<<20 {
					return brevet.Errorf(brevet.Invalid, "channels.%s.%s: cannot be read, or is larger than 1 MiB", ch.Name, key).WithCause(err)
				}
				ch.Secrets[key] = append(ch.Secrets[key], strings.TrimSpace(string(text)))
			}
		}
		if _, err := ch.notifier(*c, time.Now); err != nil { // what is malformed is told now
			return err
		}
	}
	return nil
}

func (c *Channel) secret(key string) string {
	if s := c.Secrets[key]; len(s) > 0 {
		return s[0]
	}
	return ""
}

// notifier makes what sends by the channel.
func (c *Channel) notifier(cfg Config, now func() time.Time) (brevet.Notifier, error) {
	bad := func(key, why string) error {
		return brevet.Errorf(brevet.Invalid, "channels.%s.%s: %s", c.Name, key, why)
	}
	dialer := &notify.Dialer{Allow: c.allow}
	switch c.Kind {
	case "slack":
		token := c.secret("token_file")
		if token == "" || strings.ContainsAny(token, " \r\n") {
			return nil, bad("token_file", "holds no token")
		}
		if s := c.secret("signing_secret_file"); c.Approve && len(s) < 16 {
			return nil, bad("signing_secret_file", "holds no signing secret")
		}
		return &notify.Slack{API: strings.TrimRight(c.API, "/"), Token: token, Channel: c.Channel, Approve: c.Approve, HTTP: dialer.HTTP(), Now: now}, nil
	case "webhook":
		to := c.URL
		if to == "" {
			to = c.secret("url_file")
		}
		if !c.fit(to) {
			return nil, bad("url_file", "must hold https://…")
		}
		w := &notify.Webhook{URL: to, HTTP: dialer.HTTP(), Now: now}
		for _, s := range c.Secrets["secret_files"] {
			raw, err := notify.ParseWebhookSecret(s)
			if err != nil {
				return nil, bad("secret_files", brevet.AsError(err).Message)
			}
			w.Secrets = append(w.Secrets, raw)
		}
		return w, nil
	}
	host, port, _ := net.SplitHostPort(c.SMTP.Host)
	n, _ := strconv.Atoi(port)
	m := &notify.Mail{Host: host, Port: n, TLS: notify.MailTLS(c.SMTP.TLS), Username: c.SMTP.User, Password: c.secret("smtp.password_file"),
		From: c.From, To: c.To, Domain: cfg.hostname(), Dialer: dialer}
	if pem := c.secret("smtp.ca_file"); pem != "" {
		m.Roots = x509.NewCertPool()
		if !m.Roots.AppendCertsFromPEM([]byte(pem)) {
			return nil, bad("smtp.ca_file", "holds no certificate in PEM")
		}
	}
	return m, nil
}

// hostname is host without its port.
func (c *Config) hostname() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "localhost"
	}
	return u.Hostname()
}

// where says where a channel's messages go, without secrets.
func (c *Channel) where() string {
	switch c.Kind {
	case "slack":
		return "channel " + c.Channel
	case "mail":
		return strings.Join(c.To, ", ")
	}
	if u, err := url.Parse(c.URL); err == nil && u.Host != "" {
		return u.Host
	}
	return "a webhook"
}

// channels makes the broker's channels. Those of named customers get them
// once the catalog is known.
func (s *Service) channels() (out []broker.Channel, err error) {
	for i := range s.cfg.Channels {
		c := &s.cfg.Channels[i]
		ch := broker.Channel{Name: c.Name, Kind: c.Kind, Where: c.where(), All: slices.Contains(c.Customers, "*")}
		if ch.Notifier, err = c.notifier(s.cfg, s.opt.Now); err != nil {
			return nil, err
		}
		for _, w := range c.What {
			ch.Topics = append(ch.Topics, broker.Topic(w))
		}
		out = append(out, ch)
	}
	return out, nil
}

// nameCustomers gives the channels the ids of the customers that they name:
// as the catalog has them now, so that whoever bears the name later is told
// nothing before somebody starts the server for it (law 13).
func (s *Service) nameCustomers() {
	for i, c := range s.cfg.Channels {
		for _, name := range c.Customers {
			if name == "*" {
				continue
			}
			if id, err := brevet.ParseID[brevet.CustomerID](name); err == nil {
				s.Broker.Channels[i].Customers = append(s.Broker.Channels[i].Customers, id)
			} else if k, ok := s.Broker.Catalog().Customer(name); ok {
				s.Broker.Channels[i].Customers = append(s.Broker.Channels[i].Customers, k.ID)
			} else {
				s.opt.Log.Warn("a channel names a customer that is not there", "channel", c.Name, "customer", name)
			}
		}
	}
}

// CheckChannels returns an error of kind [brevet.Invalid] that lists what the
// channels name and the catalog does not have.
func CheckChannels(cfg Config) error {
	_, cat, err := readCatalog(cfg)
	if err != nil {
		return err
	}
	var bad []string
	for _, c := range cfg.Channels {
		for _, name := range c.Customers {
			if _, ok := cat.Customer(name); !ok && name != "*" {
				bad = append(bad, "channels."+c.Name+".customers: there is no customer "+brevet.Printable(name))
			}
		}
	}
	if bad != nil {
		return brevet.Errorf(brevet.Invalid, "%s", strings.Join(bad, "\n"))
	}
	return nil
}

// slackApps are the channels of Slack that decide.
func (s *Service) slackApps() (out []server.SlackApp) {
	for i, c := range s.cfg.Channels {
		if c.Kind == "slack" && c.Approve {
			out = append(out, server.SlackApp{Channel: c.Channel, Name: s.Broker.Channels[i].Name, Secret: c.secret("signing_secret_file"),
				HTTP: (&notify.Dialer{Allow: c.allow}).HTTP(), API: c.API})
		}
	}
	return out
}
