package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/glass"
	"github.com/brevet-access/brevet/manual"
	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/service"
)

func breakglassCommand() *cobra.Command {
	return manual.Family(&cobra.Command{Use: "breakglass", Short: "Access when this server and its database are gone"},
		breakglassInit(), breakglassShare(), breakglassWork())
}

// initFlags is what breakglass init was told.
type initFlags struct {
	config, dev, customer, out string
	holders, people            []string
	threshold                  int
	alone, retire              bool
}

func breakglassInit() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init --customer NAME --holder NAME=RECIPIENT... --threshold K --person HANDLE=ID... --out DIR",
		Short: "Make a customer's offline key and share it out",
		Long: `Make a new key for a customer's offline issuer (offline_issuer in the catalog),
share it out to the holders, of whom K together open it, and write

    DIR/issuer` + glass.DiscoveryPath + `
    DIR/issuer` + glass.JWKSPath + `
    DIR/bundle.json

DIR/issuer is for a static host that serves it at the offline issuer's URL: a
host that does not go down with this server. The bundle is for everybody who may
need it and for every holder: nothing in it opens anything without K of them.
The key itself is written nowhere, nor is any bare share.

A RECIPIENT is age1… (age-keygen) or the line of an SSH public key (ssh-ed25519
or ssh-rsa), or @FILE with one. A person is who may call: their handle and id,
as brevet whoami shows them.

Run again, it makes another key. The one before stays published, so that old
bundles work until --retire takes it away. The public keys are also kept beside
this server's own (KEYS/offline), to verify records of what was done offline.`,
		Example: `  brevetd breakglass init --customer acme --threshold 2 --out offline \
      --holder lead=@lead.pub --holder security=@security.pub \
      --person engineer=pr_01m89z74ez9aj5x652megjcq98`,
		Args: manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return initGlass(cmd.OutOrStdout(), f, time.Now()) },
	}
	cmd.Flags().StringVar(&f.config, "config", "brevet.yaml", "the server's configuration `FILE`")
	cmd.Flags().StringVar(&f.dev, "dev", "", "the `FOLDER` of a sandbox, in place of --config")
	cmd.Flags().StringVar(&f.customer, "customer", "", "the customer's `NAME` or id")
	cmd.Flags().StringVar(&f.out, "out", "", "the `DIR` to write to")
	cmd.Flags().StringArrayVar(&f.holders, "holder", nil, "somebody who holds a share, `NAME=RECIPIENT` (repeatable)")
	cmd.Flags().StringArrayVar(&f.people, "person", nil, "somebody who may call, `HANDLE=ID` (repeatable)")
	cmd.Flags().IntVar(&f.threshold, "threshold", 0, "the `NUMBER` of holders who open it together")
	cmd.Flags().BoolVar(&f.alone, "one-holder-suffices", false, "let --threshold 1 be: any one holder can then enter alone, at any time, and nobody is asked")
	cmd.Flags().BoolVar(&f.retire, "retire", false, "take the keys before this one out of what is published")
	for _, name := range []string{"customer", "out", "holder", "person", "threshold"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

// initGlass makes the key. The bundle is written last: one that exists is of a
// key that is published.
func initGlass(out io.Writer, f initFlags, now time.Time) error {
	if f.threshold == 1 && !f.alone {
		return brevet.Errorf(brevet.Invalid, "--threshold 1: any one holder could enter alone, and nobody would have to agree").
			WithHint("two or more; or --one-holder-suffices, if that is meant")
	}
	cfg, endpoint, err := f.load()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(cfg.Catalog)
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "catalog: %s", plainCause(err))
	}
	cat, err := catalog.Parse(cfg.Catalog, text)
	if err != nil {
		return err
	}
	b, err := bundleOf(cat, f.customer)
	if err != nil {
		return err
	}
	b.Made, b.Threshold, b.Endpoint = brevet.Instant(now), f.threshold, endpoint
	if b.Holders, err = readHolders(f.holders); err != nil {
		return err
	}
	if b.People, err = readPeople(f.people); err != nil {
		return err
	}
	if err := apart(f.out, cfg.Keys); err != nil {
		return err
	}
	kept, err := service.OfflineKeys(cfg, b.Customer)
	if err != nil {
		return err
	}
	if b, err = glass.Deal(b); err != nil {
		return err
	}
	all, err := kept.With(b)
	if err != nil {
		return err
	}
	shown := all
	if f.retire {
		shown = all.Only(b.Key)
	} else if shown, err = published(f.out, b, kept); err != nil {
		return err
	}
	// Records of a key that is taken back still count: it was used before.
	if err := writePrivate(service.OfflineKeysFile(cfg, b.Customer), all.JWKS()); err != nil {
		return err
	}
	return writeGlass(out, f.out, b, shown)
}

// published adds the bundle's key to what dir publishes already; to nothing
// where it publishes nothing yet. A key that this server does not know is not
// published again.
func published(dir string, b glass.Bundle, kept glass.KeySet) (glass.KeySet, error) {
	name := filepath.Join(dir, "issuer", filepath.FromSlash(glass.JWKSPath))
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return glass.KeySet{}.With(b)
	}
	if err != nil {
		return glass.KeySet{}, brevet.Errorf(brevet.Unavailable, "cannot read %s: %s", name, plainCause(err))
	}
	was, err := glass.ParseKeySet(text)
	if err != nil {
		return was, err
	}
	for _, id := range was.IDs() {
		if !kept.Has(id) {
			return was, brevet.Errorf(brevet.Conflict, "%s publishes key %s, which this server does not know", name, id).WithHint("is it another customer's folder? --out names one of its own")
		}
	}
	return was.With(b)
}

func writeGlass(out io.Writer, dir string, b glass.Bundle, keys glass.KeySet) error {
	for _, file := range []struct {
		path string
		text []byte
	}{{"issuer" + glass.JWKSPath, keys.JWKS()}, {"issuer" + glass.DiscoveryPath, glass.Discovery(b.Issuer)}, {"bundle.json", b.Text()}} {
		name := filepath.Join(dir, filepath.FromSlash(file.path))
		if _, err := publishFile(name, file.text); err != nil {
			return brevet.Errorf(brevet.Unavailable, "cannot write %s: %s", name, plainCause(err)).WithCause(err)
		}
		fmt.Fprintf(out, "wrote  %s\n", name)
	}
	var names []string
	for _, h := range b.Holders {
		names = append(names, h.Name)
	}
	fmt.Fprintf(out, "key    %s, opened by %d of %d: %s\n", b.Key, b.Threshold, len(b.Holders), strings.Join(names, ", "))
	fmt.Fprintf(out, "opens  %s\n", strings.Join(b.Targets(), ", "))
	fmt.Fprintf(out, "Serve %s at %s, and give the bundle to everybody above.\n", filepath.Join(dir, "issuer"), b.Issuer)
	if n := len(keys.IDs()); n > 1 {
		fmt.Fprintf(out, "%d keys are published; --retire takes those before this one away.\n", n)
	}
	return nil
}

// load reads where catalog and keys are, and whether clients are told another
// endpoint than AWS's own.
func (f initFlags) load() (cfg service.Config, endpoint string, err error) {
	if f.dev == "" {
		cfg, err = service.LoadConfig(f.config)
		return cfg, "", err
	}
	text, err := os.ReadFile(filepath.Join(f.dev, "dev.json"))
	if err != nil {
		return cfg, "", brevet.Errorf(brevet.Invalid, "%s is no folder of a sandbox: %s", f.dev, plainCause(err))
	}
	var facts sandbox.Facts
	if err := json.Unmarshal(text, &facts); err != nil {
		return cfg, "", brevet.Errorf(brevet.Invalid, "%s is no folder of a sandbox", f.dev)
	}
	return service.Config{Catalog: filepath.Join(f.dev, "catalog.yaml"), Keys: filepath.Join(f.dev, "keys")}, facts.AWS, nil
}

// bundleOf takes from the catalog what a bundle says of the customer.
func bundleOf(cat *catalog.Catalog, name string) (b glass.Bundle, err error) {
	k, ok := cat.Customer(name)
	if !ok {
		return b, brevet.Errorf(brevet.NotFound, "the catalog has no customer %s", brevet.Printable(name))
	}
	b.Customer, b.CustomerName = k.ID, k.Name
	for _, a := range cat.Accounts {
		if a.Customer != k.ID || a.OfflineIssuer == "" {
			continue
		}
		in := glass.Account{Number: a.ID, Name: a.Name, Region: a.Region, Prefix: a.Prefix, Audience: a.Audience, Contract: a.Contract}
		for _, r := range cat.RolesIn(a.ID) {
			if r.Offline {
				in.Roles = append(in.Roles, r.Name)
			}
		}
		if len(in.Roles) > 0 {
			b.Issuer = a.OfflineIssuer
			b.Accounts = append(b.Accounts, in)
		}
	}
	if len(b.Accounts) == 0 {
		return b, brevet.Errorf(brevet.Invalid, "no account of %s has a role that trusts an offline issuer", k.Name).
			WithHint("the catalog needs offline_issuer for the customer and a role with offline: true; then its stacks are deployed anew")
	}
	return b, nil
}

// readHolders reads NAME=RECIPIENT and NAME=@FILE.
func readHolders(list []string) (out []glass.Holder, err error) {
	for _, s := range list {
		name, recipient, ok := strings.Cut(s, "=")
		if !ok {
			return nil, brevet.Errorf(brevet.Invalid, "--holder %s: write NAME=RECIPIENT", brevet.Printable(s))
		}
		if file, ok := strings.CutPrefix(recipient, "@"); ok {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, brevet.Errorf(brevet.Invalid, "--holder %s: %s", name, plainCause(err))
			}
			recipient = string(text)
		}
		lines := slices.DeleteFunc(strings.Split(recipient, "\n"), func(l string) bool { l = strings.TrimSpace(l); return l == "" || l[0] == '#' })
		if len(lines) != 1 {
			return nil, brevet.Errorf(brevet.Invalid, "--holder %s: one recipient, not %d", name, len(lines))
		}
		out = append(out, glass.Holder{Name: name, Recipient: strings.TrimSpace(lines[0])})
	}
	return out, nil
}

// readPeople reads HANDLE=ID.
func readPeople(list []string) (out []glass.Person, err error) {
	for _, s := range list {
		handle, id, _ := strings.Cut(s, "=")
		if _, err := brevet.ParseHandle(handle); err != nil {
			return nil, err
		}
		p, err := brevet.ParseID[brevet.PersonID](id)
		if err != nil {
			return nil, brevet.Errorf(brevet.Invalid, "--person %s: write HANDLE=ID, as brevet whoami --json shows it", brevet.Printable(s))
		}
		out = append(out, glass.Person{Handle: brevet.Handle(handle), ID: p})
	}
	return out, nil
}

// writePrivate replaces a file among the keys as a whole, durably.
func writePrivate(name string, text []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return brevet.Errorf(brevet.Unavailable, "cannot write %s: %s", name, plainCause(err)).WithCause(err)
	}
	f, err := os.CreateTemp(dir, ".new-*") // 0600
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Sync(), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), name)
		}
		if err == nil {
			err = syncFolder(dir)
		} else {
			os.Remove(f.Name())
		}
	}
	if err != nil {
		return brevet.Errorf(brevet.Unavailable, "cannot write %s: %s", name, plainCause(err)).WithCause(err)
	}
	return nil
}

// syncFolder makes a new name in it durable, where the system can.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && os.PathSeparator == '/' {
		return err
	}
	return nil
}
