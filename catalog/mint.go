package catalog

import (
	"fmt"
	"io"
	"time"

	"github.com/brevet-access/brevet"
)

// newCustomerID makes a cu_… id with the randomness that it is given, which
// brevet.NewID does not take.
func newCustomerID(random io.Reader, now time.Time) (string, error) {
	const crockford = "0123456789abcdefghjkmnpqrstvwxyz"
	ms := uint64(now.UnixMilli())
	var out [26]byte
	for i := 9; i >= 0; i-- { // ten characters of time
		out[i] = crockford[ms&31]
		ms >>= 5
	}
	if err := letters(out[10:], crockford, random); err != nil {
		return "", err
	}
	id, err := brevet.ParseID[brevet.CustomerID]("cu_" + string(out[:]))
	return string(id), err
}

// newAudience makes the audience of an account: 130 random bits, so that
// nobody who knows the account's number can name it.
func newAudience(number string, random io.Reader) (string, error) {
	var out [26]byte
	if err := letters(out[:], "abcdefghijklmnopqrstuvwxyz234567", random); err != nil {
		return "", err
	}
	return "brevet:" + number + ":" + string(out[:]), nil
}

// newExternalID makes a customer's external id: 130 random bits.
func newExternalID(random io.Reader) (string, error) {
	var out [26]byte
	err := letters(out[:], "abcdefghijklmnopqrstuvwxyz234567", random)
	return string(out[:]), err
}

// letters fills out with characters of an alphabet of 32.
func letters(out []byte, alphabet string, random io.Reader) error {
	if _, err := io.ReadFull(random, out); err != nil {
		return fmt.Errorf("catalog: no randomness: %w", err)
	}
	for i := range out {
		out[i] = alphabet[out[i]&31]
	}
	return nil
}
