package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/catalog"
)

// openCatalog sees to the world's catalog. It lives in the folder as
// catalog.yaml, a copy of the source in which missing ids and audiences have
// been made up once; catalog.from says of which source it is a copy, so that
// the same source finds the same ids again.
func openCatalog(c Config) error {
	source := catalog.Sandbox
	if c.Catalog != "" {
		text, err := os.ReadFile(c.Catalog)
		if err != nil {
			return brevet.Errorf(brevet.Invalid, "catalog: %s", err)
		}
		source = text
	}
	sum := sha256.Sum256(source)
	from := hex.EncodeToString(sum[:])
	path, mark := filepath.Join(c.Dir, "catalog.yaml"), filepath.Join(c.Dir, "catalog.from")
	if _, err := os.Stat(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return brevet.Errorf(brevet.Invalid, "dir: %s", err)
	} else if was, _ := os.ReadFile(mark); err == nil && string(was) == from {
		return nil
	}
	incomplete, err := catalog.ParseIncomplete(c.Catalog, source)
	if err != nil {
		return err
	}
	if _, err := broker.Compile(incomplete); err != nil {
		return err
	}
	text, _, err := catalog.Complete(source, rand.Reader, c.Now())
	if err != nil {
		return err
	}
	if err := writeFile(path, text); err != nil {
		return err
	}
	return writeFile(mark, []byte(from))
}
