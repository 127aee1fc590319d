package stack

import (
	"maps"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// Stacks are the templates that an account deploys, generated or edited by
// hand, and how they are deployed.
type Stacks struct {
	Side       Side
	Access     *Template
	Events     *Template
	Forward    *Template         // deployed in a second region
	Parameters map[string]string // those that differ from the templates' defaults
}

// Outcome is how a scenario turned out.
type Outcome struct {
	Claim     string   `json:"claim"`
	Expected  Verdict  `json:"expected"`
	Result    Verdict  `json:"result"`
	Statement string   `json:"statement"`           // what decided: a policy and its statement, a rule, a resource
	Condition string   `json:"condition,omitempty"` // that kept a statement from allowing
	About     string   `json:"about"`
	Layers    []Layer  `json:"layers"`
	Threats   []Threat `json:"threats,omitempty"`
	Alone     []Layer  `json:"alone,omitempty"` // that stop or see it when all others have fallen; see [Alone]
	Tries     int      `json:"tries"`
	Failed    string   `json:"failed,omitempty"` // the attempt that turned out otherwise
	Why       string   `json:"why,omitempty"`
}

// OK reports whether the claim holds. What cannot be enforced always does.
func (o Outcome) OK() bool { return o.Expected == Unenforceable || o.Expected == o.Result }

// TemplateKind says which of the three templates t is: access.yaml,
// events.yaml or events-forward.yaml, by its metadata or else by what it
// makes; "" if it is none of them.
func TemplateKind(t *Template) string {
	own, _ := t.Metadata["Brevet"].(map[string]any)
	if name, _ := own["Template"].(string); slices.Contains([]string{fileAccess, fileEvents, fileForward}, name) {
		return name
	}
	types := t.Types()
	_, home := t.Parameter("HomeRegion")
	switch {
	case home && slices.Contains(types, "AWS::Events::Rule"):
		return fileForward
	case slices.Contains(types, "AWS::Events::Rule"):
		return fileEvents
	case slices.Contains(types, "AWS::IAM::Role"):
		return fileAccess
	}
	return ""
}

// The names of the templates.
const (
	fileAccess  = "access.yaml"
	fileEvents  = "events.yaml"
	fileForward = "events-forward.yaml"
)

// Put takes the place of the template of t's kind. The error is of kind
// [brevet.Invalid].
func (s *Stacks) Put(t *Template) error {
	switch TemplateKind(t) {
	case fileAccess:
		s.Access = t
	case fileEvents:
		s.Events = t
	case fileForward:
		s.Forward = t
	default:
		return brevet.Errorf(brevet.Invalid, "%s is none of %s, %s and %s", t.Name, fileAccess, fileEvents, fileForward).
			WithHint("keep its Metadata, which says what it is")
	}
	return nil
}

// lab deploys the templates as the scenarios need them.
type lab struct {
	stacks   Stacks
	ready    map[string]*built
	deployed map[string]*Deployment // by template and parameters
	read     map[string]*iam.Policy // by their JSON
}

// built is one way to deploy, or why it cannot be.
type built struct {
	in         *Installed
	parameters map[string]string
	err        error
}

func newLab(s Stacks) *lab {
	return &lab{stacks: s, ready: map[string]*built{}, deployed: map[string]*Deployment{}, read: map[string]*iam.Policy{}}
}

// changed returns a lab for the same templates after a change of one kind. It
// keeps what the change does not touch.
func (l *lab) changed(kind string) *lab {
	c := newLab(l.stacks)
	maps.DeleteFunc(l.deployed, func(key string, _ *Deployment) bool { return strings.HasPrefix(key, kind+"\n") })
	c.deployed, c.read = l.deployed, l.read
	return c
}

// place is where a template is deployed.
func (l *lab) place(kind string) Place {
	a := l.stacks.Side.Account
	p := Place{Partition: a.Partition(), Account: string(a.ID), Region: a.Region, Stack: a.Prefix + strings.TrimSuffix(kind, ".yaml")}
	if kind == fileForward {
		p.Region = elsewhere(a)
	}
	return p
}

// world deploys the templates with parameters on top of those given.
func (l *lab) world(with map[string]string) (*world, error) {
	given := l.given(with)
	key := keyOf(given)
	b := l.ready[key]
	if b == nil {
		b = l.build(given)
		l.ready[key] = b
	}
	return &world{side: l.stacks.Side, in: b.in, parameters: b.parameters}, b.err
}

// given is what differs from the templates' own defaults.
func (l *lab) given(with map[string]string) map[string]string {
	given := maps.Clone(l.stacks.Parameters)
	if given == nil {
		given = map[string]string{}
	}
	given["Freeze"] = "false" // what a frozen account refuses is a claim of its own
	maps.Copy(given, with)
	for _, t := range []*Template{l.stacks.Access, l.stacks.Events, l.stacks.Forward} {
		if t == nil {
			continue
		}
		maps.DeleteFunc(given, func(k, v string) bool {
			p, ok := t.Parameter(k)
			return ok && p.HasDefault && p.Default == v
		})
	}
	return given
}

func keyOf(parameters map[string]string) string {
	key := ""
	for _, k := range slices.Sorted(maps.Keys(parameters)) {
		key += k + "=" + parameters[k] + "\n"
	}
	return key
}

func (l *lab) build(given map[string]string) *built {
	b := &built{parameters: map[string]string{}}
	unknown := maps.Clone(given)
	var ds []*Deployment
	for _, kind := range []string{fileAccess, fileEvents, fileForward} {
		t := *l.stacks.slot(kind)
		if t == nil {
			continue
		}
		mine := map[string]string{}
		for k, v := range given {
			if _, ok := t.Parameter(k); ok {
				mine[k] = v
				delete(unknown, k)
			}
		}
		d, err := l.deploy(kind, t, mine)
		if err != nil {
			b.err = err
			return b
		}
		ds = append(ds, d)
		for k, v := range d.Parameters {
			if _, ok := b.parameters[k]; !ok {
				b.parameters[k] = v
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(unknown)) {
		b.err = brevet.Errorf(brevet.Invalid, "no template has the parameter %s", quote(k))
		return b
	}
	b.in, b.err = installAll(l.read, ds)
	return b
}

func (l *lab) deploy(kind string, t *Template, parameters map[string]string) (*Deployment, error) {
	key := kind + "\n" + keyOf(parameters)
	if d := l.deployed[key]; d != nil {
		return d, nil
	}
	d, err := t.Deploy(l.place(kind), parameters)
	if err == nil {
		l.deployed[key] = d
	}
	return d, err
}

// Prove judges the scenarios, in their order. The error is of kind
// [brevet.Invalid]: the templates cannot be deployed or read with the
// parameters given. Where they cannot with those that one scenario needs, that
// scenario is a miss and says why.
func Prove(s Stacks, scenarios []Scenario) ([]Outcome, error) {
	l := newLab(s)
	if _, err := l.world(nil); err != nil {
		return nil, err
	}
	var out []Outcome
	for _, sc := range scenarios {
		out = append(out, l.prove(sc, nil))
	}
	return out, nil
}

// prove judges one scenario, with some layers fallen.
func (l *lab) prove(s Scenario, fallen map[Layer]bool) Outcome {
	o := Outcome{Claim: s.Claim, About: s.About, Expected: s.Expect, Layers: s.Layers, Threats: s.Threats}
	w, err := l.world(s.With)
	if err != nil {
		o.Result, o.Why = Absent, err.Error()
		return o
	}
	w.fallen = fallen
	tries := s.tries(w)
	o.Tries = len(tries)
	if len(tries) == 0 {
		o.Result, o.Why = Absent, "there is nothing to try"
		return o
	}
	for i, t := range tries {
		f := t.run(w)
		if s.Expect == Unenforceable && f.result == Allowed {
			f.result = Unenforceable
		}
		if i == 0 || f.result != s.Expect {
			o.Result, o.Statement, o.Condition, o.Why = f.result, f.statement, f.condition, f.why
		}
		if f.result != s.Expect {
			o.Failed = t.what
			return o
		}
	}
	return o
}
