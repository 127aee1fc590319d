package sandbox

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// deployed is a stack of CloudFormation. Everything about it happens at once:
// nobody ever sees it in progress.
type deployed struct {
	Name         string               `json:"name"`
	ID           string               `json:"id"` // ARN
	Region       string               `json:"region"`
	Status       string               `json:"status"`
	Reason       string               `json:"reason,omitempty"`
	Template     string               `json:"template"`
	Parameters   map[string]string    `json:"parameters,omitempty"` // as given
	Capabilities []string             `json:"capabilities,omitempty"`
	Tags         []keyValue           `json:"tags,omitempty"`
	Created      time.Time            `json:"created"`
	Updated      time.Time            `json:"updated,omitzero"`
	Deleted      time.Time            `json:"deleted,omitzero"`
	Made         map[string]time.Time `json:"made,omitempty"` // resources by logical id
	Events       []stackEvent         `json:"events,omitempty"`
	Sets         []changeSet          `json:"sets,omitempty"`
	Ours         string               `json:"ours,omitempty"` // digest of what brevetd dev deployed last
	Hand         bool                 `json:"hand,omitempty"` // somebody else deployed since

	result *stack.Deployment // worked out once
}

type keyValue struct{ Key, Value string }

type stackEvent struct {
	ID, Logical, Physical, Type, Status, Reason string
	At                                          time.Time
}

// orphan is a resource that its stack left behind (DeletionPolicy: Retain).
type orphan struct {
	ID, Type, Physical, Region, Stack string
	Properties                        map[string]any
	Made                              time.Time
}

// States of a stack.
const (
	createComplete   = "CREATE_COMPLETE"
	createRolledBack = "ROLLBACK_COMPLETE"
	updateComplete   = "UPDATE_COMPLETE"
	updateRolledBack = "UPDATE_ROLLBACK_COMPLETE"
	deleteComplete   = "DELETE_COMPLETE"
	deleteFailed     = "DELETE_FAILED"
	inReview         = "REVIEW_IN_PROGRESS"
)

// live reports whether the stack holds resources.
func (d *deployed) live() bool {
	return slices.Contains([]string{createComplete, updateComplete, updateRolledBack, deleteFailed}, d.Status)
}

// deploy works out what the stack holds.
func (d *deployed) deploy(account brevet.Account) (*stack.Deployment, error) {
	if d.result != nil {
		return d.result, nil
	}
	t, err := stack.ReadTemplate(d.Name, []byte(d.Template))
	if err != nil {
		return nil, err
	}
	d.result, err = t.Deploy(stack.Place{Partition: account.Partition(), Account: string(account.ID), Region: d.Region, Stack: d.Name}, d.Parameters)
	return d.result, err
}

// find returns the stack that a name or ARN means in a region, deleted ones
// only by their ARN; nil if there is none.
func (s saved) find(nameOrARN, region string) *deployed {
	for _, d := range slices.Backward(s.Stacks) {
		if d.Region == region && (d.ID == nameOrARN || d.Name == nameOrARN && d.Status != deleteComplete) {
			return d
		}
	}
	return nil
}

// put stores a changed copy of a stack, or a new one.
func (s *saved) put(d *deployed) {
	if i := slices.IndexFunc(s.Stacks, func(o *deployed) bool { return o.ID == d.ID }); i >= 0 {
		s.Stacks[i] = d
		return
	}
	s.Stacks = append(s.Stacks, d)
}

// stackWish is what somebody wants a stack to be.
type stackWish struct {
	by           *call // nil: brevetd dev itself, which may do anything
	region, name string
	template     string
	parameters   map[string]string
	capabilities []string
	tags         []keyValue
	ours         string // digest, if it is brevetd dev that wishes
	at           time.Time
}

var (
	alreadyExists     = faultKind{"AlreadyExistsException", 400, "ResourceConflictException", "", 0}
	needsCapabilities = faultKind{"InsufficientCapabilitiesException", 400, "ValidationException", "", 0}

	stackNameText = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{0,127}$`)
	badResource   = regexp.MustCompile(`Resources\.([A-Za-z0-9]+)`)
)

// plan reads the wish's template with its parameters, and checks what
// CloudFormation checks before it begins.
func (w stackWish) plan(account brevet.Account) (*stack.Deployment, *fault) {
	if !stackNameText.MatchString(w.name) {
		return nil, faultf(validationError, "1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", clip(w.name))
	}
	if len(w.template) > stack.LongestTemplate {
		return nil, faultf(validationError, "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", stack.LongestTemplate)
	}
	t, err := stack.ReadTemplate(w.name, []byte(w.template))
	if err != nil {
		return nil, faultf(validationError, "Template format error: %s", brevet.AsError(err).Message)
	}
	plan, err := t.Deploy(stack.Place{Partition: account.Partition(), Account: string(account.ID), Region: w.region, Stack: w.name}, w.parameters)
	if err != nil {
		return nil, faultf(validationError, "Template error: %s", brevet.AsError(err).Message)
	}
	for _, r := range plan.Resources {
		if strings.HasPrefix(r.Type, "AWS::IAM::") && r.Type != "AWS::IAM::OIDCProvider" && !slices.Contains(w.capabilities, "CAPABILITY_NAMED_IAM") {
			return nil, faultf(needsCapabilities, "Requires capabilities : [CAPABILITY_NAMED_IAM]")
		}
	}
	return plan, nil
}

// failure is a resource that could not be made, changed or deleted.
type failure struct{ id, reason string }

// createStack makes a stack. It returns the stack as it came out: if a
// resource failed, everything was rolled back and the reason says why.
func (a *AWS) createStack(account brevet.Account, w stackWish) (*deployed, *fault) {
	plan, f := w.plan(account)
	if f != nil {
		return nil, f
	}
	var d *deployed
	f = a.change(account, func(s *saved) *fault {
		old := s.find(w.name, w.region)
		if old != nil && old.Status != inReview {
			return faultf(alreadyExists, "Stack [%s] already exists", w.name)
		}
		d = newStack(account, w)
		if old != nil {
			d.ID, d.Sets = old.ID, old.Sets
		}
		d.result = plan
		d.event("CREATE_IN_PROGRESS", "User Initiated", w.at)
		bad := a.trial(account, s, d, nil, w)
		if bad != nil {
			d.rollBack(*bad, createRolledBack, "CREATE_FAILED", "create", w.at)
		} else {
			for _, r := range plan.Resources {
				d.Made[r.ID] = w.at
				d.happened(r, createComplete, "", w.at)
			}
			d.Status = createComplete
			d.event(createComplete, "", w.at)
		}
		s.put(d)
		return nil
	})
	return d, f
}

func newStack(account brevet.Account, w stackWish) *deployed {
	return &deployed{Name: w.name, ID: "arn:" + account.Partition() + ":cloudformation:" + w.region + ":" + string(account.ID) + ":stack/" + w.name + "/" + requestID(),
		Region: w.region, Status: createComplete, Template: w.template, Parameters: w.parameters, Capabilities: w.capabilities, Tags: w.tags,
		Created: w.at, Made: map[string]time.Time{}, Ours: w.ours, Hand: w.ours == ""}
}

// rollBack notes that one resource failed and all is as it was.
func (d *deployed) rollBack(bad failure, status, failed, verb string, at time.Time) {
	r := stack.Resource{ID: bad.id}
	if d.result != nil {
		if got, ok := d.result.Resource(bad.id); ok {
			r = got
		}
	}
	d.happened(r, failed, bad.reason, at)
	d.Status = status
	d.Reason = "The following resource(s) failed to " + verb + ": [" + bad.id + "]. " + bad.reason
	d.event(status, d.Reason, at)
}

// updateStack changes a stack to what is wished; what fails is rolled back.
func (a *AWS) updateStack(account brevet.Account, w stackWish) (*deployed, *fault) {
	plan, f := w.plan(account)
	if f != nil {
		return nil, f
	}
	var d *deployed
	f = a.change(account, func(s *saved) *fault {
		old := s.find(w.name, w.region)
		if old == nil {
			return noStack(w.name)
		}
		if f := old.mayUpdate(); f != nil {
			return f
		}
		was, err := old.deploy(account)
		if err != nil {
			return faultf(validationError, "%s", brevet.AsError(err).Message)
		}
		if unchanged(was, plan) && slices.Equal(old.Tags, w.tags) && w.ours == "" {
			return faultf(validationError, "No updates are to be performed.")
		}
		d = old.copied()
		d.Template, d.Parameters, d.Capabilities, d.Tags, d.result = w.template, w.parameters, w.capabilities, w.tags, plan
		d.Ours, d.Hand = orEmpty(w.ours, old.Ours), w.ours == ""
		d.Updated, d.Status, d.Reason = w.at, updateComplete, ""
		d.event("UPDATE_IN_PROGRESS", "User Initiated", w.at)
		if bad := a.trial(account, s, d, old, w); bad != nil {
			d.rollBack(*bad, updateRolledBack, "UPDATE_FAILED", "update", w.at)
			d.Template, d.Parameters, d.Capabilities, d.Tags, d.result = old.Template, old.Parameters, old.Capabilities, old.Tags, was
			d.Ours, d.Hand = old.Ours, old.Hand
			s.put(d)
			return nil
		}
		gone := d.note(compare(was, plan), w.at)
		s.leave(d, gone)
		d.event(updateComplete, "", w.at)
		s.put(d)
		return nil
	})
	return d, f
}

func (d *deployed) mayUpdate() *fault {
	if d.live() && d.Status != deleteFailed {
		return nil
	}
	return faultf(validationError, "Stack:%s is in %s state and can not be updated.", d.ID, d.Status)
}

func (d *deployed) copied() *deployed {
	c := *d
	c.Events, c.Sets, c.Made = slices.Clone(d.Events), slices.Clone(d.Sets), maps.Clone(d.Made)
	return &c
}

// note writes down what an update did, and returns what it took away.
func (d *deployed) note(changes []stackChange, at time.Time) (gone []stack.Resource) {
	for _, c := range changes {
		switch {
		case c.was == nil:
			d.Made[c.is.ID] = at
			d.happened(*c.is, createComplete, "", at)
		case c.is == nil:
			gone = append(gone, *c.was)
			if c.was.Retain {
				d.happened(*c.was, "DELETE_SKIPPED", "", at)
			} else {
				d.happened(*c.was, deleteComplete, "", at)
			}
		default:
			if c.was.Physical != c.is.Physical { // replaced
				gone = append(gone, *c.was)
				d.Made[c.is.ID] = at
			}
			d.happened(*c.is, updateComplete, "", at)
		}
	}
	return gone
}

// leave keeps what is gone from a stack but is to be retained, and forgets
// the rest.
func (s *saved) leave(d *deployed, gone []stack.Resource) {
	var parts []part
	for _, r := range gone {
		if r.Retain {
			s.Orphans = append(s.Orphans, orphan{r.ID, r.Type, r.Physical, d.Region, d.Name, r.Properties, d.Made[r.ID]})
			continue
		}
		parts = append(parts, part{Resource: r, region: d.Region})
		if r.Type == "AWS::SNS::Topic" || r.Type == "AWS::SNS::Subscription" {
			maps.DeleteFunc(s.Confirmed, func(arn string, _ time.Time) bool {
				return strings.HasPrefix(arn, text(r.Properties["TopicArn"])+":") || strings.HasPrefix(arn, r.Physical+":")
			})
		}
	}
	s.forget(parts)
}

// stackChange is one resource before and after; nil where it is not there.
type stackChange struct{ was, is *stack.Resource }

// compare returns what differs between two deployments of a stack.
func compare(was, is *stack.Deployment) []stackChange {
	var out []stackChange
	for i := range is.Resources {
		r := &is.Resources[i]
		old, ok := was.Resource(r.ID)
		switch {
		case !ok:
			out = append(out, stackChange{nil, r})
		case old.Type != r.Type || old.Physical != r.Physical || !sameJSON(old.Properties, r.Properties):
			out = append(out, stackChange{&old, r})
		}
	}
	for i := range was.Resources {
		if _, ok := is.Resource(was.Resources[i].ID); !ok {
			out = append(out, stackChange{&was.Resources[i], nil})
		}
	}
	return out
}

// unchanged reports whether an update would do nothing.
func unchanged(was, is *stack.Deployment) bool {
	return len(compare(was, is)) == 0 && maps.Equal(was.Outputs, is.Outputs)
}

func sameJSON(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y) || reflect.DeepEqual(a, b)
}

// trial finds out whether a stack can become d: the caller may do what it
// takes, no name is taken, and all that the account holds then fits
// together. Old is the stack before, or nil.
func (a *AWS) trial(account brevet.Account, s *saved, d, old *deployed, w stackWish) *failure {
	was := &stack.Deployment{}
	if old != nil {
		was = old.result
	}
	changes := compare(was, d.result)
	if w.by != nil {
		for _, c := range changes {
			if bad := w.by.mayChange(a, account, c); bad != nil {
				return bad
			}
		}
	}
	h, f := a.hold(account, *s)
	if f != nil {
		return &failure{"", f.msg}
	}
	for _, c := range changes {
		if c.is == nil || c.was != nil && c.was.Physical == c.is.Physical {
			continue
		}
		if owner, taken := h.taken(c.is, d); taken {
			return &failure{c.is.ID, "Resource of type '" + c.is.Type + "' with identifier '" + c.is.Physical + "' already exists" + owner + "."}
		}
	}
	next := s.clone()
	next.put(d)
	if _, f := a.hold(account, next); f != nil {
		bad := failure{reason: f.msg}
		if m := badResource.FindStringSubmatch(f.msg); m != nil {
			bad.id = m[1]
		}
		return &bad
	}
	return nil
}

// named are the types whose names are taken by whoever has them first;
// global ones in every region.
var named = map[string]bool{"AWS::IAM::Role": true, "AWS::IAM::ManagedPolicy": true, "AWS::IAM::OIDCProvider": true, "AWS::S3::Bucket": true, "AWS::CloudWatch::Dashboard": true,
	"AWS::Logs::LogGroup": false, "AWS::Events::Rule": false, "AWS::SNS::Topic": false, "AWS::CloudTrail::Trail": false, "AWS::Lambda::Function": false,
	"AWS::SSM::Document": false, "AWS::CloudWatch::Alarm": false, "AWS::CloudWatch::CompositeAlarm": false}

// taken reports whether something else than the stack has the resource's
// name.
func (h *holding) taken(r *stack.Resource, by *deployed) (owner string, taken bool) {
	global, ok := named[r.Type]
	if !ok {
		return "", false
	}
	for _, p := range h.parts {
		if p.Type == r.Type && p.Physical == r.Physical && (global || p.region == by.Region) && (p.stack == nil || p.stack.ID != by.ID) {
			if p.stack == nil {
				return " (a stack that was deleted retained it)", true
			}
			return " in stack " + p.stack.ID, true
		}
	}
	if r.Type == "AWS::IAM::Role" {
		role := h.role(r.Physical)
		return " (it belongs to no stack)", role != nil && role.stack == ""
	}
	return "", false
}

// event notes what happened to the stack itself.
func (d *deployed) event(status, reason string, at time.Time) {
	d.happened(stack.Resource{ID: d.Name, Physical: d.ID, Type: "AWS::CloudFormation::Stack"}, status, reason, at)
}

const mostStackEvents = 300

func (d *deployed) happened(r stack.Resource, status, reason string, at time.Time) {
	d.Events = append(d.Events, stackEvent{requestID(), r.ID, r.Physical, r.Type, status, reason, at})
	if n := len(d.Events) - mostStackEvents; n > 0 {
		d.Events = slices.Delete(d.Events, 0, n)
	}
}

func noStack(name string) *fault {
	return faultf(validationError, "Stack with id %s does not exist", clip(name))
}
