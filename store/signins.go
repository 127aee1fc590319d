package store

import (
	"database/sql"
	"errors"
	"time"

	"github.com/brevet-access/brevet"
)

var signIns = newTable("this sign-in", "signins", "ended_at = 0",
	[]string{"group_names", "groups_at", "refresh", "used_at", "ended_at", "leaf"},
	"id", "hash", "person_id", "issuer", "subject", "provider", "auth_time", "methods", "class", "mfa_at",
	"group_names", "groups_at", "refresh", "device", "created_at", "used_at", "expires_at", "ended_at", "leaf", "only_request")

func signInArgs(s brevet.SignIn) []any {
	return []any{string(s.ID), s.Hash[:], string(s.Person), s.Principal.Issuer, s.Principal.Subject, s.Provider,
		micros(s.Proof.AuthTime), text(s.Proof.Methods), s.Proof.Class, micros(s.Proof.MFA),
		text(s.Groups.Names), micros(s.Groups.At), s.Refresh, s.Device,
		micros(s.Created), micros(s.Used), micros(s.Expires), micros(s.Ended), s.Leaf, string(s.Only)}
}

func scanSignIn(r scanner) (s brevet.SignIn, err error) {
	err = r.Scan(&s.ID, bytes32(&s.Hash), &s.Person, &s.Principal.Issuer, &s.Principal.Subject, &s.Provider,
		at(&s.Proof.AuthTime), decoded(&s.Proof.Methods), &s.Proof.Class, at(&s.Proof.MFA),
		decoded(&s.Groups.Names), at(&s.Groups.At), &s.Refresh, &s.Device,
		at(&s.Created), at(&s.Used), at(&s.Expires), at(&s.Ended), &s.Leaf, &s.Only)
	return s, err
}

// AddSignIn adds a sign-in; [brevet.Conflict] if its id or hash is taken.
func (tx *Tx) AddSignIn(s brevet.SignIn) error { return signIns.add(tx, signInArgs(s)) }

// PutSignIn writes the groups, the refresh token, the times of use and end, and
// the leaf of a sign-in; [brevet.Conflict] if it was ended before. Who signed
// in, with what proof and until when stays as it was added.
func (tx *Tx) PutSignIn(s brevet.SignIn) error {
	return signIns.put(tx, string(s.ID), text(s.Groups.Names), micros(s.Groups.At), s.Refresh, micros(s.Used), micros(s.Ended), s.Leaf)
}

// SignInByHash returns the sign-in whose bearer token has this SHA-256, be it
// live or not; [brevet.NotFound] if there is none.
func (tx *Tx) SignInByHash(h [32]byte) (brevet.SignIn, error) {
	return one(tx, signIns, scanSignIn, `SELECT `+signIns.columns+` FROM signins WHERE hash = $1`, h[:])
}

// SignIns returns all sign-ins of a person, newest first.
func (tx *Tx) SignIns(p brevet.PersonID) ([]brevet.SignIn, error) {
	f := &filter{}
	f.add("person_id = ?", string(p))
	return list(tx, "signins", signIns.columns, f, 0, scanSignIn)
}

// Login is a sign-in in flight: what must be remembered while the browser is
// at the provider ("state"), and what a one-time code stands for ("code").
type Login struct {
	Hash    [32]byte // SHA-256 of the secret that the other side holds
	Kind    string
	Sealed  []byte
	Expires time.Time
}

// PutLogin keeps a login until it is taken or expires. The error is of kind
// [brevet.Conflict] if the hash is in use.
func (tx *Tx) PutLogin(l Login) error {
	if err := tx.sweep(); err != nil {
		return err
	}
	n, err := tx.exec(`INSERT INTO logins (kind, hash, sealed, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		l.Kind, l.Hash[:], append([]byte{}, l.Sealed...), micros(l.Expires))
	if err == nil && n == 0 {
		err = brevet.Errorf(brevet.Conflict, "this login is under way already")
	}
	return err
}

// TakeLogin removes a login and returns it: it works once, provided that the
// transaction is committed. The error is of kind [brevet.NotFound] if there
// is none or it has expired.
func (tx *Tx) TakeLogin(kind string, hash [32]byte) (Login, error) {
	l := Login{Hash: hash, Kind: kind}
	none := brevet.Errorf(brevet.NotFound, "this login is over").WithHint("sign in again")
	err := tx.row(`SELECT sealed, expires_at FROM logins WHERE kind = $1 AND hash = $2`, kind, hash[:]).Scan(&l.Sealed, at(&l.Expires))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Login{}, none
	case err != nil:
		return Login{}, tx.failed(err)
	case !tx.now.Before(l.Expires):
		return Login{}, none
	}
	_, err = tx.exec(`DELETE FROM logins WHERE kind = $1 AND hash = $2`, kind, hash[:])
	return l, err
}

// sweepPause is the least time between two sweeps.
const sweepPause = time.Minute

// claimLife is how long an idempotency key is remembered.
const claimLife = 24 * time.Hour

// sweep removes logins and claims that are over, at most once a minute.
func (tx *Tx) sweep() error {
	if err := tx.usable(); err != nil {
		return err
	}
	if since := tx.now.Sub(tx.db.swept); since >= 0 && since < sweepPause {
		return nil
	}
	tx.db.swept = tx.now
	if _, err := tx.exec(`DELETE FROM logins WHERE expires_at <= $1`, micros(tx.now)); err != nil {
		return err
	}
	_, err := tx.exec(`DELETE FROM claims WHERE created_at <= $1`, micros(tx.now.Add(-claimLife)))
	return err
}

// Claim claims an idempotency key for who, for an intent with this digest,
// whose result is named result. The first claim is fresh. A later one with
// the same digest gets the first one's result as prior; one with another
// digest is a [brevet.Conflict]. Claims are kept for 24 hours.
func (tx *Tx) Claim(who, key, digest, result string) (prior string, fresh bool, err error) {
	if err := tx.sweep(); err != nil {
		return "", false, err
	}
	// A claim that is over may still be there: it is taken over in place.
	n, err := tx.exec(`INSERT INTO claims (who, key, digest, result, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (who, key) DO UPDATE SET digest = excluded.digest, result = excluded.result, created_at = excluded.created_at
WHERE claims.created_at <= $6`, who, key, digest, result, micros(tx.now), micros(tx.now.Add(-claimLife)))
	if err != nil || n > 0 {
		return "", err == nil, err
	}
	var first string
	if err := tx.row(`SELECT digest, result FROM claims WHERE who = $1 AND key = $2`, who, key).Scan(&first, &prior); err != nil {
		return "", false, tx.failed(err)
	}
	if first != digest {
		return "", false, brevet.Errorf(brevet.Conflict, "this idempotency key was used for something else").WithHint("send a new key with a new intent")
	}
	return prior, false, nil
}

// EndSignIns ends every sign-in's row. The log must say so of each.
func (tx *Tx) EndSignIns() error {
	_, err := tx.exec(`UPDATE signins SET ended_at = $1, refresh = NULL WHERE ended_at = 0`, micros(tx.now))
	return err
}
