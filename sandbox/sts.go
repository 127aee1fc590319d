package sandbox

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/iam"
)

const (
	shortestSession = 15 * time.Minute
	defaultSession  = time.Hour
	longestChained  = time.Hour
	longestPolicy   = 2048 // characters
	packedLimit     = 4096 // bytes; AWS packs policy and tags into a size that it does not tell
)

var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
	roleARN     = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov|aws-eusc):iam::([0-9]{12}):role/([\w+=,.@-]{1,64})$`)
)

// stsCredentials and the other types below are the answers of STS.
type stsCredentials struct {
	AccessKeyId, SecretAccessKey, SessionToken, Expiration string
}

type assumedRoleUser struct {
	AssumedRoleId, Arn string
}

type assumeRoleResult struct {
	AssumedRoleUser             assumedRoleUser
	Credentials                 stsCredentials
	PackedPolicySize            int    `xml:",omitempty"`
	SourceIdentity              string `xml:",omitempty"`
	SubjectFromWebIdentityToken string `xml:",omitempty"`
	Provider                    string `xml:",omitempty"`
	Audience                    string `xml:",omitempty"`
}

type callerIdentity struct {
	UserId, Account, Arn string
}

// assumeWithWebIdentity is AssumeRoleWithWebIdentity: no credentials, but a
// token of the OIDC provider that the account knows.
func (a *AWS) assumeWithWebIdentity(c *call) (any, *fault) {
	if f := c.version("2011-06-15"); f != nil {
		return nil, f
	}
	w, f := a.wish(c, "sts:AssumeRoleWithWebIdentity")
	if f != nil {
		return nil, f
	}
	token := c.param("WebIdentityToken")
	if n := utf8.RuneCountInString(token); n < 4 || n > longestToken {
		return nil, faultf(validationError, "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length between 4 and %d", longestToken)
	}
	if c.params.Has("ProviderId") {
		return nil, faultf(validationError, "ProviderId is not supported for OpenID Connect ID tokens")
	}
	if w.account.ID == "" {
		return nil, faultf(accessDenied, "Not authorized to perform %s", w.action)
	}
	c.account = w.account
	if c.sig == nil { // brevet asks the STS of the account's own region
		c.region = w.account.Region
	}
	id, f := a.verify(token, w.held, c.now)
	if f != nil {
		return nil, f
	}
	result, s, f := a.assume(c, federated(w, id), id)
	a.recordAssumption(c, w, id, s, f)
	if f != nil {
		return nil, f
	}
	return result, nil
}

// federated completes a wish with what the token said.
func federated(w assumption, id identity) assumption {
	provider, host := id.Provider.arn, id.Provider.url
	w.caller = iam.Caller{Kind: iam.KindFederated, Federated: provider}
	w.source, w.tags, w.transitive = id.Source, id.Tags, id.Transitive
	w.context = map[string][]string{
		host + ":aud":           {id.Audience},
		host + ":sub":           {id.Subject},
		"aws:FederatedProvider": {provider},
	}
	return w
}

// assume judges a wish and issues the session.
func (a *AWS) assume(c *call, w assumption, id identity) (assumeRoleResult, *session, *fault) {
	if w.role == nil { // AWS does not tell whether the role exists
		return assumeRoleResult{}, nil, c.refusal(w, w.action)
	}
	packed, f := w.packed()
	if f != nil {
		return assumeRoleResult{}, nil, f
	}
	if f := a.trusted(c, w); f != nil {
		return assumeRoleResult{}, nil, f
	}
	if w.duration > w.role.max {
		return assumeRoleResult{}, nil, faultf(validationError, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	s := &session{Account: w.account.ID, Role: w.role.name, Name: w.name, Tags: maps.Clone(w.tags), Transitive: slices.Clone(w.transitive), Source: w.source,
		Policy: w.policy, Provider: w.caller.Federated, Issued: c.now, Expires: c.now.Add(w.duration).Truncate(time.Second), Chained: c.who != nil && c.who.User == ""}
	if c.who != nil {
		s.add(c.who)
	}
	token := a.issue(s)
	return assumeRoleResult{
		AssumedRoleUser:             assumedRoleUser{s.userID(), s.arn(w.account)},
		Credentials:                 stsCredentials{s.Key, s.Secret, token, s.Expires.UTC().Format(time.RFC3339)},
		PackedPolicySize:            packed,
		SourceIdentity:              s.Source,
		SubjectFromWebIdentityToken: id.Subject,
		Provider:                    w.caller.Federated,
		Audience:                    id.Audience,
	}, s, nil
}

// wish reads the parameters that both ways to assume a role have. Account
// and role stay empty if there are none of that name.
func (a *AWS) wish(c *call, action string) (assumption, *fault) {
	w := assumption{action: action, arn: c.param("RoleArn"), name: c.param("RoleSessionName"), policy: c.param("Policy"), duration: defaultSession}
	arn := roleARN.FindStringSubmatch(w.arn)
	switch {
	case arn == nil:
		return w, faultf(validationError, "%s is invalid", orEmpty(clip(w.arn), "RoleArn"))
	case !sessionName.MatchString(w.name):
		return w, faultf(validationError, "1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]* and have length between 2 and 64", clip(w.name))
	case c.hasPrefix("PolicyArns."):
		return w, faultf(validationError, "The brevet sandbox does not simulate managed session policies (PolicyArns).")
	}
	if d := c.param("DurationSeconds"); d != "" {
		n, err := strconv.Atoi(d)
		if err != nil || n < int(shortestSession.Seconds()) || n > int(brevet.MaxSession.Seconds()) {
			return w, faultf(validationError, "1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200", clip(d))
		}
		w.duration, w.given = time.Duration(n)*time.Second, true
	}
	if f := policyOK(w.policy); f != nil {
		return w, f
	}
	if account, ok := a.account(brevet.AccountID(arn[2])); ok && account.Partition() == arn[1] {
		_, h, f := a.holding(account)
		if f != nil {
			return w, f
		}
		w.account, w.held, w.role = account, h, h.role(arn[3])
	}
	return w, nil
}

func orEmpty(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (c *call) hasPrefix(prefix string) bool {
	for name := range c.params {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// policyOK checks a session policy: at most 2048 characters, well formed, and
// without a principal.
func policyOK(text string) *fault {
	if text == "" {
		return nil
	}
	if n := utf8.RuneCountInString(text); n > longestPolicy {
		return faultf(validationError, "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to %d", longestPolicy)
	}
	p, err := iam.Parse([]byte(text))
	if err != nil {
		return faultf(malformedPolicy, "The policy is not in the valid JSON format or has a syntax error: %s", clip(err.Error()))
	}
	for _, s := range p.Statements {
		if s.Principal != nil || s.NotPrincipal != nil {
			return faultf(malformedPolicy, "Policy document should not specify a principal.")
		}
		if len(s.Resource) == 0 && len(s.NotResource) == 0 {
			return faultf(malformedPolicy, "Policy statement must contain resources.")
		}
	}
	return nil
}

// packed returns how much of the room for policy and tags is used, in
// percent.
func (w assumption) packed() (int, *fault) {
	n := len(w.policy)
	for k, v := range w.tags {
		n += len(k) + len(v)
	}
	percent := (n*100 + packedLimit - 1) / packedLimit
	if percent > 100 {
		return 0, faultf(packedTooLarge, "Packed size of session policy and session tags consumes %d%% of allotted space.", percent)
	}
	return percent, nil
}

// assumeRole is AssumeRole, called by a session: role chaining, so at most an
// hour. The caller's own policies must allow it too.
func assumeRole(a *AWS, c *call) (any, *fault) {
	w, f := a.wish(c, "sts:AssumeRole")
	if f != nil {
		return nil, f
	}
	if w.duration > longestChained && c.who.User == "" {
		return nil, faultf(validationError, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	if w.source = c.param("SourceIdentity"); w.source != "" && !sourceOK(w.source) {
		return nil, faultf(validationError, "1 validation error detected: Value '%s' at 'sourceIdentity' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]* and have length between 2 and 64", clip(w.source))
	}
	if w.source != "" && c.who.Source != "" && w.source != c.who.Source {
		return nil, faultf(accessDenied, "The source identity of a session cannot be changed by role chaining")
	}
	if w.tags, w.transitive, f = c.tags(); f != nil {
		return nil, f
	}
	if f := w.inherit(c.who); f != nil {
		return nil, f
	}
	if id := c.param("ExternalId"); id != "" {
		if len(id) < 2 || len(id) > 1224 || !externalID.MatchString(id) {
			return nil, faultf(validationError, "1 validation error detected: Value at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@:\\/-]* and have length between 2 and 1224")
		}
		w.context = map[string][]string{"sts:ExternalId": {id}}
	}
	w.bothSides(c)
	result, s, f := a.assume(c, w, identity{})
	if f != nil {
		return nil, f
	}
	a.remember(c, w, s)
	return result, nil
}

// bothSides completes the wish with the caller that the trust policy sees,
// and with that caller's own policies, which count too.
func (w *assumption) bothSides(c *call) {
	w.caller, w.rights = c.who.caller(c.account), c.may
	if w.context == nil {
		w.context = map[string][]string{}
	}
	for k, v := range c.sessionContext() {
		w.context[k] = v
	}
}

// inherit takes over the source identity, which a chained session cannot
// shed, and refuses tags that it would inherit anyway.
func (w *assumption) inherit(from *session) *fault {
	if w.source == "" {
		w.source = from.Source
	}
	for _, k := range from.Transitive {
		for passed := range w.tags {
			if strings.EqualFold(k, passed) {
				return faultf(validationError, "The session tag %s is inherited and cannot be passed again", clip(k))
			}
		}
	}
	return nil
}

// add gives a chained session the transitive tags of the one before it.
func (s *session) add(from *session) {
	for _, k := range from.Transitive {
		if s.Tags == nil {
			s.Tags = map[string]string{}
		}
		s.Tags[k] = from.Tags[k]
		s.Transitive = append(s.Transitive, k)
	}
}

// tags reads Tags.member.N and TransitiveTagKeys.member.N.
func (c *call) tags() (map[string]string, []string, *fault) {
	var tags map[string]string
	for i := 1; c.params.Has("Tags.member." + strconv.Itoa(i) + ".Key"); i++ {
		p := "Tags.member." + strconv.Itoa(i)
		if tags == nil {
			tags = map[string]string{}
		}
		if _, twice := tags[c.param(p+".Key")]; twice {
			return nil, nil, faultf(validationError, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		tags[c.param(p+".Key")] = c.param(p + ".Value")
	}
	var transitive []string
	for i := 1; c.params.Has("TransitiveTagKeys.member." + strconv.Itoa(i)); i++ {
		transitive = append(transitive, c.param("TransitiveTagKeys.member."+strconv.Itoa(i)))
	}
	return tags, transitive, tagsOK(validationError, tags, transitive)
}

// getCallerIdentity needs no permission, and works even if a policy denies it.
func getCallerIdentity(_ *AWS, c *call) (any, *fault) {
	return callerIdentity{c.who.userID(), string(c.account.ID), c.who.arn(c.account)}, nil
}

func refuseSessionToken(_ *AWS, c *call) (any, *fault) {
	return nil, faultf(accessDenied, "Cannot call %s with session credentials", c.action)
}

// version checks the Version parameter, which the Query protocol demands.
func (c *call) version(want string) *fault {
	if got := c.param("Version"); got != want {
		return faultf(notSimulated, "Could not find operation %s for version %s", clip(c.action), orEmpty(clip(got), "NO_VERSION_SPECIFIED"))
	}
	return nil
}
