package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/brevet-access/brevet"
	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Exchange turns the code that came back into a verified identity. nonce and
// maxAge are those of [Provider.AuthURL]; verifier is the one behind its
// challenge.
//
// Errors: step_up when maxAge was asked for and the provider does not say, or
// says otherwise; clock when it speaks of the future; denied when its answer
// does not hold; unavailable when it cannot be reached; internal when it does
// not know this client.
func (p *Provider) Exchange(ctx context.Context, code, verifier, nonce string, maxAge time.Duration) (brevet.Identity, error) {
	if code == "" || verifier == "" || nonce == "" {
		return brevet.Identity{}, brevet.Errorf(brevet.Invalid, "the sign-in is incomplete")
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return brevet.Identity{}, err
	}
	octx := gooidc.ClientContext(ctx, p.http)
	token, err := p.oauth(m).Exchange(octx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return brevet.Identity{}, p.tokenError(err)
	}
	c, err := p.verify(octx, m, token)
	if err != nil {
		return brevet.Identity{}, err
	}
	if subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(nonce)) != 1 {
		return brevet.Identity{}, p.unbelievable("it belongs to another sign-in", nil)
	}
	proof, err := p.proof(c, maxAge)
	if err != nil {
		return brevet.Identity{}, err
	}
	return brevet.Identity{
		Principal: brevet.Principal{Issuer: p.cfg.Issuer, Subject: c.Subject},
		Login:     c.login,
		Name:      c.Name,
		Proof:     proof,
		Groups:    p.groups(octx, m, c, token),
		Refresh:   wrapRefresh(c.Subject, token.RefreshToken),
	}, nil
}

// verify checks the identity token that came with token.
func (p *Provider) verify(ctx context.Context, m *metadata, token *oauth2.Token) (claims, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return claims{}, p.unbelievable("there is no identity token in it", nil)
	}
	id, err := m.verifier.Verify(ctx, raw)
	if err != nil {
		return claims{}, p.verifyError(ctx, err)
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			return claims{}, p.unbelievable("its access token belongs to another sign-in", err)
		}
	}
	var text payload
	if err := id.Claims(&text); err != nil {
		return claims{}, p.unbelievable("its claims cannot be read", err)
	}
	c, err := decode(text, p.cfg)
	if err != nil {
		return claims{}, p.unbelievable("its claims cannot be read", err)
	}
	return c, p.check(c, id)
}

// check does what the library leaves to its callers.
func (p *Provider) check(c claims, id *gooidc.IDToken) error {
	now := p.cfg.Now()
	switch {
	case c.IssuedAt.IsZero():
		return p.unbelievable("it does not say when it was made", nil)
	case c.IssuedAt.After(now.Add(skew)), c.AuthTime.After(now.Add(skew)):
		return brevet.Errorf(brevet.Clock, "the sign-in provider %s speaks of the future", p.cfg.Name).
			WithHint("compare its clock and the server's with the time")
	case c.AuthParty != "" && c.AuthParty != p.cfg.ClientID, c.AuthParty == "" && len(id.Audience) > 1:
		return p.unbelievable("it was made for another client", nil)
	}
	return nil
}

// proof says how and when the person authenticated, and holds it against the
// age that was asked for.
func (p *Provider) proof(c claims, maxAge time.Duration) (brevet.Proof, error) {
	proof := brevet.Proof{AuthTime: c.AuthTime, Methods: c.AMR, Class: c.ACR}
	accepted := slices.ContainsFunc(c.AMR, func(m string) bool { return slices.Contains(p.cfg.MFA.AMR, m) })
	if accepted || c.ACR != "" && slices.Contains(p.cfg.MFA.ACR, c.ACR) {
		proof.MFA = c.AuthTime
	}
	if maxAge < 0 {
		return proof, nil
	}
	if c.AuthTime.IsZero() {
		return proof, brevet.Errorf(brevet.StepUp, "the sign-in provider %s does not say when you signed in there", p.cfg.Name).
			WithHint("whoever runs it must add the claim auth_time")
	}
	if age := p.cfg.Now().Sub(c.AuthTime); age > maxAge+slack {
		return proof, brevet.Errorf(brevet.StepUp, "the sign-in provider %s took a sign-in from %s ago for a new one", p.cfg.Name, brevet.FormatDuration(age)).
			WithHint("sign out there, then brevet login --mfa")
	}
	return proof, nil
}

// unbelievable is the refusal of an answer that does not hold. why goes on
// from "it", the answer.
func (p *Provider) unbelievable(why string, cause error) *brevet.Error {
	return brevet.Errorf(brevet.Denied, "the answer of the sign-in provider %s does not hold: %s", p.cfg.Name, why).
		WithHint("brevet login starts again").WithCause(safe(cause))
}

// verifyError tells a provider that could not be asked for its keys from a
// token that is wrong.
func (p *Provider) verifyError(ctx context.Context, err error) error {
	var expired *gooidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return p.unbelievable("it has expired", err)
	case ctx.Err() != nil || fetching(err):
		return p.unavailable(err)
	}
	return p.unbelievable("its identity token is not valid for this client", err)
}

// tokenError classifies what the token endpoint said (RFC 6749, 5.2). Only
// its code is kept: descriptions of some providers quote what was sent.
func (p *Provider) tokenError(err error) error {
	var no *oauth2.RetrieveError
	if !errors.As(err, &no) {
		return p.unavailable(err)
	}
	status := 0
	if no.Response != nil {
		status = no.Response.StatusCode
	}
	code := clip(brevet.Printable(no.ErrorCode), 60)
	switch {
	case code == "invalid_client" || code == "unauthorized_client" || status == 401 && code == "":
		return p.misconfigured("does not accept this client").WithHint("compare client id and secret in the config with the provider's").
			WithCause(errors.New("token endpoint: " + code))
	case code == "" || status >= 500 || status == 429:
		return p.unavailable(errors.New("token endpoint without an answer"))
	}
	return brevet.Errorf(brevet.Denied, "the sign-in provider %s said no: %s", p.cfg.Name, code).WithHint("brevet login starts again")
}
