package brevet

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is. Each kind is itself a target
// for errors.Is, survives the wire, and has one HTTP status and one exit code
// (the table is in package api).
type Kind string

// The kinds. They are words of the API and never change their spelling.
const (
	Invalid         Kind = "invalid"         // the input is malformed; sending it again will not help
	Unauthenticated Kind = "unauthenticated" // no sign-in, or one that has ended
	Denied          Kind = "denied"          // policy says no
	NotFound        Kind = "not_found"       // no such thing, or none that the caller may see
	Conflict        Kind = "conflict"        // the thing is in another state than the verb needs
	Expired         Kind = "expired"         // it was, but its time is over
	Unavailable     Kind = "unavailable"     // something needed cannot be reached; try again
	NoGrant         Kind = "no_grant"        // access must be asked for first
	StepUp          Kind = "step_up"         // the multi-factor proof is missing or too old
	Clock           Kind = "clock"           // a clock is wrong, so nothing can be judged
	CloudRefused    Kind = "cloud"           // the cloud said no; its message is kept
	Internal        Kind = "internal"        // a fault of ours: logged, never shown
)

// Kinds lists every kind, in the order of the documentation.
var Kinds = []Kind{Invalid, Unauthenticated, Denied, NotFound, Conflict, Expired,
	Unavailable, NoGrant, StepUp, Clock, CloudRefused, Internal}

// Error makes a Kind an error, so that errors.Is(err, brevet.Denied) works.
func (k Kind) Error() string { return string(k) }

// Unmet is one condition that stood in the way, and the shortest way to meet
// it (law 10).
type Unmet struct {
	Condition string `json:"condition"` // "MFA at most 1h old", in words
	Have      string `json:"have"`      // "MFA 3h12m old"
	Remedy    string `json:"remedy"`    // "brevet login --mfa"
}

// Error is the one error type of the house. Message is one sentence without
// a full stop and safe to show to whoever sent the request; Hint is the next
// step; Cause is for the log only and may hold anything but secrets.
type Error struct {
	Kind    Kind
	Message string
	Hint    string
	Unmet   []Unmet
	Cause   error
}

// Errorf returns an error of kind k with a message that is safe to show.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Error returns the message, without hint and cause.
func (e *Error) Error() string { return e.Message }

// Is reports whether target is the error's kind.
func (e *Error) Is(target error) bool { k, ok := target.(Kind); return ok && k == e.Kind }

// Unwrap returns the cause, so that errors.Is and errors.As see it.
func (e *Error) Unwrap() error { return e.Cause }

// WithHint returns a copy of e that names the next step.
func (e *Error) WithHint(format string, args ...any) *Error {
	c := *e
	c.Hint = fmt.Sprintf(format, args...)
	return &c
}

// WithCause returns a copy of e that carries what went wrong beneath, for the
// log.
func (e *Error) WithCause(err error) *Error {
	c := *e
	c.Cause = err
	return &c
}

// WithUnmet returns a copy of e that lists the unmet conditions.
func (e *Error) WithUnmet(unmet ...Unmet) *Error {
	c := *e
	c.Unmet = append(c.Unmet[:len(c.Unmet):len(c.Unmet)], unmet...)
	return &c
}

// AsError returns err as *Error. What is not one becomes Internal with err as
// its cause and a message that gives nothing away; nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) && e != nil {
		return e
	}
	return &Error{Kind: Internal, Message: "something went wrong on the server", Hint: "the server's log says more", Cause: err}
}

// KindOf returns the kind of err; "" for nil, Internal for unknown errors.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	return AsError(err).Kind
}
