package catalog

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// NewCustomer is what [AddCustomer] writes. Everything but the name may be
// left out.
type NewCustomer struct {
	Name     string
	Prefix   string
	Entry    string // OIDC or AssumeRole
	Contact  string
	LogGroup string
	Offline  string                    // its offline issuer, https://HOST/PATH
	Rights   map[brevet.Right][]string // as in the file: handles and group:NAME
}

// AddCustomer adds a customer with a fresh id, and with entry assume-role a
// fresh external id, at the end of the customers (at the beginning where these
// are written as [...]). The rest stays as it is. The errors are of kind
// [brevet.Conflict] for a customer that is there, and [brevet.Invalid].
func AddCustomer(text []byte, n NewCustomer, random io.Reader, now time.Time) ([]byte, error) {
	c, err := ParseIncomplete("catalog", text)
	if err != nil {
		return nil, err
	}
	if _, ok := c.Customer(n.Name); ok {
		return nil, brevet.Errorf(brevet.Conflict, "customer %s is in the catalog already", n.Name).
			WithHint("brevet account add gives it accounts; one that was offboarded does not come back: take another name, and it gets an id, an issuer and keys of its own")
	}
	if err := n.check(c); err != nil {
		return nil, err
	}
	fields, err := n.fields(random, now)
	if err != nil {
		return nil, err
	}
	e, err := edit(text)
	if err != nil {
		return nil, err
	}
	return e.addItem("customers", fields)
}

// check holds what is given against what the catalog takes, in its own words.
func (n NewCustomer) check(c *Catalog) error {
	for _, f := range []struct {
		field, s string
		ok       func(string) bool
		what     string
	}{
		{"prefix", n.Prefix, iamPrefix().MatchString, "the beginning of an IAM role's name, at most 24 characters"},
		{"entry", n.Entry, func(s string) bool { return s == OIDC || s == AssumeRole }, "a way into accounts that needs no more than its name: oidc or assume-role; identity-center is written by hand"},
		{"contact", n.Contact, func(s string) bool { return len(s) <= 254 && mailbox().MatchString(s) }, "an e-mail address"},
		{"log_group", n.LogGroup, validLogGroup, "the name of a log group: 1 to 512 of A-Z a-z 0-9 . - _ / #, not starting with aws/"},
	} {
		if f.s != "" && !f.ok(f.s) {
			return brevet.Errorf(brevet.Invalid, "%s: %s is not %s", f.field, quote(f.s), f.what)
		}
	}
	if !validCustomerName(n.Name) {
		return brevet.Errorf(brevet.Invalid, "name: %s is not a name: 1 to 63 letters, digits, . _ -, not starting with cu_", quote(n.Name))
	}
	if n.Entry == AssumeRole && c.Broker == "" {
		return brevet.Errorf(brevet.Invalid, "entry: assume-role needs the ARN of the broker's role: broker, at the top of the file")
	}
	if err := n.checkOffline(c); err != nil {
		return err
	}
	for right, who := range n.Rights {
		if !slices.Contains(brevet.AllRights, right) {
			return brevet.Errorf(brevet.Invalid, "rights: there is no right %s", quote(string(right))).WithHint("there are view, decide, revoke, audit, catalog, operate")
		}
		if err := checkSubjects(who); err != nil {
			return brevet.Errorf(brevet.Invalid, "rights.%s: %s", right, err)
		}
	}
	return nil
}

// checkOffline reads the offline issuer as the parser would.
func (n NewCustomer) checkOffline(c *Catalog) error {
	if n.Offline == "" {
		return nil
	}
	k := &customer{entry: named{cmp.Or(n.Entry, OIDC), value{}}}
	p := &parser{issuer: c.Issuer}
	k.offline = p.offlineIssuer(value{&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: n.Offline}, ""})
	p.checkOffline(k)
	for _, e := range c.entries {
		if e.offline == n.Offline {
			return brevet.Errorf(brevet.Conflict, "offline_issuer: another customer has %s", n.Offline)
		}
	}
	if len(p.problems) > 0 {
		return brevet.Errorf(brevet.Invalid, "offline_issuer: %s", p.problems[0].message)
	}
	return nil
}

// checkSubjects reads a list as the parser would.
func checkSubjects(who []string) error {
	list := value{&yaml.Node{Kind: yaml.SequenceNode}, ""}
	for _, s := range who {
		list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s})
	}
	p := &parser{}
	p.subjects(list)
	if len(p.problems) > 0 {
		return brevet.Errorf(brevet.Invalid, "%s", p.problems[0].message)
	}
	return nil
}

// fields returns the lines of the new customer.
func (n NewCustomer) fields(random io.Reader, now time.Time) ([]string, error) {
	id, err := newCustomerID(random, now)
	if err != nil {
		return nil, err
	}
	out := []string{"name: " + scalar(n.Name), "id: " + id}
	add := func(key, s string) {
		if s != "" {
			out = append(out, key+": "+scalar(s))
		}
	}
	add("prefix", n.Prefix)
	add("entry", n.Entry)
	if n.Entry == AssumeRole {
		external, err := newExternalID(random)
		if err != nil {
			return nil, err
		}
		add("external_id", external)
	}
	add("contact", n.Contact)
	add("log_group", n.LogGroup)
	add("offline_issuer", n.Offline)
	var rights []string
	for _, r := range brevet.AllRights {
		var who []string
		for _, s := range n.Rights[r] {
			who = append(who, scalar(s))
		}
		if who != nil {
			rights = append(rights, fmt.Sprintf("%s: [%s]", r, strings.Join(who, ", ")))
		}
	}
	if rights != nil {
		out = append(out, "rights: {"+strings.Join(rights, ", ")+"}")
	}
	return out, nil
}

// addItem puts a mapping with these fields at the end of the list under a key
// at the top. Where the last item ends the parser does not tell: the first
// line that leaves everything else as it is will do.
func (e *editor) addItem(key string, fields []string) ([]byte, error) {
	list, ok := lookup(e.root, key)
	if !ok {
		return nil, brevet.Errorf(brevet.Invalid, "the catalog has no %s", key)
	}
	flow := "{" + strings.Join(fields, ", ") + "}"
	if list.Style&yaml.FlowStyle != 0 || len(list.Content) == 0 {
		if len(list.Content) > 0 {
			flow += ", "
		}
		e.insert(e.offset(list)+1, flow)
		return e.apply()
	}
	last := list.Content[len(list.Content)-1]
	indent := strings.Repeat(" ", list.Column-1)
	break1 := e.newline(list.Line)
	item := indent + "- " + strings.Join(fields, break1+indent+"  ")
	from := lastLine(last)
	var err error
	for line := from; line <= min(from+50, len(e.lines)); line++ {
		e.edits = nil
		e.insertLine(line, item)
		var out []byte
		if out, err = e.apply(); err == nil {
			return out, nil
		}
	}
	return nil, cmp.Or(err, errEdit(nil))
}
