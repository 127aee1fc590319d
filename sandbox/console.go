package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

// signInToken is what getSigninToken hands out: good for 15 minutes, for the
// session whose credentials were shown.
type signInToken struct {
	Token   string    `json:"t"` // the session token
	Until   time.Time `json:"u"` // of this sign-in token
	Console time.Time `json:"c"` // when the console session ends
}

const signInLife = 15 * time.Minute

// federation is AWS's federation endpoint: credentials to a sign-in token,
// and a sign-in token to a console.
func (a *AWS) federation(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		a.consoleError(w, http.StatusMethodNotAllowed, "the federation endpoint takes GET and POST")
		return
	}
	c := &call{req: r, id: requestID(), now: brevet.Instant(a.cfg.Now()), region: "us-east-1"}
	if f := c.read(); f != nil {
		a.consoleError(w, http.StatusBadRequest, f.msg)
		return
	}
	switch c.param("Action") {
	case "getSigninToken":
		a.getSigninToken(w, c)
	case "login":
		a.login(w, c)
	default:
		a.consoleError(w, http.StatusBadRequest, "Action must be getSigninToken or login")
	}
}

// getSigninToken checks the credentials in Session. A console session lasts
// as long as they do, or for SessionDuration, which chained ones may not ask
// for.
func (a *AWS) getSigninToken(w http.ResponseWriter, c *call) {
	var in struct{ SessionID, SessionKey, SessionToken string }
	if err := json.Unmarshal([]byte(c.param("Session")), &in); err != nil {
		a.consoleError(w, http.StatusBadRequest, "Session must be a JSON object of sessionId, sessionKey and sessionToken")
		return
	}
	s, ok := a.session(in.SessionToken)
	if !ok || s.Key != in.SessionID || !same(s.Secret, in.SessionKey) || !c.now.Before(s.Expires) {
		a.consoleError(w, http.StatusBadRequest, "the credentials are not valid")
		return
	}
	t := signInToken{Token: in.SessionToken, Until: c.now.Add(signInLife), Console: s.Expires}
	if d := c.param("SessionDuration"); d != "" {
		n, err := strconv.Atoi(d)
		if err != nil || n < 900 || n > 43200 || s.Chained {
			a.consoleError(w, http.StatusBadRequest, "SessionDuration must be from 900 to 43200 seconds, and left out for a chained role")
			return
		}
		t.Console = c.now.Add(time.Duration(n) * time.Second)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"SigninToken": a.seal.seal("sign-in", base64.RawURLEncoding, t)})
}

// consolePage is what the simulated console shows.
type consolePage struct {
	Account, AccountID, Role, Session, Source string
	Tags                                      []tag
	Until                                     time.Time
	Left                                      string
	Destination                               string
	Over                                      bool
}

type tag struct{ Key, Value string }

func (a *AWS) login(w http.ResponseWriter, c *call) {
	var t signInToken
	if !a.seal.open("sign-in", base64.RawURLEncoding, c.param("SigninToken"), &t) || !c.now.Before(t.Until) {
		a.consoleError(w, http.StatusBadRequest, "the sign-in token is not valid, or older than 15 minutes")
		return
	}
	s, ok := a.session(t.Token)
	if !ok {
		a.consoleError(w, http.StatusBadRequest, "the session is not valid")
		return
	}
	account, ok := a.account(s.Account)
	if !ok || !c.now.Before(t.Console) {
		a.consoleError(w, http.StatusForbidden, "the session is over")
		return
	}
	destination := c.param("Destination")
	if u, err := url.Parse(destination); err != nil || destination != "" && u.Scheme != "https" && u.Scheme != "http" {
		a.consoleError(w, http.StatusBadRequest, "Destination must be a web address")
		return
	}
	until := t.Console
	if end, ok := deniedFrom(s.Policy); ok && end.Before(until) {
		until = end
	}
	p := consolePage{Account: account.Name, AccountID: string(account.ID), Role: s.Role, Session: s.Name, Source: s.Source,
		Until: until, Left: brevet.FormatDuration(until.Sub(c.now)), Over: !c.now.Before(until), Destination: destination}
	for _, k := range slices.Sorted(maps.Keys(s.Tags)) {
		p.Tags = append(p.Tags, tag{k, s.Tags[k]})
	}
	a.recordLogin(c, s, account)
	writePage(w, http.StatusOK, "console", p)
}

func (a *AWS) recordLogin(c *call, s *session, account brevet.Account) {
	r := c.record(account.ID, "signin.amazonaws.com", "ConsoleLogin")
	r.by(s, account)
	r.EventType, r.ReadOnly = "AwsConsoleSignIn", false
	r.ResponseElements = map[string]any{"ConsoleLogin": "Success"}
	r.AdditionalData = map[string]any{"MFAUsed": "No", "LoginTo": c.param("Destination"), "MobileVersion": "No"}
	a.happened(r)
}

// deniedFrom returns from when on a session policy denies everything, if it
// says so by aws:CurrentTime.
func deniedFrom(policy string) (time.Time, bool) {
	p, err := iam.Parse([]byte(policy))
	if policy == "" || err != nil {
		return time.Time{}, false
	}
	for _, s := range p.Statements {
		if s.Effect != iam.EffectDeny || !slices.Contains(s.Action, "*") {
			continue
		}
		for _, cond := range s.Conditions {
			if !strings.HasPrefix(cond.Operator, "DateGreaterThan") || !strings.EqualFold(cond.Key, "aws:CurrentTime") || len(cond.Values) != 1 {
				continue
			}
			if t, err := time.Parse(time.RFC3339, cond.Values[0]); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// consoleError answers a person or a program that came with something else
// than what the federation endpoint takes.
func (a *AWS) consoleError(w http.ResponseWriter, status int, why string) {
	writePage(w, status, "message", messagePage{Title: "AWS (simulated) says no", Text: why})
}

// homePage is what a browser sees at the root of the simulated AWS.
type homePage struct {
	Accounts []brevet.Account
}

func (a *AWS) home() homePage { return homePage{a.cfg.Accounts()} }
