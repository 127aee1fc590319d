// Package service is one running brevetd, put together from its Config:
// store, keys, clouds, providers, broker, listener, and the loop that
// reconciles what should be with what is. It sets every func field of the
// rooms beneath, so that they never meet.
package service

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/cloud/aws"
	"github.com/brevet-access/brevet/glass"
	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/idp/oidc"
	"github.com/brevet-access/brevet/oncall"
	"github.com/brevet-access/brevet/server"
	"github.com/brevet-access/brevet/signer"
	"github.com/brevet-access/brevet/stack"
	"github.com/brevet-access/brevet/store"
	"github.com/brevet-access/brevet/web"
)

// Options are what a caller may put in the place of the world: the sandbox
// and tests do. The zero value is a real deployment.
type Options struct {
	Now      func() time.Time
	Pause    func(context.Context, time.Duration) error // between two looks at a cloud; nil: a timer
	Log      *slog.Logger
	STS      func(region, partition string) string          // where STS is; nil: AWS
	API      func(service, region, partition string) string // where other services are; nil: AWS
	SignIn   string                                         // federation endpoint; "" AWS
	Console  string                                         // web console; "" AWS
	Endpoint string                                         // AWS endpoint that clients are told; "" AWS's own
	Hosts    []string                                       // further Host headers that are answered
	Banner   string                                         // shown on every page
	HTTP     *http.Client                                   // to providers; nil: a plain one
	OnCall   oncall.Config                                  // how rotas are reached; its zero value is the world

	// Credentials are the broker's own on AWS, for accounts that are entered by
	// AssumeRole; nil: what the AWS SDK finds (docs/entry.md).
	Credentials func(context.Context) (brevet.Credential, error)
}

// Service is one running brevetd.
type Service struct {
	Broker *broker.Broker
	Keys   *signer.Keys
	DB     *store.DB

	cfg     Config
	opt     Options
	handler http.Handler
	metrics *metrics
}

// sweepEvery is how often what should be is compared with what is. Nothing
// that gives access waits for it.
const sweepEvery = 5 * time.Second

// Open puts a server together: it opens keys and database, verifies the log
// and proposes the catalog. Close must be called in the end.
func Open(ctx context.Context, cfg Config, opt Options) (*Service, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	text, cat, err := readCatalog(cfg)
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, opt: opt, metrics: newMetrics()}
	if s.Keys, err = openKeys(cfg, opt, cat.Issuer); err != nil {
		return nil, err
	}
	s.DB, err = store.Open(ctx, storeConfig(cfg, opt, s.Keys))
	if err != nil {
		return nil, err
	}
	channels, err := s.channels()
	if err != nil {
		return nil, errors.Join(err, s.DB.Close())
	}
	s.Broker = s.newBroker(channels)
	if err := s.propose(ctx, "start", text); err != nil {
		return nil, errors.Join(err, s.DB.Close())
	}
	s.nameCustomers()
	s.handler = s.newHandler()
	return s, nil
}

func openKeys(cfg Config, opt Options, issuer string) (*signer.Keys, error) {
	// A root key is made only beside keys that are yet to be made: a missing one
	// must be found again, not replaced.
	kept, err := os.ReadDir(cfg.Keys)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, brevet.Errorf(brevet.Invalid, "keys: %s", err)
	}
	kept = slices.DeleteFunc(kept, func(e os.DirEntry) bool { return e.Name() == offlineFolder }) // public keys
	root, err := signer.LoadRoot(cfg.RootKey, len(kept) == 0)
	if err != nil {
		return nil, err
	}
	return signer.Open(signer.Config{Dir: cfg.Keys, Root: root, LogName: cfg.host(), Issuer: issuer, Now: opt.Now})
}

func readCatalog(cfg Config) ([]byte, *catalog.Catalog, error) {
	text, err := os.ReadFile(cfg.Catalog)
	if err != nil {
		return nil, nil, brevet.Errorf(brevet.Invalid, "catalog: %s", err)
	}
	c, _, err := broker.ReadCatalog(cfg.Catalog, text)
	return text, c, err
}

func (s *Service) newBroker(channels []broker.Channel) *broker.Broker {
	cloud := aws.New(aws.Config{Token: s.token, Credentials: s.opt.Credentials, STS: s.opt.STS, API: s.opt.API, SignIn: s.opt.SignIn, Console: s.opt.Console, Issuer: s.cfg.URL, Now: s.opt.Now})
	center := cloud.Center()
	c := broker.Config{DB: s.DB, Clouds: map[string]brevet.Cloud{"aws": cloud}, Console: cloud.Console,
		Center: broker.Center{Find: center.Find, Admit: center.Admit, Dismiss: center.Dismiss, Present: center.Present},
		Seal:   s.Keys.Seal, Unseal: s.Keys.Unseal, Ensure: s.Keys.Ensure, Endpoint: s.opt.Endpoint, Contract: stack.NewestContract, Shells: opensShells, Pause: s.opt.Pause, Prove: s.prove, Fits: aws.Fits, Check: s.checks(), LogKey: s.Keys.LogKey(),
		Idle: s.cfg.idle, Absolute: s.cfg.absolute, Now: s.opt.Now, Log: s.opt.Log, Shifts: s.onCall().Shifts}
	c.OfflineKeys = func(id brevet.CustomerID) (glass.KeySet, error) { return OfflineKeys(s.cfg, id) }
	c.URL, c.Channels, c.OnePerson = s.cfg.URL, channels, s.cfg.OnePerson
	for _, p := range s.cfg.Providers {
		c.Providers = append(c.Providers, s.provider(p))
	}
	return broker.New(c)
}

func (s *Service) provider(p Provider) broker.Provider {
	c := oidc.Config{Name: p.Name, Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret, RedirectURL: s.cfg.URL + "/login/callback",
		Scopes: p.Scopes, GroupsClaim: p.GroupsClaim, LoginClaim: p.LoginClaim, HTTP: s.opt.HTTP, Now: s.opt.Now}
	c.MFA.AMR, c.MFA.ACR = p.MFA.AMR, p.MFA.ACR
	o := oidc.New(c)
	return broker.Provider{Name: p.Name, Issuer: p.Issuer, AuthURL: o.AuthURL, Exchange: o.Exchange, NamesItself: o.NamesItself, Refresh: o.Refresh}
}

// opensShells reports whether a role's permissions let it open a shell on some
// instance. What cannot be told counts as if they did.
func opensShells(a brevet.Account, r brevet.Role) bool {
	policies, err := stack.Permissions(a, r)
	if err != nil {
		return true
	}
	got := iam.Evaluate(iam.Input{Identity: policies, Request: iam.Request{Action: "ssm:StartSession", Resource: "arn:" + a.Partition() + ":ec2:" + a.Region + ":" + string(a.ID) + ":instance/i-0"}})
	return got.Decision == iam.Allow
}

// propose makes text the catalog in force.
func (s *Service) propose(ctx context.Context, why string, text []byte) error {
	a, err := s.Broker.Propose(ctx, brevet.Actor{System: why}, text)
	if err != nil {
		return err
	}
	switch {
	case !a.Rules:
		s.opt.Log.WarnContext(ctx, "the catalog file widens access; it waits until a second person confirms it: brevet catalog approve", "version", a.Version, "changes", len(a.Changes))
	case s.cfg.OnePerson:
		s.opt.Log.WarnContext(ctx, "catalog in force; one person may change it here", "version", a.Version, "changes", len(a.Changes))
	default:
		s.opt.Log.InfoContext(ctx, "catalog in force", "version", a.Version, "changes", len(a.Changes))
	}
	s.warnChecks(ctx)
	for _, warning := range s.Broker.Catalog().Warnings() {
		s.opt.Log.WarnContext(ctx, "the catalog in force: "+warning)
	}
	return nil
}

// warnChecks names checks that entitlements ask for and the configuration
// does not have: requests that need them are refused.
func (s *Service) warnChecks(ctx context.Context) {
	for _, e := range s.Broker.Catalog().Entitlements {
		for _, rule := range []brevet.TextRule{e.Reason, e.Ticket} {
			if rule.Check != "" && !slices.ContainsFunc(s.cfg.Checks, func(c Check) bool { return c.Name == rule.Check }) {
				s.opt.Log.WarnContext(ctx, "an entitlement names a check that is not configured, so nothing can be asked for under it", "entitlement", e.Name, "check", rule.Check)
			}
		}
	}
}

// Reload proposes the catalog file again, as SIGHUP asks. A file that does
// not pass its checks changes nothing.
func (s *Service) Reload(ctx context.Context) error {
	text, _, err := readCatalog(s.cfg)
	if err != nil {
		return err
	}
	return s.propose(ctx, "reload", text)
}

func (s *Service) newHandler() http.Handler {
	site := web.New(web.Config{Broker: s.Broker, URL: s.cfg.URL, Banner: s.opt.Banner, Log: s.opt.Log,
		Address: server.Address, RequestID: server.RequestID, Seen: server.Seen})
	api := server.New(server.Config{Pages: site.Routes(), PageFailed: site.Fail, SignedIn: web.SignedIn, Slack: s.slackApps(), Broker: s.Broker, WhoIs: s.Broker.WhoIs, WhoIsSealed: s.Broker.WhoIsSealed, JWKS: s.known(s.Keys.JWKS), Discovery: s.known(s.Keys.Discovery),
		URL: s.cfg.URL, Hosts: s.opt.Hosts, Proxies: s.cfg.proxies, Banner: s.opt.Banner, Log: s.opt.Log, Now: s.opt.Now, Observe: s.metrics.observe})
	metrics := s.metrics.handler(s.cfg.metricsFrom, s.DB, s.Broker.Unseen)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" && (r.Host == s.cfg.host() || !browser(r)) {
			metrics.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// browser reports whether a browser sent the request: a page that makes its
// own name point here is not to read what only loopback may.
func browser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "" || strings.HasPrefix(r.UserAgent(), "Mozilla/")
}

// Handler returns what the server answers, for those who listen themselves.
func (s *Service) Handler() http.Handler { return s.handler }

// Serve answers on l and reconciles until ctx is over; then it lets requests
// in flight finish, at most 20 s, and returns nil.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 90 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelWarn),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	srv.RegisterOnShutdown(s.Broker.Drain)
	if s.cfg.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.cfg.TLS.Cert, s.cfg.TLS.Key)
		if err != nil {
			return brevet.Errorf(brevet.Invalid, "tls: %s", err)
		}
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		l = tls.NewListener(l, srv.TLSConfig)
	}
	var work sync.WaitGroup
	loop, stop := context.WithCancel(context.WithoutCancel(ctx))
	work.Go(func() { s.reconcile(loop) })
	work.Go(func() { s.Broker.KeepDoors(loop) })
	work.Go(func() { s.Broker.Revoking(loop) })
	if err := s.DB.Work(loop, s.Broker.Jobs()); err != nil { // a sweep does what a job would
		s.opt.Log.ErrorContext(ctx, "jobs are not worked on", "err", err)
	}
	work.Go(func() { s.followDuty(loop) })
	work.Go(func() { s.Broker.Deliver(loop) })
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		err = srv.Shutdown(drain)
		cancel()
	}
	stop()
	work.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// reconcile compares what should be with what is, until ctx is over.
func (s *Service) reconcile(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		err := s.Broker.Sweep(ctx)
		if ctx.Err() != nil {
			return
		}
		s.metrics.swept(err)
		if err != nil {
			s.opt.Log.ErrorContext(ctx, "reconciliation failed; it is tried again", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Close closes the database.
func (s *Service) Close() error { return s.DB.Close() }
