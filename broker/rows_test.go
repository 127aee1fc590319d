package broker_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
)

// attempt is one try of somebody for a target.
type attempt struct{ person, target string }

// crime sets the scene for row edits: grants that were revoked, handed back
// and run out, a request that nobody decided, and one grant that lives.
func crime(t *testing.T) (h *house, tokens map[string]string, allowed map[attempt]time.Time) {
	h = newHouse(t)
	tokens = map[string]string{}
	who := map[string]brevet.Caller{}
	for _, name := range []string{"engineer", "lead", "security", "contractor"} {
		tokens[name], who[name] = h.token(name)
	}
	grant := func(target string) broker.Issued {
		h.approve(who["lead"], h.ask(who["engineer"], target, time.Hour).ID)
		return h.want(who["engineer"], target, "")
	}
	grant("acme-prod/ReadOnly") // runs out
	h.advance(time.Hour)
	if _, err := h.Revoke(t.Context(), who["security"], grant("acme-prod/SRE").Grant.ID, "incident", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Drop(t.Context(), who["engineer"], grant("acme-prod/Data").Grant.ID, ""); err != nil {
		t.Fatal(err)
	}
	h.ask(who["engineer"], "acme-prod/DevOps", time.Hour)
	live := grant("acme-prod/Security")
	first := h.want(who["contractor"], "acme-staging/ReadOnly", "")
	h.ask(who["engineer"], "acme-staging/SRE", 30*time.Minute)
	longer := h.extend(who["engineer"], h.want(who["engineer"], "acme-staging/SRE", "").Grant.ID, 20*time.Minute)
	h.extend(who["engineer"], live.Grant.ID, time.Hour) // nobody decides
	return h, tokens, map[attempt]time.Time{{"engineer", "acme-prod/Security"}: live.Grant.End, {"contractor", "acme-staging/ReadOnly"}: first.Grant.End,
		{"engineer", "acme-staging/SRE"}: longer.Grant.End}
}

var attempts = []attempt{
	{"engineer", "acme-prod/ReadOnly"}, {"engineer", "acme-prod/SRE"}, {"engineer", "acme-prod/Data"}, {"engineer", "acme-prod/DevOps"},
	{"engineer", "acme-prod/Security"}, {"engineer", "acme-prod/Admin"}, {"engineer", "acme-staging/SRE"}, {"contractor", "acme-staging/ReadOnly"}, {"contractor", "acme-prod/Security"},
}

// tryAll makes the attempts and complains about each credential that should
// not have left.
func tryAll(t *testing.T, h *house, tokens map[string]string, allowed map[attempt]time.Time, edit string, attempts ...attempt) {
	t.Helper()
	for _, a := range attempts {
		c, err := h.WhoIs(t.Context(), tokens[a.person], "")
		if err != nil {
			continue
		}
		got, err := h.Credential(t.Context(), c, broker.Want{Target: a.target})
		if err != nil {
			continue
		}
		end, ok := allowed[a]
		asked := h.issues[len(h.issues)-1]
		if !ok || got.Expires.After(end) || string(asked.Handle) != a.person {
			t.Errorf("after %s: %s got %s until %s as %s", edit, a.person, a.target, got.Expires, asked.Handle)
		}
	}
}

// TestRowEditsIssueNothing edits random cells of the database behind the
// broker's back (law 11): nobody gets what they could not get before.
func TestRowEditsIssueNothing(t *testing.T) {
	n := 1000
	if os.Getenv("BREVET_SOAK") != "" {
		n = 20_000
	}
	h, tokens, allowed := crime(t)
	tryAll(t, h, tokens, allowed, "nothing", attempts...)
	db, err := sql.Open("sqlite", "file:"+h.path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	done := 0
	for i := 0; done < n && i < 10*n; i++ {
		undo, what := vandal(t, db, rng)
		if undo == nil {
			continue
		}
		done++
		tryAll(t, h, tokens, allowed, what, attempts[rng.IntN(len(attempts))], attempts[rng.IntN(len(attempts))], attempts[rng.IntN(len(attempts))])
		undo()
	}
	if done < n {
		t.Errorf("only %d of %d edits took", done, n)
	}
	t.Logf("%d edits, nothing issued that was not granted", done)
}

// vandal puts another value into one cell, preferably one from another row.
func vandal(t *testing.T, db *sql.DB, rng *rand.Rand) (undo func(), what string) {
	tables := []string{"grants", "grants", "grants", "requests", "requests", "signins", "persons", "principals", "events", "sessions", "head",
		"catalogs", "claims", "blinds", "revocations"}
	table := tables[rng.IntN(len(tables))]
	var columns []string
	rows, err := db.Query("SELECT name FROM pragma_table_info('" + table + "')")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, name)
	}
	rows.Close()
	column := columns[rng.IntN(len(columns))]
	var count int
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&count); err != nil {
		t.Fatal(err)
	}
	if count == 0 {
		return nil, ""
	}
	key := cmp.Or(map[string]string{"principals": "subject", "claims": "key", "blinds": "customer_id", "revocations": "grant_id"}[table], "rowid")
	var id, before, other any
	cell := fmt.Sprintf("SELECT %s, %s FROM %s LIMIT 1 OFFSET ", key, column, table)
	if err := db.QueryRow(cell+fmt.Sprint(rng.IntN(count))).Scan(&id, &before); err != nil {
		t.Fatal(err)
	}
	var ignored any
	if err := db.QueryRow(cell+fmt.Sprint(rng.IntN(count))).Scan(&ignored, &other); err != nil {
		t.Fatal(err)
	}
	if n, ok := before.(int64); ok && rng.IntN(2) == 0 {
		other = n + int64(rng.IntN(3)-1)*int64(time.Hour/time.Microsecond)
	}
	if column == "state" {
		other = []string{"active", "approved", "pending", "issued", "scheduled"}[rng.IntN(5)]
	}
	if fmt.Sprint(before) == fmt.Sprint(other) {
		return nil, ""
	}
	update := fmt.Sprintf("UPDATE %s SET %s = $1 WHERE %s = $2", table, column, key)
	if _, err := db.Exec(update, other, id); err != nil {
		return nil, "" // a constraint held
	}
	if column == key {
		id = other
	}
	return func() {
		if _, err := db.Exec(update, before, id); err != nil {
			t.Fatal(err)
		}
	}, fmt.Sprintf("%s.%s of %v set from %v to %v", table, column, id, before, other)
}

// TestPendingRowEdits: a decision that was never made, or another rule, does
// not count.
func TestPendingRowEdits(t *testing.T) {
	for _, edit := range []string{
		`UPDATE requests SET role = 'Admin'`,
		`UPDATE requests SET duration = duration * 2`,
		`UPDATE requests SET rule = '{"automatic":true}'`,
		`UPDATE requests SET decisions = '[{"person":"pr_x","approve":true,"digest":"","step":0,"at":"2026-11-21T00:00:00Z"}]'`,
		`UPDATE requests SET person_id = (SELECT id FROM persons WHERE handle = 'contractor')`,
	} {
		h := newHouse(t)
		engineer, lead := h.login("engineer"), h.login("lead")
		h.login("contractor")
		r := h.ask(engineer, "acme-prod/SRE", time.Hour)
		db, err := sql.Open("sqlite", "file:"+h.path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(edit); err != nil {
			t.Fatal(err)
		}
		db.Close()
		if _, err := h.Decide(t.Context(), lead, broker.Decide{ID: r.ID, Approve: true}); err == nil {
			t.Errorf("after %s the request was approved", edit)
		}
	}
}
