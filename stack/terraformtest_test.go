package stack_test

import (
	"os"
	"path/filepath"
	"testing"
)

// The module's own rules: what its variables refuse, and that they do what they
// say. The cases are in testdata/module.tftest.hcl. The modules of other
// accounts are validated beside it.
func TestTerraformVariables(t *testing.T) {
	t.Parallel()
	w := newTFFolder(t)
	writeModule(t, w.dir, side())
	text, err := os.ReadFile(filepath.Join("testdata", "module.tftest.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("module.tftest.hcl", string(text))
	w.write("others.tf", "module \"broker\" {\n  source = \"./broker\"\n  count  = 0\n}\n\nmodule \"few\" {\n  source = \"./few\"\n  count  = 0\n}\n")
	writeModule(t, filepath.Join(w.dir, "broker"), byBroker())
	writeModule(t, filepath.Join(w.dir, "few"), few())
	w.run("init", "-no-color")
	w.run("validate", "-no-color")
	t.Logf("%s", w.run("test", "-no-color"))
}
