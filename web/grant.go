package web

import (
	"net/http"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// grantPage is a grant, its sessions and its end.
type grantPage struct {
	frame
	broker.GrantBrief
	Form form
	Left time.Duration
}

// grant shows one grant.
func (s *Site) grant(v *visit) error {
	id, err := brevet.ParseID[brevet.GrantID](v.r.PathValue("id"))
	if err != nil {
		return nothing()
	}
	b, err := s.Broker.GrantBrief(v.r.Context(), v.caller, id)
	if err != nil {
		return err
	}
	p := grantPage{frame: s.frame(v, b.Now), GrantBrief: b, Form: v.newForm(v.r.URL.Path, "", "")}
	if b.Live {
		p.Left = b.End.Sub(b.Now)
	}
	s.show(v.w, v.r, http.StatusOK, "grant", p)
	return nil
}

// nothing is the answer to what is no id, as to one that the person may not
// see.
func nothing() error { return brevet.Errorf(brevet.NotFound, "there is nothing that you may see") }

// end hands a grant back or revokes it.
func (s *Site) end(v *visit) error {
	id, err := brevet.ParseID[brevet.GrantID](v.r.PathValue("id"))
	if err != nil {
		return nothing()
	}
	switch v.form.Action {
	case "drop":
		_, err = s.Broker.Drop(v.r.Context(), v.caller, id, v.form.Key)
	case "revoke":
		_, err = s.Broker.Revoke(v.r.Context(), v.caller, id, v.form.Comment, v.form.Key)
	default:
		err = brevet.Errorf(brevet.Invalid, "say what is to be done")
	}
	if err != nil {
		return err
	}
	v.back()
	return nil
}

// back shows the page of a form that was carried out by a GET, so that
// reloading it sends nothing again.
func (v *visit) back() {
	v.w.Header().Set("Location", v.r.URL.Path)
	v.w.WriteHeader(http.StatusSeeOther)
}
