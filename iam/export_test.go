package iam

// Match is the wildcard matcher, for tests.
func Match(p, s string, fold bool) bool { return pattern{text: p}.match(s, fold) }

// Expand is the expansion of variables, for tests; literal marks the bytes
// that are no wildcards with "L".
func Expand(s string, ctx Context) (text, literal string, ok bool) {
	p, ok := expand(s, ctx)
	for _, l := range p.literal {
		literal += map[bool]string{true: "L", false: "."}[l]
	}
	return p.text, literal, ok
}
