package service

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/glass"
)

// offlineFolder is where, below the keys, the public keys of offline issuers
// are kept.
const offlineFolder = "offline"

// OfflineKeysFile returns where a customer's offline public keys are kept: what
// brevetd breakglass init writes and records of emergencies are verified by.
func OfflineKeysFile(cfg Config, id brevet.CustomerID) string {
	return filepath.Join(cfg.Keys, offlineFolder, string(id)+".json")
}

// OfflineKeys reads a customer's offline public keys: none where no file says
// so. It is read anew each time, so that a key counts as soon as it is there.
func OfflineKeys(cfg Config, id brevet.CustomerID) (glass.KeySet, error) {
	if _, err := brevet.ParseID[brevet.CustomerID](string(id)); err != nil {
		return glass.KeySet{}, err
	}
	text, err := os.ReadFile(OfflineKeysFile(cfg, id))
	if errors.Is(err, fs.ErrNotExist) {
		return glass.KeySet{}, nil
	}
	if err != nil {
		return glass.KeySet{}, brevet.Errorf(brevet.Internal, "the offline keys cannot be read").WithCause(err)
	}
	set, err := glass.ParseKeySet(text)
	if err != nil {
		return set, brevet.Errorf(brevet.Internal, "the offline keys cannot be read").WithCause(err)
	}
	return set, nil
}
