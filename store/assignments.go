package store

import (
	"time"

	"github.com/brevet-access/brevet"
)

// AssignmentState says whether somebody is let in.
type AssignmentState string

// The states of an assignment. It is open from before Identity Center is
// asked to let somebody in until it was seen to let them in no more.
const (
	AssignmentOpen   AssignmentState = "open"
	AssignmentClosed AssignmentState = "closed"
)

// Assignment is one person's way into a role of an account through IAM
// Identity Center. It gives nothing; it is what must be taken away again.
type Assignment struct {
	brevet.Assignment
	ID       string // of account, role and principal
	Customer brevet.CustomerID
	Person   brevet.PersonID
	State    AssignmentState
	Since    time.Time // when it was opened last
	Due      time.Time // when it is looked at next
	Tries    int       // to take it away, that failed
	Problem  string    // of the last one
}

var assignments = newTable("this assignment", "assignments", "1 = 1",
	[]string{"person", "state", "created_at", "due_at", "tries", "problem"},
	"id", "customer_id", "account", "role", "person", "principal", "state", "created_at", "due_at", "tries", "problem")

func scanAssignment(s scanner) (a Assignment, err error) {
	err = s.Scan(&a.ID, &a.Customer, &a.Account, &a.Role, &a.Person, &a.Principal, &a.State, at(&a.Since), at(&a.Due), &a.Tries, &a.Problem)
	return a, err
}

// AddAssignment writes a new assignment; [brevet.Conflict] if there is one of
// that id.
func (tx *Tx) AddAssignment(a Assignment) error {
	return assignments.add(tx, []any{a.ID, string(a.Customer), string(a.Account), string(a.Role), string(a.Person), a.Principal,
		string(a.State), micros(a.Since), micros(a.Due), int64(a.Tries), a.Problem})
}

// PutAssignment writes who it is of, its state and its tries.
func (tx *Tx) PutAssignment(a Assignment) error {
	return assignments.put(tx, a.ID, string(a.Person), string(a.State), micros(a.Since), micros(a.Due), int64(a.Tries), a.Problem)
}

// Assignment returns an assignment; [brevet.NotFound] if there is none.
func (tx *Tx) Assignment(id string) (Assignment, error) {
	return one(tx, assignments, scanAssignment, assignments.byID, id)
}

// AssignmentFilter says which open assignments are wanted. Zero fields ask for
// nothing.
type AssignmentFilter struct {
	Account brevet.AccountID
	Due     time.Time // at this time or before
	Limit   int
}

// OpenAssignments returns open assignments.
func (tx *Tx) OpenAssignments(want AssignmentFilter) ([]Assignment, error) {
	f := &filter{}
	is(f, "state", AssignmentOpen)
	is(f, "account", want.Account)
	if !want.Due.IsZero() {
		f.add("due_at <= ?", micros(want.Due))
	}
	return list(tx, "assignments", assignments.columns, f, want.Limit, scanAssignment)
}
