package sandbox

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// The sandbox runs no code. Of functions it knows the stacks' revoker, and
// does to the account what that would do.

var grantID = regexp.MustCompile(`^gr_[0-9a-hjkmnp-tv-z]{26}$`)
var person = regexp.MustCompile(`^[A-Za-z0-9_=,.@-]{2,64}$`)
var datedEntry = regexp.MustCompile(`^(Revoked|Widened|Everybody)[0-9]{8}$`)

const tagGrantKey = "aws:PrincipalTag/" + brevet.TagGrant

// lambdaAction names a call of Lambda by its path, and the function it is
// about.
func lambdaAction(method, path string) (action, function string) {
	rest, ok := strings.CutPrefix(path, "/2015-03-31/functions/")
	name, tail, deep := strings.Cut(rest, "/")
	switch {
	case !ok || name == "":
		return "", ""
	case method == http.MethodGet && !deep:
		return "GetFunction", name
	case method == http.MethodPost && tail == "invocations":
		return "Invoke", name
	}
	return "", ""
}

func namedFunction(c *call) string {
	_, name := lambdaAction(c.req.Method, c.req.URL.Path)
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return c.arn("lambda", "function:"+name)
}

// functionNamed finds the function that a call names.
func (a *AWS) functionNamed(c *call) (*holding, part, *fault) {
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, part{}, f
	}
	arn := namedFunction(c)
	p, ok := h.part("AWS::Lambda::Function", arn[strings.LastIndexByte(arn, ':')+1:])
	if !ok || p.region != c.region {
		return nil, part{}, faultf(faultKind{"ResourceNotFoundException", 404, "ResourceNotFoundException", "", 0}, "Function not found: %s", clip(arn))
	}
	return h, p, nil
}

func getFunction(a *AWS, c *call) (any, *fault) {
	_, p, f := a.functionNamed(c)
	if f != nil {
		return nil, f
	}
	out := map[string]any{"Configuration": map[string]any{"FunctionName": p.Physical, "FunctionArn": c.arn("lambda", "function:"+p.Physical), "Role": text(p.Properties["Role"]),
		"Runtime": text(p.Properties["Runtime"]), "Handler": text(p.Properties["Handler"]), "Timeout": number(p.Properties["Timeout"]), "State": "Active",
		"LastModified": p.made.UTC().Format("2006-01-02T15:04:05.000+0000"), "Environment": mapping(p.Properties["Environment"])}}
	if n := text(p.Properties["ReservedConcurrentExecutions"]); n != "" {
		out["Concurrency"] = map[string]any{"ReservedConcurrentExecutions": number(n)}
	}
	return out, nil
}

// revokerError is how Lambda tells that a function failed: with status 200.
type revokerError struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

func invoke(a *AWS, c *call) (any, *fault) {
	_, p, f := a.functionNamed(c)
	if f != nil {
		return nil, f
	}
	policy := text(mapping(mapping(p.Properties["Environment"])["Variables"])["POLICY"])
	if !strings.Contains(text(mapping(p.Properties["Code"])["ZipFile"]), tagGrantKey) || policy == "" {
		return nil, faultf(notSimulated, "The brevet sandbox runs no code; it knows only the revoker of brevet's stacks.")
	}
	if kind := c.req.Header.Get("X-Amz-Invocation-Type"); kind != "" && kind != "RequestResponse" {
		return nil, faultf(notSimulated, "The brevet sandbox does not simulate invocations of the type %s.", clip(kind))
	}
	in, ok := readInvocation(c.body)
	if !ok {
		return revokerError{`give {"grants": ["gr_...", ...]}, 1 to 100 ids, and whom to cut off if there is no room`, "ValueError"}, nil
	}
	answer, grants := map[string]any{"held": []string{}, "full": false}, in.Shells
	if grants == nil {
		grants = in.Grants
		got, f := a.revoke(c, policy, in)
		if f != nil {
			return nil, f
		}
		if answer, ok = got.(map[string]any); !ok {
			return got, nil
		}
	}
	ended, f := a.endShellsOf(c.account, c.region, grants, c.now)
	answer["shells"] = ended
	return answer, f
}

// invocation is what the revoker is given.
type invocation struct {
	Grants, People, Shells []string
}

// readInvocation reads it as strictly as the revoker does.
func readInvocation(body []byte) (in invocation, ok bool) {
	var keys map[string]json.RawMessage
	if json.Unmarshal(body, &keys) != nil {
		return in, false
	}
	take := func(key string, pattern *regexp.Regexp) []string {
		raw, given := keys[key]
		delete(keys, key)
		var list []string
		if given && (json.Unmarshal(raw, &list) != nil || len(list) == 0 || len(list) > 100 || slices.ContainsFunc(list, func(v string) bool { return !pattern.MatchString(v) })) {
			keys["wrong"] = nil
		}
		return list
	}
	in = invocation{take("grants", grantID), take("people", person), take("shells", grantID)}
	return in, len(keys) == 0 && (in.Grants != nil) != (in.Shells != nil) && (in.People == nil || in.Grants != nil)
}

// revoke writes grants into the policy as the revoker does: a statement for
// each day, of which today's and yesterday's are kept; and where there is no
// room, people, or everybody, until now.
func (a *AWS) revoke(c *call, arn string, in invocation) (any, *fault) {
	var answer any
	f := a.change(c.account, func(s *saved) *fault {
		h, f := a.hold(c.account, *s)
		if f != nil {
			return f
		}
		p := h.policy(arn)
		if p == nil {
			answer = revokerError{"An error occurred (NoSuchEntity) when calling the GetPolicy operation: Policy " + arn + " was not found.", "NoSuchEntityException"}
			return nil
		}
		next, got, why := revoked(p.version(p.standard).policy, in, c.now)
		if why != "" {
			answer = revokerError{why, "ValueError"}
			return nil
		}
		answer = got
		if next == nil {
			return nil
		}
		if len(p.versions) >= mostVersions {
			s.Edits = append(s.Edits, edit{Action: "DeletePolicyVersion", Params: map[string]string{"PolicyArn": arn, "VersionId": p.oldest()}, At: c.now})
		}
		s.Edits = append(s.Edits, edit{Action: "CreatePolicyVersion", Params: map[string]string{"PolicyArn": arn, "PolicyDocument": next.String(), "SetAsDefault": "true"}, At: c.now})
		return nil
	})
	return answer, f
}

// oldest is the oldest version that is not in force.
func (p *heldPolicy) oldest() string {
	for _, v := range p.versions {
		if v.id != p.standard {
			return v.id
		}
	}
	return ""
}

// spareForPeople is what grants leave of the policy to people.
const spareForPeople = 700

// revoked is the policy after an invocation; nil if there is nothing to write.
func revoked(p *iam.Policy, in invocation, now time.Time) (next *iam.Policy, answer map[string]any, why string) {
	today, alive := now.UTC().Format("20060102"), now.UTC().AddDate(0, 0, -1).Format("20060102")
	var kept, dateless []iam.Statement
	for _, s := range p.Statements {
		switch {
		case s.Effect != iam.EffectDeny:
			return nil, nil, "the policy holds something else than Deny; look at it"
		case !datedEntry.MatchString(s.Sid):
			kept, dateless = append(kept, s), append(dateless, s)
		case s.Sid[len(s.Sid)-8:] >= alive:
			kept = append(kept, s)
		}
	}
	known := heldNames(kept, "Revoked", tagGrantKey)
	fresh := slices.DeleteFunc(slices.Clone(in.Grants), func(g string) bool { return slices.Contains(known, g) })
	answer = map[string]any{"held": known, "full": false}
	if len(fresh) == 0 {
		return nil, answer, ""
	}
	until := []iam.Condition{{Operator: "DateLessThanEquals", Key: "aws:TokenIssueTime", Values: []string{now.UTC().Format("2006-01-02T15:04:05Z")}}}
	next = putEntry(kept, "Revoked"+today, tagGrantKey, fresh, nil)
	if dense(next) <= longestManaged-spareForPeople {
		answer["held"] = sortedNames(append(known, fresh...))
		return next, answer, ""
	}
	answer["full"] = true
	if in.People == nil {
		return nil, answer, ""
	}
	next = putEntry(kept, "Widened"+today, "aws:SourceIdentity", in.People, until)
	answer["people"] = heldNames(next.Statements[len(next.Statements)-1:], "Widened", "aws:SourceIdentity")
	if dense(next) > longestManaged {
		next = &iam.Policy{Version: iam.Version2012, Statements: append(dateless, iam.Statement{Sid: "Everybody" + today, Effect: iam.EffectDeny, Action: []string{"*"}, Resource: []string{"*"}, Conditions: until})}
		answer = map[string]any{"held": []string{}, "full": true, "everybody": true}
	}
	return next, answer, ""
}

// putEntry puts names into the entry called sid.
func putEntry(kept []iam.Statement, sid, key string, names []string, more []iam.Condition) *iam.Policy {
	p := &iam.Policy{Version: iam.Version2012}
	for _, s := range kept {
		if s.Sid == sid {
			names = append(heldNames([]iam.Statement{s}, sid, key), names...)
			continue
		}
		p.Statements = append(p.Statements, s)
	}
	p.Statements = append(p.Statements, iam.Statement{Sid: sid, Effect: iam.EffectDeny, Action: []string{"*"}, Resource: []string{"*"},
		Conditions: append([]iam.Condition{{Operator: "StringEquals", Key: key, Values: sortedNames(names)}}, more...)})
	return p
}

// heldNames are the names in the entries whose ids begin so.
func heldNames(statements []iam.Statement, sid, key string) []string {
	out := []string{}
	for _, s := range statements {
		if !strings.HasPrefix(s.Sid, sid) {
			continue
		}
		for _, cond := range s.Conditions {
			if cond.Key == key {
				out = append(out, cond.Values...)
			}
		}
	}
	return sortedNames(out)
}

func sortedNames(names []string) []string { return slices.Compact(slices.Sorted(slices.Values(names))) }

// Documents of Systems Manager.

func namedDocument(c *call) string {
	in := struct{ Name string }{}
	c.json(&in)
	if strings.HasPrefix(in.Name, "arn:") {
		return in.Name
	}
	return c.arn("ssm", "document/"+in.Name)
}

func (a *AWS) documentNamed(c *call) (part, *fault) {
	in := struct{ Name string }{}
	if f := c.json(&in); f != nil {
		return part{}, f
	}
	_, h, f := a.holding(c.account)
	if f != nil {
		return part{}, f
	}
	p, ok := h.part("AWS::SSM::Document", in.Name[strings.LastIndexByte(in.Name, '/')+1:])
	if !ok || p.region != c.region {
		return part{}, faultf(faultKind{"InvalidDocument", 400, "InvalidDocument", "", 0}, "Document with name %s does not exist.", clip(in.Name))
	}
	return p, nil
}

func describeDocument(a *AWS, c *call) (any, *fault) {
	p, f := a.documentNamed(c)
	if f != nil {
		return nil, f
	}
	return map[string]any{"Document": map[string]any{"Name": p.Physical, "Owner": string(c.account.ID), "Status": "Active", "DocumentVersion": "1", "DefaultVersion": "1",
		"LatestVersion": "1", "DocumentType": text(p.Properties["DocumentType"]), "DocumentFormat": "JSON", "CreatedDate": float64(p.made.Unix())}}, nil
}

func getDocument(a *AWS, c *call) (any, *fault) {
	p, f := a.documentNamed(c)
	if f != nil {
		return nil, f
	}
	return map[string]any{"Name": p.Physical, "Status": "Active", "DocumentVersion": "1", "DocumentType": text(p.Properties["DocumentType"]), "DocumentFormat": "JSON",
		"Content": compact(p.Properties["Content"])}, nil
}

// compact is a property as JSON text; text stays as it is.
func compact(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}
