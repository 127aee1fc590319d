// Package signer keeps brevet's own keys and signs with them.
//
// There are three sorts of keys, none of which ever does another's work:
//
//   - a token key per customer signs the web-identity tokens that the
//     customer's AWS accounts trust (ES256; RS256 where somebody demands it),
//   - the log key signs the checkpoints of the audit log (Ed25519, a C2SP
//     signed note),
//   - the sealing key encrypts what the database must not hold in the clear,
//     such as refresh tokens.
//
// # Where they lie
//
// Each key is one file under Config.Dir, sealed with AES-256-GCM under a key
// that HKDF derives from the root, a fresh salt and the file's own name. A
// file that was edited, cut short, renamed or copied to another customer does
// not open, and nothing is ever written over a file that exists:
//
//	DIR/log.key
//	DIR/seal-0001.key
//	DIR/c/cu_…/es256-0001.key
//
// The root never lies in that directory: see [LoadRoot].
//
// # Rotation
//
// A verifier that has cached a customer's key set must never meet a token
// whose key it does not hold. So [Keys.Rotate] publishes the next key at once
// and signs with it only [PublishAhead] later; the key before it stays in the
// set until the last token that it signed has died, and with it every copy of
// the set that named only that key. All of it follows from times inside the
// sealed files and the clock: no job has to run. Several processes may share
// the directory; each looks for new keys once a minute.
package signer

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/note"
)

// The times of rotation.
const (
	// PublishAhead is how long a key is in the key set before it signs.
	PublishAhead = 24 * time.Hour
	// JWKSCache is how long a verifier may keep a key set: the max-age to
	// serve it with.
	JWKSCache = time.Hour
	// Linger is how long a key stays in the set after its successor began to
	// sign: the life of its last token, the five minutes for which AWS
	// honours a token beyond its expiry, and a cached key set.
	Linger = brevet.TokenLife + brevet.TokenLeeway + JWKSCache

	rescanEvery = time.Minute
)

// The paths below a customer's issuer URL at which its documents are served.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	JWKSPath      = "/jwks.json"
)

// Config says where the keys lie and under which names they sign.
type Config struct {
	Dir     string           // the sealed files; created with mode 0700
	Root    []byte           // 32 bytes that open them
	LogName string           // the log's host, the name of its checkpoint key; it never changes
	Issuer  string           // https://ISSUER-HOST, without a port; it never changes
	Now     func() time.Time // nil: time.Now
}

// Keys signs and seals. Its methods may be used by many goroutines at once.
type Keys struct {
	now     func() time.Time
	issuer  string
	files   files
	log     *logSigner
	seals   seals
	rings   sync.Map   // brevet.CustomerID -> *ring
	opening sync.Mutex // one customer's ring at a time is opened
}

// Open opens every key in the directory and makes the log's and the sealing
// key where there is none yet. A sealed file that does not open is an error
// of kind internal that names it; a bad configuration is of kind invalid.
func Open(c Config) (*Keys, error) {
	issuer, err := parseIssuer(c.Issuer)
	if err != nil {
		return nil, err
	}
	if len(c.Root) != 32 {
		return nil, brevet.Errorf(brevet.Invalid, "the root key has %d bytes, 32 are needed", len(c.Root))
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	k := &Keys{now: c.Now, issuer: issuer, files: files{dir: c.Dir, root: append([]byte(nil), c.Root...)}}
	if err := k.files.mkdir("c"); err != nil {
		return nil, err
	}
	customers, err := k.files.list("c")
	if err != nil {
		return nil, err
	}
	create := len(customers) == 0 // with customers' keys present, a missing one was lost: never made anew
	if err := k.seals.open(k.files, create); err != nil {
		return nil, err
	}
	if k.log, err = openLog(k.files, c.LogName, create); err != nil {
		return nil, err
	}
	for _, name := range customers {
		id, err := brevet.ParseID[brevet.CustomerID](name)
		if err != nil {
			continue // not ours
		}
		if _, err := k.ring(id, false); err != nil && brevet.KindOf(err) != brevet.NotFound {
			return nil, err
		}
	}
	return k, nil
}

// parseIssuer holds the issuer to what an AWS OIDC provider may be: https, no
// port, no query (aws.md, section 1).
func parseIssuer(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Host != u.Hostname() ||
		u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ToLower(u.Host) != u.Host {
		return "", brevet.Errorf(brevet.Invalid, "issuer: %q is not of the form https://HOST in lower case and without a port", brevet.Printable(s))
	}
	return strings.TrimRight(s, "/"), nil
}

// IssuerOf returns the issuer URL of a customer, as its stack registers it.
func (k *Keys) IssuerOf(c brevet.CustomerID) string { return k.issuer + "/c/" + string(c) }

// Ensure makes the customer's first key if it has none. It signs from the
// start, since nobody can have cached a key set without it. [Keys.Token] does
// this by itself; call it earlier where the key set is published as files.
func (k *Keys) Ensure(c brevet.CustomerID) error {
	_, err := k.ring(c, true)
	return err
}

// Token returns a signed web-identity token for one call of STS: ES256, valid
// for [brevet.TokenLife], with the session tags and source identity where AWS
// reads them. Claims that AWS would refuse are an error of kind invalid.
func (k *Keys) Token(ctx context.Context, c brevet.Claims) (string, error) {
	return k.token(ctx, ES256, c)
}

// TokenRS256 is Token for an audience that demands RS256. The customer's RSA
// key must have been published with [Keys.AddRS256] and sign by now; else the
// error is of kind conflict.
func (k *Keys) TokenRS256(ctx context.Context, c brevet.Claims) (string, error) {
	return k.token(ctx, RS256, c)
}

func (k *Keys) token(ctx context.Context, alg Alg, c brevet.Claims) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", brevet.Errorf(brevet.Unavailable, "the token was not needed any more").WithCause(err)
	}
	if err := checkClaims(c); err != nil {
		return "", err
	}
	r, err := k.ring(c.Customer, alg == ES256)
	if err != nil {
		return "", err
	}
	now := k.now()
	key, err := r.signing(alg, now)
	if err != nil {
		return "", err
	}
	return mint(key, k.IssuerOf(c.Customer), c, now)
}

// LogSigner returns the signer of the log's checkpoints.
func (k *Keys) LogSigner() note.Signer { return k.log }

// LogVerifier returns the verifier of the log's checkpoints.
func (k *Keys) LogVerifier() note.Verifier { return k.log.verifier }

// LogKey returns the log's public key as a note verifier key
// (NAME+HASH+KEY), which clients pin.
func (k *Keys) LogKey() string { return k.log.key }
