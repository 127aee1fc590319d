package stack_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/stack"
)

// few is a side without the roles that are special by their name, with others
// that are awkward, entered by the broker's role.
func few() stack.Side {
	s := byBroker()
	s.Customer.Contact, s.Customer.Name, s.Account.Prefix = "", "zenith.example", "firm-"
	s.Roles = []brevet.Role{
		{Name: "Read_Only-2", MFA: brevet.Rung8h, Max: six()[0].Max, About: `say "look" at ${everything} %{here}`},
		{Name: "Keys", MFA: brevet.Rung1h, Max: six()[0].Max, Policies: []string{"AWSSupportAccess", "job-function/ViewOnlyAccess"},
			Inline: json.RawMessage(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"s3.${aws:RequestedRegion}.amazonaws.com"}}}}`)},
	}
	return s
}

var tfSides = map[string]func() stack.Side{"oidc": side, "broker": byBroker, "few": few, "emergencies": urgentSide}

func terraform(t testing.TB, s stack.Side) map[string]string {
	t.Helper()
	files, err := stack.Terraform(s)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range files {
		out[f.Name] = string(f.Text)
	}
	return out
}

func writeModule(t testing.TB, dir string, s stack.Side) {
	t.Helper()
	for name, text := range terraform(t, s) {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTerraformFiles(t *testing.T) {
	want := []string{"README.md", "access.tf", "events.tf", "forward/main.tf", "outputs.tf", "revoker.py", "revoker.tf", "revoker.zip", "trail.tf", "variables.tf", "versions.tf"}
	for name, s := range tfSides {
		got := terraform(t, s())
		var names []string
		for file, text := range got {
			names = append(names, file)
			if file == "revoker.zip" {
				continue
			}
			for line := range strings.Lines(text) {
				if strings.Contains(line, "${AWS::") || holder(line) {
					t.Errorf("%s, %s: left as it was: %s", name, file, line)
				}
			}
		}
		slices.Sort(names)
		if d := cmp.Diff(want, names); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff(got, terraform(t, s())); d != "" {
			t.Errorf("%s: the second time it differs: %s", name, d)
		}
	}
}

// holder reports whether a placeholder of ours stands in a line.
func holder(line string) bool {
	_, rest, ok := strings.Cut(line, "@")
	name, _, closed := strings.Cut(rest, "@")
	return ok && closed && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// The customer reads revoker.py; what runs is in the zip.
func TestTerraformZip(t *testing.T) {
	files := terraform(t, side())
	z, err := zip.NewReader(strings.NewReader(files["revoker.zip"]), int64(len(files["revoker.zip"])))
	if err != nil || len(z.File) != 1 || z.File[0].Name != "index.py" {
		t.Fatalf("%v: %v", err, z)
	}
	r, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || string(text) != files["revoker.py"] || !bytes.Contains(generate(t, side(), "access.yaml"), []byte("def handler")) {
		t.Errorf("the zip holds another text than revoker.py: %v", err)
	}
}

// What no template can be made of makes no module either.
func TestTerraformRefuses(t *testing.T) {
	for name, change := range map[string]func(*stack.Side){
		"no roles":      func(s *stack.Side) { s.Roles = nil },
		"a clash":       func(s *stack.Side) { s.Roles[0].Name = "admin" },
		"region":        func(s *stack.Side) { s.Account.Region = "mars" },
		"prefix":        func(s *stack.Side) { s.Account.Prefix = `b"${x}` },
		"log group":     func(s *stack.Side) { s.Customer.LogGroup = `a"b` },
		"audience":      func(s *stack.Side) { s.Account.Audience = "${var.x}" },
		"contact":       func(s *stack.Side) { s.Customer.Contact = `"@x.example` },
		"egress":        func(s *stack.Side) { s.Egress = []string{"everywhere"} },
		"customer":      func(s *stack.Side) { s.Customer.Name = "a\nb" },
		"policy":        func(s *stack.Side) { s.Roles[0].Policies = []string{"NoSuch"} },
		"inline policy": func(s *stack.Side) { s.Roles[0].Inline = json.RawMessage(`{}`) },
	} {
		s := side()
		s.Roles = slices.Clone(s.Roles)
		change(&s)
		if files, err := stack.Terraform(s); !errors.Is(err, brevet.Invalid) || files != nil {
			t.Errorf("%s: %d files, %v", name, len(files), err)
		}
	}
}

func terraformProgram(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("SKIPPED: terraform is missing: the module has not been read by it")
	}
	return path
}

// The module is formatted as terraform fmt would, whatever is in it.
func TestTerraformFormat(t *testing.T) {
	program, dir := terraformProgram(t), t.TempDir()
	for name, s := range tfSides {
		writeModule(t, filepath.Join(dir, name), s())
	}
	cmd := exec.CommandContext(t.Context(), program, "fmt", "-check", "-diff", "-recursive", "-no-color", dir)
	cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+os.DevNull)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("terraform fmt: %v\n%s", err, out.String())
	}
}
