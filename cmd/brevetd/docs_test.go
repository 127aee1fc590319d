package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsNameWhatThereIs: every command line of brevet and brevetd that the
// documents show has a command and flags that exist, and every link leads to
// a file and a heading that do.
func TestDocsNameWhatThereIs(t *testing.T) {
	help := helpOf(t, buildBrevet(t))
	pages := documents(t)
	shown := 0
	for name, text := range pages {
		for _, line := range commandLines(text) {
			shown++
			if why := help.misses(line); why != "" {
				t.Errorf("%s: %q: %s", name, strings.Join(line, " "), why)
			}
		}
		for _, to := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			if why := leads(pages, name, to[1]); why != "" {
				t.Errorf("%s: link to %s: %s", name, to[1], why)
			}
		}
	}
	if shown < 100 {
		t.Errorf("%d command lines were found: they are looked for in the wrong way", shown)
	}
}

// documents returns the text of what people read, by its path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS("../.."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != "." {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			text, err := os.ReadFile(filepath.Join("../..", name))
			out[name] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	plainWord = regexp.MustCompile(`^[a-z][a-z-]*$`)
	isFormat  = regexp.MustCompile(`^brevet .* v1$`) // the first line of one
	codeSpan  = regexp.MustCompile("`([^`]+)`")
	showsRun  = regexp.MustCompile(`^(?:\$ +)?(?:.*(?:&&|\|) )?(brevetd? [a-z].*)$`)
)

// commandLines returns the words of what is written as a command: in code
// spans, and in lines of blocks.
func commandLines(text string) (lines [][]string) {
	add := func(line string) {
		line = strings.TrimSpace(line)
		if m := showsRun.FindStringSubmatch(line); m != nil && !isFormat.MatchString(line) {
			line, _, _ = strings.Cut(m[1], "  #")
			lines = append(lines, strings.Fields(line))
		}
	}
	fenced := false
	var prose []string
	for _, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			fenced = !fenced
		case fenced && strings.HasPrefix(line, "$ "), !fenced && strings.HasPrefix(line, "    "):
			add(line)
		case !fenced:
			prose = append(prose, line)
		}
	}
	for _, p := range strings.Split(strings.Join(prose, "\n"), "\n\n") {
		for _, m := range codeSpan.FindAllStringSubmatch(p, -1) {
			add(strings.ReplaceAll(m[1], "\n", " "))
		}
	}
	return lines
}

// helps is what --help says, by the words of the command.
type helps func(words ...string) string

func helpOf(t *testing.T, dir string) helps {
	known := map[string]string{}
	return func(words ...string) string {
		key := strings.Join(words, " ")
		if text, ok := known[key]; ok {
			return text
		}
		var out bytes.Buffer
		args := append(slices.Clone(words[1:]), "--help")
		if words[0] == "brevetd" {
			if code := run(t.Context(), args, &out, &out); code != 0 {
				t.Fatalf("%s --help: %s", key, out.String())
			}
		} else {
			cmd := exec.CommandContext(t.Context(), filepath.Join(dir, words[0]), args...)
			cmd.Stdout = &out
			if err := cmd.Run(); err != nil {
				t.Fatalf("%s --help: %v", key, err)
			}
		}
		known[key] = out.String()
		return out.String()
	}
}

// below lists the commands that a help text names.
func below(help string) (names []string) {
	head, _, _ := strings.Cut(help, "\nFlags:")
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z][a-z-]*) +\S`).FindAllStringSubmatch(head, -1) {
		if m[1] != "brevet" { // that is an example
			names = append(names, m[1])
		}
	}
	return names
}

// misses says what of a command line there is not; "" if all of it is there.
func (help helps) misses(line []string) string {
	path, rest := line[:1], line[1:]
	for len(rest) > 0 {
		names := below(help(path...))
		if len(names) == 0 {
			break
		}
		if w := strings.Split(rest[0], "|"); len(w) > 1 { // ls|test
			for _, one := range w {
				if !slices.Contains(names, one) {
					return one + " is no command"
				}
			}
			return ""
		}
		if w := strings.TrimRight(rest[0], ",;"); !slices.Contains(names, w) && w != "help" {
			if !plainWord.MatchString(w) { // what the command is about, or a flag
				break
			}
			return w + " is no command"
		} else if w == "help" {
			return ""
		}
		path, rest = append(slices.Clone(path), strings.TrimRight(rest[0], ",;")), rest[1:]
	}
	text := help(path...)
	for _, w := range rest {
		if w == "--" {
			break
		}
		for _, flag := range strings.Split(strings.Trim(w, "[],;|"), "|") {
			flag, _, _ = strings.Cut(flag, "=")
			if strings.HasPrefix(flag, "--") && !strings.Contains(text, flag) {
				return flag + " is no flag"
			}
		}
	}
	return ""
}

// leads says why a link does not lead anywhere; "" if it does.
func leads(pages map[string]string, from, to string) string {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
		return ""
	}
	file, heading, _ := strings.Cut(to, "#")
	name := from
	if file != "" {
		name = filepath.ToSlash(filepath.Join(filepath.Dir(from), file))
	}
	if _, err := os.Stat(filepath.Join("../..", name)); err != nil {
		return "there is no such file"
	}
	if heading == "" || !strings.HasSuffix(name, ".md") {
		return ""
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(pages[name], -1) {
		plain := regexp.MustCompile(`[^a-z0-9_ -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(plain, " ", "-") == heading {
			return ""
		}
	}
	return "there is no such heading"
}
