package server

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"maps"
	"net/http"
	"strings"

	"github.com/brevet-access/brevet"
)

//go:embed pages/page.html
var pageText string

//go:embed pages/page.css
var styleText string

// pageTemplate is every page: what differs is what page holds. The style is
// part of the text, so that the policy can name it by its hash.
var pageTemplate = template.Must(template.New("page").Parse(strings.Replace(pageText, "STYLE", styleText, 1)))

var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(styleText))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// page is what a page says. Empty fields are left out.
type page struct {
	Title   string
	Text    string // one sentence
	Code    string // the one-time code
	Note    string
	Links   []link
	Next    string // the next step, in words
	Command string // the next step, as a command
	ID      string // of the request, on pages that say that something failed
	Banner  string // set by show
}

type link struct{ Name, URL string }

// show writes a page.
func (s *server) show(w http.ResponseWriter, r *http.Request, status int, p page) {
	p.Banner = s.Banner
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		panic("server: page: " + err.Error()) // a buffer and plain strings
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes())
	}
}

// failPage is fail for people.
func (s *server) failPage(w http.ResponseWriter, r *http.Request, err error) {
	p, h := s.problem(r.Context(), err)
	h.Del("WWW-Authenticate")
	maps.Copy(w.Header(), h)
	out := page{Title: "That did not work", Text: sentence(p.Detail), Next: "To begin again, run", Command: "brevet login " + s.URL,
		ID: exchangeOf(r.Context()).id}
	if p.Hint != "" && !strings.HasPrefix(p.Hint, "brevet login") {
		out.Note = sentence(p.Hint)
	}
	if p.Kind == brevet.Unavailable {
		out.Note = "Try again in a moment."
	}
	s.show(w, r, p.Status, out)
}

// sentence makes a message one: it begins with a capital and ends with a full
// stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(word, ":_") {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
