package sandbox

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"time"
)

//go:embed pages
var pageFiles embed.FS

// style and script stand inline in every page; the content security policy
// admits exactly these two by their hashes.
var (
	style  = mustRead("pages/style.css")
	script = mustRead("pages/fill.js")

	stylePolicy  = sourceHash(style)
	scriptPolicy = sourceHash(script)

	pages = template.Must(template.New("").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(style) },
		"script": func() template.JS { return template.JS(script) },
		"clock":  func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05 UTC") },
	}).ParseFS(pageFiles, "pages/*.html"))
)

func mustRead(name string) string {
	text, err := pageFiles.ReadFile(name)
	if err != nil {
		panic("sandbox: " + err.Error()) // embedded
	}
	return string(text)
}

func sourceHash(text string) string {
	digest := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'"
}

// messagePage says one thing.
type messagePage struct {
	Title, Text string
}

// writePage renders a page. Forms may lead to this host and, by redirects,
// back to programs on loopback; origins adds to them.
func writePage(w http.ResponseWriter, status int, name string, data any, origins ...string) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name+".html", data); err != nil {
		panic("sandbox: " + err.Error()) // templates are ours, data are plain structs
	}
	forms := "'self' http://127.0.0.1:* http://localhost:*"
	for _, o := range origins {
		forms += " " + o
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+stylePolicy+"; script-src "+scriptPolicy+
		"; form-action "+forms+"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}
