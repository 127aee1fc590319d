package stack_test

import (
	"encoding/json"
	"testing"

	"github.com/brevet-access/brevet/stack"
)

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

const event = `{"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "resources": ["arn:a", "arn:b"],
	"detail": {"instance-id": "i-1", "state": "terminated", "count": 5, "none": null, "ok": true, "image": "photo.PNG", "empty": [],
	"list": [{"a": "x", "b": "y"}, {"a": "z"}], "arn": "arn:aws:sts::1:assumed-role/brevet-Admin/x"}}`

// The comparisons of the EventBridge user guide, "Create event patterns" and
// "Comparison operators".
func TestMatchEvent(t *testing.T) {
	for _, c := range []struct {
		pattern string
		want    bool
	}{
		{`{"source": ["aws.ec2"]}`, true},
		{`{"source": ["aws.s3", "aws.ec2"]}`, true},
		{`{"source": ["aws.EC2"]}`, false},
		{`{"source": ["aws.s3"]}`, false},
		{`{"resources": ["arn:b"]}`, true},
		{`{"resources": ["arn:c"]}`, false},
		{`{"detail": {"state": ["terminated"], "instance-id": ["i-1"]}}`, true},
		{`{"detail": {"state": ["terminated"], "instance-id": ["i-2"]}}`, false},
		{`{"detail": {"nope": ["x"]}}`, false},
		{`{"detail": {"state": {"deeper": ["x"]}}}`, false},
		{`{"detail": {"none": [null]}}`, true},
		{`{"detail": {"state": [null]}}`, false},
		{`{"detail": {"ok": [true]}}`, true},
		{`{"detail": {"ok": ["true"]}}`, false},
		{`{"detail": {"count": [5]}}`, true},
		{`{"detail": {"count": ["5"]}}`, false},
		{`{"detail": {"state": [{"prefix": "term"}]}}`, true},
		{`{"detail": {"state": [{"prefix": "Term"}]}}`, false},
		{`{"detail": {"state": [{"prefix": {"equals-ignore-case": "TERM"}}]}}`, true},
		{`{"detail": {"image": [{"suffix": ".PNG"}]}}`, true},
		{`{"detail": {"image": [{"suffix": ".png"}]}}`, false},
		{`{"detail": {"image": [{"suffix": {"equals-ignore-case": ".png"}}]}}`, true},
		{`{"detail": {"state": [{"equals-ignore-case": "TERMINATED"}]}}`, true},
		{`{"detail": {"state": [{"equals-ignore-case": "TERM"}]}}`, false},
		{`{"detail": {"state": [{"anything-but": "running"}]}}`, true},
		{`{"detail": {"state": [{"anything-but": ["running", "terminated"]}]}}`, false},
		{`{"detail": {"state": [{"anything-but": {"prefix": "term"}}]}}`, false},
		{`{"detail": {"state": [{"anything-but": {"prefix": ["run", "stop"]}}]}}`, true},
		{`{"detail": {"state": [{"anything-but": {"suffix": "ing"}}]}}`, true},
		{`{"detail": {"state": [{"anything-but": {"wildcard": "*nat*"}}]}}`, false},
		{`{"detail": {"state": [{"anything-but": {"equals-ignore-case": ["TERMINATED"]}}]}}`, false},
		{`{"detail": {"count": [{"anything-but": [5, 6]}]}}`, false},
		{`{"detail": {"nope": [{"anything-but": "x"}]}}`, false},
		{`{"detail": {"count": [{"numeric": [">", 0, "<=", 5]}]}}`, true},
		{`{"detail": {"count": [{"numeric": ["<", 5]}]}}`, false},
		{`{"detail": {"count": [{"numeric": ["=", 5]}]}}`, true},
		{`{"detail": {"count": [{"numeric": [">=", 6]}]}}`, false},
		{`{"detail": {"state": [{"numeric": ["=", 5]}]}}`, false},
		{`{"detail": {"state": [{"exists": true}]}}`, true},
		{`{"detail": {"state": [{"exists": false}]}}`, false},
		{`{"detail": {"nope": [{"exists": false}]}}`, true},
		{`{"nope": {"nope": [{"exists": false}]}}`, true},
		{`{"detail": {"nope": [{"exists": true}]}}`, false},
		{`{"detail": {"empty": [{"exists": true}]}}`, false},
		{`{"detail": [{"exists": true}]}`, false},
		{`{"detail": {"arn": [{"wildcard": "arn:aws:sts::*:assumed-role/brevet-*/*"}]}}`, true},
		{`{"detail": {"arn": [{"wildcard": "arn:aws:sts::*:assumed-role/other-*/*"}]}}`, false},
		{`{"detail": {"arn": [{"wildcard": "*\\*"}]}}`, false},
		{`{"detail": {"list": {"a": ["z"]}}}`, true},
		{`{"detail": {"list": {"a": ["z"], "b": ["y"]}}}`, false},
		{`{"detail": {"list": {"a": ["x"], "b": ["y"]}}}`, true},
		{`{"$or": [{"source": ["aws.s3"]}, {"detail": {"count": [5]}}]}`, true},
		{`{"$or": [{"source": ["aws.s3"]}, {"detail": {"count": [6]}}]}`, false},
		{`{"detail": {"state": ["terminated"], "$or": [{"count": [6]}, {"ok": [true]}]}}`, true},
		{`{"detail": {"state": ["running"], "$or": [{"count": [6]}, {"ok": [true]}]}}`, false},
	} {
		if got := stack.MatchEvent(object(t, c.pattern), object(t, event)); got != c.want {
			t.Errorf("%s: %v", c.pattern, got)
		}
		if err := stack.CheckPattern(object(t, c.pattern)); err != nil {
			t.Errorf("%s: %v", c.pattern, err)
		}
	}
}

// What EventBridge refuses matches nothing.
func TestCheckPattern(t *testing.T) {
	for _, p := range []string{`{}`, `{"source": "aws.ec2"}`, `{"source": []}`, `{"source": [["aws.ec2"]]}`, `{"source": [{"prefix": 1}]}`, `{"source": [{"prefix": "a", "suffix": "2"}]}`,
		`{"source": [{"nope": "a"}]}`, `{"source": [{"exists": "true"}]}`, `{"detail": {"count": [{"numeric": [">", 0, "<="]}]}}`, `{"detail": {"count": [{"numeric": ["!", 0]}]}}`,
		`{"detail": {"count": [{"numeric": []}]}}`, `{"source": [{"anything-but": []}]}`, `{"source": [{"anything-but": {"exists": true}}]}`, `{"source": [{"wildcard": "a**"}]}`,
		`{"$or": {"source": ["aws.ec2"]}}`, `{"$or": [{"source": ["aws.ec2"]}]}`, `{"$or": [{}, {"source": ["aws.ec2"]}]}`, `{"source": null}`, `{"source": [{}]}`} {
		if err := stack.CheckPattern(object(t, p)); err == nil {
			t.Errorf("%s is taken", p)
		}
		if stack.MatchEvent(object(t, p), object(t, event)) {
			t.Errorf("%s matches", p)
		}
	}
}

func FuzzMatchEvent(f *testing.F) {
	f.Add(`{"detail": {"arn": [{"wildcard": "arn:*:x"}], "$or": [{"a": [1]}, {"b": [{"exists": false}]}]}}`, event)
	f.Add(`{"a": [{"anything-but": {"prefix": ["x"]}}, {"numeric": [">", 0, "<", 5]}]}`, `{"a": [1, "x"]}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		var p, e map[string]any
		if json.Unmarshal([]byte(pattern), &p) != nil || json.Unmarshal([]byte(event), &e) != nil {
			return
		}
		if stack.MatchEvent(p, e) && stack.CheckPattern(p) != nil {
			t.Error("a pattern that is refused matches")
		}
	})
}
