package sandbox

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
	"github.com/go-jose/go-jose/v4/jwt"
)

// identity is what a web identity token was found to say.
type identity struct {
	Provider   heldProvider // of the account, that vouches for it
	Subject    string
	Audience   string
	Source     string
	Tags       map[string]string
	Transitive []string
}

const (
	claimTags   = "https://aws.amazon.com/tags"
	claimSource = "https://aws.amazon.com/source_identity"

	longestToken = 20000 // characters
	mostTags     = 50
	skew         = 5 * time.Minute // beyond exp, and before nbf and iat
)

var (
	tagText    = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
	sourceText = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

// claims is the payload of a token. go-jose's decoder is case-sensitive and
// refuses a name that comes twice.
type claims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  jwt.Audience    `json:"aud"`
	Party     string          `json:"azp"`
	Expiry    json.RawMessage `json:"exp"`
	NotBefore json.RawMessage `json:"nbf"`
	IssuedAt  json.RawMessage `json:"iat"`
	Tags      json.RawMessage `json:"https://aws.amazon.com/tags"`
	Source    json.RawMessage `json:"https://aws.amazon.com/source_identity"`
}

// verify checks a web identity token as the account's OIDC provider would
// have STS check it: the signature by a key of the registered issuer, the
// audience, the times, and the shape of the claims meant for AWS.
func (a *AWS) verify(token string, h *holding, now time.Time) (identity, *fault) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil || len(parsed.Headers) != 1 {
		return identity{}, faultf(invalidIdentity, "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	var said claims
	if err := parsed.UnsafeClaimsWithoutVerification(&said); err != nil {
		return identity{}, faultf(invalidIdentity, "The ID Token provided is not a valid JWT: its claims cannot be read")
	}
	i := slices.IndexFunc(h.providers, func(p heldProvider) bool { return said.Issuer == "https://"+p.url })
	if i < 0 {
		return identity{}, faultf(invalidIdentity, "No OpenIDConnect provider found in your account for %s", clip(said.Issuer))
	}
	provider := h.providers[i]
	key, f := a.key(said.Issuer, parsed.Headers[0])
	if f != nil {
		return identity{}, f
	}
	if err := parsed.Claims(key, &said); err != nil {
		return identity{}, faultf(invalidIdentity, "Couldn't verify the signature of the ID Token")
	}
	audience, f := said.audience(provider)
	if f != nil {
		return identity{}, f
	}
	if f := said.timely(now); f != nil {
		return identity{}, f
	}
	id, f := said.identity(audience)
	id.Provider = provider
	return id, f
}

// key finds the one key of the issuer that the token's header names.
func (a *AWS) key(issuer string, h jose.Header) (any, *fault) {
	text, err := a.cfg.JWKS(issuer)
	if err != nil {
		a.cfg.Log.Error("simulated AWS: keys of the issuer", "issuer", issuer, "err", err)
		return nil, faultf(invalidIdentity, "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, faultf(invalidIdentity, "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	keys := set.Key(h.KeyID)
	if h.KeyID == "" || len(keys) != 1 || keys[0].Use == "enc" || keys[0].Algorithm != "" && keys[0].Algorithm != h.Algorithm {
		return nil, faultf(invalidIdentity, "Couldn't find a key with the kid of the ID Token at your identity provider")
	}
	switch k := keys[0].Key.(type) {
	case *ecdsa.PublicKey:
		if h.Algorithm == string(jose.ES256) && k.Curve.Params().BitSize == 256 {
			return k, nil
		}
	case *rsa.PublicKey:
		if h.Algorithm == string(jose.RS256) && k.N.BitLen() >= 2048 {
			return k, nil
		}
	}
	return nil, faultf(invalidIdentity, "The key of your identity provider does not fit the algorithm of the ID Token")
}

// audience returns the one value that IAM compares: azp where there are
// several audiences.
func (c claims) audience(p heldProvider) (string, *fault) {
	aud := ""
	switch {
	case len(c.Audience) == 1:
		aud = c.Audience[0]
	case len(c.Audience) > 1 && slices.Contains(c.Audience, c.Party):
		aud = c.Party
	}
	if aud == "" || !slices.Contains(p.audiences, aud) {
		return "", faultf(invalidIdentity, "Incorrect token audience")
	}
	return aud, nil
}

// timely checks exp, nbf and iat, which are whole numbers of seconds.
func (c claims) timely(now time.Time) *fault {
	exp, f := instant("exp", c.Expiry, true)
	if f != nil {
		return f
	}
	iat, f := instant("iat", c.IssuedAt, true)
	if f != nil {
		return f
	}
	nbf, f := instant("nbf", c.NotBefore, false)
	if f != nil {
		return f
	}
	switch {
	case !now.Before(exp.Add(skew)):
		return faultf(expiredIdentity, "Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), exp.Unix())
	case now.Add(skew).Before(iat), now.Add(skew).Before(nbf):
		return faultf(idpRejected, "The ID Token is not valid yet: current date/time is %d", now.Unix())
	case exp.Before(iat):
		return faultf(idpRejected, "The ID Token expires before it was issued")
	}
	return nil
}

func instant(name string, raw json.RawMessage, needed bool) (time.Time, *fault) {
	if raw == nil && !needed {
		return time.Time{}, nil
	}
	var n int64
	if raw == nil || json.Unmarshal(raw, &n) != nil || n <= 0 || n > 1<<40 {
		return time.Time{}, faultf(invalidIdentity, "Missing a required claim, or it is not a whole number of seconds: %s", name)
	}
	return time.Unix(n, 0), nil
}

// identity checks what the claims say about the session.
func (c claims) identity(audience string) (identity, *fault) {
	if n := utf8.RuneCountInString(c.Subject); n < 2 || n > 255 {
		return identity{}, faultf(invalidIdentity, "Missing a required claim, or it is not 2 to 255 characters long: sub")
	}
	id := identity{Subject: c.Subject, Audience: audience}
	if c.Source != nil {
		if json.Unmarshal(c.Source, &id.Source) != nil || !sourceOK(id.Source) {
			return identity{}, faultf(idpRejected, "The claim %s must be a string of 2 to 64 characters of [A-Za-z0-9_+=,.@-]", claimSource)
		}
	}
	if c.Tags == nil {
		return id, nil
	}
	var tags struct {
		Principal  map[string][]string `json:"principal_tags"`
		Transitive []string            `json:"transitive_tag_keys"`
	}
	if josejson.Unmarshal(c.Tags, &tags) != nil {
		return identity{}, faultf(idpRejected, "The claim %s must hold principal_tags, a list of one string for each key, and transitive_tag_keys", claimTags)
	}
	id.Tags, id.Transitive = map[string]string{}, tags.Transitive
	for k, v := range tags.Principal {
		if len(v) != 1 {
			return identity{}, faultf(idpRejected, "The session tag %s must have exactly one value", clip(k))
		}
		id.Tags[k] = v[0]
	}
	return id, tagsOK(idpRejected, id.Tags, id.Transitive)
}

func sourceOK(s string) bool {
	return sourceText.MatchString(s) && !strings.HasPrefix(strings.ToLower(s), "aws:")
}

// tagsOK checks session tags against AWS's limits: 50 tags, keys of 1 to 128
// and values of up to 256 characters, no key twice in another case.
func tagsOK(kind faultKind, tags map[string]string, transitive []string) *fault {
	if len(tags) > mostTags {
		return faultf(kind, "There are %d session tags; at most %d are allowed", len(tags), mostTags)
	}
	seen := map[string]bool{}
	for k, v := range tags {
		low := strings.ToLower(k)
		switch n := utf8.RuneCountInString(k); {
		case n < 1 || n > 128 || !tagText.MatchString(k) || strings.HasPrefix(low, "aws:"):
			return faultf(kind, "The session tag key %q is not allowed", clip(k))
		case utf8.RuneCountInString(v) > 256 || !tagText.MatchString(v):
			return faultf(kind, "The value of the session tag %s is not allowed", clip(k))
		case seen[low]:
			return faultf(kind, "The session tag key %q comes twice; case does not tell keys apart", clip(k))
		}
		seen[low] = true
	}
	if len(transitive) > mostTags {
		return faultf(kind, "There are more than %d transitive tag keys", mostTags)
	}
	for _, k := range transitive {
		if _, ok := tags[k]; !ok {
			return faultf(kind, "The transitive tag key %q is not the key of a session tag", clip(k))
		}
	}
	return nil
}
