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
var revokedDay = regexp.MustCompile(`^Revoked[0-9]{8}$`)

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
	var in map[string]json.RawMessage
	var grants []string
	if json.Unmarshal(c.body, &in) != nil || len(in) != 1 || json.Unmarshal(in["grants"], &grants) != nil || len(grants) == 0 || len(grants) > 100 ||
		slices.ContainsFunc(grants, func(g string) bool { return !grantID.MatchString(g) }) {
		return revokerError{`give {"grants": ["gr_...", ...]}, 1 to 100 ids and nothing else`, "ValueError"}, nil
	}
	return a.revoke(c, policy, grants)
}

// revoke writes grants into the policy as the revoker does: a statement for
// each day, of which today's and yesterday's are kept.
func (a *AWS) revoke(c *call, arn string, grants []string) (any, *fault) {
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
		next, known, fresh, why := revoked(p.version(p.standard).policy, grants, c.now)
		switch {
		case why != "":
			answer = revokerError{why, "ValueError"}
			return nil
		case fresh && dense(next) > longestManaged:
			answer = map[string]any{"held": known, "full": true}
			return nil
		case fresh:
			if len(p.versions) >= mostVersions {
				s.Edits = append(s.Edits, edit{Action: "DeletePolicyVersion", Params: map[string]string{"PolicyArn": arn, "VersionId": p.oldest()}, At: c.now})
			}
			s.Edits = append(s.Edits, edit{Action: "CreatePolicyVersion", Params: map[string]string{"PolicyArn": arn, "PolicyDocument": next.String(), "SetAsDefault": "true"}, At: c.now})
			known = slices.Compact(slices.Sorted(slices.Values(append(known, grants...))))
		}
		answer = map[string]any{"held": known, "full": false}
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

// revoked adds grants to a policy. Known are those that it holds already;
// fresh says whether there is anything to write.
func revoked(p *iam.Policy, grants []string, now time.Time) (next *iam.Policy, known []string, fresh bool, why string) {
	today, alive := "Revoked"+now.UTC().Format("20060102"), "Revoked"+now.UTC().AddDate(0, 0, -1).Format("20060102")
	next = &iam.Policy{Version: iam.Version2012}
	var listed []string
	for _, s := range p.Statements {
		if s.Effect != iam.EffectDeny {
			return nil, nil, false, "the policy holds something else than Deny; look at it"
		}
		if !revokedDay.MatchString(s.Sid) {
			next.Statements = append(next.Statements, s)
			continue
		}
		if s.Sid < alive {
			continue
		}
		for _, cond := range s.Conditions {
			if cond.Key == tagGrantKey {
				known = append(known, cond.Values...)
				if s.Sid == today {
					listed = cond.Values
				}
			}
		}
		if s.Sid != today {
			next.Statements = append(next.Statements, s)
		}
	}
	listed = slices.Clone(listed)
	for _, g := range grants {
		if !slices.Contains(known, g) && !slices.Contains(listed, g) {
			listed, fresh = append(listed, g), true
		}
	}
	slices.Sort(listed)
	slices.Sort(known)
	next.Statements = append(next.Statements, iam.Statement{Sid: today, Effect: iam.EffectDeny, Action: []string{"*"}, Resource: []string{"*"},
		Conditions: []iam.Condition{{Operator: "StringEquals", Key: tagGrantKey, Values: listed}}})
	return next, orNone(known), fresh, ""
}

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
