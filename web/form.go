package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/brevet-access/brevet"
)

// maxForm bounds the body of a POST.
const maxForm = 64 << 10

// form is what one of our forms sends back. Key names the intent, so that a
// double tap is one; Shown is what the page said about the thing.
type form struct {
	Action  string // the button that was pressed
	Comment string
	Key     string
	Digest  string
	Shown   string
	Token   string
}

// fields lists the names of a form's fields and where each goes.
func (f *form) fields() map[string]*string {
	return map[string]*string{"action": &f.Action, "comment": &f.Comment, "key": &f.Key, "digest": &f.Digest, "shown": &f.Shown, "token": &f.Token}
}

// newForm returns a form for this visit that may be sent to path.
func (v *visit) newForm(path, digest, shown string) form {
	f := form{Key: "web-" + rand.Text(), Digest: digest, Shown: shown}
	f.Token = f.sign(v.token, path)
	return f
}

// sign binds what the page has put into the form to the browser's sign-in and
// to where the form goes.
func (f *form) sign(token, path string) string {
	secret := sha256.Sum256([]byte("brevet form\x00" + token))
	mac := hmac.New(sha256.New, secret[:])
	for _, part := range []string{path, f.Key, f.Digest, f.Shown} {
		sum := sha256.Sum256([]byte(part))
		mac.Write(sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// ours refuses what did not come from one of our own pages. Every browser
// says where a POST comes from; whoever says nothing is none. The pages are
// sent with a referrer policy under which Origin is not "null".
func (s *Site) ours(r *http.Request) error {
	foreign := brevet.Errorf(brevet.Denied, "this was not sent by a page of brevet").WithHint("open the page again and press the button there")
	if origin := r.Header.Values("Origin"); len(origin) != 1 || origin[0] != s.origin {
		return foreign
	}
	if site := r.Header.Values("Sec-Fetch-Site"); len(site) > 1 || len(site) == 1 && site[0] != "same-origin" {
		return foreign
	}
	return nil
}

// readForm reads a form that newForm made for this browser and this path.
// The error is of kind [brevet.Invalid] for what no page of ours sends, and
// [brevet.Denied] for a token that is not right.
func readForm(w http.ResponseWriter, r *http.Request, token string) (*form, error) {
	bad := brevet.Errorf(brevet.Invalid, "this is not a form of brevet").WithHint("open the page again and press the button there")
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" ||
		len(r.Header.Values("Content-Type")) != 1 || r.Header.Get("Content-Encoding") != "" || r.URL.RawQuery != "" {
		return nil, bad
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, bad.WithCause(err)
	}
	f, err := parseForm(r.PostForm)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal([]byte(f.Token), []byte(f.sign(token, r.URL.Path))) {
		return nil, brevet.Errorf(brevet.Denied, "this form is not one that was made for you, or you have signed in anew since").
			WithHint("open the page again and press the button there")
	}
	return f, nil
}

// parseForm takes the fields apart: each at most once, and no others.
func parseForm(values url.Values) (*form, error) {
	f := new(form)
	fields := f.fields()
	for name, list := range values {
		to := fields[name]
		if to == nil || len(list) != 1 {
			return nil, brevet.Errorf(brevet.Invalid, "this is not a form of brevet").WithHint("open the page again and press the button there")
		}
		*to = list[0]
	}
	if f.Key == "" || len(f.Key) > 64 || strings.Trim(f.Key, keyLetters) != "" {
		return nil, brevet.Errorf(brevet.Invalid, "this is not a form of brevet").WithHint("open the page again and press the button there")
	}
	f.Comment = strings.Join(strings.Fields(f.Comment), " ") // a text area has line ends
	return f, nil
}

const keyLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

// fact is one line of what a page said about a request.
type fact struct{ Name, Value string }

// pack writes facts so that a form can carry them.
func pack(facts []fact) string {
	var b strings.Builder
	for _, f := range facts {
		b.WriteString(url.QueryEscape(f.Name) + "=" + url.QueryEscape(f.Value) + "&")
	}
	return base64.RawURLEncoding.EncodeToString([]byte(b.String()))
}

// unpack undoes pack; what is not of its making is nothing.
func unpack(s string) []fact {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	var out []fact
	for part := range strings.SplitSeq(string(text), "&") {
		name, value, ok := strings.Cut(part, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		if ok && err1 == nil && err2 == nil {
			out = append(out, fact{n, v})
		}
	}
	return out
}

// change is a fact that is not what it was.
type change struct{ Name, Was, Is string }

// changes compares what was shown with what is.
func changes(was, is []fact) (out []change) {
	find := func(list []fact, name string) string {
		if i := slices.IndexFunc(list, func(f fact) bool { return f.Name == name }); i >= 0 {
			return list[i].Value
		}
		return ""
	}
	for _, f := range is {
		if old := find(was, f.Name); old != f.Value {
			out = append(out, change{f.Name, old, f.Value})
		}
	}
	for _, f := range was {
		if f.Value != "" && !slices.ContainsFunc(is, func(g fact) bool { return g.Name == f.Name }) {
			out = append(out, change{f.Name, f.Value, ""})
		}
	}
	return out
}
