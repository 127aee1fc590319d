// Package glass is what is needed to break the glass when the broker and its
// database are gone (docs/break-glass.md): a second issuer for a customer, whose
// one key lies in no server.
//
// The key (ES256) is made once, by [Deal], and shared out to k of n people:
// Shamir's secret sharing with Feldman's commitments, over the very scalar that
// is the key. The commitment to the secret is the public key that the issuer
// publishes, so a share can be told from a wrong one before it is used, and
// what the shares give is the published key or an error. Each share is sealed
// (age) to what its holder has already: an age recipient or an SSH key. All of
// that is in the [Bundle], a text that everybody may keep a copy of.
//
// Whoever needs access makes a [Call]: who, for which account, why, for how
// long, and a recipient made for this one call. A holder who agrees gives an
// answer, their share sealed to that recipient and bound to that call. With k
// of them an [Opening] has the [Key]: it signs one token of 60 s for the cloud,
// and the [Record] of what it was used for, which is written before the cloud
// is asked (law 2) and read by the broker once it is back.
//
// Every text has one format with a version in it; docs/decisions/0010 says why
// they look as they do. The package opens no files and calls nobody.
package glass

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"time"

	"github.com/brevet-access/brevet"
)

// Bounds.
const (
	MostHolders = 16               // of one key
	mostText    = 1 << 20          // bytes of any text that is read
	CallLife    = time.Hour        // after that a call is answered and used no more
	skew        = 5 * time.Minute  // between the clocks of two people
	longest     = time.Hour        // that one use of the key gives
	shortest    = time.Minute      // likewise
	slack       = 10 * time.Second // between two looks at one clock
)

// The formats, each named in its text.
const (
	formatBundle = "brevet offline bundle v1"
	formatShare  = "brevet offline share v1"
	formatCall   = "brevet offline call v1"
	formatAnswer = "brevet offline answer v1"
	formatRecord = "brevet offline record v1"
)

// The kinds of armour.
const (
	armourCall   = "BREVET CALL"
	armourAnswer = "BREVET ANSWER"
)

// armour wraps a text so that it survives mail, chat and paste.
func armour(kind string, body []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: body})
}

// unarmour finds the first text of the kind among whatever was pasted.
func unarmour(kind string, text []byte) ([]byte, error) {
	if len(text) > mostText {
		return nil, errors.New("it is too long")
	}
	for rest := text; ; {
		block, after := pem.Decode(rest)
		if block == nil {
			return nil, errors.New("no line says BEGIN " + kind)
		}
		if block.Type == kind {
			return block.Bytes, nil
		}
		rest = after
	}
}

// decode reads JSON that one of us wrote: nothing unknown in it, and nothing
// after it.
func decode(text []byte, into any) error {
	if len(text) > mostText {
		return errors.New("it is too long")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	return nil
}

// encode writes what decode reads.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil { // plain structs of strings, numbers and times
		panic("glass: " + err.Error())
	}
	return text
}

// digest is lower-case hex SHA-256.
func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func invalid(what string, cause error) *brevet.Error {
	text := what
	if cause != nil {
		text += ": " + brevet.Printable(cause.Error())
	}
	return brevet.Errorf(brevet.Invalid, "%s", text).WithCause(cause)
}

// clean reports whether s is a text that may be shown, at most n bytes of it.
func clean(s string, n int) bool {
	got, err := brevet.CleanText("text", s, n)
	return err == nil && got == s
}
