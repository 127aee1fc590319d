package keychain

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
)

// magic begins every sealed file and is authenticated with it.
const magic = "brevet sealed v1\n"

const keySize = 32 // AES-256

// errDamaged is why a sealed file counts as absent.
var errDamaged = errors.New("damaged")

// seal encrypts plain for the file called name: magic, nonce (12 random
// bytes), AES-256-GCM with magic and name as additional data, so that files
// cannot change places.
func seal(key []byte, name string, plain []byte) ([]byte, error) {
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(magic)+aead.NonceSize(), len(magic)+aead.NonceSize()+len(plain)+aead.Overhead())
	copy(out, magic)
	nonce := out[len(magic):]
	rand.Read(nonce) // never fails
	return aead.Seal(out, nonce, plain, []byte(magic+name)), nil
}

// unseal undoes seal; errDamaged for anything that seal did not make with the
// same key and name.
func unseal(key []byte, name string, sealed []byte) ([]byte, error) {
	aead, err := gcm(key)
	if err != nil {
		return nil, err
	}
	body, ok := bytes.CutPrefix(sealed, []byte(magic))
	if !ok || len(body) < aead.NonceSize() {
		return nil, errDamaged
	}
	plain, err := aead.Open(nil, body[:aead.NonceSize()], body[aead.NonceSize():], []byte(magic+name))
	if err != nil {
		return nil, errDamaged
	}
	return plain, nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	if len(key) != keySize {
		return nil, errDamaged
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// newKey returns a fresh sealing key as text.
func newKey() string {
	var raw [keySize]byte
	rand.Read(raw[:])
	return base64.StdEncoding.EncodeToString(raw[:])
}

// parseKey reads what newKey wrote.
func parseKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != keySize {
		return nil, errDamaged
	}
	return key, nil
}
