package keychain

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// Token is a sign-in at a server.
type Token struct {
	Token   string    `json:"token"` // bearer token; a secret
	Person  string    `json:"person"`
	Handle  string    `json:"handle"`
	Expires time.Time `json:"expires"` // absolute limit
}

// Credential is a cached answer of a server.
type Credential struct {
	Target          string    `json:"target"`
	Account         string    `json:"account"` // the account's number
	Session         string    `json:"session"`
	Grant           string    `json:"grant"`
	AccessKeyID     string    `json:"access_key_id"`
	SecretAccessKey string    `json:"secret_access_key"`
	SessionToken    string    `json:"session_token"`
	Made            time.Time `json:"made"`
	Expires         time.Time `json:"expires"`
	GrantEnds       time.Time `json:"grant_ends"`
	Heard           time.Time `json:"heard"`          // the server's last word that it stands
	Tried           time.Time `json:"tried,omitzero"` // when the server was last found out of reach
	Region          string    `json:"region,omitempty"`
	Endpoint        string    `json:"endpoint,omitempty"` // "" = AWS's own
	Offline         bool      `json:"offline,omitempty"`  // made without the server, which knows nothing of it
}

// String names the access key and no secret.
func (c Credential) String() string { return "credential " + c.AccessKeyID }

// GoString is String, so that %#v leaks nothing either.
func (c Credential) GoString() string { return c.String() }

// FreshFor is how long a server's word counts: a credential is handed out
// without asking again while the last word is younger.
const FreshFor = 60 * time.Second

// early is how long before its end a credential is worth renewing: 5 minutes,
// or a third of a short life.
func (c Credential) early() time.Duration {
	return min(5*time.Minute, c.Expires.Sub(c.Made)/3)
}

// Usable reports whether the credential works at now and for at least
// remaining longer.
func (c Credential) Usable(now time.Time, remaining time.Duration) bool {
	return now.Before(c.Expires) && c.Expires.Sub(now) >= remaining
}

// Fresh reports whether the credential may be handed out at now without a
// question: the server's word is young, and the end is not near. A word from
// the future (the clock was moved) is not young. Of one that was made offline
// the server has no word.
func (c Credential) Fresh(now time.Time, remaining time.Duration) bool {
	if c.Offline {
		return c.Usable(now, remaining)
	}
	age := now.Sub(c.Heard)
	return age >= 0 && age < FreshFor && c.Usable(now, max(remaining, c.early()))
}

// Renewable reports whether a new credential would live longer: this one
// nears its end, and the grant goes on after it.
func (c Credential) Renewable(now time.Time) bool {
	return !c.Usable(now, c.early()) && c.GrantEnds.Sub(c.Expires) > time.Second
}

// decodeCredential reads an unsealed entry; errDamaged for what is not a
// complete credential for target.
func decodeCredential(plain []byte, target string) (Credential, error) {
	var c Credential
	if err := json.Unmarshal(plain, &c); err != nil {
		return Credential{}, errDamaged
	}
	if c.Target != target || c.AccessKeyID == "" || c.SecretAccessKey == "" || c.SessionToken == "" || c.Expires.IsZero() {
		return Credential{}, errDamaged
	}
	return c, nil
}

// Vault is an opened home: its entries can be read and written.
type Vault struct {
	home *Home
	key  []byte
}

// Open fetches the sealing key of the kind on record. Without a kind or a key
// nothing was ever kept: the error is of kind [brevet.Unauthenticated].
func (h *Home) Open(kind Kind) (*Vault, error) {
	key, err := h.key(kind)
	if errors.Is(err, ErrNoSecret) {
		return nil, brevet.Errorf(brevet.Unauthenticated, "not signed in").WithHint("sign in: brevet login")
	}
	if err != nil {
		return nil, err
	}
	return &Vault{home: h, key: key}, nil
}

// CredentialName is what the entry, and the lock, of a credential is called.
func CredentialName(server, target string) string { return short(server) + "-" + short(target) }

func tokenName(server string) string { return short(server) + "-token" }

func (v *Vault) get(name string) ([]byte, error) {
	sealed, err := readFile(v.home.path("cache", name+".sealed"))
	if err != nil || sealed == nil {
		return nil, errDamaged
	}
	return unseal(v.key, name, sealed)
}

func (v *Vault) put(name string, entry any) error {
	plain, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	sealed, err := seal(v.key, name, plain)
	if err != nil {
		return err
	}
	return writeFile(v.home.path("cache", name+".sealed"), sealed, false)
}

// Token returns the sign-in at server, and whether there is one.
func (v *Vault) Token(server string) (Token, bool) {
	var t Token
	plain, err := v.get(tokenName(server))
	if err != nil || json.Unmarshal(plain, &t) != nil || t.Token == "" {
		return Token{}, false
	}
	return t, true
}

// PutToken remembers a sign-in. If it is another person's than the one
// before, everything that was cached for that one is purged first.
func (v *Vault) PutToken(server string, t Token) error {
	if old, ok := v.Token(server); !ok || old.Person != t.Person {
		if err := v.home.Forget(server); err != nil {
			return err
		}
	}
	return v.put(tokenName(server), t)
}

// callName is what the entry of a call is called.
func callName(target string) string { return "call-" + short(target) }

// Call returns what is kept of a call for target to the holders of an offline
// key, and whether there is anything.
func (v *Vault) Call(target string) ([]byte, bool) {
	plain, err := v.get(callName(target))
	return plain, err == nil
}

// PutCall keeps a call: JSON, and a secret for as long as the call lives.
func (v *Vault) PutCall(target string, call json.RawMessage) error {
	return v.put(callName(target), call)
}

// DropCall forgets a call.
func (h *Home) DropCall(target string) error {
	return remove(h.path("cache", callName(target)+".sealed"))
}

// Credential returns what is cached for target at server, and whether there
// is anything.
func (v *Vault) Credential(server, target string) (Credential, bool) {
	plain, err := v.get(CredentialName(server, target))
	if err != nil {
		return Credential{}, false
	}
	c, err := decodeCredential(plain, target)
	return c, err == nil
}

// PutCredential caches c.
func (v *Vault) PutCredential(server string, c Credential) error {
	return v.put(CredentialName(server, c.Target), c)
}

// Drop forgets what is cached for target at server. The caller holds the
// entry's lock, or needs none.
func (h *Home) Drop(server, target string) error {
	return remove(h.path("cache", CredentialName(server, target)+".sealed"))
}

// PurgeGrant forgets every credential at server that was made under grant,
// and every entry that cannot be read. It waits for processes that are
// renewing one; the caller holds no lock.
func (v *Vault) PurgeGrant(server, grant string) error {
	return v.home.each(server, func(name string) error {
		var c Credential
		plain, err := v.get(name)
		if err == nil && json.Unmarshal(plain, &c) == nil && c.Grant != grant {
			return nil
		}
		return remove(v.home.path("cache", name+".sealed"))
	})
}

// Forget removes the token and every credential for server. It waits for
// processes that are renewing one; the caller holds no lock.
func (h *Home) Forget(server string) error {
	if err := remove(h.path("cache", tokenName(server)+".sealed")); err != nil {
		return err
	}
	return h.each(server, func(name string) error {
		return remove(h.path("cache", name+".sealed"))
	})
}

// each calls f for each credential's entry of server, with its lock held.
func (h *Home) each(server string, f func(name string) error) error {
	files, err := os.ReadDir(h.path("cache"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault(err)
	}
	for _, file := range files {
		name, ok := strings.CutSuffix(file.Name(), ".sealed")
		if !ok || !strings.HasPrefix(name, short(server)+"-") || name == tokenName(server) {
			continue
		}
		if err := h.locked(name, f); err != nil {
			return err
		}
	}
	return nil
}

func (h *Home) locked(name string, f func(string) error) error {
	unlock, err := h.Lock(name)
	if err != nil {
		return err
	}
	defer unlock()
	return f(name)
}

// remove deletes a file that may be gone already.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault(err)
	}
	return nil
}
