package oidc

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/brevet-access/brevet"
	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// A refresh token travels together with the subject that it was given for,
// so that an answer about somebody else is noticed.
const refreshPrefix = "v1."

func wrapRefresh(subject, token string) string {
	if token == "" {
		return ""
	}
	return refreshPrefix + base64.RawURLEncoding.EncodeToString([]byte(subject)) + "." + token
}

func unwrapRefresh(s string) (subject, token string, ok bool) {
	rest, ok := strings.CutPrefix(s, refreshPrefix)
	name, token, found := strings.Cut(rest, ".")
	sub, err := base64.RawURLEncoding.Strict().DecodeString(name)
	if !ok || !found || err != nil || len(sub) == 0 || wrapRefresh(string(sub), token) != s { // base64 skips line breaks
		return "", "", false
	}
	return string(sub), token, true
}

// Refresh asks for somebody's groups again, without them. refreshToken is
// Identity.Refresh or what the last Refresh returned, which is the one to use
// next. The groups are those of the refreshed identity token, else of the
// userinfo endpoint. Groups with a zero time are unknown: the provider
// answered, but not about groups; the new token must be kept all the same.
//
// Errors: unauthenticated when the provider has ended the sign-in, denied
// when it speaks of another person, else those of [Provider.Exchange].
func (p *Provider) Refresh(ctx context.Context, refreshToken string) (brevet.Groups, string, error) {
	subject, old, ok := unwrapRefresh(refreshToken)
	if !ok {
		return brevet.Groups{}, "", brevet.Errorf(brevet.Invalid, "this is not a refresh token of a sign-in")
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return brevet.Groups{}, "", err
	}
	octx := gooidc.ClientContext(ctx, p.http)
	token, err := p.oauth(m).TokenSource(octx, &oauth2.Token{RefreshToken: old}).Token()
	if err != nil {
		return brevet.Groups{}, "", p.refreshError(err)
	}
	c := claims{Subject: subject}
	if token.Extra("id_token") != nil { // a provider may leave it out (Core, 12.2)
		if c, err = p.verify(octx, m, token); err != nil {
			return brevet.Groups{}, "", err
		}
	}
	if c.Subject != subject {
		return brevet.Groups{}, "", p.unbelievable("it speaks of another person", nil)
	}
	return p.groups(octx, m, c, token), wrapRefresh(subject, token.RefreshToken), nil
}

// refreshError is tokenError, where a no means that the sign-in is over.
func (p *Provider) refreshError(err error) error {
	e := brevet.AsError(p.tokenError(err))
	if e.Kind != brevet.Denied {
		return e
	}
	return brevet.Errorf(brevet.Unauthenticated, "the sign-in provider %s has ended the sign-in", p.cfg.Name).
		WithHint("brevet login").WithCause(e)
}

// groups returns the facts about groups. Those of the identity token count
// from when it was made. Where it says nothing the userinfo endpoint is
// asked, unless the token says that there are too many to list: then they are
// unknown, as they are when the endpoint does not answer.
func (p *Provider) groups(ctx context.Context, m *metadata, c claims, token *oauth2.Token) brevet.Groups {
	switch {
	case c.groups.stated:
		return brevet.Groups{Names: c.groups.names, At: c.IssuedAt}
	case c.groups.overage:
		return brevet.Groups{}
	case m.UserInfo == "" && c.IssuedAt.IsZero():
		return brevet.Groups{} // nobody said anything
	case m.UserInfo == "":
		return brevet.Groups{At: c.IssuedAt}
	}
	asked := brevet.Instant(p.cfg.Now())
	info, err := m.provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != c.Subject {
		return brevet.Groups{}
	}
	var text payload
	if err := info.Claims(&text); err != nil {
		return brevet.Groups{}
	}
	g, err := decodeGroups(text, p.cfg.GroupsClaim)
	if err != nil || g.overage {
		return brevet.Groups{}
	}
	return brevet.Groups{Names: g.names, At: asked}
}
