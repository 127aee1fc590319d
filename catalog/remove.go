package catalog

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// RemoveAccount takes an account out of the catalog, by name or number;
// customer, if it is not "", must own it. Every other byte stays, and every
// comment that is not the account's own. The errors are of kind
// [brevet.NotFound], [brevet.Conflict] for an account that other parts of the
// catalog name, and [brevet.Invalid].
func RemoveAccount(text []byte, customer, nameOrNumber string) ([]byte, brevet.Account, error) {
	p := &parser{reader: reader{file: "catalog"}, incomplete: true}
	c, err := p.parse(text)
	if err != nil {
		return nil, brevet.Account{}, err
	}
	account, ok := c.Account(nameOrNumber)
	if !ok {
		return nil, account, brevet.Errorf(brevet.NotFound, "the catalog has no account %s", quote(nameOrNumber)).WithHint("brevet account list shows what there is")
	}
	owner, _ := c.CustomerByID(account.Customer)
	if customer != "" {
		k, ok := c.Customer(customer)
		if !ok {
			return nil, account, noCustomer(c, customer)
		}
		if k.ID != owner.ID {
			return nil, account, brevet.Errorf(brevet.NotFound, "customer %s has no account %s; it belongs to %s", k.Name, nameOrNumber, owner.Name)
		}
	}
	if err := p.named(account); err != nil {
		return nil, account, err
	}
	e, err := edit(text)
	if err != nil {
		return nil, account, err
	}
	for _, k := range e.customers() {
		for i, a := range items(k, "accounts") {
			if n, _ := lookup(a, "number"); n.Value == string(account.ID) {
				out, err := e.removeItem(k, "accounts", i)
				return out, account, err
			}
		}
	}
	return nil, account, errEdit(nil)
}

// named refuses to remove an account that other parts of the catalog need.
func (p *parser) named(a brevet.Account) error {
	var naming []string
	for _, e := range p.entitlements {
		for _, n := range e.accounts {
			byName := n.name == a.Name || n.name == string(a.ID)
			alone := len(e.Accounts) == 1 && e.Accounts[0] == a.ID
			switch {
			case byName:
				naming = append(naming, fmt.Sprintf("%s (line %d)", e.Name, n.at.Line))
			case alone, p.onlyBy(e, n.name, a):
				naming = append(naming, fmt.Sprintf("%s (line %d, the last account that %s stands for)", e.Name, n.at.Line, n.name))
			}
		}
	}
	if naming != nil {
		return brevet.Errorf(brevet.Conflict, "account %s is named by the entitlements %s", a.Name, strings.Join(naming, ", ")).
			WithHint("take it out of them first, or remove them")
	}
	for _, s := range []string{a.Name, string(a.ID)} {
		for where, text := range map[string]string{"guardrails": p.guardrails.text, "automatic": p.automatic.text} {
			if strings.Contains(text, `Account::"`+s+`"`) || strings.Contains(text, `Role::"`+s+`/`) {
				return brevet.Errorf(brevet.Conflict, "account %s is named by the Cedar text in %s", a.Name, where).WithHint("change that first")
			}
		}
	}
	return nil
}

// onlyBy reports whether an env: of the entitlement stands for a and nothing
// else.
func (p *parser) onlyBy(e *entitlement, item string, a brevet.Account) bool {
	env, byEnv := strings.CutPrefix(item, "env:")
	if !byEnv || env != a.Env {
		return false
	}
	for _, k := range p.customers {
		for _, other := range k.accounts {
			if k.ID == e.Customer && other.Env == env && other.ID != a.ID {
				return false
			}
		}
	}
	return true
}

// removeItem takes the i-th item out of the list under a mapping's key. Where
// an item ends the parser does not tell, so that the first end is taken which
// leaves everything else as it is.
func (e *editor) removeItem(m value, key string, i int) ([]byte, error) {
	list, ok := lookup(m, key)
	if !ok || i >= len(list.Content) {
		return nil, errEdit(nil)
	}
	try := e.linesOf
	if list.Style&yaml.FlowStyle != 0 {
		try = e.flowOf
	}
	for _, cut := range try(list, i) {
		out := bytes.Clone(e.text[:cut.from])
		out = append(out, e.text[cut.to:]...)
		if len(list.Content) == 1 && list.Style&yaml.FlowStyle == 0 {
			at := e.colon(m, key)
			out = append(out[:at:at], append([]byte(" []"), out[at:]...)...)
		}
		if e.without(out, list.Content[i]) {
			return out, nil
		}
	}
	return nil, errEdit(nil)
}

// cut is a part of the text.
type cut struct{ from, to int }

// linesOf returns the lines that an item of a block list may take up, the
// fewest first.
func (e *editor) linesOf(list *yaml.Node, i int) []cut {
	item := list.Content[i]
	first := item.Line
	for first > list.Line && !strings.HasPrefix(strings.TrimLeft(e.line(first), " "), "-") {
		first--
	}
	var out []cut
	for line := lastLine(item); line <= min(lastLine(item)+50, len(e.lines)); line++ {
		end := len(e.text)
		if line < len(e.lines) {
			end = e.lines[line]
		}
		out = append(out, cut{e.lines[first-1], end})
	}
	return out
}

// flowOf returns what an item of a [list] may take up, with the comma that
// divides it from its neighbour.
func (e *editor) flowOf(list *yaml.Node, i int) []cut {
	from := e.offset(list.Content[i])
	limit := len(e.text)
	if i+1 < len(list.Content) {
		limit = e.offset(list.Content[i+1])
	}
	var out []cut
	for to := from; to < limit && len(out) < 50; to++ {
		if e.text[to] != '}' {
			continue
		}
		end := to + 1
		rest := bytes.TrimLeft(e.text[end:limit], " ")
		switch {
		case i+1 == len(list.Content):
			if i > 0 {
				out = append(out, cut{bytes.LastIndexByte(e.text[:from], ','), end})
			}
			out = append(out, cut{from, end}) // YAML takes a comma at the end
		case bytes.HasPrefix(rest, []byte(",")):
			out = append(out, cut{from, limit - len(bytes.TrimLeft(rest[1:], " "))})
		}
	}
	return out
}

// colon returns the place behind a key's colon.
func (e *editor) colon(m value, key string) int {
	for i := 0; i < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			at := e.offset(m.Content[i])
			return at + bytes.IndexByte(e.text[at:], ':') + 1
		}
	}
	return 0
}

// without reports whether the text reads as the catalog did without one item.
func (e *editor) without(text []byte, gone *yaml.Node) bool {
	if _, err := ParseIncomplete("catalog", text); err != nil {
		return false
	}
	r := &reader{file: "catalog"}
	root, ok := r.document(text)
	return ok && lacksOnly(root.Node, e.root.Node, gone)
}

// lacksOnly reports whether now is what was, without one node.
func lacksOnly(now, was, gone *yaml.Node) bool {
	if now.Kind != was.Kind || now.Value != was.Value || now.Tag != was.Tag {
		return false
	}
	j := 0
	for _, child := range was.Content {
		if child == gone {
			continue
		}
		if j >= len(now.Content) || !lacksOnly(now.Content[j], child, gone) {
			return false
		}
		j++
	}
	return j == len(now.Content)
}
