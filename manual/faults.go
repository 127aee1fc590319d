package manual

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Faults lists what is wrong with the help of root and of every command below
// it, a line each; a test of each program wants none.
//
//   - No line is longer than [Width].
//   - A short description is a sentence without its full stop; a long one
//     begins with the same word.
//   - What has siblings with examples has one, and it calls that command.
//   - A flag is described in lower case, without a full stop, and its value has
//     a name in capitals: --reason TEXT, not --reason string.
func Faults(root *cobra.Command) []string {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	var f faults
	f.walk(root)
	return f
}

type faults []string

func (f *faults) add(cmd *cobra.Command, format string, args ...any) {
	*f = append(*f, cmd.CommandPath()+": "+fmt.Sprintf(format, args...))
}

func (f *faults) walk(cmd *cobra.Command) {
	f.lines(cmd)
	if foreign(cmd) {
		return // cobra's own words
	}
	f.descriptions(cmd)
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) { f.flag(cmd, flag) })
	shown := false
	for _, below := range cmd.Commands() {
		shown = shown || below.Example != ""
	}
	for _, below := range cmd.Commands() {
		if shown && below.Example == "" && below.IsAvailableCommand() && !below.HasAvailableSubCommands() && !foreign(below) {
			f.add(below, "has no example, and its siblings do")
		}
		f.walk(below)
	}
}

// foreign reports whether cobra wrote the command.
func foreign(cmd *cobra.Command) bool { return cmd.Name() == "help" || cmd.Name() == "completion" }

func (f *faults) lines(cmd *cobra.Command) {
	var out bytes.Buffer
	before := cmd.OutOrStdout()
	cmd.SetOut(&out)
	defer cmd.SetOut(before)
	if err := cmd.Help(); err != nil {
		f.add(cmd, "%s", err)
	}
	for line := range strings.Lines(out.String()) {
		line = strings.TrimRight(line, "\n")
		if n := utf8.RuneCountInString(line); n > Width {
			f.add(cmd, "%d columns: %s", n, line)
		}
		if strings.TrimRight(line, " ") != line || strings.Contains(line, "\t") {
			f.add(cmd, "a tab, or a space at the end: %q", line)
		}
	}
}

func (f *faults) descriptions(cmd *cobra.Command) {
	first, _ := utf8.DecodeRuneInString(cmd.Short)
	if !unicode.IsUpper(first) && first != '$' || strings.HasSuffix(cmd.Short, ".") {
		f.add(cmd, "the short description is no sentence without a full stop: %q", cmd.Short)
	}
	word := func(s string) string { s, _, _ = strings.Cut(s, " "); return s }
	if cmd.Long != "" && word(cmd.Long) != word(cmd.Short) {
		f.add(cmd, "the long description begins with %s, the short one with %s", word(cmd.Long), word(cmd.Short))
	}
	for line := range strings.Lines(cmd.Example) {
		if !strings.HasPrefix(line, "  ") {
			f.add(cmd, "an example is not indented: %q", line)
		}
	}
	if cmd.Example != "" && !strings.Contains(cmd.Example, cmd.CommandPath()) {
		f.add(cmd, "its example does not call it: %q", cmd.Example)
	}
}

func (f *faults) flag(cmd *cobra.Command, flag *pflag.Flag) {
	name, text := pflag.UnquoteUsage(flag)
	first, size := utf8.DecodeRuneInString(text)
	second, _ := utf8.DecodeRuneInString(text[size:])
	if text == "" || unicode.IsUpper(first) && !unicode.IsUpper(second) || strings.HasSuffix(text, ".") {
		f.add(cmd, "--%s is not described in lower case without a full stop: %q", flag.Name, text)
	}
	if name != strings.ToUpper(name) {
		f.add(cmd, "the value of --%s is called %s, not in capitals", flag.Name, name)
	}
}
