package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// mostBytes is how long a file may be: more than CloudFormation takes.
const mostBytes = 2 << 20

// linting is what was asked of brevet lint.
type linting struct {
	kind, failOn, account string
	parameters            map[string]string // of templates
}

func (c *cli) lint() *cobra.Command {
	var ask linting
	cmd := &cobra.Command{
		Use: "lint FILE...", Short: "Find what is wrong with AWS policies, and who gets in by it",
		Long: `Find what is wrong with AWS policies: bare policy documents, and every policy
in a CloudFormation template. Of a trust policy a finding shows a witness: a
token or caller that gets in and should not. FILE - is the standard input.

Nothing is asked of a server or of AWS: what is judged is a model of AWS.
Findings at or above --fail-on give exit code 73. docs/lint.md explains every
rule.`,
		Args: usage(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error { return c.runLint(ask, args) },
	}
	cmd.Flags().StringVar(&ask.kind, "kind", "", "the `KIND` of the policies: trust, identity, resource, scp, session or boundary; default: guessed")
	cmd.Flags().StringVar(&ask.failOn, "fail-on", string(iam.SeverityError), "fail from this `SEVERITY` on: error, warning, note or never")
	cmd.Flags().StringVar(&ask.account, "account", "", "the `NUMBER` of the account that the policies belong to")
	cmd.Flags().StringToStringVar(&ask.parameters, "parameter", nil, "`NAME=VALUE` of a parameter of the templates; default: its default, or made up")
	return c.flagJSON(cmd)
}

// linted is one finding as brevet lint prints it.
type linted struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	iam.Finding
}

// lintReport is the answer of brevet lint as JSON.
type lintReport struct {
	Policies int      `json:"policies"`
	Findings []linted `json:"findings"`
}

func (c *cli) runLint(ask linting, files []string) error {
	if err := ask.check(); err != nil {
		return err
	}
	r := lintReport{Findings: []linted{}}
	for _, file := range files {
		text, err := c.readFile(file)
		if err != nil {
			return err
		}
		if err := r.file(ask, file, text); err != nil {
			return err
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b linted) int {
		return cmp.Compare(slices.Index(iam.Severities, a.Severity), slices.Index(iam.Severities, b.Severity))
	})
	if err := c.print(r, func() { c.showLint(r) }); err != nil {
		return err
	}
	bad := 0
	for _, f := range r.Findings {
		if ask.failOn != "never" && f.Severity.AtLeast(iam.Severity(ask.failOn)) {
			bad++
		}
	}
	if bad > 0 {
		return brevet.Errorf(brevet.Conflict, "%s of severity %s or worse", count(bad, "finding", "findings"), ask.failOn).
			WithHint("docs/lint.md explains every rule; --fail-on sets what fails")
	}
	return nil
}

func (a linting) check() error {
	switch {
	case a.kind != "" && !slices.Contains(iam.PolicyKinds, iam.PolicyKind(a.kind)):
		return brevet.Errorf(brevet.Invalid, "--kind: there is no kind %q", brevet.Printable(a.kind)).
			WithHint("there are trust, identity, resource, scp, session and boundary")
	case a.failOn != "never" && !slices.Contains(iam.Severities, iam.Severity(a.failOn)):
		return brevet.Errorf(brevet.Invalid, "--fail-on: there is no severity %q", brevet.Printable(a.failOn)).
			WithHint("there are error, warning, note and never")
	case a.account != "" && !brevet.ValidAWSAccount(a.account):
		return brevet.Errorf(brevet.Invalid, "--account: %q is not an AWS account number", brevet.Printable(a.account)).WithHint("it has twelve digits")
	}
	return nil
}

// readFile reads a file, or the standard input where its name is a dash.
func (c *cli) readFile(name string) ([]byte, error) {
	in := c.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, brevet.Errorf(brevet.Invalid, "cannot read %s: %s", name, rootCause(err))
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, mostBytes+1))
	switch {
	case err != nil:
		return nil, brevet.Errorf(brevet.Invalid, "cannot read %s: %s", name, rootCause(err))
	case len(text) > mostBytes:
		return nil, brevet.Errorf(brevet.Invalid, "%s has more than %d bytes", name, mostBytes)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), nil
}

// file judges what a file holds.
func (r *lintReport) file(ask linting, name string, text []byte) error {
	if !barePolicy(text) {
		return r.template(ask, name, text)
	}
	p, err := iam.Parse(text)
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "%s: %s", name, err).WithHint("AWS would refuse this policy too")
	}
	kind := iam.PolicyKind(ask.kind)
	if kind == "" {
		kind = iam.GuessKind(p)
	}
	r.policy(name, 0, "", kind, ask.account, p)
	return nil
}

// barePolicy reports whether a text is a policy, or nothing else that is
// known: a JSON object without Resources.
func barePolicy(text []byte) bool {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(text, &top); err != nil {
		return strings.HasPrefix(strings.TrimSpace(string(text)), "{") && !bytes.Contains(text, []byte(`"Resources"`))
	}
	return top["Resources"] == nil
}

func (r *lintReport) policy(file string, line int, path string, kind iam.PolicyKind, account string, p *iam.Policy) {
	r.Policies++
	r.keep(file, line, path, iam.Linter{Account: account}.Lint(kind, p))
}

// keep adds findings once each.
func (r *lintReport) keep(file string, line int, path string, found []iam.Finding) {
	for _, f := range found {
		f.Path = strings.Trim(path+"."+f.Path, ".")
		if !slices.ContainsFunc(r.Findings, func(l linted) bool { return l.File == file && l.Path == f.Path && l.Rule == f.Rule }) {
			r.Findings = append(r.Findings, linted{file, line, f})
		}
	}
}

// showLint writes a paragraph for each finding.
func (c *cli) showLint(r lintReport) {
	for i, f := range r.Findings {
		if i > 0 {
			c.tell("")
		}
		where := f.File
		if f.Line > 0 {
			where += ":" + strconv.Itoa(f.Line)
		}
		c.tell("%s", where)
		if f.Path != "" {
			c.tell("  %s", f.Path)
		}
		c.tellWrapped("  ", "    ", string(f.Severity)+" "+f.Rule+": "+f.Why+".")
		if f.Witness != nil {
			c.tellWrapped("  ", "    ", "witness: "+f.Witness.String())
		}
		c.tellWrapped("  ", "    ", "mend: "+f.Mend+".")
	}
	if len(r.Findings) == 0 {
		c.say("%s, nothing found.", count(r.Policies, "policy", "policies"))
	}
}
