package api

import "time"

// Narrowed is what may be said of a request to get less than all of the role,
// or get it later.
type Narrowed struct {
	NotBefore time.Time `json:"not_before,omitzero" doc:"when it shall start; absent: at once"`
	Only      []string  `json:"only,omitempty" doc:"narrows the role to these actions on these resources, as s3:ListBucket,s3:GetObject@BUCKET" maxItems:"20"`
}

// NewBatch asks for access to several targets in one intent: all of them, or
// none.
type NewBatch struct {
	Targets  []string `json:"targets" doc:"ACCOUNT/ROLE" minItems:"1" maxItems:"20"`
	Duration string   `json:"duration,omitempty" doc:"like 1h; default: the longest allowed for each, at most 1h" maxLength:"20"`
	Reason   string   `json:"reason,omitempty" doc:"one line for the approver and the log"`
	Ticket   string   `json:"ticket,omitempty"`
	Narrowed
}

// Batch is what was asked in one intent: a request for each target.
type Batch struct {
	ID       string    `json:"id,omitempty" doc:"absent where there was only one target"`
	Requests []Request `json:"requests"`
}
