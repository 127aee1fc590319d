package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// people is how many sign in; callers share them out.
const people = 16

// stage is everybody who takes part in issuing.
type stage struct {
	sts, load *process
	running   []*process
}

// open starts the instant STS and the load generator.
func (s *stage) open(ctx context.Context) (sts string, err error) {
	var up serverUp
	if s.sts, err = s.start(ctx, "sts", account, &up); err != nil {
		return "", err
	}
	s.load, err = s.start(ctx, "load", loadOrder{}, new(figures))
	return up.URL, err
}

func (s *stage) start(ctx context.Context, name string, order, answer any) (*process, error) {
	p, err := start(ctx, name, order, answer)
	if err == nil {
		s.running = append(s.running, p)
	}
	return p, err
}

// serve starts a server in a folder of its own.
func (s *stage) serve(ctx context.Context, p plan, name, sts, database string) (*contestant, error) {
	o := serverOrder{Dir: filepath.Join(p.dir, name), STS: sts, Database: database, People: people}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	if database == "" {
		o.Database = "sqlite:" + filepath.Join(o.Dir, "brevet.db")
	}
	if p.profile != "" {
		o.Profile = filepath.Join(p.profile, name+".prof")
	}
	c := &contestant{load: s.load}
	var err error
	c.server, err = s.start(ctx, name, o, &c.up)
	return c, err
}

// close ends everybody, servers before what they need.
func (s *stage) close() error {
	var errs []error
	for i := range s.running {
		errs = append(errs, s.running[len(s.running)-1-i].stop())
	}
	return errors.Join(errs...)
}

// contestant is a server under load.
type contestant struct {
	server *process
	load   *process
	up     serverUp
}

// round puts the server under load once; again if the machine was so busy
// that nothing was answered in time.
func (c *contestant) round(p plan, callers int) (f figures, err error) {
	for range 5 {
		before := c.server.cpu()
		err = c.load.ask(loadOrder{URL: c.up.URL, Target: c.up.Target, Tokens: c.up.Tokens, Callers: callers, Warm: p.warm, For: p.each}, &f)
		if err != nil {
			return f, err
		}
		if f.Rate > 0 {
			f.CPU, f.RSS = (c.server.cpu()-before)/time.Duration(f.Answers), c.server.rss()
			return f, nil
		}
		p.each *= 2
	}
	return f, fmt.Errorf("%s answered nothing in %s", c.server.name, p.each)
}

// measureIssue compares issuing on SQLite with the reference.
func measureIssue(ctx context.Context, p plan) (rows []row, err error) {
	var s stage
	defer func() { err = errors.Join(err, s.close()) }()
	sts, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := s.serve(ctx, p, "service", sts, "")
	if err != nil {
		return nil, err
	}
	theirs, err := s.serve(ctx, p, "reference", sts, "")
	if err != nil {
		return nil, err
	}
	rounds := make([][]both, len(p.callers))
	for n := range p.rounds {
		for i, callers := range p.callers {
			b, err := turn(p, ours, theirs, callers, n)
			if err != nil {
				return nil, err
			}
			rounds[i] = append(rounds[i], b)
		}
	}
	for i, callers := range p.callers {
		r := compare(rounds[i], rates)
		r.name, r.goal, r.least = fmt.Sprintf("issue, %s", count(callers, "caller")), 0.7, true
		rows = append(rows, r)
	}
	return rows, nil
}

// turn runs one round of both; who begins changes with n.
func turn(p plan, ours, theirs *contestant, callers, n int) (b both, err error) {
	for i := range 2 {
		if (i+n)%2 == 0 {
			b.ours, err = ours.round(p, callers)
		} else {
			b.theirs, err = theirs.round(p, callers)
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
