package signer

import (
	"time"

	"github.com/brevet-access/brevet"
)

// Rotate publishes the customer's next key of each algorithm that it has. It
// signs from [PublishAhead] on; the one before retires by itself [Linger]
// later, and its file is deleted by the rotation after that. While the next
// key waits, another rotation is an error of kind conflict.
func (k *Keys) Rotate(c brevet.CustomerID) error {
	r, err := k.ring(c, true)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := brevet.Instant(k.now())
	if err := r.scan(now); err != nil {
		return err
	}
	var waits time.Time
	rotated := false
	for _, alg := range algs {
		keys := r.of(alg)
		if len(keys) == 0 {
			continue
		}
		newest := keys[len(keys)-1]
		if newest.signs.After(now) {
			waits = newest.signs
			continue
		}
		if err := r.add(alg, newest.number+1, now, now.Add(PublishAhead)); err != nil {
			return err
		}
		rotated = true
	}
	if !rotated {
		return brevet.Errorf(brevet.Conflict, "the next key of customer %s is published already and signs from %s on", c, waits.Format(time.RFC3339))
	}
	return r.remove(now)
}

// AddRS256 publishes an RSA key for a customer with audiences that take no
// ES256. Verifiers may have cached the key set without it, so it signs from
// [PublishAhead] on. Where there is one already nothing happens.
func (k *Keys) AddRS256(c brevet.CustomerID) error {
	r, err := k.ring(c, true)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.of(RS256)) > 0 {
		return nil
	}
	now := brevet.Instant(k.now())
	return r.add(RS256, 1, now, now.Add(PublishAhead))
}
