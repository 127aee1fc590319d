package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// opener returns what opens a URL in a browser: $BROWSER where it is set,
// else what the system has. It is nil where there is no browser on this
// machine to open: over SSH, without a display, or if that was asked for. The
// channel yields the outcome once the command ends.
func opener(noBrowser bool) func(url string) <-chan error {
	if noBrowser {
		return nil
	}
	if words := split(os.Getenv("BROWSER")); len(words) > 0 {
		return func(url string) <-chan error { return start(withURL(words, url)) }
	}
	if overSSH() {
		return nil
	}
	switch runtime.GOOS {
	case "darwin":
		return func(url string) <-chan error { return start([]string{"open", url}) }
	case "windows":
		return func(url string) <-chan error { return start([]string{"rundll32", "url.dll,FileProtocolHandler", url}) }
	}
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" && os.Getenv("WSL_DISTRO_NAME") == "" {
		return nil
	}
	for _, name := range []string{"xdg-open", "wslview", "x-www-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			return func(url string) <-chan error { return start([]string{path, url}) }
		}
	}
	return nil
}

// overSSH reports whether the person sits at another machine.
func overSSH() bool { return os.Getenv("SSH_CONNECTION") != "" || os.Getenv("SSH_TTY") != "" }

// withURL puts the URL where the command wants it: in place of %s, else last.
func withURL(words []string, url string) []string {
	args := make([]string, len(words))
	found := false
	for i, w := range words {
		args[i] = w
		if i > 0 && strings.Contains(w, "%s") {
			args[i], found = strings.ReplaceAll(w, "%s", url), true
		}
	}
	if !found {
		args = append(args, url)
	}
	return args
}

// start runs a command beside this one. What it prints goes to stderr.
func start(args []string) <-chan error {
	done := make(chan error, 1)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		done <- err
		return done
	}
	go func() { done <- cmd.Wait() }()
	return done
}

// split cuts a command into words at spaces outside quotes. On Windows a
// backslash is part of a path, elsewhere it quotes the next character.
func split(s string) []string {
	var words []string
	var word strings.Builder
	quote, inWord, escaped := rune(0), false, false
	for _, r := range s {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'' && runtime.GOOS != "windows":
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}
