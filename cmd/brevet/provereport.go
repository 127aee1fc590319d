package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// asked says how far this is from AWS: a model, until a probe of the account
// was run from here.
func (c *cli) asked(a brevet.Account) string {
	if o, err := c.open(); err == nil {
		if p, ok := o.config.Servers[o.server].Probes[string(a.ID)]; ok {
			return fmt.Sprintf("This is a model; AWS itself was probed on %s: %d of %d checks were ok.", p.At.Local().Format("2006-01-02 15:04"), p.OK, p.Checks)
		}
	}
	return "This is a model, not AWS: brevet stack probe ACCOUNT asks AWS itself."
}

// showClaims prints what holds, what does not, and what nothing can enforce.
func (c *cli) showClaims(outcomes []stack.Outcome, long bool, asked string) {
	t := table{head: []string{"CLAIM", "EXPECTED", "RESULT", "DECIDED BY"}, free: true}
	var missed, open []stack.Outcome
	for _, o := range outcomes {
		switch {
		case o.Expected == stack.Unenforceable:
			open = append(open, o)
			continue
		case !o.OK():
			missed = append(missed, o)
		}
		t.add(o.Claim, string(o.Expected), string(o.Result), o.Statement)
	}
	if long {
		c.tellLong(outcomes)
	} else {
		for _, line := range t.lines(c.width()) {
			c.tell("%s", line)
		}
	}
	if len(open) > 0 && !long {
		c.tell("")
		c.tell("No policy can enforce:")
		for _, o := range open {
			c.tell("")
			c.tell("  %s (%s)", o.Claim, o.Result)
			c.tellWrapped("    ", "    ", o.About)
		}
	}
	for _, o := range missed {
		c.tell("")
		c.tell("MISSED: %s", o.Claim)
		c.tellWrapped("  ", "  ", o.About)
		c.tellWrapped("  ", "  ", "Expected "+string(o.Expected)+", but "+said(o)+".")
	}
	c.tell("")
	held, n, unenforceable := stack.Counts(outcomes)
	c.tell("%s: %d hold, %d do not, %d cannot be enforced.", count(len(outcomes), "claim", "claims"), held, n, unenforceable)
	c.tell("%s", asked)
}

// said tells how a claim failed.
func said(o stack.Outcome) string {
	s := "it is " + string(o.Result)
	if o.Failed != "" {
		s += " (" + o.Failed + ")"
	}
	for _, more := range []string{o.Statement, o.Why} {
		if more != "" {
			s += "; " + more
		}
	}
	return s
}

func (c *cli) tellLong(outcomes []stack.Outcome) {
	for _, o := range outcomes {
		c.tell("%s: %s", o.Claim, o.Result)
		c.tellWrapped("  ", "  ", o.About)
		if o.Statement != "" {
			c.tellWrapped("  ", "  ", "Decided by "+o.Statement+".")
		}
	}
}

// showMutants prints what went unnoticed.
func (c *cli) showMutants(mutants []stack.Mutant, survived int, asked string) {
	same := 0
	for _, m := range mutants {
		switch {
		case m.Survived():
			c.tell("UNNOTICED: %s:%d: %s: %s", m.Template, m.Line, m.Path, m.Change)
		case m.Caught == "":
			same++
			c.tell("changes nothing: %s:%d: %s: %s; %s", m.Template, m.Line, m.Path, m.Change, m.Same)
		}
	}
	c.tell("%s: %d noticed, %d unnoticed, %d change nothing.", count(len(mutants), "weakness", "weaknesses"), len(mutants)-survived-same, survived, same)
	c.tell("%s", asked)
}

// showLayers prints the table of layers.
func (c *cli) showLayers(rows []stack.LayerRow, asked string) {
	t := table{head: []string{"THREAT", "MOVES", "TRUST", "PERMISSIONS", "RECORD SEES", "NOTHING STOPS"}}
	for _, r := range rows {
		t.add(string(r.Threat), strconv.Itoa(r.Moves), strconv.Itoa(r.Trust), strconv.Itoa(r.Permissions), strconv.Itoa(r.Record), strconv.Itoa(len(r.Nothing)))
	}
	c.tell("What each layer stops, or sees, when all others have fallen:")
	c.tell("")
	for _, line := range t.lines(c.width()) {
		c.tell("%s", line)
	}
	for _, r := range rows {
		if len(r.Nothing) > 0 {
			c.tell("")
			c.tellWrapped("", "", "Nothing stops of "+string(r.Threat)+": "+strings.Join(r.Nothing, ", ")+".")
		}
	}
	c.tell("")
	c.tell("%s", asked)
}

// The elements of JUnit's format that its readers agree on.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junit writes outcomes as JUnit XML. What cannot be enforced is skipped.
func junit(outcomes []stack.Outcome) ([]byte, error) {
	s := junitSuite{Name: "brevet stack prove (a model, not AWS)", Tests: len(outcomes)}
	_, s.Failures, s.Skipped = stack.Counts(outcomes)
	for _, o := range outcomes {
		one := junitCase{Class: "brevet.stack", Name: o.Claim, Out: brevet.Printable(o.About)}
		switch {
		case o.Expected == stack.Unenforceable:
			one.Skipped = &junitMessage{Message: "no policy can enforce it: " + string(o.Result)}
		case !o.OK():
			one.Failure = &junitMessage{Message: "expected " + string(o.Expected) + ", got " + string(o.Result), Text: brevet.Printable(said(o))}
		}
		s.Cases = append(s.Cases, one)
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, brevet.Errorf(brevet.Internal, "the result cannot be written as XML").WithCause(err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
