package signer

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
)

// payload is the token as AWS reads it (IAM User Guide, "Pass session tags in
// AWS STS": each tag has an array of exactly one value).
type payload struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	ID       string `json:"jti"`
	Tags     *tags  `json:"https://aws.amazon.com/tags,omitempty"`
	Source   string `json:"https://aws.amazon.com/source_identity,omitempty"`
}

type tags struct {
	Principal  map[string][1]string `json:"principal_tags"`
	Transitive []string             `json:"transitive_tag_keys"`
}

// checkClaims refuses what AWS would refuse, so that nothing is signed which
// cannot be meant.
func checkClaims(c brevet.Claims) error {
	switch {
	case !word(c.Audience, 255) || !word(c.Subject, 255):
		return brevet.Errorf(brevet.Invalid, "a token needs an audience and a subject")
	case len(c.Tags) > 50:
		return brevet.Errorf(brevet.Invalid, "a token carries at most 50 tags")
	}
	if c.SourceIdentity != "" {
		if _, err := brevet.ParseHandle(c.SourceIdentity); err != nil {
			return err
		}
	}
	for k, v := range c.Tags {
		if !tagText(k, 128) || !tagText(v, 256) || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return brevet.Errorf(brevet.Invalid, "tag %q cannot be a session tag", brevet.Printable(k))
		}
	}
	return nil
}

// word reports whether s is one printable ASCII word of at most n bytes.
func word(s string, n int) bool {
	if s == "" || len(s) > n {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// tagText reports whether s fits [\p{L}\p{Z}\p{N}_.:/=+\-@]{1,n}.
func tagText(s string, n int) bool {
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > n {
		return false
	}
	for _, r := range s {
		if !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r) {
			return false
		}
	}
	return true
}

// mint signs a token with k.
func mint(k *key, issuer string, c brevet.Claims, now time.Time) (string, error) {
	var id [16]byte
	rand.Read(id[:]) // never fails
	at := now.Unix()
	p := payload{Issuer: issuer, Subject: c.Subject, Audience: c.Audience, IssuedAt: at, Expires: at + int64(brevet.TokenLife/time.Second),
		ID: base64.RawURLEncoding.EncodeToString(id[:]), Tags: tagsOf(c.Tags), Source: c.SourceIdentity}
	body, err := json.Marshal(p)
	if err != nil {
		return "", brevet.Errorf(brevet.Internal, "the token cannot be written").WithCause(err)
	}
	text := make([]byte, 0, len(k.header)+base64.RawURLEncoding.EncodedLen(len(body))+1+512)
	text = append(text, k.header...)
	text = base64.RawURLEncoding.AppendEncode(text, body)
	sig, err := k.sign(text)
	if err != nil {
		return "", brevet.Errorf(brevet.Internal, "the token cannot be signed").WithCause(err)
	}
	text = append(text, '.')
	return string(base64.RawURLEncoding.AppendEncode(text, sig)), nil
}

// tagsOf lists the tags. The grant's is transitive: it stays with sessions
// that are made from the session, so that they too can be told by their grant.
func tagsOf(m map[string]string) *tags {
	if len(m) == 0 {
		return nil
	}
	t := &tags{Principal: make(map[string][1]string, len(m)), Transitive: []string{}}
	for k, v := range m {
		t.Principal[k] = [1]string{v}
	}
	if m[brevet.TagGrant] != "" {
		t.Transitive = append(t.Transitive, brevet.TagGrant)
	}
	return t
}

// sign returns the JWS signature of text (RFC 7518, 3.3 and 3.4).
func (k *key) sign(text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	sig, err := k.signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil || k.alg != ES256 {
		return sig, err
	}
	return rawECDSA(sig)
}

// rawECDSA turns the ASN.1 form that a crypto.Signer returns into R and S of
// 32 bytes each.
func rawECDSA(der []byte) ([]byte, error) {
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &sig)
	if err != nil || len(rest) > 0 || sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.BitLen() > 256 || sig.S.BitLen() > 256 {
		return nil, errors.Join(errors.New("not a P-256 signature"), err)
	}
	raw := make([]byte, 64)
	sig.R.FillBytes(raw[:32])
	sig.S.FillBytes(raw[32:])
	return raw, nil
}
