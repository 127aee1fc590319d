package catalog_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet/catalog"
)

var now = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC) // a Friday

// complete returns the catalog in text after Complete.
func complete(t testing.TB, name string, text []byte) *catalog.Catalog {
	t.Helper()
	text, _, err := catalog.Complete(text, &counter{}, now)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c, err := catalog.Parse(name, text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

var fence = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocs parses the sample of docs/catalog.md, and checks that the page
// names every key that the parser knows.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/catalog.md")
	if err != nil {
		t.Fatal(err)
	}
	sample := fence.FindSubmatch(page)
	if sample == nil {
		t.Fatal("no sample")
	}
	complete(t, "docs/catalog.md", sample[1])
	if n := strings.Count(string(sample[1]), "\n"); n > 40 {
		t.Errorf("the sample has %d lines", n)
	}
	_, err = catalog.Parse("c.yaml", []byte("x: 1\nroles: {A: {x: 1}}\ncustomers: [{x: 1, accounts: [{x: 1}], rights: {x: []}, approval: {x: 1}}]\nentitlements: [{x: 1, approval: {x: 1, or: [{x: 1}]}, approvers: {x: 1}}]\n"))
	for _, list := range regexp.MustCompile(`known here: (.*)|there are (.*)`).FindAllStringSubmatch(err.Error(), -1) {
		for _, key := range strings.Split(list[1]+list[2], ", ") {
			if !strings.Contains(string(page), "`"+key+"`") {
				t.Errorf("the page does not explain `%s`", key)
			}
		}
	}
}
