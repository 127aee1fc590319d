package stack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brevet-access/brevet/iam"
	"github.com/brevet-access/brevet/stack"
)

// python is the program that runs the function, skipping the test without it.
func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: python3 is missing: the revoker has not run")
	}
	return path
}

type step struct {
	At     string            `json:"at"`
	Event  any               `json:"event"`
	Shells map[string]string `json:"shells,omitempty"` // that are open: their ids by owner
}

type revoked struct {
	Answer *struct {
		Held      []string
		Full      bool
		People    []string
		Everybody bool
		Shells    int
		Trouble   string
	}
	Error    string
	Policy   json.RawMessage
	Version  string
	Versions int
	Shells   []string // left open, by owner
}

// revoke calls the function as the template holds it, which begins with the
// policy that the template holds.
func revoke(t *testing.T, steps []step, args ...string) []revoked {
	t.Helper()
	d := deploy(t, string(generate(t, side(), "access.yaml")), map[string]string{"Revoker": "true"})
	function, _ := d.Resource("RevokerFunction")
	policy, _ := d.Resource("Revocations")
	code, _ := function.Properties["Code"].(map[string]any)["ZipFile"].(string)
	file := filepath.Join(t.TempDir(), "index.py")
	if err := os.WriteFile(file, []byte(code), 0o666); err != nil {
		t.Fatal(err)
	}
	var in bytes.Buffer
	e := json.NewEncoder(&in)
	if err := e.Encode(policy.Properties["PolicyDocument"]); err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(python(t), append([]string{filepath.Join("testdata", "revoker", "run.py"), file}, args...)...)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		var stderr []byte
		if x, ok := err.(*exec.ExitError); ok {
			stderr = x.Stderr
		}
		t.Fatalf("%v\n%s", err, stderr)
	}
	var all []revoked
	for line := range bytes.Lines(out) {
		var r revoked
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, r)
	}
	if len(all) != len(steps) {
		t.Fatalf("%d answers to %d calls", len(all), len(steps))
	}
	return all
}

func id(n int) string { return fmt.Sprintf("gr_01jd5w2a2b3c4d5e6f7g8h%04d", n) }

func ids(from, to int) []string {
	var out []string
	for n := from; n < to; n++ {
		out = append(out, id(n))
	}
	return out
}

func asks(grants any) any { return map[string]any{"grants": grants} }

// stops reports whether the policy refuses a session of the grant.
func (r revoked) stops(t *testing.T, grant string) bool {
	t.Helper()
	p, err := iam.Parse(r.Policy)
	if err != nil {
		t.Fatal(err)
	}
	return iam.Evaluate(iam.Input{Identity: []*iam.Policy{p}, Request: iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k",
		Caller: iam.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/brevet-SRE/x"}, Context: iam.Context{"aws:PrincipalTag/brevet-grant": {grant}}}}).Decision == iam.ExplicitDeny
}

const monday, tuesday, wednesday = "2026-11-23T23:59:00+00:00", "2026-11-24T12:00:00+00:00", "2026-11-25T00:01:00+00:00"

func TestRevokerStopsGrants(t *testing.T) {
	got := revoke(t, []step{
		{At: monday, Event: asks([]string{id(1)})},
		{At: monday, Event: asks([]string{id(1)})},           // again: nothing new
		{At: tuesday, Event: asks([]string{id(2), id(1)})},   // another day
		{At: tuesday, Event: asks([]string{id(3)})},          // the same day
		{At: wednesday, Event: asks([]string{id(4), id(4)})}, // Monday's entry is dead
	})
	for i, want := range [][]int{{1}, {1}, {1, 2}, {1, 2, 3}, {2, 3, 4}} {
		r := got[i]
		for n := 1; n <= 4; n++ {
			if stops := slices.Contains(want, n); r.stops(t, id(n)) != stops || r.Answer == nil || r.Answer.Full || slices.Contains(r.Answer.Held, id(n)) != stops {
				t.Errorf("call %d: %s, %+v; grant %d is stopped: want %t", i, r.Policy, r.Answer, n, stops)
			}
		}
		if r.stops(t, id(9)) || r.stops(t, "none ") {
			t.Errorf("call %d stops a neighbour: %s", i, r.Policy)
		}
	}
	if got[0].Version != "v2" || got[1].Version != "v2" || got[2].Version != "v3" {
		t.Errorf("versions %s, %s, %s: a call that changes nothing writes nothing", got[0].Version, got[1].Version, got[2].Version)
	}
}

func TestRevokerTakesGrantsOnly(t *testing.T) {
	bad := []any{
		nil, "gr", []string{id(1)}, map[string]any{}, asks(nil), asks(id(1)), asks([]string{}), asks(ids(0, 101)),
		asks([]any{1}), asks([]any{[]string{id(1)}}), asks([]string{"*"}), asks([]string{"gr_*"}), asks([]string{id(1) + "\n"}),
		asks([]string{"pr_" + id(1)[3:]}), asks([]string{strings.ToUpper(id(1))}), asks([]string{id(1) + "0"}),
		asks([]string{id(1), "${aws:PrincipalTag/brevet-grant}"}), asks([]string{`gr_"],"Effect":"Allow`}),
		map[string]any{"grants": []string{id(1)}, "effect": "Allow"}, map[string]any{"forget": []string{id(1)}},
		map[string]any{"Records": []string{id(1)}},
	}
	var steps []step
	for _, event := range bad {
		steps = append(steps, step{At: monday, Event: event})
	}
	for i, r := range revoke(t, steps) {
		if r.Error == "" || r.Version != "v1" || r.Answer != nil {
			t.Errorf("%v: %+v", bad[i], r)
		}
	}
}

// IAM keeps five versions, and takes 6144 characters.
func TestRevokerAtTheLimits(t *testing.T) {
	var steps []step
	for n := range 10 {
		steps = append(steps, step{At: monday, Event: asks([]string{id(n)})})
	}
	steps = append(steps, step{At: monday, Event: asks(ids(100, 200))}, step{At: monday, Event: asks(ids(200, 300))}, step{At: monday, Event: asks(ids(200, 210))})
	got := revoke(t, steps)
	for i, r := range got[:11] {
		if r.Versions > 5 || r.Version != fmt.Sprintf("v%d", i+2) || r.Answer.Full {
			t.Errorf("call %d: %d versions, %s rules, %+v", i, r.Versions, r.Version, r.Answer)
		}
	}
	full := got[11]
	if !full.Answer.Full || full.Version != got[10].Version || !full.stops(t, id(0)) || !full.stops(t, id(199)) || full.stops(t, id(200)) || slices.Contains(full.Answer.Held, id(200)) {
		t.Errorf("a full policy: %+v, version %s", full.Answer, full.Version)
	}
	if some := got[12]; some.Answer.Full || !some.stops(t, id(209)) || !some.stops(t, id(0)) {
		t.Errorf("what still fits was not written: %+v", some.Answer)
	}
}

// cuts reports whether the policy refuses a session of that person which began
// then.
func (r revoked) cuts(t *testing.T, who, began string) bool {
	t.Helper()
	p, err := iam.Parse(r.Policy)
	if err != nil {
		t.Fatal(err)
	}
	return iam.Evaluate(iam.Input{Identity: []*iam.Policy{p}, Request: iam.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k",
		Caller: iam.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/brevet-SRE/x"}, Context: iam.Context{"aws:PrincipalTag/brevet-grant": {id(9999)}, "aws:SourceIdentity": {who}, "aws:TokenIssueTime": {began}}}}).Decision == iam.ExplicitDeny
}

// A full list is widened to people and the time their sessions began, then to
// everybody; each step refuses all that was refused before.
func TestRevokerWidens(t *testing.T) {
	wide := func(at string, people ...string) step {
		return step{At: at, Event: map[string]any{"grants": ids(300, 400), "people": people}}
	}
	var many []string
	for n := range 30 {
		many = append(many, fmt.Sprintf("somebody-with-a-long-name-%04d@example.com", n))
	}
	const noon, later, evening = "2026-11-24T12:00:00+00:00", "2026-11-24T13:00:00+00:00", "2026-11-24T18:00:00+00:00"
	got := revoke(t, []step{
		{At: noon, Event: asks(ids(0, 100))}, {At: noon, Event: asks(ids(100, 150))},
		{At: noon, Event: asks(ids(300, 400))}, // no room, nothing written
		wide(noon, "engineer"), wide(later, "lead"), wide(evening, many...),
		{At: evening, Event: asks(ids(400, 450))}, // there is room again
		{At: "2026-11-26T00:01:00+00:00", Event: asks(ids(500, 501))},
	})
	if r := got[2]; !r.Answer.Full || r.Version != got[1].Version || len(r.Answer.Held) != 150 {
		t.Errorf("%+v, version %s", r.Answer, r.Version)
	}
	if r := got[3]; !slices.Equal(r.Answer.People, []string{"engineer"}) || r.Answer.Everybody || !r.cuts(t, "engineer", "2026-11-24T12:00:00Z") || r.cuts(t, "engineer", "2026-11-24T12:00:01Z") || r.cuts(t, "lead", "2026-11-24T11:00:00Z") {
		t.Errorf("engineer alone is cut off, until noon: %+v, %s", r.Answer, r.Policy)
	}
	if r := got[4]; !slices.Equal(r.Answer.People, []string{"engineer", "lead"}) || !r.cuts(t, "engineer", "2026-11-24T12:59:00Z") || !r.cuts(t, "lead", "2026-11-24T12:59:00Z") {
		t.Errorf("who is cut off is said: %+v", r.Answer)
	}
	for _, r := range got[3:5] {
		if !r.stops(t, id(0)) || !r.stops(t, id(149)) {
			t.Errorf("what was refused before is let do: %s", r.Policy)
		}
	}
	if r := got[5]; !r.Answer.Everybody || !r.cuts(t, "security", "2026-11-24T18:00:00Z") || r.cuts(t, "security", "2026-11-24T18:00:01Z") || len(r.Policy) > 6144 {
		t.Errorf("everybody is cut off, until then: %+v, %s", r.Answer, r.Policy)
	}
	if r := got[6]; r.Answer.Full || !r.stops(t, id(449)) || !r.cuts(t, "security", "2026-11-24T17:00:00Z") {
		t.Errorf("%+v, %s", r.Answer, r.Policy)
	}
	if r := got[7]; r.cuts(t, "security", "2026-11-24T17:00:00Z") || r.stops(t, id(449)) || !r.stops(t, id(500)) {
		t.Errorf("entries of dead sessions are kept: %s", r.Policy)
	}
	for n, bad := range revoke(t, []step{wide(noon), wide(noon, "*"), wide(noon, "a b"), wide(noon, `x"],"Effect":"Allow`), {At: noon, Event: map[string]any{"people": []string{"engineer"}}}}) {
		if bad.Error == "" || bad.Version != "v1" {
			t.Errorf("number %d: %+v", n, bad)
		}
	}
}

// Shells of the grants are ended, and no others; a Systems Manager that is out
// of reach holds no Deny up.
func TestRevokerEndsShells(t *testing.T) {
	owner := func(n int) string { return "arn:aws:sts::111122223333:assumed-role/brevet-SRE/engineer=" + id(n)[19:] }
	open := map[string]string{owner(1): "one", owner(2): "two", "arn:aws:iam::111122223333:user/somebody": "three"}
	got := revoke(t, []step{
		{At: monday, Event: asks([]string{id(1)}), Shells: open},
		{At: monday, Event: map[string]any{"shells": []string{id(2)}}, Shells: open},
		{At: monday, Event: asks([]string{id(3)}), Shells: map[string]string{"broken": ""}},
	})
	if r := got[0]; r.Answer.Shells != 1 || slices.Contains(r.Shells, owner(1)) || len(r.Shells) != 2 || !r.stops(t, id(1)) {
		t.Errorf("%+v, left %v", r.Answer, r.Shells)
	}
	if r := got[1]; r.Answer.Shells != 1 || slices.Contains(r.Shells, owner(2)) || len(r.Shells) != 2 || r.Version != got[0].Version || r.stops(t, id(2)) {
		t.Errorf("%+v, left %v, version %s: only shells were asked for", r.Answer, r.Shells, r.Version)
	}
	if r := got[2]; r.Answer.Trouble == "" || !r.stops(t, id(3)) {
		t.Errorf("%+v", r.Answer)
	}
}

// The same against moto's IAM by way of the real boto3.
func TestRevokerAgainstMoto(t *testing.T) {
	if err := exec.Command(python(t), "-c", "import moto, boto3").Run(); err != nil {
		t.Skip("SKIPPED: moto or boto3 is missing: the revoker ran against a stand-in only")
	}
	var steps []step
	for n := range 7 {
		steps = append(steps, step{At: monday, Event: asks([]string{id(n)})})
	}
	got := revoke(t, steps, "moto")
	last := got[6]
	if last.Versions != 5 || !last.stops(t, id(0)) || !last.stops(t, id(6)) || last.stops(t, id(7)) {
		t.Errorf("%+v: %s", last, last.Policy)
	}
}

// What the function and the caller of it may do, and what they may not.
func TestRevokerMayDoOneThing(t *testing.T) {
	w := deployed(t, side(), map[string]string{"Revoker": "true"})
	revocations, function := us+"policy/brevet-Revocations", "arn:aws:lambda:eu-west-1:111122223333:function:brevet-Revoker"
	for _, c := range []struct {
		role, action, resource string
		want                   bool
	}{
		{"Revoker", "iam:CreatePolicyVersion", revocations, true},
		{"Revoker", "iam:DeletePolicyVersion", revocations, true},
		{"Revoker", "ssm:TerminateSession", "arn:aws:ssm:eu-west-1:111122223333:session/engineer=abc-0123", true},
		{"Revoker", "ssm:StartSession", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1", false},
		{"Revoke", "ssm:TerminateSession", "arn:aws:ssm:eu-west-1:111122223333:session/engineer=abc-0123", false},
		{"Revoker", "iam:CreatePolicyVersion", ours, false},
		{"Revoker", "iam:CreatePolicyVersion", revocations + "2", false},
		{"Revoker", "iam:DetachRolePolicy", us + "role/brevet-Admin", false},
		{"Revoker", "iam:PutRolePolicy", us + "role/brevet-Revoker", false},
		{"Revoker", "lambda:InvokeFunction", function, false},
		{"Revoke", "lambda:InvokeFunction", function, true},
		{"Revoke", "lambda:InvokeFunction", function + "2", false},
		{"Revoke", "lambda:UpdateFunctionCode", function, false},
		{"Revoke", "iam:CreatePolicyVersion", revocations, false},
		{"Revoke", "iam:GetPolicy", revocations, false},
	} {
		r, ok := w.Role(us + "role/brevet-" + c.role)
		if !ok {
			t.Fatalf("there is no role %s", c.role)
		}
		in := iam.Input{Request: iam.Request{Action: c.action, Resource: c.resource, Caller: iam.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/" + r.Name + "/x"}}}
		for _, p := range r.Policies {
			in.Identity = append(in.Identity, p.Policy)
		}
		if got := iam.Evaluate(in); (got.Decision == iam.Allow) != c.want {
			t.Errorf("%s: %s on %s: %+v", c.role, c.action, c.resource, got)
		}
	}
	// without the parameter there is nothing of it
	if _, ok := deployed(t, side(), nil).Role(us + "role/brevet-Revoker"); ok {
		t.Error("the revoker is there without being asked for")
	}
}

// The claims about the revoker judge by the statements that it writes.
func TestRevokerWritesWhatIsProven(t *testing.T) {
	const noon = "2026-11-25T12:00:00+00:00"
	wide := func(people ...string) step {
		return step{At: noon, Event: map[string]any{"grants": ids(300, 400), "people": people}}
	}
	var many []string
	for n := range 30 {
		many = append(many, fmt.Sprintf("somebody-with-a-long-name-%04d@example.com", n))
	}
	got := revoke(t, []step{{At: noon, Event: asks(ids(0, 100))}, {At: noon, Event: asks(ids(100, 150))}, wide("engineer", "lead"), wide(many...)})
	has := func(r revoked, want iam.Statement) {
		t.Helper()
		p, err := iam.Parse(r.Policy)
		if err != nil {
			t.Fatal(err, r.Error)
		}
		for _, s := range p.Statements {
			a, b := &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{s}}, &iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{want}}
			if a.String() == b.String() {
				return
			}
		}
		t.Errorf("%+v is not in %.3000s", want, r.Policy)
	}
	has(got[0], stack.DeniedGrants(ids(0, 100)...))
	has(got[2], stack.DeniedPeople("2026-11-25T12:00:00Z", "engineer", "lead"))
	has(got[3], stack.DeniedEverybody("2026-11-25T12:00:00Z"))
}
