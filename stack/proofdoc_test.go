package stack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brevet-access/brevet/stack"
)

// The table of layers in docs/proof.md is the one that comes out.
func TestProofDoc(t *testing.T) {
	s := stacksOf(t, stagingSide())
	rows, err := stack.Layers(s, stack.Scenarios(s.Side))
	if err != nil {
		t.Fatal(err)
	}
	table := "| Threat | Moves | Trust policies alone stop | Permissions alone stop | The record alone sees | Nothing stops |\n| --- | --- | --- | --- | --- | --- |\n"
	for _, r := range rows {
		table += fmt.Sprintf("| %s | %d | %d | %d | %d | %d |\n", r.Threat, r.Moves, r.Trust, r.Permissions, r.Record, len(r.Nothing))
	}
	doc, err := os.ReadFile(filepath.Join("..", "docs", "proof.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), table) {
		t.Errorf("docs/proof.md has another table than:\n%s", table)
	}
}
