package glass

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	agearmor "filippo.io/age/armor"
	"golang.org/x/crypto/ssh"

	"github.com/brevet-access/brevet"
)

// answer is a holder's share, given for one call.
type answer struct {
	Format string `json:"format"`
	Call   string `json:"call"` // its digest
	Key    string `json:"key"`
	Holder string `json:"holder"`
	Index  int    `json:"index"`
	Value  []byte `json:"value"`
}

// Held is a holder's own share, opened, and the call that it is wanted for.
type Held struct {
	Holder string
	Bundle Bundle
	Call   Call
	share  share
}

// Hold opens the share of whoever the identities are of, for a call: it
// checks that the call is young, for this key, and that the share is the right
// one. Nothing leaves before [Held.Answer].
func Hold(b Bundle, call []byte, ids []age.Identity, now time.Time) (*Held, error) {
	c, err := ParseCall(call)
	if err != nil {
		return nil, err
	}
	if err := c.suits(b); err != nil {
		return nil, err
	}
	if err := c.timely(now); err != nil {
		return nil, err
	}
	for i, h := range b.Holders {
		text, err := openWith(h.Share, ids...)
		if err != nil {
			if _, other := errors.AsType[*age.NoIdentityMatchError](err); other {
				continue
			}
			return nil, brevet.Errorf(brevet.Invalid, "the share of %s does not open: %s", h.Name, brevet.Printable(err.Error())).WithCause(err)
		}
		defer clear(text)
		var s sealed
		if err := decode(text, &s); err != nil {
			return nil, brevet.Errorf(brevet.Invalid, "the share of %s cannot be read", h.Name)
		}
		if s.Format != formatShare || s.Customer != b.Customer || s.Issuer != b.Issuer || s.Key != b.Key || s.Holder != h.Name || s.Index != i+1 {
			return nil, brevet.Errorf(brevet.Conflict, "the share that is sealed to you is for key %s of %s: the bundle was put together from two", brevet.Printable(s.Key), brevet.Printable(s.Issuer))
		}
		value, err := scalar(s.Value)
		if err != nil || !(share{s.Index, value}).fits(b.Commitments) {
			return nil, brevet.Errorf(brevet.Conflict, "the share of %s is a wrong one", h.Name).WithHint("take another copy of the bundle")
		}
		return &Held{h.Name, b, c, share{s.Index, value}}, nil
	}
	return nil, brevet.Errorf(brevet.NotFound, "no share of this bundle is sealed to this identity").WithHint("it is sealed to %s", strings.Join(holderNames(b), ", "))
}

func holderNames(b Bundle) (out []string) {
	for _, h := range b.Holders {
		out = append(out, h.Name)
	}
	return out
}

// Answer seals the share to the call's recipient, in its armour: for nobody
// else, and no other call.
func (h *Held) Answer() ([]byte, error) {
	raw, err := h.share.value.MarshalBinary()
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the share cannot be written").WithCause(err)
	}
	text := encode(answer{formatAnswer, h.Call.Digest(), h.Bundle.Key, h.Holder, h.share.index, raw})
	defer clear(text)
	defer clear(raw)
	out, err := sealTo(h.Call.Recipient, text)
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the share cannot be sealed").WithCause(err)
	}
	return armour(armourAnswer, out), nil
}

// Answers cuts a text into the answers in it.
func Answers(text []byte) (out [][]byte) {
	const end = "-----END " + armourAnswer + "-----"
	for len(text) <= mostText {
		i := bytes.Index(text, []byte(end))
		if i < 0 {
			return out
		}
		out = append(out, text[:i+len(end)])
		text = text[i+len(end):]
	}
	return out
}

// Identities reads the file of an age identity or of an SSH key. Where it is
// protected, ask returns the passphrase. The error is of kind
// [brevet.Invalid].
func Identities(text []byte, ask func() ([]byte, error)) ([]age.Identity, error) {
	if len(text) > mostText {
		return nil, invalid("the identity is too long", nil)
	}
	if bytes.Contains(text, []byte("-----BEGIN ")) && !bytes.Contains(text, []byte(agearmor.Header)) {
		return sshIdentity(text, ask)
	}
	var src io.Reader = bytes.NewReader(text)
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte(agearmor.Header)) {
		src = agearmor.NewReader(bytes.NewReader(bytes.TrimSpace(text)))
	} else if !bytes.HasPrefix(text, []byte("age-encryption.org/")) {
		return parsed(age.ParseIdentities(src))
	}
	phrase, err := ask()
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(string(phrase))
	if err != nil {
		return nil, invalid("the passphrase cannot be used", err)
	}
	r, err := age.Decrypt(src, id)
	if err != nil {
		return nil, invalid("the identity does not open", err)
	}
	return parsed(age.ParseIdentities(io.LimitReader(r, mostText)))
}

func parsed(ids []age.Identity, err error) ([]age.Identity, error) {
	if err != nil { // age's words never quote the secret
		return nil, invalid("this is no age identity", err).WithHint("--identity takes the file of an age identity (age-keygen) or of an SSH key")
	}
	return ids, nil
}

// sshIdentity reads a private key of SSH.
func sshIdentity(text []byte, ask func() ([]byte, error)) ([]age.Identity, error) {
	id, err := agessh.ParseIdentity(text)
	missing, locked := errors.AsType[*ssh.PassphraseMissingError](err)
	if err == nil {
		return []age.Identity{id}, nil
	}
	if !locked || missing.PublicKey == nil {
		return nil, invalid("this SSH key cannot be used", err).WithHint("ed25519 and RSA keys can; a key in a token or an agent cannot")
	}
	protected, err := agessh.NewEncryptedSSHIdentity(missing.PublicKey, text, ask)
	if err != nil {
		return nil, invalid("this SSH key cannot be used", err)
	}
	return []age.Identity{protected}, nil
}
