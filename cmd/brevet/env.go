package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/manual"
)

// shell knows how to change its environment.
type shell struct {
	name  string
	unset func(name string) string
	set   func(name, value string) string
	eval  string // how a person uses the output; %s is the target
}

var shells = []shell{
	{"bash", posixUnset, posixSet, `eval "$(brevet env %s)"`},
	{"zsh", posixUnset, posixSet, `eval "$(brevet env %s)"`},
	{"fish",
		func(n string) string { return "set -e " + n + ";" },
		func(n, v string) string { return "set -gx " + n + " " + fishQuote(v) + ";" },
		"brevet env %s | source"},
	{"powershell",
		func(n string) string { return "Remove-Item Env:" + n + " -ErrorAction SilentlyContinue" },
		func(n, v string) string { return "$Env:" + n + " = '" + strings.ReplaceAll(v, "'", "''") + "'" },
		"brevet env %s | Out-String | Invoke-Expression"},
}

func posixUnset(n string) string { return "unset " + n }
func posixSet(n, v string) string {
	return "export " + n + "='" + strings.ReplaceAll(v, "'", `'\''`) + "'"
}

func fishQuote(v string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
}

func (c *cli) env() *cobra.Command {
	var name, remaining string
	var unset bool
	cmd := c.command("env TARGET", "Print what gives access to this shell", func(cmd *cobra.Command, args []string) error {
		if unset && len(args) == 0 {
			return nil
		}
		return manual.Exactly("TARGET")(cmd, args)
	}, nil)
	cmd.Example = "  eval \"$(brevet env acme-staging/ReadOnly)\"\n  eval \"$(brevet env --unset)\""
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		sh, err := shellNamed(name)
		if err != nil {
			return err
		}
		if unset {
			return c.printChange(sh, undo(os.Environ()))
		}
		w, err := wanted(args[0], remaining)
		if err != nil {
			return err
		}
		w.always = true
		return c.showEnv(cmd.Context(), sh, w)
	}
	cmd.ValidArgsFunction = c.completeTarget
	cmd.Flags().StringVar(&name, "shell", "", "write for this `SHELL`: bash, zsh, fish or powershell; default: yours")
	choices(cmd, "shell", "bash", "zsh", "fish", "powershell")
	cmd.Flags().StringVar(&remaining, "min-remaining", "", "refuse what lives shorter than this `TIME`, as 45m")
	cmd.Flags().BoolVar(&unset, "unset", false, "print what takes it away again")
	return cmd
}

func (c *cli) showEnv(ctx context.Context, sh shell, w want) error {
	s, err := c.sessionAt(w.target)
	if err != nil {
		return err
	}
	k, err := c.use(ctx, s, w)
	if err != nil {
		return err
	}
	if isTerminal(c.out) {
		c.say("hint: use it like this: %s", strings.ReplaceAll(sh.eval, "%s", w.target))
	}
	return c.printChange(sh, environment(k, os.Environ()))
}

// printChange writes the change in the language of the shell. What is set is
// not unset before, so that a failure half-way leaves no old secret in use.
func (c *cli) printChange(sh shell, ch change) error {
	var b strings.Builder
	for _, n := range ch.unset {
		if plainName(n) { // an environment may hold any name
			b.WriteString(sh.unset(n) + "\n")
		}
	}
	for _, kv := range ch.set {
		if brevet.Printable(kv[1]) != kv[1] {
			return brevet.Errorf(brevet.Internal, "%s would hold characters that no shell should see", kv[0])
		}
		b.WriteString(sh.set(kv[0], kv[1]) + "\n")
	}
	_, err := c.out.Write([]byte(b.String()))
	return err
}

// shellNamed returns the shell of that name; with "" the one that runs this.
func shellNamed(name string) (shell, error) {
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(os.Getenv("SHELL")), ".exe")
		if runtime.GOOS == "windows" && os.Getenv("SHELL") == "" {
			name = "powershell"
		}
		if name == "." || name == "sh" || name == "dash" || name == "ksh" || name == "ash" {
			name = "bash"
		}
	}
	if name == "pwsh" {
		name = "powershell"
	}
	for _, sh := range shells {
		if sh.name == name {
			return sh, nil
		}
	}
	return shell{}, brevet.Errorf(brevet.Invalid, "shell: %q is not one of bash, zsh, fish, powershell", brevet.Printable(clip(name, 40))).
		WithHint("name it: --shell bash")
}

// plainName reports whether a shell takes n as a variable's name.
func plainName(n string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	return n != "" && strings.Trim(n, letters+"0123456789") == "" && strings.Contains(letters, n[:1])
}
