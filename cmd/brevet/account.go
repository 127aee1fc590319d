package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) account() *cobra.Command {
	return family("account", "Add, list and remove accounts", c.accountAdd(), c.accountList(), c.accountRemove())
}

// newAccount is what brevet account add was told.
type newAccount struct{ file, customer, name, number, env, region string }

// added is the answer of account add, and of account remove, as JSON.
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
		Example: "  " + cut(addExample, " --name"),
		Args:    manual.Exactly(),
		RunE:    func(*cobra.Command, []string) error { return c.addAccount(a) },
	}
	f := cmd.Flags()
	f.StringVar(&a.file, "catalog", "", "the catalog `FILE`")
	f.StringVar(&a.customer, "customer", "", "the customer `NAME`, whose account it is")
	f.StringVar(&a.name, "name", "", "the `NAME` by which targets call it")
	f.StringVar(&a.number, "number", "", "its `NUMBER`, twelve digits")
	f.StringVar(&a.region, "region", "", "the `REGION` where its sessions work by default, such as eu-west-1")
	f.StringVar(&a.env, "env", "", "its `ENVIRONMENT`, such as prod or staging (optional)")
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
	if _, err := c.editCatalog(a.file, func(text []byte) ([]byte, error) {
		return catalog.AddAccount(text, a.customer, a.name, a.number, a.env, a.region, rand.Reader, c.now())
	}); err != nil {
		return err
	}
	return c.print(added{a.file, a.customer, a.name, a.number, a.env, a.region}, func() {
		c.say("%s (%s) is in %s now; propose it with: brevet catalog apply %s", a.name, a.number, a.file, a.file)
	})
}

// editCatalog changes a catalog file as a whole: edit gets its text, and ids,
// audiences and external ids that are missing are made up.
func (c *cli) editCatalog(file string, edit func([]byte) ([]byte, error)) (*catalog.Catalog, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "cannot read %s: %s", file, rootCause(err))
	}
	if _, err := catalog.ParseIncomplete(file, text); err != nil {
		return nil, err // by the file's own name
	}
	if text, err = edit(text); err != nil {
		return nil, err
	}
	if text, _, err = catalog.Complete(text, rand.Reader, c.now()); err != nil {
		return nil, err
	}
	cat, err := catalog.Parse(file, text)
	if err != nil {
		return nil, err
	}
	return cat, replace(file, text, 0o644)
}

func (c *cli) accountList() *cobra.Command {
	var file, customer string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List accounts: of customers at which you hold a right, or a file's",
		Args:  manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := c.customers(cmd.Context(), file)
			if err != nil {
				return err
			}
			if list, err = only(list, customer); err != nil {
				return err
			}
			accounts := []api.Account{}
			for _, k := range list {
				accounts = append(accounts, k.Accounts...)
			}
			return c.print(accounts, func() { c.showAccounts(list) })
		},
	}
	cmd.Flags().StringVar(&customer, "customer", "", "only those of the customer `NAME`")
	cmd.Flags().StringVar(&file, "catalog", "", "a catalog `FILE`; without it the server is asked")
	return c.flagJSON(cmd)
}

// only keeps the customer of that name or id; "" keeps all.
func only(list []api.Customer, name string) ([]api.Customer, error) {
	if name == "" {
		return list, nil
	}
	for _, k := range list {
		if k.Name == name || k.ID == name {
			return []api.Customer{k}, nil
		}
	}
	return nil, brevet.Errorf(brevet.NotFound, "there is no customer %s that you may see", brevet.Printable(name)).WithHint("brevet customer list shows what there is")
}

func (c *cli) showAccounts(list []api.Customer) {
	t := &table{head: []string{"ACCOUNT", "NUMBER", "CUSTOMER", "ENV", "REGION", "CONTRACT"}}
	for _, k := range list {
		name := k.Name
		if k.Offboarded != nil {
			name += " (offboarded)"
		}
		for _, a := range k.Accounts {
			t.add(a.Name, a.Number, name, cmp.Or(a.Env, "-"), a.Region, fmt.Sprint(a.Contract))
		}
	}
	if len(t.rows) == 0 {
		c.say("None.")
		return
	}
	t.print(c)
}

func (c *cli) accountRemove() *cobra.Command {
	var file, customer string
	cmd := &cobra.Command{
		Use:   "remove ACCOUNT --catalog FILE",
		Short: "Take an account out of a catalog file",
		Long: `Take an account, by name or number, out of a catalog file. Comments and order of
the rest stay. An account that an entitlement or a Cedar text names is not
removed: the error says where. brevet catalog apply FILE proposes it.`,
		Args: manual.Exactly("ACCOUNT"),
		RunE: func(_ *cobra.Command, args []string) error {
			if file == "" {
				return brevet.Errorf(brevet.Invalid, "--catalog is needed").WithHint("for example: brevet account remove %s --catalog catalog.yaml", brevet.Printable(args[0]))
			}
			var gone brevet.Account
			cat, err := c.editCatalog(file, func(text []byte) (out []byte, err error) {
				out, gone, err = catalog.RemoveAccount(text, customer, args[0])
				return out, err
			})
			if err != nil {
				return err
			}
			owner, _ := cat.CustomerByID(gone.Customer)
			v := added{file, owner.Name, gone.Name, string(gone.ID), gone.Env, gone.Region}
			return c.print(v, func() {
				c.say("%s (%s) is not in %s any more; propose it with: brevet catalog apply %s", v.Name, v.Number, file, file)
			})
		},
	}
	cmd.Flags().StringVar(&file, "catalog", "", "the catalog `FILE`")
	cmd.Flags().StringVar(&customer, "customer", "", "refuse it unless the customer `NAME` owns it")
	return c.flagJSON(cmd)
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
