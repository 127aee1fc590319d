package service

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/brevet-access/brevet/oncall"
)

// dutyEvery is how often rotas are looked after. Facts that an answer depends
// on are asked for at once where they are too old.
const dutyEvery = 5 * time.Second

// OnCall says how the sources of rotas are reached.
type OnCall struct {
	// AllowPrivate are networks in which calendars may lie although they are
	// private, such as 10.1.2.3/32.
	AllowPrivate []string `yaml:"allow_private"`
	// PagerDuty is the base URL of its REST API; default: PagerDuty's own of
	// the rota's region.
	PagerDuty string `yaml:"pagerduty"`

	allow []netip.Prefix
}

// check lists what is wrong.
func (o *OnCall) check(bad []string) []string {
	o.allow, bad = prefixes("on_call.allow_private", o.AllowPrivate, bad)
	o.PagerDuty = strings.TrimRight(o.PagerDuty, "/")
	if o.PagerDuty != "" && !oncall.Fit(o.PagerDuty, o.allow) {
		bad = append(bad, "on_call.pagerduty: must be https://…; http only to a loopback address that allow_private lists")
	}
	return bad
}

// onCall makes the client that asks rotas. Their files lie beside brevet.yaml.
func (s *Service) onCall() *oncall.Client {
	c := s.opt.OnCall
	if c.Dir == "" {
		c.Dir = s.cfg.dir
	}
	if c.Allow == nil {
		c.Allow = s.cfg.OnCall.allow
	}
	if own := s.cfg.OnCall.PagerDuty; own != "" && c.PagerDuty == nil {
		c.PagerDuty = func(string) string { return own }
	}
	return oncall.New(c)
}

// followDuty keeps what is known of the rotas fresh until ctx is over.
func (s *Service) followDuty(ctx context.Context) {
	t := time.NewTicker(dutyEvery)
	defer t.Stop()
	for {
		s.Broker.FollowDuty(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
