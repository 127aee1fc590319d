package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var (
	storyRow  = regexp.MustCompile(`(?m)^\|[^|]+\|([^|]*)\|`)
	storyName = regexp.MustCompile("`([a-z0-9-]+\\.txt)`")
)

// TestEveryStoryIsListed compares the table of promises with the scripts
// that are there.
func TestEveryStoryIsListed(t *testing.T) {
	text, err := os.ReadFile("testdata/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range storyRow.FindAllSubmatch(text, -1) {
		for _, name := range storyName.FindAllSubmatch(row[1], -1) {
			listed = append(listed, string(name[1]))
		}
	}
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range scripts {
		if name := filepath.Base(path); !slices.Contains(listed, name) {
			t.Errorf("testdata/README.md does not say what %s is for", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(scripts, filepath.Join("testdata", name)) {
			t.Errorf("testdata/README.md speaks of %s, which is not there", name)
		}
	}
}
