package iam

import "unicode/utf8"

// pattern is a text in which * stands for any run of characters and ? for
// exactly one, except where literal says that the byte means itself; nil:
// nowhere.
type pattern struct {
	text    string
	literal []bool
}

func (p pattern) wild(i int, c byte) bool {
	return p.text[i] == c && (p.literal == nil || !p.literal[i])
}

// match reports whether the pattern covers all of s; fold ignores the case of
// ASCII letters. It keeps two positions and goes back only to the last
// asterisk, so a hostile pattern costs at most len(text) × len(s) steps, and
// a usual one len(s).
func (p pattern) match(s string, fold bool) bool {
	i, j := 0, 0           // in the pattern, in s
	star, resume := -1, -1 // the last asterisk, and where in s it resumes
	for j < len(s) {
		switch {
		case i < len(p.text) && p.wild(i, '*'):
			star, resume = i, j
			i++
		case i < len(p.text) && p.wild(i, '?'):
			i++
			j += width(s[j:])
		case i < len(p.text) && (p.text[i] == s[j] || fold && lower(p.text[i]) == lower(s[j])):
			i++
			j++
		case star >= 0:
			resume += width(s[resume:])
			i, j = star+1, resume
		default:
			return false
		}
	}
	for i < len(p.text) && p.wild(i, '*') {
		i++
	}
	return i == len(p.text)
}

// width is the length of the first character of s; a byte that is not UTF-8
// counts as one.
func width(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s)
	return n
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// slice returns the part of the pattern from i to j.
func (p pattern) slice(i, j int) pattern {
	q := pattern{text: p.text[i:j]}
	if p.literal != nil {
		q.literal = p.literal[i:j]
	}
	return q
}
