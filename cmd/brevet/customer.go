package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) customer() *cobra.Command {
	return family("customer", "Add, list and offboard customers", c.customerAdd(), c.customerList(), c.customerOffboard())
}

const customerExample = `brevet customer add --catalog catalog.yaml --name acme --contact security@acme.example --right catalog=group:security`

// newCustomer is what brevet customer add was told.
type newCustomer struct {
	catalog.NewCustomer
	file   string
	rights []string // RIGHT=WHO,WHO
}

// addedCustomer is the answer of customer add as JSON.
type addedCustomer struct {
	File       string `json:"file"`
	Name       string `json:"name"`
	ID         string `json:"id"`
	Entry      string `json:"entry"`
	ExternalID string `json:"external_id,omitempty"`
	Contact    string `json:"contact,omitempty"`
	LogGroup   string `json:"log_group"`
}

func (c *cli) customerAdd() *cobra.Command {
	var n newCustomer
	cmd := &cobra.Command{
		Use:   "add --catalog FILE --name NAME",
		Short: "Write a customer and its id into a catalog file",
		Long: `Write a customer into a catalog file, with an id of its own: its issuer and keys
go by that. With --entry assume-role it gets an external id of its own too.
Comments and order of the file stay. brevet account add gives it accounts,
brevet catalog apply FILE proposes it.`,
		Example: "  " + cut(customerExample, " --contact"),
		Args:    manual.Exactly(),
		RunE:    func(*cobra.Command, []string) error { return c.addCustomer(n) },
	}
	f := cmd.Flags()
	f.StringVar(&n.file, "catalog", "", "the catalog `FILE`")
	f.StringVar(&n.Name, "name", "", "its `NAME`")
	f.StringVar(&n.Prefix, "prefix", "", "the `PREFIX` of the names of its IAM roles (default brevet-)")
	f.StringVar(&n.Entry, "entry", "", "the `WAY` into its accounts: oidc or assume-role (default oidc)")
	f.StringVar(&n.Contact, "contact", "", "the mail `ADDRESS` that its stack sends alerts to")
	f.StringVar(&n.LogGroup, "log-group", "", "the log group `NAME` in which its stack records what sessions do")
	f.StringVar(&n.Offline, "offline-issuer", "", "the `URL` that its roles with offline trust, and no other role does")
	f.StringArrayVar(&n.rights, "right", nil, "who holds a right there, `RIGHT=WHO`: catalog=group:security,lead (repeatable)")
	return c.flagJSON(cmd)
}

func (c *cli) addCustomer(n newCustomer) error {
	for _, f := range [][2]string{{"--catalog", n.file}, {"--name", n.Name}} {
		if f[1] == "" {
			return brevet.Errorf(brevet.Invalid, "%s is needed", f[0]).WithHint("for example: %s", customerExample)
		}
	}
	var err error
	if n.Rights, err = parseRights(n.rights); err != nil {
		return err
	}
	cat, err := c.editCatalog(n.file, func(text []byte) ([]byte, error) {
		return catalog.AddCustomer(text, n.NewCustomer, rand.Reader, c.now())
	})
	if err != nil {
		return err
	}
	k, _ := cat.Customer(n.Name)
	out := addedCustomer{File: n.file, Name: k.Name, ID: string(k.ID), Entry: cat.Entry(k.ID), ExternalID: cat.ExternalID(k.ID), Contact: k.Contact, LogGroup: k.LogGroup}
	return c.print(out, func() {
		c.say("%s (%s) is in %s now; give it accounts with: brevet account add --catalog %s --customer %s", k.Name, string(k.ID), n.file, n.file, k.Name)
		if cat.Holders(k.ID, brevet.RightCatalog).Empty() {
			c.say("note: nobody holds the right catalog there, so once this rules only the server's own file changes the catalog; --right catalog=WHO gives it")
		}
	})
}

// parseRights reads RIGHT=WHO,WHO.
func parseRights(given []string) (map[brevet.Right][]string, error) {
	out := map[brevet.Right][]string{}
	for _, s := range given {
		right, who, ok := strings.Cut(s, "=")
		if !ok || right == "" || who == "" {
			return nil, brevet.Errorf(brevet.Invalid, "--right: %q is not RIGHT=WHO", brevet.Printable(s)).WithHint("for example: --right catalog=group:security,lead")
		}
		out[brevet.Right(right)] = append(out[brevet.Right(right)], strings.Split(who, ",")...)
	}
	return out, nil
}

func (c *cli) customerList() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List customers: those at which you hold a right, or a file's",
		Args:  manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := c.customers(cmd.Context(), file)
			if err != nil {
				return err
			}
			return c.print(list, func() { c.showCustomers(list, file) })
		},
	}
	cmd.Flags().StringVar(&file, "catalog", "", "a catalog `FILE`; without it the server is asked")
	return c.flagJSON(cmd)
}

// customers returns those of a file, or those that the server shows.
func (c *cli) customers(ctx context.Context, file string) ([]api.Customer, error) {
	if file == "" {
		s, err := c.session()
		if err != nil {
			return nil, err
		}
		ctx, cancel := brief(ctx)
		defer cancel()
		return s.Customers(ctx)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "cannot read %s: %s", file, rootCause(err))
	}
	cat, err := catalog.ParseIncomplete(file, text)
	if err != nil {
		return nil, err
	}
	out := []api.Customer{}
	for _, k := range cat.Customers {
		v := api.Customer{Name: k.Name, State: "unknown", Entry: cat.Entry(k.ID), Contact: k.Contact, LogGroup: k.LogGroup, Accounts: []api.Account{}}
		if _, err := brevet.ParseID[brevet.CustomerID](string(k.ID)); err == nil { // else there is none yet
			v.ID = string(k.ID)
		}
		for _, a := range cat.Accounts {
			if a.Customer == k.ID {
				v.Accounts = append(v.Accounts, api.Account{Number: string(a.ID), Name: a.Name, Customer: k.Name, Env: a.Env, Region: a.Region, Contract: a.Contract})
			}
		}
		out = append(out, v)
	}
	return out, nil
}

func (c *cli) showCustomers(list []api.Customer, file string) {
	if len(list) == 0 {
		c.say("None.")
		return
	}
	t := &table{head: []string{"CUSTOMER", "ID", "ENTRY", "ACCOUNTS", "STATE"}, free: true}
	for _, k := range list {
		state := k.State
		if o := k.Offboarded; o != nil {
			state = fmt.Sprintf("offboarded %s by %s: %s", at(o.At, c.now()), o.By, o.Reason)
		}
		t.add(k.Name, k.ID, k.Entry, fmt.Sprint(len(k.Accounts)), state)
	}
	t.print(c)
	if file != "" {
		c.say("A file does not say who was offboarded; without --catalog the server does.")
	}
}

func (c *cli) customerOffboard() *cobra.Command {
	var in api.Offboard
	cmd := c.command("offboard NAME --reason TEXT", "End a customer for good: all grants, requests and ways in", manual.Exactly("NAME"),
		func(ctx context.Context, s *session, args []string) (err error) {
			if in.Reason, err = reasonGiven(in.Reason, "the contract ended"); err != nil {
				return err
			}
			ctx, cancel := brief(ctx)
			defer cancel()
			v, err := s.Offboard(ctx, args[0], in)
			if err != nil {
				return err
			}
			return errors.Join(c.print(v, func() { c.showOffboarded(v) }), proven(v))
		})
	cmd.Long = `End a customer for good. From the server's answer on nobody asks for, decides on
or is issued anything in its accounts, whatever the catalog says; its grants are
revoked and its pending requests cancelled. Credentials that left before live
until they die, and the answer says when that is: brevet has no way in any more
by which to cut them off. To have that done, end its access before, with
brevet revoke --account NAME --wait for each account. It needs the right revoke
at the customer. There is no way back: a customer that returns is a new one.`
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why: a line of `TEXT` for the log")
	return c.flagJSON(cmd)
}

func (c *cli) showOffboarded(v api.Offboarded) {
	c.tell("Offboarded: %s. %s ended, %s cancelled.", v.Customer, many(v.Grants, "grant"), many(v.Requests, "request"))
	if v.Until != nil {
		c.tell("%s may still be in use; the last dies by itself %s.", many(v.Sessions, "credential"), at(*v.Until, c.now()))
	} else {
		c.tell("No credential is out.")
	}
	if v.Proof != nil {
		c.tell("Proof: brevet refuses to enter %s of its accounts.", many(v.Proof.Refused, "role"))
	}
	c.say("What its stack still trusts only its owner can end: by deleting it, or by its parameter Freeze.")
}

// proven turns a proof that failed into an error.
func proven(v api.Offboarded) error {
	if v.Proof == nil || v.Proof.OK {
		return nil
	}
	return brevet.Errorf(brevet.Internal, "brevet would still enter %s", strings.Join(v.Proof.Admitted, ", ")).
		WithHint("stop the server, and tell those who run it")
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
