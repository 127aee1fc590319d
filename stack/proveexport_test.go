package stack

// SessionPolicy is the model of the policy that every session carries.
var SessionPolicy = sessionPolicy

// What the claims take the revoker to write.
var DeniedGrants, DeniedPeople, DeniedEverybody = deniedGrants, deniedPeople, deniedEverybody
