package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/manual"
	"github.com/brevet-access/brevet/stack"
)

func (c *cli) stackCloudFormation() *cobra.Command {
	var f sideFlags
	var out string
	cmd := c.flagJSON(&cobra.Command{
		Use: "cloudformation --customer NAME --account ACCOUNT --out DIR", Short: "Write the CloudFormation templates for an account",
		Long: `Write the CloudFormation templates for an account, and two texts for its owner.

The files are access.yaml (who gets in), events.yaml and events-forward.yaml
(the record), INSTRUCTIONS.md (how to deploy, test, freeze and delete them) and
SECURITY.md (what they promise). The same catalog gives the same bytes.`,
		Args: manual.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.writeStack(cmd.Context(), f, out, stack.CloudFormation, "read INSTRUCTIONS.md, then hand the directory to the customer")
		},
	})
	f.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "the `DIR` to write into; made if it is not there")
	return cmd
}

// written is what was generated, for --json.
type written struct {
	Dir   string        `json:"dir"`
	Files []writtenFile `json:"files"`
}

type writtenFile struct {
	Name  string `json:"name"`
	Bytes int    `json:"bytes"`
}

// writeStack generates files for an account and writes all of them or none.
func (c *cli) writeStack(ctx context.Context, f sideFlags, dir string, generate func(stack.Side) ([]stack.File, error), next string) error {
	if dir == "" {
		return brevet.Errorf(brevet.Invalid, "--out is needed")
	}
	side, err := c.side(ctx, f)
	if err != nil {
		return err
	}
	files, err := generate(side)
	if err != nil {
		return err
	}
	if err := writeAll(dir, files); err != nil {
		return err
	}
	w := written{Dir: dir}
	for _, f := range files {
		w.Files = append(w.Files, writtenFile{f.Name, len(f.Text)})
	}
	return c.print(w, func() {
		for _, f := range w.Files {
			c.tell("%s (%d bytes)", filepath.Join(dir, f.Name), f.Bytes)
		}
		c.tell("next: %s", next)
	})
}

// writeAll writes files into a directory: first all of them beside their
// places, then each into its place, so that what fails early changes nothing.
func writeAll(dir string, files []stack.File) (err error) {
	cannot := func(name string, err error) error {
		return brevet.Errorf(brevet.Invalid, "cannot write %s: %s", name, rootCause(err))
	}
	for _, f := range files {
		name := filepath.Join(dir, f.Name)
		switch info, err := os.Lstat(name); {
		case err == nil && !info.Mode().IsRegular():
			return brevet.Errorf(brevet.Conflict, "%s is there and is not a file", name).WithHint("move it away, or give another --out")
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return cannot(name, err)
		}
	}
	for _, f := range files { // a file's name may have a folder in it
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, f.Name)), 0o777); err != nil {
			return cannot(dir, err)
		}
	}
	var beside []string
	defer func() {
		for _, name := range beside {
			_ = os.Remove(name) // what was renamed is not there any more
		}
	}()
	for _, f := range files {
		name, err := writeBeside(dir, f)
		if name != "" {
			beside = append(beside, name)
		}
		if err != nil {
			return cannot(filepath.Join(dir, f.Name), err)
		}
	}
	for i, f := range files {
		if err := os.Rename(beside[i], filepath.Join(dir, f.Name)); err != nil {
			return cannot(filepath.Join(dir, f.Name), err)
		}
	}
	return nil
}

// writeBeside writes a file under a name of its own.
func writeBeside(dir string, f stack.File) (name string, err error) {
	t, err := os.CreateTemp(filepath.Dir(filepath.Join(dir, f.Name)), "."+filepath.Base(f.Name)+".*")
	if err != nil {
		return "", err
	}
	_, err = t.Write(f.Text)
	return t.Name(), errors.Join(err, t.Chmod(0o644), t.Close())
}
