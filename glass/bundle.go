package glass

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"

	"github.com/brevet-access/brevet"
)

// Bundle is everything that is needed but for k of the n holders: nothing in
// it opens anything, so everybody may keep a copy.
type Bundle struct {
	Format       string            `json:"format"`
	Customer     brevet.CustomerID `json:"customer"`
	CustomerName string            `json:"customer_name"`
	Issuer       string            `json:"issuer"` // https://HOST/PATH
	Key          string            `json:"key"`    // id of the key: its RFC 7638 thumbprint
	Made         time.Time         `json:"made"`
	Threshold    int               `json:"threshold"`   // holders that it takes
	Commitments  [][]byte          `json:"commitments"` // compressed points; the first is the public key
	Holders      []Holder          `json:"holders"`     // the share of the first has index 1
	People       []Person          `json:"people"`      // who may call
	Accounts     []Account         `json:"accounts"`
	Endpoint     string            `json:"endpoint,omitempty"` // in place of AWS's own; only a sandbox's
	Digest       string            `json:"digest"`             // SHA-256 of all before it
}

// Holder is one of the n people, and their share, sealed to them (age).
type Holder struct {
	Name      string `json:"name"`
	Recipient string `json:"recipient"` // age1…, ssh-ed25519 … or ssh-rsa …
	Share     []byte `json:"share"`
}

// Person is somebody who may call: tokens and records name them so.
type Person struct {
	Handle brevet.Handle   `json:"handle"`
	ID     brevet.PersonID `json:"id"`
}

// Account is an account of the customer, and its roles that trust the offline
// issuer.
type Account struct {
	Number   brevet.AccountID  `json:"number"`
	Name     string            `json:"name"`
	Region   string            `json:"region"`
	Prefix   string            `json:"prefix"`
	Audience string            `json:"audience"`
	Contract int               `json:"contract"`
	Roles    []brevet.RoleName `json:"roles"`
}

// sealed is what stands in a holder's share, so that its holder sees what it
// is for, whatever text it came in.
type sealed struct {
	Format   string            `json:"format"`
	Customer brevet.CustomerID `json:"customer"`
	Issuer   string            `json:"issuer"`
	Key      string            `json:"key"`
	Holder   string            `json:"holder"`
	Index    int               `json:"index"`
	Value    []byte            `json:"value"`
}

// Deal makes a key and returns b with it: shared out to b.Holders, of whom
// b.Threshold open it. The key and the bare shares are in no text.
func Deal(b Bundle) (Bundle, error) {
	b.Format = formatBundle
	if err := b.checkHolders(); err != nil {
		return b, err
	}
	shares, commitments, err := shareOut(b.Threshold, len(b.Holders))
	if err != nil {
		return b, brevet.Errorf(brevet.Internal, "no key can be made").WithCause(err)
	}
	public, err := publicOf(commitments)
	if err != nil {
		return b, brevet.Errorf(brevet.Internal, "no key can be made").WithCause(err)
	}
	k, err := jwkOf(public)
	if err != nil {
		return b, brevet.Errorf(brevet.Internal, "no key can be made").WithCause(err)
	}
	b.Commitments, b.Key, b.Holders = commitments, k.Kid, slices.Clone(b.Holders)
	for i := range b.Holders {
		h := &b.Holders[i]
		raw, err := shares[i].value.MarshalBinary()
		if err != nil {
			return b, brevet.Errorf(brevet.Internal, "no key can be made").WithCause(err)
		}
		text := encode(sealed{formatShare, b.Customer, b.Issuer, b.Key, h.Name, i + 1, raw})
		h.Share, err = sealTo(h.Recipient, text)
		clear(raw)
		clear(text)
		if err != nil {
			return b, invalid("the share of "+h.Name+" cannot be sealed", err)
		}
	}
	b.Digest = b.digest()
	return b, b.check()
}

// sealTo encrypts text to one recipient.
func sealTo(recipient string, text []byte) ([]byte, error) {
	r, err := parseRecipient(recipient)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, r)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// parseRecipient reads what a share can be sealed to.
func parseRecipient(s string) (age.Recipient, error) {
	if strings.HasPrefix(s, "ssh-") {
		return agessh.ParseRecipient(s)
	}
	found, err := age.ParseRecipients(strings.NewReader(s))
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d recipients in place of one", len(found))
	}
	return found[0], nil
}

// openWith decrypts what sealTo encrypted.
func openWith(text []byte, ids ...age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(text), ids...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, mostText))
}

func (b Bundle) digest() string {
	b.Digest = ""
	return digest(encode(b))
}

// Text returns the bundle as a file.
func (b Bundle) Text() []byte { return append(encode(b), '\n') }

// ParseBundle reads a bundle. The error is of kind [brevet.Invalid].
func ParseBundle(text []byte) (Bundle, error) {
	var b Bundle
	if err := decode(text, &b); err != nil {
		return Bundle{}, invalid("this is no bundle", err)
	}
	if err := b.check(); err != nil {
		return Bundle{}, err
	}
	return b, nil
}

func (b Bundle) check() error {
	public, err := publicOf(b.Commitments)
	if err != nil {
		return invalid("bundle", err)
	}
	k, err := jwkOf(public)
	if err != nil {
		return invalid("bundle", err)
	}
	_, badID := brevet.ParseID[brevet.CustomerID](string(b.Customer))
	u, badURL := url.Parse(b.Issuer)
	switch {
	case b.Format != formatBundle:
		return invalid("bundle: it is of another version than this program knows", nil)
	case b.Digest != b.digest():
		return invalid("bundle: it was changed or is not whole: its digest is another", nil)
	case badID != nil || !brevet.ValidName(b.CustomerName) || badURL != nil || u.Scheme != "https" || u.Host == "" || b.Issuer != u.String() || !clean(b.Issuer, 255):
		return invalid("bundle: it names no customer or issuer", nil)
	case b.Key != k.Kid || len(b.Commitments) != b.Threshold || b.Made.IsZero():
		return invalid("bundle: its key does not fit", nil)
	case len(b.People) == 0 || len(b.Accounts) == 0:
		return invalid("bundle: it names nobody who may call, or no account", nil)
	case b.Endpoint != "" && !clean(b.Endpoint, 255):
		return invalid("bundle: its endpoint cannot be one", nil)
	}
	if err := b.checkHolders(); err != nil {
		return err
	}
	return b.checkContent()
}

// checkHolders checks who holds a share, and the threshold.
func (b Bundle) checkHolders() error {
	n := len(b.Holders)
	if n < 1 || n > MostHolders || b.Threshold < 1 || b.Threshold > n {
		return invalid(fmt.Sprintf("%d of %d holders cannot be: 1 to %d, and no more are needed than there are", b.Threshold, n, MostHolders), nil)
	}
	names, recipients := map[string]bool{}, map[string]bool{}
	for _, h := range b.Holders {
		if _, err := brevet.ParseHandle(h.Name); err != nil {
			return invalid("holder", err)
		}
		if _, err := parseRecipient(h.Recipient); err != nil || !clean(h.Recipient, 4096) {
			return invalid("holder "+h.Name+" has no recipient that a share can be sealed to", err)
		}
		key := strings.Join(strings.Fields(h.Recipient)[:min(2, len(strings.Fields(h.Recipient)))], " ") // without an SSH key's comment
		name := strings.ToLower(h.Name)
		if names[name] || recipients[key] {
			return invalid("holder "+h.Name+" is there twice: each is one person with a key of their own", nil)
		}
		names[name], recipients[key] = true, true
	}
	return nil
}

// checkContent checks people and accounts.
func (b Bundle) checkContent() error {
	people, accounts := map[brevet.Handle]bool{}, map[string]bool{}
	for _, p := range b.People {
		_, err := brevet.ParseHandle(string(p.Handle))
		_, badID := brevet.ParseID[brevet.PersonID](string(p.ID))
		if err != nil || badID != nil || people[p.Handle] {
			return invalid("bundle: somebody who may call has no handle or id of their own", nil)
		}
		people[p.Handle] = true
	}
	for _, a := range b.Accounts {
		if !brevet.ValidAWSAccount(string(a.Number)) || !brevet.ValidName(a.Name) || accounts[a.Name] || accounts[string(a.Number)] || len(a.Roles) == 0 ||
			!clean(a.Region, 40) || !clean(a.Audience, 255) || a.Prefix != "" && !clean(a.Prefix, 64) || a.Contract < 1 {
			return invalid("bundle: an account is not whole, or there twice", nil)
		}
		for _, r := range a.Roles {
			if !brevet.ValidRole(string(r)) {
				return invalid("bundle: an account is not whole, or there twice", nil)
			}
		}
		accounts[a.Name], accounts[string(a.Number)] = true, true
	}
	return nil
}

// account finds the account of a target, and that the role is one for this.
func (b Bundle) account(t brevet.Target) (Account, error) {
	for _, a := range b.Accounts {
		if t.Account != a.Name && t.Account != string(a.Number) {
			continue
		}
		if slices.Contains(a.Roles, t.Role) {
			return a, nil
		}
		return a, brevet.Errorf(brevet.Denied, "%s does not open for the offline key of %s", t, b.CustomerName).WithHint("it opens %s", strings.Join(b.Targets(), ", "))
	}
	return Account{}, brevet.Errorf(brevet.NotFound, "the bundle of %s knows no account %s", b.CustomerName, t.Account).WithHint("it opens %s", strings.Join(b.Targets(), ", "))
}

// Targets lists what the key opens.
func (b Bundle) Targets() (out []string) {
	for _, a := range b.Accounts {
		for _, r := range a.Roles {
			out = append(out, a.Name+"/"+string(r))
		}
	}
	return out
}

// Cloud returns the account as a cloud needs it.
func (b Bundle) Cloud(a Account) brevet.Account {
	return brevet.Account{ID: a.Number, Name: a.Name, Customer: b.Customer, Region: a.Region, Prefix: a.Prefix, Audience: a.Audience, Contract: a.Contract,
		Issuer: b.Issuer, OfflineIssuer: b.Issuer}
}

// person finds who may call by handle.
func (b Bundle) person(h brevet.Handle) (Person, error) {
	for _, p := range b.People {
		if p.Handle == h {
			return p, nil
		}
	}
	var who []string
	for _, p := range b.People {
		who = append(who, string(p.Handle))
	}
	return Person{}, brevet.Errorf(brevet.Denied, "%s is not among those who may use the offline key of %s", h, b.CustomerName).
		WithHint("the bundle names %s", strings.Join(who, ", "))
}
