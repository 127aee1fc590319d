// Package pgtest starts a real PostgreSQL for tests: one private server a test
// binary, one database a test. It uses the binaries of the system's packages
// and, when root runs it, the system's account postgres; where either is
// missing the tests are skipped by name.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Main runs a package's tests and then stops the server, if one was started.
func Main(m *testing.M) {
	code := m.Run()
	Stop()
	os.Exit(code)
}

// Stop ends the server, for test binaries that have a Main of another kind.
func Stop() {
	mu.Lock()
	defer mu.Unlock()
	if running != nil {
		running.stop()
		running = nil
	}
}

// New returns the URL of a fresh, empty database on the test binary's server,
// which is started if need be. Without PostgreSQL the test is skipped.
func New(t testing.TB) string {
	t.Helper()
	s := get(t)
	name := "t" + strings.ToLower(rand.Text())
	if err := s.exec(`CREATE DATABASE ` + name); err != nil {
		t.Fatalf("PostgreSQL: %v", err)
	}
	t.Cleanup(func() { s.exec(`DROP DATABASE IF EXISTS ` + name + ` WITH (FORCE)`) })
	return s.url(name)
}

// Exec runs a statement as the server's superuser in another database than
// the test's: to cut its connections, for example.
func Exec(t testing.TB, statement string) {
	t.Helper()
	if err := get(t).exec(statement); err != nil {
		t.Fatalf("PostgreSQL: %v", err)
	}
}

// Durable makes the server sync its commits to the disk, as in production. It
// does not otherwise: nothing that a test loses must survive a power cut.
func Durable(t testing.TB) {
	t.Helper()
	Exec(t, `ALTER SYSTEM SET fsync = on`)
	Exec(t, `SELECT pg_reload_conf()`)
}

var (
	mu      sync.Mutex
	running *server
	failure error
)

func get(t testing.TB) *server {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if running == nil && failure == nil {
		running, failure = launch()
	}
	if errors.Is(failure, errMissing) {
		t.Skipf("SKIPPED: PostgreSQL: %v", failure)
	}
	if failure != nil {
		t.Fatalf("PostgreSQL: %v", failure)
	}
	return running
}

var errMissing = errors.New("its server programs are not installed")

// Installed reports whether there is a PostgreSQL to start; where there is
// none, [New] skips its test.
func Installed() bool { return len(installed()) > 0 }

// installed returns the server programs that are there, the newest last.
func installed() []string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	return found
}

// server is a running PostgreSQL.
type server struct {
	dir  string
	bin  string
	cred *syscall.Credential
	port int
	cmd  *exec.Cmd
	gone chan struct{} // closed once cmd has ended
}

func (s *server) url(name string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, name)
}

// launch makes a cluster in a temporary directory and starts it on a free
// port of the loopback.
func launch() (*server, error) {
	if !Installed() {
		return nil, errMissing
	}
	found := installed()
	bin := filepath.Dir(found[len(found)-1])
	cred, err := credential()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, err
	}
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return nil, err
		}
	}
	s := &server{dir: dir, bin: bin, cred: cred}
	if err = s.found(); err == nil {
		err = s.start()
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// credential returns the account that the server must run as when we are
// root, whom it refuses.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w: no account postgres", errMissing)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	return cmd
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

// found makes the cluster's files.
func (s *server) found() error {
	out, err := s.command("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// start starts the server. Whoever else is about may take the free port before
// the server does; then it ends at once, and another port is tried.
func (s *server) start() error {
	var failed error
	for range 5 {
		port, err := freePort()
		if err != nil {
			return err
		}
		s.port = port
		var log bytes.Buffer
		s.cmd = s.command("postgres", "-D", s.data(), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1",
			"-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "log_min_messages=fatal", "-c", "fsync=off")
		s.cmd.Stderr = &log
		if err := s.cmd.Start(); err != nil {
			return err
		}
		s.gone = make(chan struct{})
		go func() { s.cmd.Wait(); close(s.gone) }()
		if err = s.ready(); err == nil {
			return nil
		}
		s.end()
		failed = errors.Join(failed, fmt.Errorf("%w\n%s", err, log.String()))
	}
	return failed
}

// patience is how long a busy machine may take for what takes milliseconds.
const patience = 2 * time.Minute

// ready waits until the server answers or has ended.
func (s *server) ready() error {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err = s.exec(`SELECT 1`); err == nil {
			return nil
		}
		select {
		case <-s.gone:
			return errors.New("the server ended as soon as it was started")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("the server does not answer: %w", err)
}

func (s *server) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}

func (s *server) stop() {
	s.end()
	os.RemoveAll(s.dir)
}

// end ends the process.
func (s *server) end() {
	s.cmd.Process.Signal(syscall.SIGQUIT) // at once; nothing is to be kept
	<-s.gone
}
