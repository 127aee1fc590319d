package iam

import (
	"maps"
	"slices"
	"strings"
)

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

// Hostile lists the hostile corpus around patterns of subjects: each subject,
// what is foreign in it, and the claims that go with it.
func Hostile(provider string, patterns ...string) []string {
	is, host := issuerOf(provider)
	m := is.meaning(patterns)
	var out []string
	told := map[string]bool{} // the claims of the first few of each sort are enough
	for i, s := range is.hostile(patterns, m) {
		ctx := Context{}
		is.tell(ctx, "i", s, func(string) bool { return true })
		line := []string{is.join(s.fields), "tenant"}
		switch {
		case s.meant:
			line[1] = "meant"
		case s.foreign != tenant:
			line[1] = map[part]string{project: "project", detail: "detail"}[s.foreign]
		}
		for _, k := range slices.Sorted(maps.Keys(ctx)) {
			if k != "i:sub" && (!told[line[1]] || i%50 == 0) {
				line = append(line, k[2:]+"="+ctx[k][0])
			}
		}
		told[line[1]] = true
		out = append(out, strings.Join(line, " "))
	}
	return append([]string{is.name + " " + host}, out...)
}

// Split takes a pattern of a subject apart.
func Split(provider, pattern string) (string, bool) {
	is, _ := issuerOf(provider)
	fields, ok := is.split(pattern)
	return strings.Join(fields, "|"), ok
}

// Issuer says what is known of a provider.
func Issuer(provider string) string {
	is, host := issuerOf(provider)
	return is.name + " " + host
}

// Meeting is the context that the search for a witness begins with.
func Meeting(conditions ...Condition) Context { return meeting(conditions, Version2012) }

// Small helpers of the linter, for tests.
var (
	Concrete   = concrete
	Nearest    = nearest
	Distance   = distance
	Lookalikes = lookalikes
	SwapCase   = swapCase
	Foreign    = foreign
	Another    = anotherAccount
)
