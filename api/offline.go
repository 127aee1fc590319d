package api

import (
	"time"

	"github.com/brevet-access/brevet"
)

// OfflineTask is what brevet has brevetd do, by a pipe, when it breaks the
// glass without a server: it must not link what that takes. It never travels
// further than from one process to its child.
type OfflineTask struct {
	Do      string        `json:"do"` // "begin", "open"
	Bundle  []byte        `json:"bundle"`
	Target  string        `json:"target,omitempty"`
	As      string        `json:"as,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	For     time.Duration `json:"for,omitempty"`
	State   []byte        `json:"state,omitempty"`   // of the call that was begun; a secret
	Answers [][]byte      `json:"answers,omitempty"` // what may be answers to it
	Records string        `json:"records,omitempty"` // folder that the record is written to
}

// OfflineReply is how far it has come.
type OfflineReply struct {
	State      []byte             `json:"state,omitempty"`
	Target     string             `json:"target,omitempty"`
	Grant      string             `json:"grant,omitempty"`
	Begun      time.Time          `json:"begun,omitzero"`
	Call       string             `json:"call,omitempty"`
	Check      string             `json:"check,omitempty"`
	Threshold  int                `json:"threshold,omitempty"`
	Holders    []string           `json:"holders,omitempty"`
	Have       []string           `json:"have,omitempty"`
	Missing    int                `json:"missing"`
	Trouble    []string           `json:"trouble,omitempty"` // what was wrong with answers
	Good       [][]byte           `json:"good,omitempty"`    // answers that count
	Record     string             `json:"record,omitempty"`  // file
	Key        string             `json:"key,omitempty"`     // id of the offline key
	Credential *OfflineCredential `json:"credential,omitempty"`
	No         *OfflineNo         `json:"no,omitempty"`
}

// OfflineCredential is what the cloud made.
type OfflineCredential struct {
	Account         string    `json:"account"`
	AccessKeyID     string    `json:"access_key_id"`
	SecretAccessKey string    `json:"secret_access_key"`
	SessionToken    string    `json:"session_token"`
	Made            time.Time `json:"made"`
	Expires         time.Time `json:"expires"`
	Region          string    `json:"region"`
	Endpoint        string    `json:"endpoint,omitempty"`
}

// OfflineNo is why it went no further.
type OfflineNo struct {
	Kind    brevet.Kind `json:"kind"`
	Message string      `json:"message"`
	Hint    string      `json:"hint,omitempty"`
}
