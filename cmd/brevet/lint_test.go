package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The templates that customers hold have no finding, whatever their
// parameters.
func TestOurTemplatesAreClean(t *testing.T) {
	files, err := filepath.Glob("../../stack/testdata/contract/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no templates", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r lintReport
		if err := r.file(linting{}, file, text); err != nil {
			t.Fatal(err)
		}
		if r.Policies < 13 {
			t.Errorf("%s: only %d policies", file, r.Policies)
		}
		for _, f := range r.Findings {
			t.Errorf("%s:%d: %s %s %s: %s; %v", file, f.Line, f.Severity, f.Rule, f.Path, f.Why, f.Witness)
		}
	}
}
