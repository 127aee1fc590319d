package stack

// YAMLString is how a string is written into a template.
var YAMLString = yamlString

// Unproven are the scenarios that SECURITY.md would name and that are not
// there.
func Unproven(s Side) []string {
	known := map[string]bool{}
	for _, c := range Scenarios(s) {
		known[c.Claim] = true
	}
	_, dropped := proven(promises(s), known)
	return dropped
}
