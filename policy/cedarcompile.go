package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/brevet-access/brevet"
)

// The two Cedar texts, as they are called in errors and ids.
const (
	guardrails = "guardrails"
	automatic  = "automatic"
)

// compileCedar parses both texts and hands each cell the policies that may
// apply to it.
func (s *Set) compileCedar(r Rules) Problems {
	w := worldOf(r)
	forbid, bad := w.parse(guardrails, r.Guardrails, cedar.Forbid)
	permit, more := w.parse(automatic, r.Automatic, cedar.Permit)
	if bad = append(bad, more...); len(bad) > 0 || len(forbid)+len(permit) == 0 {
		return bad
	}
	for _, rule := range slices.Concat(forbid, permit) {
		a, _ := looks((*ast.Policy)(rule.AST()))
		s.attrs.add(a)
	}
	s.clauses = append(clausesOf(guardrails, forbid), clausesOf(automatic, permit)...)
	forbids, permits := indexCedar(forbid), indexCedar(permit)
	for _, c := range s.cells {
		c.cedar.resource = w.roleOf(c)
		c.cedar.forbid, c.cedar.permit = forbids.of(c.cedar.resource), permits.of(c.cedar.resource)
	}
	return nil
}

// world is what Cedar may name.
type world struct {
	customers map[brevet.CustomerID]string
	names     map[types.EntityUID]bool
	known     map[string]map[types.String]bool // texts by what they are
}

func worldOf(r Rules) *world {
	w := &world{customers: map[brevet.CustomerID]string{}, names: map[types.EntityUID]bool{}}
	for _, c := range r.Customers {
		w.customers[c.ID] = c.Name
		w.names[types.NewEntityUID("Customer", types.String(c.Name))] = true
		w.names[types.NewEntityUID("Customer", types.String(c.ID))] = true
	}
	for i := range r.Accounts {
		a := &r.Accounts[i]
		for _, uid := range w.parents(a) {
			w.names[uid] = true
		}
		for _, role := range r.Roles[a.ID] {
			w.names[roleUID(a, role.Name)] = true
		}
	}
	w.known = texts(r)
	return w
}

// parents returns what a role of the account is in: account and customer,
// each by both of its names.
func (w *world) parents(a *brevet.Account) []types.EntityUID {
	return []types.EntityUID{
		types.NewEntityUID("Account", types.String(a.Name)), types.NewEntityUID("Account", types.String(a.ID)),
		types.NewEntityUID("Customer", types.String(w.customer(a))), types.NewEntityUID("Customer", types.String(a.Customer)),
	}
}

func (w *world) customer(a *brevet.Account) string {
	return cmp.Or(w.customers[a.Customer], string(a.Customer))
}

func roleUID(a *brevet.Account, name brevet.RoleName) types.EntityUID {
	return types.NewEntityUID("Role", types.String(brevet.Target{Account: a.Name, Role: name}.String()))
}

func (w *world) roleOf(c *cell) types.Entity {
	return types.Entity{UID: roleUID(c.account, c.role.Name), Parents: types.NewEntityUIDSet(w.parents(c.account)...),
		Attributes: types.NewRecord(types.RecordMap{
			"role":     types.String(c.role.Name),
			"account":  types.String(c.account.Name),
			"number":   types.String(c.account.ID),
			"customer": types.String(w.customer(c.account)),
			"env":      types.String(c.account.Env),
			"region":   types.String(c.account.Region),
			"max":      types.Long(c.role.Max / time.Second),
			"mfa":      types.Long(c.role.MFA.Age() / time.Second),
		})}
}

// parse reads one of the two texts, in which every policy has the one effect.
func (w *world) parse(where, text string, effect cedar.Effect) (cedarList, Problems) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if err := bounded(text); err != nil {
		return nil, Problems{{Where: where, Line: 1, Column: 1, Message: err.Error()}}
	}
	policies, err := cedar.NewPolicyListFromBytes(where, []byte(text))
	if err != nil {
		return nil, Problems{parseProblem(where, err)}
	}
	var out cedarList
	var bad Problems
	ids := map[string]bool{}
	for i, p := range policies {
		r := newCedarRule(where, i, p)
		problem := func(err error) {
			at := p.Position()
			bad = append(bad, Problem{Where: where, Line: at.Line, Column: at.Column, Message: err.Error()})
		}
		if p.Effect() != effect {
			problem(fmt.Errorf("%s may only hold %s", where, effectName(effect)))
		}
		if ids[r.id] && r.Annotations()["id"] == "" { // two in one line
			r.id += ":" + strconv.Itoa(p.Position().Column)
		}
		if ids[r.id] {
			problem(fmt.Errorf("@id(%q) is taken by a policy above", r.id))
		}
		ids[r.id] = true
		if err := w.check(r); err != nil {
			problem(err)
		}
		out = append(out, r)
	}
	return out, bad
}

func effectName(e cedar.Effect) string {
	if e == cedar.Permit {
		return "permit"
	}
	return "forbid"
}

func newCedarRule(where string, i int, p *cedar.Policy) *cedarRule {
	notes := p.Annotations()
	r := &cedarRule{Policy: p, order: i, id: string(notes["id"]), reason: brevet.Printable(string(notes["reason"])), remedy: brevet.Printable(string(notes["remedy"]))}
	if r.id == "" {
		r.id = where + ":" + strconv.Itoa(p.Position().Line)
	}
	a, uids := looks((*ast.Policy)(p.AST()))
	r.asks = a.context["duration"] || a.context["reason"]
	r.groups = slices.ContainsFunc(uids, func(u types.EntityUID) bool { return u.Type == "Group" })
	return r
}

// check holds a policy against the schema, and what it names against the
// catalog: a guardrail on a misspelt account would guard nothing.
func (w *world) check(r *cedarRule) error {
	if !brevet.ValidName(strings.ReplaceAll(r.id, ":", "-")) {
		return fmt.Errorf("@id(%q) is not a name: up to 63 letters, digits, . _ and -", brevet.Printable(r.id))
	}
	for _, k := range []types.AnnotationKey{"id", "reason", "remedy"} {
		if v, ok := r.Annotations()[k]; ok && v == "" {
			return fmt.Errorf("@%s is empty", k)
		}
	}
	if err := validator().Policy(r.id, (*ast.Policy)(r.AST())); err != nil {
		text := strings.ReplaceAll(err.Error(), "for policy `"+r.id+"`, ", "")
		return errors.New(brevet.Printable(strings.ReplaceAll(text, "\n", "; ")))
	}
	if err := w.misspelt((*ast.Policy)(r.AST())); err != nil {
		return err
	}
	_, uids := looks((*ast.Policy)(r.AST()))
	for _, u := range uids {
		switch u.Type {
		case "Account", "Customer", "Role":
			if !w.names[u] {
				return fmt.Errorf("the catalog knows no %s", u)
			}
		}
	}
	return nil
}

var position = lazy(`^parser error: parse error at \S*:(\d+):(\d+) (.*)$`)

// parseProblem finds the position in an error of the parser.
func parseProblem(where string, err error) Problem {
	text := brevet.Printable(strings.ReplaceAll(err.Error(), "\n", " "))
	p := Problem{Where: where, Line: 1, Column: 1, Message: text}
	if m := position().FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Column, _ = strconv.Atoi(m[2])
		p.Message = "not Cedar: at " + m[3]
	}
	return p
}

// cedarIndex finds policies by the entity that their head names as resource.
type cedarIndex struct {
	all  cedarList
	only map[types.EntityUID]cedarList
}

func indexCedar(l cedarList) cedarIndex {
	x := cedarIndex{only: map[types.EntityUID]cedarList{}}
	for _, r := range l {
		uids := scopeEntities(r.AST().Resource)
		if len(uids) == 0 {
			x.all = append(x.all, r)
		}
		for _, u := range uids {
			x.only[u] = append(x.only[u], r)
		}
	}
	return x
}

// of returns the policies that may apply to the role, in the order of the
// text.
func (x cedarIndex) of(role types.Entity) cedarList {
	out := x.only[role.UID]
	for u := range role.Parents.All() {
		out = append(out[:len(out):len(out)], x.only[u]...)
	}
	if len(out) == 0 {
		return x.all
	}
	out = slices.Concat(x.all, out)
	slices.SortFunc(out, func(a, b *cedarRule) int { return cmp.Compare(a.order, b.order) })
	return out
}
