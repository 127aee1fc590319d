package brevet

// IdentityCenter says how a customer's accounts are entered through AWS IAM
// Identity Center: a person gets an assignment, or becomes a member of a
// group, when they enter under a grant, and loses it when the last such grant
// has ended. Credentials come from the customer's own access portal.
type IdentityCenter struct {
	Region   string                // of the instance
	Instance string                // arn:aws:sso:::instance/ssoins-…
	Store    string                // of its users and groups, d-…
	Start    string                // the access portal, https://….awsapps.com/start
	ByName   bool                  // people are found by user name = handle, not by external id = subject
	Sets     map[RoleName]Entrance // what stands for a role
	Remove   bool                  // takes away what nobody was granted; else it is only reported
}

// Entrance is what lets a person into a role of Identity Center: a permission
// set that is assigned to them, or a group that has it already.
type Entrance struct {
	Set   string // ARN of the permission set
	Group string // id of the group; "" for assignments
}

// Assignment is one person or group that is let into a role of an account.
type Assignment struct {
	Account   AccountID
	Role      RoleName
	Principal string // Identity Center's id of the user or group
	Group     bool   // it is a group's
}
