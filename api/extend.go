package api

// Extend asks for more time of a grant of the caller's own that lives.
type Extend struct {
	Duration string `json:"duration" doc:"by how much its end moves, like 1h" maxLength:"20"`
	Reason   string `json:"reason" doc:"one line for the approver and the log"`
	Ticket   string `json:"ticket,omitempty"`
}
