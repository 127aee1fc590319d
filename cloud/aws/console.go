package aws

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/brevet-access/brevet"
)

// Console returns a URL that signs a browser in to the console with cred, and
// that is a secret for the 15 minutes for which AWS honours it. The session
// in the browser lasts as long as cred: no duration of its own is asked for,
// which would outlive the grant (IAM User Guide, "Enabling custom identity
// broker access to the AWS console"). destination is "" for the region's home
// page, a path of the console, or a URL of the console.
//
// Errors are of kind invalid (region, destination), cloud or unavailable.
func (c *Cloud) Console(ctx context.Context, cred brevet.Credential, region, destination string) (string, error) {
	if !regionName.MatchString(region) {
		return "", brevet.Errorf(brevet.Invalid, "%q is not a region", brevet.Printable(region))
	}
	to, err := c.destination(region, destination)
	if err != nil {
		return "", err
	}
	session, err := json.Marshal(map[string]string{
		"sessionId": cred.AccessKeyID, "sessionKey": cred.SecretAccessKey, "sessionToken": cred.SessionToken})
	if err != nil {
		return "", brevet.Errorf(brevet.Internal, "the console session cannot be written").WithCause(err)
	}
	signIn := c.signIn(region)
	token, err := c.signInToken(ctx, signIn, url.Values{"Action": {"getSigninToken"}, "Session": {string(session)}})
	if err != nil {
		return "", err
	}
	q := url.Values{"Action": {"login"}, "Destination": {to}, "SigninToken": {token}}
	if c.cfg.Issuer != "" {
		q.Set("Issuer", c.cfg.Issuer)
	}
	return signIn + "?" + q.Encode(), nil
}

// signInToken asks the federation endpoint. The form holds the credentials;
// it is posted, since URLs end up in logs.
func (c *Cloud) signInToken(ctx context.Context, signIn string, form url.Values) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	status, body, err := c.post(ctx, signIn, form, nil)
	if err != nil {
		return "", noConsole(noAnswer(err, "").cause)
	}
	if status >= 400 && status < 500 {
		return "", brevet.Errorf(brevet.CloudRefused, "AWS did not accept the session for the console (status %d)", status)
	}
	var answer struct{ SigninToken string }
	if err := json.Unmarshal(body, &answer); status != http.StatusOK || err != nil || !word(answer.SigninToken) {
		return "", noConsole(noSense(status, errors.New("no sign-in token")).cause)
	}
	return answer.SigninToken, nil
}

func noConsole(cause error) error {
	return brevet.Errorf(brevet.Unavailable, "the AWS sign-in service gave no usable answer").WithHint("try again").WithCause(cause)
}

func partitionOf(region string) string { return brevet.Account{Region: region}.Partition() }

// signIn returns the federation endpoint for a region.
func (c *Cloud) signIn(region string) string {
	if c.cfg.SignIn != "" {
		return c.cfg.SignIn
	}
	p := partitionOf(region)
	if p == "aws" {
		return "https://" + region + ".signin.aws.amazon.com/federation"
	}
	return "https://signin." + domains[p].console + "/federation"
}

// base returns the console's base URL for a region, without a final slash.
func (c *Cloud) base(region string) string {
	if c.cfg.Console != "" {
		return strings.TrimRight(c.cfg.Console, "/")
	}
	p := partitionOf(region)
	if p == "aws" {
		return "https://" + region + ".console.aws.amazon.com"
	}
	return "https://console." + domains[p].console
}

// destination returns where the browser goes once it is signed in: within the
// console, never anywhere else.
func (c *Cloud) destination(region, d string) (string, error) {
	base := c.base(region)
	if d == "" {
		return base + "/console/home?region=" + region, nil
	}
	bad := brevet.Errorf(brevet.Invalid, "destination: %q is not a page of the AWS console", brevet.Printable(clip(d, 200))).
		WithHint("write a path such as /s3/home, or a URL under %s", base)
	if len(d) > 2000 || !word(d) || strings.Contains(d, `\`) {
		return "", bad
	}
	u, err := url.Parse(d)
	if err != nil || u.User != nil || u.Opaque != "" {
		return "", bad
	}
	if u.Host == "" && u.Scheme == "" && strings.HasPrefix(d, "/") && !strings.HasPrefix(d, "//") {
		return base + d, nil
	}
	own, err := url.Parse(base)
	if err != nil {
		return "", bad
	}
	suffix := ".console." + domains[partitionOf(region)].console
	if u.Scheme == own.Scheme && u.Host == own.Host || u.Scheme == "https" && strings.HasSuffix("."+u.Host, suffix) {
		return d, nil
	}
	return "", bad
}
