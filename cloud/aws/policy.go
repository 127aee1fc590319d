package aws

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
)

// MaxPolicy is how many characters a session policy may have (STS API,
// AssumeRoleWithWebIdentity, Policy).
const MaxPolicy = 2048

const allowAll = `{"Effect":"Allow","Action":"*","Resource":"*"}`

// SessionPolicy returns the policy that every session carries: what the role
// allows, until end, rounded down to whole seconds. narrow is "" or a policy
// document; then a session may do only what it, too, allows. Its statements
// stand beside the one that ends the session, so both hold. It must be of
// version 2012-10-17 (an older one would change its meaning here), and the
// whole at most [MaxPolicy] characters; else the error is of kind invalid.
func SessionPolicy(end time.Time, narrow string) (string, error) {
	allow := allowAll
	if narrow != "" {
		var err error
		if allow, err = statements(narrow); err != nil {
			return "", err
		}
	}
	policy := `{"Version":"2012-10-17","Statement":[` + allow +
		`,{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"` +
		end.UTC().Truncate(time.Second).Format(time.RFC3339) + `"}}}]}`
	if n := utf8.RuneCountInString(policy); n > MaxPolicy {
		return "", brevet.Errorf(brevet.Invalid, "session policy: %d characters with the grant's end are too many; at most %d", n, MaxPolicy)
	}
	return policy, nil
}

// Fits says whether a session of the role can carry narrow beside what brevet
// adds: at most [MaxPolicy] characters of policy text (STS API). AWS packs
// policy, tags and source identity into a second limit that it does not tell;
// what goes over that is refused when the session is made. The error is of
// kind invalid and says how much is too much.
func Fits(_ brevet.Account, _ brevet.RoleName, narrow string) error {
	bare, err := SessionPolicy(time.Time{}, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
	if err != nil {
		return err
	}
	added := utf8.RuneCountInString(bare) - len(`{"Effect":"Deny","Action":"*","Resource":"*"}`)
	inner, err := statements(narrow)
	if err != nil {
		return err
	}
	if n := utf8.RuneCountInString(inner) + added; n > MaxPolicy {
		return brevet.Errorf(brevet.Invalid, "only: the session policy has %d characters, %d of them for the grant's end, and AWS takes %d: %d too many",
			n, added, MaxPolicy, n-MaxPolicy).WithHint("name fewer actions or resources, or use wildcards (s3:Get*, BUCKET/2026-*)")
	}
	return nil
}

func badPolicy(format string, args ...any) *brevet.Error {
	return brevet.Errorf(brevet.Invalid, "session policy: "+format, args...)
}

// statements returns the statements of a policy document, compact and
// otherwise as they were written, separated by commas.
func statements(policy string) (string, error) {
	doc, err := object([]byte(policy))
	if err != nil {
		return "", badPolicy("not a policy document").WithCause(err)
	}
	for k := range doc {
		if k != "Version" && k != "Id" && k != "Statement" {
			return "", badPolicy("%q is not part of a policy", brevet.Printable(k))
		}
	}
	if string(doc["Version"]) != `"2012-10-17"` {
		return "", badPolicy(`Version must be "2012-10-17"`)
	}
	list := []json.RawMessage{doc["Statement"]}
	if bytes.HasPrefix(doc["Statement"], []byte("[")) {
		if err := json.Unmarshal(doc["Statement"], &list); err != nil {
			return "", badPolicy("Statement is not a list").WithCause(err)
		}
	}
	if len(list) == 0 {
		return "", badPolicy("no statement")
	}
	var out []string
	for i, raw := range list {
		text, err := statement(raw)
		if err != nil {
			return "", badPolicy("Statement[%d]: %s", i, err.Error())
		}
		out = append(out, text)
	}
	return strings.Join(out, ","), nil
}

// statement checks that raw can stand in a session policy as far as that can
// be told without evaluating it, and returns it compact.
func statement(raw []byte) (string, error) {
	s, err := object(raw)
	if err != nil {
		return "", brevet.Errorf(brevet.Invalid, "not an object").WithCause(err)
	}
	if e := string(s["Effect"]); e != `"Allow"` && e != `"Deny"` {
		return "", brevet.Errorf(brevet.Invalid, "Effect must be Allow or Deny")
	}
	if s["Principal"] != nil || s["NotPrincipal"] != nil {
		return "", brevet.Errorf(brevet.Invalid, "a session policy names no principal")
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return "", err
	}
	for _, r := range b.String() {
		if r == utf8.RuneError || r < ' ' || r > 0xFF { // the charset of the parameter
			return "", brevet.Errorf(brevet.Invalid, "character U+%04X is not allowed; write it as an escape", r)
		}
	}
	return b.String(), nil
}

// object reads a JSON object, refusing keys that are written twice: which of
// them AWS takes is not for us to guess.
func object(text []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, brevet.Errorf(brevet.Invalid, "not an object").WithCause(err)
	}
	out := map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		if _, twice := out[key]; twice {
			return nil, brevet.Errorf(brevet.Invalid, "a key stands twice")
		}
		out[key] = v
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if dec.InputOffset() != int64(len(bytes.TrimRight(text, " \t\r\n"))) {
		return nil, brevet.Errorf(brevet.Invalid, "something follows the object")
	}
	return out, nil
}
