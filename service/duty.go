package service

import (
	"context"
	"time"

	"github.com/brevet-access/brevet/oncall"
)

// dutyEvery is how often rotas are looked after. Facts that an answer depends
// on are asked for at once where they are too old.
const dutyEvery = 5 * time.Second

// onCall makes the client that asks rotas. Their files lie beside brevet.yaml.
func (s *Service) onCall() *oncall.Client {
	c := s.opt.OnCall
	if c.Dir == "" {
		c.Dir = s.cfg.dir
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
