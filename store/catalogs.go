package store

import (
	"database/sql"
	"errors"
	"time"

	"github.com/brevet-access/brevet"
)

// CatalogVersion is one version of the catalog, kept for good.
type CatalogVersion struct {
	Version   int64 // from 1; assigned by AddCatalog
	Digest    string
	Text      []byte
	By        brevet.Actor
	Created   time.Time
	Confirmed time.Time // zero: proposed only
	Leaf      int64     // index of the event that confirmed it
}

const catalogColumns = `version, digest, source, proposed_by, created_at, confirmed_at, leaf`

func scanCatalog(s scanner) (c CatalogVersion, err error) {
	err = s.Scan(&c.Version, &c.Digest, &c.Text, decoded(&c.By), at(&c.Created), at(&c.Confirmed), &c.Leaf)
	return c, err
}

func (tx *Tx) catalog(query string, args ...any) (CatalogVersion, error) {
	c, err := scanCatalog(tx.row(query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return c, brevet.Errorf(brevet.NotFound, "there is no such version of the catalog")
	}
	if err != nil {
		return c, tx.failed(err)
	}
	return c, nil
}

// AddCatalog keeps a version of the catalog and returns it with its number.
func (tx *Tx) AddCatalog(c CatalogVersion) (CatalogVersion, error) {
	err := tx.row(`SELECT coalesce(max(version), 0) + 1 FROM catalogs`).Scan(&c.Version)
	if err != nil {
		return c, tx.failed(err)
	}
	_, err = tx.exec(`INSERT INTO catalogs (`+catalogColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		c.Version, c.Digest, append([]byte{}, c.Text...), text(c.By), micros(c.Created), micros(c.Confirmed), c.Leaf)
	return c, err
}

// CatalogNext returns the number that the next version gets.
func (tx *Tx) CatalogNext() (version int64, err error) {
	if err = tx.row(`SELECT coalesce(max(version), 0) + 1 FROM catalogs`).Scan(&version); err != nil {
		return 0, tx.failed(err)
	}
	return version, nil
}

// CatalogRuling returns the newest confirmed version; [brevet.NotFound] when
// there is none.
func (tx *Tx) CatalogRuling() (CatalogVersion, error) {
	return tx.catalog(`SELECT ` + catalogColumns + ` FROM catalogs WHERE confirmed_at <> 0 ORDER BY version DESC LIMIT 1`)
}

// CatalogNewest returns the number of the version that rules, 0 when none
// does.
func (tx *Tx) CatalogNewest() (version int64, err error) {
	err = tx.row(`SELECT coalesce(max(version), 0) FROM catalogs WHERE confirmed_at <> 0`).Scan(&version)
	if err != nil {
		return 0, tx.failed(err)
	}
	return version, nil
}

// Catalog returns a version by its number; [brevet.NotFound] if there is none.
func (tx *Tx) Catalog(version int64) (CatalogVersion, error) {
	return tx.catalog(`SELECT `+catalogColumns+` FROM catalogs WHERE version = $1`, version)
}

// ConfirmCatalog makes a proposed version rule; leaf is the index of the event
// that says so. The error is of kind
// [brevet.Conflict] if it is confirmed already or does not exist.
func (tx *Tx) ConfirmCatalog(version int64, at time.Time, leaf int64) error {
	n, err := tx.exec(`UPDATE catalogs SET confirmed_at = $2, leaf = $3 WHERE version = $1 AND confirmed_at = 0`, version, micros(at), leaf)
	if err == nil && n == 0 {
		err = brevet.Errorf(brevet.Conflict, "version %d of the catalog does not wait for confirmation", version)
	}
	return err
}

// Catalogs returns the newest versions without their texts, newest first.
func (tx *Tx) Catalogs(limit int) ([]CatalogVersion, error) {
	return tx.catalogs(`SELECT version, digest, '', proposed_by, created_at, confirmed_at, leaf FROM catalogs ORDER BY version DESC LIMIT $1`, limit)
}

// CatalogsWaiting returns the newest versions that are not confirmed, without
// their texts, newest first.
func (tx *Tx) CatalogsWaiting(limit int) ([]CatalogVersion, error) {
	return tx.catalogs(`SELECT version, digest, '', proposed_by, created_at, confirmed_at, leaf FROM catalogs WHERE confirmed_at = 0 ORDER BY version DESC LIMIT $1`, limit)
}

func (tx *Tx) catalogs(query string, limit int) ([]CatalogVersion, error) {
	rows, err := tx.rows(query, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []CatalogVersion
	for rows.Next() {
		c, err := scanCatalog(rows)
		if err != nil {
			return nil, tx.failed(err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, tx.failed(err)
	}
	return out, nil
}
