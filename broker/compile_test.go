package broker_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/broker"
	"github.com/brevet-access/brevet/catalog"
	"github.com/brevet-access/brevet/policy"
)

// sound is the catalog in which every key stands.
func sound(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../catalog/testdata/sound.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCedarErrors breaks the Cedar of the sound catalog in one place at a
// time. testdata/cedar.txt holds paragraphs: "# name", lines "old => new" that
// are replaced, and the errors that are wanted. \n and \x20 stand for a line
// break and a space.
func TestCedarErrors(t *testing.T) {
	data, err := os.ReadFile("testdata/cedar.txt")
	if err != nil {
		t.Fatal(err)
	}
	escapes := strings.NewReplacer(`\n`, "\n", `\x20`, " ")
	for _, paragraph := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
		text, lines := sound(t), strings.Split(paragraph, "\n")
		name, rest := lines[0], lines[1:]
		for len(rest) > 0 && strings.Contains(rest[0], " => ") {
			old, changed, _ := strings.Cut(rest[0], " => ")
			if n := strings.Count(text, escapes.Replace(old)); n != 1 {
				t.Fatalf("%s: %q stands there %d times", name, old, n)
			}
			text, rest = strings.Replace(text, escapes.Replace(old), escapes.Replace(changed), 1), rest[1:]
		}
		c, set, err := broker.ReadCatalog("c.yaml", []byte(text))
		if err == nil || c != nil || set != nil || !errors.Is(err, brevet.Invalid) {
			t.Errorf("%s: it compiles, or is another kind of error: %v", name, err)
			continue
		}
		if d := cmp.Diff(strings.Join(rest, "\n"), err.Error()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if _, err := catalog.Parse("c.yaml", []byte(text)); err != nil {
			t.Errorf("%s: not only the Cedar is wrong: %v", name, err)
		}
	}
}

func TestCompile(t *testing.T) {
	c, set, err := broker.ReadCatalog("c.yaml", []byte(sound(t)))
	if err != nil || c.Digest == "" || len(set.Clauses()) != 2 {
		t.Fatalf("%v", err)
	}
	if lines := policy.Diff(nil, set); len(lines) != 2 {
		t.Errorf("%d lines about Cedar, want 2", len(lines))
	}
}

// FuzzReadCatalog: whatever is wrong is said with file and line.
func FuzzReadCatalog(f *testing.F) {
	text, err := os.ReadFile("../catalog/testdata/sound.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(strings.Replace(string(text), "context.hour < 6", "context.hours < 6", 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, set, err := broker.ReadCatalog("c.yaml", text)
		if err == nil {
			if d := policy.Diff(set, set); d != nil {
				t.Errorf("it differs from itself: %q", d)
			}
			return
		}
		if !errors.Is(err, brevet.Invalid) {
			t.Fatalf("%v", err)
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			if !strings.HasPrefix(line, "c.yaml:") || brevet.Printable(line) != line {
				t.Errorf("%q", line)
			}
		}
	})
}

func TestCedarDiff(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new string // a part of the sound catalog, and what it becomes; the way back is tested too
		there    []string
		back     []string
	}{
		{"guardrail", "guardrails: |\n", "guardrails: |\n  @id(\"all\") forbid (principal, action, resource);\n",
			[]string{`- guardrails all: new: @id("all") forbid ( principal, action, resource );`}, []string{`+ guardrails all: gone: @id("all") forbid ( principal, action, resource );`}},
		{"guardrail's condition", "hour < 6", "hour < 7", []string{
			`+ guardrails nights: changed: @id("nights") @reason("nobody is there") forbid ( principal, action, resource in Account::"acme-prod" ) when { context.hour < 6 }; -> @id("nights") @reason("nobody is there") forbid ( principal, action, resource in Account::"acme-prod" ) when { context.hour < 7 };`}, nil},
		{"automatic", "automatic: |\n", "automatic: |\n  permit (principal, action, resource);\n",
			[]string{"+ automatic: new: permit ( principal, action, resource );"}, []string{"- automatic: gone: permit ( principal, action, resource );"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, old, err := broker.ReadCatalog("c.yaml", []byte(sound(t)))
			if err != nil {
				t.Fatal(err)
			}
			_, new, err := broker.ReadCatalog("c.yaml", []byte(strings.Replace(sound(t), tt.old, tt.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.there, policy.Diff(old, new)); d != "" {
				t.Errorf("there: %s", d)
			}
			if tt.back == nil {
				return
			}
			if d := cmp.Diff(tt.back, policy.Diff(new, old)); d != "" {
				t.Errorf("and back: %s", d)
			}
		})
	}
}
