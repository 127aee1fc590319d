package main

import (
	"errors"

	"github.com/zalando/go-keyring"

	"github.com/brevet-access/brevet/keychain"
)

// service is the name under which the OS keychain files our keys.
const service = "brevet"

// systemRing is Keychain on macOS, Credential Manager on Windows, and the
// Secret Service elsewhere. It stands here and not in package keychain, since
// it needs D-Bus and the network, and a warm credential-process neither.
type systemRing struct{}

func (systemRing) Set(user, secret string) error { return keyring.Set(service, user, secret) }
func (systemRing) Delete(user string) error      { return keyring.Delete(service, user) }

func (systemRing) Get(user string) (string, error) {
	secret, err := keyring.Get(service, user)
	if errors.Is(err, keyring.ErrNotFound) {
		return "", keychain.ErrNoSecret
	}
	return secret, err
}
