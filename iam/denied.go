package iam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Denied is one refusal that a message of AWS tells of
// (troubleshoot_access-denied).
type Denied struct {
	Caller   string // ARN; "" where it is not said
	Action   string // "s3:GetObject"
	Resource string // ARN; "*" where it is not said
	By       string // the kind of policy: "identity-based policy", "service control policy"; "" where it is not said
	Explicit bool   // a statement denied; else none allowed
}

// DeniedError says why nothing can be made of a message, and what to do.
type DeniedError struct{ Message, Hint string }

// Error returns the message.
func (e *DeniedError) Error() string { return e.Message }

// mark stands in the middle of each message.
const mark = "is not authorized to perform:"

// maxDenials bounds how many refusals are read out of one text.
const maxDenials = 50

// ReadDenied finds the refusals in a text that somebody pasted: messages as
// AWS's tools print them, events of CloudTrail, and what sts
// decode-authorization-message prints. Each is there once, in the order of the
// text. What is found is a claim of whoever pasted it and proves nothing. The
// error is a [*DeniedError].
func ReadDenied(text string) ([]Denied, error) {
	plain := strings.ReplaceAll(text, `\"`, `"`)
	var out []Denied
	add := func(d Denied, ok bool) {
		if ok && len(out) < maxDenials && !slices.ContainsFunc(out, func(o Denied) bool { return o.Action == d.Action && o.Resource == d.Resource }) {
			out = append(out, d)
		}
	}
	for at := 0; ; {
		i := strings.Index(plain[at:], mark)
		if i < 0 {
			break
		}
		before, after := plain[:at+i], plain[at+i+len(mark):]
		add(readMessage(before, after))
		at += i + len(mark)
	}
	if len(out) == 0 {
		add(readDecoded(plain))
	}
	if len(out) > 0 {
		return out, nil
	}
	return nil, unreadable(plain)
}

// readMessage reads one "User: X is not authorized to perform: ACTION on
// resource: ARN because …" from its middle.
func readMessage(before, after string) (Denied, bool) {
	d := Denied{Resource: "*"}
	if i := strings.LastIndex(before, "User:"); i >= 0 {
		if who := strings.TrimSpace(before[i+len("User:"):]); strings.HasPrefix(who, "arn:") && !strings.ContainsAny(who, " \t\r\n") {
			d.Caller = who
		}
	}
	after = strings.TrimLeft(after, " \t")
	if i := strings.IndexAny(after, "\r\n"); i >= 0 {
		after = after[:i]
	}
	word, rest, _ := strings.Cut(after, " ")
	d.Action = strings.Trim(word, `".,;`)
	if pieceAction(d.Action) != nil {
		return d, false
	}
	if next := strings.Index(rest, mark); next >= 0 {
		rest = rest[:next]
	}
	d.cause(rest)
	if i := strings.Index(rest, "on resource:"); i >= 0 {
		d.Resource = resourceIn(rest[i+len("on resource:"):])
	}
	return d, d.Resource != ""
}

// resourceIn returns the resource at the beginning of s: in quotes, or up to
// what follows it.
func resourceIn(s string) string {
	s = strings.TrimLeft(s, " \t")
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		name, _, _ := strings.Cut(quoted, `"`)
		return plainResource(name)
	}
	for _, end := range []string{" because ", " with an explicit deny", `"`, " Encoded authorization"} {
		if i := strings.Index(s, end); i >= 0 {
			s = s[:i]
		}
	}
	if !strings.HasPrefix(s, "arn:") {
		s, _, _ = strings.Cut(s, " ")
	}
	return plainResource(strings.TrimRight(s, " .,;"))
}

// plainResource puts ? where [ParsePieces] would take a character for
// something else, and returns "" for what is no resource.
func plainResource(s string) string {
	if s != "*" && !strings.HasPrefix(s, "arn:") {
		return ""
	}
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(`",\@$`, r) {
			return '?'
		}
		return r
	}, s)
	if pieceResource(s) != nil {
		return ""
	}
	return s
}

// cause reads why: "because no identity-based policy allows", "with an
// explicit deny in a service control policy".
func (d *Denied) cause(rest string) {
	for _, kind := range []string{"identity-based policy", "resource-based policy", "service control policy", "resource control policy", "permissions boundary", "session policy", "VPC endpoint policy"} {
		if strings.Contains(rest, "explicit deny in a "+kind) || strings.Contains(rest, "explicit deny in an "+kind) {
			d.By, d.Explicit = kind, true
			return
		}
		if strings.Contains(rest, "because no "+kind+" allows") {
			d.By = kind
			return
		}
	}
}

// readDecoded reads the JSON that decode-authorization-message prints.
func readDecoded(text string) (Denied, bool) {
	i := strings.Index(text, `{"allowed"`)
	if i < 0 {
		return Denied{}, false
	}
	var in struct {
		ExplicitDeny bool
		Context      struct {
			Principal        struct{ ARN string }
			Action, Resource string
		}
	}
	if json.NewDecoder(strings.NewReader(text[i:])).Decode(&in) != nil {
		return Denied{}, false
	}
	d := Denied{Caller: in.Context.Principal.ARN, Action: in.Context.Action, Resource: plainResource(in.Context.Resource), Explicit: in.ExplicitDeny}
	if d.Resource == "" {
		d.Resource = "*"
	}
	if !strings.HasPrefix(d.Caller, "arn:") || strings.ContainsAny(d.Caller, " \t\r\n") {
		d.Caller = ""
	}
	return d, pieceAction(d.Action) == nil
}

// unreadable says what is missing in a text without a refusal that names its
// action.
func unreadable(text string) error {
	switch {
	case strings.Contains(text, "Encoded authorization failure message"):
		return &DeniedError{"AWS says what it refused only in an encoded message",
			"aws sts decode-authorization-message --encoded-message … --query DecodedMessage --output text prints it; paste that"}
	case operation(text) != "":
		return &DeniedError{fmt.Sprintf("the message names the operation %s and neither action nor resource", operation(text)),
			"name them, as --only s3:ListBucket,s3:GetObject@BUCKET"}
	}
	return &DeniedError{"no AccessDenied message of AWS is in there",
		"paste the line that says: User: … is not authorized to perform: ACTION on resource: ARN"}
}

// operation returns X of "when calling the X operation".
func operation(text string) string {
	_, after, ok := strings.Cut(text, "when calling the ")
	name, _, more := strings.Cut(after, " operation")
	if !ok || !more || name == "" || len(name) > 80 || strings.ContainsFunc(name, func(r rune) bool { return !letter(r) && (r < '0' || r > '9') }) {
		return ""
	}
	return name
}

// Only returns the refusal as [ParsePieces] reads it.
func (d Denied) Only() string { return d.Action + "@" + d.Resource }

// Beyond reports whether no role in the account would get past what refused:
// it is a policy of the organization or of the network.
func (d Denied) Beyond() bool {
	return d.By == "service control policy" || d.By == "resource control policy" || d.By == "VPC endpoint policy"
}
