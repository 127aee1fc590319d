package aws_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/cloud/aws"
)

func TestSessionPolicy(t *testing.T) {
	end := time.Date(2026, 9, 1, 15, 12, 0, 999_999_000, time.FixedZone("", 2*60*60))
	const deny = `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-09-01T13:12:00Z"}}}]}`
	const list = `{"Sid":"a","Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::logs"}`
	for narrow, want := range map[string]string{
		"": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},` + deny,
		`{"Version":"2012-10-17","Statement":` + list + `}`:                                          `{"Version":"2012-10-17","Statement":[` + list + "," + deny,
		"{ \"Version\": \"2012-10-17\",\n \"Id\": \"x\", \"Statement\": [ " + list + " ] }\n":        `{"Version":"2012-10-17","Statement":[` + list + "," + deny,
		`{"Version":"2012-10-17","Statement":[` + list + "," + list + `]}`:                           `{"Version":"2012-10-17","Statement":[` + list + "," + list + "," + deny,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}]}`: `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":"s3:*","Resource":"*"},` + deny,
	} {
		got, err := aws.SessionPolicy(end, narrow)
		if err != nil || got != want {
			t.Errorf("narrow %s\ngot  %s, %v\nwant %s", narrow, got, err, want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("not JSON: %s", got)
		}
	}
}

// A narrowing policy that cannot be told to narrow is refused, never dropped.
func TestBadSessionPolicies(t *testing.T) {
	const s = `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
	for name, narrow := range map[string]string{
		"blank":             " ",
		"no JSON":           "allow all",
		"no object":         `[` + s + `]`,
		"cut":               `{"Version":"2012-10-17","Statement":[` + s,
		"more":              `{"Version":"2012-10-17","Statement":[` + s + `]} {}`,
		"old version":       `{"Version":"2008-10-17","Statement":[` + s + `]}`,
		"no version":        `{"Statement":[` + s + `]}`,
		"no statement":      `{"Version":"2012-10-17"}`,
		"null statement":    `{"Version":"2012-10-17","Statement":null}`,
		"empty":             `{"Version":"2012-10-17","Statement":[]}`,
		"list in list":      `{"Version":"2012-10-17","Statement":[[` + s + `]]}`,
		"text":              `{"Version":"2012-10-17","Statement":["x"]}`,
		"other key":         `{"Version":"2012-10-17","Statement":[` + s + `],"Comment":"x"}`,
		"lower case":        `{"Version":"2012-10-17","statement":[` + s + `]}`,
		"twice":             `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}],"Statement":[` + s + `]}`,
		"effect twice":      `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}]}`,
		"no effect":         `{"Version":"2012-10-17","Statement":[{"Action":"*","Resource":"*"}]}`,
		"principal":         `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`,
		"breaks out":        `{"Version":"2012-10-17","Statement":[` + s + `]},{"Effect":"Allow"}`,
		"character":         `{"Version":"2012-10-17","Statement":[{"Sid":"\u4e2d","Effect":"Allow","Action":"*","Resource":"中"}]}`,
		"too long with end": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"` + strings.Repeat("x", 1900) + `"}]}`,
		"too long by far":   `{"Version":"2012-10-17","Statement":[` + strings.Repeat(s+",", 5000) + s + `]}`,
	} {
		if got, err := aws.SessionPolicy(now, narrow); !errors.Is(err, brevet.Invalid) || got != "" {
			t.Errorf("%s: %q, %v, want invalid", name, got, err)
		}
	}
}

// TestFits: what is promised when somebody asks holds when the session is
// made, to the character.
func TestFits(t *testing.T) {
	policy := func(n int) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::` + strings.Repeat("a", n) + `"}]}`
	}
	longest := 0
	for n := 1; n < 2100; n++ {
		_, err := aws.SessionPolicy(now, policy(n))
		if fits := aws.Fits(brevet.Account{}, "Data", policy(n)); (fits == nil) != (err == nil) {
			t.Fatalf("%d characters of resource: fits %v, session policy %v", n, fits, err)
		} else if fits == nil {
			longest = n
		}
	}
	err := aws.Fits(brevet.Account{}, "Data", policy(longest+7))
	if !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), ": 7 too many") || brevet.AsError(err).Hint == "" {
		t.Errorf("seven too many: %v", err)
	}
}
