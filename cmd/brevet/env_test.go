package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// interpreters lists how each shell is told to run a text, and nothing of its
// owner's.
var interpreters = []struct {
	shell, program string
	args           []string
}{
	{"bash", "bash", []string{"--norc", "-c"}},
	{"bash", "sh", []string{"-c"}},
	{"zsh", "zsh", []string{"-f", "-c"}},
	{"fish", "fish", []string{"--no-config", "-c"}},
	{"powershell", "pwsh", []string{"-NoProfile", "-NonInteractive", "-Command"}},
}

// TestShells runs what env prints in each shell: values arrive as they are,
// whatever they hold, and what was there goes.
func TestShells(t *testing.T) {
	nasty := "it's \\' \"$HOME\" `id` $(id) %PATH% ~ !! {a,b} * # ; & | \\n \\"
	for _, in := range interpreters {
		t.Run(in.program, func(t *testing.T) {
			program, err := exec.LookPath(in.program)
			if err != nil {
				t.Skipf("SKIPPED: %s: what env prints for it", in.program)
			}
			sh, err := shellNamed(in.shell)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			c := &cli{out: &out}
			if err := c.printChange(sh, change{unset: []string{"AWS_PROFILE", "AWS_NEVER_WAS"}, set: [][2]string{{"AWS_SESSION_TOKEN", nasty}}}); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), program, append(in.args, out.String()+"env")...)
			cmd.Env = append(cmd.Environ(), "AWS_PROFILE=old", "LC_ALL=C.UTF-8")
			got, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, got)
			}
			if strings.Contains("\n"+string(got), "\nAWS_PROFILE=") {
				t.Error("AWS_PROFILE is still there")
			}
			if !strings.Contains("\n"+string(got), "\nAWS_SESSION_TOKEN="+nasty+"\n") {
				t.Errorf("AWS_SESSION_TOKEN arrived otherwise:\n%s", got)
			}
		})
	}
}
