// Package manual writes the help of the two programs, so that it has one form
// and fits a terminal of [Width] columns, and says where a help text strays
// from that form.
package manual

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Width is how many columns a line of help may take.
const Width = 80

// Install gives root, and all that is below it, this form of help.
func Install(root *cobra.Command) {
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStderr(), text(cmd))
		return err
	})
}

// text is what follows the description of a command. Its order and headings
// are cobra's, which people know and tools read.
func text(cmd *cobra.Command) string {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if cmd.Runnable() && cmd.Annotations[family] == "" {
		b.WriteString(useLine(cmd))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s [command]\n", cmd.CommandPath())
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	commands(&b, cmd)
	flags(&b, "Flags", cmd.LocalFlags())
	flags(&b, "Global Flags", cmd.InheritedFlags())
	topics(&b, cmd)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nUse \"%s [command] --help\" for more about a command.\n", cmd.CommandPath())
	}
	return b.String()
}

// useLine is the line that shows how the command is called, broken where it is
// long, but not between a flag and its value.
func useLine(cmd *cobra.Command) string {
	const glue = "\x00"
	words := strings.Fields(cmd.UseLine())
	for i := range len(words) - 1 {
		if strings.HasPrefix(words[i], "-") && unicode.IsUpper(rune(words[i+1][0])) {
			words[i] += glue
		} else {
			words[i] += " "
		}
	}
	line := fold("  ", strings.Repeat(" ", 3+len(cmd.CommandPath())), strings.Join(words, ""))
	return strings.ReplaceAll(line, glue, " ")
}

// commands lists what is below cmd, by groups where it has them.
func commands(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	for _, g := range cmd.Groups() {
		list(b, g.Title, cmd, func(below *cobra.Command) bool { return below.GroupID == g.ID })
	}
	title := "Available Commands:"
	if len(cmd.Groups()) > 0 {
		title = "Additional Commands:"
	}
	list(b, title, cmd, func(below *cobra.Command) bool { return below.GroupID == "" })
}

func list(b *strings.Builder, title string, cmd *cobra.Command, wanted func(*cobra.Command) bool) {
	begun := false
	for _, below := range cmd.Commands() {
		if !wanted(below) || !below.IsAvailableCommand() && below.Name() != "help" {
			continue
		}
		if !begun {
			fmt.Fprintf(b, "\n%s\n", title)
			begun = true
		}
		column(b, below.Name(), below.NamePadding(), below.Short)
	}
}

// topics lists the pages that are no commands.
func topics(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.HasHelpSubCommands() {
		return
	}
	b.WriteString("\nAdditional help topics:\n")
	for _, below := range cmd.Commands() {
		if below.IsAdditionalHelpTopicCommand() {
			column(b, below.CommandPath(), below.CommandPathPadding(), below.Short)
		}
	}
}

// column writes a name and what it means beside it.
func column(b *strings.Builder, name string, padding int, short string) {
	b.WriteString(fold(fmt.Sprintf("  %-*s ", padding, name), strings.Repeat(" ", padding+3), short))
}

func flags(b *strings.Builder, title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, "\n%s:\n%s\n", title, strings.TrimRight(set.FlagUsagesWrapped(Width), " \n"))
}

// fold breaks words between spaces into lines of at most Width columns, the
// first of which begins with first and the others with rest.
func fold(first, rest, words string) string {
	var b strings.Builder
	line, begun := first, false
	for word := range strings.FieldsSeq(words) {
		if begun && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > Width {
			b.WriteString(line + "\n")
			line, begun = rest, false
		}
		if begun {
			line += " "
		}
		line, begun = line+word, true
	}
	return b.String() + line + "\n"
}
