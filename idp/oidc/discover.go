package oidc

import (
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// How often discovery is tried: after a failure with doubling pauses, after
// success once an hour, which also bounds how long a withdrawn key is trusted.
const (
	firstPause = time.Second
	maxPause   = time.Minute
	goodFor    = time.Hour
)

// metadata is what was discovered about a provider.
type metadata struct {
	provider *gooidc.Provider
	verifier *gooidc.IDTokenVerifier
	Auth     string   `json:"authorization_endpoint"`
	Token    string   `json:"token_endpoint"`
	JWKS     string   `json:"jwks_uri"`
	UserInfo string   `json:"userinfo_endpoint"`
	Scopes   []string `json:"scopes_supported"`
	Methods  []string `json:"token_endpoint_auth_methods_supported"`
	Names    bool     `json:"authorization_response_iss_parameter_supported"`
}

// finder keeps what was discovered. One caller at a time looks.
type finder struct {
	turn chan struct{} // holds one token while somebody looks

	mu    sync.Mutex
	got   *metadata
	next  time.Time // when to look again
	pause time.Duration
	err   error // why the last attempt failed
}

func (f *finder) known(now time.Time) (m *metadata, fresh bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got, now.Before(f.next), f.err
}

func (f *finder) succeed(m *metadata, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got, f.err, f.pause, f.next = m, nil, 0, now.Add(goodFor)
}

func (f *finder) fail(err error, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pause = min(max(2*f.pause, firstPause), maxPause)
	f.err, f.next = err, now.Add(f.pause)
}

// metadata returns what is known about the provider, and finds it out where
// it is time to. What was found once serves on while the provider is down.
func (p *Provider) metadata(ctx context.Context) (*metadata, error) {
	m, fresh, err := p.found.known(p.cfg.Now())
	if fresh {
		return usable(m, err)
	}
	select {
	case p.found.turn <- struct{}{}:
		defer func() { <-p.found.turn }()
	case <-ctx.Done():
		return nil, p.unavailable(ctx.Err())
	}
	if m, fresh, err = p.found.known(p.cfg.Now()); fresh { // somebody else looked meanwhile
		return usable(m, err)
	}
	found, err := p.discover(ctx)
	switch {
	case err == nil:
		p.found.succeed(found, p.cfg.Now())
		return found, nil
	case ctx.Err() == nil: // a caller who went away says nothing about the provider
		p.found.fail(err, p.cfg.Now())
	}
	return usable(m, err)
}

func usable(m *metadata, err error) (*metadata, error) {
	if m != nil {
		return m, nil
	}
	return nil, err
}

func (p *Provider) unavailable(cause error) *brevet.Error {
	return brevet.Errorf(brevet.Unavailable, "the sign-in provider %s cannot be reached", p.cfg.Name).WithHint("try again").WithCause(safe(cause))
}

func (p *Provider) misconfigured(format string, args ...any) *brevet.Error {
	return brevet.Errorf(brevet.Internal, "the sign-in provider "+p.cfg.Name+" "+format, args...)
}

func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	if err := p.secure("issuer", p.cfg.Issuer); err != nil {
		return nil, err
	}
	provider, err := gooidc.NewProvider(gooidc.ClientContext(ctx, p.http), p.cfg.Issuer)
	var mismatch *gooidc.IssuerMismatchError
	if errors.As(err, &mismatch) {
		return nil, p.misconfigured("calls itself by another issuer").
			WithHint("the issuer in the config must be written exactly as the provider does, final slash included").WithCause(safe(err))
	}
	if err != nil {
		return nil, p.unavailable(err)
	}
	m := &metadata{provider: provider}
	if err := provider.Claims(m); err != nil {
		return nil, p.unavailable(err)
	}
	for name, u := range map[string]string{"authorization_endpoint": m.Auth, "token_endpoint": m.Token, "jwks_uri": m.JWKS} {
		if err := p.secure(name, u); err != nil {
			return nil, err
		}
	}
	if m.UserInfo != "" {
		if err := p.secure("userinfo_endpoint", m.UserInfo); err != nil {
			return nil, err
		}
	}
	m.verifier = provider.Verifier(&gooidc.Config{ClientID: p.cfg.ClientID, Now: p.cfg.Now})
	return m, nil
}

// secure requires https, except where the whole provider lies on loopback.
func (p *Provider) secure(name, text string) error {
	u, err := url.Parse(text)
	issuer, ierr := url.Parse(p.cfg.Issuer)
	if err != nil || ierr != nil || u.Host == "" || u.User != nil {
		return p.misconfigured("has no usable %s", name)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u) && loopback(issuer) {
		return nil
	}
	return p.misconfigured("has a %s without https", name)
}

func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// authStyle says how the client proves itself at the token endpoint. It is
// never probed: a wrong guess would use up the code.
func (m *metadata) authStyle(secret string) oauth2.AuthStyle {
	if secret == "" || len(m.Methods) > 0 && !slices.Contains(m.Methods, "client_secret_basic") {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader // the default of OpenID Connect Core, section 9
}
