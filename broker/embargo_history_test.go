package broker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
)

// TestNothingByItselfHistories runs random histories of the catalog: versions
// that one or two people put in force, a clock that jumps, and somebody who
// asks. What opens by itself is held against a model that knows the versions
// only: for a day nobody gets what a version of theirs brought in, and to nobody
// else does it make a difference (law 12). With BREVET_SOAK=1 there are a million.
func TestNothingByItselfHistories(t *testing.T) {
	histories := uint64(100_000)
	if os.Getenv("BREVET_SOAK") != "" {
		histories *= 10
	}
	worlds, judged := embargoWorlds(t), map[[2]levels]bool{}
	seen := map[string]int{}
	for seed := range histories {
		h := &embargoHistory{Rand: rand.New(rand.NewPCG(12, seed)), worlds: worlds, judged: judged, seen: seen, now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
		if err := h.run(); err != nil {
			t.Fatalf("history %d: %v", seed, err)
		}
	}
	for _, what := range []string{"by itself", "by itself, after a version of theirs that changed nothing in it", "refused to the author", "refused to the confirmer",
		"refused after a later version", "by itself a day later", "refused to all"} {
		if seen[what] < int(histories/1000) {
			t.Errorf("%q came about %d times: the histories are too tame", what, seen[what])
		}
	}
}

// Each of the roles of the one account is given by one entitlement: not at
// all, by people's word, or by itself for so long.
var (
	embargoRoles  = []brevet.RoleName{"ReadOnly", "Data", "SRE"}
	embargoLevels = []string{"", "approval: {by: [group:leads]}\n    longest: 1h", "approval: automatic\n    longest: 1h", "approval: automatic\n    longest: 4h"}
	embargoPeople = []brevet.PersonID{"pr_author", "pr_second", "pr_third"}
)

const embargoHead = `
issuer: https://issuer.brevet.invalid
roles:
  ReadOnly: {about: "look", max: 8h, mfa: 8h, policies: [ReadOnlyAccess]}
  Data: {about: "buckets", max: 8h, mfa: 8h, policies: [AmazonS3FullAccess]}
  SRE: {about: "repair", max: 8h, mfa: 8h, policies: [AmazonEC2FullAccess]}
customers:
  - name: acme
    id: cu_01000000000000000000000000
    accounts: [{name: acme-staging, number: "111122223333", env: staging, region: eu-west-1, audience: "brevet:111122223333:aaaaaaaaaaaaaaaaaaaaaaaaaa", contract: 1}]
    rights: {catalog: [group:leads]}
entitlements:
  - {name: nothing, who: [nobody], customer: acme, accounts: ["*"], roles: [Data], longest: 1h, approval: {by: [group:leads]}}
`

// levels says how each role is given.
type levels [3]int

// longest returns for how long a level gives a role by itself; 0: not at all.
func longestByItself(level int) time.Duration {
	return []time.Duration{0, 0, time.Hour, 4 * time.Hour}[level]
}

func embargoWorlds(t *testing.T) map[levels]*ruling {
	out := map[levels]*ruling{}
	for i := range 64 {
		l := levels{i % 4, i / 4 % 4, i / 16}
		text := strings.TrimPrefix(embargoHead, "\n")
		for n, role := range embargoRoles {
			if l[n] > 0 {
				text += fmt.Sprintf("  - name: by-%d\n    who: [group:leads]\n    customer: acme\n    accounts: [\"*\"]\n    roles: [%s]\n    %s\n", n, role, embargoLevels[l[n]])
			}
		}
		r, err := readRuling([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out[l] = r
	}
	return out
}

// embargoHistory is one history of the catalog, as the model keeps it.
type embargoHistory struct {
	*rand.Rand
	worlds   map[levels]*ruling
	judged   map[[2]levels]bool // steps of which the diff was held against the model already
	seen     map[string]int
	now      time.Time
	versions []embargoVersion // the newest last
	rules    *ruling
}

// embargoVersion is a version as the model knows it.
type embargoVersion struct {
	levels
	at time.Time
	by []brevet.PersonID // who wrote and who confirmed it; nobody where it widened nothing
}

func (h *embargoHistory) run() error {
	h.versions = []embargoVersion{{levels: levels{h.IntN(4), h.IntN(4), h.IntN(4)}, at: h.now}}
	h.rules = h.worlds[h.versions[0].levels].confirmed(1, 1)
	for range 1 + h.IntN(5) {
		if h.IntN(2) == 0 {
			if err := h.change(); err != nil {
				return err
			}
		} else {
			h.now = h.now.Add(time.Duration(h.IntN(14*60)) * time.Minute)
		}
	}
	return h.question()
}

// change puts another version in force as the broker does: alone, where it
// widens nothing.
func (h *embargoHistory) change() error {
	old := h.versions[len(h.versions)-1].levels
	next := old
	next[h.IntN(3)] = h.IntN(4)
	if h.IntN(4) == 0 {
		next[h.IntN(3)] = h.IntN(4)
	}
	if next == old {
		return nil
	}
	wider := false
	for i := range next {
		wider = wider || next[i] > old[i]
	}
	world := h.worlds[next]
	if step := [2]levels{old, next}; !h.judged[step] {
		if got := widens(changesOf(h.rules, world)); got != wider {
			return fmt.Errorf("from %v to %v widens: %t", old, next, got)
		}
		h.judged[step] = true
	}
	n := int64(len(h.versions) + 1)
	v, before := embargoVersion{levels: next, at: h.now}, h.rules
	h.rules = world.confirmed(n, n).heir(before)
	if wider {
		a := h.IntN(3)
		v.by = []brevet.PersonID{embargoPeople[a], embargoPeople[(a+1+h.IntN(2))%3]}
		h.rules.recent = append(h.rules.recent, widening{n, h.now, [2]brevet.PersonID(v.by), before})
	}
	h.versions = append(h.versions, v)
	return nil
}

// question has somebody ask for a role.
func (h *embargoHistory) question() error {
	who, role := embargoPeople[h.IntN(3)], h.IntN(3)
	length := []time.Duration{0, 30 * time.Minute, time.Hour, 4 * time.Hour}[h.IntN(4)]
	got := h.rules.decide(policy.Query{Person: who, Handle: "somebody", Groups: brevet.Groups{Names: []string{"leads"}, At: h.now},
		Account: h.rules.Accounts[0], Role: embargoRoles[role], Duration: length, MFA: h.now, Now: h.now})
	byItself := got.Allowed && got.Approval.Automatic
	now := h.versions[len(h.versions)-1]
	given := longestByItself(now.levels[role])
	if given == 0 || length > given {
		h.seen["refused to all"]++
		if byItself {
			return fmt.Errorf("%s for %s opens by itself under %v", embargoRoles[role], length, now.levels)
		}
		return nil
	}
	barred, after := h.barred(who, role, given)
	if byItself == barred {
		return fmt.Errorf("%s asks for %s for %s at %s: by itself %t, and the model says %t; versions %+v", who, embargoRoles[role], length, h.now, byItself, !barred, h.versions)
	}
	h.seen[after]++
	return nil
}

// barred is law 12: of the last day's versions that widened something none is
// of who's making before which the role was not given by itself for as long.
func (h *embargoHistory) barred(who brevet.PersonID, role int, given time.Duration) (barred bool, what string) {
	what = "by itself"
	for i, v := range h.versions {
		if !slices.Contains(v.by, who) {
			continue
		}
		brought := longestByItself(h.versions[i-1].levels[role]) < given
		switch {
		case h.now.Sub(v.at) >= 24*time.Hour && brought:
			what = "by itself a day later"
		case h.now.Sub(v.at) < 24*time.Hour && !brought:
			what = "by itself, after a version of theirs that changed nothing in it"
		case h.now.Sub(v.at) < 24*time.Hour && i < len(h.versions)-1:
			return true, "refused after a later version"
		case h.now.Sub(v.at) < 24*time.Hour && v.by[0] == who:
			return true, "refused to the author"
		case h.now.Sub(v.at) < 24*time.Hour:
			return true, "refused to the confirmer"
		}
	}
	return false, what
}
