package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/manual"
	"github.com/brevet-access/brevet/service"
	"github.com/brevet-access/brevet/signer"
)

func issuerCommand() *cobra.Command {
	return manual.Family(&cobra.Command{Use: "issuer", Short: "What clouds read to know brevet's tokens"}, publishCommand())
}

func publishCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "publish DIR",
		Short: "Write every customer's issuer documents as static files",
		Long: `Write the discovery document and the key set of every customer in the
catalog as files, for a static host that serves DIR at the catalog's issuer:

    DIR/c/CUSTOMER-ID` + signer.DiscoveryPath + `
    DIR/c/CUSTOMER-ID` + signer.JWKSPath + `

They hold public keys only and may be read by everybody. The same keys give the
same bytes, and what has not changed is not written. It opens no database and
may run beside the server. Run it after each change of the customers and each
rotation of a key: a new key signs a day after it is made.`,
		Example: "  brevetd issuer publish --config brevet.yaml public",
		Args:    manual.Exactly("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := service.LoadConfig(config)
			if err != nil {
				return err
			}
			if err := apart(args[0], cfg.Keys); err != nil {
				return err
			}
			docs, err := service.IssuerDocuments(cfg, service.Options{})
			if err != nil {
				return err
			}
			return publish(cmd.OutOrStdout(), args[0], docs)
		},
	}
	cmd.Flags().StringVar(&config, "config", "brevet.yaml", "the server's configuration `FILE`")
	return cmd
}

// apart refuses to put what everybody reads where the sealed keys lie.
func apart(dir, keys string) error {
	inside := func(a, b string) bool {
		rel, err := filepath.Rel(a, b)
		return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
	}
	a, b := real(dir), real(keys)
	if inside(a, b) || inside(b, a) {
		return brevet.Errorf(brevet.Invalid, "%s and the folder of the sealed keys, %s, must not lie within each other", dir, keys).
			WithHint("what is published is served to everybody: give it a folder of its own")
	}
	return nil
}

// real makes a path comparable as far as it exists.
func real(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if seen, err := filepath.EvalSymlinks(path); err == nil {
		return seen
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(real(parent), filepath.Base(path))
	}
	return path
}

// publish writes the documents below dir and says what it did.
func publish(out io.Writer, dir string, docs []service.Documents) error {
	for _, d := range docs {
		at := filepath.Join(dir, "c", string(d.Customer.ID))
		// The key set comes first: a discovery document never names one that is not there.
		for _, f := range []struct {
			path string
			text []byte
		}{{signer.JWKSPath, d.JWKS}, {signer.DiscoveryPath, d.Discovery}} {
			name := filepath.Join(at, filepath.FromSlash(f.path))
			wrote, err := publishFile(name, f.text)
			if err != nil {
				return brevet.Errorf(brevet.Unavailable, "cannot write %s: %s", name, plainCause(err)).WithCause(err)
			}
			what := "unchanged"
			if wrote {
				what = "wrote"
			}
			fmt.Fprintf(out, "%-9s  %s\n", what, name)
		}
	}
	strangers(out, dir, docs)
	if len(docs) > 0 {
		base := strings.TrimSuffix(docs[0].Issuer, "/c/"+string(docs[0].Customer.ID))
		fmt.Fprintf(out, "%d customers; serve %s at %s\n", len(docs), dir, base)
	}
	return nil
}

// strangers names folders of customers that the catalog does not know: what
// they publish is for whoever runs the server to take away.
func strangers(out io.Writer, dir string, docs []service.Documents) {
	entries, err := os.ReadDir(filepath.Join(dir, "c"))
	if err != nil {
		return
	}
	for _, e := range entries {
		known := slices.ContainsFunc(docs, func(d service.Documents) bool { return string(d.Customer.ID) == e.Name() })
		if _, err := brevet.ParseID[brevet.CustomerID](e.Name()); err == nil && !known {
			fmt.Fprintf(out, "left       %s: the catalog has no such customer; delete it once nothing trusts it\n", filepath.Join(dir, "c", e.Name()))
		}
	}
}

// publishFile writes a file for everybody to read, as a whole; false if it held
// the text already.
func publishFile(name string, text []byte) (wrote bool, err error) {
	if err := publicFolder(filepath.Dir(name)); err != nil {
		return false, err
	}
	if was, err := os.ReadFile(name); err == nil && bytes.Equal(was, text) {
		return false, os.Chmod(name, 0o644)
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".brevet-*")
	if err != nil {
		return false, err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return false, errors.Join(err, os.Remove(f.Name()))
	}
	return true, nil
}

// publicFolder makes folders that everybody may enter, whatever the umask is;
// those that exist stay as they are.
func publicFolder(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	} else if err == nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New(dir + " is a file")}
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := publicFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// plainCause returns what the system says, without the path that the message
// names already.
func plainCause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
