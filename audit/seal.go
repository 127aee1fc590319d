package audit

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Seal is how a log marks its head where only the log itself reads it again:
// in its database, with every batch. It is a key of signed notes, its
// signature an HMAC-SHA256 (algorithm 0xff of
// https://c2sp.org/signed-note), which costs a thirtieth of Ed25519. Whoever
// is shown a head gets it signed; see [Sign].
type Seal struct {
	name string
	hash uint32
	key  []byte
}

var _ note.Verifier = (*Seal)(nil)

// sealLabel begins what is signed to derive a seal's key; no checkpoint
// begins so, since a host has no spaces.
const sealLabel = "brevet head seal v1\n"

// NewSeal derives the seal from the log's key, so that whoever holds that key
// holds the seal, and nobody else: from its signature over a text that is
// never shown. The error, of kind [brevet.Internal], says that the key does
// not sign, or signs the same text in two ways, as Ed25519 never does (RFC
// 8032, section 5.1.6).
func NewSeal(signer note.Signer) (*Seal, error) {
	text := []byte(sealLabel + signer.Name() + "\n")
	secret, err := signer.Sign(text)
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the log's key does not sign").WithCause(err)
	}
	again, err := signer.Sign(text)
	if err != nil || subtle.ConstantTimeCompare(secret, again) != 1 {
		return nil, brevet.Errorf(brevet.Internal, "the log's key signs the same text in two ways; it must be an Ed25519 key").WithCause(err)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, sealLabel, sha256.Size)
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the log's seal cannot be derived").WithCause(err)
	}
	named := sha256.Sum256([]byte(sealLabel + string(key)))
	id := sha256.Sum256(append([]byte(signer.Name()+"\n\xff"+sealLabel), named[:]...))
	return &Seal{name: signer.Name(), hash: binary.BigEndian.Uint32(id[:4]), key: key}, nil
}

// Head states size and root in a checkpoint under the seal, as [Sign] does
// under a signature. It is written without [note.Sign], which checks for ten
// times as long what is right here by construction.
func (s *Seal) Head(epoch, size int64, root tlog.Hash) Head {
	b := headText(make([]byte, 0, 320), s.name, epoch, size, root)
	sig := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+sha256.Size), s.hash), s.mac(b)...)
	b = append(append(append(b, "\n— "...), s.name...), ' ')
	b = append(base64.StdEncoding.AppendEncode(b, sig), '\n')
	return Head{Epoch: epoch, Size: size, Root: root, Note: b}
}

func (s *Seal) mac(text []byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write(text)
	return mac.Sum(nil)
}

// Name implements [note.Verifier].
func (s *Seal) Name() string { return s.name }

// KeyHash implements [note.Verifier].
func (s *Seal) KeyHash() uint32 { return s.hash }

// Verify implements [note.Verifier].
func (s *Seal) Verify(text, sig []byte) bool { return hmac.Equal(s.mac(text), sig) }
