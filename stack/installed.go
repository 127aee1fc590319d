package stack

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// Installed is what an account holds once stacks are deployed in it: what
// decides, and what records. It must not be changed.
type Installed struct {
	Partition, Account string
	Deployments        []*Deployment

	Roles         []InstalledRole
	Providers     []Provider
	Managed       []NamedPolicy // the customer's own managed policies, attached or not
	Rules         []Rule
	LogGroups     []LogGroup
	LogPolicies   []ResourcePolicy
	Filters       []MetricFilter
	Alarms        []Alarm
	Dashboards    []Dashboard
	Topics        []Topic
	Subscriptions []Subscription
	Trails        []Trail
	Buckets       []Bucket
	Keys          []Key
	Functions     []Function
	Documents     []Document
}

// Source says which resource of which template something comes from.
type Source struct {
	Template string // the file's name
	ID       string // the logical id
	Line     int
	Region   string
}

// InstalledRole is a role and all that decides what its sessions may do.
type InstalledRole struct {
	Source
	Name, ARN   string
	Trust       *iam.Policy
	Policies    []NamedPolicy // AWS's managed, the account's managed, inline
	Boundary    *iam.Policy   // nil: none
	BoundaryARN string        // "" : none
	Max         time.Duration
}

// NamedPolicy is a policy under a name. Where several roles have the same
// managed policy they share the document.
type NamedPolicy struct {
	Source
	Name   string
	ARN    string // "" for an inline policy
	Policy *iam.Policy
}

// Provider is an identity provider.
type Provider struct {
	Source
	ARN, URL  string // the URL of an OIDC provider as it is registered
	Audiences []string
	SAML      bool
}

// Rule is a rule of EventBridge.
type Rule struct {
	Source
	Name, ARN, Bus, State string
	Pattern               map[string]any // nil: it runs by the clock
	Targets               []Target
}

// Target is where a rule sends events.
type Target struct{ ID, ARN, RoleARN string }

// LogGroup is a log group; Retention is in days, 0 for ever.
type LogGroup struct {
	Source
	Name, ARN string
	Retention int
}

// ResourcePolicy is a policy of CloudWatch Logs.
type ResourcePolicy struct {
	Source
	Name   string
	Policy *iam.Policy
}

// MetricFilter makes a metric out of lines of a log group.
type MetricFilter struct {
	Source
	Name, LogGroup, Pattern, Namespace, Metric string
}

// Alarm is an alarm of CloudWatch, also a composite one.
type Alarm struct {
	Source
	Name, ARN         string
	Namespace, Metric string // "" where it watches an expression
	Actions           []string
	Enabled           bool
	Properties        map[string]any
}

// Dashboard is a dashboard of CloudWatch.
type Dashboard struct {
	Source
	Name, Body string
}

// Topic is a topic of SNS. Policy is nil where the template gives none.
type Topic struct {
	Source
	Name, ARN string
	Policy    *iam.Policy
}

// Subscription is somebody whom a topic tells.
type Subscription struct {
	Source
	Topic, Protocol, Endpoint string
}

// Trail is a trail of CloudTrail.
type Trail struct {
	Source
	Name, ARN, Bucket, Key          string
	Logging, Validation, ManyRegion bool
	Selectors                       []any // AdvancedEventSelectors, or EventSelectors
}

// Bucket is an S3 bucket. Policy is nil where the template gives none.
type Bucket struct {
	Source
	Name, ARN string
	Policy    *iam.Policy
}

// Key is a KMS key.
type Key struct {
	Source
	ID, ARN string
	Policy  *iam.Policy
	Tags    map[string]string
}

// Function is a Lambda function; Concurrency is -1 where none is reserved.
type Function struct {
	Source
	Name, ARN, Role, Runtime, Handler, Code string
	Concurrency                             int
	Environment                             map[string]string
}

// Document is a document of Systems Manager.
type Document struct {
	Source
	Name, ARN, Type string
	Content         map[string]any
}

// Role returns the role of an ARN.
func (i *Installed) Role(arn string) (InstalledRole, bool) {
	for _, r := range i.Roles {
		if r.ARN == arn {
			return r, true
		}
	}
	return InstalledRole{}, false
}

// Provider returns the identity provider of an ARN.
func (i *Installed) Provider(arn string) (Provider, bool) {
	for _, p := range i.Providers {
		if p.ARN == arn {
			return p, true
		}
	}
	return Provider{}, false
}

// Install returns what an account holds once these stacks are deployed: the
// same account, in one region or several. The error is of kind
// [brevet.Invalid] and names the place in a template: a policy that cannot be
// read or is written as a text, one of AWS's that is not known, a name that
// two resources claim.
func Install(ds ...*Deployment) (*Installed, error) { return installAll(map[string]*iam.Policy{}, ds) }

// installAll is Install; read keeps the policies that were read before.
func installAll(read map[string]*iam.Policy, ds []*Deployment) (*Installed, error) {
	if len(ds) == 0 {
		return nil, brevet.Errorf(brevet.Invalid, "no template is deployed")
	}
	in := &installer{Installed: &Installed{Partition: ds[0].Partition, Account: ds[0].Account, Deployments: ds}, claimed: map[string]string{}, read: read}
	for _, d := range ds {
		if d.Account != in.Account || d.Partition != in.Partition {
			return nil, brevet.Errorf(brevet.Invalid, "%s is deployed in account %s, %s in %s", ds[0].Template.Name, in.Account, d.Template.Name, d.Account)
		}
	}
	for _, second := range []bool{false, true} { // policies are attached to what the first pass made
		for _, d := range ds {
			for n := range d.Resources {
				in.d, in.r = d, &d.Resources[n]
				make := in.first()
				if second {
					make = in.second()
				}
				if make == nil {
					continue
				}
				make()
				if in.err != nil {
					return nil, in.err
				}
			}
		}
	}
	return in.Installed, nil
}

// installer goes through the resources; in.err is the first problem.
type installer struct {
	*Installed
	d       *Deployment
	r       *Resource
	claimed map[string]string // type and name, to the resource that has it
	read    map[string]*iam.Policy
	length  int // of the last policy's JSON
	err     error
}

func (in *installer) fail(property, format string, args ...any) {
	if in.err != nil {
		return
	}
	line, path := in.r.Line, "Resources."+in.r.ID
	if property != "" {
		path += ".Properties." + property
		if n := in.d.Template.resources[in.r.ID].props.field(property); n != nil {
			line = n.line
		}
	}
	in.err = in.d.Template.errorAt(line, path, format, args...)
}

func (in *installer) source() Source {
	return Source{Template: in.d.Template.Name, ID: in.r.ID, Line: in.r.Line, Region: in.d.Region}
}

// claim takes a name for the resource; scope is the region, or "" for what is
// global.
func (in *installer) claim(scope string) {
	key := in.r.Type + " " + scope + " " + in.r.Physical
	if in.r.Type == "AWS::CloudWatch::CompositeAlarm" {
		key = strings.Replace(key, "CompositeAlarm", "Alarm", 1)
	}
	if other, taken := in.claimed[key]; taken {
		in.fail("", "its name %s is that of %s already", quote(in.r.Physical), other)
	}
	in.claimed[key] = in.r.ID + " in " + in.d.Template.Name
}

// text returns a property that is text, "" if it is not there.
func (in *installer) text(property string) string {
	v, ok := in.r.Properties[property]
	if !ok {
		return ""
	}
	s, ok := asText(v)
	if !ok {
		in.fail(property, "must be text")
	}
	return s
}

// need returns a property that must be there.
func (in *installer) need(property string) string {
	s := in.text(property)
	if s == "" {
		in.fail(property, "is missing")
	}
	return s
}

// texts returns a property that is a list of texts.
func (in *installer) texts(property string) []string {
	v, ok := in.r.Properties[property]
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		in.fail(property, "must be a list")
		return nil
	}
	var out []string
	for _, item := range list {
		s, ok := asText(item)
		if !ok {
			in.fail(property, "must be a list of texts")
			return nil
		}
		out = append(out, s)
	}
	return out
}

// flag returns a property that is true or false.
func (in *installer) flag(property string, otherwise bool) bool {
	switch in.text(property) {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
		return false
	}
	in.fail(property, "must be true or false")
	return false
}

// policy reads a policy document.
func (in *installer) policy(property string, v any, identity bool) *iam.Policy {
	m, ok := v.(map[string]any)
	if !ok {
		if isText(v) {
			in.fail(property, "is a text: write it as a mapping")
		} else {
			in.fail(property, "must be a policy")
		}
		return &iam.Policy{}
	}
	text, err := json.Marshal(m)
	if err != nil {
		in.fail(property, "cannot be written as JSON")
		return &iam.Policy{}
	}
	in.length = len(text)
	p := in.read[string(text)]
	if p == nil {
		if p, err = iam.Parse(text); err != nil {
			in.fail(property, "%s", err)
			return &iam.Policy{}
		}
		in.read[string(text)] = p
	}
	for i, s := range p.Statements {
		principal := s.Principal != nil || s.NotPrincipal != nil
		switch {
		case identity && principal:
			in.fail(property, "Statement[%d]: a principal has no place in it", i)
		case identity && len(s.Resource) == 0 && len(s.NotResource) == 0:
			in.fail(property, "Statement[%d]: names no resource", i)
		case !identity && !principal:
			in.fail(property, "Statement[%d]: names no principal", i)
		}
	}
	return p
}

// mapping returns a property that is a mapping.
func (in *installer) mapping(property string) map[string]any {
	m, ok := in.r.Properties[property].(map[string]any)
	if !ok && in.r.Properties[property] != nil {
		in.fail(property, "must be a mapping")
	}
	return m
}
