package manual_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/manual"
)

// program has one command that is as it should be, and what edit makes of it.
func program(edit func(good *cobra.Command)) *cobra.Command {
	good := &cobra.Command{Use: "good FILE", Short: "Do good", Long: "Do good, and say so.", Example: "  prog good file",
		Args: manual.Exactly("FILE"), RunE: func(*cobra.Command, []string) error { return nil }}
	good.Flags().String("reason", "", "why: a line of `TEXT` for the log, which everybody may read who holds the right audit there")
	other := &cobra.Command{Use: "other", Short: "Do something else", Example: "  prog other", RunE: good.RunE}
	other.Flags().Bool("red", false, "in red")
	other.Flags().Bool("blue", false, "in blue")
	other.Flags().String("from", "", "the `PLACE`")
	other.MarkFlagsMutuallyExclusive("red", "blue")
	other.MarkFlagRequired("from")
	if edit != nil {
		edit(good)
	}
	root := manual.Family(&cobra.Command{Use: "prog", Short: "A program", SilenceErrors: true, SilenceUsage: true}, good, other)
	root.SetFlagErrorFunc(manual.Misuse)
	manual.Install(root)
	return root
}

// Each fault is found, and none where there is none.
func TestFaults(t *testing.T) {
	if found := manual.Faults(program(nil)); found != nil {
		t.Errorf("%q", found)
	}
	for want, edit := range map[string]func(*cobra.Command){
		"prog good: 81 columns":                  func(c *cobra.Command) { c.Long = "Do " + strings.Repeat("x", 78) },
		"prog good: the short description is no": func(c *cobra.Command) { c.Short, c.Long = "do good", "" },
		"prog good: the long description begins": func(c *cobra.Command) { c.Long = "Good does it." },
		"prog good: has no example":              func(c *cobra.Command) { c.Example = "" },
		"prog good: its example does not call":   func(c *cobra.Command) { c.Example = "  prog goad file" },
		"prog good: an example is not indented":  func(c *cobra.Command) { c.Example = "prog good file" },
		"prog good: a tab, or a space":           func(c *cobra.Command) { c.Long = "Do \tgood." },
		"prog good: --x is not described in":     func(c *cobra.Command) { c.Flags().Bool("x", false, "Not so.") },
		"prog good: the value of --x is called":  func(c *cobra.Command) { c.Flags().String("x", "", "so") },
	} {
		found := manual.Faults(program(edit))
		if len(found) != 1 || !strings.HasPrefix(found[0], want) {
			t.Errorf("%q, want %q", found, want)
		}
	}
}

// What is long is broken between words, but not between a flag and its value.
func TestHelpIsFolded(t *testing.T) {
	root := program(func(c *cobra.Command) { c.Use = "good --customer NAME --holder NAME=RECIPIENT... --threshold K FILE" })
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"good", "--help"})
	if err := manual.Run(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	const want = `Do good, and say so.

Usage:
  prog good --customer NAME --holder NAME=RECIPIENT... --threshold K FILE
            [flags]

Examples:
  prog good file

Flags:
  -h, --help          help for good
      --reason TEXT   why: a line of TEXT for the log, which everybody may
                      read who holds the right audit there
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// What is wrong with a command line is said in one form, with the right one.
func TestMisuse(t *testing.T) {
	for line, want := range map[string][2]string{
		"good":                          {"FILE is missing", "usage: prog good FILE [flags]"},
		"good a b":                      {`"b" is one argument too many`, "usage: prog good FILE [flags]"},
		"goood":                         {`"goood" is not a command; did you mean good?`, "prog --help lists them"},
		"other":                         {"--from is missing", "usage: prog other [flags]"},
		"other --from x --red --blue":   {"only one of --red, --blue can be given", "usage: prog other [flags]"},
		"other --frm x":                 {"unknown flag: --frm", "usage: prog other [flags]"},
		"other --from":                  {"flag needs an argument: --from", "usage: prog other [flags]"},
		strings.Repeat("é", 50) + " -h": {"", ""},
	} {
		root := program(nil)
		root.SetOut(new(bytes.Buffer))
		root.SetArgs(strings.Fields(line))
		var got [2]string
		if e, ok := errors.AsType[*brevet.Error](manual.Run(context.Background(), root)); ok {
			got = [2]string{e.Message, e.Hint}
			if e.Kind != brevet.Invalid {
				t.Errorf("%s: %s", line, e.Kind)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// An error of a command's own is not taken for one of the command line.
func TestRunPassesErrors(t *testing.T) {
	broken := errors.New("broken")
	root := program(func(c *cobra.Command) { c.RunE = func(*cobra.Command, []string) error { return broken } })
	root.SetArgs([]string{"good", "x"})
	if err := manual.Run(t.Context(), root); err != broken {
		t.Error(err)
	}
}
