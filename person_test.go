package brevet_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

// awsSourceIdentity is what STS admits as SourceIdentity.
var awsSourceIdentity = regexp.MustCompile(`\A[\w+=,.@-]{2,64}\z`)

func TestParseHandle(t *testing.T) {
	for _, s := range []string{"ab", "engineer", "a.b-c_d=e,f@g", strings.Repeat("x", 64), "--", "@@"} {
		if h, err := brevet.ParseHandle(s); string(h) != s || err != nil {
			t.Errorf("%q: %q, %v", s, h, err)
		}
	}
	for _, s := range []string{"", "a", strings.Repeat("x", 65), "aws:me", "a b", " ab", "ab\n", "a+b", "a/b", "é1", "a\x00b", "a\u200bb", "a=*", strings.Repeat("\x1b", 1<<20)} {
		if h, err := brevet.ParseHandle(s); brevet.KindOf(err) != brevet.Invalid || h != "" || len(err.Error()) > 400 {
			t.Errorf("%.20q: %q, %v", s, h, err)
		}
	}
}

func FuzzHandle(f *testing.F) {
	for _, s := range []string{"", "a", "engineer", " lead@example.com ", "Jürgen Groß", "aws:x", "\xff\xfe", strings.Repeat("é", 80), "\u202e\x1b[0m", "a\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := brevet.HandleFrom(s)
		if _, err := brevet.ParseHandle(string(h)); err != nil || len(h) > 60 || !awsSourceIdentity.MatchString(string(h)) {
			t.Errorf("HandleFrom(%q) = %q: %v", s, h, err)
		}
		if brevet.HandleFrom(string(h)) != h {
			t.Errorf("%q becomes %q", h, brevet.HandleFrom(string(h)))
		}
		parsed, err := brevet.ParseHandle(s)
		if err != nil {
			checkShown(t, err.Error())
		} else if string(parsed) != s || !awsSourceIdentity.MatchString(s) {
			t.Errorf("%q is a handle", s)
		}
	})
}

func TestMember(t *testing.T) {
	c := brevet.Caller{Person: brevet.Person{Handle: "engineer"}, SignIn: brevet.SignIn{Groups: brevet.Groups{Names: []string{"leads", "engineers"}, At: dawn}}}
	for _, tt := range []struct {
		name string
		s    brevet.Subjects
		late time.Duration
		want bool
	}{
		{"by group", leads, 0, true},
		{"at the last moment", leads, time.Hour, true},
		{"group facts too old", leads, time.Hour + tick, false},
		{"by handle, whatever the age", brevet.Subjects{People: []brevet.Handle{"engineer"}}, 99 * time.Hour, true},
		{"another group", guards, 0, false},
		{"a group named as the handle", brevet.Subjects{Groups: []string{"engineer"}}, 0, false},
		{"a handle named as a group", brevet.Subjects{People: []brevet.Handle{"leads"}}, 0, false},
		{"nobody", brevet.Subjects{}, 0, false},
		{"other case", brevet.Subjects{Groups: []string{"Leads"}, People: []brevet.Handle{"Engineer"}}, 0, false},
	} {
		if got := c.Member(tt.s, dawn.Add(tt.late), time.Hour); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
	if (brevet.Subjects{People: []brevet.Handle{""}}).Cover("", nil) {
		t.Error("an empty handle is somebody")
	}
	if (brevet.Groups{Names: []string{"leads"}}).Fresh(dawn, time.Hour) != nil {
		t.Error("groups of unknown age are fresh")
	}
}

func TestSignInLive(t *testing.T) {
	s := brevet.SignIn{Used: dawn, Expires: dawn.Add(8 * time.Hour)}
	ended := s
	ended.Ended = dawn
	for _, tt := range []struct {
		s    brevet.SignIn
		at   time.Duration
		idle time.Duration
		want bool
	}{
		{s, 0, time.Hour, true}, {s, time.Hour - tick, time.Hour, true}, {s, time.Hour, time.Hour, false},
		{s, 8*time.Hour - tick, 9 * time.Hour, true}, {s, 8 * time.Hour, 9 * time.Hour, false}, {ended, 0, time.Hour, false}, {brevet.SignIn{}, 0, time.Hour, false},
	} {
		if got := tt.s.Live(dawn.Add(tt.at), tt.idle); got != tt.want {
			t.Errorf("%s later, idle %s: %t", tt.at, tt.idle, got)
		}
	}
}
