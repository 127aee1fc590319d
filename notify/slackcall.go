package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// SlackCall is what Slack sends when somebody pressed a button or typed a
// command. User and Team are Slack's own ids: names and mail addresses are
// never looked at.
type SlackCall struct {
	Team, User  string
	Channel     string
	Approve     bool
	Request     brevet.RequestID // a decision; "" for none
	Digest      string
	Code        string // of a command that links; "" for none
	ResponseURL string
	Signature   string // seen once
}

// SlackIssuer is the issuer of a Slack user's principal; the subject is the
// user's id there.
func SlackIssuer(team string) string { return "https://slack.com/" + team }

const slackWindow = 5 * time.Minute

// VerifySlack checks the signature of a call (Verifying requests from Slack,
// version v0): HMAC-SHA256 over v0:TIMESTAMP:BODY, at most five minutes from
// now. The error is of kind [brevet.Unauthenticated] and says nothing more.
// Whether the call was seen before is for the caller to remember, by the
// signature that is returned.
func VerifySlack(secret string, h http.Header, body []byte, now time.Time) (string, error) {
	no := brevet.Errorf(brevet.Unauthenticated, "the call is not signed as Slack does")
	stamps, signatures := h.Values("X-Slack-Request-Timestamp"), h.Values("X-Slack-Signature")
	if secret == "" || len(stamps) != 1 || len(signatures) != 1 || len(stamps[0]) > 12 {
		return "", no
	}
	at, err := strconv.ParseInt(stamps[0], 10, 64)
	if err != nil || strconv.FormatInt(at, 10) != stamps[0] || now.Sub(time.Unix(at, 0)).Abs() > slackWindow {
		return "", no
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamps[0] + ":"))
	mac.Write(body)
	want := "v0=" + hex.EncodeToString(mac.Sum(nil))
	if !hmac.Equal([]byte(want), []byte(signatures[0])) {
		return "", no
	}
	return want, nil
}

// ParseSlack reads the body of a call: a form that holds JSON in payload, for
// a button, or the fields of a command. The error is of kind
// [brevet.Invalid].
func ParseSlack(body []byte) (SlackCall, error) {
	bad := brevet.Errorf(brevet.Invalid, "the call is not one of a button or a command of brevet")
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return SlackCall{}, bad
	}
	for _, values := range form {
		if len(values) > 1 {
			return SlackCall{}, bad
		}
	}
	if form.Has("payload") {
		return parseButton(form.Get("payload"), bad)
	}
	verb, code, _ := strings.Cut(strings.TrimSpace(form.Get("text")), " ")
	c := SlackCall{Team: form.Get("team_id"), User: form.Get("user_id"), Channel: form.Get("channel_id"), ResponseURL: form.Get("response_url"), Code: strings.TrimSpace(code)}
	if form.Get("command") == "" || verb != "link" || c.Code == "" || len(c.Code) > 100 || !slackID(c.Team) || !slackID(c.User) {
		return SlackCall{}, bad.WithHint("/brevet link CODE, with a code from brevet notify link")
	}
	return c, nil
}

func parseButton(text string, bad error) (SlackCall, error) {
	var p struct {
		Type string `json:"type"`
		Team struct {
			ID string `json:"id"`
		} `json:"team"`
		User struct {
			ID     string `json:"id"`
			TeamID string `json:"team_id"`
		} `json:"user"`
		Channel struct {
			ID string `json:"id"`
		} `json:"channel"`
		ResponseURL string `json:"response_url"`
		Actions     []struct {
			ActionID string `json:"action_id"`
			Value    string `json:"value"`
		} `json:"actions"`
	}
	if json.Unmarshal([]byte(text), &p) != nil || p.Type != "block_actions" || len(p.Actions) != 1 {
		return SlackCall{}, bad
	}
	c := SlackCall{Team: p.Team.ID, User: p.User.ID, Channel: p.Channel.ID, ResponseURL: p.ResponseURL}
	if p.User.TeamID != "" { // of a shared channel: who is from elsewhere is somebody else
		c.Team = p.User.TeamID
	}
	if !slackID(c.Team) || !slackID(c.User) {
		return SlackCall{}, bad
	}
	switch a := p.Actions[0]; a.ActionID {
	case slackOpen:
		return c, nil
	case slackApprove, slackDeny:
		var v choice
		if json.Unmarshal([]byte(a.Value), &v) != nil || len(v.Digest) != 64 {
			return SlackCall{}, bad
		}
		id, err := brevet.ParseID[brevet.RequestID](string(v.Request))
		if err != nil {
			return SlackCall{}, bad
		}
		c.Request, c.Digest, c.Approve = id, v.Digest, a.ActionID == slackApprove
		return c, nil
	}
	return SlackCall{}, bad
}

// slackID reports whether s can be an id of Slack.
func slackID(s string) bool {
	return len(s) >= 2 && len(s) <= 32 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}
