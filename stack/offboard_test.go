package stack_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// script returns the offboarding script as INSTRUCTIONS.md holds it.
func script(t *testing.T, text []byte) string {
	t.Helper()
	m := regexp.MustCompile("(?s)```sh\n(#!/bin/sh\n.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("INSTRUCTIONS.md holds no script")
	}
	return string(m[1])
}

// The script of INSTRUCTIONS.md ends stacks that would otherwise get stuck on
// what others attached, and asks before it unbinds anybody.
func TestExternalOffboard(t *testing.T) {
	t.Parallel()
	e := newEmulator(t)
	e.env = append(e.env, "AWS_DEFAULT_REGION=eu-west-1")
	s := side()
	s.Account.ID, s.Account.Audience = "123456789012", "brevet:123456789012:abcdefghijklmnopqrstuvwxyz" // the emulator's own
	s.Roles = s.Roles[5:]                                                                               // each call of the CLI takes its time
	e.deploy("us-east-1", "brevet-events-forward", generate(t, s, "events-forward.yaml"))
	e.deploy("eu-west-1", "brevet-access", generate(t, s, "access.yaml"), "Revoker=true")

	must := func(args ...string) {
		t.Helper()
		if out, err := e.aws("eu-west-1", args...); err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	const policies = "arn:aws:iam::123456789012:policy/"
	doc := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	must("iam", "put-role-policy", "--role-name", "brevet-Admin", "--policy-name", "AWSRevokeOlderSessions", "--policy-document", doc)
	must("iam", "create-policy", "--policy-name", "theirs", "--policy-document", doc)
	must("iam", "attach-role-policy", "--role-name", "brevet-Admin", "--policy-arn", policies+"theirs")
	must("iam", "create-policy-version", "--policy-arn", policies+"brevet-Revocations", "--policy-document", doc, "--set-as-default")
	must("iam", "create-role", "--role-name", "workload", "--assume-role-policy-document", trust, "--permissions-boundary", policies+"brevet-Boundary")
	must("iam", "attach-role-policy", "--role-name", "workload", "--policy-arn", policies+"brevet-Revocations")
	must("iam", "attach-role-policy", "--role-name", "workload", "--policy-arn", policies+"brevet-Boundary") // the emulator lists those alone who have it so
	must("iam", "create-instance-profile", "--instance-profile-name", "theirs")
	must("iam", "add-role-to-instance-profile", "--instance-profile-name", "theirs", "--role-name", "brevet-Admin")

	file := filepath.Join(t.TempDir(), "offboard.sh")
	if err := os.WriteFile(file, []byte(script(t, generate(t, s, "INSTRUCTIONS.md"))), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(env ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", file)
		cmd.Env = append(e.env, env...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	var roles struct {
		Roles []struct{ RoleName string }
	}
	if out, err := run(); err == nil || !strings.Contains(out, "workload has the boundary") {
		t.Fatalf("the script unbinds a role without asking: %v\n%s", err, out)
	}
	if e.ask("eu-west-1", &roles, "iam", "list-roles"); len(roles.Roles) != 4 {
		t.Fatalf("it went on: %+v", roles)
	}
	out, err := run("UNBOUND=yes")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"brevet-access in eu-west-1 is deleted", "brevet-events-forward in us-east-1 is deleted"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	e.ask("eu-west-1", &roles, "iam", "list-roles")
	if len(roles.Roles) != 1 || roles.Roles[0].RoleName != "workload" {
		t.Errorf("left over: %+v", roles.Roles)
	}
	var workload struct {
		Role struct {
			PermissionsBoundary *struct{ PermissionsBoundaryArn string }
		}
	}
	if e.ask("eu-west-1", &workload, "iam", "get-role", "--role-name", "workload"); workload.Role.PermissionsBoundary != nil {
		t.Errorf("UNBOUND=yes leaves the boundary: %+v", workload)
	}
	// the emulator's CloudFormation leaves policies behind; nothing keeps them
	must("iam", "delete-policy", "--policy-arn", policies+"brevet-Boundary")
	must("iam", "delete-policy", "--policy-arn", policies+"brevet-Revocations")
	if out, err := run(); err != nil {
		t.Errorf("again: %v\n%s", err, out)
	}
}

// The script is for one account.
func TestOffboardScriptIsForThisAccount(t *testing.T) {
	text := script(t, generate(t, side(), "INSTRUCTIONS.md"))
	if !strings.Contains(text, `[ "$account" = 111122223333 ]`) || strings.Contains(text, "@") {
		t.Error(text)
	}
	if sh, err := exec.LookPath("sh"); err != nil {
		t.Skip("SKIPPED: sh is missing: the script has not been parsed")
	} else if out, err := exec.Command(sh, "-n", "-c", text).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
