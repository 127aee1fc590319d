package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/store/pgtest"
)

// TestKill kills brevetd -9 amid approving and issuing, again and again, and
// then asks the log: nothing that was acknowledged is lost, no credential left
// without its record, nothing was decided twice, and what was under way is
// accounted for.
func TestKill(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 3
	}
	if os.Getenv("BREVET_SOAK") != "" {
		kills = 300
	}
	t.Run("sqlite", func(t *testing.T) { killMany(t, "", kills) })
	t.Run("postgres", func(t *testing.T) { killMany(t, pgtest.New(t), kills) })
}

// seen is what clients were told.
type seen struct {
	mu        sync.Mutex
	approved  map[string]bool // requests whose approval was acknowledged
	issued    map[string]bool // access keys that left
	requested map[string]bool
	revoked   map[string]bool // grants whose revocation was acknowledged
	acts      map[string]bool // by which they were: a job carries each to the cloud
	refused   map[string]int  // what was said instead
}

func newSeen() *seen {
	return &seen{approved: map[string]bool{}, issued: map[string]bool{}, requested: map[string]bool{}, revoked: map[string]bool{}, acts: map[string]bool{}, refused: map[string]int{}}
}

// failed notes that something was not acknowledged, and why.
func (s *seen) failed(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[what+": "+err.Error()]++
}

func killMany(t *testing.T, database string, kills int) {
	dir := t.TempDir()
	port := mustPorts(t)
	facts, stop := startDev(t, dir, database, port)
	w := &brevettest.World{World: &sandbox.World{Facts: facts}}
	tokens := map[string]string{}
	for _, who := range []string{"engineer", "lead", "security"} {
		_, token := w.Login(t, who)
		tokens[who] = token.Token
	}
	got := newSeen()
	rng := rand.New(rand.NewPCG(7, uint64(kills)))
	for range kills {
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		for i := range 4 {
			work.Go(func() { got.hammer(ctx, facts, tokens, i) })
		}
		// How far the work has come decides, not the clock: a random number of
		// acknowledgements, then the kill.
		got.await(t, got.count()+3+rng.IntN(40))
		stop()
		cancel()
		work.Wait()
		facts, stop = startDev(t, dir, database, port)
		takeBack(t, client.New(facts.URL, tokens["engineer"], api.Version))
	}
	got.finished(t, client.New(facts.URL, tokens["security"], api.Version))
	got.check(t, client.New(facts.URL, tokens["security"], api.Version))
	t.Logf("%d kills: %d requests, %d approvals and %d credentials and %d revocations acknowledged, all on record", kills, len(got.requested), len(got.approved), len(got.issued), len(got.revoked))
}

// takeBack withdraws what waits since a kill came between asking and deciding:
// nobody may have many requests waiting.
func takeBack(t *testing.T, engineer *client.Client) {
	t.Helper()
	now, err := engineer.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range now.Waiting {
		if _, err := engineer.Withdraw(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// finished waits until every revocation that was acknowledged is confirmed, or
// over: none is lost with the process that was carrying it out.
func (s *seen) finished(t *testing.T, security *client.Client) {
	t.Helper()
	for act := range s.acts {
		var v api.Revocations
		for range 10 { // unconfirmed is settled, too, and goes on
			var err error
			if v, err = security.Revocation(t.Context(), act, 20*time.Second); err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(v.Grants, func(r api.Revocation) bool { return r.Closed.IsZero() }) {
				break
			}
		}
		for _, r := range v.Grants {
			if r.Closed.IsZero() {
				t.Errorf("the revocation of %s is %s: %s", r.Grant, r.State, r.Trouble)
			}
		}
		if len(v.Grants) == 0 {
			t.Errorf("act %s is acknowledged and not on record", act)
		}
	}
}

// startDev runs brevetd dev as a process; stop kills it.
func startDev(t *testing.T, dir, database string, port int) (facts sandbox.Facts, stop func()) {
	t.Helper()
	facts, p := startProcess(t, devProcess{dir: dir, database: database, port: port})
	return facts, p.kill
}

// devProcess is a brevetd dev that runs as a process.
type devProcess struct {
	dir, database string
	port          int
	parts         string // file with channels and the like; "" for none
	clock         string // file that says how far its clock is ahead; "" for the machine's

	cmd  *exec.Cmd
	kill func() // as kill -9, once
}

// startProcess starts p and waits until it is ready.
func startProcess(t *testing.T, p devProcess) (facts sandbox.Facts, _ *devProcess) {
	t.Helper()
	program, args := "brevetd", []string{"dev", "--dir", p.dir, "--port", fmt.Sprint(p.port)}
	if p.database != "" {
		args = append(args, "--database", p.database)
	}
	if p.parts != "" {
		args = append(args, "--config", p.parts)
	}
	if p.clock != "" {
		program = "moved"
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), clockEnv+"="+p.clock)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		cmd.Wait()
		t.Fatalf("brevetd did not start: %s", stderr.String())
	}
	go func() {
		for lines.Scan() {
		}
	}()
	p.cmd, p.kill = cmd, sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(p.kill)
	text, err := os.ReadFile(filepath.Join(p.dir, "dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	return facts, &p
}

// hammer asks, approves, issues and now and then revokes until ctx is over, and
// notes what was acknowledged.
func (s *seen) hammer(ctx context.Context, facts sandbox.Facts, tokens map[string]string, n int) {
	engineer, lead := client.New(facts.URL, tokens["engineer"], api.Version), client.New(facts.URL, tokens["lead"], api.Version)
	security := client.New(facts.URL, tokens["security"], api.Version)
	targets := []string{"acme-prod/SRE", "acme-prod/Data", "acme-prod/DevOps", "acme-prod/Security"}
	for i := 0; ctx.Err() == nil; i++ {
		r, err := engineer.Ask(ctx, api.NewRequest{Target: targets[n], Duration: "1h", Reason: "kill test"})
		if err != nil {
			s.failed("ask", err)
			continue
		}
		s.note(s.requested, r.ID)
		if _, err := lead.Decide(ctx, r.ID, api.Decide{Approve: true}); err != nil {
			s.failed("approve", err)
			continue
		}
		s.note(s.approved, r.ID)
		c, err := engineer.Credential(ctx, api.CredentialRequest{Target: targets[n]})
		if err != nil {
			s.failed("issue", err)
			continue
		}
		s.note(s.issued, c.AccessKeyID)
		if i%10 > 0 { // each is an errand of its own, at the cost of many requests
			continue
		}
		if r, err := security.Revoke(ctx, c.Grant, api.Revoke{Reason: "kill test"}); err == nil {
			s.note(s.revoked, c.Grant)
			s.note(s.acts, r.Act)
		}
	}
}

func (s *seen) note(m map[string]bool, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m[id] = true
}

func (s *seen) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requested) + len(s.approved) + len(s.issued)
}

// await waits until so much was acknowledged; it gives up after a minute.
func (s *seen) await(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	clear(s.refused)
	s.mu.Unlock()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 60000 {
		if s.count() >= n {
			return
		}
		<-tick.C
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Fatalf("nothing is acknowledged any more; %v", s.refused)
}

// logged reads the whole log.
func logged(t *testing.T, security *client.Client) iter.Seq[brevet.Event] {
	return func(yield func(brevet.Event) bool) {
		t.Helper()
		for from, size := int64(0), int64(-1); from != size; {
			page, err := security.Entries(t.Context(), from, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Entries {
				var ev brevet.Event
				if err := json.Unmarshal([]byte(e.Details), &ev); err != nil {
					t.Fatalf("entry %d: %v", e.Index, err)
				}
				if !yield(ev) {
					return
				}
			}
			from, size = page.Next, page.Size
		}
	}
}

// check replays the log.
func (s *seen) check(t *testing.T, security *client.Client) {
	t.Helper()
	created, approved, issued, revoked := map[string]bool{}, map[string]int{}, map[string]bool{}, map[string]int{}
	intended := map[string]string{} // session -> what became of it
	for ev := range logged(t, security) {
		switch ev.Kind {
		case brevet.RequestCreated:
			created[string(ev.Request)] = true
		case brevet.RequestApproved:
			approved[string(ev.Request)]++
		case brevet.GrantRevoked:
			revoked[string(ev.Grant)]++
		case brevet.SessionIntended:
			intended[string(ev.Session)] = "intended"
		case brevet.SessionIssued:
			issued[ev.Data["access_key"]] = true
			intended[string(ev.Session)] = "issued"
		case brevet.SessionInDoubt, brevet.SessionEnded:
			intended[string(ev.Session)] = string(ev.Kind)
		}
	}
	for id := range s.requested {
		if !created[id] {
			t.Errorf("request %s was acknowledged and is not on record", id)
		}
	}
	for id := range s.approved {
		if approved[id] == 0 {
			t.Errorf("approval of %s was acknowledged and is not on record", id)
		}
	}
	for id, n := range approved {
		if n > 1 {
			t.Errorf("request %s was approved %d times", id, n)
		}
	}
	for key := range s.issued {
		if !issued[key] {
			t.Errorf("credential %s left and is not on record", key)
		}
	}
	for id := range s.revoked {
		if revoked[id] == 0 {
			t.Errorf("the revocation of %s was acknowledged and is not on record", id)
		}
	}
	for id, n := range revoked {
		if n > 1 {
			t.Errorf("grant %s was revoked %d times", id, n)
		}
	}
	lost := 0
	for _, state := range intended {
		if state == "intended" {
			lost++
		}
	}
	t.Logf("%d sessions were under way when brevetd died; they count as live until they are in doubt", lost)
}
