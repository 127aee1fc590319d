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
	source, rota := catalog.Sandbox, true
	if c.Catalog != "" {
		text, err := os.ReadFile(c.Catalog)
		if err != nil {
			return brevet.Errorf(brevet.Invalid, "catalog: %s", err)
		}
		source, rota = text, false
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
	if rota {
		if err := openRota(c.Dir); err != nil {
			return err
		}
	}
	return writeFile(mark, []byte(from))
}

// ownRota is the rota of the sandbox's own catalog.
const ownRota = `# Who is on duty in this sandbox. Change it and save it: brevet reads it every
# few seconds. Whoever has the primary shift is let into acme-staging/DevOps by
# it, until it ends; docs/oncall.md explains every key.
zone: UTC
handover: monday 09:00
from: 2024-01-01
primary: [lead]
secondary: [security]

# engineer in place of lead, for a while:
# overrides:
#   - {who: engineer, from: 2026-01-31 09:00, to: 2026-01-31 17:00}
`

// openRota writes the rota, unless somebody has written one.
func openRota(dir string) error {
	path := filepath.Join(dir, "rotas", "on-call.yaml")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return brevet.Errorf(brevet.Invalid, "dir: %s", err)
	}
	return writeFile(path, []byte(ownRota))
}
