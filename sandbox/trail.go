package sandbox

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
)

// mostRecords bounds the memory of the trail; the oldest records go first.
const mostRecords = 5000

// record is one event in the shape of CloudTrail's records; see "CloudTrail
// userIdentity element" in its user guide.
type record struct {
	EventVersion       string         `json:"eventVersion"`
	UserIdentity       map[string]any `json:"userIdentity"`
	EventTime          string         `json:"eventTime"`
	EventSource        string         `json:"eventSource"`
	EventName          string         `json:"eventName"`
	AWSRegion          string         `json:"awsRegion"`
	SourceIPAddress    string         `json:"sourceIPAddress"`
	UserAgent          string         `json:"userAgent"`
	ErrorCode          string         `json:"errorCode,omitempty"`
	ErrorMessage       string         `json:"errorMessage,omitempty"`
	RequestParameters  map[string]any `json:"requestParameters"`
	ResponseElements   map[string]any `json:"responseElements"`
	AdditionalData     map[string]any `json:"additionalEventData,omitempty"`
	RequestID          string         `json:"requestID"`
	EventID            string         `json:"eventID"`
	ReadOnly           bool           `json:"readOnly"`
	EventType          string         `json:"eventType"`
	ManagementEvent    bool           `json:"managementEvent"`
	RecipientAccountID string         `json:"recipientAccountId"`
	EventCategory      string         `json:"eventCategory"`

	at       time.Time
	key      string // access key id, "" if there was none
	username string // what LookupEvents calls Username
}

// trail holds the newest records, oldest first.
type trail struct {
	mu      sync.Mutex
	records []record
}

func (t *trail) add(r record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.records) == mostRecords {
		t.records = slices.Delete(t.records, 0, mostRecords/10)
	}
	t.records = append(t.records, r)
}

// newest returns the records that fit, newest first.
func (t *trail) newest(fits func(record) bool) []record {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []record
	for _, r := range slices.Backward(t.records) {
		if fits(r) {
			out = append(out, r)
		}
	}
	return out
}

func (c *call) record(account brevet.AccountID, source, name string) record {
	return record{
		EventVersion: "1.11", EventTime: c.now.UTC().Format(time.RFC3339), EventSource: source, EventName: name, AWSRegion: c.region,
		SourceIPAddress: c.addr(), UserAgent: clip(c.req.UserAgent()), RequestID: c.id, EventID: requestID(), ReadOnly: readOnly(name),
		EventType: "AwsApiCall", ManagementEvent: true, RecipientAccountID: string(account), EventCategory: "Management", at: c.now,
	}
}

func readOnly(name string) bool {
	return slices.ContainsFunc([]string{"Get", "List", "Describe", "Lookup", "AssumeRole"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// fail notes in the record why the call was refused.
func (r *record) fail(f *fault, on wire) {
	if f != nil {
		r.ErrorCode, r.ErrorMessage = faultCode(f, on), f.msg
	}
}

// by notes in the record which session called.
func (r *record) by(s *session, a brevet.Account) {
	r.key, r.username = s.Key, s.Name
	if s.User != "" {
		r.UserIdentity = map[string]any{"type": "IAMUser", "principalId": s.userID(), "arn": s.arn(a), "accountId": string(s.Account),
			"accessKeyId": s.Key, "userName": s.User}
		return
	}
	context := map[string]any{
		"sessionIssuer": map[string]any{"type": "Role", "principalId": roleID(s.Account, s.Role), "arn": "arn:" + a.Partition() + ":iam::" + string(a.ID) + ":role/" + s.Role,
			"accountId": string(s.Account), "userName": s.Role},
		"attributes": map[string]any{"mfaAuthenticated": "false", "creationDate": s.Issued.UTC().Format(time.RFC3339)},
	}
	if s.Source != "" {
		context["sourceIdentity"] = s.Source
	}
	if s.Provider != "" {
		context["webIdFederationData"] = map[string]any{"federatedProvider": s.Provider, "attributes": map[string]any{}}
	}
	r.UserIdentity = map[string]any{"type": "AssumedRole", "principalId": s.userID(), "arn": s.arn(a), "accountId": string(s.Account),
		"accessKeyId": s.Key, "sessionContext": context}
}

// record writes down an authenticated call, refused or not. AssumeRole that
// succeeded was written down by remember.
func (a *AWS) record(c *call, f *fault) {
	if c.action == "" || c.service == "sts" && c.action == "AssumeRole" && f == nil {
		return
	}
	r := c.record(c.account.ID, c.service+".amazonaws.com", clip(c.action))
	r.by(c.who, c.account)
	r.fail(f, c.on)
	if c.on == wireJSON {
		r.RequestParameters = c.bodyParameters()
	}
	for name, v := range c.params {
		if name != "Action" && name != "Version" && !strings.HasPrefix(name, "X-Amz-") {
			if r.RequestParameters == nil {
				r.RequestParameters = map[string]any{}
			}
			r.RequestParameters[strings.ToLower(name[:1])+name[1:]] = clip(v[0])
		}
	}
	a.happened(r)
}

// bodyParameters are the plain members of a JSON call's input.
func (c *call) bodyParameters() map[string]any {
	var in, out map[string]any
	if json.Unmarshal(c.body, &in) != nil {
		return nil
	}
	for name, v := range in {
		if s := text(v); s != "" && name != "" {
			if out == nil {
				out = map[string]any{}
			}
			out[strings.ToLower(name[:1])+name[1:]] = clip(s)
		}
	}
	return out
}

// assumed is the part that the records of both ways to assume a role share.
func (r *record) assumed(w assumption, s *session) {
	p := map[string]any{"roleArn": w.arn, "roleSessionName": w.name, "durationSeconds": int(w.duration.Seconds())}
	if w.source != "" {
		p["sourceIdentity"] = w.source
	}
	switch {
	case len(w.tags) == 0:
	case r.EventName == "AssumeRole":
		p["tags"] = tagList(w.tags)
	default:
		p["principalTags"] = w.tags
	}
	if len(w.transitive) > 0 {
		p["transitiveTagKeys"] = w.transitive
	}
	r.RequestParameters = p
	if s == nil {
		return
	}
	r.ResponseElements = map[string]any{
		"credentials":     map[string]any{"accessKeyId": s.Key, "expiration": s.Expires.UTC().Format("Jan 2, 2006, 3:04:05 PM"), "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS"},
		"assumedRoleUser": map[string]any{"assumedRoleId": s.userID(), "arn": s.arn(w.account)},
	}
	if w.source != "" {
		r.ResponseElements["sourceIdentity"] = w.source
	}
}

// tagList is how AssumeRole's own tags are recorded.
func tagList(tags map[string]string) []any {
	out := []any{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, map[string]any{"key": key, "value": tags[key]})
	}
	return out
}

// recordAssumption writes down AssumeRoleWithWebIdentity once the token was
// believed; AWS does not record one that was not.
func (a *AWS) recordAssumption(c *call, w assumption, id identity, s *session, f *fault) {
	w = federated(w, id)
	r := c.record(w.account.ID, "sts.amazonaws.com", "AssumeRoleWithWebIdentity")
	r.username = id.Subject
	r.UserIdentity = map[string]any{"type": "WebIdentityUser", "principalId": id.Provider.arn + ":" + id.Audience + ":" + id.Subject,
		"userName": id.Subject, "identityProvider": id.Provider.arn}
	r.assumed(w, s)
	if s != nil {
		r.key = s.Key
		r.ResponseElements["subjectFromWebIdentityToken"] = id.Subject
		r.ResponseElements["provider"] = id.Provider.url
		r.ResponseElements["audience"] = id.Audience
	}
	r.fail(f, c.on)
	a.happened(r)
}

// remember writes down an AssumeRole that succeeded, in the accounts of both
// sides.
func (a *AWS) remember(c *call, w assumption, s *session) {
	r := c.record(c.account.ID, "sts.amazonaws.com", "AssumeRole")
	r.by(c.who, c.account)
	r.assumed(w, s)
	a.happened(r)
	if w.account.ID != c.account.ID {
		r.RecipientAccountID, r.EventID = string(w.account.ID), requestID()
		r.UserIdentity = map[string]any{"type": "AWSAccount", "principalId": c.who.userID(), "accountId": string(c.account.ID)}
		a.happened(r)
	}
}

// json decodes the body of a JSON call. Names that the sandbox does not know
// are ignored.
func (c *call) json(v any) *fault {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, v); err != nil {
		return faultf(faultKind{"SerializationException", 400, "SerializationException", "", 0}, "The body is not the JSON that %s takes.", clip(c.action))
	}
	return nil
}

// lookup is the input of LookupEvents.
type lookup struct {
	LookupAttributes []struct{ AttributeKey, AttributeValue string }
	StartTime        *float64 // Unix seconds
	EndTime          *float64
	MaxResults       *int
	NextToken        string
}

// fits returns the filter that the input asks for.
func (in lookup) fits(account brevet.AccountID) (func(record) bool, *fault) {
	if len(in.LookupAttributes) > 1 {
		return nil, faultf(faultKind{"InvalidLookupAttributes", 400, "InvalidLookupAttributesException", "", 0}, "Only one lookup attribute can be given.")
	}
	for _, l := range in.LookupAttributes {
		if !slices.Contains([]string{"EventId", "EventName", "ReadOnly", "Username", "EventSource", "AccessKeyId", "ResourceName", "ResourceType"}, l.AttributeKey) {
			return nil, faultf(faultKind{"InvalidLookupAttributes", 400, "InvalidLookupAttributesException", "", 0}, "%s is not a lookup attribute.", clip(l.AttributeKey))
		}
	}
	return func(r record) bool {
		at := float64(r.at.UnixMicro()) / 1e6
		if r.RecipientAccountID != string(account) || in.StartTime != nil && at < *in.StartTime || in.EndTime != nil && at > *in.EndTime {
			return false
		}
		for _, l := range in.LookupAttributes {
			if got := map[string]string{"EventId": r.EventID, "EventName": r.EventName, "ReadOnly": strconv.FormatBool(r.ReadOnly),
				"Username": r.username, "EventSource": r.EventSource, "AccessKeyId": r.key}[l.AttributeKey]; got != l.AttributeValue {
				return false
			}
		}
		return true
	}, nil
}

// lookupEvents is CloudTrail's event history of the caller's own account,
// newest first.
func lookupEvents(a *AWS, c *call) (any, *fault) {
	var in lookup
	if f := c.json(&in); f != nil {
		return nil, f
	}
	most := 50
	if in.MaxResults != nil {
		if most = *in.MaxResults; most < 1 || most > 50 {
			return nil, faultf(faultKind{"InvalidMaxResults", 400, "InvalidMaxResultsException", "", 0}, "MaxResults must be from 1 to 50.")
		}
	}
	fits, f := in.fits(c.account.ID)
	if f != nil {
		return nil, f
	}
	found := a.trail.newest(fits)
	if in.NextToken != "" { // the id of the last event of the page before
		i := slices.IndexFunc(found, func(r record) bool { return r.EventID == in.NextToken })
		if i < 0 {
			return nil, faultf(faultKind{"InvalidNextToken", 400, "InvalidNextTokenException", "", 0}, "The next token is not valid.")
		}
		found = found[i+1:]
	}
	out := map[string]any{"Events": []map[string]any{}}
	if len(found) > most {
		found = found[:most]
		out["NextToken"] = found[most-1].EventID
	}
	events := make([]map[string]any, len(found))
	for i, r := range found {
		events[i] = r.event()
	}
	out["Events"] = events
	return out, nil
}

// event is the record as LookupEvents wraps it.
func (r record) event() map[string]any {
	text, err := json.Marshal(r)
	if err != nil {
		panic("sandbox: " + err.Error()) // strings, maps of strings and numbers
	}
	e := map[string]any{"EventId": r.EventID, "EventName": r.EventName, "ReadOnly": strconv.FormatBool(r.ReadOnly), "EventTime": float64(r.at.UnixMilli()) / 1000,
		"EventSource": r.EventSource, "Username": r.username, "Resources": []any{}, "CloudTrailEvent": string(text)}
	if r.key != "" {
		e["AccessKeyId"] = r.key
	}
	return e
}
