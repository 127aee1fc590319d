package service_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/service"
	"github.com/brevet-access/brevet/store"
)

// TestUnrulyCatalog: what is in force was made by an older brevetd, and does
// not pass the checks of this one. Nothing is issued, the mended file waits for
// nobody, and what is said leads out: once with one_person.
func TestUnrulyCatalog(t *testing.T) {
	s, _, cfg, stop := start(t)
	text, err := os.ReadFile(cfg.Catalog)
	if err != nil {
		t.Fatal(err)
	}
	old := append(bytes.Clone(text), "what_nobody_knows_any_more: true\n"...)
	sum := sha256.Sum256(old)
	digest := hex.EncodeToString(sum[:])
	err = s.DB.Update(t.Context(), func(tx *store.Tx) error {
		leaf, err := tx.Record(brevet.Event{Kind: brevet.CatalogConfirmed, Actor: brevet.Actor{System: "test"}, Digest: digest, Data: map[string]string{"version": "2"}})
		if err != nil {
			return err
		}
		_, err = tx.AddCatalog(store.CatalogVersion{Digest: digest, Text: old, By: brevet.Actor{System: "test"}, Created: tx.Now(), Confirmed: tx.Now(), Leaf: leaf})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stop(), s.Close()); err != nil {
		t.Fatal(err)
	}
	open := func() (*service.Service, error) { return service.Open(t.Context(), cfg, service.Options{}) }
	if err := os.WriteFile(cfg.Catalog, append(bytes.Clone(text), "# mended\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // waiting does not help
		s, err := open()
		if err == nil {
			s.Close()
			t.Fatalf("it starts, with %d accounts in its catalog", len(s.Broker.Catalog().Accounts))
		}
		e := brevet.AsError(err)
		if e.Kind != brevet.Invalid || !strings.Contains(e.Message, "version 2 of the catalog") || !strings.Contains(e.Message, "what_nobody_knows_any_more") || !strings.Contains(e.Hint, "one_person: true") {
			t.Errorf("%s: %s (%s)", e.Kind, e.Message, e.Hint)
		}
	}
	for _, one := range []bool{true, false} {
		cfg.OnePerson = one
		s, err := open()
		if err != nil {
			t.Fatalf("one person %t: %v", one, err)
		}
		if c := s.Broker.Catalog(); len(c.Accounts) == 0 || !bytes.HasSuffix(c.Text, []byte("# mended\n")) {
			t.Errorf("one person %t: %d accounts rule", one, len(c.Accounts))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
