package sandbox

import (
	"encoding/base32"
	"io"
)

// Person is somebody who can sign in at the sandbox's identity provider.
type Person struct {
	Username string
	Password string
	TOTP     string // secret of the one-time codes (RFC 6238: SHA-1, 6 digits, 30 s), base32 without padding
	Groups   []string
	Name     string // for display
}

// NewPeople returns the sandbox's four people with fresh passwords and
// secrets: engineer, lead, security and contractor, each in the one group of
// their trade. It panics if random fails.
func NewPeople(random io.Reader) []Person {
	people := []Person{
		{Username: "engineer", Name: "Engineer", Groups: []string{"engineers"}},
		{Username: "lead", Name: "Lead", Groups: []string{"leads"}},
		{Username: "security", Name: "Security", Groups: []string{"security"}},
		{Username: "contractor", Name: "Contractor", Groups: []string{"contractors"}},
	}
	for i := range people {
		people[i].Password = readable(random)
		people[i].TOTP = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(read(random, 20))
	}
	return people
}

// readable makes a password of three words of three syllables: 54 bits that
// can be read out over a table.
func readable(random io.Reader) string {
	const consonants, vowels = "bdfghjklmnprstvz", "aeiu"
	var out []byte
	for i, b := range read(random, 9) {
		if i > 0 && i%3 == 0 {
			out = append(out, '-')
		}
		out = append(out, consonants[b&15], vowels[b>>4&3])
	}
	return string(out)
}

func read(random io.Reader, n int) []byte {
	raw := make([]byte, n)
	if _, err := io.ReadFull(random, raw); err != nil {
		panic("sandbox: no randomness: " + err.Error()) // crypto/rand.Reader never fails
	}
	return raw
}
