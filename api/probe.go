package api

import (
	"time"

	"github.com/brevet-access/brevet"
)

// Probe asks the server to try out the customer's side of an account.
type Probe struct {
	Wait string `json:"wait,omitempty" doc:"how long the canary may take to arrive in the log group, like 20s; at most 45s" maxLength:"20"`
}

// Probed is what a probe found.
type Probed struct {
	Account  string    `json:"account"`
	Number   string    `json:"number"`
	Customer string    `json:"customer"`
	Role     string    `json:"role" doc:"in which the probe looked round"`
	Grant    string    `json:"grant" doc:"of the errand; it names the probe's sessions in every log"`
	At       time.Time `json:"at"`
	Misses   int       `json:"misses" doc:"how many checks found something that is not as it should be"`
	Checks   []Check   `json:"checks"`
}

// Check is one thing that a probe looked at.
type Check struct {
	Name     string             `json:"name"`
	Expected string             `json:"expected"`
	Result   brevet.CheckResult `json:"result" enum:"ok,miss,pending,unknown"`
	Detail   string             `json:"detail"`
	Millis   int64              `json:"millis" doc:"how long it took"`
}
