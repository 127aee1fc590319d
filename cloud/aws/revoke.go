package aws

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/brevet-access/brevet"
)

// calling is the session policy of an errand that calls the revoker.
const calling = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"}]}`

// trying is the session policy of an errand that sees what is refused: reads
// of which nearly every role is allowed one.
const trying = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudtrail:DescribeTrails","cloudwatch:DescribeAlarms",` +
	`"iam:GetRole","logs:DescribeLogGroups","s3:ListAllMyBuckets","sns:ListTopics"],"Resource":"*"}]}`

// errand narrows a session of the broker's own to what it is for.
func errand(i brevet.Issue) string {
	switch i.Errand {
	case brevet.ErrandRevoke:
		return calling
	case brevet.ErrandTry:
		return trying
	}
	return i.SessionPolicy
}

// mostGrants is how many grants the revoker takes at once.
const mostGrants = 100

// Revoke calls the function PREFIX + "Revoker" of the account's stack, which
// denies everything to the sessions of the given grants, and ends the shells
// that they opened. It makes one attempt. The errors are those of
// [brevet.Cloud]; where the account has no revoker, the hint says so.
func (c *Cloud) Revoke(ctx context.Context, as brevet.Credential, a brevet.Account, k brevet.Kill) (brevet.Killed, error) {
	if len(k.Grants) == 0 || len(k.Grants) > mostGrants {
		return brevet.Killed{}, brevet.Errorf(brevet.Invalid, "%d grants cannot be revoked at once; 1 to %d can", len(k.Grants), mostGrants)
	}
	in := map[string]any{"grants": k.Grants}
	switch {
	case k.Shells:
		in = map[string]any{"shells": k.Grants}
	case len(k.Widen) > 0:
		in["people"] = k.Widen
	}
	text, err := json.Marshal(in)
	if err != nil {
		return brevet.Killed{}, err
	}
	s := c.calls(ctx, a.Region, a.Partition(), as)
	status, body, err := s.send("lambda", http.MethodPost, "/2015-03-31/functions/"+url.PathEscape(a.Prefix+"Revoker")+"/invocations", "application/json", "", string(text))
	if err != nil {
		return brevet.Killed{}, brevet.Errorf(brevet.Unavailable, "the revoker of %s gave no answer", a.Name).WithHint("it is tried again").WithCause(err)
	}
	if status != http.StatusOK {
		return brevet.Killed{}, revokerRefused(a, status, s.refusal("lambda", status, body, ""))
	}
	return readKilled(a, body, as.SessionToken)
}

// revokerRefused is the error when Lambda did not run the function.
func revokerRefused(a brevet.Account, status int, err error) error {
	var no *refusedCall
	if !errors.As(err, &no) || status >= 500 || status == http.StatusTooManyRequests || throttled[no.code] {
		return brevet.Errorf(brevet.Unavailable, "the revoker of %s did not run: %s", a.Name, err).WithHint("it is tried again")
	}
	e := brevet.Errorf(brevet.CloudRefused, "AWS said no: %s", strings.TrimRight(no.Error(), ". "))
	if no.code == "ResourceNotFoundException" || strings.HasPrefix(no.code, "AccessDenied") {
		return e.WithHint("the stack of %s has no revoker: its owner deploys it with Revoker=true", a.Name)
	}
	return e
}

// readKilled reads the function's answer; one that failed has status 200, too.
func readKilled(a brevet.Account, body []byte, secret string) (brevet.Killed, error) {
	var out struct {
		Held      *[]brevet.GrantID `json:"held"`
		Full      bool              `json:"full"`
		People    []brevet.Handle   `json:"people"`
		Everybody bool              `json:"everybody"`
		Shells    int               `json:"shells"`
		Message   string            `json:"errorMessage"`
		Type      string            `json:"errorType"`
	}
	if json.Unmarshal(body, &out) != nil || out.Held == nil && out.Message == "" {
		return brevet.Killed{}, brevet.Errorf(brevet.Unavailable, "the revoker of %s answered with something else than it should", a.Name)
	}
	if out.Held == nil {
		e := brevet.Errorf(brevet.Unavailable, "the revoker of %s failed: %s", a.Name, clean(out.Type+": "+out.Message, secret))
		if out.Type == "ValueError" {
			return brevet.Killed{}, brevet.Errorf(brevet.CloudRefused, "%s", e.Message).
				WithHint("the stack of %s is older than this server: its owner deploys the newest access.yaml", a.Name)
		}
		return brevet.Killed{}, e
	}
	for _, h := range out.People {
		if _, err := brevet.ParseHandle(string(h)); err != nil {
			return brevet.Killed{}, brevet.Errorf(brevet.Unavailable, "the revoker of %s answered with something else than it should", a.Name)
		}
	}
	return brevet.Killed{Held: *out.Held, Full: out.Full, Cut: out.People, Everybody: out.Everybody, Shells: out.Shells}, nil
}

// Try makes the calls that [brevet.ErrandTry] allows, each of which reads and
// changes nothing. That AWS refuses one counts only by its own word: an
// AccessDenied.
func (c *Cloud) Try(ctx context.Context, as brevet.Credential, a brevet.Account, role brevet.RoleName) []brevet.Tried {
	s := c.calls(ctx, a.Region, a.Partition(), as)
	var nothing struct{}
	tries := []struct {
		action string
		call   func() error
	}{
		{"iam:GetRole", func() error {
			return s.query("iam", "2010-05-08", "GetRole", url.Values{"RoleName": {a.Prefix + string(role)}}, &nothing)
		}},
		{"logs:DescribeLogGroups", func() error {
			return s.json("logs", "Logs_20140328.DescribeLogGroups", map[string]any{"limit": 1}, &nothing)
		}},
		{"cloudtrail:DescribeTrails", func() error { return s.json("cloudtrail", cloudTrail+"DescribeTrails", map[string]any{}, &nothing) }},
		{"cloudwatch:DescribeAlarms", func() error {
			return s.query("monitoring", "2010-08-01", "DescribeAlarms", url.Values{"MaxRecords": {"1"}}, &nothing)
		}},
		{"sns:ListTopics", func() error { return s.query("sns", "2010-03-31", "ListTopics", nil, &nothing) }},
		{"s3:ListAllMyBuckets", s.listBuckets},
	}
	out := make([]brevet.Tried, len(tries))
	for i, t := range tries {
		out[i] = tried(t.action, t.call())
	}
	return out
}

func tried(action string, err error) brevet.Tried {
	var no *refusedCall
	switch {
	case err == nil:
		return brevet.Tried{Action: action, Result: brevet.TryAllowed}
	case errors.As(err, &no) && (strings.HasPrefix(no.code, "AccessDenied") || no.code == "AuthorizationError"): // SNS's word
		return brevet.Tried{Action: action, Result: brevet.TryDenied, Detail: no.Error()}
	}
	return brevet.Tried{Action: action, Result: brevet.TryUnknown, Detail: clip(brevet.Printable(err.Error()), maxMessage)}
}

// listBuckets makes the one call of S3 that names no bucket.
func (s calls) listBuckets() error {
	status, body, err := s.send("s3", http.MethodGet, "/", "", "", "")
	if err != nil || status == http.StatusOK {
		return err
	}
	var no struct{ Code, Message string }
	if xml.Unmarshal(body, &no) != nil || !errorCode(no.Code) {
		return errors.New("s3 answered with status " + strconv.Itoa(status))
	}
	return &refusedCall{no.Code, clean(no.Message, s.keys.SessionToken)}
}
