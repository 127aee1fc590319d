package store_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// crashURL is the environment variable that makes the test binary the victim
// of TestKill.
const crashURL = "BREVET_TEST_CRASH_URL"

// kills is how often TestKill kills on each database.
const kills = 4

// TestKill kills a process amid its appends. Whatever it had been told to be
// done is there, rows and events belong together, and the log is whole.
func TestKill(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		acknowledged := map[string]int64{}
		for range kills {
			killAfter(t, url, 150, acknowledged)
		}
		db := open(t, config(url))
		view(t, db, func(tx *store.Tx) error {
			for id, index := range acknowledged {
				ev, err := tx.Proven(index)
				if err != nil || string(ev.Grant) != id {
					t.Errorf("grant %s was acknowledged as entry %d, which is %s (%v)", id, index, ev.Grant, err)
				}
				if _, err := tx.Grant(brevet.GrantID(id)); err != nil {
					t.Errorf("grant %s was acknowledged: %v", id, err)
				}
			}
			grants, err := tx.Grants(store.GrantFilter{})
			if int64(len(grants)) != db.Head().Size-1 {
				t.Errorf("%d rows and %d events", len(grants), db.Head().Size-1)
			}
			return err
		})
		wholeLog(t, db)
	})
}

// killAfter runs the victim until it has said to be done n times.
func killAfter(t *testing.T, url string, n int, acknowledged map[string]int64) {
	t.Helper()
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), crashURL+"="+url)
	victim.Stderr = os.Stderr
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		id, number, _ := strings.Cut(lines.Text(), " ")
		index, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			t.Errorf("the victim said %q", lines.Text())
			break
		}
		acknowledged[id] = index
		if seen++; seen == n {
			victim.Process.Kill() // what it said before is read on
		}
	}
	victim.Process.Kill()
	victim.Wait()
	if seen < n {
		t.Errorf("the victim was done %d times only", seen)
	}
}

// appendUntilKilled is the victim.
func appendUntilKilled(url string) {
	db, err := store.Open(context.Background(), config(url))
	if err != nil {
		fmt.Fprintln(os.Stderr, err, brevet.AsError(err).Cause)
		os.Exit(1)
	}
	for caller := range 8 {
		go func() {
			for i := 0; ; i++ {
				g := brevet.Grant{ID: brevet.GrantID(fmt.Sprintf("gr_%d_%d_%d", os.Getpid(), caller, i)), State: brevet.Active}
				var index int64
				err := db.Update(context.Background(), func(tx *store.Tx) (err error) {
					if err = tx.AddGrant(g); err == nil {
						index, err = tx.Record(brevet.Event{Kind: brevet.GrantOpened, Customer: "cu_1", Grant: g.ID})
					}
					return err
				})
				if err != nil {
					fmt.Fprintln(os.Stderr, err, brevet.AsError(err).Cause)
					os.Exit(1)
				}
				os.Stdout.WriteString(fmt.Sprintf("%s %d\n", g.ID, index))
			}
		}()
	}
	select {}
}
