package signer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/brevet-access/brevet"
)

// A box is salt, nonce, ciphertext and tag. Its key is derived from the
// secret, the salt and the label, so that no two boxes share one; the label
// is associated data besides.
const (
	saltSize = 16
	boxExtra = saltSize + 12 + 16
)

func boxCipher(secret, salt []byte, label string) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, secret, salt, label, 32)
	if err != nil {
		panic("signer: hkdf: " + err.Error()) // 32 bytes are never too many
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("signer: aes: " + err.Error()) // 32 bytes are a legal key
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("signer: gcm: " + err.Error())
	}
	return gcm
}

func seal(secret []byte, label string, plain []byte) []byte {
	box := make([]byte, saltSize, boxExtra+len(plain))
	rand.Read(box) // never fails
	return boxCipher(secret, box, label).Seal(box, nil, plain, []byte(label))
}

func openBox(secret []byte, label string, box []byte) ([]byte, error) {
	if len(box) < boxExtra {
		return nil, errors.New("too short")
	}
	return boxCipher(secret, box[:saltSize], label).Open(nil, nil, box[saltSize:], []byte(label))
}

// seals holds the sealing keys by number. The newest seals, all open.
type seals struct {
	mu     sync.RWMutex
	keys   map[uint32][]byte
	newest uint32
}

func sealName(n uint32) string { return fmt.Sprintf("seal-%04d.key", n) }

// open reads the sealing keys. The first is made where create is true.
func (s *seals) open(f files, create bool) error {
	names, err := f.list(".")
	if err != nil {
		return err
	}
	for _, name := range names {
		var n uint32
		if _, err := fmt.Sscanf(name, "seal-%d.key", &n); err != nil || sealName(n) != name {
			continue
		}
		if err := s.load(f, n); err != nil {
			return err
		}
	}
	if s.newest > 0 {
		return nil
	}
	if !create {
		return broken(f.path(sealName(1)), "is missing, though keys of customers are there", fs.ErrNotExist)
	}
	return s.add(f, 1)
}

func (s *seals) load(f files, n uint32) error {
	name := sealName(n)
	r, err := f.read(name)
	if err != nil {
		return err
	}
	if len(r.Key) != 32 || r.Number != int(n) {
		return broken(f.path(name), "holds another kind of key", nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[uint32][]byte{}
	}
	s.keys[n], s.newest = r.Key, max(s.newest, n)
	return nil
}

func (s *seals) add(f files, n uint32) error {
	key := make([]byte, 32)
	rand.Read(key)
	if err := f.create(sealName(n), record{Number: int(n), Key: key}); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.load(f, n) // what is in the file counts: another process may have been first
}

func (s *seals) get(n uint32) (key []byte, newest uint32) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n == 0 {
		n = s.newest
	}
	return s.keys[n], s.newest
}

// A sealed text is a version byte, the number of its sealing key and a box.
const (
	sealVersion = 1
	sealHeader  = 5
)

func sealLabel(label string) string { return "brevet seal v1 " + label }

// Seal encrypts plain so that only Unseal with the same label opens it. The
// label says what it is for and is not secret. The result is 49 bytes longer.
func (k *Keys) Seal(label string, plain []byte) ([]byte, error) {
	key, n := k.seals.get(0)
	if label == "" || strings.ContainsRune(label, 0) {
		return nil, brevet.Errorf(brevet.Internal, "sealed text needs a label")
	}
	out := binary.BigEndian.AppendUint32([]byte{sealVersion}, n)
	return append(out, seal(key, sealLabel(label), plain)...), nil
}

// Unseal opens what Seal made. What was changed, or sealed under another
// label or by another installation, is an error of kind internal.
func (k *Keys) Unseal(label string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealHeader+boxExtra || sealed[0] != sealVersion {
		return nil, brevet.Errorf(brevet.Internal, "the sealed %s is damaged", brevet.Printable(label))
	}
	key, err := k.sealKey(binary.BigEndian.Uint32(sealed[1:sealHeader]))
	if err != nil {
		return nil, err
	}
	plain, err := openBox(key, sealLabel(label), sealed[sealHeader:])
	if err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the sealed %s does not open", brevet.Printable(label)).WithCause(err)
	}
	return plain, nil
}

// sealKey finds a sealing key; one that another process made is read now.
func (k *Keys) sealKey(n uint32) ([]byte, error) {
	if key, newest := k.seals.get(n); n > 0 && key != nil {
		return key, nil
	} else if n == newest+1 {
		if err := k.seals.load(k.files, n); err == nil {
			key, _ := k.seals.get(n)
			return key, nil
		}
	}
	return nil, brevet.Errorf(brevet.Internal, "sealing key %d is not known", n).
		WithHint("the text was sealed by another installation, or a key file is missing")
}

// RotateSeal makes a new sealing key. What older keys sealed still opens.
func (k *Keys) RotateSeal() error {
	_, newest := k.seals.get(0)
	return k.seals.add(k.files, newest+1)
}
