package store

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brevet-access/brevet/audit"
)

// TestHeadKeeper watches the head file over time: written at once, then at
// most once a second with what is newest, and at the end.
func TestHeadKeeper(t *testing.T) {
	sign := func(h audit.Head) (audit.Head, error) { h.Note = append(h.Note, ", signed"...); return h, nil }
	path := filepath.Join(t.TempDir(), "head")
	synctest.Test(t, func(t *testing.T) {
		k := keepHeads(path, sign, slog.New(slog.DiscardHandler))
		want := func(text string) {
			t.Helper()
			synctest.Wait()
			if got, err := os.ReadFile(path); err != nil || string(got) != text+", signed" {
				t.Errorf("the file holds %q (%v), want %q", got, err, text)
			}
		}
		head := func(text string) audit.Head {
			return audit.Head{Size: int64(len(text)) + int64(text[0]), Note: []byte(text)}
		}
		k.saw(head("one"))
		want("one")
		k.saw(head("two"))
		k.saw(head("three"))
		want("one")
		time.Sleep(headPause - time.Millisecond)
		want("one")
		time.Sleep(time.Millisecond)
		want("three")
		k.saw(head("four"))
		k.close(head("five"))
		want("five")
	})
	left, err := filepath.Glob(path + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}
