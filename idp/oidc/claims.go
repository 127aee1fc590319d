package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
)

// payload is the text of a token's claims, whose signature was checked.
type payload map[string]json.RawMessage

// claims is what is taken out of an identity token.
type claims struct {
	Subject   string
	Nonce     string
	AuthParty string
	IssuedAt  time.Time // zero: not stated
	AuthTime  time.Time // zero: not stated
	AMR       []string
	ACR       string
	Name      string
	login     string
	groups    groups
}

// groups is what a provider says about groups.
type groups struct {
	stated  bool // the claim is there, if only as an empty list
	overage bool // there are groups, but too many to list
	names   []string
}

// decode reads the claims. A claim that is there and malformed is an error:
// a provider that cannot write a list of groups is not believed on the rest.
func decode(p payload, cfg Config) (claims, error) {
	var c claims
	var err, errs error
	if c.Subject, err = p.text("sub"); err != nil || !subject(c.Subject) {
		return claims{}, errors.New("sub is missing or malformed")
	}
	keep := func(err error) { errs = errors.Join(errs, err) }
	c.Nonce, err = p.text("nonce")
	keep(err)
	c.AuthParty, err = p.text("azp")
	keep(err)
	c.IssuedAt, err = p.time("iat")
	keep(err)
	c.AuthTime, err = p.time("auth_time")
	keep(err)
	c.AMR, err = p.list("amr", 50)
	keep(err)
	c.ACR, err = p.text("acr")
	keep(err)
	c.groups, err = decodeGroups(p, cfg.GroupsClaim)
	keep(err)
	if errs != nil {
		return claims{}, errs
	}
	c.Name = p.display("name")
	c.login = firstOf(p, cfg.LoginClaim)
	return c, nil
}

// subject reports whether s can be a sub: 1 to 255 printable ASCII characters
// (OpenID Connect Core, section 2).
func subject(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// firstOf returns what the provider calls the person.
func firstOf(p payload, claim string) string {
	for _, name := range []string{claim, "preferred_username", "email", "sub"} {
		if s := p.display(name); s != "" {
			return s
		}
	}
	return ""
}

// has reports whether the claim is there; null is not there.
func (p payload) has(name string) bool {
	raw, ok := p[name]
	return ok && string(raw) != "null"
}

// text returns a string claim; "" if it is not there.
func (p payload) text(name string) (string, error) {
	var s string
	if !p.has(name) {
		return "", nil
	}
	if err := json.Unmarshal(p[name], &s); err != nil || len(s) > 1024 {
		return "", fmt.Errorf("%s is malformed", name)
	}
	return s, nil
}

// display returns a claim for people's eyes. Such a claim is never a reason
// to refuse: what is not a string is as if it were not there.
func (p payload) display(name string) string {
	s, err := p.text(name)
	if err != nil {
		return ""
	}
	return clip(strings.TrimSpace(brevet.Printable(s)), maxText)
}

// time returns a claim in seconds since 1970, rounded down; zero if it is not
// there or 0.
func (p payload) time(name string) (time.Time, error) {
	if !p.has(name) {
		return time.Time{}, nil
	}
	var n float64
	if err := json.Unmarshal(p[name], &n); err != nil || n < 0 || n > 253402300799 { // the end of 9999
		return time.Time{}, fmt.Errorf("%s is malformed", name)
	}
	if n < 1 {
		return time.Time{}, nil
	}
	return time.Unix(int64(n), 0).UTC(), nil
}

// list returns a claim that is a list of strings or a single one. Empty
// strings are dropped, the rest is cleaned.
func (p payload) list(name string, limit int) ([]string, error) {
	if !p.has(name) {
		return nil, nil
	}
	var many []string
	var one string
	if err := json.Unmarshal(p[name], &one); err == nil {
		many = []string{one}
	} else if err := unmarshalStrings(p[name], &many); err != nil {
		return nil, fmt.Errorf("%s is neither a string nor a list of strings", name)
	}
	if len(many) > limit {
		return nil, fmt.Errorf("%s has %d entries, at most %d are allowed", name, len(many), limit)
	}
	out := make([]string, 0, len(many))
	for _, s := range many {
		if len(s) > maxText {
			return nil, fmt.Errorf("%s has an entry of %d bytes", name, len(s))
		}
		if s != "" {
			out = append(out, brevet.Printable(s))
		}
	}
	return out, nil
}

// unmarshalStrings reads a list of strings. A null among them is an error,
// which encoding/json would take for "".
func unmarshalStrings(text []byte, out *[]string) error {
	var list []*string
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	for _, s := range list {
		if s == nil {
			return errors.New("null in a list")
		}
		*out = append(*out, *s)
	}
	return nil
}

// decodeGroups reads the groups claim: sorted, without duplicates. Entra
// leaves it out when there are too many and says so in _claim_names, or with
// hasgroups.
func decodeGroups(p payload, claim string) (groups, error) {
	names, err := p.list(claim, maxGroups)
	if err != nil {
		return groups{}, err
	}
	if p.has(claim) {
		slices.Sort(names)
		return groups{stated: true, names: slices.Compact(names)}, nil
	}
	var elsewhere map[string]json.RawMessage
	if p.has("_claim_names") {
		if err := json.Unmarshal(p["_claim_names"], &elsewhere); err != nil {
			return groups{}, errors.New("_claim_names is malformed")
		}
	}
	_, over := elsewhere[claim]
	return groups{overage: over || string(p["hasgroups"]) == "true"}, nil
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
