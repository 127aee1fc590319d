package main

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/catalog"
)

func (c *cli) account() *cobra.Command {
	return family("account", "Add accounts to a catalog file", c.accountAdd())
}

// newAccount is what brevet account add was told.
type newAccount struct{ file, customer, name, number, env, region string }

// added is the answer of account add as JSON.
type added struct {
	File     string `json:"file"`
	Customer string `json:"customer"`
	Name     string `json:"name"`
	Number   string `json:"number"`
	Env      string `json:"env,omitempty"`
	Region   string `json:"region"`
}

const addExample = "brevet account add --catalog catalog.yaml --customer acme --name acme-dev --number 777788889999 --region eu-west-1"

func (c *cli) accountAdd() *cobra.Command {
	var a newAccount
	cmd := &cobra.Command{
		Use:   "add --catalog FILE --customer NAME --name NAME --number NUMBER --region REGION",
		Short: "Write an account and its audience into a catalog file",
		Long: `Write an account into a catalog file, with an audience of its own: the value
that tells the trust policies in this account that a token is meant for them.
Comments and order of the file stay. brevet catalog apply FILE proposes it.`,
		Example: "  " + addExample,
		Args:    usage(exactly()),
		RunE:    func(*cobra.Command, []string) error { return c.addAccount(a) },
	}
	f := cmd.Flags()
	f.StringVar(&a.file, "catalog", "", "the catalog file")
	f.StringVar(&a.customer, "customer", "", "whose account it is")
	f.StringVar(&a.name, "name", "", "what it is called in targets")
	f.StringVar(&a.number, "number", "", "its twelve digits")
	f.StringVar(&a.region, "region", "", "where its sessions work by default, such as eu-west-1")
	f.StringVar(&a.env, "env", "", "such as prod or staging (optional)")
	return c.flagJSON(cmd)
}

// complete names the first flag that is missing.
func (a newAccount) complete() error {
	for _, f := range [][2]string{{"--catalog", a.file}, {"--customer", a.customer}, {"--name", a.name}, {"--number", a.number}, {"--region", a.region}} {
		if f[1] == "" {
			return brevet.Errorf(brevet.Invalid, "%s is needed", f[0]).WithHint("for example: %s", addExample)
		}
	}
	return nil
}

func (c *cli) addAccount(a newAccount) error {
	if err := a.complete(); err != nil {
		return err
	}
	text, err := os.ReadFile(a.file)
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "cannot read %s: %s", a.file, rootCause(err))
	}
	out, err := catalog.AddAccount(text, a.customer, a.name, a.number, a.env, a.region, rand.Reader, c.now())
	if err != nil {
		return err
	}
	if err := replace(a.file, out, 0o644); err != nil {
		return err
	}
	return c.print(added{a.file, a.customer, a.name, a.number, a.env, a.region}, func() {
		c.say("%s (%s) is in %s now; propose it with: brevet catalog apply %s", a.name, a.number, a.file, a.file)
	})
}

// replace writes a file as a whole: a reader sees the old content or the new.
// A symbolic link stays and what it points to is written; an existing file
// keeps its mode, a new one gets mode.
func replace(path string, data []byte, mode fs.FileMode) error {
	path, err := behind(path)
	if err != nil {
		return cannotWrite(path, err)
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".brevet-*")
	if err != nil {
		return cannotWrite(path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return cannotWrite(path, err)
	}
	return nil
}

// behind follows symbolic links to the file that they name, which need not
// exist.
func behind(path string) (string, error) {
	for range 40 {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		to, err := os.Readlink(path)
		if err != nil {
			return path, err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return path, errors.New("too many symbolic links")
}

func cannotWrite(path string, err error) error {
	return brevet.Errorf(brevet.Unavailable, "cannot write %s: %s", path, brevet.Printable(rootCause(err))).WithCause(err)
}
