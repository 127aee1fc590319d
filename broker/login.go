package broker

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// How long the two halves of a sign-in may take.
const (
	loginLife = 10 * time.Minute // the person at the provider
	codeLife  = 5 * time.Minute  // the one-time code on its way to the terminal
)

// LoginStart is what a client wants from a sign-in. Challenge is the S256
// PKCE challenge that the one-time code is bound to (RFC 7636).
type LoginStart struct {
	Provider    string // "" when there is only one
	Challenge   string
	State       string        // echoed to the redirect URI
	RedirectURI string        // on 127.0.0.1 (RFC 8252); "" shows the code on the page
	Device      string        // what the client calls itself
	MaxAge      time.Duration // below zero: any sign-in will do; zero: a fresh one
	Addr        string
	Browser     bool // the token will open the pages, and nothing else
}

// login is what must survive the round trip to the provider.
type login struct {
	LoginStart
	Nonce, Verifier string
	Cookie          [32]byte
}

// code is what a one-time code stands for. The sign-in that it opens has its id
// already: so the log knows a code that was used, whatever the rows say.
type code struct {
	SignIn    brevet.SignInID
	Challenge string
	Person    brevet.PersonID
	Provider  string
	Device    string
	Identity  brevet.Identity
	Browser   bool
}

// LoginDone says how the browser goes on: to RedirectURI with Code and State,
// or to a page that shows Code when RedirectURI is empty.
type LoginDone struct {
	RedirectURI, State, Code string
	Handle                   brevet.Handle
	Device                   string
}

// ProviderNames lists the providers in the order of the config.
func (b *Broker) ProviderNames() []string {
	var names []string
	for _, p := range b.Providers {
		names = append(names, p.Name)
	}
	return names
}

func (b *Broker) provider(name string) (Provider, error) {
	if name == "" && len(b.Providers) == 1 {
		return b.Providers[0], nil
	}
	for _, p := range b.Providers {
		if p.Name == name {
			return p, nil
		}
	}
	return Provider{}, brevet.Errorf(brevet.Invalid, "provider: %q is not one of %s", brevet.Printable(name), strings.Join(b.ProviderNames(), ", "))
}

// secret returns 256 random bits, base64url.
func secret() string {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

func hash(s string) [32]byte { return sha256.Sum256([]byte(s)) }

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// StartLogin begins a sign-in. It returns where the browser goes, and a
// cookie that binds what follows to this browser (login CSRF, RFC 9700 4.7).
func (b *Broker) StartLogin(ctx context.Context, in LoginStart) (redirect, cookie string, err error) {
	p, err := b.provider(in.Provider)
	if err != nil {
		return "", "", err
	}
	in.Provider = p.Name
	// It stands on our page beside the code, and a stranger may have chosen it:
	// a name, never a sentence.
	if in.Device != "" && !brevet.ValidName(in.Device) {
		return "", "", brevet.Errorf(brevet.Invalid, "device: at most 63 letters, digits and . _ -")
	}
	state, cookie := secret(), secret()
	l := login{LoginStart: in, Nonce: secret(), Verifier: secret(), Cookie: hash(cookie)}
	redirect, err = p.AuthURL(ctx, state, l.Nonce, challenge(l.Verifier), in.MaxAge)
	if err != nil {
		return "", "", err
	}
	if err := b.putLogin(ctx, "state", state, l, loginLife); err != nil {
		return "", "", err
	}
	return redirect, cookie, nil
}

// kept is what is sealed of a login: its end is not left to the row.
type kept struct {
	Until time.Time
	Login json.RawMessage
}

// loginLabel binds what is sealed to the key under which it is kept.
func loginLabel(kind, key string) string {
	sum := hash(key)
	return "login " + kind + " " + hex.EncodeToString(sum[:])
}

func (b *Broker) putLogin(ctx context.Context, kind, key string, v any, life time.Duration) error {
	inner, err := json.Marshal(v)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(kept{b.now().Add(life), inner})
	if err != nil {
		return err
	}
	sealed, err := b.Seal(loginLabel(kind, key), plain)
	if err != nil {
		return err
	}
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		return tx.PutLogin(store.Login{Hash: hash(key), Kind: kind, Sealed: sealed, Expires: tx.Now().Add(life)})
	})
}

// takeLogin removes what was put under key: each works once.
func (b *Broker) takeLogin(ctx context.Context, kind, key string, v any) error {
	var l store.Login
	err := b.DB.Update(ctx, func(tx *store.Tx) (err error) {
		l, err = tx.TakeLogin(kind, hash(key))
		return err
	})
	old := brevet.Errorf(brevet.Expired, "this sign-in is too old, or was used already").WithHint("brevet login starts a new one")
	if kind == "code" {
		old = codeOver()
	}
	if errors.Is(err, brevet.NotFound) {
		return old
	}
	if err != nil {
		return err
	}
	plain, err := b.Unseal(loginLabel(kind, key), l.Sealed)
	if err != nil {
		return err
	}
	var k kept
	if err := json.Unmarshal(plain, &k); err != nil {
		return err
	}
	if !b.now().Before(k.Until) {
		return old
	}
	return json.Unmarshal(k.Login, v)
}

// codeOver is the refusal of a one-time code, whatever is wrong with it.
func codeOver() *brevet.Error {
	return brevet.Errorf(brevet.Expired, "that code is not right, is too old, or was used already").
		WithHint("paste it as the page shows it, or begin again with brevet login")
}

// FinishLogin takes the browser's return from the provider: state and code as
// they came, iss where the provider sent it (RFC 9207), and providerError
// where it said no. The person is created on first sight. Where it fails after
// the browser was recognised, the answer says where the client waits.
func (b *Broker) FinishLogin(ctx context.Context, state, cookie, authCode, iss, providerError, addr string) (LoginDone, error) {
	var l login
	if err := b.takeLogin(ctx, "state", state, &l); err != nil {
		return LoginDone{}, err
	}
	sum := hash(cookie)
	if subtle.ConstantTimeCompare(sum[:], l.Cookie[:]) != 1 {
		return LoginDone{}, brevet.Errorf(brevet.Denied, "this sign-in was begun in another browser").WithHint("brevet login starts a new one")
	}
	waits := LoginDone{RedirectURI: l.RedirectURI, State: l.State, Device: l.Device}
	p, err := b.provider(l.Provider)
	if err != nil {
		return waits, err
	}
	if err := answeredBy(ctx, p, iss); err != nil {
		return waits, err
	}
	if providerError != "" {
		return waits, b.signInFailed(ctx, p, addr, brevet.Errorf(brevet.Denied, "the provider said: %s", brevet.Printable(providerError)))
	}
	id, err := p.Exchange(ctx, authCode, l.Verifier, l.Nonce, l.MaxAge)
	if err != nil {
		return waits, b.signInFailed(ctx, p, addr, err)
	}
	person, err := b.meet(ctx, id, addr)
	if err != nil {
		return waits, err
	}
	one := oneTimeCode()
	c := code{SignIn: brevet.NewID[brevet.SignInID](b.now()), Challenge: l.Challenge, Person: person.ID, Provider: p.Name, Device: l.Device, Identity: id, Browser: l.Browser}
	if err := b.putLogin(ctx, "code", plainCode(one), c, codeLife); err != nil {
		return waits, err
	}
	waits.Code, waits.Handle = one, person.Handle
	return waits, nil
}

// answeredBy refuses an answer that another provider may have sent: one that
// names another, or none where the provider says that it names itself in each
// (RFC 9207, section 2.4).
func answeredBy(ctx context.Context, p Provider, iss string) error {
	switch {
	case iss == p.Issuer:
		return nil
	case iss != "":
		return brevet.Errorf(brevet.Denied, "the answer came from another provider than was asked")
	case p.NamesItself == nil:
		return nil
	}
	names, err := p.NamesItself(ctx)
	if err == nil && names {
		err = brevet.Errorf(brevet.Denied, "the answer does not say which provider it is from, as those of %s do", p.Name).WithHint("brevet login starts a new one")
	}
	return err
}

func (b *Broker) signInFailed(ctx context.Context, p Provider, addr string, no error) error {
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Record(brevet.Event{Kind: brevet.SignInFailed, Actor: brevet.Actor{System: "sign-in", Addr: addr},
			Reason: brevet.AsError(no).Message, Data: map[string]string{"provider": p.Name}})
		return err
	})
	if err != nil {
		return err
	}
	return no
}

// oneTimeCode returns 100 random bits in a form that can be pasted or typed.
func oneTimeCode() string {
	var raw [13]byte
	rand.Read(raw[:])
	s := strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))[:20]
	return s[:5] + "-" + s[5:10] + "-" + s[10:15] + "-" + s[15:]
}

// plainCode undoes what copying does to a code.
func plainCode(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", " ", "", "\t", "", "\r", "", "\n", "").Replace(s))
}

// meet returns the person behind an identity, created on first sight.
func (b *Broker) meet(ctx context.Context, id brevet.Identity, addr string) (brevet.Person, error) {
	var p brevet.Person
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		known, err := tx.PersonByPrincipal(id.Principal)
		if errors.Is(err, brevet.NotFound) {
			if _, known := tx.Latest(store.PrincipalKey(id.Principal)); known {
				return disagree("principal", id.Principal.Subject)
			}
			p, err = newPerson(tx, id, addr)
			return err
		}
		if err != nil {
			return err
		}
		p = known
		if err := provePerson(tx, p); err != nil {
			return err
		}
		return provePrincipal(tx, p, id.Principal)
	})
	return p, err
}

func newPerson(tx *store.Tx, id brevet.Identity, addr string) (brevet.Person, error) {
	h, err := freeHandle(tx, brevet.HandleFrom(id.Login))
	if err != nil {
		return brevet.Person{}, err
	}
	now := tx.Now()
	p := brevet.Person{ID: brevet.NewID[brevet.PersonID](now), Handle: h, Name: clean(id.Name), Created: now}
	p.Leaf, err = tx.Record(brevet.Event{Kind: brevet.PersonCreated, Actor: brevet.Actor{System: "sign-in", Addr: addr}, Person: p.ID,
		Data: map[string]string{"handle": string(p.Handle), "issuer": id.Principal.Issuer, "subject": id.Principal.Subject, "name": p.Name}})
	if err != nil {
		return brevet.Person{}, err
	}
	return p, tx.AddPerson(p, id.Principal)
}

// freeHandle tells namesakes apart by a number.
func freeHandle(tx *store.Tx, h brevet.Handle) (brevet.Handle, error) {
	for n := 2; n < 1000; n++ {
		try := h
		if n > 2 {
			try = brevet.Handle(fmt.Sprintf("%s-%d", h, n-1))
		}
		taken, err := tx.HandleTaken(try)
		if err != nil {
			return "", err
		}
		if !taken {
			return try, nil
		}
	}
	return "", brevet.Errorf(brevet.Conflict, "no handle like %s is free", h)
}

// clean makes a provider's text fit for display: what it says is not ours to
// refuse.
func clean(s string) string {
	s = brevet.Printable(strings.ToValidUTF8(s, "?"))
	if len(s) > brevet.MaxName {
		s = strings.ToValidUTF8(s[:brevet.MaxName], "")
	}
	return s
}

// Redeem exchanges the one-time code for a sign-in. The code works once,
// whether or not verifier is the one behind its challenge. The token is
// returned here and never again; it is kept as a hash.
func (b *Broker) Redeem(ctx context.Context, one, verifier, addr string) (token string, _ brevet.Caller, err error) {
	var c code
	if err := b.takeLogin(ctx, "code", plainCode(one), &c); err != nil {
		return "", brevet.Caller{}, err
	}
	if subtle.ConstantTimeCompare([]byte(challenge(verifier)), []byte(c.Challenge)) != 1 {
		return "", brevet.Caller{}, brevet.Errorf(brevet.Denied, "this code belongs to another brevet login")
	}
	token = clientToken + secret()
	if c.Browser {
		token = browserToken + secret()
	}
	who, err := b.openSignIn(ctx, c, token, addr)
	return token, who, err
}

// refreshLabel binds a refresh token to the sign-in that it was given for.
func refreshLabel(s brevet.SignIn) string { return "refresh token " + string(s.ID) }

func (b *Broker) openSignIn(ctx context.Context, c code, token, addr string) (brevet.Caller, error) {
	s := brevet.SignIn{Hash: hash(token), Principal: c.Identity.Principal, Provider: c.Provider, Proof: instants(c.Identity.Proof),
		Groups: c.Identity.Groups, Device: c.Device}
	s.Groups.At = instant(s.Groups.At)
	s.ID = cmp.Or(c.SignIn, brevet.NewID[brevet.SignInID](b.now())) // "" of a version before
	if c.Identity.Refresh != "" {
		var err error
		if s.Refresh, err = b.Seal(refreshLabel(s), []byte(c.Identity.Refresh)); err != nil {
			return brevet.Caller{}, err
		}
	}
	var who brevet.Caller
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		if _, used := tx.Latest(string(s.ID)); used {
			return codeOver()
		}
		p, err := tx.PersonByPrincipal(s.Principal)
		if err != nil {
			return err
		}
		if p.ID != c.Person {
			return disagree("principal of person", string(p.ID))
		}
		if err := provePerson(tx, p); err != nil {
			return err
		}
		if err := provePrincipal(tx, p, s.Principal); err != nil {
			return err
		}
		now := tx.Now()
		s.Person, s.Created, s.Used, s.Expires = p.ID, now, now, now.Add(b.Absolute)
		e := signInEvent(brevet.SignInOpened, s, p, addr)
		if err := state(tx, &e, s.Groups.Names, now); err != nil {
			return err
		}
		if s.Leaf, err = tx.Record(e); err != nil {
			return err
		}
		who = brevet.Caller{Person: p, SignIn: s, Addr: addr, Standing: standingIn(e)}
		return tx.AddSignIn(s)
	})
	return who, err
}

// signInEvent states the facts on which authority rests.
func signInEvent(k brevet.EventKind, s brevet.SignIn, p brevet.Person, addr string) brevet.Event {
	data := map[string]string{"provider": s.Provider, "methods": strings.Join(s.Proof.Methods, " ")}
	if !s.Proof.MFA.IsZero() {
		data["mfa"] = s.Proof.MFA.Format(time.RFC3339)
	}
	if s.Device != "" {
		data["device"] = s.Device
	}
	return brevet.Event{Kind: k, Actor: brevet.Actor{Person: p.ID, Handle: p.Handle, Addr: addr}, Person: p.ID, SignIn: s.ID,
		Digest: signInDigest(s), Data: data}
}

func instants(p brevet.Proof) brevet.Proof {
	p.AuthTime, p.MFA = instant(p.AuthTime), instant(p.MFA)
	p.Methods = slices.Clone(p.Methods)
	return p
}

// instant is brevet.Instant, and zero for zero.
func instant(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return brevet.Instant(t)
}
