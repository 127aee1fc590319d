package stack

import (
	"fmt"
	"slices"
	"strings"
)

// Mutant is a template in which one thing is missing or weaker. A proof that
// does not notice has a hole.
type Mutant struct {
	Template string `json:"template"`
	Line     int    `json:"line"`
	Path     string `json:"path"`
	Change   string `json:"change"`
	Caught   string `json:"caught,omitempty"` // the claim that notices; "" if none does
	Same     string `json:"same,omitempty"`   // why it may go unnoticed: it changes nothing that matters
}

// Survived reports whether nothing noticed a change that matters.
func (m Mutant) Survived() bool { return m.Caught == "" && m.Same == "" }

// edit is a mutant before it is tried: do changes the tree, undo restores it.
type edit struct {
	at       *node
	change   string
	do, undo func()
}

// Mutate makes every mutant of the templates, one at a time, and has the
// scenarios notice it. Scenarios that are misses already notice nothing. tell
// is called with each mutant and how many there are; it may be nil. The error
// is that of [Prove].
func Mutate(s Stacks, scenarios []Scenario, tell func(m Mutant, n, of int)) ([]Mutant, error) {
	outcomes, err := Prove(s, scenarios)
	if err != nil {
		return nil, err
	}
	var fit []Scenario
	for i, o := range outcomes {
		if o.Expected == o.Result && o.Expected != Unenforceable {
			fit = append(fit, scenarios[i])
		}
	}
	h := &hunt{stacks: s, scenarios: fit, lab: newLab(s)}
	return h.all(tell), nil
}

// hunt goes through the mutants of templates that are its own copies.
type hunt struct {
	stacks    Stacks
	scenarios []Scenario
	lab       *lab
	found     []Mutant
}

func (h *hunt) all(tell func(m Mutant, n, of int)) []Mutant {
	type work struct {
		kind string
		t    *Template
		m    *mutator
	}
	var list []work
	total := 0
	for _, kind := range []string{fileAccess, fileEvents, fileForward} {
		slot := h.stacks.slot(kind)
		if *slot == nil {
			continue
		}
		t := (*slot).clone()
		*slot = t
		w := work{kind, t, editsOf(t)}
		total += len(w.m.edits)
		list = append(list, w)
	}
	h.lab = newLab(h.stacks)
	for _, w := range list {
		for _, e := range w.m.edits {
			m := Mutant{Template: w.t.Name, Line: e.at.line, Path: e.at.path, Change: e.change, Same: w.m.sameAs(e)}
			e.do()
			m.Caught = h.notice(w.kind)
			e.undo()
			h.found = append(h.found, m)
			if tell != nil {
				tell(m, len(h.found), total)
			}
		}
	}
	return h.found
}

// slot is where the template of a kind stands.
func (s *Stacks) slot(kind string) **Template {
	switch kind {
	case fileAccess:
		return &s.Access
	case fileEvents:
		return &s.Events
	}
	return &s.Forward
}

// notice returns the first claim that does not hold any more. The claims that
// noticed last are tried first: neighbours are noticed by the same.
func (h *hunt) notice(kind string) string {
	l := h.lab.changed(kind)
	for i, s := range h.scenarios {
		if o := l.prove(s, nil); o.Result != o.Expected {
			h.scenarios = slices.Insert(slices.Delete(h.scenarios, i, i+1), 0, s)
			return s.Claim
		}
	}
	return ""
}

// clone returns a copy of t whose nodes may be changed.
func (t *Template) clone() *Template {
	c := *t
	c.resources, c.conditions = map[string]*declared{}, map[string]*node{}
	for id, d := range t.resources {
		copy := *d
		copy.props = d.props.clone()
		c.resources[id] = &copy
	}
	for name, n := range t.conditions {
		c.conditions[name] = n.clone()
	}
	c.order = slices.Clone(t.order)
	c.outputs = nil // they promise nothing
	return &c
}

func (n *node) clone() *node {
	if n == nil {
		return nil
	}
	c := *n
	c.items = make([]*node, len(n.items))
	for i, item := range n.items {
		c.items[i] = item.clone()
	}
	return &c
}

// dropped is the edit that takes the i-th item out of n.
func dropped(n *node, i int, change string) edit {
	item := n.items[i]
	at := *item
	if at.key == "" && at.kind == scalarNode {
		change += " " + fmt.Sprint(at.value)
	}
	was := n.items
	return edit{&at, change, func() { n.items = slices.Delete(slices.Clone(was), i, i+1) }, func() { n.items = was }}
}

// replaced is the edit that puts something else in the place of n.
func replaced(n *node, with *node, change string) edit {
	was := *n
	at := was
	return edit{&at, change, func() {
		*n = *with
		n.key, n.line, n.path = was.key, was.line, was.path
	}, func() { *n = was }}
}

func textNode(s string) *node { return &node{value: s} }

func listOf(values ...string) *node {
	n := &node{kind: listNode}
	for _, v := range values {
		n.items = append(n.items, textNode(v))
	}
	return n
}

const changeEverybody = "everybody allowed"

// editsOf returns every mutant of a template.
func editsOf(t *Template) *mutator {
	m := &mutator{t: t}
	for _, id := range t.order {
		d := t.resources[id]
		m.resource(d)
	}
	return m
}

// mutator collects edits.
type mutator struct {
	t     *Template
	edits []edit
}

func (m *mutator) add(e ...edit) { m.edits = append(m.edits, e...) }

// withoutResource is the edit that leaves a resource out.
func (m *mutator) withoutResource(d *declared) edit {
	was := m.t.order
	return edit{&node{line: d.line, path: "Resources." + d.id}, "resource left out", func() {
		m.t.order = slices.DeleteFunc(slices.Clone(was), func(id string) bool { return id == d.id })
	}, func() { m.t.order = was }}
}

// resource makes the mutants of one resource.
func (m *mutator) resource(d *declared) {
	switch d.kind {
	case "AWS::IAM::OIDCProvider", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::CloudFormation::WaitConditionHandle":
	default:
		m.add(m.withoutResource(d))
	}
	if d.condition != "" {
		was := d.condition
		m.add(edit{&node{line: d.line, path: "Resources." + d.id + ".Condition"}, "condition " + was + " dropped", func() { d.condition = "" }, func() { d.condition = was }})
	}
	if d.props == nil {
		return
	}
	m.properties(d)
	m.choices(d.props)
	m.policies(d.props)
}

// properties makes the mutants that are peculiar to a type.
func (m *mutator) properties(d *declared) {
	drop := func(names ...string) {
		for i, p := range d.props.items {
			if slices.Contains(names, p.key) {
				m.add(dropped(d.props, i, "property dropped"))
			}
		}
	}
	set := func(name string, to *node, change string) {
		if p := d.props.field(name); p != nil && (p.kind != scalarNode || p.value != to.value) {
			m.add(replaced(p, to, change))
		}
	}
	switch d.kind {
	case "AWS::IAM::Role":
		drop("PermissionsBoundary")
		set("MaxSessionDuration", &node{value: int64(43200)}, "12 hours")
		m.strengthened(d)
	case "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy":
		if roles := d.props.field("Roles"); roles != nil && roles.kind == listNode {
			for i := range roles.items {
				m.add(dropped(roles, i, "role dropped"))
			}
		}
	case "AWS::IAM::OIDCProvider":
		set("ClientIdList", listOf("sts.amazonaws.com"), "another audience")
		set("Url", textNode("https://issuer.example.com/c/x"), "another issuer")
	case "AWS::Events::Rule":
		set("State", textNode("ENABLED"), "reading calls left out")
		set("State", textNode("DISABLED"), "switched off")
		if p := d.props.field("EventPattern"); p != nil {
			m.pattern(p)
		}
		if targets := d.props.field("Targets"); targets != nil {
			for i := range targets.items {
				m.add(dropped(targets, i, "target dropped"))
			}
		}
	case "AWS::Logs::LogGroup":
		drop("RetentionInDays")
	case "AWS::Logs::MetricFilter":
		set("FilterPattern", textNode("{ $.nothing = 1 }"), "counts nothing")
	case "AWS::CloudWatch::Alarm":
		drop("AlarmActions")
		set("Threshold", &node{value: int64(1 << 20)}, "threshold out of reach")
	case "AWS::SNS::Subscription":
		set("Endpoint", textNode("somebody@example.org"), "another address")
	case "AWS::CloudTrail::Trail":
		drop("KMSKeyId", "EnableLogFileValidation", "IsMultiRegionTrail", "IsLogging")
		set("AdvancedEventSelectors", &node{kind: listNode}, "selectors dropped")
	case "AWS::KMS::Key":
		drop("Tags")
	case "AWS::Lambda::Function":
		drop("ReservedConcurrentExecutions", "Environment")
	case "AWS::SSM::Document":
		if inputs := d.props.field("Content").field("inputs"); inputs != nil {
			for i, p := range inputs.items {
				if slices.Contains([]string{"cloudWatchLogGroupName", "cloudWatchStreamingEnabled", "idleSessionTimeout", "maxSessionDuration"}, p.key) {
					m.add(dropped(inputs, i, "input dropped"))
				}
			}
		}
	}
}

// strengthened gives a role a policy that it should not have.
func (m *mutator) strengthened(d *declared) {
	admin := "arn:aws:iam::aws:policy/PowerUserAccess"
	p := d.props.field("ManagedPolicyArns")
	if p == nil || p.kind != listNode {
		return
	}
	was := p.items
	m.add(edit{p, "PowerUserAccess added", func() { p.items = append(slices.Clone(was), textNode(admin)) }, func() { p.items = was }})
	for i := range was {
		m.add(dropped(p, i, "policy dropped"))
	}
}

// pattern makes the mutants of an event pattern.
func (m *mutator) pattern(n *node) {
	for i, item := range n.items {
		if n.kind == mappingNode {
			m.add(dropped(n, i, "field of the pattern dropped"))
		} else if n.kind == listNode && len(n.items) > 1 {
			m.add(dropped(n, i, "value of the pattern dropped"))
		}
		if item.kind != callNode {
			m.pattern(item)
		}
	}
}

// choices turns every Fn::If into each of its branches for good.
func (m *mutator) choices(n *node) {
	if n.kind == callNode && n.fn == "Fn::If" {
		arg := n.items[0]
		name := fmt.Sprint(arg.items[0].value)
		m.add(replaced(n, arg.items[1].clone(), name+" taken for true"), replaced(n, arg.items[2].clone(), name+" taken for false"))
	}
	for _, item := range n.items {
		m.choices(item)
	}
}

// policies finds the policy documents below n and makes their mutants.
func (m *mutator) policies(n *node) {
	if statements := n.field("Statement"); statements != nil {
		m.policy(statements)
		return
	}
	for _, item := range n.items {
		m.policies(item)
	}
}

// policy makes the mutants of the statements of a policy.
func (m *mutator) policy(statements *node) {
	if statements.kind == mappingNode {
		m.statement(statements, true)
		return
	}
	for i, s := range statements.items {
		alone := len(statements.items) == 1
		if !alone {
			m.add(dropped(statements, i, "statement "+sidOf(s)+" dropped"))
		} else {
			m.add(replaced(statements, &node{kind: listNode}, "statement "+sidOf(s)+" dropped"))
		}
		m.statement(s, alone)
	}
}

func sidOf(s *node) string {
	if sid := s.field("Sid"); sid != nil {
		return strings.TrimSpace(fmt.Sprint(sid.value))
	}
	return "without a Sid"
}

// statement makes the mutants of one statement.
func (m *mutator) statement(s *node, alone bool) {
	effect, _ := s.field("Effect").plainText()
	deny := effect == "Deny"
	if deny {
		m.add(replaced(s.field("Effect"), textNode("Allow"), "Deny turned into Allow"))
		m.shortened(s.field("Action"), "action dropped")
		m.shortened(s.field("Resource"), "resource dropped")
		m.shortened(s.field("Principal"), "principal dropped")
	} else {
		if a := s.field("Action"); a != nil && !isStar(a) {
			m.add(replaced(a, textNode("*"), "every action allowed"))
			m.shortened(a, "action dropped")
		}
		if r := s.field("Resource"); r != nil && !isStar(r) {
			m.add(replaced(r, textNode("*"), "every resource allowed"))
		}
		if p := s.field("Principal"); p != nil && !isStar(p) {
			m.add(replaced(p, textNode("*"), changeEverybody))
		}
	}
	m.conditions(s, deny)
}

// plainText returns a scalar's text.
func (n *node) plainText() (string, bool) {
	if n == nil || n.kind != scalarNode {
		return "", false
	}
	return asText(n.value)
}

func isStar(n *node) bool {
	s, ok := n.plainText()
	return ok && s == "*"
}

// shortened drops each item of a list of more than one.
func (m *mutator) shortened(n *node, change string) {
	if n == nil || n.kind != listNode || len(n.items) < 2 {
		return
	}
	for i := range n.items {
		m.add(dropped(n, i, change))
	}
}

// conditions drops each condition, and weakens its values.
func (m *mutator) conditions(s *node, deny bool) {
	at := slices.IndexFunc(s.items, func(n *node) bool { return n.key == "Condition" })
	if at < 0 {
		return
	}
	if s.items[at].kind == callNode {
		m.add(dropped(s, at, "conditions dropped"))
		return
	}
	for i, operator := range s.items[at].items {
		if operator.kind == callNode {
			m.add(dropped(s.items[at], i, "condition dropped"))
			m.rungs(operator)
			continue
		}
		for j, key := range operator.items {
			m.add(dropped(operator, j, "condition dropped"))
			if strings.HasSuffix(strings.ToLower(key.key), "/brevet-mfa") {
				m.rungs(key)
			}
			if deny && !strings.Contains(operator.key, "Not") {
				m.shortened(key, "value dropped")
			}
		}
	}
}
