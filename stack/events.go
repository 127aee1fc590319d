package stack

import (
	_ "embed"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
)

// The templates before they are filled in; fill says how.
var (
	//go:embed skeleton/events.yaml
	eventsSkeleton string
	//go:embed skeleton/events-forward.yaml
	forwardSkeleton string
)

// Roles that are special by their name.
const (
	roleAdmin brevet.RoleName = "Admin" // each session is told
	roleData  brevet.RoleName = "Data"  // may touch data, and what it touches is shown
)

// eventsTemplates returns events.yaml, for the home region, and
// events-forward.yaml, for every other. They are the same for the same side,
// byte for byte. The error is of kind [brevet.Invalid] and names the field
// that does not fit.
func eventsTemplates(s Side) ([]File, error) {
	s, err := ready(s)
	if err != nil {
		return nil, err
	}
	if err := patternsFit(s); err != nil {
		return nil, err
	}
	body, err := dashboard(s)
	if err != nil {
		return nil, err
	}
	home, elsewhere := eventsValues(s), eventsValues(s)
	home["callsPattern"], elsewhere["callsPattern"] = printYAML(callsPattern(s, false)), printYAML(callsPattern(s, true))
	home["entriesPattern"], elsewhere["entriesPattern"] = printYAML(entriesPattern(s, false)), printYAML(entriesPattern(s, true))
	home["adminPattern"], home["emergencyPattern"] = printYAML(adminPattern(s)), printYAML(emergencyPattern(s))
	home["filters"], home["alarms"], home["dashboard"] = printYAML(filterResources(s)), printYAML(alarmResources(s)), body
	flags := map[string]bool{"admin": s.has(roleAdmin), "data": s.has(roleData), "emergency": s.urgent()}
	return []File{
		{"events.yaml", []byte(fillSkeleton(eventsSkeleton, home, flags))},
		{"events-forward.yaml", []byte(fillSkeleton(forwardSkeleton, elsewhere, flags))},
	}, nil
}

// has reports whether the account has the role.
func (s Side) has(name brevet.RoleName) bool {
	for _, r := range s.Roles {
		if r.Name == name {
			return true
		}
	}
	return false
}

// eventsValues are what both templates say of this customer and account.
func eventsValues(s Side) map[string]string {
	parameters := "LogGroupName, RetentionDays, CreateTrail"
	if s.has(roleData) {
		parameters += ", DataTrail"
	}
	andAdmin := ""
	if s.has(roleAdmin) {
		andAdmin = " and each session of " + s.Account.Prefix + string(roleAdmin)
	}
	if s.urgent() {
		andAdmin += " and each session that an emergency opened"
	}
	global := globalRegion(s.Account.Partition())
	andGlobal := ""
	if global != s.Account.Region {
		andGlobal = ", and in " + global + " always"
	}
	grant := "$.detail.requestParameters.principalTags." + brevet.TagGrant
	if s.Account.Broker != "" { // AssumeRole's tags are a yamlList
		grant = "$.detail.requestParameters.tags"
	}
	return map[string]string{
		"prefix": s.Account.Prefix, "home": s.Account.Region, "contract": strconv.Itoa(s.Account.Contract),
		"customer": yamlScalar(s.Customer.Name), "logGroup": yamlScalar(s.Customer.LogGroup), "contact": yamlScalar(s.Customer.Contact),
		"console": consoleHost(s.Account.Partition()), "bucket": trailBucket(s.Account.Prefix), "grantPath": grant,
		"recordParameters": parameters, "andAdmin": andAdmin, "global": global, "andGlobal": andGlobal, "regionPattern": regionPattern,
	}
}

// trailBucket is the beginning of the name of the trail's bucket: S3 takes
// small letters only.
func trailBucket(prefix string) string { return strings.ToLower(prefix) + "trail" }

// globalRegion is the region of a partition in which IAM and other global
// services report what happens to them.
func globalRegion(partition string) string {
	switch partition {
	case "aws-cn":
		return "cn-north-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	case "aws-eusc":
		return "eusc-de-east-1"
	}
	return "us-east-1"
}

// consoleHost is where the console of a partition is.
func consoleHost(partition string) string {
	switch partition {
	case "aws-cn":
		return "console.amazonaws.cn"
	case "aws-us-gov":
		return "console.amazonaws-us-gov.com"
	case "aws-eusc":
		return "console.amazonaws-eusc.eu"
	}
	return "console.aws.amazon.com"
}

const regionPattern = `(af|ap|ca|cn|eu|eusc-de|il|me|mx|sa|us|us-gov)-(central|east|north|northeast|northwest|south|southeast|southwest|west)-[1-9]`

var (
	validRegion  = lazy{expr: `^` + regionPattern + `$`}
	validContact = lazy{expr: `^[A-Za-z0-9.!#%&*+/=?^_|~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`}
)
