package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/oncall"
	"github.com/brevet-access/brevet/service"
)

// Config says where a world is kept and how it is reached.
type Config struct {
	Dir     string           // the folder that holds it; made if it is missing
	Catalog string           // a catalog file in place of the sandbox's own
	Port    int              // the first of three: broker, sign-in, AWS; 0 takes free ones
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: nothing is logged
	DB      string           // database URL; "": SQLite in Dir
	Two     bool             // a second person confirms changes of the catalog
	Parts   string           // a file with further channels, checks and on_call, as in brevet.yaml; "": none

	// Propagation is how long the simulated AWS needs until a new version of a
	// policy counts; nil: none.
	Propagation func() time.Duration
	// Pause waits between two looks at the cloud; nil: a timer.
	Pause func(context.Context, time.Duration) error
}

// Facts are what dev.json says about a running world.
type Facts struct {
	URL      string        `json:"url"`
	SignIn   string        `json:"sign_in"`
	AWS      string        `json:"aws"`
	People   []PersonFact  `json:"people"`
	Accounts []AccountFact `json:"accounts"`
}

// PersonFact is somebody to sign in as. TOTP is the base32 secret.
type PersonFact struct {
	Username string   `json:"username"`
	Password string   `json:"password"`
	TOTP     string   `json:"totp"`
	Groups   []string `json:"groups"`
}

// AccountFact is a simulated account. Owner is the access key of the
// customer's own administrator there.
type AccountFact struct {
	Name     string    `json:"name"`
	ID       string    `json:"id"`
	Customer string    `json:"customer"`
	Region   string    `json:"region"`
	Owner    OwnerFact `json:"owner"`
}

// World is a sandbox: broker, identity provider and cloud in one process.
type World struct {
	Facts   Facts
	Dir     string
	Service *service.Service
	IDP     *IDP
	Cloud   *AWS

	log        *slog.Logger
	listeners  [3]net.Listener
	mailServer net.Listener
	post       *postbox
}

// banner is on every page of a world.
const banner = "This is the brevet sandbox on your own machine: simulated people, simulated AWS, nothing real."

// Open makes or reopens the world in c.Dir and takes its ports; Serve brings
// it to life. Close must be called in the end.
func Open(ctx context.Context, c Config) (_ *World, err error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "dir: %s", err)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "dir: %s", err)
	}
	if c.Port < 0 || c.Port > 65533 {
		return nil, brevet.Errorf(brevet.Invalid, "port: three ports from %d on do not exist", c.Port)
	}
	w := &World{Dir: c.Dir, log: c.Log}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
			var e *brevet.Error
			if errors.As(err, &e) {
				err = e
			}
		}
	}()
	if err := w.listen(c.Port); err != nil {
		return nil, err
	}
	if err := openCatalog(c); err != nil {
		return nil, err
	}
	secrets, err := openSecrets(c.Dir)
	if err != nil {
		return nil, err
	}
	if err := w.build(ctx, c, secrets); err != nil {
		return nil, err
	}
	return w, nil
}

// listen takes the three ports on loopback, all or none.
func (w *World) listen(port int) error {
	for i := range w.listeners {
		p := port
		if port != 0 {
			p += i
		}
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil {
			return brevet.Errorf(brevet.Unavailable, "port %d of 127.0.0.1 is taken", p).WithCause(err).
				WithHint("is another sandbox running? --port N moves all three ports")
		}
		w.listeners[i] = l
	}
	base := func(i int) string { return "http://" + w.listeners[i].Addr().String() }
	w.Facts.URL, w.Facts.SignIn, w.Facts.AWS = base(0), base(1), base(2)
	return nil
}

func (w *World) host(i int) string { return w.listeners[i].Addr().String() }

// build puts the three servers together.
func (w *World) build(ctx context.Context, c Config, s secrets) (err error) {
	w.IDP, err = NewIDP(IDPConfig{Issuer: w.Facts.SignIn, Host: w.host(1), People: s.People, Key: s.IDPKey, Now: c.Now,
		Clients: []Client{{ID: "brevet", Secret: s.ClientSecret, RedirectURIs: []string{w.Facts.URL + "/login/callback"}}}})
	if err != nil {
		return err
	}
	cfg := service.Config{URL: w.Facts.URL, Listen: w.host(0), Database: c.DB, Catalog: filepath.Join(c.Dir, "catalog.yaml"), OnePerson: !c.Two,
		Keys: filepath.Join(c.Dir, "keys"), RootKey: filepath.Join(c.Dir, "root.key")}
	if cfg.Database == "" {
		cfg.Database = "sqlite:" + filepath.Join(c.Dir, "brevet.db")
	}
	p := service.Provider{Name: "sandbox", Issuer: w.Facts.SignIn, ClientID: "brevet", ClientSecret: s.ClientSecret,
		Scopes: []string{"openid", "profile", "offline_access"}}
	p.MFA.AMR = []string{"mfa"}
	cfg.Providers = []service.Provider{p}
	smtp, err := w.openPost(s.AWSKey, c.Now)
	if err != nil {
		return err
	}
	if c.Parts != "" {
		if cfg.Parts, err = service.LoadParts(c.Parts); err != nil {
			return err
		}
	}
	tickets := newDesk(s.AWSKey, c.Now)
	cfg.Checks = append([]service.Check{tickets.check(w.Facts.AWS)}, cfg.Checks...)
	cfg.Channels = append(w.post.channels(smtp, w.Facts.AWS), cfg.Channels...)
	w.Service, err = service.Open(ctx, cfg, service.Options{Now: c.Now, Pause: c.Pause, Log: c.Log, Endpoint: w.Facts.AWS, Banner: banner, OnCall: oncall.Config{Dir: c.Dir},
		Credentials: func(ctx context.Context) (brevet.Credential, error) { return w.Cloud.BrokerCredential(ctx) },
		STS:         func(string, string) string { return w.Facts.AWS },
		API:         func(string, string, string) string { return w.Facts.AWS },
		SignIn:      w.Facts.AWS + "/federation", Console: w.Facts.AWS + "/console"})
	if err != nil {
		return err
	}
	cat := w.Service.Broker.Catalog
	w.Cloud, err = NewAWS(AWSConfig{Key: s.AWSKey, Host: w.host(2), Now: c.Now, Log: c.Log,
		Accounts: func() []brevet.Account { return cat().Accounts },
		Users:    w.centerUsers(s.People), Catalog: cat, JWKS: w.jwks, Dir: filepath.Join(c.Dir, "aws"), Propagation: c.Propagation})
	if err != nil {
		return err
	}
	w.Cloud.post, w.Cloud.desk = w.post, tickets
	for _, a := range cat().Accounts {
		customer, _ := cat().CustomerByID(a.Customer)
		w.Facts.Accounts = append(w.Facts.Accounts, AccountFact{Name: a.Name, ID: string(a.ID), Customer: customer.Name, Region: a.Region, Owner: w.Cloud.Owner(a.ID)})
	}
	for _, p := range s.People {
		w.Facts.People = append(w.Facts.People, PersonFact{Username: p.Username, Password: p.Password, TOTP: p.TOTP, Groups: p.Groups})
	}
	return nil
}

// centerUsers are the people as an identity provider brings them to IAM
// Identity Center.
func (w *World) centerUsers(people []Person) (out []CenterUser) {
	for _, p := range people {
		out = append(out, CenterUser{Name: p.Username, Issuer: w.Facts.SignIn, Subject: w.IDP.subject(p.Username)})
	}
	return out
}

// jwks hands the simulated AWS the keys that a customer's issuer publishes:
// AWS allows no port in an issuer's URL, so it cannot fetch them from here.
func (w *World) jwks(issuer string) ([]byte, error) {
	for _, c := range w.Service.Broker.Catalog().Customers {
		if w.Service.Keys.IssuerOf(c.ID) == issuer {
			return w.Service.Keys.JWKS(c.ID)
		}
	}
	return offlineJWKS(w.Dir, w.Service.Broker.Catalog(), issuer)
}

// Serve runs the world until ctx is over. Once everything answers it writes
// dev.json and calls ready.
func (w *World) Serve(ctx context.Context, ready func()) error {
	return w.serve(ctx, ready, func(ctx context.Context) error { return w.Service.Serve(ctx, w.listeners[0]) })
}

// ServeAround is Serve without the broker, whose port it gives up: others on
// the world's database and keys take its place there.
func (w *World) ServeAround(ctx context.Context, ready func()) error {
	if err := w.listeners[0].Close(); err != nil {
		return err
	}
	return w.serve(ctx, ready, nil)
}

// serve runs the world with that broker, if there is one.
func (w *World) serve(ctx context.Context, ready func(), broker func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idp := &http.Server{Handler: w.IDP, ReadHeaderTimeout: 10 * time.Second}
	cloud := &http.Server{Handler: w.Cloud, ReadHeaderTimeout: 10 * time.Second}
	errs := make(chan error, 4)
	var all sync.WaitGroup
	if broker != nil {
		all.Go(func() { errs <- broker(ctx); cancel() })
	}
	all.Go(func() { errs <- idp.Serve(w.listeners[1]); cancel() })
	all.Go(func() { errs <- cloud.Serve(w.listeners[2]); cancel() })
	all.Go(func() { errs <- w.serveMail(); cancel() })
	if err := w.announce(); err != nil {
		cancel()
		errs <- err
	} else if ready != nil {
		ready()
	}
	<-ctx.Done()
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	idp.Shutdown(stop)
	cloud.Shutdown(stop)
	w.mailServer.Close()
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil && !errors.Is(err, http.ErrServerClosed) {
			return err
		}
	}
	return nil
}

// announce writes dev.json, which tests and scripts read.
func (w *World) announce() error {
	text, err := json.MarshalIndent(w.Facts, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(w.Dir, "dev.json"), append(text, '\n'))
}

// Close ends the world; what it holds stays in its folder.
func (w *World) Close() error {
	var err error
	if w.Service != nil {
		err = w.Service.Close()
	}
	for _, l := range append(w.listeners[:], w.mailServer) {
		if l != nil {
			l.Close() // closed already where it served
		}
	}
	return err
}

// secrets are what a world makes up once and keeps.
type secrets struct {
	People       []Person `json:"people"`
	ClientSecret string   `json:"client_secret"`
	IDPKey       []byte   `json:"idp_key"` // 32 bytes
	AWSKey       []byte   `json:"aws_key"` // 32 bytes
}

func openSecrets(dir string) (s secrets, err error) {
	path := filepath.Join(dir, "secrets.json")
	text, err := os.ReadFile(path)
	if err == nil {
		if err := json.Unmarshal(text, &s); err != nil {
			return s, brevet.Errorf(brevet.Invalid, "%s is damaged", path).WithCause(err).WithHint("delete the folder to begin anew")
		}
		return s, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return s, brevet.Errorf(brevet.Invalid, "dir: %s", err)
	}
	s = secrets{People: NewPeople(rand.Reader), IDPKey: make([]byte, 32), AWSKey: make([]byte, 32)}
	rand.Read(s.IDPKey)
	rand.Read(s.AWSKey)
	client := make([]byte, 32)
	rand.Read(client)
	s.ClientSecret = base64.RawURLEncoding.EncodeToString(client)
	if text, err = json.Marshal(s); err != nil {
		return s, err
	}
	return s, writeFile(path, text)
}

// writeFile writes a private file whole or not at all.
func writeFile(path string, text []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return brevet.Errorf(brevet.Unavailable, "dir: %s", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return brevet.Errorf(brevet.Unavailable, "dir: %s", err)
	}
	return nil
}
