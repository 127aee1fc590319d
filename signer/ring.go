package signer

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brevet-access/brevet"
	jose "github.com/go-jose/go-jose/v4"
)

// Alg is a signature algorithm of tokens, as JOSE calls it (RFC 7518).
type Alg string

// The algorithms of tokens. AWS takes no EdDSA and no PS256.
const (
	ES256 Alg = "ES256"
	RS256 Alg = "RS256"
)

var algs = []Alg{ES256, RS256}

const rsaBits = 2048

// key is one token key of a customer.
type key struct {
	name   string // of its file
	alg    Alg
	number int
	signs  time.Time // zero: from the start
	signer crypto.Signer
	public jose.JSONWebKey
	header string // the token's first part, encoded, with its dot
}

// ring is what a customer's tokens are signed with: its keys in order of
// algorithm and number. Readers take a snapshot and wait for nobody.
type ring struct {
	customer brevet.CustomerID
	files    files
	keys     atomic.Pointer[[]*key]
	scanned  atomic.Int64 // when the directory was last read, Unix seconds
	mu       sync.Mutex   // held by whoever changes the ring
}

func (r *ring) dir() string { return "c/" + string(r.customer) }

func keyName(alg Alg, n int) string {
	return fmt.Sprintf("%s-%04d.key", strings.ToLower(string(alg)), n)
}

// parseKeyName undoes keyName; any other name is not a key.
func parseKeyName(name string) (Alg, int, bool) {
	for _, alg := range algs {
		var n int
		_, err := fmt.Sscanf(name, strings.ToLower(string(alg))+"-%d.key", &n)
		if err == nil && n > 0 && keyName(alg, n) == name {
			return alg, n, true
		}
	}
	return "", 0, false
}

// ring returns the customer's keys. Where there are none they are made, or
// the error is of kind not_found.
func (k *Keys) ring(c brevet.CustomerID, create bool) (*ring, error) {
	now := k.now()
	if r, ok := k.rings.Load(c); ok {
		r := r.(*ring)
		return r, r.rescan(now)
	}
	if _, err := brevet.ParseID[brevet.CustomerID](string(c)); err != nil {
		return nil, err
	}
	k.opening.Lock()
	defer k.opening.Unlock()
	if r, ok := k.rings.Load(c); ok {
		return r.(*ring), nil
	}
	r := &ring{customer: c, files: k.files}
	r.keys.Store(&[]*key{})
	if err := r.scan(now); err != nil {
		return nil, err
	}
	if len(*r.keys.Load()) == 0 {
		if !create {
			return nil, brevet.Errorf(brevet.NotFound, "customer %s has no key yet", c)
		}
		if err := r.add(ES256, 1, now, time.Time{}); err != nil {
			return nil, err
		}
	}
	k.rings.Store(c, r)
	return r, nil
}

// rescan looks for keys that another process made, at most once a minute.
// While one caller does, the others go on with what is known.
func (r *ring) rescan(now time.Time) error {
	last := time.Unix(r.scanned.Load(), 0)
	if age := now.Sub(last); age >= 0 && age < rescanEvery || !r.mu.TryLock() {
		return nil
	}
	defer r.mu.Unlock()
	return r.scan(now)
}

// scan reads the directory and opens the files that are new. A key whose file
// is gone stays until its time is over.
func (r *ring) scan(now time.Time) error {
	names, err := r.files.list(r.dir())
	if err != nil {
		return err
	}
	keys := slices.Clone(*r.keys.Load())
	for _, name := range names {
		alg, n, ok := parseKeyName(name)
		if !ok || slices.ContainsFunc(keys, func(k *key) bool { return k.name == name }) {
			continue
		}
		k, err := r.load(alg, n)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process has just deleted it
		}
		if err != nil {
			return err
		}
		keys = append(keys, k)
	}
	r.store(keys)
	r.scanned.Store(now.Unix())
	return nil
}

func (r *ring) store(keys []*key) {
	slices.SortFunc(keys, func(a, b *key) int { return cmp.Or(cmp.Compare(a.alg, b.alg), cmp.Compare(a.number, b.number)) })
	r.keys.Store(&keys)
}

// load opens one key file.
func (r *ring) load(alg Alg, n int) (*key, error) {
	name := r.dir() + "/" + keyName(alg, n)
	rec, err := r.files.read(name)
	if err != nil {
		return nil, err
	}
	private, err := x509.ParsePKCS8PrivateKey(rec.Key)
	signer, ok := private.(crypto.Signer)
	if err != nil || !ok || rec.Number != n || !fits(alg, signer) {
		return nil, broken(r.files.path(name), "holds another kind of key", err)
	}
	return newKey(alg, rec, signer)
}

func fits(alg Alg, signer crypto.Signer) bool {
	switch pub := signer.Public().(type) {
	case *ecdsa.PublicKey:
		return alg == ES256 && pub.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return alg == RS256 && pub.N.BitLen() >= rsaBits
	}
	return false
}

// newKey names a key by its thumbprint (RFC 7638), so that a key id never
// stands for two keys.
func newKey(alg Alg, rec record, signer crypto.Signer) (*key, error) {
	public := jose.JSONWebKey{Key: signer.Public(), Algorithm: string(alg), Use: "sig"}
	print, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(print)
	header := fmt.Sprintf(`{"alg":"%s","kid":"%s","typ":"JWT"}`, alg, public.KeyID)
	return &key{name: keyName(alg, rec.Number), alg: alg, number: rec.Number, signs: fromMicros(rec.Signs), signer: signer,
		public: public, header: base64.RawURLEncoding.EncodeToString([]byte(header)) + "."}, nil
}

// add makes a key. The caller holds the ring for itself.
func (r *ring) add(alg Alg, n int, now, signs time.Time) error {
	signer, err := generate(alg)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return err
	}
	if err := r.files.mkdir(r.dir()); err != nil {
		return err
	}
	rec := record{Number: n, Published: micros(now), Signs: micros(signs), Key: der}
	err = r.files.create(r.dir()+"/"+keyName(alg, n), rec)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return r.scan(now) // what is in the file counts: another process may have been first
}

func generate(alg Alg) (crypto.Signer, error) {
	if alg == RS256 {
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// of returns the keys of one algorithm, oldest first.
func (r *ring) of(alg Alg) []*key {
	var keys []*key
	for _, k := range *r.keys.Load() {
		if k.alg == alg {
			keys = append(keys, k)
		}
	}
	return keys
}

// signing returns the key that signs at now: the newest whose time has come.
func (r *ring) signing(alg Alg, now time.Time) (*key, error) {
	var next *key
	keys := *r.keys.Load()
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i].alg != alg {
			continue
		}
		if !now.Before(keys[i].signs) {
			return keys[i], nil
		}
		next = keys[i]
	}
	if next == nil {
		return nil, brevet.Errorf(brevet.Conflict, "customer %s has no %s key", r.customer, alg)
	}
	return nil, brevet.Errorf(brevet.Conflict, "the %s key of customer %s signs from %s on", alg, r.customer, next.signs.Format(time.RFC3339))
}

// listed returns the keys that the key set holds at now: all but those whose
// last token has died.
func (r *ring) listed(now time.Time) []*key {
	keys := *r.keys.Load()
	var live []*key
	for i, k := range keys {
		if i+1 == len(keys) || keys[i+1].alg != k.alg || !keys[i+1].retires(now) {
			live = append(live, k)
		}
	}
	return live
}

// retires reports whether k has signed for so long that the key before it is
// needed no more.
func (k *key) retires(now time.Time) bool { return !now.Before(k.signs.Add(Linger)) }

// remove deletes the files of keys that are no longer listed.
func (r *ring) remove(now time.Time) error {
	live := r.listed(now)
	for _, k := range *r.keys.Load() {
		if slices.Contains(live, k) {
			continue
		}
		if err := os.Remove(r.files.path(r.dir() + "/" + k.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return broken(r.files.path(r.dir()+"/"+k.name), "cannot be removed", err)
		}
	}
	r.store(live)
	return nil
}
