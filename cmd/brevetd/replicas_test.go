package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/client"
	"github.com/brevet-access/brevet/sandbox"
	"github.com/brevet-access/brevet/service"
	"github.com/brevet-access/brevet/store/pgtest"
)

// replicaEnv tells the program replica which server to be.
const replicaEnv = "BREVET_TEST_REPLICA"

// replicaOrder is what a replica is told: a real brevetd, but in the sandbox's
// world.
type replicaOrder struct {
	Config service.Config
	AWS    string
	Clock  string // file that says what time it is; "" for the machine's
	Proxy  string // through which it reaches the world; "" for none
}

// replica serves until it is killed, and prints its address when it is ready.
func replica() {
	var o replicaOrder
	if err := json.Unmarshal([]byte(os.Getenv(replicaEnv)), &o); err != nil {
		fatal(err)
	}
	if o.Proxy != "" {
		via, err := url.Parse(o.Proxy)
		if err != nil {
			fatal(err)
		}
		http.DefaultTransport.(*http.Transport).Proxy = http.ProxyURL(via)
	}
	l, err := net.Listen("tcp", o.Config.Listen)
	if err != nil {
		fatal(err)
	}
	o.Config.Listen = l.Addr().String()
	aws := func(string, string) string { return o.AWS }
	s, err := service.Open(context.Background(), o.Config, service.Options{Now: scriptClock(o.Clock), Hosts: []string{l.Addr().String()}, Endpoint: o.AWS, STS: aws,
		API: func(string, string, string) string { return o.AWS },
		Credentials: func(context.Context) (brevet.Credential, error) {
			return brevet.Credential{}, errors.New("no credentials of its own")
		}})
	if err != nil {
		fatal(err)
	}
	fmt.Println("http://" + l.Addr().String())
	fatal(s.Serve(context.Background(), l))
}

// replicaProcess is a further brevetd on a world's database and keys.
type replicaProcess struct {
	dir, database string
	facts         sandbox.Facts
	clock, proxy  string // as replicaOrder has them
	listen        string // "" for a free port of 127.0.0.1
}

// start starts it and waits until it is ready; kill ends it as kill -9 does.
func (r replicaProcess) start() (url string, kill func(), err error) {
	cfg := service.Config{URL: r.facts.URL, Database: r.database, Catalog: filepath.Join(r.dir, "catalog.yaml"),
		Keys: filepath.Join(r.dir, "keys"), RootKey: filepath.Join(r.dir, "root.key")}
	var known struct {
		ClientSecret string `json:"client_secret"`
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "secrets.json"))
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil {
		return "", nil, err
	}
	p := service.Provider{Name: "sandbox", Issuer: r.facts.SignIn, ClientID: "brevet", ClientSecret: known.ClientSecret}
	p.MFA.AMR = []string{"mfa"}
	cfg.Providers, cfg.Listen = []service.Provider{p}, cmp.Or(r.listen, "127.0.0.1:0")
	order, err := json.Marshal(replicaOrder{cfg, r.facts.AWS, r.clock, r.proxy})
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command("replica")
	cmd.Env = append(os.Environ(), replicaEnv+"="+string(order))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	kill = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line := bufio.NewScanner(out)
	if !line.Scan() {
		kill()
		return "", nil, fmt.Errorf("the replica did not start: %s", stderr.String())
	}
	return line.Text(), kill, nil
}

// startReplica starts r for as long as the test lasts, or until it is killed.
func startReplica(t *testing.T, r replicaProcess) (url string, kill func()) {
	t.Helper()
	url, kill, err := r.start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kill)
	return url, kill
}

// openHollow opens a world without a broker: AWS and the identity provider run
// in this process, and replicas work on its database.
func openHollow(c sandbox.Config) (_ sandbox.Facts, stop func() error, err error) {
	w, err := sandbox.Open(context.Background(), c)
	if err != nil {
		return sandbox.Facts{}, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	served, ready := make(chan error, 1), make(chan struct{})
	go func() { served <- w.ServeAround(ctx, func() { close(ready) }) }()
	stop = func() error {
		cancel()
		return errors.Join(<-served, w.Close())
	}
	select {
	case <-ready:
		return w.Facts, stop, nil
	case err = <-served:
		served <- err
		return w.Facts, nil, stop()
	}
}

// TestReplicas lets three brevetd work on one PostgreSQL for the same people,
// and kills one after the other amid their work. The last goes on with what
// all of them did: nothing acknowledged is lost, nothing happened twice, what
// one ended is over at the others at once, and all follow one catalog.
func TestReplicas(t *testing.T) {
	database, dir := pgtest.New(t), t.TempDir()
	facts, _ := startDev(t, dir, database, mustPorts(t))
	w := &brevettest.World{World: &sandbox.World{Facts: facts}}
	tokens := map[string]string{}
	for _, who := range []string{"engineer", "lead", "security"} {
		_, token := w.Login(t, who)
		tokens[who] = token.Token
	}
	further := replicaProcess{dir: dir, database: database, facts: facts}
	second, killSecond := startReplica(t, further)
	third, killThird := startReplica(t, further)
	at := func(url, who string) *client.Client { return client.New(url, tokens[who], api.Version) }

	got := newSeen()
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for i, url := range []string{facts.URL, second, third} {
		here := facts
		here.URL = url
		work.Go(func() { got.hammer(ctx, here, tokens, i) })
	}
	got.await(t, 30)
	endedElsewhere(t, at(second, "engineer"), at(third, "security"), at(facts.URL, "engineer"))
	killSecond()
	got.await(t, got.count()+20)
	oneCatalog(t, at(third, "security"), at(facts.URL, "security"), at(facts.URL, "engineer"))
	killThird()
	got.await(t, got.count()+15)
	cancel()
	work.Wait()
	got.check(t, at(facts.URL, "security"))
}

// endedElsewhere ends a grant at one replica: no other issues under it.
func endedElsewhere(t *testing.T, engineer, security, elsewhere *client.Client) {
	t.Helper()
	c, err := engineer.Credential(t.Context(), api.CredentialRequest{Target: "acme-staging/ReadOnly"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := security.Revoke(t.Context(), c.Grant, api.Revoke{Reason: "incident"}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []*client.Client{engineer, elsewhere} {
		if _, err := at.Credential(t.Context(), api.CredentialRequest{Target: "acme-staging/ReadOnly"}); err == nil {
			t.Error("a grant that was revoked at one replica issued at another")
		}
	}
}

// oneCatalog narrows the catalog at one replica: the other rules by it at once.
func oneCatalog(t *testing.T, here, elsewhere, engineer *client.Client) {
	t.Helper()
	before, err := here.Catalog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const old, narrow = "longest: 4h\n    approval: automatic", "longest: 1h\n    approval: automatic"
	if !strings.Contains(before.Text, old) {
		t.Fatal("the sandbox's catalog has changed")
	}
	applied, err := here.Apply(t.Context(), api.Apply{Text: strings.Replace(before.Text, old, narrow, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engineer.Ask(t.Context(), api.NewRequest{Target: "acme-staging/SRE", Duration: "4h", Reason: "by the old rule"}); err == nil {
		t.Error("one replica rules by a catalog that another replaced")
	}
	after, err := elsewhere.Catalog(t.Context())
	if err != nil || after.Version != applied.Version || after.Version == before.Version {
		t.Errorf("version %d here, %d there, %v", applied.Version, after.Version, err)
	}
}
