package policy

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
)

// The bounds on Cedar text. The engine works by recursion and has none of its
// own: brackets or "!" by the hundred thousand end the process, and a chain
// "has a.b.c…" costs the cube of its length.
const (
	maxCedar   = 256 << 10
	maxNesting = 64   // of brackets, and of "if" in one policy
	maxRun     = 64   // of prefix operators, or of dots in one term
	maxTerms   = 2000 // operators in one policy
)

// cedarToken is a string, a comment, a word, or one other character.
// lazy compiles an expression at its first use: the client links this package
// and runs at every aws call, where nothing is compiled.
func lazy(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

var cedarToken = lazy(`"(?:[^"\\]|\\.)*"|//[^\n]*|[A-Za-z0-9_]+|[^\s]`)

// bounds counts what the engine recurses on.
type bounds struct{ depth, ifs, prefix, dots, terms int }

// bounded refuses text that could exhaust stack, memory or patience.
func bounded(text string) error {
	if len(text) > maxCedar {
		return fmt.Errorf("%d bytes are too many; at most %d", len(text), maxCedar)
	}
	var b bounds
	for rest := text; ; {
		at := cedarToken().FindStringIndex(rest)
		if at == nil {
			return nil
		}
		token := rest[at[0]:at[1]]
		rest = rest[at[1]:]
		if len(token) > 1 && token[:2] == "//" {
			continue
		}
		b.count(token)
		switch {
		case b.depth > maxNesting || b.ifs > maxNesting || b.prefix > maxRun:
			return errors.New("nested too deeply")
		case b.dots > maxRun:
			return errors.New("too long a chain of fields")
		case b.terms > maxTerms:
			return errors.New("too long a condition; split it into several policies")
		}
	}
}

func (b *bounds) count(token string) {
	switch token {
	case "[":
		b.depth++
		b.dots++
	case "(", "{":
		b.depth++
	case ")", "]", "}":
		b.depth = max(0, b.depth-1)
	case "!", "-":
		b.prefix++
		return
	case ".":
		b.dots++
		return
	case "if":
		b.ifs++
	case ";":
		*b = bounds{}
	case "&", "|", "=", "<", ">", "+", "*", ",":
		b.terms, b.dots = b.terms+1, 0
	}
	b.prefix = 0
}
