package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// measurePostgres compares issuing by eight callers with issuing by one, on a
// PostgreSQL of its own with the durability that it has by default.
func measurePostgres(ctx context.Context, p plan) (rows []row, err error) {
	const name = "issue on PostgreSQL, 8 : 1 callers"
	pg, err := startPostgres(ctx, filepath.Join(p.dir, "postgres"))
	if errors.Is(err, errNoPostgres) {
		return []row{{name: name, skipped: err.Error()}}, nil
	}
	if err != nil {
		return nil, err
	}
	var s stage
	defer func() { err = errors.Join(err, s.close(), pg.stop()) }()
	sts, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	p.profile, p.dir = "", filepath.Join(p.dir, "on-postgres")
	server, err := s.serve(ctx, p, "service", sts, pg.url)
	if err != nil {
		return nil, err
	}
	var rounds []both
	for range p.rounds {
		var b both
		if b.ours, err = server.round(p, 8); err == nil {
			b.theirs, err = server.round(p, 1)
		}
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, b)
	}
	r := compare(rounds, rates)
	r.name, r.goal, r.least = name, 2, true
	return []row{r}, nil
}

var errNoPostgres = errors.New("no PostgreSQL: install its server, or run as somebody who may use it")

// postgres is a private PostgreSQL on a port of the loopback.
type postgres struct {
	url string
	ctl func(args ...string) error
}

// startPostgres makes a cluster in dir and starts it. As root it runs as the
// system's account postgres, since PostgreSQL refuses root.
func startPostgres(ctx context.Context, dir string) (*postgres, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if len(found) == 0 {
		return nil, errNoPostgres
	}
	bin := filepath.Dir(found[len(found)-1])
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	var as []string
	if os.Geteuid() == 0 {
		var err error
		if as, err = give(dir); err != nil {
			return nil, err
		}
	}
	run := func(name string, args ...string) error {
		line := append(append(as[:len(as):len(as)], filepath.Join(bin, name)), args...)
		cmd := exec.CommandContext(context.WithoutCancel(ctx), line[0], line[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		return nil
	}
	data := filepath.Join(dir, "data")
	if err := run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	pg := &postgres{url: fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port),
		ctl: func(args ...string) error { return run("pg_ctl", append([]string{"-D", data, "-s", "-w"}, args...)...) }}
	options := fmt.Sprintf("-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=50", port)
	return pg, pg.ctl("start", "-l", filepath.Join(dir, "log"), "-o", options)
}

func (pg *postgres) stop() error { return pg.ctl("stop", "-m", "immediate") }

// give hands dir to the account postgres and returns how to run a program as
// it. The folder above must let it pass.
func give(dir string) (as []string, err error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errNoPostgres
	}
	runuser, err := exec.LookPath("runuser")
	if err != nil {
		return nil, errNoPostgres
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2, os.Chown(dir, uid, gid), os.Chmod(filepath.Dir(dir), 0o711)); err != nil {
		return nil, err
	}
	return []string{runuser, "-u", "postgres", "--"}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	return strconv.Atoi(port)
}
