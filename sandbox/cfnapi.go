package sandbox

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// stackWish reads what CreateStack, UpdateStack and CreateChangeSet have in
// common; old is the stack as it is, or nil.
func (c *call) stackWish(old *deployed) (stackWish, *fault) {
	w := stackWish{by: c, region: c.region, name: c.param("StackName"), template: c.param("TemplateBody"), parameters: map[string]string{},
		capabilities: c.list("Capabilities.member."), at: c.now}
	if old != nil {
		w.name = old.Name
	}
	switch {
	case c.params.Has("TemplateURL"):
		return w, faultf(validationError, "The brevet sandbox has no S3 objects: give the template as TemplateBody, not as TemplateURL")
	case c.param("UsePreviousTemplate") == "true" && old != nil:
		w.template = old.Template
	case w.template == "":
		return w, faultf(validationError, "Either Template URL or Template Body must be specified.")
	}
	for i := 1; c.params.Has("Parameters.member." + strconv.Itoa(i) + ".ParameterKey"); i++ {
		p := "Parameters.member." + strconv.Itoa(i) + "."
		key := c.param(p + "ParameterKey")
		if c.param(p+"UsePreviousValue") != "true" {
			w.parameters[key] = c.param(p + "ParameterValue")
			continue
		}
		if old == nil {
			return w, faultf(validationError, "Parameter values specified as UsePreviousValue need a stack to take them from")
		}
		if v, ok := old.Parameters[key]; ok {
			w.parameters[key] = v
		}
	}
	for i := 1; c.params.Has("Tags.member." + strconv.Itoa(i) + ".Key"); i++ {
		p := "Tags.member." + strconv.Itoa(i) + "."
		w.tags = append(w.tags, keyValue{c.param(p + "Key"), c.param(p + "Value")})
	}
	if w.tags == nil && old != nil {
		w.tags = old.Tags
	}
	return w, nil
}

// list reads PREFIX1, PREFIX2, …
func (c *call) list(prefix string) []string {
	var out []string
	for i := 1; c.params.Has(prefix + strconv.Itoa(i)); i++ {
		out = append(out, c.param(prefix+strconv.Itoa(i)))
	}
	return out
}

type stackID struct{ StackId string }

func createStack(a *AWS, c *call) (any, *fault) { return c.wished(nil, a.createStack) }

func updateStack(a *AWS, c *call) (any, *fault) {
	old, f := a.stackNamed(c)
	if f != nil {
		return nil, f
	}
	return c.wished(old, a.updateStack)
}

// wished has a stack made as the call wishes; old is the stack as it is, or nil.
func (c *call) wished(old *deployed, do func(brevet.Account, stackWish) (*deployed, *fault)) (any, *fault) {
	w, f := c.stackWish(old)
	if f != nil {
		return nil, f
	}
	d, f := do(c.account, w)
	if f != nil {
		return nil, f
	}
	return stackID{d.ID}, nil
}

func deleteStack(a *AWS, c *call) (any, *fault) {
	return struct{}{}, a.deleteStack(c, c.account, c.param("StackName"), c.region, c.list("RetainResources.member."), c.now)
}

// stackNamed returns the stack that a call names.
func (a *AWS) stackNamed(c *call) (*deployed, *fault) {
	s, f := a.state(c.account)
	if f != nil {
		return nil, f
	}
	d := s.find(c.param("StackName"), c.region)
	if d == nil {
		return nil, noStack(c.param("StackName"))
	}
	return d, nil
}

// namedStack is the ARN that authorising a call about a stack is about.
func namedStack(c *call) string {
	switch name := c.param("StackName"); {
	case name == "":
		return c.arn("cloudformation", "stack/*/*")
	case strings.HasPrefix(name, "arn:"):
		return name
	default:
		return c.arn("cloudformation", "stack/"+name+"/*")
	}
}

// stackDescription is what DescribeStacks states of a stack.
type stackDescription struct {
	StackId, StackName          string
	Description                 string `xml:",omitempty"`
	Parameters                  members[stackParameter]
	CreationTime                string
	LastUpdatedTime             string `xml:",omitempty"`
	DeletionTime                string `xml:",omitempty"`
	StackStatus                 string
	StackStatusReason           string `xml:",omitempty"`
	DisableRollback             bool
	NotificationARNs            members[string]
	Capabilities                members[string]
	Outputs                     members[stackOutput]
	Tags                        members[keyValue]
	EnableTerminationProtection bool
}

type stackParameter struct{ ParameterKey, ParameterValue string }
type stackOutput struct{ OutputKey, OutputValue string }

// whenever is a time, "" if it is none.
func whenever(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func (d *deployed) describe(account brevet.Account) stackDescription {
	out := stackDescription{StackId: d.ID, StackName: d.Name, CreationTime: whenever(d.Created), LastUpdatedTime: whenever(d.Updated),
		DeletionTime: whenever(d.Deleted), StackStatus: d.Status, StackStatusReason: d.Reason,
		Capabilities: members[string]{d.Capabilities}, Tags: members[keyValue]{d.Tags}}
	if d.Status == inReview {
		return out
	}
	dep, err := d.deploy(account)
	if err != nil {
		return out
	}
	out.Description = dep.Template.Description
	for _, p := range dep.Template.Parameters {
		v := dep.Parameters[p.Name]
		if p.NoEcho {
			v = "****"
		}
		out.Parameters.Member = append(out.Parameters.Member, stackParameter{p.Name, v})
	}
	if d.live() {
		for _, k := range slices.Sorted(maps.Keys(dep.Outputs)) {
			out.Outputs.Member = append(out.Outputs.Member, stackOutput{k, dep.Outputs[k]})
		}
	}
	return out
}

func describeStacks(a *AWS, c *call) (any, *fault) {
	var out struct{ Stacks members[stackDescription] }
	if c.param("StackName") != "" {
		d, f := a.stackNamed(c)
		if f != nil {
			return nil, f
		}
		out.Stacks.Member = []stackDescription{a.described(c.account, d)}
		return out, nil
	}
	s, f := a.state(c.account)
	if f != nil {
		return nil, f
	}
	for _, d := range slices.Backward(s.Stacks) {
		if d.Region == c.region && d.Status != deleteComplete {
			out.Stacks.Member = append(out.Stacks.Member, a.described(c.account, d))
		}
	}
	return out, nil
}

// described describes a stack under the account's lock, as the first to ask
// works out what it holds.
func (a *AWS) described(account brevet.Account, d *deployed) stackDescription {
	e, _, f := a.holding(account)
	if f != nil {
		return stackDescription{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return d.describe(account)
}

// result works out what a stack holds, under the account's lock.
func (a *AWS) result(account brevet.Account, d *deployed) (*stack.Deployment, *fault) {
	e, _, f := a.holding(account)
	if f != nil {
		return nil, f
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	dep, err := d.deploy(account)
	if err != nil {
		return nil, faultf(validationError, "%s", brevet.AsError(err).Message)
	}
	return dep, nil
}

// stackSummary is a line of ListStacks.
type stackSummary struct {
	StackId, StackName  string
	TemplateDescription string `xml:",omitempty"`
	CreationTime        string
	LastUpdatedTime     string `xml:",omitempty"`
	DeletionTime        string `xml:",omitempty"`
	StackStatus         string
	StackStatusReason   string `xml:",omitempty"`
}

func listStacks(a *AWS, c *call) (any, *fault) {
	s, f := a.state(c.account)
	if f != nil {
		return nil, f
	}
	var out struct{ StackSummaries members[stackSummary] }
	wanted := c.list("StackStatusFilter.member.")
	for _, d := range slices.Backward(s.Stacks) {
		if d.Region == c.region && (wanted == nil || slices.Contains(wanted, d.Status)) {
			is := a.described(c.account, d)
			out.StackSummaries.Member = append(out.StackSummaries.Member, stackSummary{is.StackId, is.StackName, is.Description, is.CreationTime,
				is.LastUpdatedTime, is.DeletionTime, is.StackStatus, is.StackStatusReason})
		}
	}
	return out, nil
}

// stackResource is a resource as the three calls about them state it.
type stackResource struct {
	StackName            string `xml:",omitempty"`
	StackId              string `xml:",omitempty"`
	LogicalResourceId    string
	PhysicalResourceId   string
	ResourceType         string
	Timestamp            string `xml:",omitempty"`
	LastUpdatedTimestamp string `xml:",omitempty"`
	ResourceStatus       string
}

// resources returns what a stack holds.
func (a *AWS) resources(c *call) (*deployed, []stack.Resource, *fault) {
	d, f := a.stackNamed(c)
	if f != nil || !d.live() {
		return d, nil, f
	}
	dep, f := a.result(c.account, d)
	if f != nil {
		return nil, nil, f
	}
	return d, dep.Resources, nil
}

func describeStackResources(a *AWS, c *call) (any, *fault) {
	d, all, f := a.resources(c)
	if f != nil {
		return nil, f
	}
	var out struct{ StackResources members[stackResource] }
	for _, r := range all {
		if id := c.param("LogicalResourceId"); id == "" || id == r.ID {
			out.StackResources.Member = append(out.StackResources.Member, stackResource{StackName: d.Name, StackId: d.ID, LogicalResourceId: r.ID,
				PhysicalResourceId: r.Physical, ResourceType: r.Type, Timestamp: whenever(d.Made[r.ID]), ResourceStatus: createComplete})
		}
	}
	return out, nil
}

func listStackResources(a *AWS, c *call) (any, *fault) {
	d, all, f := a.resources(c)
	if f != nil {
		return nil, f
	}
	var out struct{ StackResourceSummaries members[stackResource] }
	for _, r := range all {
		out.StackResourceSummaries.Member = append(out.StackResourceSummaries.Member, stackResource{LogicalResourceId: r.ID, PhysicalResourceId: r.Physical,
			ResourceType: r.Type, LastUpdatedTimestamp: whenever(d.Made[r.ID]), ResourceStatus: createComplete})
	}
	return out, nil
}

// eventDescription is a line of DescribeStackEvents.
type eventDescription struct {
	StackId, EventId, StackName, LogicalResourceId, PhysicalResourceId, ResourceType, Timestamp, ResourceStatus string
	ResourceStatusReason                                                                                        string `xml:",omitempty"`
}

func describeStackEvents(a *AWS, c *call) (any, *fault) {
	d, f := a.stackNamed(c)
	if f != nil {
		return nil, f
	}
	var out struct{ StackEvents members[eventDescription] }
	for _, e := range slices.Backward(d.Events) {
		out.StackEvents.Member = append(out.StackEvents.Member, eventDescription{d.ID, e.ID, d.Name, e.Logical, e.Physical, e.Type, whenever(e.At), e.Status, e.Reason})
	}
	return out, nil
}

func getTemplate(a *AWS, c *call) (any, *fault) {
	d, f := a.stackNamed(c)
	if f != nil {
		return nil, f
	}
	return struct {
		TemplateBody    string
		StagesAvailable members[string]
	}{d.Template, members[string]{[]string{"Original", "Processed"}}}, nil
}

// declaredParameter is a parameter as GetTemplateSummary and ValidateTemplate
// state it.
type declaredParameter struct {
	ParameterKey  string
	DefaultValue  *string `xml:",omitempty"`
	ParameterType string  `xml:",omitempty"`
	NoEcho        bool
	Description   string `xml:",omitempty"`
}

// templateGiven reads the template of a call, or that of the stack it names.
func (a *AWS) templateGiven(c *call) (*stack.Template, *fault) {
	body := c.param("TemplateBody")
	if body == "" && c.param("StackName") != "" {
		d, f := a.stackNamed(c)
		if f != nil {
			return nil, f
		}
		body = d.Template
	}
	if body == "" {
		return nil, faultf(validationError, "Either Template URL or Template Body must be specified.")
	}
	if len(body) > stack.LongestTemplate {
		return nil, faultf(validationError, "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d", stack.LongestTemplate)
	}
	t, err := stack.ReadTemplate("template", []byte(body))
	if err != nil {
		return nil, faultf(validationError, "Template format error: %s", brevet.AsError(err).Message)
	}
	return t, nil
}

func capabilities(t *stack.Template) (names []string, why string) {
	var kinds []string
	for _, kind := range t.Types() {
		if strings.HasPrefix(kind, "AWS::IAM::") && kind != "AWS::IAM::OIDCProvider" {
			kinds = append(kinds, kind)
		}
	}
	if kinds == nil {
		return nil, ""
	}
	return []string{"CAPABILITY_NAMED_IAM"}, "The following resource(s) require capabilities: [" + strings.Join(kinds, ", ") + "]"
}

func parametersOf(t *stack.Template, types bool) []declaredParameter {
	var out []declaredParameter
	for _, p := range t.Parameters {
		d := declaredParameter{ParameterKey: p.Name, NoEcho: p.NoEcho, Description: p.Description}
		if types {
			d.ParameterType = p.Type
		}
		if p.HasDefault {
			d.DefaultValue = &p.Default
		}
		out = append(out, d)
	}
	return out
}

func getTemplateSummary(a *AWS, c *call) (any, *fault) {
	t, f := a.templateGiven(c)
	if f != nil {
		return nil, f
	}
	names, why := capabilities(t)
	return struct {
		Parameters         members[declaredParameter]
		Description        string
		Capabilities       members[string]
		CapabilitiesReason string `xml:",omitempty"`
		ResourceTypes      members[string]
		Version            string
	}{members[declaredParameter]{parametersOf(t, true)}, t.Description, members[string]{names}, why, members[string]{t.Types()}, "2010-09-09"}, nil
}

func validateTemplate(a *AWS, c *call) (any, *fault) {
	t, f := a.templateGiven(c)
	if f != nil {
		return nil, f
	}
	names, why := capabilities(t)
	return struct {
		Parameters         members[declaredParameter]
		Description        string
		Capabilities       members[string]
		CapabilitiesReason string `xml:",omitempty"`
	}{members[declaredParameter]{parametersOf(t, false)}, t.Description, members[string]{names}, why}, nil
}
