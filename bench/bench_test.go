package main

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(partEnv); name != "" {
		os.Exit(runPart(name))
	}
	os.Exit(m.Run())
}

// TestPlumbing runs every section with next to nothing to do; its figures
// mean nothing.
func TestPlumbing(t *testing.T) {
	p := plan{callers: []int{1, 4}, rounds: 1, warm: 10 * time.Millisecond, each: 50 * time.Millisecond, starts: 1, appends: 20, decides: 100, clicks: 1, revokes: 1}
	for _, s := range sections {
		t.Run(s.name, func(t *testing.T) {
			if (s.name == "client" || s.name == "click") && testing.Short() {
				t.Skip("SKIPPED: -short: links three programs")
			}
			var err error
			if p.dir, err = os.MkdirTemp("", "bench"); err != nil { // PostgreSQL's account cannot enter t.TempDir
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(p.dir) })
			rows, err := s.measure(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			if err := printTable(&text, rows); err != nil || len(rows) == 0 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			t.Log("\n" + text.String())
			for _, r := range rows {
				if r.skipped != "" {
					t.Skipf("SKIPPED: %s", r.skipped)
				}
				if !(r.value > 0) {
					t.Errorf("%s: value %v", r.name, r.value)
				}
			}
		})
	}
}

func TestParse(t *testing.T) {
	p, err := parse([]string{"-quick", "-only", "issue,append", "-callers", "2,3"})
	if err != nil || !slices.Equal(p.only, []string{"issue", "append"}) || !slices.Equal(p.callers, []int{2, 3}) || p.rounds != quick.rounds {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		row  row
		want string
	}{
		{row{value: 0.7, unit: "x", goal: 0.7, least: true}, ">= 0.70x ok"},
		{row{value: 0.69, unit: "x", goal: 0.7, least: true}, ">= 0.70x MISSED"},
		{row{value: 1.9, unit: "x", goal: 1.9}, "<= 1.90x ok"},
		{row{value: 1.91, unit: "x", goal: 1.9}, "<= 1.90x MISSED"},
		{row{goal: 2, least: true, skipped: "no PostgreSQL"}, " SKIPPED: no PostgreSQL"},
	} {
		if goal, verdict := c.row.verdict(); goal+" "+verdict != c.want {
			t.Errorf("%+v: %q %q, want %q", c.row, goal, verdict, c.want)
		}
	}
}

// bare starts a reference in the test's process, and returns how to ask it
// for a credential and the tokens that reached STS.
func bare(t *testing.T) (r *reference, ask func() *httptest.ResponseRecorder, tokens *[]string) {
	t.Helper()
	tokens = new([]string)
	answer := newInstant(account, time.Now())
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_ = req.ParseForm()
		*tokens = append(*tokens, req.PostForm.Get("WebIdentityToken"))
		req.Body = http.NoBody
		w.Write(answer.answer)
	}))
	t.Cleanup(sts.Close)
	r, err := openReference(serverOrder{Dir: t.TempDir(), STS: sts.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.log.close() })
	bearer, err := r.admit("engineer")
	if err != nil {
		t.Fatal(err)
	}
	return r, func() *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodPost, "/v1/credentials", strings.NewReader(fmt.Sprintf(`{"target":%q}`, target)))
		req.Header.Set("Authorization", "Bearer "+bearer)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		return w
	}, tokens
}

// TestReferenceIsHonest: the reference does what it claims. Its tokens verify,
// its log is whole under a signed head, and its rows are held against the log.
func TestReferenceIsHonest(t *testing.T) {
	r, ask, tokens := bare(t)
	for range 5 {
		if w := ask(); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), accessKey) {
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	}
	if len(*tokens) != 5 {
		t.Fatalf("STS was asked %d times", len(*tokens))
	}
	for _, token := range *tokens {
		checkToken(t, r, token)
	}
	checkLog(t, r, 2+2*5)
	if _, err := r.log.writes.Exec(`UPDATE events SET details = replace(details, 'staging-look', 'another-look')`); err != nil {
		t.Fatal(err)
	}
	if w := ask(); w.Code == http.StatusOK {
		t.Error("issued under rows that were edited")
	}
}

func checkToken(t *testing.T, r *reference, token string) {
	t.Helper()
	at := strings.LastIndexByte(token, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token[at+1:])
	sum := sha256.Sum256([]byte(token[:at]))
	if err != nil || len(sig) != 64 || !ecdsa.Verify(&r.key.PublicKey, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Errorf("the token's signature is wrong (%v)", err)
	}
}

// checkLog rebuilds the tree from the rows and compares it with the head.
func checkLog(t *testing.T, r *reference, size int64) {
	t.Helper()
	stored := map[int64]tlog.Hash{}
	read := tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, err error) {
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	rows, err := r.log.reads.Query(`SELECT idx, leaf, salt, details, hashes FROM events ORDER BY idx`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := int64(0)
	for ; rows.Next(); n++ {
		var index int64
		var leaf, salt, details, flat []byte
		if err := rows.Scan(&index, &leaf, &salt, &details, &flat); err != nil || index != n {
			t.Fatal(index, err)
		}
		hashes, err := tlog.StoredHashes(n, leaf, read)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		for i, h := range hashes {
			stored[tlog.StoredHashIndex(0, n)+int64(i)] = h
			want = append(want, h[:]...)
		}
		if digest := salted(salt, details); string(flat) != string(want) || !strings.HasSuffix(string(leaf), string(digest[:])) {
			t.Errorf("entry %d: wrong hashes", n)
		}
	}
	root, err := tlog.TreeHash(n, read)
	if err != nil || n != size {
		t.Fatalf("%d entries, want %d (%v)", n, size, err)
	}
	var head []byte
	if err := r.log.reads.QueryRow(`SELECT note FROM head`).Scan(&head); err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open(head, note.VerifierList(r.log.verifier))
	if want := fmt.Sprintf("%s/log/1\n%d\n%s\n", refHost, size, root); err != nil || opened.Text != want {
		t.Errorf("head %q, want %q (%v)", head, want, err)
	}
}
