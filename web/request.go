package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// requestPage is the approval page.
type requestPage struct {
	frame
	broker.Brief
	Powers  powers
	Stands  []broker.Risk // what stands out, with what the role can do
	Steps   []stepLine
	Usuals  []usualLine
	Form    form
	StepUp  string               // where a fresh proof is given; "" if none is needed
	Need    string               // why
	Notice  string               // what became of a form that was just sent
	Changed []change             // what is not as the form showed it
	Others  []broker.RequestView // asked in the same intent, as far as the person may see them
	Next    *broker.RequestView  // of these one that waits for the person's decision
}

// stepLine is one step of the rule and how far it is.
type stepLine struct {
	Name    string
	Have    int
	Want    int
	Now     bool // it waits for this one
	Decided []brevet.Decision
}

// usualLine compares what is asked with what is usual.
type usualLine struct{ Name, Asked, Usual string }

// request shows one request.
func (s *Site) request(v *visit) error {
	b, err := s.brief(v)
	if err != nil {
		return err
	}
	s.showRequest(v, http.StatusOK, b, "", nil)
	return nil
}

func (s *Site) brief(v *visit) (broker.Brief, error) {
	id, err := brevet.ParseID[brevet.RequestID](v.r.PathValue("id"))
	if err != nil {
		return broker.Brief{}, nothing()
	}
	return s.Broker.Brief(v.r.Context(), v.caller, id)
}

func (s *Site) showRequest(v *visit, status int, b broker.Brief, notice string, changed []change) {
	p := requestPage{frame: s.frame(v, b.Now), Brief: b, Powers: powersOf(b.Account, b.Role, b.SessionPolicy), Notice: notice, Changed: changed}
	p.Brief.Role.About = sentence(b.Role.About)
	p.Form = v.newForm(v.r.URL.Path, b.Digest(), pack(facts(b)))
	p.Stands = stands(b, p.Powers)
	p.Steps = steps(b.Request)
	p.Usuals = usuals(b)
	if b.Stale != nil {
		p.Need = sentence(brevet.AsError(b.Stale).Message)
		p.StepUp = "/signin?" + url.Values{"next": {v.r.URL.Path}, "fresh": {"1"}}.Encode()
	}
	p.Others, p.Next = s.together(v, b)
	s.show(v.w, v.r, status, "request", p)
}

// together returns what else was asked in the same intent, and which of it the
// person can decide next. Each is decided on its own page, with its own risks
// before the eyes (law 4): there is no button for all. What cannot be read is
// left out, as the page is whole without it.
func (s *Site) together(v *visit, b broker.Brief) (others []broker.RequestView, next *broker.RequestView) {
	if b.Batch == "" {
		return nil, nil
	}
	all, err := s.Broker.Batch(v.r.Context(), v.caller, b.Batch)
	if err != nil {
		return nil, nil
	}
	for _, r := range all.Requests {
		if r.ID == b.ID {
			continue
		}
		if others = append(others, r); next == nil && r.CanDecide {
			next = &r
		}
	}
	return others, next
}

// stands adds what the role can do to what stands out, with the grave first.
func stands(b broker.Brief, p powers) (out []broker.Risk) {
	var rest []broker.Risk
	for _, r := range b.Risks {
		if r.Text = sentence(r.Text); r.Grave {
			out = append(out, r)
		} else {
			rest = append(rest, r)
		}
	}
	var grave []string
	for _, a := range p.List {
		if a.Grave {
			grave = append(grave, a.Words)
		}
	}
	switch {
	case b.Role.Name == "":
		out = append(out, broker.Risk{Grave: true, Text: "The role is not in the catalog any more."})
	case p.All:
		out = append(out, broker.Risk{Grave: true, Text: "Administrator: it can do everything in the account."})
	case grave != nil:
		out = append(out, broker.Risk{Grave: true, Text: "It can " + enumerate(grave) + "."})
	}
	if p.Unknown != nil {
		out = append(out, broker.Risk{Grave: true, Text: "brevet does not know what " + enumerate(p.Unknown) + " allows."})
	}
	return append(out, rest...)
}

func enumerate(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], "; ") + "; and " + list[len(list)-1]
}

// steps says how far the rule is met.
func steps(r brevet.Request) (out []stepLine) {
	for i, s := range r.Rule.Steps {
		line := stepLine{Name: s.String(), Want: max(1, s.Quorum), Now: r.State == brevet.Pending && i == r.Step()}
		for _, d := range r.Decisions {
			if d.Step == i {
				line.Decided = append(line.Decided, d)
				if d.Approve {
					line.Have++
				}
			}
		}
		out = append(out, line)
	}
	return out
}

// usuals sets what is asked against what is usual.
func usuals(b broker.Brief) (out []usualLine) {
	u := b.Usual
	length := "never had it"
	if u.Times > 0 {
		length = fmt.Sprintf("%s; longest %s", brevet.Spoken(u.Typical), brevet.Spoken(u.Longest))
	}
	out = append(out, usualLine{"Length", brevet.Spoken(b.Duration), length})
	hours := u.UsualHours()
	if hours == "" {
		hours = fmt.Sprintf("not known: %s before", count(u.Asked, "request"))
	}
	out = append(out, usualLine{"Time", b.Created.UTC().Format("Mon 15:04 UTC"), hours})
	often := "never in 90 days"
	if u.Times > 0 {
		often = fmt.Sprintf("%s in 90 days, last %s", count(u.Times, "time"), ago(u.Last, b.Now))
	}
	out = append(out, usualLine{"This role", "", often})
	if u.Elsewhere > 0 {
		out = append(out, usualLine{"Other roles", "", fmt.Sprintf("%s, longest %s", count(u.Elsewhere, "time"), brevet.Spoken(u.Lengthiest))})
	}
	if u.Live != nil {
		out = append(out, usualLine{"Held now", "", strings.Join(u.Live, ", ")})
	}
	return out
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// facts is what a decision rests on, as the page shows it: when the form
// comes back they must still be so.
func facts(b broker.Brief) []fact {
	role := "not in the catalog"
	if b.Role.Name != "" {
		role = b.Role.About
		if role == "" {
			role = string(b.Role.Name)
		}
		if policies := strings.Join(powersOf(b.Account, b.Role, "").Policies, ", "); policies != "" {
			role += " (" + policies + ")"
		}
		role += ", definition " + b.Role.Digest()[:8]
	}
	start := ""
	if !b.NotBefore.IsZero() {
		start = stamp(b.NotBefore)
	}
	facts := []fact{{"Target", b.Target}, {"Account", string(b.Request.Account) + " " + b.Account.Env}, {"Duration", brevet.Spoken(b.Duration)}, {"Start", start},
		{"Reason", b.Reason}, {"Ticket", b.Ticket}, {"Narrowed to", b.SessionPolicy}, {"What the role is", role}, {"Approval", b.Rule.String()}}
	if b.Extends != "" {
		facts = append(facts, fact{"Extends", string(b.Extends)})
	}
	if !b.Bound.Until.IsZero() {
		facts = append(facts, fact{"Ends at the latest", stamp(b.Bound.Until)})
	}
	return facts
}

// decide carries a form of the approval page out.
func (s *Site) decide(v *visit) error {
	b, err := s.brief(v)
	if err != nil {
		return err
	}
	switch v.form.Action {
	case "approve", "deny":
	case "withdraw":
		return s.withdraw(v, b)
	default:
		return brevet.Errorf(brevet.Invalid, "say yes or no")
	}
	// Sent a second time it is answered by what became of it, whatever has
	// changed since.
	if moved := changes(unpack(v.form.Shown), facts(b)); moved != nil && b.State == brevet.Pending {
		s.showRequest(v, http.StatusConflict, b, "Nothing was decided: it is not what you were shown.", moved)
		return nil
	}
	_, err = s.Broker.Decide(v.r.Context(), v.caller, broker.Decide{ID: b.ID, Approve: v.form.Action == "approve", Comment: v.form.Comment, Digest: v.form.Digest, Key: v.form.Key})
	return s.after(v, err)
}

func (s *Site) withdraw(v *visit, b broker.Brief) error {
	_, err := s.Broker.Withdraw(v.r.Context(), v.caller, b.ID, v.form.Key)
	return s.after(v, err)
}

// answered reports whether a refusal is told on the page whose form was sent.
func answered(err error) bool {
	return slices.ContainsFunc([]brevet.Kind{brevet.Conflict, brevet.StepUp, brevet.Expired, brevet.Denied, brevet.Invalid}, func(k brevet.Kind) bool { return errors.Is(err, k) })
}

// after shows what became of a form: the page anew, with why where it was
// refused.
func (s *Site) after(v *visit, err error) error {
	if err == nil {
		v.back()
		return nil
	}
	if !answered(err) {
		return err
	}
	b, err2 := s.brief(v)
	if err2 != nil {
		return err
	}
	s.showRequest(v, statusOf(err), b, "Nothing was decided: "+brevet.AsError(err).Message+".", nil)
	return nil
}

// Window says when the access would be, or is.
func (p requestPage) Window() string {
	switch g := p.Grant; {
	case g != nil && !g.End.IsZero():
		return clock(g.Start, p.frame.Now) + " to " + clock(g.End, p.frame.Now)
	case p.Extends != "":
		return "from the end of the grant on that it extends"
	case !p.NotBefore.IsZero():
		return clock(p.NotBefore, p.frame.Now) + " to " + clock(p.EndOf(p.NotBefore), p.frame.Now)
	case p.Activate == brevet.OnUse:
		return "from its first use on, within a day"
	}
	return "from the approval on"
}

// StateText says in words where the request stands.
func (p requestPage) StateText() string {
	now := p.frame.Now
	switch p.State {
	case brevet.Pending:
		if !now.Before(p.Lapses) {
			return "Lapsed unanswered"
		}
		return "Waits for " + p.WaitsFor + "; lapses " + ago(p.Lapses, now)
	}
	return sentence(string(p.State) + " " + ago(p.Decided, now))
}
