package aws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/brevet-access/brevet"
)

// maxAnswer bounds what is read of an answer; STS's are under 4 KiB.
const maxAnswer = 64 << 10

// Issue has STS make one set of credentials. It asks at most three times,
// each with a fresh token or signature, where AWS says that trying again helps
// or says nothing that can be relied on. The session's name, source identity
// and tags follow from i; it lasts i.TTL, at least 900 s and at most what
// [brevet.Account.LongestSession] says, and works until i.End.
//
// Errors: [brevet.CloudRefused] - nothing was made; [brevet.Unavailable] - it
// is not known; [brevet.Invalid] and [brevet.NoGrant] - AWS was not asked.
func (c *Cloud) Issue(ctx context.Context, i brevet.Issue) (brevet.Credential, error) {
	form, err := c.form(i)
	if err != nil {
		return brevet.Credential{}, err
	}
	var doubt bool // an attempt may have made a session that nobody will get
	for n := 1; ; n++ {
		p, err := c.prove(ctx, i)
		if err != nil {
			return brevet.Credential{}, unasked(err, doubt)
		}
		cred, no := c.ask(ctx, i.Account, form, p)
		if no == nil {
			return cred, nil
		}
		doubt = doubt || no.doubt
		if !no.again || n == attempts || ctx.Err() != nil || c.cfg.Wait(ctx, pause(n)) != nil {
			return brevet.Credential{}, no.error(i.Account, doubt)
		}
	}
}

// unasked is the error when no proof could be had: after an earlier attempt
// in doubt it must not read as if nothing were made.
func unasked(err error, doubt bool) error {
	if doubt {
		return brevet.Errorf(brevet.Unavailable, "AWS could not be asked again").WithCause(err)
	}
	return err
}

// proof is what makes STS believe one attempt: a web-identity token, or the
// broker's own credentials.
type proof struct {
	token string
	own   *sdk.Credentials
}

// secret is what an answer must not be able to echo.
func (p proof) secret() string {
	if p.own == nil {
		return p.token
	}
	return p.own.SecretAccessKey + "\n" + p.own.SessionToken
}

func (c *Cloud) prove(ctx context.Context, i brevet.Issue) (p proof, err error) {
	if i.Account.Broker != "" {
		p.own, err = c.own.open(ctx)
		return p, err
	}
	p.token, err = c.cfg.Token(ctx, claims(i))
	return p, err
}

// form checks i and returns the call's parameters but for the token.
func (c *Cloud) form(i brevet.Issue) (url.Values, error) {
	switch {
	case !brevet.ValidAWSAccount(string(i.Account.ID)) || !brevet.ValidRole(string(i.Role)):
		return nil, brevet.Errorf(brevet.Invalid, "%q and %q do not name an account and a role", brevet.Printable(string(i.Account.ID)), brevet.Printable(string(i.Role)))
	case i.Account.Broker == "" && i.Account.Audience == "":
		return nil, brevet.Errorf(brevet.Invalid, "account %s has no audience", i.Account.Name).WithHint("brevet account add writes one")
	case i.Account.Broker != "" && i.Account.ExternalID == "": // AWS would let the broker in without one where a stack forgot to ask
		return nil, brevet.Errorf(brevet.Invalid, "account %s has no external_id", i.Account.Name).WithHint("brevet customer add writes one")
	case !regionName.MatchString(i.Account.Region):
		return nil, brevet.Errorf(brevet.Invalid, "account %s: %q is not a region", i.Account.Name, brevet.Printable(i.Account.Region))
	case i.MFA.Age() == 0 && i.MFA != brevet.RungBreakGlass || i.Person == "" || i.Grant == "":
		return nil, brevet.Errorf(brevet.Invalid, "a session needs a person, a grant and a multi-factor proof")
	case !c.cfg.Now().Before(i.End):
		return nil, brevet.Errorf(brevet.NoGrant, "grant %s is over", i.Grant)
	}
	for _, h := range []brevet.Handle{i.Handle, i.SourceIdentity()} {
		if _, err := brevet.ParseHandle(string(h)); err != nil {
			return nil, err
		}
	}
	policy, err := SessionPolicy(i.End, errand(i))
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"Action":          {"AssumeRoleWithWebIdentity"},
		"Version":         {"2011-06-15"},
		"RoleArn":         {i.Account.RoleARN(i.Role)},
		"RoleSessionName": {i.SessionName()},
		"DurationSeconds": {strconv.Itoa(seconds(i.TTL, i.Account.LongestSession()))},
		"Policy":          {policy},
	}
	if i.Account.Broker != "" {
		assumeRole(form, i)
	}
	return form, nil
}

// seconds returns the duration to ask for, within AWS's bounds.
func seconds(ttl, longest time.Duration) int {
	return int(min(max(ttl, brevet.MinSession), longest) / time.Second)
}

// claims returns what the token says.
func claims(i brevet.Issue) brevet.Claims {
	return brevet.Claims{
		Customer:       i.Account.Customer,
		Audience:       i.Account.Audience,
		Subject:        string(i.Person),
		SourceIdentity: string(i.SourceIdentity()),
		Tags:           tags(i),
	}
}

// tags returns those that every trust policy of a stack requires.
func tags(i brevet.Issue) map[string]string {
	return map[string]string{
		brevet.TagRole:     string(i.Role),
		brevet.TagGrant:    string(i.Grant),
		brevet.TagMFA:      string(i.MFA),
		brevet.TagContract: strconv.Itoa(i.Account.Contract),
	}
}

// ask makes one attempt.
func (c *Cloud) ask(ctx context.Context, a brevet.Account, form url.Values, p proof) (brevet.Credential, *refusal) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	paths := &byWebIdentity
	var sign func(*http.Request, []byte) error
	if p.own != nil {
		paths = &byRole
		sign = func(r *http.Request, body []byte) error { return c.sign(r, body, *p.own, a.Region) }
	} else {
		form.Set("WebIdentityToken", p.token)
	}
	status, body, err := c.post(ctx, c.cfg.STS(a.Region, a.Partition())+"/", form, sign)
	if err != nil {
		return brevet.Credential{}, noAnswer(err, p.secret())
	}
	if status == http.StatusOK {
		cred, err := parseAnswer(body, paths, string(a.ID))
		if err != nil {
			return brevet.Credential{}, noSense(status, err)
		}
		return cred, nil
	}
	no := parseRefusal(status, body, p.secret())
	if p.own != nil && stale[no.code] { // the next attempt gets them anew
		c.own.empty()
		no.again = true
	}
	return brevet.Credential{}, no
}

// post sends a form, signed if sign is not nil, and returns the answer's status and at most maxAnswer
// bytes of it. A longer answer is an error.
func (c *Cloud) post(ctx context.Context, to string, form url.Values, sign func(*http.Request, []byte) error) (int, []byte, error) {
	text := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "brevet")
	if sign != nil {
		if err := sign(req, []byte(text)); err != nil {
			return 0, nil, err
		}
	}
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errors.New("the answer is too long")
	}
	return res.StatusCode, body, err
}
