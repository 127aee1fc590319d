package aws

import (
	"errors"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// paths are where an answer holds what.
type paths struct{ root, key, secret, token, expiration, user string }

var byWebIdentity, byRole = pathsOf("AssumeRoleWithWebIdentity"), pathsOf("AssumeRole")

func pathsOf(action string) paths {
	result := "/" + action + "Response/" + action + "Result"
	return paths{root: action + "Response", key: result + "/Credentials/AccessKeyId", secret: result + "/Credentials/SecretAccessKey",
		token: result + "/Credentials/SessionToken", expiration: result + "/Credentials/Expiration", user: result + "/AssumedRoleUser/Arn"}
}

// parseAnswer reads the credentials out of an answer of STS. Its errors quote
// nothing of the answer, which may hold secrets.
func parseAnswer(body []byte, at *paths, account string) (brevet.Credential, error) {
	var c brevet.Credential
	var expiration, user string
	err := pick(body, at.root, map[string]*string{at.key: &c.AccessKeyID, at.secret: &c.SecretAccessKey, at.token: &c.SessionToken,
		at.expiration: &expiration, at.user: &user})
	if err != nil {
		return brevet.Credential{}, err
	}
	expires, err := time.Parse(time.RFC3339, expiration)
	if err != nil {
		return brevet.Credential{}, errors.New("an STS answer without a time of expiry")
	}
	if !keyID(c.AccessKeyID) || !word(c.SecretAccessKey) || !word(c.SessionToken) {
		return brevet.Credential{}, errors.New("an STS answer without credentials")
	}
	if arn := strings.Split(user, ":"); len(arn) > 4 && arn[4] != account {
		return brevet.Credential{}, errors.New("an STS answer for another account")
	}
	c.Expires = brevet.Instant(expires)
	return c, nil
}

// keyID reports whether s can be an access key id: 16 to 128 of \w.
func keyID(s string) bool {
	const w = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
	return len(s) >= 16 && len(s) <= 128 && strings.Trim(s, w) == ""
}

// word reports whether s is printable ASCII without space: what fits an
// environment variable and a header.
func word(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
