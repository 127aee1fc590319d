package server

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

//go:embed pages/statement.html
var statementText string

// statementTemplate is a page of its own, which needs nothing from anywhere:
// it is printed, and sent to customers.
var statementTemplate = template.Must(template.New("statement").Funcs(template.FuncMap{"at": func(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}, "last": func(t time.Time) string { return t.UTC().Add(-time.Microsecond).Format(time.DateTime) }}).Parse(statementText))

type statementInput struct {
	Customer string `path:"id" maxLength:"63" doc:"name or id"`
	From     string `query:"from" maxLength:"35" doc:"a day in UTC, or a time (RFC 3339); default: 30 days before to"`
	To       string `query:"to" maxLength:"35" doc:"the last day, or a time; default: now"`
	Format   string `query:"format" maxLength:"10" doc:"csv, json (default) or html"`
}

func (s *server) statementRoutes() {
	on(s, route{pattern: api.RouteStatement, id: "statement", about: "Who entered a customer's accounts, when, why, approved by whom", kinds: []brevet.Kind{brevet.NotFound}}, s.statement)
}

func (s *server) statement(ctx context.Context, c brevet.Caller, in *statementInput) (api.Statement, error) {
	from, to, err := s.span(in.From, in.To)
	if err != nil {
		return api.Statement{}, err
	}
	render, ok := renders[in.Format]
	if !ok {
		return api.Statement{}, brevet.Errorf(brevet.Invalid, "format: %q is not one of csv, json, html", brevet.Printable(in.Format))
	}
	v, err := s.Broker.Statement(ctx, c, in.Customer, from, to)
	if err != nil {
		return api.Statement{}, err
	}
	text, err := render(v)
	return api.Statement{Customer: v.Customer, From: v.From, To: v.To, Accesses: len(v.Accesses), Entries: v.Log.Entries, Size: v.Log.Size, Text: text}, err
}

// span reads the time that a statement is about; the last day counts to its
// end.
func (s *server) span(first, last string) (from, to time.Time, err error) {
	to = s.Now().UTC()
	if last != "" {
		if to, err = day("to", last, 24*time.Hour); err != nil {
			return from, to, err
		}
	}
	from = to.AddDate(0, 0, -30)
	if first != "" {
		from, err = day("from", first, 0)
	}
	return from, to, err
}

func day(field, text string, beyond time.Duration) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t.Add(beyond), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, brevet.Errorf(brevet.Invalid, "%s: %q is neither a day such as 2026-11-30 nor a time such as 2026-11-30T18:00:00Z", field, brevet.Printable(text))
	}
	return t.UTC(), nil
}

var renders = map[string]func(broker.Statement) (string, error){"": statementJSON, "json": statementJSON, "csv": statementCSV, "html": statementHTML}

func statementJSON(v broker.Statement) (string, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return string(text) + "\n", err
}

func statementHTML(v broker.Statement) (string, error) {
	var b bytes.Buffer
	err := statementTemplate.Execute(&b, v)
	return b.String(), err
}

// statementCSV writes RFC 4180. What the statement is about stands above the
// table, behind a cell "#".
func statementCSV(v broker.Statement) (string, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	lines := [][]string{{"#", "statement", v.Customer, v.ID, "from", v.From.Format(time.RFC3339), "to", v.To.Format(time.RFC3339)},
		{"#", "log", "entries of the log", strconv.FormatInt(v.Log.Size, 10), "of them " + v.Customer + "'s", strconv.FormatInt(v.Log.Entries, 10), "erased since", strconv.FormatInt(v.Log.Erased, 10)},
		{"#", "checkpoint", v.Log.Checkpoint, "key", v.Log.Key}}
	if v.Offboarded != "" {
		lines = append(lines, []string{"#", "offboarded", v.Offboarded})
	}
	for _, line := range append(lines, v.Lines()...) {
		for i := range line {
			line[i] = inert(line[i])
		}
		if err := w.Write(line); err != nil {
			return "", err
		}
	}
	w.Flush()
	return b.String(), w.Error()
}

// inert writes a cell so that no spreadsheet takes it for a formula (OWASP,
// CSV Injection): also behind space, and in the wide forms of the signs.
func inert(cell string) string {
	if start := strings.TrimLeft(cell, " \t\r\n\u00a0\u3000\ufeff"); start != "" && strings.ContainsAny(firstRune(start), "=+-@|%＝＋－＠﹦﹢﹣﹫−") {
		return "'" + cell
	}
	return cell
}

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}
