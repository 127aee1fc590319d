package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
)

//go:embed pages
var files embed.FS

// style stands in every page; the content security policy admits it, and
// nothing else, by its hash.
var style = read("page.css")

var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// templates are the pages by name, each within the frame.
var templates = func() map[string]*template.Template {
	frame := template.Must(template.New("frame").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(style) },
		"spoken": brevet.Spoken,
	}).Parse(read("frame.html")))
	all := map[string]*template.Template{}
	for _, name := range []string{"home", "request", "grant", "reviews", "review", "message"} {
		all[name] = template.Must(template.Must(frame.Clone()).Parse(read(name + ".html")))
	}
	return all
}()

func read(name string) string {
	text, err := files.ReadFile("pages/" + name)
	if err != nil {
		panic("web: " + err.Error()) // embedded
	}
	return string(text)
}

// frame is what every page has around it.
type frame struct {
	Banner  string
	Me      brevet.Handle // "" for a stranger
	SignOut form
	Now     time.Time
}

// frame returns the frame of a page for this visit.
func (s *Site) frame(v *visit, now time.Time) frame {
	return frame{Banner: s.Banner, Me: v.caller.Person.Handle, SignOut: v.newForm("/signout", "", ""), Now: now}
}

// show writes a page.
func (s *Site) show(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := templates[name].Execute(&b, data); err != nil {
		panic("web: " + name + ": " + err.Error()) // a buffer and plain structs
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // under no-referrer a form's Origin would be null
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes())
	}
}

// messagePage says one thing.
type messagePage struct {
	frame
	Title string
	Text  string
	Note  string
	Unmet []brevet.Unmet
	Links []action
	ID    string // of the request in the server's log
}

// action is a link that leads on; the main one looks like a button.
type action struct {
	Name, URL string
	Main      bool
}

// message turns an error into a page. What is not fit to be shown goes to the
// log.
func (s *Site) message(r *http.Request, err error) messagePage {
	e := brevet.AsError(err)
	p := messagePage{frame: frame{Banner: s.Banner}, Title: "That did not work", Text: sentence(e.Message), Note: sentence(e.Hint), Unmet: e.Unmet}
	switch e.Kind {
	case brevet.Internal, brevet.Unavailable, brevet.Clock:
		p.ID = s.RequestID(r.Context())
		s.Log.ErrorContext(r.Context(), "a page failed", "id", p.ID, "kind", e.Kind, "message", e.Message, "cause", e.Cause)
	case brevet.NotFound:
		p.Title = "There is nothing here"
	}
	return p
}

// Fail shows with this status why a request did not reach a page, to whoever
// sent it.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	p := s.message(r, err)
	p.Links = []action{{"To the beginning", "/", false}}
	s.show(w, r, status, "message", p)
}

func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.Fail(w, r, statusOf(err), err)
}

// failed shows why a page failed, to somebody who is signed in.
func (s *Site) failed(v *visit, err error) {
	p := s.message(v.r, err)
	p.frame = s.frame(v, time.Time{})
	p.Links = []action{{"What waits for you", "/", false}}
	s.show(v.w, v.r, statusOf(err), "message", p)
}

// statusOf is the API's status for the error.
func statusOf(err error) int { return api.StatusOf(brevet.KindOf(err)) }

// sentence makes a message one: it begins with a capital and ends with a full
// stop.
func sentence(s string) string {
	if s == "" {
		return s
	}
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(word, ":_/") && word != "brevet" {
		s = capital(s)
	}
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Ago says how long t is over.
func (f frame) Ago(t time.Time) string { return ago(t, f.Now) }

// At writes a moment.
func (f frame) At(t time.Time) string { return clock(t, f.Now) }

// Left says how much longer until t.
func (f frame) Left(t time.Time) string { return left(t, f.Now) }
