package api

import (
	"net/http"

	"github.com/brevet-access/brevet"
)

// Problem is how an error travels: RFC 9457 problem details with the kind, a
// hint and the unmet conditions.
type Problem struct {
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail" doc:"one sentence, safe to show"`
	Kind   brevet.Kind    `json:"kind"`
	Hint   string         `json:"hint,omitempty" doc:"the next step"`
	Unmet  []brevet.Unmet `json:"unmet,omitempty"`
}

// Row ties a kind to the status of an answer and the exit code of a command.
type Row struct {
	Kind   brevet.Kind
	Status int
	Exit   int
	About  string
}

// Table is the one table of kinds. Exit codes lie in 64-79, follow BSD's
// sysexits.h where it has a word for the case, and never change.
var Table = []Row{
	{brevet.Invalid, http.StatusBadRequest, 64, "the input is malformed; the message names the field"},
	{brevet.NoGrant, http.StatusPreconditionFailed, 65, "no grant: access must be asked for first"},
	{brevet.NotFound, http.StatusNotFound, 66, "no such thing, or none that you may see"},
	{brevet.Unauthenticated, http.StatusUnauthorized, 67, "not signed in, or the sign-in has ended"},
	{brevet.StepUp, http.StatusUnauthorized, 68, "the multi-factor proof is missing or too old"},
	{brevet.Unavailable, http.StatusServiceUnavailable, 69, "the server, or something it needs, cannot be reached"},
	{brevet.Internal, http.StatusInternalServerError, 70, "a fault of brevet's own"},
	{brevet.Expired, http.StatusGone, 72, "it was, but its time is over"},
	{brevet.Conflict, http.StatusConflict, 73, "the thing is in another state than the command needs"},
	{brevet.Clock, http.StatusConflict, 74, "a clock is wrong"},
	{brevet.CloudRefused, http.StatusBadGateway, 76, "AWS said no; its message is kept"},
	{brevet.Denied, http.StatusForbidden, 77, "policy says no"},
}

// StatusOf returns the HTTP status of k.
func StatusOf(k brevet.Kind) int { return row(k).Status }

// ExitOf returns the exit code of k; 0 for "".
func ExitOf(k brevet.Kind) int {
	if k == "" {
		return 0
	}
	return row(k).Exit
}

func row(k brevet.Kind) Row {
	for _, r := range Table {
		if r.Kind == k {
			return r
		}
	}
	return row(brevet.Internal)
}

// NewProblem returns what the wire carries of err: never its cause.
func NewProblem(err error) *Problem {
	e := brevet.AsError(err)
	status := StatusOf(e.Kind)
	return &Problem{Title: http.StatusText(status), Status: status, Detail: e.Message, Kind: e.Kind, Hint: e.Hint, Unmet: e.Unmet}
}

// Err turns a problem that arrived into an error. A kind that this client
// does not know is derived from the status.
func (p *Problem) Err() error {
	k := p.Kind
	if row(k).Kind != k {
		k = KindOfStatus(p.Status)
	}
	return &brevet.Error{Kind: k, Message: p.Detail, Hint: p.Hint, Unmet: p.Unmet}
}

// KindOfStatus returns the first kind of the table with this status;
// Unavailable for a gateway's, Invalid for another 4xx, else Internal.
func KindOfStatus(status int) brevet.Kind {
	for _, r := range Table {
		if r.Status == status && r.Kind != brevet.CloudRefused {
			return r.Kind
		}
	}
	switch {
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout || status == http.StatusTooManyRequests:
		return brevet.Unavailable
	case status >= 400 && status < 500:
		return brevet.Invalid
	}
	return brevet.Internal
}

// Error makes a problem an error, as huma wants it.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status, as huma wants it.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is application/problem+json, as huma wants it.
func (p *Problem) ContentType(string) string { return "application/problem+json" }
