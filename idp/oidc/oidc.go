// Package oidc signs people in at any OpenID Connect provider.
//
// A [Provider] is configured by its issuer URL; everything else is discovered
// on first use. Discovery that fails is tried again later, with growing
// pauses, so that a provider that was down at start is no reason to restart.
//
// The flow is authorization code with PKCE S256, state and nonce, for
// confidential and public clients alike. The caller keeps state, nonce and
// verifier, and checks the iss parameter of the answer (RFC 9207).
//
// # What is believed
//
// An identity token counts when its signature is by a key that the issuer
// publishes, with an asymmetric algorithm that the issuer announces, and when
// iss, aud, azp, exp, iat and nonce are right. Nothing else the provider
// sends is a reason to let anybody in.
//
// When somebody authenticated is auth_time and nothing else; that they used
// several factors follows from amr or acr (RFC 8176), as configured. What the
// provider does not state counts as not done (law 6). Providers like to
// ignore max_age, so [Provider.Exchange] checks it itself.
//
// Groups are facts with a time. "No groups" and "groups unknown" differ: see
// [brevet.Groups] and [Provider.Refresh].
package oidc

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"golang.org/x/oauth2"
)

// Config describes a provider. Issuer, ClientID and RedirectURL are required.
type Config struct {
	Name         string   // what people call it, in messages
	Issuer       string   // exactly as the provider writes it; https, or http on loopback
	ClientID     string   //
	ClientSecret string   // "" for a public client
	RedirectURL  string   // where the provider sends the browser back to
	Scopes       []string // nil: openid profile email, and offline_access and groups where announced
	GroupsClaim  string   // "": groups
	LoginClaim   string   // "": preferred_username, else email, else sub
	MFA          MFA
	HTTP         *http.Client     // nil: one of its own; bounds on time and size are added
	Now          func() time.Time // nil: time.Now
}

// MFA names the values that prove several factors. One of either list is
// enough; where both are empty, the method "mfa" of RFC 8176 is.
type MFA struct {
	AMR []string // authentication methods, such as mfa, hwk, otp
	ACR []string // authentication contexts; they are also asked for
}

// Bounds on what a provider may send and on how wrong clocks may be.
const (
	maxBody   = 1 << 20
	timeout   = 10 * time.Second
	maxGroups = 2000
	maxText   = 256 // bytes of a group's name, a login or a method

	// skew is how far a provider's clock may be ahead of ours.
	skew = 30 * time.Second
	// slack is how long the way from the password to the token may take:
	// the second factor, a consent page, slow hands.
	slack = 2 * time.Minute
)

// Provider is an OpenID Connect provider. Its methods may be used by many
// goroutines at once.
type Provider struct {
	cfg   Config
	http  *http.Client
	found finder
}

// New returns a provider. It does not speak to it.
func New(c Config) *Provider {
	if c.Name == "" {
		c.Name = c.Issuer
	}
	if c.GroupsClaim == "" {
		c.GroupsClaim = "groups"
	}
	if len(c.MFA.AMR) == 0 && len(c.MFA.ACR) == 0 {
		c.MFA.AMR = []string{"mfa"}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	p := &Provider{cfg: c, http: client(c.HTTP)}
	p.found.turn = make(chan struct{}, 1)
	return p
}

// AuthURL returns where the browser goes to sign in. challenge is the S256
// PKCE challenge. A maxAge below zero asks for no particular age, zero for a
// fresh sign-in, more for one at most that old. Accepted contexts (acr) are
// asked for. Errors are of kind unavailable, or internal when the provider is
// not what its config says.
func (p *Provider) AuthURL(ctx context.Context, state, nonce, challenge string, maxAge time.Duration) (string, error) {
	if state == "" || nonce == "" || challenge == "" {
		return "", brevet.Errorf(brevet.Internal, "a sign-in needs state, nonce and challenge")
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	opts := []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("nonce", nonce),
		oauth2.SetAuthURLParam("code_challenge", challenge),
		oauth2.SetAuthURLParam("code_challenge_method", "S256"),
	}
	if len(p.cfg.MFA.ACR) > 0 {
		opts = append(opts, oauth2.SetAuthURLParam("acr_values", strings.Join(p.cfg.MFA.ACR, " ")))
	}
	if maxAge >= 0 {
		opts = append(opts, oauth2.SetAuthURLParam("max_age", strconv.FormatInt(int64(maxAge/time.Second), 10)))
	}
	if maxAge == 0 {
		opts = append(opts, oauth2.SetAuthURLParam("prompt", "login")) // many ignore max_age=0
	}
	return p.oauth(m).AuthCodeURL(state, opts...), nil
}

// NamesItself reports whether the provider announces that each answer of its
// authorization endpoint carries iss (RFC 9207, section 3): one without it is
// then from somebody else. Errors are those of [Provider.AuthURL].
func (p *Provider) NamesItself(ctx context.Context) (bool, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return false, err
	}
	return m.Names, nil
}

// oauth returns the OAuth client for what was discovered.
func (p *Provider) oauth(m *metadata) *oauth2.Config {
	endpoint := m.provider.Endpoint()
	endpoint.AuthStyle = m.authStyle(p.cfg.ClientSecret)
	return &oauth2.Config{ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, RedirectURL: p.cfg.RedirectURL,
		Endpoint: endpoint, Scopes: p.scopes(m)}
}

func (p *Provider) scopes(m *metadata) []string {
	scopes := p.cfg.Scopes
	if scopes == nil {
		scopes = []string{"openid", "profile", "email"}
		for _, s := range []string{"offline_access", "groups"} {
			if slices.Contains(m.Scopes, s) {
				scopes = append(scopes, s)
			}
		}
	}
	if !slices.Contains(scopes, "openid") {
		scopes = append([]string{"openid"}, scopes...)
	}
	return scopes
}
