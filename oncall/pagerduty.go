package oncall

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/brevet-access/brevet"
)

// pageSize is how many entries a page of PagerDuty's holds at most;
// maxOnCalls how many are read in all.
const (
	pageSize   = 100
	maxOnCalls = 10_000 // offset + limit ends there, by PagerDuty's docs on pagination
)

func pagerDutyURL(region string) string {
	if region == "eu" {
		return "https://api.eu.pagerduty.com"
	}
	return "https://api.pagerduty.com"
}

// onCalls is a page of GET /oncalls, as the REST API v2 reference has it.
type onCalls struct {
	OnCalls []onCall `json:"oncalls"`
	More    bool     `json:"more"`
	Limit   int      `json:"limit"`
	Offset  int      `json:"offset"`
}

type onCall struct {
	User struct {
		ID    string `json:"id"`
		Email string `json:"email"` // only where users are included
	} `json:"user"`
	Schedule *struct {
		ID string `json:"id"`
	} `json:"schedule"` // null for whoever is on call without one
	Policy struct {
		ID string `json:"id"`
	} `json:"escalation_policy"`
	Level int        `json:"escalation_level"`
	Start *time.Time `json:"start"` // null: has always been
	End   *time.Time `json:"end"`   // null: will always be
}

// pagerDuty asks for who is on call now. Level 1 of an escalation policy is
// the primary layer, level 2 the secondary; what is deeper does not count.
// People are known by their id, and by their e-mail address where the catalog
// maps that.
func (c *Client) pagerDuty(ctx context.Context, s brevet.RotaSource, now time.Time) ([]brevet.Shift, error) {
	token, err := c.secret(s.TokenFile)
	if err != nil {
		return nil, err
	}
	q := url.Values{"schedule_ids[]": s.Schedules, "include[]": {"users"}, "limit": {strconv.Itoa(pageSize)}, "time_zone": {"UTC"},
		"since": {now.UTC().Format(time.RFC3339)}, "until": {now.Add(2 * brevet.DutyWithin).UTC().Format(time.RFC3339)}}
	if s.Policies != nil {
		q["escalation_policy_ids[]"] = s.Policies
	}
	header := http.Header{"Authorization": {"Token token=" + token}, "Accept": {"application/vnd.pagerduty+json;version=2"}}
	var out []brevet.Shift
	for offset := 0; ; {
		q.Set("offset", strconv.Itoa(offset))
		body, err := c.get(ctx, "PagerDuty", c.PagerDuty(s.Region)+"/oncalls?"+q.Encode(), header)
		if err != nil {
			return nil, err
		}
		page, shifts, err := readOnCalls(body, s)
		if err != nil {
			return nil, err
		}
		out = append(out, shifts...)
		if !page.More {
			return out, nil
		}
		if offset += len(page.OnCalls); len(page.OnCalls) == 0 || offset >= maxOnCalls {
			return nil, brevet.Errorf(brevet.Unavailable, "PagerDuty: its pages never end")
		}
	}
}

// readOnCalls reads a page. What was not asked for does not count: who is on
// call by another schedule or policy is not on duty here.
func readOnCalls(body []byte, s brevet.RotaSource) (page onCalls, out []brevet.Shift, err error) {
	if err := json.Unmarshal(body, &page); err != nil || page.OnCalls == nil {
		return page, nil, brevet.Errorf(brevet.Unavailable, "PagerDuty: its answer is not that of /oncalls")
	}
	for _, o := range page.OnCalls {
		if o.Schedule == nil || !has(s.Schedules, o.Schedule.ID) || s.Policies != nil && !has(s.Policies, o.Policy.ID) || o.Start == nil || o.End == nil {
			continue
		}
		layer, ok := map[int]brevet.Layer{1: brevet.Primary, 2: brevet.Secondary}[o.Level]
		if !ok || !o.Start.Before(*o.End) {
			continue
		}
		for _, name := range []string{o.User.ID, o.User.Email} {
			if name != "" {
				out = append(out, brevet.Shift{Layer: layer, Name: name, Start: o.Start.UTC(), End: o.End.UTC()})
			}
		}
	}
	return page, out, nil
}

func has(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}
