package web

import "github.com/brevet-access/brevet/broker"

// homePage is what concerns somebody now.
type homePage struct {
	frame
	Decide, Waiting []broker.RequestView
	Active          []broker.GrantView
	Review          []broker.ReviewView
}

// home shows what waits for the person, what they hold, and what they have
// asked for.
func (s *Site) home(v *visit) error {
	st, err := s.Broker.Status(v.r.Context(), v.caller)
	if err != nil {
		return err
	}
	s.show(v.w, v.r, 200, "home", homePage{frame: s.frame(v, st.Now), Decide: st.Decide, Waiting: st.Waiting, Active: st.Active, Review: st.Review})
	return nil
}
