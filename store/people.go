package store

import (
	"github.com/brevet-access/brevet"
)

var persons = newTable("this person", "persons", "ended_at = 0",
	[]string{"handle", "name", "ended_at", "leaf"},
	"id", "handle", "name", "created_at", "ended_at", "leaf")

func personArgs(p brevet.Person) []any {
	return []any{string(p.ID), string(p.Handle), p.Name, micros(p.Created), micros(p.Ended), p.Leaf}
}

func scanPerson(s scanner) (p brevet.Person, err error) {
	err = s.Scan(&p.ID, &p.Handle, &p.Name, at(&p.Created), at(&p.Ended), &p.Leaf)
	return p, err
}

// Person returns a person by id; the error is of kind [brevet.NotFound] if
// there is none.
func (tx *Tx) Person(id brevet.PersonID) (brevet.Person, error) {
	return one(tx, persons, scanPerson, persons.byID, string(id))
}

// PersonByHandle returns the person whose handle it is, or ever was: handles
// are never given to another. Upper and lower case are told apart here, but
// no two handles differ in them alone.
func (tx *Tx) PersonByHandle(h brevet.Handle) (brevet.Person, error) {
	return one(tx, persons, scanPerson, `SELECT `+persons.columns+` FROM persons WHERE lower(handle) = lower($1) AND handle = $1`, string(h))
}

// HandleTaken reports whether a handle is somebody's, or ever was; upper and
// lower case count as the same.
func (tx *Tx) HandleTaken(h brevet.Handle) (bool, error) {
	var n int
	if err := tx.row(`SELECT count(*) FROM persons WHERE lower(handle) = lower($1)`, string(h)).Scan(&n); err != nil {
		return false, tx.failed(err)
	}
	return n > 0, nil
}

// PersonByPrincipal returns the person to whom the principal is linked.
func (tx *Tx) PersonByPrincipal(p brevet.Principal) (brevet.Person, error) {
	return one(tx, persons, scanPerson, `SELECT `+persons.columns+` FROM persons
WHERE id = (SELECT person_id FROM principals WHERE issuer = $1 AND subject = $2)`, p.Issuer, p.Subject)
}

// AddPerson adds a person with their first principal. The error is of kind
// [brevet.Conflict] if the id, the handle (in whatever case) or the principal
// is taken.
func (tx *Tx) AddPerson(p brevet.Person, first brevet.Principal) error {
	if err := persons.add(tx, personArgs(p)); err != nil {
		return err
	}
	return tx.LinkPrincipal(p.ID, first)
}

// LinkPrincipal links one more principal to a person. The error is of kind
// [brevet.Conflict] if it is linked already, to whomever.
func (tx *Tx) LinkPrincipal(id brevet.PersonID, p brevet.Principal) error {
	if _, err := tx.Person(id); err != nil {
		return err
	}
	n, err := tx.exec(`INSERT INTO principals (issuer, subject, person_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, p.Issuer, p.Subject, string(id))
	if err == nil && n == 0 {
		err = brevet.Errorf(brevet.Conflict, "this principal is linked to a person already")
	}
	return err
}

// PutPerson writes all of a person but when they were added. The error is of
// kind [brevet.Conflict] if they were ended before: coming back resurrects
// nothing.
func (tx *Tx) PutPerson(p brevet.Person) error {
	return persons.put(tx, string(p.ID), string(p.Handle), p.Name, micros(p.Ended), p.Leaf)
}

// People returns everybody, newest first, the ended too.
func (tx *Tx) People() ([]brevet.Person, error) {
	return list(tx, "persons", persons.columns, &filter{}, 0, scanPerson)
}

// PersonInLog finds by the log alone whose handle it is, or ever was: rows may
// have been altered or removed. It reads the whole log, and is for when the
// rows give no answer.
func (tx *Tx) PersonInLog(h brevet.Handle) (brevet.PersonID, error) {
	found, err := tx.rows(`SELECT pos FROM events WHERE kind = $1`, string(brevet.PersonCreated))
	if err != nil {
		return "", err
	}
	defer found.Close()
	var indexes []int64
	for found.Next() {
		var pos int64
		if err := found.Scan(&pos); err != nil {
			return "", tx.failed(err)
		}
		indexes = append(indexes, indexAt(pos))
	}
	if err := found.Err(); err != nil {
		return "", tx.failed(err)
	}
	found.Close()
	for _, i := range indexes {
		e, err := tx.Proven(i)
		if err == nil && e.Kind == brevet.PersonCreated && e.Data["handle"] == string(h) {
			return e.Person, nil
		}
	}
	return "", brevet.Errorf(brevet.NotFound, "nobody is called %s", h)
}
