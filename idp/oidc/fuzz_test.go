package oidc

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

// Whatever the claims say: an error, or values within their bounds.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"sub":"a","nonce":"n","iat":1788264000,"auth_time":1788264000,"amr":["pwd","mfa"],"acr":"x","groups":["b","a","b"],"name":"N"}`))
	f.Add([]byte(`{"sub":"a","groups":"one","preferred_username":"\u001b[31m","auth_time":1e9}`))
	f.Add([]byte(`{"sub":"a","_claim_names":{"groups":"src1"},"hasgroups":true,"amr":null}`))
	f.Add([]byte(`{"sub":"","amr":[null],"auth_time":-1,"iat":"x"}`))
	f.Add([]byte(`{"sub":"a","groups":[["x"]],"azp":5}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p payload
		if json.Unmarshal(text, &p) != nil {
			return
		}
		c, err := decode(p, Config{GroupsClaim: "groups"})
		if err != nil {
			return
		}
		if !subject(c.Subject) || c.login == "" || len(c.login) > maxText || len(c.Name) > maxText ||
			brevet.Printable(c.login) != c.login || brevet.Printable(c.Name) != c.Name {
			t.Errorf("%+v", c)
		}
		for _, at := range []time.Time{c.IssuedAt, c.AuthTime} {
			if !at.IsZero() && (at.Unix() < 1 || at.Year() > 9999) {
				t.Errorf("time %s", at)
			}
		}
		g := c.groups
		if !slices.IsSorted(g.names) || len(g.names) > maxGroups || g.stated && g.overage || !g.stated && g.names != nil || slices.Contains(g.names, "") {
			t.Errorf("%+v", g)
		}
	})
}

func FuzzUnwrapRefresh(f *testing.F) {
	f.Add(wrapRefresh("subject-1", "token.with.dots"))
	f.Add("v1.YR.x")
	f.Fuzz(func(t *testing.T, text string) {
		if sub, token, ok := unwrapRefresh(text); ok && wrapRefresh(sub, token) != text {
			t.Errorf("%q is %q and %q", text, sub, token)
		}
	})
}
