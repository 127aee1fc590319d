package main

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

// profile is one section of our block in the AWS config file.
type profile struct {
	name     string // ACCOUNT/ROLE
	process  string // the command line of the credential process
	region   string
	endpoint string // "" = AWS's own

	// portal makes the credentials instead of a process; then account and role
	// say of what.
	portal        *api.Portal
	account, role string
}

// The lines that enclose our block for one server.
const (
	beginMark = "# BEGIN brevet "
	endMark   = "# END brevet"
)

// span is where our block lies: line numbers from 0, both ends included.
type span struct{ begin, end int }

// rewrite returns the AWS config file old with the block for server holding
// exactly these profiles; a block that is not there yet is put at the end.
// Every byte outside the block stays as it is; a line end is added only to a
// last line that has none, when the block has to follow it. A profile that
// somebody else defined under the same name is left out, and clashes names
// its line; written lists the others. Writing what is there already changes nothing.
//
// A block without its end, or one that is there twice, is an error of kind
// [brevet.Conflict] that names the line.
func rewrite(old []byte, server string, profiles []profile) (text []byte, written []profile, clashes []string, err error) {
	lines := splitLines(old)
	at, found, err := findBlock(lines, server)
	if err != nil {
		return nil, nil, nil, err
	}
	eol := "\n"
	if len(lines) > 0 && strings.HasSuffix(strings.TrimSuffix(lines[0], "\n"), "\r") {
		eol = "\r\n"
	}
	foreign := sections(lines, at, found)
	for _, p := range profiles {
		if n, ok := foreign[p.name]; ok {
			clashes = append(clashes, fmt.Sprintf("line %d defines profile %s already; it was left alone", n, p.name))
			continue
		}
		written = append(written, p)
	}
	return join(lines, at, found, block(server, written, eol), eol), written, clashes, nil
}

// join puts our block in its place.
func join(lines []string, at span, found bool, ours, eol string) []byte {
	var b bytes.Buffer
	if !found {
		for _, l := range lines {
			b.WriteString(l)
		}
		if n := len(lines); n > 0 && !strings.HasSuffix(lines[n-1], "\n") {
			b.WriteString(missing(lines[n-1], eol))
		}
		b.WriteString(ours)
		return b.Bytes()
	}
	for _, l := range lines[:at.begin] {
		b.WriteString(l)
	}
	if !strings.HasSuffix(lines[at.end], "\n") {
		ours = strings.TrimSuffix(ours, eol)
	}
	b.WriteString(ours)
	for _, l := range lines[at.end+1:] {
		b.WriteString(l)
	}
	return b.Bytes()
}

// missing returns what a last line lacks of a line end.
func missing(last, eol string) string {
	if strings.HasSuffix(last, "\r") {
		return "\n"
	}
	return eol
}

// splitLines cuts text after each line feed, so that joining gives it back.
func splitLines(text []byte) []string {
	var lines []string
	for l := range strings.Lines(string(text)) {
		lines = append(lines, l)
	}
	return lines
}

func mark(line string) string { return strings.TrimRight(line, " \t\r\n") }

// findBlock finds the block for server.
func findBlock(lines []string, server string) (at span, found bool, err error) {
	open := -1 // where a block of any server began
	ours := false
	for i, l := range lines {
		switch m := mark(l); {
		case strings.HasPrefix(m, beginMark):
			if open >= 0 {
				return at, false, broken("the block that begins in line %d has no end", open+1)
			}
			open, ours = i, m == beginMark+server
			if ours && found {
				return at, false, broken("lines %d and %d both begin the block for %s", at.begin+1, i+1, server)
			}
		case m == endMark && open >= 0:
			if ours {
				at, found = span{open, i}, true
			}
			open, ours = -1, false
		}
	}
	if open >= 0 {
		return at, false, broken("the block that begins in line %d has no end", open+1)
	}
	return at, found, nil
}

func broken(format string, args ...any) error {
	return brevet.Errorf(brevet.Conflict, "the AWS config file was edited: "+format, args...).
		WithHint("put the lines %q and %q right, or remove the block; nothing was written", beginMark+"…", endMark)
}

// sections returns the profiles that are defined outside our block, with
// their line numbers from 1. Names may be quoted, as AWS tools allow.
func sections(lines []string, at span, found bool) map[string]int {
	out := map[string]int{}
	for i, l := range lines {
		if found && i >= at.begin && i <= at.end {
			continue
		}
		head, ok := strings.CutPrefix(strings.TrimSpace(l), "[")
		if !ok {
			continue
		}
		head, _, ok = strings.Cut(head, "]")
		kind, name, two := strings.Cut(strings.TrimSpace(head), " ")
		if !two {
			kind, name, two = strings.Cut(strings.TrimSpace(head), "\t")
		}
		if !ok || !two || kind != "profile" {
			continue
		}
		name = strings.Trim(strings.TrimSpace(name), `"'`)
		if _, twice := out[name]; !twice {
			out[name] = i + 1
		}
	}
	return out
}

// block writes our lines.
func block(server string, profiles []profile, eol string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+eol, args...) }
	line("%s%s", beginMark, server)
	for _, p := range profiles {
		line("[profile %s]", p.name)
		if p.portal != nil {
			line("sso_start_url = %s", p.portal.Start)
			line("sso_region = %s", p.portal.Region)
			line("sso_account_id = %s", p.account)
			line("sso_role_name = %s", p.role)
		} else {
			line("credential_process = %s", p.process)
		}
		if p.region != "" {
			line("region = %s", p.region)
		}
		if p.endpoint != "" {
			line("endpoint_url = %s", p.endpoint)
		}
	}
	line("%s", endMark)
	return b.String()
}

// commandLine quotes words so that AWS tools read them back, whether they
// split as a POSIX shell does or hand the line to one.
func commandLine(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w, runtime.GOOS)
	}
	return strings.Join(quoted, " ")
}

func quote(w, goos string) string {
	safe := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_"
	switch {
	case goos == "windows" && strings.Trim(w, safe+`\`) == "" && w != "":
		return w
	case goos == "windows":
		return `"` + w + `"` // a path holds no quotation mark there
	case strings.Trim(w, safe) == "" && w != "":
		return w
	case !strings.ContainsAny(w, "\"$`\\!"):
		return `"` + w + `"`
	}
	return "'" + strings.ReplaceAll(w, "'", `'"'"'`) + "'"
}
