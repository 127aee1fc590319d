package stack

// SessionPolicy is the model of the policy that every session carries.
var SessionPolicy = sessionPolicy
