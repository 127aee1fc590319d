package manual

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
)

// Run carries out the command line that root has. What was wrong with the line
// itself, before the body of a command began, is an error of kind Invalid with
// the right line as its hint.
func Run(ctx context.Context, root *cobra.Command) error {
	begun := false
	watch(root, &begun)
	cmd, err := root.ExecuteContextC(ctx)
	if _, ours := errors.AsType[*brevet.Error](err); err == nil || ours || begun {
		return err
	}
	return Misuse(cmd, err)
}

// watch has every command from cmd on tell when its body begins.
func watch(cmd *cobra.Command, begun *bool) {
	if body := cmd.RunE; body != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*begun = true
			return body(cmd, args)
		}
	}
	for _, below := range cmd.Commands() {
		watch(below, begun)
	}
}

// Misuse is what is wrong with a command line, and the right one as its hint.
func Misuse(cmd *cobra.Command, err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return brevet.Errorf(brevet.Invalid, "%s", plain(strings.TrimSuffix(line, "."))).WithHint("usage: %s", cmd.UseLine())
}

// plain says in our words what cobra and pflag say in theirs.
func plain(text string) string {
	if names, ok := strings.CutPrefix(text, "required flag(s) "); ok {
		names = strings.TrimSuffix(names, " not set")
		verb := "is missing"
		if strings.Contains(names, ",") {
			verb = "are missing"
		}
		return "--" + strings.ReplaceAll(strings.Trim(names, `"`), `", "`, ", --") + " " + verb
	}
	if list, ok := strings.CutPrefix(text, "if any flags in the group ["); ok {
		group, _, _ := strings.Cut(list, "]")
		return "only one of --" + strings.Join(strings.Fields(group), ", --") + " can be given"
	}
	return text
}

// Exactly takes one argument for each name, and says which is missing.
func Exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < len(names):
			return Misuse(cmd, fmt.Errorf("%s is missing", names[len(given)]))
		case len(given) > len(names):
			return Misuse(cmd, fmt.Errorf("%q is one argument too many", brevet.Printable(given[len(names)])))
		}
		return nil
	}
}

// Family is a command that only has others below it. Alone it shows its help.
func Family(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.Annotations = map[string]string{family: "true"}
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args[0])
		}
		return cmd.Help()
	}
	cmd.AddCommand(commands...)
	return cmd
}

// family marks a command that does nothing by itself.
const family = "family"

// unknown says what was mistyped, and what may have been meant.
func unknown(cmd *cobra.Command, word string) error {
	if r := []rune(word); len(r) > 40 {
		word = string(r[:39]) + "…"
	}
	text := fmt.Sprintf("%q is not a command", brevet.Printable(word))
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return brevet.Errorf(brevet.Invalid, "%s", text).WithHint("%s --help lists them", cmd.CommandPath())
}
