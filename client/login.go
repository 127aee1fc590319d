package client

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

// Proof is a PKCE pair (RFC 7636): the verifier stays here, its S256
// challenge travels through the browser.
type Proof struct{ Verifier, Challenge string }

// NewProof returns a fresh pair.
func NewProof() Proof {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	verifier := base64.RawURLEncoding.EncodeToString(raw[:])
	sum := sha256.Sum256([]byte(verifier))
	return Proof{verifier, base64.RawURLEncoding.EncodeToString(sum[:])}
}

// AuthorizeURL returns where a browser signs in at the server.
func (c *Client) AuthorizeURL(q api.AuthorizeQuery) string {
	v := url.Values{
		"response_type":         {"code"},
		"code_challenge":        {q.Challenge},
		"code_challenge_method": {"S256"},
		"state":                 {q.State},
	}
	for key, value := range map[string]string{"redirect_uri": q.RedirectURI, "provider": q.Provider, "max_age": q.MaxAge, "device": q.Device} {
		if value != "" {
			v.Set(key, value)
		}
	}
	_, path, _ := strings.Cut(api.RouteAuthorize, " ")
	return c.base + path + "?" + v.Encode()
}

// ParseCode reads a one-time code as somebody pasted it: space, line ends and
// a terminal's bracketed-paste marks around it do not matter. The error is of
// kind [brevet.Invalid].
func ParseCode(s string) (string, error) {
	s = strings.NewReplacer("\x1b[200~", "", "\x1b[201~", "").Replace(s)
	s = strings.Join(strings.Fields(s), "")
	if s == "" {
		return "", brevet.Errorf(brevet.Invalid, "no code was given").WithHint("paste the code that the page shows after sign-in")
	}
	for _, r := range s {
		if len(s) > 200 || !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return "", brevet.Errorf(brevet.Invalid, "that is not a one-time code").WithHint("paste the code that the page shows after sign-in")
		}
	}
	return s, nil
}
