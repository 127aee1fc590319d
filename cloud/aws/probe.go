package aws

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// nothing is the session policy of attempts that must fail: should one
// succeed, what comes of it may do nothing.
const nothing = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`

// reads is the session policy of the probe's one session: what it looks at,
// and nothing else.
const reads = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudformation:DescribeStacks","cloudtrail:DescribeTrails","cloudtrail:GetTrailStatus",` +
	`"events:DescribeRule","iam:GetRole","iam:ListRolePolicies","logs:DescribeLogGroups","logs:FilterLogEvents","sns:ListSubscriptionsByTopic"],"Resource":"*"}]}`

// Probe tries out an account: that the allowed way in works, that the
// forbidden ones are refused by AWS itself, that the customer's side is whole,
// and that a call made now arrives in its record. It never fails: what could
// not be looked at is a check of its own. A canary that has not arrived within
// p.Wait is pending.
func (c *Cloud) Probe(ctx context.Context, p brevet.Probe) []brevet.Check {
	pr := &prober{c: c, p: p}
	cred, no := pr.enter(ctx)
	pr.shut = cred == nil
	pr.forbidden(ctx)
	if cred == nil {
		pr.outside(no)
		return pr.checks
	}
	pr.inside(ctx, *cred)
	return pr.checks
}

// prober gathers checks.
type prober struct {
	c      *Cloud
	p      brevet.Probe
	checks []brevet.Check
	shut   bool // not even the allowed way is open, so a refusal shows nothing
}

// check runs one check. look returns the result and what was seen.
func (pr *prober) check(name, expected string, look func() (brevet.CheckResult, string)) {
	began := pr.c.cfg.Now()
	result, detail := look()
	pr.checks = append(pr.checks, brevet.Check{Name: name, Expected: expected, Result: result, Detail: clip(brevet.Printable(detail), 300), Took: pr.c.cfg.Now().Sub(began)})
}

// entry is one attempt to get in: what the token, or the call, says.
type entry struct {
	claims     brevet.Claims
	externalID string
}

// enter makes the session that is allowed.
func (pr *prober) enter(ctx context.Context) (cred *brevet.Credential, no error) {
	pr.check("way in", "a session of "+string(pr.p.Issue.Role), func() (brevet.CheckResult, string) {
		if cred, no = pr.attempt(ctx, reads, func(*entry) {}); no != nil {
			if brevet.KindOf(no) == brevet.CloudRefused {
				return brevet.CheckMiss, said(no)
			}
			return brevet.CheckUnknown, said(no)
		}
		return brevet.CheckOK, "session " + pr.p.Issue.SessionName()
	})
	return cred, no
}

// said is an error's message with the next step.
func said(err error) string {
	e := brevet.AsError(err)
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// forbidden tries what must be refused: each is the allowed way with one
// thing wrong.
func (pr *prober) forbidden(ctx context.Context) {
	i := pr.p.Issue
	tag := func(key, value string) func(*entry) { return func(e *entry) { e.claims.Tags[key] = value } }
	refused := func(name string, wrong func(*entry)) { pr.refused(ctx, name, wrong) }
	if i.Account.Broker == "" {
		refused("wrong audience", func(e *entry) { e.claims.Audience = "brevet:" + string(i.Account.ID) + ":" + strings.Repeat("a", 26) })
		if pr.p.Foreign == "" {
			pr.check("other customer's issuer", "refused", func() (brevet.CheckResult, string) {
				return brevet.CheckUnknown, "there is no other customer whose issuer could be tried"
			})
		} else {
			refused("other customer's issuer", func(e *entry) { e.claims.Customer = pr.p.Foreign })
		}
	} else {
		refused("no external id", func(e *entry) { e.externalID = "" })
		refused("wrong external id", func(e *entry) { e.externalID = strings.Repeat("a", 26) })
	}
	refused("tag of another role", tag(brevet.TagRole, "Another"))
	refused("MFA too old", tag(brevet.TagMFA, pr.stale()))
	refused("wrong contract", tag(brevet.TagContract, strconv.Itoa(i.Account.Contract+1)))
	refused("no grant tag", func(e *entry) { delete(e.claims.Tags, brevet.TagGrant) })
	refused("foreign tag key", tag("team", "probe"))
	refused("no source identity", func(e *entry) { e.claims.SourceIdentity = "" })
}

// stale is a rung that the role's trust policy must not admit.
func (pr *prober) stale() string {
	for _, r := range pr.p.Roles {
		if r.Name != pr.p.Issue.Role {
			continue
		}
		for _, rung := range brevet.Rungs {
			if rung.Age() > r.MFA.Age() {
				return string(rung)
			}
		}
	}
	return "48h"
}

// refused makes one attempt that must fail, by a clear word of AWS.
func (pr *prober) refused(ctx context.Context, name string, wrong func(*entry)) {
	pr.check(name, "refused", func() (brevet.CheckResult, string) {
		cred, err := pr.attempt(ctx, nothing, wrong)
		switch {
		case err == nil:
			return brevet.CheckMiss, "AWS made a session, " + cred.AccessKeyID + ", which may do nothing"
		case brevet.KindOf(err) == brevet.CloudRefused && pr.shut:
			return brevet.CheckUnknown, "refused, but so is the allowed way"
		case brevet.KindOf(err) == brevet.CloudRefused:
			return brevet.CheckOK, strings.TrimPrefix(brevet.AsError(err).Message, "AWS said no: ")
		}
		return brevet.CheckUnknown, said(err)
	})
}

// attempt makes one attempt to begin a session, on record.
func (pr *prober) attempt(ctx context.Context, policy string, wrong func(*entry)) (*brevet.Credential, error) {
	id, done, err := pr.p.Begin()
	if err != nil {
		return nil, err
	}
	i := pr.p.Issue
	i.Session, i.SessionPolicy = id, policy
	e := entry{claims(i), i.Account.ExternalID}
	wrong(&e)
	cred, err := pr.c.enter(ctx, i, e)
	if failed := done(cred, err); failed != nil {
		return nil, failed
	}
	return cred, err
}

// enter is Issue with what the token or the call says given as it is.
func (c *Cloud) enter(ctx context.Context, i brevet.Issue, e entry) (*brevet.Credential, error) {
	form, err := c.form(i)
	if err != nil {
		return nil, err
	}
	if i.Account.Broker != "" {
		e.write(form)
	}
	var doubt bool
	for n := 1; ; n++ {
		var p proof
		if i.Account.Broker != "" {
			p.own, err = c.own.open(ctx)
		} else {
			p.token, err = c.cfg.Token(ctx, e.claims)
		}
		if err != nil {
			return nil, unasked(err, doubt)
		}
		cred, no := c.ask(ctx, i.Account, form, p)
		if no == nil {
			return &cred, nil
		}
		doubt = doubt || no.doubt
		if !no.again || n == attempts || ctx.Err() != nil || c.cfg.Wait(ctx, pause(n)) != nil {
			return nil, no.error(i.Account, doubt)
		}
	}
}

// write puts the entry in place of what a right call of AssumeRole says.
func (e entry) write(form url.Values) {
	for key := range form {
		if strings.HasPrefix(key, "Tags.member.") {
			delete(form, key)
		}
	}
	for n, key := range slices.Sorted(maps.Keys(e.claims.Tags)) {
		member := "Tags.member." + strconv.Itoa(n+1)
		form.Set(member+".Key", key)
		form.Set(member+".Value", e.claims.Tags[key])
	}
	for name, v := range map[string]string{"SourceIdentity": e.claims.SourceIdentity, "ExternalId": e.externalID} {
		if form.Set(name, v); v == "" {
			form.Del(name)
		}
	}
}

// outside says what can be told of a customer's side from without: AWS says
// whether the account knows the issuer, and nothing else.
func (pr *prober) outside(no error) {
	pr.check("stack", "deployed", func() (brevet.CheckResult, string) {
		text := brevet.AsError(no).Message
		switch {
		case brevet.KindOf(no) != brevet.CloudRefused:
			return brevet.CheckUnknown, "AWS gave no clear answer"
		case strings.Contains(text, "No OpenIDConnect provider found"):
			return brevet.CheckMiss, fmt.Sprintf("account %s does not know brevet's issuer: the customer has deleted the stack, or never deployed it", pr.p.Account.Name)
		case strings.Contains(text, "AccessDenied"):
			return brevet.CheckMiss, "the customer has frozen or deleted the stack, or changed whom its roles trust: from outside these look alike"
		}
		return brevet.CheckUnknown, "it cannot be told from outside"
	})
	for _, name := range []string{"contract", "roles", "rules", "trail", "alert mail", "canary"} {
		pr.check(name, "seen from inside", func() (brevet.CheckResult, string) { return brevet.CheckUnknown, "there was no way in" })
	}
}

// serviceEndpoint is AWS's own endpoint of a service.
func serviceEndpoint(service, region, partition string) string {
	if service == "iam" {
		return iamAt[partition].endpoint
	}
	return "https://" + service + "." + region + "." + domains[partition].api
}

// iamAt is where IAM, which has no regions, is called, and the region that
// calls are signed for (https://docs.aws.amazon.com/general/latest/gr/iam-service.html).
var iamAt = map[string]struct{ endpoint, region string }{
	"aws":        {"https://iam.amazonaws.com", "us-east-1"},
	"aws-cn":     {"https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"},
	"aws-us-gov": {"https://iam.us-gov.amazonaws.com", "us-gov-west-1"},
	"aws-eusc":   {"https://iam.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"},
}

// canaryPause is how long a probe waits between two looks for its canary.
const canaryPause = 2 * time.Second
