package api

import "time"

// Customer is a customer at which the caller holds a right.
type Customer struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	State      string      `json:"state" doc:"active or offboarded" enum:"active,offboarded"`
	Entry      string      `json:"entry" doc:"how its accounts are entered: oidc or assume-role"`
	Contact    string      `json:"contact,omitempty" doc:"where its stack sends alerts"`
	LogGroup   string      `json:"log_group,omitempty"`
	Accounts   []Account   `json:"accounts"`
	Offboarded *Offboarded `json:"offboarded,omitempty"`
}

// Account is an account of a customer.
type Account struct {
	Number   string `json:"number"`
	Name     string `json:"name"`
	Customer string `json:"customer"`
	Env      string `json:"env,omitempty"`
	Region   string `json:"region"`
	Contract int    `json:"contract" doc:"version of the stack that it has deployed"`
}

// Offboard ends a customer for good.
type Offboard struct {
	Reason string `json:"reason" doc:"one line for the log" maxLength:"1000"`
}

// Offboarded says what ending a customer did. Nobody enters its accounts by
// brevet from At on; credentials that were out before die by Until.
type Offboarded struct {
	Customer string     `json:"customer"`
	At       time.Time  `json:"at"`
	By       string     `json:"by"`
	Reason   string     `json:"reason"`
	Grants   int        `json:"grants" doc:"that were ended"`
	Requests int        `json:"requests" doc:"that were cancelled"`
	Sessions int        `json:"sessions" doc:"credentials that were out"`
	Until    *time.Time `json:"until,omitempty" doc:"when the last of those dies by itself; absent if none was out"`
	Proof    *Proof     `json:"proof,omitempty"`
}

// Proof says what became of trying to enter the customer's roles afterwards.
// It is about what brevet makes, not about what the customer's stack trusts.
type Proof struct {
	OK       bool     `json:"ok" doc:"every role was refused"`
	Refused  int      `json:"refused" doc:"roles for which brevet refused to make a token"`
	Admitted []string `json:"admitted" doc:"targets for which it did not; always empty unless something is wrong"`
}

// Statement says who entered a customer's accounts. Text is the statement in
// the format that was asked for, to be kept as it is.
type Statement struct {
	Customer string    `json:"customer"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to" doc:"the first moment after it"`
	Accesses int       `json:"accesses" doc:"that overlap the time"`
	Entries  int64     `json:"entries" doc:"of the log about the customer, all of which were read"`
	Size     int64     `json:"size" doc:"of the log"`
	Text     string    `json:"text"`
}
