package glass

import (
	"encoding/base32"
	"encoding/hex"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/brevet-access/brevet"
)

// Call asks the holders for their shares. It is the requester's word: a holder
// believes it because they asked the requester, not because of the text.
type Call struct {
	Format    string            `json:"format"`
	Customer  brevet.CustomerID `json:"customer"`
	Issuer    string            `json:"issuer"`
	Key       string            `json:"key"`
	Account   brevet.AccountID  `json:"account"`
	Target    string            `json:"target"` // ACCOUNT/ROLE
	Handle    brevet.Handle     `json:"handle"`
	Person    brevet.PersonID   `json:"person"`
	Grant     brevet.GrantID    `json:"grant"` // that its session, record and review will be known by
	Reason    string            `json:"reason"`
	Seconds   int               `json:"seconds"` // how long
	Time      time.Time         `json:"time"`
	Recipient string            `json:"recipient"` // age1…, made for this call

	text []byte
}

// Ask is what a call is made of.
type Ask struct {
	Target   string // ACCOUNT/ROLE
	As       string // handle
	Reason   string
	Duration time.Duration // 0: an hour
}

// Text returns the call in its armour.
func (c Call) Text() []byte { return armour(armourCall, c.text) }

// Digest names this very call.
func (c Call) Digest() string { return digest(c.text) }

// Check is the call's digest, as far as two people read it to each other: 60
// bits, as xxxx-xxxx-xxxx.
func (c Call) Check() string {
	raw, err := hex.DecodeString(c.Digest())
	if err != nil {
		return ""
	}
	s := strings.ToLower(base32.StdEncoding.EncodeToString(raw))
	return s[:4] + "-" + s[4:8] + "-" + s[8:12]
}

// Duration returns how long access is wanted.
func (c Call) Duration() time.Duration { return time.Duration(c.Seconds) * time.Second }

// ParseCall finds a call in a text and checks that it is whole. The error is of
// kind [brevet.Invalid].
func ParseCall(text []byte) (Call, error) {
	body, err := unarmour(armourCall, text)
	if err != nil {
		return Call{}, invalid("this is no call", err)
	}
	var c Call
	if err := decode(body, &c); err != nil {
		return Call{}, invalid("this is no call", err)
	}
	c.text = body
	_, badCustomer := brevet.ParseID[brevet.CustomerID](string(c.Customer))
	_, badPerson := brevet.ParseID[brevet.PersonID](string(c.Person))
	_, badGrant := brevet.ParseID[brevet.GrantID](string(c.Grant))
	_, badHandle := brevet.ParseHandle(string(c.Handle))
	_, badTarget := brevet.ParseTarget(c.Target)
	_, badRecipient := age.ParseX25519Recipient(c.Recipient)
	switch {
	case c.Format != formatCall:
		return Call{}, invalid("the call is of another version than this program knows", nil)
	case badCustomer != nil || badPerson != nil || badGrant != nil || badHandle != nil || badTarget != nil || badRecipient != nil || !brevet.ValidAWSAccount(string(c.Account)):
		return Call{}, invalid("the call is not whole", nil)
	case !clean(c.Issuer, 255) || !clean(c.Key, 64) || !clean(c.Reason, brevet.MaxReason) || c.Time.IsZero():
		return Call{}, invalid("the call is not whole", nil)
	case c.Duration() < shortest || c.Duration() > longest:
		return Call{}, invalid("the call asks for longer than 1 h, or shorter than 1 min", nil)
	}
	return c, nil
}

// timely reports whether the call is young enough.
func (c Call) timely(now time.Time) error {
	switch {
	case c.Time.After(now.Add(skew)):
		return brevet.Errorf(brevet.Clock, "the call is from the future: %s", c.Time.UTC().Format(time.RFC3339)).WithHint("compare the clocks of both machines")
	case now.Sub(c.Time) >= CallLife:
		return brevet.Errorf(brevet.Expired, "the call is over an hour old").WithHint("have a new one made: brevet break-glass TARGET --offline …")
	}
	return nil
}

// suits reports whether the call is one for the bundle's key.
func (c Call) suits(b Bundle) error {
	t, err := brevet.ParseTarget(c.Target)
	if err != nil {
		return err
	}
	if c.Customer != b.Customer || c.Issuer != b.Issuer || c.Key != b.Key {
		return brevet.Errorf(brevet.Conflict, "the call is for another key than this bundle's: key %s of %s", brevet.Printable(c.Key), brevet.Printable(c.Issuer)).
			WithHint("the bundle is that of key %s of %s; one of you has an old copy", b.Key, b.Issuer)
	}
	a, err := b.account(t)
	if err != nil {
		return err
	}
	p, err := b.person(c.Handle)
	if err != nil {
		return err
	}
	if p.ID != c.Person || a.Number != c.Account {
		return brevet.Errorf(brevet.Conflict, "the call names another person or account than the bundle").WithHint("one of you has an old copy of the bundle")
	}
	return nil
}
