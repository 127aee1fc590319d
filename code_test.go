package brevet

import (
	"errors"
	"strings"
	"testing"
)

func TestSealedCode(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		code := NewSealedCode()
		if seen[code] {
			t.Fatalf("%s came twice", code)
		}
		seen[code] = true
		for _, typed := range []string{code, FormatSealedCode(code), strings.ToUpper(FormatSealedCode(code)), " " + strings.ReplaceAll(FormatSealedCode(code), "-", " ") + "\n",
			strings.NewReplacer("0", "O", "1", "l").Replace(code)} {
			if got, err := ParseSealedCode(typed); err != nil || got != code {
				t.Fatalf("%q read as %q (%v), want %s", typed, got, err, code)
			}
		}
	}
	if got := FormatSealedCode("k2m9qxa4w3fdp8nt"); got != "k2m9-qxa4-w3fd-p8nt" {
		t.Errorf("formatted as %s", got)
	}
}

// TestSealedCodeMistyped: every wrong character and every swap of neighbours
// is told from a code that is merely not known.
func TestSealedCodeMistyped(t *testing.T) {
	code := NewSealedCode()
	wrong := func(s string) {
		t.Helper()
		_, err := ParseSealedCode(s)
		if !errors.Is(err, Invalid) {
			t.Errorf("%q for %s passes (%v)", s, code, err)
		} else if strings.Contains(err.Error(), s[:4]) {
			t.Errorf("the refusal repeats the code: %v", err)
		}
	}
	for i := range code {
		for _, c := range ulidAlphabet {
			if byte(c) != code[i] {
				wrong(code[:i] + string(c) + code[i+1:])
			}
		}
		if i > 0 && code[i] != code[i-1] {
			wrong(code[:i-1] + string(code[i]) + string(code[i-1]) + code[i+1:])
		}
	}
	for _, s := range []string{code[:15], code + "0", code[:15] + "u", code[:15] + "é", strings.Repeat("0", 10000)} {
		wrong(s)
	}
}

func FuzzParseSealedCode(f *testing.F) {
	f.Add("k2m9-qxa4-w3fd-p8nt")
	f.Add(NewSealedCode())
	f.Add("")
	f.Add("OOOO-llll-IIII-0000")
	f.Fuzz(func(t *testing.T, s string) {
		code, err := ParseSealedCode(s)
		if err != nil {
			return
		}
		if again, err := ParseSealedCode(strings.ToUpper(FormatSealedCode(code))); err != nil || again != code {
			t.Errorf("%q read as %q, and that as %q (%v)", s, code, again, err)
		}
	})
}
