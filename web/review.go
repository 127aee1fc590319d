package web

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// mostReviewed is how many emergencies the list shows of those that are done
// with.
const mostReviewed = 50

// reviewsPage lists emergencies.
type reviewsPage struct {
	frame
	Groups []reviewGroup
}

// reviewGroup is those of which the same is to be said.
type reviewGroup struct {
	ID, Title string
	List      []broker.ReviewView
	More      string // what is not shown
}

// reviews lists the emergencies that the person may see, those that wait for
// them first.
func (s *Site) reviews(v *visit) error {
	list, err := s.Broker.Reviews(v.r.Context(), v.caller, true)
	if err != nil {
		return err
	}
	groups := []reviewGroup{{ID: "yours", Title: "Wait for your review"}, {ID: "others", Title: "Wait for others"}, {ID: "done", Title: "Reviewed"}}
	for _, r := range list {
		i := 1
		switch {
		case r.CanReview:
			i = 0
		case !r.Reviewed.IsZero():
			i = 2
		}
		groups[i].List = append(groups[i].List, r)
	}
	if done := &groups[2]; len(done.List) > mostReviewed {
		done.More = "Those before are told by brevet review ls --all."
		done.List = done.List[:mostReviewed]
	}
	s.show(v.w, v.r, http.StatusOK, "reviews", reviewsPage{frame: s.frame(v, s.Broker.Now()), Groups: groups})
	return nil
}

// reviewPage is one emergency, what came of it, and what somebody else thinks
// of it.
type reviewPage struct {
	frame
	broker.Emergency
	Powers  powers
	Besides []fact // what else the alarm says
	Form    form
	Notice  string // what became of a form that was just sent
	Changed []change
}

// review shows one emergency.
func (s *Site) review(v *visit) error {
	e, err := s.emergency(v)
	if err != nil {
		return err
	}
	s.showReview(v, http.StatusOK, e, "", nil)
	return nil
}

func (s *Site) emergency(v *visit) (broker.Emergency, error) {
	id, err := brevet.ParseID[brevet.GrantID](v.r.PathValue("id"))
	if err != nil {
		return broker.Emergency{}, nothing()
	}
	e, err := s.Broker.Emergency(v.r.Context(), v.caller, id)
	if errors.Is(err, brevet.NotFound) {
		err = nothing()
	}
	return e, err
}

func (s *Site) showReview(v *visit, status int, e broker.Emergency, notice string, changed []change) {
	e.Role.About = sentence(e.Role.About)
	s.show(v.w, v.r, status, "review", reviewPage{frame: s.frame(v, e.Now), Emergency: e, Powers: powersOf(e.Account, e.Role, ""), Besides: besides(e.Alarm.Data),
		Form: v.newForm(v.r.URL.Path, "", pack(happened(e))), Notice: notice, Changed: changed})
}

// spokenOf are the words for what an alarm says beside, in the order in which
// they are said.
var spokenOf = []struct{ Key, Name string }{
	{brevet.GlassSecondHandle, "Second code"}, {"shared", "Key shares"}, {brevet.OfflineKey, "Offline key"}, {"issuer", "Its issuer"}, {"outcome", "Outcome"},
}

// unspoken is what the page says elsewhere, and what is of use to programs
// alone.
var unspoken = []string{brevet.PriorGlass, brevet.PriorGlassOwn, "review", "entitlement", brevet.GlassSecond, "handle", "access_key", "expires", "bundle", "call"}

// besides says what else the alarm tells. What has no words here goes by its
// name, after all that has.
func besides(data map[string]string) (out []fact) {
	said := slices.Clone(unspoken)
	for _, s := range spokenOf {
		if value := data[s.Key]; value != "" {
			out = append(out, fact{s.Name, spokenAs(s.Key, value)})
		}
		said = append(said, s.Key)
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if data[key] != "" && !slices.Contains(said, key) {
			out = append(out, fact{capital(strings.ReplaceAll(key, "_", " ")), data[key]})
		}
	}
	return out
}

func spokenAs(key, value string) string {
	switch key {
	case brevet.GlassSecondHandle:
		return value + "’s sealed code stood beside their own, in place of a sign-in"
	case "shared":
		return "given by " + strings.ReplaceAll(value, ",", ", ")
	}
	return value
}

// Entries lists the entries of the log from which the page is told.
func (p reviewPage) Entries() string { return strings.ReplaceAll(p.Told.Indexes(), " ", ", ") }

// happened is what a review rests on, as the page shows it: when the form
// comes back no more may be known.
func happened(e broker.Emergency) []fact {
	var keys []string
	for _, s := range e.Told.Sessions {
		keys = append(keys, s.AccessKey+s.Doubt)
	}
	return []fact{{"Reason", e.Reason}, {"Credentials", strings.Join(keys, ", ")}}
}

// judge carries a form of the page out.
func (s *Site) judge(v *visit) error {
	e, err := s.emergency(v)
	if err != nil {
		return err
	}
	ok := v.form.Action == "ok"
	if !ok && v.form.Action != "not-ok" {
		return brevet.Errorf(brevet.Invalid, "say whether it was right")
	}
	// Sent a second time it is answered by what became of it.
	if moved := changes(unpack(v.form.Shown), happened(e)); moved != nil && e.Reviewed.IsZero() {
		s.showReview(v, http.StatusConflict, e, "Nothing was recorded: more has happened than you were shown.", moved)
		return nil
	}
	_, err = s.Broker.Review(v.r.Context(), v.caller, e.Grant, ok, v.form.Comment, v.form.Key)
	if err == nil {
		v.back()
		return nil
	}
	if !answered(err) {
		return err
	}
	if again, err2 := s.emergency(v); err2 == nil {
		e = again
	}
	s.showReview(v, statusOf(err), e, "Nothing was recorded: "+brevet.AsError(err).Message+".", nil)
	return nil
}

// EndText says how it came to an end, or when it will.
func (p reviewPage) EndText() string {
	now, told := p.frame.Now, p.Told
	end := p.End
	if !told.End.IsZero() {
		end = told.End
	}
	switch {
	case end.IsZero():
		return "not known"
	case told.Ended == "" && now.Before(end):
		return "not yet: it gives access until " + clock(end, now)
	case told.Ended == "" || told.Ended == "time":
		return clock(end, now) + ", by time"
	}
	return clock(end, now) + ", " + told.Ended
}
