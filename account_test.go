package brevet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

func TestParseTarget(t *testing.T) {
	for _, s := range []string{"acme-prod/Admin", "444455556666/ReadOnly", "a/b", strings.Repeat("a", 63) + "/" + strings.Repeat("r", 40)} {
		if target, err := brevet.ParseTarget(s); target.String() != s || err != nil {
			t.Errorf("%q: %q, %v", s, target, err)
		}
	}
	for _, s := range []string{"", "/", "acme-prod", "acme-prod/", "/Admin", "acme-prod/Admin/", "a/b/c", "acme prod/Admin", "acme-prod/Admin\n", "\nacme-prod/Admin",
		"-acme/Admin", ".acme/Admin", "acme/1Admin", "acme/-Admin", "acme/Ad.min", "acmé/Admin", "acme/Admin\x00", "acme/\u202eAdmin", "*/Admin", "acme/*",
		strings.Repeat("a", 64) + "/r", "a/" + strings.Repeat("r", 41), strings.Repeat("a/", 1<<19)} {
		target, err := brevet.ParseTarget(s)
		if brevet.KindOf(err) != brevet.Invalid || target != (brevet.Target{}) || brevet.AsError(err).Hint == "" || len(err.Error()) > 200 {
			t.Errorf("%.40q: %q, %v", s, target, err)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"acme-prod/Admin", "444455556666/ReadOnly", "a/b/c", "/", "acme/Admin\n", "acme\x1b[0m/Admin"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		target, err := brevet.ParseTarget(s)
		if err != nil {
			checkShown(t, err.Error())
			return
		}
		if target.String() != s || len(s) > 104 || strings.Count(s, "/") != 1 || strings.ContainsAny(s, " \t\r\n\"'`$\\*?[]{}") {
			t.Errorf("%q is a target", s)
		}
	})
}

func TestLongestSession(t *testing.T) {
	if got := (brevet.Account{}).LongestSession(); got != 12*time.Hour {
		t.Errorf("by the OIDC provider: %s", got)
	}
	if got := (brevet.Account{Broker: "arn:aws:iam::999999999999:role/brevet-broker"}).LongestSession(); got != time.Hour {
		t.Errorf("by the broker's role: %s", got)
	}
}

func TestRoleARN(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1": "arn:aws:iam::444455556666:role/brevet-Admin", "": "arn:aws:iam::444455556666:role/brevet-Admin",
		"cn-north-1": "arn:aws-cn:iam::444455556666:role/brevet-Admin", "us-gov-west-1": "arn:aws-us-gov:iam::444455556666:role/brevet-Admin",
		"eusc-de-east-1": "arn:aws-eusc:iam::444455556666:role/brevet-Admin",
	} {
		if got := (brevet.Account{ID: "444455556666", Region: region, Prefix: "brevet-"}).RoleARN("Admin"); got != want {
			t.Errorf("%q: %s", region, got)
		}
	}
}
