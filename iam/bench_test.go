package iam_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/brevet-access/brevet/iam"
)

// A role with 20 policies, as many as AWS attaches: AWS's own documents that
// package stack holds (ReadOnlyAccess among them, 2 900 actions), filled up
// with statements under conditions. The request is allowed by the last.
func twenty(b *testing.B) iam.Input {
	files, err := filepath.Glob("../stack/managed/*.json")
	if err != nil {
		b.Fatal(err)
	}
	more, err := filepath.Glob("../stack/managed/job-function/*.json")
	if err != nil {
		b.Fatal(err)
	}
	var in iam.Input
	for _, file := range append(files, more...) {
		if filepath.Base(file) == "AdministratorAccess.json" || filepath.Base(file) == "PowerUserAccess.json" {
			continue // they would allow at once
		}
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		in.Identity = append(in.Identity, mustParse(b, string(text)))
	}
	for i := len(in.Identity); i < 20; i++ {
		in.Identity = append(in.Identity, policy(b, fmt.Sprintf(`"Effect":"Allow","Action":["brevet:Do*","x%d:*"],"Resource":"arn:aws:brevet:*:*:thing/${aws:PrincipalTag/brevet-role}/*",
			"Condition":{"StringEquals":{"aws:PrincipalTag/team":"%d"},"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]},"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}`, i, i)))
	}
	in.Session = []*iam.Policy{policy(b, allowAll, `"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-11-21T03:00:00Z"}}`)}
	in.Request = iam.Request{Caller: session, Action: "brevet:DoIt", Resource: "arn:aws:brevet:eu-west-1:111122223333:thing/Admin/1",
		Context: iam.NewContext(map[string][]string{"aws:PrincipalTag/team": {"19"}, "aws:PrincipalTag/brevet-role": {"Admin"},
			"aws:SourceIp": {"10.1.2.3"}, "aws:CurrentTime": {"2026-11-21T02:00:00Z"}})}
	return in
}

func BenchmarkEvaluate(b *testing.B) {
	in := twenty(b)
	denied := in
	denied.Request.Action = "cloudhsm:DeleteCluster"
	for name, c := range map[string]struct {
		in   iam.Input
		want iam.Decision
	}{"allowed by the last": {in, iam.Allow}, "not allowed": {denied, iam.ImplicitDeny}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := iam.Evaluate(c.in); got.Decision != c.want {
					b.Fatalf("%+v", got)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "evaluations/s")
		})
	}
}

func BenchmarkParse(b *testing.B) {
	text, err := os.ReadFile("../stack/managed/job-function/ViewOnlyAccess.json")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := iam.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if !iam.Match("arn:aws:s3:::*/logs/*/2026-??-*", "arn:aws:s3:::brevet-bucket/logs/eu-west-1/2026-11-21-something.json", false) {
			b.Fatal("no match")
		}
	}
}
