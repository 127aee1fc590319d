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

// server is a running PostgreSQL.
type server struct {
	dir  string
	port int
	cmd  *exec.Cmd
}

func (s *server) url(name string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, name)
}

// launch makes a cluster in a temporary directory and starts it on a free
// port of the loopback.
func launch() (*server, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return nil, errMissing
	}
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
	s := &server{dir: dir}
	if s.port, err = freePort(); err == nil {
		err = s.run(bin, cred)
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

func (s *server) run(bin string, cred *syscall.Credential) error {
	data := filepath.Join(s.dir, "data")
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir = s.dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		return cmd
	}
	if out, err := command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	s.cmd = command("postgres", "-D", data, "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=200", "-c", "log_min_messages=fatal", "-c", "fsync=off")
	var log bytes.Buffer
	s.cmd.Stderr = &log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	err := s.ready()
	if err != nil {
		s.stop()
		err = fmt.Errorf("%w\n%s", err, log.String())
	}
	return err
}

// ready waits until the server answers.
func (s *server) ready() error {
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = s.exec(`SELECT 1`); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the server does not answer: %w", err)
}

func (s *server) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
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
	s.cmd.Process.Signal(syscall.SIGQUIT) // at once; nothing is to be kept
	s.cmd.Wait()
	os.RemoveAll(s.dir)
}
