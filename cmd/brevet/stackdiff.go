package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/manual"
	"github.com/brevet-access/brevet/stack"
)

func (c *cli) stackDiff() *cobra.Command {
	var f sideFlags
	var files []string
	var dir string
	cmd := c.flagJSON(&cobra.Command{
		Use:   "diff --customer NAME --account ACCOUNT {--template FILE | --deployed DIR}",
		Short: "Show what a redeployment would change",
		Long: `Show what a redeployment would change in an account's stacks: resources,
parameters and outputs that come, go or change, and policies statement by
statement. Comments and order do not count, and the values of parameters stay
as they are.

What is deployed is a template as it was handed over, or as it is downloaded:
  aws cloudformation get-template --stack-name brevet-access \
    --query TemplateBody --output text > access.yaml

Exit code 0: nothing would change; 73 (conflict): something would.`,
		Args: manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir != "" {
				found, err := templatesIn(dir)
				if err != nil {
					return err
				}
				files = append(files, found...)
			}
			if len(files) == 0 {
				return brevet.Errorf(brevet.Invalid, "--template or --deployed is needed").WithHint("download what is deployed: see brevet stack diff --help")
			}
			return c.diffStacks(cmd.Context(), f, files)
		},
	})
	f.add(cmd)
	cmd.Flags().StringArrayVar(&files, "template", nil, "a deployed template, as a `FILE`; repeatable")
	cmd.Flags().StringVar(&dir, "deployed", "", "the `DIR` with the deployed templates, named as they were handed over")
	return cmd
}

// templatesIn returns the templates that a directory holds.
func templatesIn(dir string) ([]string, error) {
	var found []string
	for _, name := range []string{"access.yaml", "events.yaml", "events-forward.yaml"} {
		file := filepath.Join(dir, name)
		switch _, err := os.Stat(file); {
		case err == nil:
			found = append(found, file)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, brevet.Errorf(brevet.Invalid, "cannot read %s: %s", file, rootCause(err))
		}
	}
	if len(found) == 0 {
		return nil, brevet.Errorf(brevet.NotFound, "%s holds none of access.yaml, events.yaml and events-forward.yaml", dir)
	}
	return found, nil
}

// difference is the answer of brevet stack diff, for --json.
type difference struct {
	Same    bool           `json:"same"`
	Changes []stack.Change `json:"changes"`
}

func (c *cli) diffStacks(ctx context.Context, f sideFlags, files []string) error {
	side, err := c.side(ctx, f)
	if err != nil {
		return err
	}
	d := difference{Changes: []stack.Change{}}
	for _, name := range files {
		t, err := readTemplate(name)
		if err != nil {
			return err
		}
		changes, err := stack.Diff(side, t)
		if err != nil {
			return err
		}
		d.Changes = append(d.Changes, changes...)
	}
	d.Same = len(d.Changes) == 0
	if err := c.print(d, func() { c.showDifference(d) }); err != nil || d.Same {
		return err
	}
	things := "%d things"
	if len(d.Changes) == 1 {
		things = "%d thing"
	}
	return brevet.Errorf(brevet.Conflict, "a redeployment would change "+things, len(d.Changes))
}

func (c *cli) showDifference(d difference) {
	if d.Same {
		c.tell("A redeployment would change nothing.")
	}
	sign := map[stack.ChangeKind]string{stack.Added: "+", stack.Removed: "-", stack.Changed: "~"}
	last := ""
	for _, change := range d.Changes {
		if change.Template != last {
			c.tell("%s", change.Template)
			last = change.Template
		}
		line := sign[change.Kind] + " " + change.What + " " + change.Name
		if change.Type != "" {
			line += " (" + change.Type + ")"
		}
		c.tell("  %s", line)
		for _, detail := range change.Details {
			c.tell("      %s", detail)
		}
	}
}

// readTemplate reads a template from a file: the template itself, or the
// answer of aws cloudformation get-template that holds it.
func readTemplate(name string) (*stack.Template, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, brevet.Errorf(brevet.Invalid, "cannot read %s: %s", name, rootCause(err))
	}
	var answer struct{ TemplateBody json.RawMessage }
	if json.Unmarshal(text, &answer) == nil && answer.TemplateBody != nil {
		text = answer.TemplateBody
		var body string
		if json.Unmarshal(text, &body) == nil {
			text = []byte(body)
		}
	}
	return stack.ReadTemplate(name, text)
}
