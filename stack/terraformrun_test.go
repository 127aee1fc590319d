package stack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet/cloud/aws/mototest"
)

// tfWorld is a folder in which terraform runs against moto.
type tfWorld struct {
	t                  *testing.T
	program, dir, moto string
}

// pluginMirror is a folder with the provider, so that terraform needs no
// registry: BREVET_TF_PLUGINS, or a folder called tf-plugins where such things
// are kept.
func pluginMirror(t *testing.T) string {
	t.Helper()
	const mirror = "tf-plugins"
	home, _ := os.UserHomeDir()
	for _, dir := range []string{os.Getenv("BREVET_TF_PLUGINS"), filepath.Join(home, mirror), filepath.Join("/opt", mirror), filepath.Join("/usr/local/share", mirror)} {
		if found, _ := filepath.Glob(filepath.Join(dir, "*", "hashicorp", "aws")); dir != "" && found != nil {
			return dir
		}
	}
	t.Skip("SKIPPED: terraform's provider hashicorp/aws is not at hand (BREVET_TF_PLUGINS names a mirror): the module has not been applied")
	return ""
}

// newTFFolder returns a folder where terraform finds its provider; the provider
// finds no AWS.
func newTFFolder(t *testing.T) *tfWorld {
	t.Helper()
	w := &tfWorld{t: t, program: terraformProgram(t), dir: t.TempDir(), moto: "http://127.0.0.1:1"}
	mirror := pluginMirror(t)
	w.write("rc", fmt.Sprintf("provider_installation {\n  filesystem_mirror { path = %q }\n  direct { exclude = [\"*/*/*\"] }\n}\n", mirror))
	return w
}

// newTFWorld is newTFFolder with moto as AWS.
func newTFWorld(t *testing.T) *tfWorld {
	t.Helper()
	w := newTFFolder(t)
	w.moto = mototest.Start(t, "the module has not been applied")
	return w
}

func (w *tfWorld) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// run runs terraform and returns what it printed; it must not fail.
func (w *tfWorld) run(args ...string) []byte {
	w.t.Helper()
	begin := time.Now()
	cmd := exec.CommandContext(w.t.Context(), w.program, args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(w.dir, "rc"), "AWS_ENDPOINT_URL="+w.moto, "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=moto", "AWS_EC2_METADATA_DISABLED=true", "AWS_PROFILE=", "AWS_CONFIG_FILE="+os.DevNull)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		text := out.String()
		w.t.Fatalf("terraform %s: %v\n%s\n%s", strings.Join(args, " "), err, problems.String(), text[max(0, len(text)-4000):])
	}
	w.t.Logf("terraform %s: %s", args[0], time.Since(begin).Round(time.Second))
	return out.Bytes()
}

// iam calls moto's IAM, which checks no signature.
func (w *tfWorld) iam(action string, params ...string) string {
	w.t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.moto+"/", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %d %v %s", action, res.StatusCode, err, body)
	}
	return string(body)
}

// tfResource is a resource in terraform's state.
type tfResource struct {
	Type   string
	Values map[string]any
}

type tfChange struct {
	Address, Type, Name string
	Change              struct {
		Actions       []string
		Before, After map[string]any
	}
}

// resources reads terraform's state: from its file, since terraform show starts
// the provider for it.
func (w *tfWorld) resources() (all []tfResource) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "terraform.tfstate"))
	if err != nil {
		w.t.Fatal(err)
	}
	var state struct {
		Resources []struct {
			Mode, Type string
			Instances  []struct{ Attributes map[string]any }
		}
	}
	if err := json.Unmarshal(text, &state); err != nil {
		w.t.Fatal(err)
	}
	for _, r := range state.Resources {
		for _, i := range r.Instances {
			if r.Mode == "managed" {
				all = append(all, tfResource{r.Type, i.Attributes})
			}
		}
	}
	return all
}

// plan makes a plan and returns what it would change.
func (w *tfWorld) plan(args ...string) map[string]tfChange {
	w.t.Helper()
	w.run(append([]string{"plan", "-no-color", "-out=plan"}, args...)...)
	var plan struct {
		Changes []tfChange `json:"resource_changes"`
	}
	if err := json.Unmarshal(w.run("show", "-json", "plan"), &plan); err != nil {
		w.t.Fatal(err)
	}
	out := map[string]tfChange{}
	for _, c := range plan.Changes {
		if c.Change.Actions[0] != "no-op" && c.Change.Actions[0] != "read" {
			out[c.Address] = c
		}
	}
	return out
}
