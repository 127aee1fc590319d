package server

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet/broker"
)

// hostileCells are what somebody who means no good writes into a reason.
var hostileCells = []string{`=cmd|' /C calc'!A0`, `+1+1`, `-2+3`, `@SUM(1)`, "\t=1", " =HYPERLINK(\"http://evil\")", "＝1", "|x", `"a","b"`, "a,b;c", "<script>alert(1)</script>", "%0a=1"}

func hostileStatement() broker.Statement {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	s := broker.Statement{Customer: "acme", ID: "cu_1", From: at, To: at.Add(time.Hour), Log: broker.Covered{Checkpoint: "brevet.test/log/1\n7\nroot=\n\n— sig\n", Key: "key", Size: 7, Entries: 5}}
	for _, cell := range hostileCells {
		s.Accesses = append(s.Accesses, broker.Access{Who: cell, Account: "444455556666", Role: "Admin", Reason: cell, Requested: at, Start: at, End: at.Add(time.Hour), Ended: cell, Review: cell,
			Approvals: []broker.Approved{{By: "lead", At: at, Comment: cell}}, Sessions: []broker.Entered{{AccessKey: cell, Start: at}}, Entries: []int64{1, 2}})
	}
	return s
}

// TestStatementCSV: no cell is a formula, and what comes out reads back.
func TestStatementCSV(t *testing.T) {
	text, err := statementCSV(hostileStatement())
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	lines, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 4+len(hostileCells) || lines[2][2] != "brevet.test/log/1\n7\nroot=\n\n— sig\n" {
		t.Errorf("%d lines: %q", len(lines), lines[:4])
	}
	for _, line := range lines {
		for _, cell := range line {
			if start := strings.TrimLeft(cell, " \t\r\n\u00a0\u3000"); start != "" && strings.ContainsAny(start[:1], "=+-@|%") || strings.HasPrefix(start, "＝") {
				t.Errorf("a spreadsheet would run %q", cell)
			}
		}
	}
	for i, cell := range hostileCells {
		if got := strings.TrimPrefix(lines[4+i][4], "'"); got != cell {
			t.Errorf("reason %q reads back as %q", cell, got)
		}
	}
}

// TestStatementHTML: nothing that people typed is markup, and the page needs
// nothing from anywhere.
func TestStatementHTML(t *testing.T) {
	text, err := statementHTML(hostileStatement())
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", "src=", "href=", "url(", "@import", "http://", "https://"} {
		if strings.Contains(strings.ReplaceAll(text, "http://evil", ""), bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;", "@media print", "brevet.test/log/1", "color-scheme: light dark", "lead"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}
