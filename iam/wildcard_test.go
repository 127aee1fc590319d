package iam_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/brevet-access/brevet/iam"
)

// reference is a second matcher that shares nothing with the real one: it
// works on characters, backwards, and fills a table.
func reference(p, s string, fold bool) bool {
	if fold {
		p, s = asciiLower(p), asciiLower(s)
	}
	pr, sr := []rune(p), []rune(s)
	// rest[j]: does the pattern from i on cover s from j on?
	rest := make([]bool, len(sr)+1)
	rest[len(sr)] = true
	for i := len(pr) - 1; i >= 0; i-- {
		next := make([]bool, len(sr)+1)
		for j := len(sr); j >= 0; j-- {
			switch {
			case pr[i] == '*':
				next[j] = rest[j] || j < len(sr) && next[j+1]
			case j < len(sr) && (pr[i] == '?' || pr[i] == sr[j]):
				next[j] = rest[j+1]
			}
		}
		rest = next
	}
	return rest[0]
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 32
		}
		return r
	}, s)
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		fold, want bool
	}{
		{"", "", false, true},
		{"", "a", false, false},
		{"*", "", false, true},
		{"*", "anything: at/all", false, true},
		{"?", "", false, false},
		{"?", "é", false, true},
		{"??", "é", false, false},
		{"*??", "€", false, false},
		{"*?", "€", false, true},
		{"a*b", "ab", false, true},
		{"a*b", "abc", false, false},
		{"a*b*c", "a.b.b.c", false, true},
		{"*ab", "aab", false, true},
		{"*aab", "aaab", false, true},
		{"s3:Get*", "s3:GetObject", false, true},
		{"s3:get*", "S3:GetObject", false, false},
		{"s3:get*", "S3:GetObject", true, true},
		{"iam:*AccessKey*", "iam:UpdateAccessKey", false, true},
		{"pr_??", "pr_1", false, false},
		{"arn:aws:s3:::b/*/test/*", "arn:aws:s3:::b/1/2/test/3/object.jpg", false, true}, // reference_policies_elements_resource
		{"arn:aws:s3:::b/*/test/*", "arn:aws:s3:::b/1-test/object.jpg", false, false},
	} {
		if got := iam.Match(c.pattern, c.s, c.fold); got != c.want {
			t.Errorf("Match(%q, %q, %v) = %v, want %v", c.pattern, c.s, c.fold, got, c.want)
		}
		if got := reference(c.pattern, c.s, c.fold); got != c.want {
			t.Errorf("reference(%q, %q, %v) = %v, want %v", c.pattern, c.s, c.fold, got, c.want)
		}
	}
}

func TestMatchAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.StringOfN(rapid.SampledFrom([]rune("aAbé€*?")), 0, 12, -1).Draw(t, "pattern")
		s := rapid.StringOfN(rapid.SampledFrom([]rune("aAbé€*?")), 0, 16, -1).Draw(t, "s")
		fold := rapid.Bool().Draw(t, "fold")
		if got, want := iam.Match(p, s, fold), reference(p, s, fold); got != want {
			t.Fatalf("Match(%q, %q, %v) = %v, reference says %v", p, s, fold, got, want)
		}
	})
}

// A pattern made to make a matcher go back and forth ends all the same; an
// exponential one would not.
func TestMatchIsNotExponential(t *testing.T) {
	if iam.Match(strings.Repeat("a*", 500)+"b", strings.Repeat("a", 5000), true) {
		t.Error("matched")
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("s3:Get*", "s3:GetObject", true)
	f.Add("*a*?b", "aaaab", false)
	f.Add("*??", "€é", false)
	f.Fuzz(func(t *testing.T, p, s string, fold bool) {
		if len(p) > 100 || len(s) > 1000 || !utf8.ValidString(p) || !utf8.ValidString(s) {
			return
		}
		if got, want := iam.Match(p, s, fold), reference(p, s, fold); got != want {
			t.Fatalf("Match(%q, %q, %v) = %v, reference says %v", p, s, fold, got, want)
		}
	})
}
