package main

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/manual"
)

func (c *cli) profiles() *cobra.Command {
	return family("profiles", "Keep AWS profiles for what you may ask for", c.profilesSync())
}

func (c *cli) profilesSync() *cobra.Command {
	var showDiff, printOnly bool
	cmd := c.command("sync", "Write one AWS profile for each target into the AWS config file", manual.Exactly(),
		func(ctx context.Context, s *session, _ []string) error {
			profiles, err := c.wishes(ctx, s)
			if err != nil {
				return err
			}
			if printOnly {
				_, err := c.out.Write([]byte(block(s.server, profiles, "\n")))
				return err
			}
			unlock, err := s.home.Lock("aws-config")
			if err != nil {
				return err
			}
			defer unlock()
			return c.sync(s.server, profiles, showDiff)
		})
	cmd.Long = `Write one AWS profile for each target that you may ask for.

They lie in one marked block of the AWS config file (AWS_CONFIG_FILE, else
~/.aws/config); no line outside it is ever touched. When the server cannot be
reached the last block stays.`
	cmd.Flags().BoolVar(&showDiff, "diff", false, "show what would change and write nothing")
	cmd.Flags().BoolVar(&printOnly, "print", false, "print the block and write nothing")
	c.flagJSON(cmd)
	cmd.MarkFlagsMutuallyExclusive("diff", "print", "json")
	return cmd
}

// synced is the answer of profiles sync as JSON.
type synced struct {
	File     string   `json:"file"`
	Changed  bool     `json:"changed"`
	Profiles []string `json:"profiles"`
	Clashes  []string `json:"clashes"`
}

// wishes returns the profiles for what may be asked for.
func (c *cli) wishes(ctx context.Context, s *session) ([]profile, error) {
	ctx, cancel := brief(ctx)
	defer cancel()
	targets, err := s.Targets(ctx)
	if errors.Is(err, brevet.Unavailable) {
		e := *brevet.AsError(err)
		e.Hint = "the profiles that are there were left as they are"
		return nil, &e
	}
	if err != nil {
		return nil, err
	}
	program, err := self()
	if err != nil {
		return nil, err
	}
	var out []profile
	for _, t := range targets {
		p, ok := c.profileFor(s, program, t)
		if !ok {
			c.say("brevet: %s is left out: it does not fit into an AWS config file", t.Target)
			continue
		}
		out = append(out, p)
	}
	return out, nil
}

// profileFor writes the profile of a target. The server is named in it, so
// that it keeps asking there after a sign-in elsewhere; so is a home that is
// not the usual one. What a server says goes into a file that steers other
// programs, so it is checked here.
func (c *cli) profileFor(s *session, program string, t api.Target) (profile, bool) {
	words := []string{program, "credential-process", t.Target, "--server", s.server}
	if c.homeDir != "" || os.Getenv("BREVET_HOME") != "" {
		words = append(words, "--home", s.home.Dir())
	}
	line := commandLine(words...)
	ok := plain(t.Target) && regionLike(t.Region) && endpointLike(t.Endpoint) && brevet.Printable(line) == line
	p := profile{name: t.Target, process: line, region: t.Region, endpoint: t.Endpoint}
	if t.Portal != nil {
		p.portal, p.account, p.role = t.Portal, t.Account, t.Role
		ok = ok && t.Portal.Start != "" && endpointLike(t.Portal.Start) && t.Portal.Region != "" && regionLike(t.Portal.Region) &&
			brevet.ValidAWSAccount(t.Account) && brevet.ValidRole(t.Role)
	}
	return p, ok
}

func plain(target string) bool {
	t, err := brevet.ParseTarget(target)
	return err == nil && t.String() == target
}

func regionLike(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && len(s) <= 40
}

func endpointLike(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.String() == s &&
		!strings.ContainsAny(s, " #;\"'\\") && brevet.Printable(s) == s
}

// self returns the absolute path under which this program was called, so that
// a profile survives an upgrade behind a symbolic link.
func self() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", brevet.Errorf(brevet.Unavailable, "cannot tell where brevet lies: %s", err)
	}
	if called, err := exec.LookPath(os.Args[0]); err == nil {
		if called, err = filepath.Abs(called); err == nil && sameFile(called, program) {
			return called, nil
		}
	}
	return program, nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

// awsConfig returns the path of the AWS config file.
func awsConfig() (string, error) {
	if path := os.Getenv("AWS_CONFIG_FILE"); path != "" {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", brevet.Errorf(brevet.Invalid, "no home directory is known").WithHint("set AWS_CONFIG_FILE")
	}
	return filepath.Join(home, ".aws", "config"), nil
}

// sync brings the block in the AWS config file up to date.
func (c *cli) sync(server string, profiles []profile, dry bool) error {
	path, err := awsConfig()
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return brevet.Errorf(brevet.Unavailable, "cannot read %s: %s", path, rootCause(err))
	}
	text, written, clashes, err := rewrite(old, server, profiles)
	if err != nil {
		return err
	}
	for _, clash := range clashes {
		c.say("brevet: %s: %s", path, clash)
	}
	if dry {
		_, err := c.out.Write(diff.Diff(path, old, path, text))
		return err
	}
	done := synced{File: path, Changed: string(text) != string(old), Profiles: names(written), Clashes: append([]string{}, clashes...)}
	if done.Changed {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return cannotWrite(path, err)
		}
		if err := replace(path, text, 0o600); err != nil {
			return err
		}
	}
	return c.print(done, func() { c.showSynced(done) })
}

func (c *cli) showSynced(done synced) {
	n := count(len(done.Profiles), "profile", "profiles")
	if done.Changed {
		c.say("%s in %s. Use one: aws --profile ACCOUNT/ROLE …", n, done.File)
	} else {
		c.say("%s in %s: nothing to change.", n, done.File)
	}
}

func names(profiles []profile) []string {
	out := []string{}
	for _, p := range profiles {
		out = append(out, p.name)
	}
	return out
}
