package sandbox

import (
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet/stack"
)

// changeSet is a change that was worked out and waits to be executed.
type changeSet struct {
	Name, ID, Type, Status, Reason, Execution, Description string
	Template                                               string
	Parameters                                             map[string]string
	Capabilities                                           []string
	Tags                                                   []keyValue
	Created                                                time.Time
	Changes                                                []setChange
}

// setChange is one change, as DescribeChangeSet states it.
type setChange struct {
	Type           string
	ResourceChange struct {
		Action             string
		LogicalResourceId  string
		PhysicalResourceId string `xml:",omitempty"`
		ResourceType       string
		Replacement        string `xml:",omitempty"`
		Scope              members[string]
		Details            members[string]
	}
}

const noChanges = "The submitted information didn't contain changes. Submit different information to create a change set."

var noChangeSet = faultKind{"ChangeSetNotFound", 404, "ResourceNotFoundException", "", 0}

// createChangeSet works out a change. A set of type CREATE makes the stack,
// which holds nothing until the set is executed.
func createChangeSet(a *AWS, c *call) (any, *fault) {
	s, f := a.state(c.account)
	if f != nil {
		return nil, f
	}
	old := s.find(c.param("StackName"), c.region)
	kind := orEmpty(c.param("ChangeSetType"), "UPDATE")
	switch {
	case kind != "CREATE" && kind != "UPDATE":
		return nil, faultf(validationError, "The brevet sandbox simulates change sets of the types CREATE and UPDATE only")
	case kind == "CREATE" && old != nil && old.Status != inReview:
		return nil, faultf(alreadyExists, "Stack [%s] already exists and cannot be created again with the changeSet [%s].", old.Name, clip(c.param("ChangeSetName")))
	case kind == "UPDATE" && (old == nil || old.Status == inReview):
		return nil, faultf(validationError, "Stack [%s] does not exist", clip(c.param("StackName")))
	case !stackNameText.MatchString(c.param("ChangeSetName")):
		return nil, faultf(validationError, "1 validation error detected: Value '%s' at 'changeSetName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", clip(c.param("ChangeSetName")))
	}
	from := old
	if kind == "CREATE" {
		from = nil
	}
	w, f := c.stackWish(from)
	if f != nil {
		return nil, f
	}
	plan, f := w.plan(c.account)
	if f != nil {
		return nil, f
	}
	set := changeSet{Name: c.param("ChangeSetName"), ID: c.arn("cloudformation", "changeSet/"+c.param("ChangeSetName")+"/"+requestID()), Type: kind,
		Status: createComplete, Execution: "AVAILABLE", Description: c.param("Description"), Template: w.template, Parameters: w.parameters,
		Capabilities: w.capabilities, Tags: w.tags, Created: c.now}
	was := &stack.Deployment{}
	if from != nil {
		if f := from.mayUpdate(); f != nil {
			return nil, f
		}
		if was, f = a.result(c.account, from); f != nil {
			return nil, f
		}
	}
	set.compare(was, plan)
	if from != nil && unchanged(was, plan) && slices.Equal(from.Tags, w.tags) {
		set.Status, set.Reason, set.Execution = "FAILED", noChanges, "UNAVAILABLE"
	}
	var id string
	f = a.change(c.account, func(s *saved) *fault {
		d := s.find(c.param("StackName"), c.region)
		if d == nil {
			d = newStack(c.account, w)
			d.Status, d.Template = inReview, ""
			d.event(inReview, "User Initiated", c.now)
		} else {
			d = d.copied()
		}
		if slices.ContainsFunc(d.Sets, func(o changeSet) bool { return o.Name == set.Name }) {
			return faultf(alreadyExists, "ChangeSet [%s] already exists", set.Name)
		}
		d.Sets = append(d.Sets, set)
		id = d.ID
		s.put(d)
		return nil
	})
	if f != nil {
		return nil, f
	}
	return struct{ Id, StackId string }{set.ID, id}, nil
}

func (set *changeSet) compare(was, is *stack.Deployment) {
	for _, change := range compare(was, is) {
		c := setChange{Type: "Resource"}
		r := change.is
		switch {
		case change.was == nil:
			c.ResourceChange.Action = "Add"
		case change.is == nil:
			r, c.ResourceChange.Action, c.ResourceChange.PhysicalResourceId = change.was, "Remove", change.was.Physical
		default:
			c.ResourceChange.Action, c.ResourceChange.PhysicalResourceId, c.ResourceChange.Replacement = "Modify", change.was.Physical, "False"
			c.ResourceChange.Scope.Member = []string{"Properties"}
			if change.was.Physical != change.is.Physical {
				c.ResourceChange.Replacement = "True"
			}
		}
		c.ResourceChange.LogicalResourceId, c.ResourceChange.ResourceType = r.ID, r.Type
		set.Changes = append(set.Changes, c)
	}
}

// findSet finds a change set by its ARN, or by its name and its stack's.
func (s saved) findSet(c *call) (*deployed, *changeSet, *fault) {
	name := c.param("ChangeSetName")
	for _, d := range slices.Backward(s.Stacks) {
		if d.Region != c.region || !strings.HasPrefix(name, "arn:") && d != s.find(c.param("StackName"), c.region) {
			continue
		}
		for i := range d.Sets {
			if d.Sets[i].ID == name || d.Sets[i].Name == name {
				return d, &d.Sets[i], nil
			}
		}
	}
	return nil, nil, faultf(noChangeSet, "ChangeSet [%s] does not exist", clip(name))
}

func describeChangeSet(a *AWS, c *call) (any, *fault) {
	s, f := a.state(c.account)
	if f != nil {
		return nil, f
	}
	d, set, f := s.findSet(c)
	if f != nil {
		return nil, f
	}
	out := struct {
		ChangeSetName, ChangeSetId, StackId, StackName string
		Description                                    string `xml:",omitempty"`
		Parameters                                     members[stackParameter]
		CreationTime, ExecutionStatus, Status          string
		StatusReason                                   string `xml:",omitempty"`
		NotificationARNs                               members[string]
		Capabilities                                   members[string]
		Tags                                           members[keyValue]
		Changes                                        members[setChange]
	}{ChangeSetName: set.Name, ChangeSetId: set.ID, StackId: d.ID, StackName: d.Name, Description: set.Description, CreationTime: whenever(set.Created),
		ExecutionStatus: set.Execution, Status: set.Status, StatusReason: set.Reason, Capabilities: members[string]{set.Capabilities},
		Tags: members[keyValue]{set.Tags}, Changes: members[setChange]{set.Changes}}
	for k, v := range set.Parameters {
		out.Parameters.Member = append(out.Parameters.Member, stackParameter{k, v})
	}
	slices.SortFunc(out.Parameters.Member, func(a, b stackParameter) int { return strings.Compare(a.ParameterKey, b.ParameterKey) })
	return out, nil
}

func executeChangeSet(a *AWS, c *call) (any, *fault) {
	s, f := a.state(c.account)
	if f != nil {
		return nil, f
	}
	d, set, f := s.findSet(c)
	if f != nil {
		return nil, f
	}
	if set.Execution != "AVAILABLE" {
		return nil, faultf(faultKind{"InvalidChangeSetStatus", 400, "ValidationException", "", 0}, "ChangeSet [%s] cannot be executed in its current status of [%s]", set.ID, set.Status)
	}
	w := stackWish{by: c, region: d.Region, name: d.Name, template: set.Template, parameters: set.Parameters, capabilities: set.Capabilities, tags: set.Tags, at: c.now}
	run := a.updateStack
	if set.Type == "CREATE" {
		run = a.createStack
	}
	if _, f := run(c.account, w); f != nil {
		return nil, f
	}
	return struct{}{}, a.dropSets(c, func(changeSet) bool { return true }) // what is left of them fits no longer
}

func deleteChangeSet(a *AWS, c *call) (any, *fault) {
	name := c.param("ChangeSetName")
	return struct{}{}, a.dropSets(c, func(o changeSet) bool { return o.ID == name || o.Name == name })
}

// dropSets forgets change sets of the stack of the set that a call names.
func (a *AWS) dropSets(c *call, which func(changeSet) bool) *fault {
	return a.change(c.account, func(s *saved) *fault {
		d, _, f := s.findSet(c)
		if f != nil {
			return nil // gone already
		}
		d = d.copied()
		d.Sets = slices.DeleteFunc(d.Sets, which)
		s.put(d)
		return nil
	})
}
