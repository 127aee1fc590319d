package oidc_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/idp/oidc"
	"github.com/google/go-cmp/cmp"
)

func info(v any) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { writeJSON(w, v) }
}

func TestGroups(t *testing.T) {
	at := start
	early := start.Add(-10 * time.Minute)
	overage := map[string]any{"groups": nil, "_claim_names": map[string]string{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.invalid/x"}}}
	mine := map[string]any{"sub": "subject-1", "groups": []string{"from-userinfo"}}
	for name, tt := range map[string]struct {
		claims   map[string]any
		userinfo func(http.ResponseWriter)
		want     brevet.Groups
	}{
		"list":                  {nil, nil, brevet.Groups{Names: []string{"all", "engineers"}, At: at}},
		"twice":                 {map[string]any{"groups": []string{"b", "a", "b", ""}}, nil, brevet.Groups{Names: []string{"a", "b"}, At: at}},
		"one":                   {map[string]any{"groups": "engineers"}, nil, brevet.Groups{Names: []string{"engineers"}, At: at}},
		"none":                  {map[string]any{"groups": []string{}}, nil, brevet.Groups{Names: []string{}, At: at}},
		"older token":           {map[string]any{"iat": early.Unix()}, nil, brevet.Groups{Names: []string{"all", "engineers"}, At: early}},
		"control":               {map[string]any{"groups": []string{"a\x1bb"}}, nil, brevet.Groups{Names: []string{"a\uFFFDb"}, At: at}},
		"absent":                {map[string]any{"groups": nil}, nil, brevet.Groups{At: at}},
		"overage":               {overage, nil, brevet.Groups{}},
		"overage, userinfo":     {overage, info(mine), brevet.Groups{}},
		"hasgroups":             {map[string]any{"groups": nil, "hasgroups": true}, nil, brevet.Groups{}},
		"userinfo":              {map[string]any{"groups": nil}, info(mine), brevet.Groups{Names: []string{"from-userinfo"}, At: at}},
		"token before userinfo": {nil, info(mine), brevet.Groups{Names: []string{"all", "engineers"}, At: at}},
		"userinfo without":      {map[string]any{"groups": nil}, info(map[string]any{"sub": "subject-1"}), brevet.Groups{At: at}},
		"userinfo of another":   {map[string]any{"groups": nil}, info(map[string]any{"sub": "subject-2", "groups": []string{"leads"}}), brevet.Groups{}},
		"userinfo of nobody":    {map[string]any{"groups": nil}, info(map[string]any{"groups": []string{"leads"}}), brevet.Groups{}},
		"userinfo down":         {map[string]any{"groups": nil}, func(w http.ResponseWriter) { w.WriteHeader(500) }, brevet.Groups{}},
		"userinfo malformed":    {map[string]any{"groups": nil}, info(map[string]any{"sub": "subject-1", "groups": []int{1}}), brevet.Groups{}},
		"userinfo HTML":         {map[string]any{"groups": nil}, func(w http.ResponseWriter) { w.Write([]byte("<html>")) }, brevet.Groups{}},
	} {
		p := newIDP(t)
		p.claims, p.userinfo = put(tt.claims), tt.userinfo
		got, err := p.provider().Exchange(ctx, "c", verifier, nonce, -1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got.Groups); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOwnGroupsClaim(t *testing.T) {
	p := newIDP(t)
	p.claims = put(map[string]any{"https://acme.invalid/roles": []string{"sre"}})
	got, err := p.provider(func(c *oidc.Config) { c.GroupsClaim = "https://acme.invalid/roles" }).Exchange(ctx, "c", verifier, nonce, -1)
	if err != nil || !cmp.Equal(got.Groups.Names, []string{"sre"}) {
		t.Errorf("%v, %v", got.Groups, err)
	}
}

const first = "v1.c3ViamVjdC0x.refresh-1" // of subject-1

func TestRefresh(t *testing.T) {
	both := brevet.Groups{Names: []string{"all", "engineers"}, At: start}
	for name, tt := range map[string]struct {
		edit func(*idp)
		want brevet.Groups
		next string
		kind brevet.Kind
	}{
		"token":            {func(*idp) {}, both, "v1.c3ViamVjdC0x.refresh-2", ""},
		"same token kept":  {func(p *idp) { p.answer = put(map[string]any{"refresh_token": nil}) }, both, first, ""},
		"without id token": {func(p *idp) { p.answer = put(map[string]any{"id_token": nil}) }, brevet.Groups{}, "v1.c3ViamVjdC0x.refresh-2", ""},
		"userinfo": {func(p *idp) {
			p.answer = put(map[string]any{"id_token": nil})
			p.userinfo = info(map[string]any{"sub": "subject-1", "groups": "a"})
		}, brevet.Groups{Names: []string{"a"}, At: start}, "v1.c3ViamVjdC0x.refresh-2", ""},
		"userinfo, another": {func(p *idp) {
			p.answer = put(map[string]any{"id_token": nil})
			p.userinfo = info(map[string]any{"sub": "subject-2", "groups": "a"})
		}, brevet.Groups{}, "v1.c3ViamVjdC0x.refresh-2", ""},
		"old facts":      {func(p *idp) { p.claims = put(map[string]any{"iat": start.Add(-time.Hour).Unix()}) }, brevet.Groups{Names: both.Names, At: start.Add(-time.Hour)}, "v1.c3ViamVjdC0x.refresh-2", ""},
		"another person": {func(p *idp) { p.claims = put(map[string]any{"sub": "subject-2"}) }, brevet.Groups{}, "", brevet.Denied},
		"alg none":       {func(p *idp) { p.sign = unsigned }, brevet.Groups{}, "", brevet.Denied},
		"another client": {func(p *idp) { p.claims = put(map[string]any{"aud": "other"}) }, brevet.Groups{}, "", brevet.Denied},
		"ended there": {func(p *idp) {
			p.token = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(400)
				w.Write([]byte(`{"error":"invalid_grant"}`))
			}
		}, brevet.Groups{}, "", brevet.Unauthenticated},
		"down": {func(p *idp) { p.token = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) } }, brevet.Groups{}, "", brevet.Unavailable},
	} {
		p := newIDP(t)
		tt.edit(p)
		got, next, err := p.provider().Refresh(ctx, first)
		if brevet.KindOf(err) != tt.kind || next != tt.next || !cmp.Equal(tt.want, got) {
			t.Errorf("%s: %v, %q, %v (%s); want %v, %q, %q", name, got, next, err, brevet.KindOf(err), tt.want, tt.next, tt.kind)
		}
		if f := p.forms[0]; f.Get("refresh_token") != "refresh-1" || f.Get("grant_type") != "refresh_token" {
			t.Errorf("%s: asked with %v", name, f)
		}
		if err != nil && strings.Contains(err.Error(), "refresh-") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNotARefreshToken(t *testing.T) {
	idp := newIDP(t)
	for _, in := range []string{"", "refresh-1", "v1.", "v1..x", "v1.c3ViamVjdC0x.", "v1.c3ViamVjdC0x", "v1.!.x", "v2.c3ViamVjdC0x.x"} {
		if _, _, err := idp.provider().Refresh(ctx, in); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%q: %v, want invalid", in, err)
		}
	}
	if len(idp.forms) != 0 {
		t.Error("the provider was asked")
	}
}
