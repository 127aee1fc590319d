package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// Complete writes what people do not think up: the id of every customer that
// has none, the external id of every one with entry assume-role that has none,
// and the audience of every account that has none. Everything else
// stays as it is, comments, order and quoting included; a second call changes
// nothing. The text must pass [ParseIncomplete]; a text that it cannot edit
// without changing more is refused with kind [brevet.Invalid].
func Complete(text []byte, random io.Reader, now time.Time) (out []byte, changed bool, err error) {
	e, err := edit(text)
	if err != nil {
		return nil, false, err
	}
	for _, k := range e.customers() {
		if _, ok := lookup(k, "id"); !ok {
			id, err := newCustomerID(random, now)
			if err != nil {
				return nil, false, err
			}
			e.add(k, []string{"name"}, "id: "+id)
		}
		if err := e.completeEntry(k, random); err != nil {
			return nil, false, err
		}
		for _, a := range items(k, "accounts") {
			if _, ok := lookup(a, "audience"); ok {
				continue
			}
			number, _ := lookup(a, "number")
			audience, err := newAudience(number.Value, random)
			if err != nil {
				return nil, false, err
			}
			e.add(a, []string{"region", "env", "number", "name"}, fmt.Sprintf("audience: %q", audience))
		}
	}
	if len(e.edits) == 0 {
		return slices.Clone(text), false, nil
	}
	out, err = e.apply()
	return out, err == nil, err
}

// completeEntry writes a customer's external id, if it needs one.
func (e *editor) completeEntry(k value, random io.Reader) error {
	way, _ := lookup(k, "entry")
	if _, ok := lookup(k, "external_id"); ok || way == nil || way.Value != AssumeRole {
		return nil
	}
	id, err := newExternalID(random)
	if err == nil {
		e.add(k, []string{"entry", "name"}, "external_id: "+scalar(id))
	}
	return err
}

// AddAccount adds an account to the customer that is called so by name or id,
// with a fresh audience, at the end of its accounts (at the beginning where
// these are written as [...]). The rest stays as it is. The errors are of kind
// [brevet.NotFound] for the customer, [brevet.Conflict] for an account that is
// there, whose customer it names, and [brevet.Invalid].
func AddAccount(text []byte, customer, name, number, env, region string, random io.Reader, now time.Time) ([]byte, error) {
	c, err := ParseIncomplete("catalog", text)
	if err != nil {
		return nil, err
	}
	known, ok := c.Customer(customer)
	if !ok {
		return nil, noCustomer(c, customer)
	}
	for _, s := range []string{name, number} {
		if a, ok := c.Account(s); ok {
			owner, _ := c.CustomerByID(a.Customer)
			return nil, brevet.Errorf(brevet.Conflict, "account %s %s is in the catalog already; it belongs to customer %s", a.Name, a.ID, owner.Name)
		}
	}
	if err := checkAccount(name, number, env, region); err != nil {
		return nil, err
	}
	audience, err := newAudience(number, random)
	if err != nil {
		return nil, err
	}
	e, err := edit(text)
	if err != nil {
		return nil, err
	}
	for _, k := range e.customers() {
		if n, _ := lookup(k, "name"); n.Value == known.Name {
			e.addAccount(k, flowAccount(name, number, env, region, audience))
		}
	}
	return e.apply()
}

// noCustomer names the customers that there are.
func noCustomer(c *Catalog, name string) error {
	var known []string
	for _, k := range c.Customers[:min(len(c.Customers), 10)] {
		known = append(known, k.Name)
	}
	err := brevet.Errorf(brevet.NotFound, "the catalog has no customer %s", quote(name))
	if known == nil {
		return err.WithHint("brevet customer add writes one")
	}
	return err.WithHint("it has %s; brevet customer add writes another", strings.Join(known, ", "))
}

// checkAccount checks what the new account is called, in the words of the
// catalog.
func checkAccount(name, number, env, region string) error {
	switch {
	case !validAccountName(name):
		return brevet.Errorf(brevet.Invalid, "name: %s is not a name: 1 to 63 letters, digits, . _ -, not a number of twelve digits", quote(name))
	case !brevet.ValidAWSAccount(number):
		return brevet.Errorf(brevet.Invalid, "number: %s is not an account number: twelve digits", quote(number))
	case env != "" && !brevet.ValidName(env):
		return brevet.Errorf(brevet.Invalid, "env: %s is not a name", quote(env))
	case !regionName().MatchString(region):
		return brevet.Errorf(brevet.Invalid, "region: %s is not an AWS region", quote(region))
	}
	return nil
}

func flowAccount(name, number, env, region, audience string) string {
	if env != "" {
		env = fmt.Sprintf("env: %s, ", scalar(env))
	}
	return fmt.Sprintf("{name: %s, number: %q, %sregion: %s, audience: %q, contract: %d}", scalar(name), number, env, region, audience, firstContract)
}

// scalar writes a name so that YAML reads it back as text: 007 and true need
// quotes.
func scalar(s string) string {
	var n, list yaml.Node
	plain := func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Value == s }
	if yaml.Unmarshal([]byte(s), &n) == nil && len(n.Content) == 1 && plain(n.Content[0]) &&
		yaml.Unmarshal([]byte("["+s+"]"), &list) == nil && len(list.Content[0].Content) == 1 && plain(list.Content[0].Content[0]) {
		return s
	}
	return fmt.Sprintf("%q", s)
}

// editor inserts into a text at places that the YAML parser told it.
type editor struct {
	text  []byte
	lines []int // offset of each line's first byte
	root  value
	edits []insertion
}

type insertion struct {
	at   int
	text string
}

func edit(text []byte) (*editor, error) {
	if _, err := ParseIncomplete("catalog", text); err != nil {
		return nil, err
	}
	r := &reader{file: "catalog"}
	root, _ := r.document(text)
	e := &editor{text: text, root: root, lines: []int{0}}
	for i, c := range text {
		if c == '\n' {
			e.lines = append(e.lines, i+1)
		}
	}
	return e, nil
}

func (e *editor) customers() []value { return items(e.root, "customers") }

// items returns the items of the list under a key.
func items(v value, key string) []value {
	n, ok := lookup(v, key)
	if !ok {
		return nil
	}
	var out []value
	for _, c := range n.Content {
		out = append(out, value{c, ""})
	}
	return out
}

// add puts "key: value" into a mapping: behind the first of the fields after
// that ends where one can see it, else before everything.
func (e *editor) add(m value, after []string, field string) {
	flow := m.Style&yaml.FlowStyle != 0
	for _, key := range after {
		n, ok := lookup(m, key)
		if !ok {
			continue
		}
		end, ok := e.end(n)
		switch {
		case !ok:
		case flow:
			e.insert(end, ", "+field)
			return
		case e.ownLine(m, key):
			e.insertLine(n.Line, strings.Repeat(" ", m.Column-1)+field)
			return
		}
	}
	if start := e.offset(m.Content[0]); flow {
		e.insert(start, field+", ")
	} else {
		e.insert(start, field+e.newline(m.Line)+strings.Repeat(" ", m.Column-1))
	}
}

// ownLine reports whether key and value stand in one line.
func (e *editor) ownLine(m value, key string) bool {
	for i := 0; i < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i].Line == m.Content[i+1].Line
		}
	}
	return false
}

// addAccount puts an account, written as a flow mapping, into a customer.
func (e *editor) addAccount(k value, account string) {
	n, ok := lookup(k, "accounts")
	switch {
	case !ok:
		e.add(k, []string{"prefix", "id", "name"}, "accounts: ["+account+"]")
	case n.Style&yaml.FlowStyle != 0:
		if len(n.Content) > 0 {
			account += ", "
		}
		e.insert(e.offset(n)+1, account)
	default:
		last := n.Content[len(n.Content)-1]
		line := e.line(last.Line)
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		e.insertLine(lastLine(last), indent+"- "+account)
	}
}

// lastLine returns the last line that a node begins a part on.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

// line returns a line of the text, counted from 1, without its break.
func (e *editor) line(n int) string {
	end := len(e.text)
	if n < len(e.lines) {
		end = e.lines[n]
	}
	return strings.TrimRight(string(e.text[e.lines[n-1]:end]), "\r\n")
}

// newline returns how the line ends.
func (e *editor) newline(n int) string {
	if n < len(e.lines) && bytes.HasSuffix(e.text[:e.lines[n]], []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// offset returns where a node begins. The parser counts columns in
// characters.
func (e *editor) offset(n *yaml.Node) int {
	at := e.lines[n.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(e.text[at:])
		at += size
	}
	return at
}

// end returns where a scalar ends that is written in one line without
// escapes.
func (e *editor) end(n *yaml.Node) (int, bool) {
	raw := n.Value
	switch {
	case n.Kind != yaml.ScalarNode || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 0, false
	case n.Style&yaml.DoubleQuotedStyle != 0:
		raw = `"` + raw + `"`
	case n.Style&yaml.SingleQuotedStyle != 0:
		raw = `'` + raw + `'`
	}
	at := e.offset(n)
	return at + len(raw), bytes.HasPrefix(e.text[at:], []byte(raw))
}

func (e *editor) insert(at int, text string) { e.edits = append(e.edits, insertion{at, text}) }

// insertLine puts a line of its own behind line n.
func (e *editor) insertLine(n int, text string) {
	if n < len(e.lines) {
		e.insert(e.lines[n], text+e.newline(n))
		return
	}
	e.insert(len(e.text), e.newline(n-1)+text) // the last line has no break
}

// apply carries out the insertions and makes sure that the text still reads
// as a catalog that differs in nothing else.
func (e *editor) apply() ([]byte, error) {
	slices.SortStableFunc(e.edits, func(a, b insertion) int { return a.at - b.at })
	var out bytes.Buffer
	at := 0
	for _, i := range e.edits {
		out.Write(e.text[at:i.at])
		out.WriteString(i.text)
		at = i.at
	}
	out.Write(e.text[at:])
	_, err := ParseIncomplete("catalog", out.Bytes())
	if err == nil {
		err = e.onlyAdded(out.Bytes())
	}
	if err != nil {
		return nil, errEdit(err)
	}
	return out.Bytes(), nil
}

func errEdit(cause error) error {
	return brevet.Errorf(brevet.Invalid, "this catalog is written in a way that cannot be edited without rewriting it").
		WithHint("write customers and accounts as in docs/catalog.md, one field a line").WithCause(cause)
}

// onlyAdded checks that the edited text holds all that was there, in the same
// order, and one more thing for each edit.
func (e *editor) onlyAdded(text []byte) error {
	r := &reader{file: "catalog"}
	root, ok := r.document(text)
	if !ok {
		return r.err()
	}
	added := 0
	if !holds(root.Node, e.root.Node, &added) || added != len(e.edits) {
		return errors.New("the edit would have changed more than it should")
	}
	return nil
}

// holds reports whether now is what was, and perhaps more fields and items,
// which it counts.
func holds(now, was *yaml.Node, added *int) bool {
	if now.Kind != was.Kind || now.Value != was.Value || now.Tag != was.Tag {
		return false
	}
	step := 1
	if now.Kind == yaml.MappingNode {
		step = 2
	}
	j := 0
	for i := 0; i < len(now.Content); i += step {
		if j < len(was.Content) && now.Content[i].Value == was.Content[j].Value {
			before, same := *added, true
			for k := range step {
				same = same && holds(now.Content[i+k], was.Content[j+k], added)
			}
			if same {
				j += step
				continue
			}
			*added = before
		}
		*added++
	}
	return j == len(was.Content)
}
