package sandbox

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// Session Manager, as far as who may open a shell, and who ends it. No shell
// runs here: a client's plugin would find nobody at the other end.

// shell is a session of Session Manager. It lives on without the credentials
// that opened it, as on AWS.
type shell struct {
	id, owner, target, document, region string
	began, ended                        time.Time // ended is zero while it is open
}

// longestShell is what the stacks' document says unless it is told otherwise.
const longestShell = time.Hour

func (s *shell) open(now time.Time) bool { return s.ended.IsZero() && now.Sub(s.began) < longestShell }

type startSessionInput struct{ Target, DocumentName string }

func namedInstance(c *call) string {
	var in startSessionInput
	c.json(&in)
	return c.arn("ec2", "instance/"+in.Target)
}

// aboutShell is what AWS knows of a shell that is asked for: whether its
// document was named.
func aboutShell(c *call) map[string][]string {
	var in startSessionInput
	c.json(&in)
	return map[string][]string{"ssm:SessionDocumentAccessCheck": {strconv.FormatBool(in.DocumentName != "")}}
}

func startSession(a *AWS, c *call) (any, *fault) {
	var in startSessionInput
	if f := c.json(&in); f != nil {
		return nil, f
	}
	if !strings.HasPrefix(in.Target, "i-") {
		return nil, faultf(faultKind{"TargetNotConnected", 400, "TargetNotConnected", "", 0}, "%s is not connected.", clip(in.Target))
	}
	document := in.DocumentName
	if document == "" {
		document = "SSM-SessionManagerRunShell"
	}
	if f := a.allowed(c, "ssm:StartSession", c.arn("ssm", "document/"+document), aboutShell(c)); f != nil {
		return nil, f
	}
	e, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	if p, ok := h.part("AWS::SSM::Document", document); in.DocumentName != "" && (!ok || p.region != c.region) {
		return nil, faultf(faultKind{"InvalidDocument", 400, "InvalidDocument", "", 0}, "Document with name %s does not exist.", clip(document))
	}
	arn := c.who.arn(c.account)
	s := shell{id: arn[strings.LastIndexByte(arn, '/')+1:] + "-" + strings.ToLower(randomText(17)), owner: arn, target: in.Target, document: document, region: c.region, began: c.now}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shells = append(e.shells, s)
	return map[string]any{"SessionId": s.id, "TokenValue": randomText(40), "StreamUrl": "wss://ssmmessages.invalid/" + s.id}, nil
}

type describeSessionsInput struct {
	State     string
	Filters   []struct{ Key, Value string } `json:"Filters"`
	NextToken string
}

func describeSessions(a *AWS, c *call) (any, *fault) {
	var in describeSessionsInput
	if f := c.json(&in); f != nil {
		return nil, f
	}
	e, _, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []map[string]any{}
	for _, s := range slices.Backward(e.shells) {
		wanted := s.region == c.region && s.open(c.now) == (in.State == "Active")
		for _, by := range in.Filters {
			wanted = wanted && (by.Key != "Owner" || by.Value == s.owner) && (by.Key != "Target" || by.Value == s.target) && (by.Key != "SessionId" || by.Value == s.id)
		}
		if !wanted {
			continue
		}
		v := map[string]any{"SessionId": s.id, "Owner": s.owner, "Target": s.target, "DocumentName": s.document, "StartDate": float64(s.began.Unix()), "Status": "Connected"}
		if !s.open(c.now) {
			v["Status"] = "Terminated"
		}
		out = append(out, v)
	}
	return map[string]any{"Sessions": out}, nil
}

func namedShell(c *call) string {
	in := struct{ SessionId string }{}
	c.json(&in)
	return c.arn("ssm", "session/"+in.SessionId)
}

func terminateSession(a *AWS, c *call) (any, *fault) {
	in := struct{ SessionId string }{}
	if f := c.json(&in); f != nil {
		return nil, f
	}
	e, _, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	e.endShells(c.now, func(s *shell) bool { return s.region == c.region && s.id == in.SessionId })
	return map[string]any{"SessionId": in.SessionId}, nil
}

// endShells ends the open shells that match, and counts them.
func (e *estate) endShells(now time.Time, match func(*shell) bool) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.shells {
		if s := &e.shells[i]; s.open(now) && match(s) {
			s.ended = now
			n++
		}
	}
	return n
}

// endShellsOf ends what sessions of the grants opened, as the revoker does: by
// the end of their names.
func (a *AWS) endShellsOf(account brevet.Account, region string, grants []string, now time.Time) (int, *fault) {
	e, _, f := a.holding(account)
	if f != nil {
		return 0, f
	}
	return e.endShells(now, func(s *shell) bool {
		return s.region == region && slices.ContainsFunc(grants, func(g string) bool { return strings.HasSuffix(s.owner, "="+g[max(0, len(g)-10):]) })
	}), nil
}
