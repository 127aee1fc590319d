package api

import "time"

// Routes of revoking.
const (
	RouteRevokeAll      = "POST /v1/revocations"          // RevokeAll -> Revocations
	RouteRevocation     = "GET /v1/revocations/{id}"      // ?wait=30s holds the answer while it is under way -> Revocations
	RouteRevocations    = "GET /v1/revocations"           // ?limit= -> Revocations; newest first
	RouteOffboardPerson = "POST /v1/people/{id}/offboard" // Offboard -> PersonOffboarded; by handle or id
)

// RevokeAll ends grants: one of its first four fields says which.
type RevokeAll struct {
	Grant      string `json:"grant,omitempty" maxLength:"40" doc:"id of a grant"`
	Person     string `json:"person,omitempty" maxLength:"64" doc:"handle or id: all grants of theirs that the caller may revoke"`
	Account    string `json:"account,omitempty" maxLength:"63" doc:"name or number: all grants in an account"`
	Everything bool   `json:"everything,omitempty" doc:"all grants that the caller may revoke"`
	Reason     string `json:"reason" doc:"one line for the log"`
}

// Revocations are those of one act, or a list.
type Revocations struct {
	ID       string       `json:"id,omitempty" doc:"of the act, rv_…; absent from lists"`
	Now      time.Time    `json:"now"`
	Settled  bool         `json:"settled" doc:"each is confirmed, or over, or could not be confirmed so far"`
	Requests int          `json:"requests,omitempty" doc:"pending requests that the act cancelled"`
	Grants   []Revocation `json:"grants"`
}

// Revocation is the end of a grant in the cloud.
type Revocation struct {
	Act       string    `json:"act"`
	Grant     string    `json:"grant"`
	Target    string    `json:"target"`
	Customer  string    `json:"customer"`
	Person    string    `json:"person"`
	State     string    `json:"state" enum:"requested,told,confirmed,unconfirmed,over" doc:"confirmed: AWS was seen to refuse; unconfirmed: not yet, it is tried again; over: what was out has died by itself"`
	Shells    bool      `json:"shells,omitempty" doc:"only open shells were to be ended"`
	Reason    string    `json:"reason"`
	By        string    `json:"by"`
	Requested time.Time `json:"requested"`
	Told      time.Time `json:"told,omitzero"`
	Closed    time.Time `json:"closed,omitzero" doc:"when it was confirmed, or over"`
	Seconds   float64   `json:"seconds,omitempty" doc:"from the act to the confirmation"`
	Until     time.Time `json:"until,omitzero" doc:"latest moment at which what is out dies by itself; absent: nothing is known to be out"`
	Cut       []string  `json:"cut,omitempty" doc:"people whose other sessions were cut too, because AWS's policy was full"`
	Everybody bool      `json:"everybody,omitempty" doc:"everybody's were"`
	Trouble   string    `json:"trouble,omitempty" doc:"why the last attempt failed"`
}

// PersonOffboarded says what ending a person has done.
type PersonOffboarded struct {
	Person    string      `json:"person"`
	ID        string      `json:"id"`
	At        time.Time   `json:"at"`
	By        string      `json:"by"`
	Reason    string      `json:"reason"`
	SignIns   int         `json:"sign_ins" doc:"that were ended"`
	Grants    int         `json:"grants" doc:"that were ended"`
	Requests  int         `json:"requests" doc:"pending ones that were cancelled"`
	Decisions int         `json:"decisions" doc:"requests of others on which their yes counts no more"`
	Act       Revocations `json:"revocations" doc:"by account, to be followed by its id"`
}
