package brevet_test

import (
	"errors"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

// opened returns the grant of an approved ask, made at dawn.
func opened(t *testing.T, change func(*brevet.Ask)) brevet.Grant {
	t.Helper()
	ask := sampleAsk()
	ask.Person, ask.Rule, ask.Duration, ask.NotBefore = requester.Person, automatic, 2*time.Hour, time.Time{}
	change(&ask)
	r, _ := brevet.NewRequest("req_1", ask, requester, dawn, time.Hour)
	d := policy
	d.Digest = r.Ask.Digest()
	r, _, err := r.Decide(d, dawn)
	if err != nil {
		t.Fatal(err)
	}
	g, _, err := r.Open("gr_01jgqk8z00abcdefghjkmnpqrs", requester, dawn)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestWindows checks when the clock of a grant starts and when it stops
// (law 5), in particular that being late does not move a window that was
// asked for.
func TestWindows(t *testing.T) {
	later := dawn.Add(5 * time.Hour)
	for _, tt := range []struct {
		name     string
		activate brevet.Activation
		begin    time.Time
		use      time.Duration // after dawn
		start    time.Time
		err      brevet.Kind
	}{
		{"at once", brevet.OnApproval, time.Time{}, 0, dawn, brevet.Conflict}, // active already
		{"a start that has passed", brevet.OnApproval, dawn.Add(-time.Hour), 0, dawn, brevet.Conflict},
		{"on use, used late", brevet.OnUse, time.Time{}, 23 * time.Hour, dawn.Add(23 * time.Hour), ""},
		{"on use, too late", brevet.OnUse, time.Time{}, 24 * time.Hour, time.Time{}, brevet.Expired},
		{"too early", brevet.OnApproval, later, 5*time.Hour - tick, later, brevet.NoGrant},
		{"at its start", brevet.OnApproval, later, 5 * time.Hour, later, ""},
		{"late", brevet.OnApproval, later, 6 * time.Hour, later, ""},
		{"after its end", brevet.OnApproval, later, 7 * time.Hour, later, brevet.Expired},
		{"on use, before the start that was asked for", brevet.OnUse, later, time.Hour, later, brevet.NoGrant},
		{"on use, after that start", brevet.OnUse, later, 6 * time.Hour, later, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := opened(t, func(a *brevet.Ask) { a.Activate, a.NotBefore = tt.activate, tt.begin })
			g, _, err := g.Activate(requester, dawn.Add(tt.use))
			if brevet.KindOf(err) != tt.err || !g.Start.Equal(tt.start) {
				t.Fatalf("starts %s, error %v; want %s, %q", g.Start, err, tt.start, tt.err)
			}
			if g.State == brevet.Active && g.End.Sub(tt.start) != 2*time.Hour {
				t.Errorf("lasts %s", g.End.Sub(tt.start))
			}
		})
	}
}

// TestGrantsCompose ends one of two grants for the same role: the other
// lives on (law 7).
func TestGrantsCompose(t *testing.T) {
	long := opened(t, func(a *brevet.Ask) { a.Duration = 4 * time.Hour })
	short := opened(t, func(a *brevet.Ask) { a.Duration = time.Hour })
	if _, _, err := short.Revoke(requester, "not needed", dawn); err != nil || !long.Live(dawn.Add(3*time.Hour)) {
		t.Errorf("revoking one grant cut another: %v", err)
	}
}

// TestIssueAccounts checks that Until covers every moment at which the cloud
// would still honour what it made, whatever it answers.
func TestIssueAccounts(t *testing.T) {
	g := opened(t, func(*brevet.Ask) {})
	revoked, _, _ := g.Revoke(requester, "left", dawn)
	for _, tt := range []struct {
		name    string
		grant   brevet.Grant
		expires time.Duration
		state   brevet.SessionState
		until   time.Duration
		err     brevet.Kind
	}{
		{"as asked", g, 15 * time.Minute, brevet.Issued, 15 * time.Minute, ""},
		{"shorter", g, time.Minute, brevet.Issued, time.Minute, ""},
		{"longer than asked", g, time.Hour, brevet.Issued, time.Hour, ""},
		{"beyond the grant", g, 12 * time.Hour, brevet.Issued, 2 * time.Hour, ""},
		{"over already", g, -time.Minute, brevet.InDoubt, 21 * time.Minute, brevet.Clock},
		{"revoked meanwhile", revoked, 15 * time.Minute, brevet.InDoubt, 15 * time.Minute, brevet.NoGrant},
		{"revoked meanwhile, longer", revoked, time.Hour, brevet.InDoubt, time.Hour, brevet.NoGrant},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _, err := g.Intend("ses_1", requester, brevet.Rung1h, 15*time.Minute, dawn)
			if err != nil {
				t.Fatal(err)
			}
			s, events, err := s.Issue(tt.grant, requester, "ASIA", dawn.Add(tt.expires), dawn)
			if s.State != tt.state || s.Until.Sub(dawn) != tt.until || brevet.KindOf(err) != tt.err || len(events) != 1 {
				t.Errorf("%s until +%s, %d events, error %v", s.State, s.Until.Sub(dawn), len(events), err)
			}
		})
	}
}

// TestEndedStaysEnded tries to bring sessions back that are accounted for.
func TestEndedStaysEnded(t *testing.T) {
	g := opened(t, func(*brevet.Ask) {})
	s, _, _ := g.Intend("ses_1", requester, brevet.Rung1h, time.Hour, dawn)
	over, _ := s.Refuse(g, requester, "AccessDenied", dawn)
	issued, _, _ := s.Issue(g, requester, "ASIA", dawn.Add(time.Hour), dawn)
	doubt, _ := s.Doubt(g, requester, "time-out", dawn)
	for _, s := range []brevet.Session{over, issued, doubt} {
		if got, events := s.Doubt(g, requester, "again", dawn); got != s || events != nil {
			t.Errorf("doubt: %s became %s", s.State, got.State)
		}
		if got, events := s.Refuse(g, requester, "again", dawn); got != s || events != nil {
			t.Errorf("refuse: %s became %s", s.State, got.State)
		}
		if got, _, err := s.Issue(g, requester, "ASIB", dawn.Add(time.Hour), dawn); got != s || !errors.Is(err, brevet.Conflict) {
			t.Errorf("issue: %s became %s, %v", s.State, got.State, err)
		}
	}
}
