package signer

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io/fs"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/note"
)

const logFile = "log.key"

// logSigner is a note.Signer over a crypto.Signer.
type logSigner struct {
	signer   crypto.Signer
	verifier note.Verifier
	key      string
}

// Name returns the name of the checkpoint key: the log's host.
func (l *logSigner) Name() string { return l.verifier.Name() }

// KeyHash returns the hash by which a note names the key.
func (l *logSigner) KeyHash() uint32 { return l.verifier.KeyHash() }

// Sign signs a note's text.
func (l *logSigner) Sign(msg []byte) ([]byte, error) {
	return l.signer.Sign(nil, msg, crypto.Hash(0))
}

// openLog opens the log key, or makes it where create is true. The name is part
// of what clients pin: a key that was made for another one is not used.
func openLog(f files, name string, create bool) (*logSigner, error) {
	r, err := f.read(logFile)
	if errors.Is(err, fs.ErrNotExist) {
		if !create {
			return nil, broken(f.path(logFile), "is missing, though keys of customers are there", err)
		}
		r, err = makeLog(f, name)
	}
	if err != nil {
		return nil, err
	}
	if r.Name != name {
		return nil, brevet.Errorf(brevet.Invalid, "the log key was made for %s, not for %s", r.Name, brevet.Printable(name)).
			WithHint("a log never changes its name; its clients have pinned it")
	}
	private, err := x509.ParsePKCS8PrivateKey(r.Key)
	signer, ok := private.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, broken(f.path(logFile), "holds another kind of key", err)
	}
	return newLogSigner(name, signer)
}

func makeLog(f files, name string) (record, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return record{}, err
	}
	if _, err := newLogSigner(name, private); err != nil { // before a file with a bad name is made
		return record{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return record{}, err
	}
	if err := f.create(logFile, record{Name: name, Number: 1, Key: der}); err != nil && !errors.Is(err, fs.ErrExist) {
		return record{}, err
	}
	return f.read(logFile)
}

func newLogSigner(name string, signer crypto.Signer) (*logSigner, error) {
	key, err := note.NewEd25519VerifierKey(name, signer.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "log name: %q cannot name a log", brevet.Printable(name)).WithCause(err)
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "log name: %q cannot name a log", brevet.Printable(name)).WithCause(err)
	}
	return &logSigner{signer: signer, verifier: verifier, key: key}, nil
}
