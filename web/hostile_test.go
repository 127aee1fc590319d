package web_test

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/web"
)

// rows returns every row of the world's database in one text, but those by
// which jobs are run and messages sent: these go on by themselves.
func (w *world) rows() string {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.Dir, "brevet.db")+"?mode=ro")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	var out strings.Builder
	for _, table := range w.query(db, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`) {
		name := strings.TrimSpace(table)
		if strings.HasPrefix(name, "river_") || strings.HasPrefix(name, "sqlite_") || name == "outbox" {
			continue
		}
		rows := w.query(db, `SELECT * FROM `+name)
		slices.Sort(rows)
		fmt.Fprintf(&out, "%s\n%s\n", name, strings.Join(rows, "\n"))
	}
	return out.String()
}

func (w *world) query(db *sql.DB, text string) (out []string) {
	w.t.Helper()
	rows, err := db.Query(text)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		w.t.Fatal(err)
	}
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			w.t.Fatal(err)
		}
		var line []string
		for _, c := range cells {
			line = append(line, fmt.Sprint(*c.(*any)))
		}
		out = append(out, strings.Join(line, "|"))
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// sent is a request in the making: a form of ours, by a browser of ours.
type sent struct {
	*http.Request
	form   url.Values
	cookie string // the sign-in
	csrf   string // a token that another browser was given for the same page
}

// attack makes something of an honest request that must not work.
type attack struct {
	name string
	do   func(*sent)
}

func header(name string, values ...string) func(*sent) {
	return func(s *sent) { s.Header[name] = values }
}

func field(name string, values ...string) func(*sent) {
	return func(s *sent) { s.form[name] = values }
}

// attacks on a form. Every one leaves all else as it should be.
var attacks = []attack{
	{"no origin", func(s *sent) { s.Header.Del("Origin") }},
	{"neither origin nor site", func(s *sent) { s.Header.Del("Origin"); s.Header.Del("Sec-Fetch-Site") }},
	{"origin null", header("Origin", "null")},
	{"origin null, no site", func(s *sent) { s.Header.Set("Origin", "null"); s.Header.Del("Sec-Fetch-Site") }},
	{"other origin", header("Origin", "https://evil.example")},
	{"other origin, no site", func(s *sent) { s.Header.Set("Origin", "https://evil.example"); s.Header.Del("Sec-Fetch-Site") }},
	{"other port", header("Origin", "http://127.0.0.1:1")},
	{"other scheme", func(s *sent) { s.Header.Set("Origin", strings.Replace(s.Header.Get("Origin"), "http:", "https:", 1)) }},
	{"origin with more", func(s *sent) { s.Header.Set("Origin", s.Header.Get("Origin")+".evil.example") }},
	{"two origins", func(s *sent) { s.Header["Origin"] = []string{s.Header.Get("Origin"), "https://evil.example"} }},
	{"cross-site", header("Sec-Fetch-Site", "cross-site")},
	{"same-site", header("Sec-Fetch-Site", "same-site")},
	{"typed in", header("Sec-Fetch-Site", "none")},
	{"two sites", header("Sec-Fetch-Site", "same-origin", "cross-site")},
	{"no token", func(s *sent) { s.form.Del("token") }},
	{"empty token", field("token", "")},
	{"wrong token", field("token", strings.Repeat("A", 43))},
	{"token of another browser", func(s *sent) { s.form.Set("token", s.csrf) }},
	{"two tokens", func(s *sent) { s.form.Add("token", s.form.Get("token")) }},
	{"other key", field("key", "web-OTHER")},
	{"no key", func(s *sent) { s.form.Del("key") }},
	{"other digest", field("digest", strings.Repeat("0", 64))},
	{"shown changed", field("shown", "AAAA")},
	{"one field more", field("approve", "yes")},
	{"two actions", func(s *sent) { s.form.Add("action", "deny") }},
	{"text/plain", header("Content-Type", "text/plain")},
	{"json", header("Content-Type", "application/json")},
	{"multipart", header("Content-Type", "multipart/form-data; boundary=x")},
	{"no content type", func(s *sent) { s.Header.Del("Content-Type") }},
	{"two content types", header("Content-Type", "application/x-www-form-urlencoded", "text/plain")},
	{"compressed", header("Content-Encoding", "gzip")},
	{"in the query", func(s *sent) { s.URL.RawQuery, s.form = s.form.Encode(), url.Values{} }},
	{"in the query, too", func(s *sent) { s.URL.RawQuery = "action=deny" }},
	{"too long", field("comment", strings.Repeat("a", 70<<10))},
	{"no cookie", func(s *sent) { s.Header.Del("Cookie") }},
	{"two cookies", func(s *sent) { s.Header.Set("Cookie", s.cookie+"; "+s.cookie) }},
	{"cookie as bearer", func(s *sent) {
		s.Header.Del("Cookie")
		_, token, _ := strings.Cut(s.cookie, "=")
		s.Header.Set("Authorization", "Bearer "+token)
	}},
	{"other host", func(s *sent) { s.Host = "evil.example" }},
	{"GET", func(s *sent) { s.Method = http.MethodGet }},
	{"GET with all in the query", func(s *sent) { s.Method, s.URL.RawQuery, s.form = http.MethodGet, s.form.Encode(), url.Values{} }},
	{"HEAD", func(s *sent) { s.Method = http.MethodHead }},
	{"PUT", func(s *sent) { s.Method = http.MethodPut }},
	{"PATCH", func(s *sent) { s.Method = http.MethodPatch }},
	{"DELETE", func(s *sent) { s.Method = http.MethodDelete }},
	{"OPTIONS", func(s *sent) { s.Method = http.MethodOptions }},
	{"GET that would be a POST", func(s *sent) { s.Method = http.MethodGet; s.Header.Set("X-HTTP-Method-Override", "POST") }},
	{"method in the form", func(s *sent) { s.Method = http.MethodGet; s.URL.RawQuery = "_method=POST&" + s.form.Encode() }},
	{"fetched ahead", func(s *sent) { s.Method = http.MethodGet; s.Header.Set("Sec-Purpose", "prefetch") }},
}

// TestNothingChanges sends every form to its route with one thing wrong, and
// visits every page as scanners and prefetching browsers do: no row and no
// entry of the log changes. Then the same forms, as they are, do their work.
func TestNothingChanges(t *testing.T) {
	w := newWorld(t)
	r := w.ask("acme-prod/Admin", "1h", "restore db-7")
	w.signIn(w.lead, "/")
	other := w.browser("lead")
	w.signIn(other, "/")
	engineer := w.browser("engineer")
	w.signIn(engineer, "/")
	second := w.ask("acme-prod/Data", "1h", "look")
	w.press(w.lead, w.open(w.lead, "/requests/"+second.ID, http.StatusOK), "approve", nil)
	held, err := w.engineer.Request(t.Context(), second.ID, 0)
	if err != nil || held.Grant == nil {
		t.Fatalf("%+v, %v", held, err)
	}
	emergency, _ := w.glass("db-7 is down")
	forms := []struct {
		pattern, path, button string
		by, other             *brevettest.Browser
	}{
		{"POST /requests/{id}", "/requests/" + r.ID, "approve", w.lead, other},
		{"POST /requests/{id}", "/requests/" + r.ID, "deny", w.lead, other},
		{"POST /requests/{id}", "/requests/" + r.ID, "withdraw", engineer, other},
		{"POST /grants/{id}", "/grants/" + held.Grant.ID, "drop", engineer, other},
		{"POST /reviews/{id}", "/reviews/" + emergency.Request.Grant.ID, "not-ok", w.lead, other},
		{"POST /signout", "/", "signout", w.lead, other},
	}
	var covered []string
	before, size := w.rows(), w.Service.DB.Head().Size
	for _, f := range forms {
		covered = append(covered, f.pattern)
		page := w.open(f.by, f.path, http.StatusOK)
		theirs := w.open(f.other, "/", http.StatusOK)
		for _, a := range attacks {
			s := w.honest(f.by, page, f.button)
			s.csrf = w.honest(f.other, theirs, "signout").form.Get("token")
			a.do(s)
			status := w.send(s)
			safe := s.Method == http.MethodGet || s.Method == http.MethodHead
			if status < 400 && !safe {
				t.Errorf("%s %s, %s: status %d", f.pattern, f.button, a.name, status)
			}
		}
	}
	for pattern := range web.New(web.Config{URL: w.Facts.URL}).Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		if method == http.MethodPost {
			if !slices.Contains(covered, pattern) {
				t.Errorf("%s is not attacked", pattern)
			}
			continue
		}
		w.scan(path, map[string]string{"/requests/": r.ID, "/grants/": held.Grant.ID, "/reviews/": emergency.Request.Grant.ID})
	}
	if after := w.rows(); after != before {
		t.Errorf("rows changed:\n%s", diff(before, after))
	}
	if after := w.Service.DB.Head().Size; after != size {
		t.Errorf("the log grew from %d to %d", size, after)
	}
	for _, i := range []int{0, 3, 4, 5} {
		f := forms[i]
		s := w.honest(f.by, w.open(f.by, f.path, http.StatusOK), f.button)
		if status := w.send(s); status != http.StatusSeeOther {
			t.Errorf("%s %s as it should be: status %d", f.pattern, f.button, status)
		}
	}
	if after := w.Service.DB.Head().Size; after < size+5 { // approved, activated, ended, reviewed, signed out
		t.Errorf("the honest forms left %d entries", after-size)
	}
}

// scan visits a page in every way that is no visit of a person.
func (w *world) scan(path string, ids map[string]string) {
	path = strings.TrimSuffix(path, "{$}")
	if family, ok := strings.CutSuffix(path, "{id}"); ok {
		path = family + ids[family]
	}
	for _, query := range []string{"", "?action=approve&token=x&key=y&next=//evil.example&fresh=1", "?code=aaaaa-bbbbb-ccccc-ddddd&state=x&iss=" + url.QueryEscape(w.Facts.URL)} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			for name, value := range map[string]string{"": "", "Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site",
				"X-Http-Method-Override": "POST", "X-Forwarded-Host": "evil.example", "User-Agent": "Slackbot-LinkExpanding 1.0"} {
				for _, cookie := range []string{"", w.cookie(w.lead)} {
					req, err := http.NewRequest(method, w.Facts.URL+path+query, nil)
					if err != nil {
						w.t.Fatal(err)
					}
					if name != "" {
						req.Header.Set(name, value)
					}
					if cookie != "" {
						req.Header.Set("Cookie", cookie)
					}
					w.send(&sent{Request: req})
				}
			}
		}
	}
}

// honest returns the request that a browser sends for a button.
func (w *world) honest(b *brevettest.Browser, p brevettest.Page, button string) *sent {
	w.t.Helper()
	req, err := b.Form(p, button, url.Values{"comment": {"seen"}})
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		w.t.Fatal(err)
	}
	s := &sent{Request: req, form: form, cookie: w.cookie(b)}
	req.Header.Set("Cookie", s.cookie)
	return s
}

// cookie returns the browser's sign-in as a header has it.
func (w *world) cookie(b *brevettest.Browser) string {
	w.t.Helper()
	u, err := url.Parse(w.Facts.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "brevet-web" {
			return c.Name + "=" + c.Value
		}
	}
	w.t.Fatal("the browser is not signed in")
	return ""
}

// send sends a request as it is, follows nothing, and returns the status.
func (w *world) send(s *sent) int {
	w.t.Helper()
	if s.form != nil {
		body := s.form.Encode()
		s.Body, s.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	if w.sent++; w.sent%40 == 0 {
		w.Clock.Advance(time.Second) // so that nobody is told to be slower
	}
	bare := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := bare.Do(s.Request)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		w.t.Error("the limit answered in the place of the page")
	}
	if err != nil {
		w.t.Fatalf("%s %s: %v", s.Method, s.URL, err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// diff names the lines that differ.
func diff(before, after string) string {
	var out []string
	old := strings.Split(before, "\n")
	for _, line := range strings.Split(after, "\n") {
		if !slices.Contains(old, line) {
			out = append(out, line)
		}
	}
	return fmt.Sprintf("%x\n%s", sha256.Sum256([]byte(after)), strings.Join(out, "\n"))
}
