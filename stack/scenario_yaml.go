package stack

import (
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// ReadScenarios reads scenarios that somebody adds to those of [Scenarios],
// from YAML; docs/proof.md shows how. It is strict: unknown keys, keys that
// stand twice, roles that the account has not, claims that are taken. The
// error is of kind [brevet.Invalid] and has a line "NAME:LINE: path: message"
// for each problem.
func ReadScenarios(name string, text []byte, side Side) ([]Scenario, error) {
	r := &scenarioReader{reader: &reader{file: name, simple: true}, side: side, taken: map[string]bool{}}
	for _, s := range Scenarios(side) {
		r.taken[s.Claim] = true
	}
	if root := r.document(text); root != nil {
		r.fields(root, map[string]func(*node){"scenarios": func(n *node) {
			for _, item := range r.items(n) {
				r.scenario(item)
			}
			if n.kind == listNode && len(n.items) == 0 {
				r.errorf(n, "must hold a scenario")
			}
		}}, "scenarios")
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return r.all, nil
}

type scenarioReader struct {
	*reader
	side  Side
	taken map[string]bool
	all   []Scenario
}

// items returns what a list holds.
func (r *scenarioReader) items(n *node) []*node {
	if n.kind != listNode {
		r.errorf(n, "must be a list, not %s", n.name())
		return nil
	}
	return n.items
}

// texts reads a text, or a list of texts.
func (r *scenarioReader) texts(n *node) []string {
	if n.kind == scalarNode {
		return []string{r.filled(n)}
	}
	out := []string{}
	for _, item := range r.items(n) {
		out = append(out, r.filled(item))
	}
	return out
}

// filled reads a text with the names of the account put in.
func (r *scenarioReader) filled(n *node) string {
	a := r.side.Account
	s := strings.NewReplacer("${partition}", a.Partition(), "${account}", string(a.ID), "${region}", a.Region, "${prefix}", a.Prefix).Replace(r.text(n))
	if strings.Contains(s, "${") {
		r.errorf(n, "%s: only ${partition}, ${account}, ${region} and ${prefix} are known", quote(s))
	}
	return s
}

func (r *scenarioReader) scenario(n *node) {
	s := Scenario{With: map[string]string{}}
	var t []try
	kinds, wants := 0, ""
	kind := func(want string, read func(n *node) try) func(*node) {
		return func(n *node) {
			kinds++
			wants = want
			t = []try{read(n)}
		}
	}
	r.fields(n, map[string]func(*node){
		"claim": func(n *node) { s.Claim = r.claim(n) },
		"about": func(n *node) { s.About = r.text(n) },
		"expect": func(n *node) {
			s.Expect = Verdict(r.text(n))
			if !slices.Contains([]Verdict{Allowed, Refused, Recorded, Ignored}, s.Expect) {
				r.errorf(n, "%s is not allowed, refused, recorded or ignored", quote(string(s.Expect)))
			}
		},
		"with": func(n *node) { r.each(n, func(n *node) { s.With[n.key] = r.filled(n) }) },
		"call": kind("call", r.call), "enter": kind("enter", r.enter), "event": kind("event", r.event),
	}, "claim", "about", "expect")
	recorded := s.Expect == Recorded || s.Expect == Ignored
	switch {
	case n.kind != mappingNode:
	case kinds != 1:
		r.errorf(n, "needs one of call, enter and event")
	case recorded != (wants == "event"):
		r.errorf(n, "a call or an entry is allowed or refused, an event recorded or ignored")
	}
	s.Layers = map[string][]Layer{"call": permissionsLayer, "enter": trustLayer, "event": recordLayer}[wants]
	s.tries = func(*world) []try { return t }
	r.all = append(r.all, s)
}

func (r *scenarioReader) claim(n *node) string {
	s := r.text(n)
	switch {
	case s == "" || len(s) > 60 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || s[0] == '-':
		r.errorf(n, "%s is not an id: up to 60 lower-case letters, digits and hyphens", quote(s))
	case r.taken[s]:
		r.errorf(n, "the claim %s is there already", s)
	}
	r.taken[s] = true
	return s
}

// role reads the name of a role that the account has.
func (r *scenarioReader) role(n *node) brevet.RoleName {
	name := brevet.RoleName(r.text(n))
	var all []string
	for _, role := range r.side.Roles {
		all = append(all, string(role.Name))
	}
	if !slices.Contains(all, string(name)) {
		r.errorf(n, "the account has no role %s; it has %s", quote(string(name)), strings.Join(all, ", "))
	}
	return name
}

// context reads condition keys and their values.
func (r *scenarioReader) context(n *node, put func(key string, values []string)) {
	r.each(n, func(n *node) {
		if !strings.Contains(n.key, ":") {
			r.errorf(n, "a condition key has a colon in it")
		}
		put(n.key, r.texts(n))
	})
}

func (r *scenarioReader) action(n *node) string {
	s := r.text(n)
	if service, name, ok := strings.Cut(s, ":"); !ok || service == "" || name == "" || strings.ContainsAny(s, "*? ") {
		r.errorf(n, "%s is not an action such as s3:GetObject", quote(s))
	}
	return s
}

func (r *scenarioReader) call(n *node) try {
	var role brevet.RoleName
	c := call{grant: oneGrant, tags: map[string]string{}, context: iam.Context{}}
	r.fields(n, map[string]func(*node){
		"role": func(n *node) { role = r.role(n) }, "action": func(n *node) { c.action = r.action(n) },
		"resource": func(n *node) { c.resources = append([]string{r.filled(n)}, c.resources...) },
		"also":     func(n *node) { c.resources = append(c.resources, r.texts(n)...) },
		"tags":     func(n *node) { r.each(n, func(n *node) { c.tags[n.key] = r.text(n) }) },
		"context":  func(n *node) { r.context(n, func(key string, values []string) { c.context[key] = values }) },
	}, "role", "action", "resource")
	return try{c.action, func(w *world) finding {
		mine := c
		mine.role = w.side.Account.RoleARN(role)
		return w.call(mine)
	}}
}

func (r *scenarioReader) enter(n *node) try {
	var role brevet.RoleName
	var changes []change
	mfa := string(brevet.Rungs[0])
	r.fields(n, map[string]func(*node){
		"role": func(n *node) { role = r.role(n) }, "mfa": func(n *node) { mfa = r.text(n) },
		"action": func(n *node) {
			action := r.action(n)
			changes = append(changes, func(_ *world, a *attempt) { a.action = action })
		},
		"provider": func(n *node) {
			arn := r.filled(n)
			changes = append(changes, provider(func(string) string { return arn }))
		},
		"caller": func(n *node) {
			arn := r.filled(n)
			changes = append(changes, func(_ *world, a *attempt) {
				a.caller = iam.Caller{ARN: arn}
				a.context["aws:PrincipalArn"] = []string{arn}
			})
		},
		"tags": func(n *node) { r.each(n, func(n *node) { changes = append(changes, setTag(n.key, r.texts(n)...)) }) },
		"set": func(n *node) {
			r.context(n, func(key string, values []string) { changes = append(changes, set(key, values...)) })
		},
	}, "role")
	return try{"entry into " + string(role), func(w *world) finding {
		a := w.right(role, mfa)
		for _, c := range changes {
			c(w, &a)
		}
		return w.enter(a)
	}}
}

func (r *scenarioReader) event(n *node) try {
	e, ok := r.fillAll(n).(map[string]any)
	if !ok {
		r.errorf(n, "must be a mapping: an event as EventBridge has it")
	}
	return try{"the event", func(w *world) finding {
		if rule := w.goes(e, w.side.Account.Region, func(*world, Target) bool { return true }); rule != "" {
			return finding{result: Recorded, statement: "rule " + rule}
		}
		return finding{result: Ignored, statement: "no rule"}
	}}
}

// fillAll returns a value with the names of the account put into every text.
func (r *scenarioReader) fillAll(n *node) any {
	switch n.kind {
	case listNode:
		list := []any{}
		for _, item := range n.items {
			list = append(list, r.fillAll(item))
		}
		return list
	case mappingNode:
		m := map[string]any{}
		for _, item := range n.items {
			m[item.key] = r.fillAll(item)
		}
		return m
	}
	if isText(n.value) {
		return r.filled(n)
	}
	return n.value
}
