package brevet

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"strings"
	"time"
)

// The typed identifiers. Each is its prefix and a lower-case ULID: 26
// characters of Crockford's base 32, the first ten of which are the time in
// milliseconds, so that ids sort by age.
type (
	PersonID   string // pr_…
	SignInID   string // si_…
	CustomerID string // cu_…
	RequestID  string // req_…
	GrantID    string // gr_…
	SessionID  string // ses_…
	MessageID  string // msg_…
	BatchID    string // bt_…; several requests of one intent
	// RevocationID names one act of revoking, which may end many grants.
	RevocationID string // rv_…
)

const ulidAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

type anyID interface {
	PersonID | SignInID | CustomerID | RequestID | GrantID | SessionID | MessageID | BatchID | RevocationID
}

func prefix[ID anyID]() string {
	var id ID
	switch any(id).(type) {
	case PersonID:
		return "pr_"
	case SignInID:
		return "si_"
	case CustomerID:
		return "cu_"
	case RequestID:
		return "req_"
	case GrantID:
		return "gr_"
	case MessageID:
		return "msg_"
	case BatchID:
		return "bt_"
	case RevocationID:
		return "rv_"
	default:
		return "ses_"
	}
}

// NewID returns a fresh identifier made at now. Its 80 random bits come from
// the operating system.
func NewID[ID anyID](now time.Time) ID { return newID[ID](now, rand.Reader) }

func newID[ID anyID](now time.Time, random io.Reader) ID {
	var raw [16]byte
	ms := uint64(now.UnixMilli())
	binary.BigEndian.PutUint64(raw[:8], ms<<16)
	if _, err := io.ReadFull(random, raw[6:]); err != nil {
		panic("brevet: no randomness: " + err.Error()) // crypto/rand.Reader never fails
	}
	return ID(prefix[ID]() + ulid(raw))
}

// ulid writes 128 bits as 26 characters, most significant first.
func ulid(raw [16]byte) string {
	hi, lo := binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])
	var out [26]byte
	for i := 25; i >= 0; i-- {
		out[i] = ulidAlphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

// ParseID checks that s is an identifier of the wanted type. The error is of
// kind [Invalid] and names the prefix that was expected.
func ParseID[ID anyID](s string) (ID, error) {
	p := prefix[ID]()
	body, ok := strings.CutPrefix(s, p)
	if !ok || !isULID(body) {
		return "", Errorf(Invalid, "%q is not an id of the form %s followed by 26 lower-case characters", clip(s, 40), p)
	}
	return ID(s), nil
}

func isULID(s string) bool {
	if len(s) != 26 || s[0] > '7' {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(ulidAlphabet, s[i]) < 0 {
			return false
		}
	}
	return true
}
