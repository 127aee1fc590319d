package stack

import (
	"maps"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// Verdict is how a scenario turns out, or should.
type Verdict string

// The verdicts. They are words of the report and never change their spelling.
const (
	Allowed  Verdict = "allowed"  // the attempt gets through
	Refused  Verdict = "refused"  // it does not
	Recorded Verdict = "recorded" // a rule takes the event to the record, or to people
	Ignored  Verdict = "ignored"  // no rule takes it
	Present  Verdict = "present"  // the templates install it, and install it so
	Absent   Verdict = "absent"   // they do not

	// Unenforceable is what IAM cannot keep anybody from, whatever the
	// templates say. It is told and never counts as a miss.
	Unenforceable Verdict = "unenforceable"
)

// Layer is one of the walls between an attacker and an account, each of which
// should hold when the others have fallen.
type Layer string

// The layers. That of the broker, which signs for nobody without a grant, is
// proven by its own tests; here it is only named.
const (
	LayerBroker      Layer = "broker"      // the issuer's own checks
	LayerTrust       Layer = "trust"       // who may begin a session
	LayerPermissions Layer = "permissions" // policies, boundary and session policy
	LayerRecord      Layer = "record"      // what is recorded and told
)

// Threat is what has gone wrong.
type Threat string

// The threats of the table of layers.
const (
	StolenKey       Threat = "stolen signing key"
	StolenLaptop    Threat = "stolen laptop"
	HostileEngineer Threat = "hostile engineer"
	HostileBroker   Threat = "hostile broker"
)

// Scenario is a claim about what an account's stacks do, and what proves it.
type Scenario struct {
	Claim   string            // its id, which never changes: "enter-admin-right"
	About   string            // the claim as a sentence
	Layers  []Layer           // that the claim is about
	Threats []Threat          // that the claim is an answer to
	With    map[string]string // parameters that differ from what was given
	Expect  Verdict

	tries func(w *world) []try // all must turn out as expected
}

// try is one attempt.
type try struct {
	what string
	run  func(w *world) finding
}

// finding is how an attempt turned out, and what decided.
type finding struct {
	result    Verdict
	statement string
	condition string
	why       string
	event     map[string]any // what CloudTrail would report of it, if anything
}

// Scenarios returns every claim that can be proven of this side, in the order
// of the report. Which there are depends on the roles alone: an allowance is
// claimed only where the catalog gives it.
func Scenarios(s Side) []Scenario {
	b := &book{side: s}
	if len(s.Roles) == 0 {
		return nil
	}
	b.entries()
	b.wrongTokens()
	b.emergencies()
	b.frozen()
	b.lifetime()
	b.revocation()
	b.widening()
	b.production()
	b.data()
	b.shells()
	b.wayIn()
	b.record()
	b.indirect()
	b.everyRole()
	b.events()
	b.fixtures()
	b.limits()
	return b.all
}

// book collects scenarios.
type book struct {
	side Side
	all  []Scenario
}

// stranger is the number of an AWS account that is neither the customer's nor
// the broker's.
func (s Side) stranger() string {
	for _, n := range []string{"444455556666", "123412341234"} {
		if n != string(s.Account.ID) && n != brokerAccount(s.Account.Broker) {
			return n
		}
	}
	return "888800008888"
}

// claim adds a scenario whose attempts are known.
func (b *book) claim(id, about string, expect Verdict, layers []Layer, tries ...try) *Scenario {
	return b.claimOf(id, about, expect, layers, func(*world) []try { return tries })
}

// claimOf adds a scenario whose attempts depend on what is installed.
func (b *book) claimOf(id, about string, expect Verdict, layers []Layer, tries func(w *world) []try) *Scenario {
	b.all = append(b.all, Scenario{Claim: id, About: about, Expect: expect, Layers: layers, tries: tries})
	return &b.all[len(b.all)-1]
}

// with sets parameters, given as name and value in turn.
func (s *Scenario) with(parameters ...string) *Scenario {
	if s.With == nil {
		s.With = map[string]string{}
	}
	for i := 0; i < len(parameters); i += 2 {
		s.With[parameters[i]] = parameters[i+1]
	}
	return s
}

func (s *Scenario) against(threats ...Threat) *Scenario {
	s.Threats = threats
	return s
}

var (
	trustLayer       = []Layer{LayerTrust}
	bothEntry        = []Layer{LayerBroker, LayerTrust}
	permissionsLayer = []Layer{LayerPermissions}
	recordLayer      = []Layer{LayerRecord}
)

// idOfRole is a role as it stands in ids of claims.
func idOfRole(r brevet.RoleName) string {
	return strings.ReplaceAll(strings.ToLower(string(r)), "_", "-")
}

// has returns the role of that name.
func (b *book) has(name brevet.RoleName) (brevet.Role, bool) {
	i := slices.IndexFunc(b.side.Roles, func(r brevet.Role) bool { return r.Name == name })
	if i < 0 {
		return brevet.Role{}, false
	}
	return b.side.Roles[i], true
}

// strongest is the role that could do most harm: Admin, or one that may make
// users.
func (b *book) strongest() (brevet.Role, bool) {
	if r, ok := b.has("Admin"); ok {
		return r, true
	}
	for _, r := range b.side.Roles {
		if b.may(r, "iam:CreateUser", "*") {
			return r, true
		}
	}
	return brevet.Role{}, false
}

// may reports whether the catalog gives a role an action, boundary aside.
func (b *book) may(r brevet.Role, action, resource string) bool {
	policies, err := Permissions(b.side.Account, r)
	if err != nil {
		return false
	}
	w := &world{side: b.side}
	got := iam.Evaluate(iam.Input{Identity: policies, Request: iam.Request{Caller: w.caller(b.side.Account.RoleARN(r.Name)), Action: action, Resource: resource}})
	return got.Decision == iam.Allow
}

// task is an action that a role's daily work is made of.
type task struct{ action, resource string }

// work returns what of a role's work shows whether it may work on a resource
// that can be tagged; false if none is known.
func (b *book) work(r brevet.Role) (task, bool) {
	w := &world{side: b.side}
	for _, t := range []task{
		{"ec2:StopInstances", w.arn("ec2", "instance/i-0123456789abcdef0")},
		{"rds:StopDBInstance", w.arn("rds", "db:orders")},
		{"dynamodb:GetItem", w.arn("dynamodb", "table/orders")},
		{"lambda:GetFunction", w.arn("lambda", "function:orders")},
		{"dynamodb:DescribeTable", w.arn("dynamodb", "table/orders")},
		{"ec2:DescribeVolumeAttribute", w.arn("ec2", "volume/vol-0123456789abcdef0")},
		{"kms:DescribeKey", w.arn("kms", "key/0a1b2c3d-0000-4000-8000-000000000000")},
	} {
		if b.may(r, t.action, t.resource) {
			return t, true
		}
	}
	return task{}, false
}

// world is where a scenario takes place: an account with its stacks.
type world struct {
	side       Side
	in         *Installed
	parameters map[string]string // of all templates
	fallen     map[Layer]bool    // layers that are gone
}

// arn names something in the account and its home region.
func (w *world) arn(service, rest string) string {
	return w.arnIn(service, w.side.Account.Region, rest)
}

func (w *world) arnIn(service, region, rest string) string {
	a := w.side.Account
	return "arn:" + a.Partition() + ":" + service + ":" + region + ":" + string(a.ID) + ":" + rest
}

// global names something that has no region.
func (w *world) global(service, rest string) string { return w.arnIn(service, "", rest) }

// bucket names a bucket or an object.
func (w *world) bucket(name string) string {
	return "arn:" + w.side.Account.Partition() + ":s3:::" + name
}

// ours puts the prefix before a name.
func (w *world) ours(name string) string { return w.side.Account.Prefix + name }

func (w *world) roleARN(name string) string { return w.global("iam", "role/"+name) }

const defaultWorkload = "/workload/"

// workload is the path of the roles that sessions may work with.
func (w *world) workload() string {
	if p := w.parameters["WorkloadPath"]; p != "" {
		return p
	}
	return defaultWorkload
}

// caller is a session of a role.
func (w *world) caller(role string) iam.Caller {
	name := role[strings.LastIndex(role, "/")+1:]
	return iam.Caller{Kind: iam.KindAssumedRole, ARN: w.global("sts", "assumed-role/"+name+"/"+sessionName), Role: role}
}

// Who enters, in every scenario. None of them exists.
const (
	onePerson   = "pr_01jd5w1a2b3c4d5e6f7g8h9j0k"
	oneHandle   = "engineer"
	oneGrant    = "gr_01jd5w2a2b3c4d5e6f7g8h9j0k"
	otherGrant  = "gr_01jd5w2a2b3c4d5e6f7g8h9j0m"
	sessionName = "engineer=6f7g8h9j0k"
	anywhere    = "192.0.2.7" // documentation range
	now         = "2026-11-25T12:00:00Z"
	earlier     = "2026-11-25T11:30:00Z" // when the session began that calls now
)

// from is an address that the broker may enter from.
func (w *world) from() string {
	first, _, _ := strings.Cut(w.parameters["BrokerCidrs"], ",")
	address, _, _ := strings.Cut(strings.TrimSpace(first), "/")
	if address == "" {
		return anywhere
	}
	return address
}

// copied returns a context that may be changed.
func copied(c iam.Context) iam.Context {
	if c == nil {
		return iam.Context{}
	}
	return maps.Clone(c)
}
