package keychain

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/brevet-access/brevet"
)

// How long the operating system's keychain may take: to prove that it works
// at sign-in, and to give the key away later.
const (
	probeLimit = 2 * time.Second
	readLimit  = 5 * time.Second
)

// Ring is an operating system's keychain: secrets by user name. Get returns
// [ErrNoSecret] for what it does not hold.
type Ring interface {
	Set(user, secret string) error
	Get(user string) (string, error)
	Delete(user string) error
}

// ErrNoSecret says that a Ring works but does not hold what was asked for.
var ErrNoSecret = errors.New("keychain: no such secret")

// noRing stands for the operating system's keychain where none was supplied.
type noRing struct{}

var errNoRing = errors.New("keychain: none is at hand")

func (noRing) Set(string, string) error   { return errNoRing }
func (noRing) Get(string) (string, error) { return "", errNoRing }
func (noRing) Delete(string) error        { return errNoRing }

// errSlow says that a keychain did not answer in time.
var errSlow = errors.New("keychain: no answer in time")

// within runs f, but waits no longer than limit: keychains take no context.
func within(limit time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errSlow
	}
}

// works reports whether r can keep, return and forget a secret.
func works(r Ring) bool {
	var raw [8]byte
	rand.Read(raw[:])
	user := "probe-" + hex.EncodeToString(raw[:])
	return within(probeLimit, func() error {
		if err := r.Set(user, user); err != nil {
			return err
		}
		got, err := r.Get(user)
		if err == nil && got != user {
			err = errDamaged
		}
		return errors.Join(err, r.Delete(user))
	}) == nil
}

// Prepare makes the home ready to keep secrets: it chooses the kind of
// keychain if none is on record (or the recorded one has gone), and makes a
// sealing key if there is none. With force not empty that kind is taken.
// Chosen is true when the kind was chosen just now.
func (h *Home) Prepare(force Kind) (kind Kind, chosen bool, err error) {
	c, err := h.Config()
	if err != nil {
		return "", false, err
	}
	kind = c.Keychain
	if force != "" {
		kind = force
	}
	if kind == "" || kind == OS && !h.holds(kind) && !works(h.os) {
		kind = File
		if works(h.os) {
			kind = OS
		}
	}
	if err := h.ensureKey(kind); err != nil {
		return "", false, err
	}
	if kind == c.Keychain {
		return kind, false, nil
	}
	return kind, true, h.Edit(func(c *Config) { c.Keychain = kind })
}

func (h *Home) holds(kind Kind) bool {
	_, err := h.key(kind)
	return err == nil
}

// ensureKey makes a sealing key unless there is one. What was sealed with
// another counts as absent from then on.
func (h *Home) ensureKey(kind Kind) error {
	unlock, err := h.Lock("key")
	if err != nil {
		return err
	}
	defer unlock()
	if h.holds(kind) {
		return nil
	}
	text := newKey()
	if kind == File {
		return writeFile(h.path("key"), []byte(text+"\n"), true)
	}
	if err := within(readLimit, func() error { return h.os.Set(h.dir, text) }); err != nil {
		return ringFault(err)
	}
	return nil
}

// key returns the sealing key; an error for which errors.Is(err, ErrNoSecret)
// holds when there is none.
func (h *Home) key(kind Kind) ([]byte, error) {
	var text string
	switch kind {
	case OS:
		err := within(readLimit, func() (err error) {
			text, err = h.os.Get(h.dir)
			return err
		})
		if errors.Is(err, ErrNoSecret) {
			return nil, err
		}
		if err != nil {
			return nil, ringFault(err)
		}
	case File:
		data, err := readFile(h.path("key"))
		if err != nil {
			return nil, fault(err)
		}
		text = string(data)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, ErrNoSecret
	}
	return key, nil
}

func ringFault(err error) error {
	return brevet.Errorf(brevet.Unavailable, "the operating system's keychain cannot be used: %s", brevet.Printable(err.Error())).
		WithHint("unlock it, or sign in with BREVET_KEYCHAIN=file brevet login").WithCause(err)
}
