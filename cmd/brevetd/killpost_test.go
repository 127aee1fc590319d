package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/notify/smtpd"
	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/store/pgtest"
)

// TestKillPost kills brevetd -9 amid sending notifications, again and again:
// before the receiver said yes, between its yes and our record of it, and some
// time after. Nothing is lost, and nothing comes twice but what was cut in
// between, under the id by which its receiver knows it.
func TestKillPost(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: -short: kills the server six times")
	}
	t.Run("sqlite", func(t *testing.T) { killPost(t, "", 6) })
	if os.Getenv("BREVET_SOAK") != "" {
		t.Run("sqlite, longer", func(t *testing.T) { killPost(t, "", 20) })
		t.Run("postgres", func(t *testing.T) { killPost(t, pgtest.New(t), 20) })
	}
}

// How a process dies that has handed a message to its receiver.
const (
	diesUnheard = iota // the receiver has it whole, and never says yes
	diesBetween        // the receiver says yes, and the process never hears it
	diesSoon           // the receiver says yes, and the process may record it
	deaths
)

// arrival is a message to which a receiver said yes.
type arrival struct {
	id   string
	what string // kind of event and request
	life int    // of the processes that it came from, from 0
}

// receivers are a mail server and a webhook's receiver that write down what
// they said yes to.
type receivers struct {
	t *testing.T

	mu      sync.Mutex
	got     map[string][]arrival // by channel
	life    int
	open    int // connections
	closed  sync.Cond
	process *devProcess
	fatal   string // channel at whose next message the process dies; "" for none
	death   int
	struck  chan struct{}
	must    map[string]bool // those that it cannot have recorded
}

// take is called with a message that has come whole, and reports whether to
// say yes.
func (r *receivers) take(channel, id, what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	yes := true
	if r.fatal == channel {
		r.fatal = ""
		switch r.death {
		case diesUnheard:
			yes = false
			r.process.cmd.Process.Kill()
		case diesBetween:
			r.freeze()
			r.must[id] = true
		}
		close(r.struck)
	}
	if yes {
		r.got[channel] = append(r.got[channel], arrival{id, what, r.life})
	}
	return yes
}

// freeze stops the process and waits until it stands still.
func (r *receivers) freeze() {
	pid := r.process.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		r.t.Error(err)
		return
	}
	var status syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(pid, &status, syscall.WUNTRACED, nil); err != syscall.EINTR {
			if err != nil || !status.Stopped() {
				r.t.Errorf("brevetd does not stand still: %v", err)
			}
			return
		}
	}
}

// arm has the process die at the channel's next message; struck is closed then.
func (r *receivers) arm(p *devProcess, channel string, death int) (struck <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process, r.fatal, r.death, r.struck = p, channel, death, make(chan struct{})
	return r.struck
}

var mailedRequest = regexp.MustCompile(`/requests/(req_[0-9a-z]+)`)

// mail is the mail server's.
func (r *receivers) mail(m smtpd.Mail) error {
	msg, err := netmail.ReadMessage(strings.NewReader(string(m.Data)))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(msg.Body)
	if err != nil {
		return err
	}
	about := mailedRequest.FindStringSubmatch(strings.ReplaceAll(string(body), "=\r\n", ""))
	if about == nil {
		return fmt.Errorf("a mail about no request: %s", m.Data)
	}
	if !r.take("post", msg.Header.Get("Message-ID"), string(brevet.RequestCreated)+" "+about[1]) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// hook is the webhook's receiver.
func (r *receivers) hook(w http.ResponseWriter, req *http.Request) {
	var in struct {
		Type string `json:"type"`
		Data struct {
			Request string `json:"request"`
		} `json:"data"`
	}
	if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !r.take("hook", req.Header.Get("webhook-id"), in.Type+" "+in.Data.Request) {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusNoContent)
}

// nextLife waits until nothing is left of what the dead process sent.
func (r *receivers) nextLife() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.open > 0 {
		r.closed.Wait()
	}
	r.life++
}

// listener counts the connections that are open.
type listener struct {
	net.Listener
	r *receivers
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.r.count(1)
	return &counted{c, sync.OnceFunc(func() { l.r.count(-1) })}, nil
}

type counted struct {
	net.Conn
	over func()
}

func (c *counted) Close() error { c.over(); return c.Conn.Close() }

func (r *receivers) count(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open += n
	r.closed.Broadcast()
}

// startReceivers starts both and returns the file that names them as channels.
func startReceivers(t *testing.T, dir string) (*receivers, string) {
	r := &receivers{t: t, got: map[string][]arrival{}, must: map[string]bool{}}
	t.Helper()
	r.closed.L = &r.mu
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = listener{l, r}
	var mails sync.WaitGroup
	mails.Go(func() { _ = (&smtpd.Server{Take: r.mail}).Serve(l) })
	t.Cleanup(func() { l.Close(); mails.Wait() })
	hook := httptest.NewUnstartedServer(http.HandlerFunc(r.hook))
	hook.Listener = listener{hook.Listener, r}
	hook.Start()
	t.Cleanup(hook.Close)
	parts := fmt.Sprintf(`channels:
  - {name: post, kind: mail, customers: ["*"], what: [request], allow_private: [127.0.0.1/32], from: brevet@brevet.invalid, to: [all@brevet.invalid], smtp: {host: %q, tls: none}}
  - {name: hook, kind: webhook, customers: ["*"], what: [request, outcome], allow_private: [127.0.0.1/32], url: %q, secret_files: [secret]}
`, l.Addr(), hook.URL)
	path := filepath.Join(dir, "parts.yaml")
	for name, text := range map[string]string{path: parts, filepath.Join(dir, "secret"): "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return r, path
}

func killPost(t *testing.T, database string, kills int) {
	dir := t.TempDir()
	r, parts := startReceivers(t, t.TempDir())
	p := devProcess{dir: dir, database: database, port: mustPorts(t), parts: parts, clock: filepath.Join(t.TempDir(), "clock")}
	p.database = withClock(t, database)
	ahead := time.Duration(0)
	facts, process := startProcess(t, p)
	w := &brevettest.World{World: &sandbox.World{Facts: facts}}
	engineer, _ := w.Login(t, "engineer")
	security, _ := w.Login(t, "security")
	for n := range kills {
		ctx, cancel := context.WithCancel(t.Context()) // who stands still answers nobody
		struck := r.arm(process, []string{"post", "hook"}[n%2], n/2%deaths)
		go func() { <-struck; cancel() }()
		for _, target := range []string{"acme-prod/SRE", "acme-prod/Data", "acme-prod/DevOps"} {
			if _, err := engineer.Ask(ctx, api.NewRequest{Target: target, Duration: "1h", Reason: "kill test"}); err != nil {
				break // it is dead already
			}
		}
		<-struck
		process.kill()
		// What was under way counts as lost with its process two minutes later.
		ahead += 2*time.Minute + time.Second
		if err := os.WriteFile(p.clock, []byte(ahead.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		moveDatabase(t, p.database, ahead)
		r.nextLife()
		_, process = startProcess(t, p)
		takeBack(t, engineer)
	}
	allSent(t, security)
	r.check(kills, recorded(t, security))
}

// withClock gives a PostgreSQL database, if it is one, a clock that moveDatabase
// moves: what brevetd compares its own with.
func withClock(t *testing.T, database string) string {
	t.Helper()
	if database == "" {
		return ""
	}
	onDatabase(t, database, `CREATE TABLE clock AS SELECT interval '0' AS ahead`)
	onDatabase(t, database, `CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
		'SELECT pg_catalog.clock_timestamp() + (SELECT ahead FROM public.clock)'`)
	return database + "&search_path=public,pg_catalog"
}

func moveDatabase(t *testing.T, database string, ahead time.Duration) {
	t.Helper()
	if database != "" {
		onDatabase(t, database, `UPDATE clock SET ahead = $1 * interval '1 second'`, ahead.Seconds())
	}
}

func onDatabase(t *testing.T, url, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// allSent waits until no channel has anything to send.
func allSent(t *testing.T, security *client.Client) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var waiting int
	for range 3000 {
		channels, err := security.Channels(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		waiting = 0
		for _, c := range channels {
			waiting += c.Waiting
		}
		if waiting == 0 {
			return
		}
		<-tick.C
	}
	t.Fatalf("%d messages are not sent", waiting)
}

// recorded lists what the log has that each channel is told.
func recorded(t *testing.T, security *client.Client) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for ev := range logged(t, security) {
		what := string(ev.Kind) + " " + string(ev.Request)
		switch ev.Kind {
		case brevet.RequestCreated:
			out["post"] = append(out["post"], what)
			out["hook"] = append(out["hook"], what)
		case brevet.RequestWithdrawn:
			out["hook"] = append(out["hook"], what)
		case brevet.MessageLost:
			t.Errorf("message %s of %s was given up: %s", ev.Data["message"], ev.Data["channel"], ev.Reason)
		}
	}
	return out
}

// check compares what came with what is on record.
func (r *receivers) check(kills int, want map[string][]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	total, doubles := 0, 0
	for _, channel := range []string{"post", "hook"} {
		ids, times := map[string]string{}, map[string][]int{}
		for _, a := range r.got[channel] {
			if other, ok := ids[a.what]; ok && other != a.id {
				r.t.Errorf("%s came as %s and as %s", a.what, other, a.id)
			}
			ids[a.what] = a.id
			times[a.id] = append(times[a.id], a.life)
		}
		for _, what := range want[channel] {
			if ids[what] == "" {
				r.t.Errorf("%s: %s is on record and never came", channel, what)
			}
		}
		if len(ids) != len(want[channel]) || len(ids) == 0 {
			r.t.Errorf("%s: %d came of %d", channel, len(ids), len(want[channel]))
		}
		total += len(ids)
		again := map[int]int{} // lives at whose end a message was cut
		for id, lives := range times {
			for i := 1; i < len(lives); i++ {
				doubles++
				if again[lives[i-1]]++; lives[i] <= lives[i-1] || again[lives[i-1]] > 1 {
					r.t.Errorf("%s came in lives %v, and nothing cut it", id, lives)
				}
			}
			if r.must[id] && len(lives) < 2 { // more, if the next process died over it, too
				r.t.Errorf("%s was cut between yes and record, and came in lives %v", id, lives)
			}
		}
	}
	if doubles < len(r.must) || len(r.must) < kills/deaths {
		r.t.Errorf("%d came twice, %d were cut in between", doubles, len(r.must))
	}
	r.t.Logf("%d kills: %d messages on record, all came; %d came twice, under the same id", kills, total, doubles)
}
