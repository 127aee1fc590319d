package catalog

import (
	"fmt"
	"slices"

	"github.com/brevet-access/brevet"
)

// Warnings says what is allowed and yet may go wrong one day: emergencies that,
// opened with sealed codes, nobody might be left to review. A group or a rota is
// taken to have somebody else in it.
func (c *Catalog) Warnings() (out []string) {
	for _, e := range c.Entitlements {
		if e.BreakGlass == nil || e.BreakGlass.Codes.Empty() {
			continue
		}
		if who, with := unreviewed(e); with != "" {
			out = append(out, fmt.Sprintf("entitlement %s: nobody is left to review what %s opens with a sealed code of %s: name somebody else, too, in break_glass.review", e.Name, who, with))
		}
	}
	return out
}

// unreviewed returns a requester and a second person who between them leave
// nobody for the review, which is of neither (law 3); "" if there are none.
func unreviewed(e brevet.Entitlement) (who, with string) {
	review := e.BreakGlass.Review
	if len(review.Groups)+len(review.Rotas) > 0 || review.Empty() {
		return "", ""
	}
	for _, a := range oneOf(e.Who, review.People) {
		for _, b := range oneOf(e.BreakGlass.Codes, review.People) {
			left := slices.ContainsFunc(review.People, func(h brevet.Handle) bool { return string(h) != a && string(h) != b })
			if a != b && !left {
				return a, b
			}
		}
	}
	return "", ""
}

// oneOf returns who may stand for s against a list of people: those of the list
// whom it means or, by a group, might mean, and one for everybody else.
func oneOf(s brevet.Subjects, list []brevet.Handle) (out []string) {
	open := len(s.Groups)+len(s.Rotas) > 0
	for _, h := range list {
		if open || slices.Contains(s.People, h) {
			out = append(out, string(h))
		}
	}
	others := s
	others.People = slices.DeleteFunc(slices.Clone(s.People), func(h brevet.Handle) bool { return slices.Contains(list, h) })
	if !others.Empty() {
		out = append(out, others.String())
	}
	return out
}
