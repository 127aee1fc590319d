package main

import (
	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet/manual"
	"github.com/brevet-access/brevet/stack"
)

func (c *cli) stackTerraform() *cobra.Command {
	var f sideFlags
	var out string
	cmd := c.flagJSON(&cobra.Command{
		Use: "terraform --customer NAME --account ACCOUNT --out DIR", Short: "Write the Terraform module for an account",
		Long: `Write the Terraform module for an account.

It makes what the CloudFormation templates make, under the same names and with
the same policies, and needs no provider but hashicorp/aws. DIR/README.md says
how to use it, freeze it and leave; DIR/forward is the part for other regions.
The same catalog gives the same bytes.`,
		Args: manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.writeStack(cmd.Context(), f, out, stack.Terraform, "read README.md, then hand the directory to the customer")
		},
	})
	f.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "the `DIR` to write into; made if it is not there")
	return cmd
}
