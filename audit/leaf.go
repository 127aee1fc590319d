package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"golang.org/x/mod/sumdb/tlog"
)

// SaltSize is the length in bytes of every salt, of details and of customers
// alike. It is fixed so that no byte can move from the salt into the details.
const SaltSize = 16

// MaxDetails is the greatest length in bytes of an event's details. It keeps
// an entry below the 65 535 bytes of the C2SP tiles.
const MaxDetails = 60_000

// Leaf is what the tree commits to for one event.
type Leaf struct {
	Time     time.Time        // when it was recorded: UTC, whole microseconds, never before its predecessor's
	Kind     brevet.EventKind // what happened
	Customer [32]byte         // Blind of the customer; zero: the installation itself
	Seq      int64            // the customer's own sequence number, from 1
	Details  [32]byte         // HashDetails of the event's JSON
}

const leafHeader = "brevet leaf v1\n"

// Marshal returns the leaf's one canonical encoding: six lines of ASCII, as
// written down in docs/log.md.
func (l Leaf) Marshal() []byte {
	b := make([]byte, 0, 256)
	b = append(b, leafHeader+"time "...)
	b = strconv.AppendInt(b, l.Time.UnixMicro(), 10)
	b = append(append(b, "\nkind "...), l.Kind...)
	b = append(b, "\ncustomer "...)
	if l.Customer == ([32]byte{}) {
		b = append(b, '-')
	} else {
		b = hex.AppendEncode(b, l.Customer[:])
	}
	b = append(b, "\nseq "...)
	b = strconv.AppendInt(b, l.Seq, 10)
	b = append(b, "\ndetails "...)
	b = hex.AppendEncode(b, l.Details[:])
	return append(b, '\n')
}

// ParseLeaf reads what Marshal wrote and nothing else: if it succeeds,
// Marshal gives b back. The error is of kind [brevet.Invalid].
func ParseLeaf(b []byte) (Leaf, error) {
	bad := brevet.Errorf(brevet.Invalid, "not a leaf of the log")
	text, ok := strings.CutPrefix(string(b), leafHeader)
	lines := strings.Split(text, "\n")
	if !ok || len(b) > 512 || len(lines) != 6 || lines[5] != "" {
		return Leaf{}, bad
	}
	var field [5]string
	for i, name := range []string{"time ", "kind ", "customer ", "seq ", "details "} {
		if field[i], ok = strings.CutPrefix(lines[i], name); !ok {
			return Leaf{}, bad
		}
	}
	micros, err1 := strconv.ParseInt(field[0], 10, 64)
	seq, err2 := strconv.ParseInt(field[3], 10, 64)
	l := Leaf{Time: time.UnixMicro(micros).UTC(), Kind: brevet.EventKind(field[1]), Seq: seq}
	ok = err1 == nil && err2 == nil && seq >= 1 && ValidKind(l.Kind) && unhex(&l.Details, field[4])
	if field[2] != "-" {
		ok = ok && unhex(&l.Customer, field[2]) && l.Customer != [32]byte{}
	}
	if !ok || !bytes.Equal(l.Marshal(), b) {
		return Leaf{}, bad
	}
	return l, nil
}

func unhex(dst *[32]byte, s string) bool {
	if len(s) != 64 {
		return false
	}
	_, err := hex.Decode(dst[:], []byte(s))
	return err == nil
}

// ValidKind reports whether k can stand in a leaf: 1 to 64 characters of
// lower-case letters, digits, "_" and ".".
func ValidKind(k brevet.EventKind) bool {
	return len(k) >= 1 && len(k) <= 64 && strings.Trim(string(k), "abcdefghijklmnopqrstuvwxyz0123456789_.") == ""
}

// Blind returns how a leaf names customer c: SHA-256 of the customer's salt
// and its id. The installation itself ("") is all zeros.
func Blind(salt []byte, c brevet.CustomerID) [32]byte {
	if c == "" {
		return [32]byte{}
	}
	return salted(salt, []byte(c))
}

// HashDetails returns the SHA-256 of salt and details, which a leaf commits
// to.
func HashDetails(salt, details []byte) [32]byte { return salted(salt, details) }

func salted(salt, text []byte) [32]byte {
	var buf [1024]byte
	return sha256.Sum256(append(append(buf[:0], salt...), text...))
}

// LeafHash returns the RFC 6962 hash of a leaf's bytes.
func LeafHash(leaf []byte) tlog.Hash { return tlog.RecordHash(leaf) }
