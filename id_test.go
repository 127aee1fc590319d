package brevet_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

func TestNewID(t *testing.T) {
	check(t, "pr_", brevet.NewID[brevet.PersonID], brevet.ParseID[brevet.PersonID])
	check(t, "si_", brevet.NewID[brevet.SignInID], brevet.ParseID[brevet.SignInID])
	check(t, "cu_", brevet.NewID[brevet.CustomerID], brevet.ParseID[brevet.CustomerID])
	check(t, "req_", brevet.NewID[brevet.RequestID], brevet.ParseID[brevet.RequestID])
	check(t, "gr_", brevet.NewID[brevet.GrantID], brevet.ParseID[brevet.GrantID])
	check(t, "ses_", brevet.NewID[brevet.SessionID], brevet.ParseID[brevet.SessionID])
	check(t, "msg_", brevet.NewID[brevet.MessageID], brevet.ParseID[brevet.MessageID])
}

// check makes ids of one type, one a millisecond: each parses, none comes
// twice, and they sort by age.
func check[ID ~string](t *testing.T, prefix string, fresh func(time.Time) ID, parse func(string) (ID, error)) {
	shape := regexp.MustCompile(`^` + prefix + `[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}$`)
	var ids []ID
	for i := range 2000 {
		id := fresh(dawn.Add(time.Duration(i) * time.Millisecond))
		if got, err := parse(string(id)); got != id || err != nil || !shape.MatchString(string(id)) {
			t.Fatalf("%s: %s, %v", id, got, err)
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) || len(slices.Compact(ids)) != 2000 {
		t.Errorf("ids with %s are not in order, or not unique", prefix)
	}
	same := map[ID]bool{}
	for range 2000 {
		same[fresh(dawn)] = true
	}
	if len(same) != 2000 {
		t.Errorf("%d of 2000 ids with %s made at once differ", len(same), prefix)
	}
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.UnixMilli(1<<48 - 1)} {
		if _, err := parse(string(fresh(at))); err != nil {
			t.Errorf("made at %s: %v", at, err)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	good := string(brevet.NewID[brevet.GrantID](dawn))
	for _, s := range []string{"", "gr_", good[3:], good[:28], good + "0", " " + good, good + "\n", strings.ToUpper(good), "req_" + good[3:],
		"gr_8" + good[4:], "gr_" + strings.Repeat("i", 26), "gr_" + strings.Repeat("l", 26), "gr_" + strings.Repeat("u", 26), "gr_" + strings.Repeat("\x00", 26),
		"gr_" + strings.Repeat("é", 13), strings.Repeat("x", 1<<20)} {
		id, err := brevet.ParseID[brevet.GrantID](s)
		if brevet.KindOf(err) != brevet.Invalid || id != "" || len(err.Error()) > 200 || !strings.Contains(err.Error(), "gr_") {
			t.Errorf("%.60q: %q, %v", s, id, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("gr_01jgqk8z00abcdefghjkmnpqrs")
	f.Add("gr_81jgqk8z00abcdefghjkmnpqrs")
	f.Add("req_01jgqk8z00abcdefghjkmnpqrs")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := brevet.ParseID[brevet.GrantID](s)
		if err != nil {
			checkShown(t, err.Error())
			return
		}
		if string(id) != s || len(s) != 29 || strings.ToLower(s) != s {
			t.Errorf("%q is an id", s)
		}
	})
}
