package glass

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"time"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"

	"github.com/brevet-access/brevet"
)

// curve is P-256 as the sharing computes with it.
var curve = group.P256

// share is one person's part of a key.
type share struct {
	index int // from 1, as the holder's place in the bundle
	value group.Scalar
}

// shareOut makes a key and shares it out: any k of n shares give it. The
// commitments are k compressed points, the first of them the public key.
func shareOut(k, n int) (shares []share, commitments [][]byte, err error) {
	secret := curve.RandomNonZeroScalar(rand.Reader)
	dealer := secretsharing.New(rand.Reader, uint(k-1), secret)
	for _, c := range dealer.CommitSecret() {
		point, err := c.MarshalBinaryCompress()
		if err != nil || len(point) != 33 {
			return nil, nil, errors.Join(errors.New("glass: a commitment cannot be written"), err)
		}
		commitments = append(commitments, point)
	}
	if len(commitments) != k {
		return nil, nil, errors.New("glass: the polynomial is of a lower degree") // once in 2^256
	}
	for i, s := range dealer.Share(uint(n)) {
		shares = append(shares, share{i + 1, s.Value})
	}
	return shares, commitments, nil
}

// fits reports whether the share is the one of its index, by the commitments.
func (s share) fits(commitments [][]byte) bool {
	var points secretsharing.SecretCommitment
	for _, c := range commitments {
		p := curve.NewElement()
		if len(c) != 33 || p.UnmarshalBinary(c) != nil {
			return false
		}
		points = append(points, p)
	}
	id := curve.NewScalar().SetUint64(uint64(s.index))
	return s.index > 0 && secretsharing.Verify(uint(len(points)-1), secretsharing.Share{ID: id, Value: s.value}, points)
}

// scalar reads a share's value, 32 bytes.
func scalar(raw []byte) (group.Scalar, error) {
	s := curve.NewScalar()
	if len(raw) != 32 || s.UnmarshalBinary(raw) != nil {
		return nil, errors.New("not a number of the curve")
	}
	return s, nil
}

// publicOf reads the public key that is the first commitment.
func publicOf(commitments [][]byte) (*ecdsa.PublicKey, error) {
	if len(commitments) == 0 || len(commitments[0]) != 33 {
		return nil, errors.New("there is no public key")
	}
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), commitments[0])
	if x == nil {
		return nil, errors.New("the public key is not on the curve")
	}
	point := make([]byte, 65)
	point[0] = 4 // uncompressed
	x.FillBytes(point[1:33])
	y.FillBytes(point[33:])
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}

// Key is the key of an offline issuer, put together: it lives in the memory of
// one person's machine, for one use.
type Key struct {
	ID      string // RFC 7638 thumbprint
	issuer  string
	private *ecdsa.PrivateKey
}

// join puts a key together from k shares that fit.
func join(shares []share, b Bundle) (*Key, error) {
	public, err := publicOf(b.Commitments)
	if err != nil {
		return nil, err
	}
	var parts []secretsharing.Share
	for _, s := range shares {
		parts = append(parts, secretsharing.Share{ID: curve.NewScalar().SetUint64(uint64(s.index)), Value: s.value})
	}
	secret, err := secretsharing.Recover(uint(b.Threshold-1), parts)
	if err != nil {
		return nil, err
	}
	raw, err := secret.MarshalBinary()
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil || !private.PublicKey.Equal(public) {
		return nil, errors.New("the shares give another key")
	}
	return &Key{ID: b.Key, issuer: b.Issuer, private: private}, nil
}

// Wipe overwrites the key, as far as Go lets one: copies that the runtime made
// are out of reach until the process ends. It signs nothing any more.
func (k *Key) Wipe() {
	if k.private != nil {
		//lint:ignore SA1019 nothing else reaches the number itself
		clear(k.private.D.Bits())
		k.private = nil
	}
}

// sign returns R and S, 32 bytes each, of the SHA-256 of text (RFC 7518, 3.4).
func (k *Key) sign(text []byte) ([]byte, error) {
	if k.private == nil {
		return nil, brevet.Errorf(brevet.Conflict, "the key was wiped already")
	}
	sum := sha256.Sum256(text)
	r, s, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the key cannot sign").WithCause(err)
	}
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return raw, nil
}

// verify reports whether sig is what sign makes.
func verify(public *ecdsa.PublicKey, text, sig []byte) bool {
	if len(sig) != 64 {
		return false
	}
	sum := sha256.Sum256(text)
	return ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

// payload is a token as AWS reads it (IAM User Guide, "Pass session tags in
// AWS STS").
type payload struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	ID       string `json:"jti"`
	Tags     struct {
		Principal  map[string][1]string `json:"principal_tags"`
		Transitive []string             `json:"transitive_tag_keys"`
	} `json:"https://aws.amazon.com/tags"`
	Source string `json:"https://aws.amazon.com/source_identity"`
}

// Token signs a web-identity token that lives 60 s, of the same shape as those
// of the broker's own issuers.
func (k *Key) Token(c brevet.Claims, now time.Time) (string, error) {
	var id [16]byte
	rand.Read(id[:]) // never fails
	at := now.Unix()
	p := payload{Issuer: k.issuer, Subject: c.Subject, Audience: c.Audience, IssuedAt: at, Expires: at + int64(brevet.TokenLife/time.Second),
		ID: base64.RawURLEncoding.EncodeToString(id[:]), Source: c.SourceIdentity}
	p.Tags.Principal = map[string][1]string{}
	for name, value := range c.Tags {
		p.Tags.Principal[name] = [1]string{value}
	}
	p.Tags.Transitive = []string{brevet.TagGrant}
	body, err := json.Marshal(p)
	if err != nil {
		return "", brevet.Errorf(brevet.Internal, "the token cannot be written").WithCause(err)
	}
	header := `{"alg":"ES256","kid":"` + k.ID + `","typ":"JWT"}`
	text := base64.RawURLEncoding.AppendEncode(nil, []byte(header))
	text = base64.RawURLEncoding.AppendEncode(append(text, '.'), body)
	sig, err := k.sign(text)
	if err != nil {
		return "", err
	}
	return string(base64.RawURLEncoding.AppendEncode(append(text, '.'), sig)), nil
}

// jwk is a public key as JWKS have it (RFC 7517, 7518).
type jwk struct {
	Use   string `json:"use"`
	Kty   string `json:"kty"`
	Kid   string `json:"kid"`
	Crv   string `json:"crv"`
	Alg   string `json:"alg"`
	X     string `json:"x"`
	Y     string `json:"y"`
	value *ecdsa.PublicKey
}

// jwkOf writes a public key; its id is the thumbprint (RFC 7638).
func jwkOf(public *ecdsa.PublicKey) (jwk, error) {
	point, err := public.Bytes()
	if err != nil {
		return jwk{}, err
	}
	k := jwk{Use: "sig", Kty: "EC", Crv: "P-256", Alg: "ES256", value: public,
		X: base64.RawURLEncoding.EncodeToString(point[1:33]), Y: base64.RawURLEncoding.EncodeToString(point[33:])}
	h := crypto.SHA256.New()
	h.Write([]byte(`{"crv":"P-256","kty":"EC","x":"` + k.X + `","y":"` + k.Y + `"}`))
	k.Kid = base64.RawURLEncoding.EncodeToString(h.Sum(nil))
	return k, nil
}

// KeySet is what an offline issuer publishes: the public keys whose tokens and
// records count, the newest first.
type KeySet struct{ keys []jwk }

// ParseKeySet reads a JWKS that [KeySet.JWKS] wrote. The error is of kind
// [brevet.Invalid].
func ParseKeySet(text []byte) (KeySet, error) {
	var read struct {
		Keys []jwk `json:"keys"`
	}
	if err := decode(text, &read); err != nil {
		return KeySet{}, invalid("this is no key set of an offline issuer", err)
	}
	var set KeySet
	for _, k := range read.Keys {
		x, errX := base64.RawURLEncoding.Strict().DecodeString(k.X)
		y, errY := base64.RawURLEncoding.Strict().DecodeString(k.Y)
		if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
			return KeySet{}, invalid("a key of the set cannot be read", errors.Join(errX, errY))
		}
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return KeySet{}, invalid("a key of the set is not on the curve", err)
		}
		same, err := jwkOf(public)
		k.value = public
		if err != nil || same != k || set.Has(k.Kid) {
			return KeySet{}, invalid("a key of the set is not ours, or there twice", err)
		}
		set.keys = append(set.keys, k)
	}
	return set, nil
}

// Has reports whether the set holds a key of that id.
func (s KeySet) Has(id string) bool { _, ok := s.find(id); return ok }

func (s KeySet) find(id string) (*ecdsa.PublicKey, bool) {
	for _, k := range s.keys {
		if k.Kid == id {
			return k.value, true
		}
	}
	return nil, false
}

// IDs lists the keys, the newest first.
func (s KeySet) IDs() (out []string) {
	for _, k := range s.keys {
		out = append(out, k.Kid)
	}
	return out
}

// With returns the set with the bundle's key in front.
func (s KeySet) With(b Bundle) (KeySet, error) {
	public, err := publicOf(b.Commitments)
	if err != nil {
		return s, invalid("the bundle's key", err)
	}
	k, err := jwkOf(public)
	if err != nil {
		return s, invalid("the bundle's key", err)
	}
	return KeySet{append([]jwk{k}, s.keys...)}, nil
}

// Only returns the set of that key alone.
func (s KeySet) Only(id string) (out KeySet) {
	for _, k := range s.keys {
		if k.Kid == id {
			out.keys = append(out.keys, k)
		}
	}
	return out
}

// JWKS returns the key set's text (RFC 7517).
func (s KeySet) JWKS() []byte {
	return encode(struct {
		Keys []jwk `json:"keys"`
	}{s.keys})
}

// Where the documents lie below the issuer's URL.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	JWKSPath      = "/jwks.json"
)

// Discovery returns the discovery document of an offline issuer: the part of
// OpenID Connect Discovery 1.0 that AWS reads.
func Discovery(issuer string) []byte {
	return encode(struct {
		Issuer   string   `json:"issuer"`
		JWKS     string   `json:"jwks_uri"`
		Response []string `json:"response_types_supported"`
		Subject  []string `json:"subject_types_supported"`
		Algs     []string `json:"id_token_signing_alg_values_supported"`
		Claims   []string `json:"claims_supported"`
	}{issuer, issuer + JWKSPath, []string{"id_token"}, []string{"public"}, []string{"ES256"}, []string{"iss", "sub", "aud", "iat", "exp", "jti"}})
}
