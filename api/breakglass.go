package api

import "time"

// BreakGlass opens access in an emergency: nobody approves, everybody is
// told, somebody else looks at it afterwards.
type BreakGlass struct {
	Target   string `json:"target" doc:"ACCOUNT/ROLE" maxLength:"110"`
	Duration string `json:"duration,omitempty" doc:"like 30m; default: the longest allowed, at most 1h" maxLength:"20"`
	Reason   string `json:"reason" doc:"one line for everybody who is told, and the log"`
}

// Glass is what became of it, and how far the word has spread: every channel
// of the customer has a letter, and each was tried within 30 s.
type Glass struct {
	Request  Request `json:"request"`
	Review   string  `json:"review" doc:"who looks at it afterwards"`
	Channels int     `json:"channels" doc:"that are to be told"`
	Tried    int     `json:"tried" doc:"so far"`
	Arrived  int     `json:"arrived" doc:"took the message; the others are tried on"`
}

// Verdict is what somebody thinks of another's emergency.
type Verdict struct {
	OK      bool   `json:"ok"`
	Comment string `json:"comment"`
}

// Review is an emergency and its review.
type Review struct {
	Grant     string    `json:"grant"`
	URL       string    `json:"url" doc:"of its page"`
	Target    string    `json:"target"`
	Person    string    `json:"person"`
	Reason    string    `json:"reason"`
	Opened    time.Time `json:"opened"`
	End       time.Time `json:"end,omitzero" doc:"as it was opened"`
	WaitsFor  string    `json:"waits_for,omitempty" doc:"who may review, as the alarm said"`
	Mine      bool      `json:"mine"`
	CanReview bool      `json:"can_review"`
	Reviewed  time.Time `json:"reviewed,omitzero" doc:"absent: not yet"`
	By        string    `json:"by,omitempty"`
	Verdict   string    `json:"verdict,omitempty" enum:"ok,not ok"`
	Comment   string    `json:"comment,omitempty"`
	Offline   string    `json:"offline,omitempty" doc:"id of the offline key by which it was opened"`
}

// Record is what an offline key wrote about an emergency.
type Record struct {
	Record string `json:"record" doc:"the file's text" maxLength:"100000"`
}

// Imported is an emergency that was opened offline, now on record, and how far
// the word has spread.
type Imported struct {
	Review   Review    `json:"review"`
	Again    bool      `json:"again,omitempty" doc:"it was on record already"`
	Alive    time.Time `json:"alive,omitzero" doc:"when what is out dies by itself; absent: nothing is"`
	Access   string    `json:"access_key,omitempty" doc:"id of the access key, as CloudTrail has it"`
	Shared   []string  `json:"shared" doc:"holders who gave their share of the key"`
	Key      string    `json:"key" doc:"id of the offline key, which wants to be replaced"`
	Channels int       `json:"channels" doc:"that are to be told"`
	Tried    int       `json:"tried" doc:"so far"`
	Arrived  int       `json:"arrived" doc:"took the message; the others are tried on"`
}
