package brevet

import (
	"crypto/rand"
	"strings"
	"time"
)

// SheetSize is how many sealed codes a person's sheet has.
const SheetSize = 8

// CodesWithin is how old the last word of a provider about somebody's groups
// may be where a sealed code stands in for it: whoever was not seen for longer
// counts as a member of nothing.
const CodesWithin = 30 * 24 * time.Hour

// codeLength is how many characters a sealed code has, the check included.
const codeLength = 16

// NewSealedCode returns a fresh one-time code for emergencies: 75 bits from
// the operating system and 5 that check them, in [ulidAlphabet], which has no
// letter that looks like another.
func NewSealedCode() string {
	var raw [codeLength - 1]byte
	rand.Read(raw[:]) // never fails
	var out [codeLength]byte
	for i, b := range raw {
		out[i] = ulidAlphabet[b&31]
	}
	out[codeLength-1] = ulidAlphabet[codeCheck(out[:codeLength-1])]
	return string(out[:])
}

// FormatSealedCode writes a code for people: four groups of four.
func FormatSealedCode(code string) string {
	var groups []string
	for ; len(code) > 4; code = code[4:] {
		groups = append(groups, code[:4])
	}
	return strings.Join(append(groups, code), "-")
}

// ParseSealedCode reads a code as somebody typed it: case, spaces and dashes
// do not matter, and letters that look like a digit count as that digit. The
// error is of kind [Invalid]; it says whether the length or a character is
// wrong, and never what was typed. One wrong character, or two neighbours that
// changed places, are always noticed.
func ParseSealedCode(s string) (string, error) {
	var out []byte
	for _, r := range strings.ToLower(s) {
		switch r {
		case ' ', '-', '\t', '\r', '\n', '\u00a0', '\u2010', '\u2011', '\u2013':
			continue
		case 'o':
			r = '0'
		case 'i', 'l':
			r = '1'
		}
		if r >= 0x80 || strings.IndexByte(ulidAlphabet, byte(r)) < 0 || len(out) > codeLength {
			return "", badCode("it has %d letters and digits", codeLength)
		}
		out = append(out, byte(r))
	}
	if len(out) != codeLength {
		return "", badCode("it has %d letters and digits, not %d", codeLength, len(out))
	}
	if ulidAlphabet[codeCheck(out[:codeLength-1])] != out[codeLength-1] {
		return "", badCode("a character is wrong")
	}
	return string(out), nil
}

func badCode(format string, args ...any) error {
	return Errorf(Invalid, "a code is mistyped: "+format, args...).WithHint("type it as it stands on the sheet, like k2m9-qxa4-w3fd-p8nt")
}

// codeCheck is a sum over the field of 32 elements in which each character has
// a weight of its own: powers of x modulo x^5 + x^2 + 1. data is of
// [ulidAlphabet].
func codeCheck(data []byte) byte {
	var sum byte
	for _, c := range data {
		sum ^= byte(strings.IndexByte(ulidAlphabet, c))
		if sum <<= 1; sum&32 != 0 {
			sum ^= 0b100101
		}
	}
	return sum
}
