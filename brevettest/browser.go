package brevettest

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/brevet-access/brevet/sandbox"
)

// Browser is one person's browser: it keeps cookies, follows redirects and
// knows how to sign in at the sandbox's identity provider.
type Browser struct {
	*http.Client
	facts  sandbox.Facts
	person sandbox.PersonFact
	now    func() time.Time
}

// Page is what a browser shows.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
}

// NewBrowser returns a browser without cookies in the hands of username.
func NewBrowser(facts sandbox.Facts, now func() time.Time, username string) (*Browser, error) {
	i := slices.IndexFunc(facts.People, func(p sandbox.PersonFact) bool { return p.Username == username })
	if i < 0 {
		return nil, fmt.Errorf("nobody is called %q", username)
	}
	jar, err := cookiejar.New(nil)
	return &Browser{Client: &http.Client{Jar: jar}, facts: facts, person: facts.People[i], now: now}, err
}

// Open opens an address and, where that leads to the identity provider, signs
// in there. The first page of another host is returned.
func (b *Browser) Open(address string) (Page, error) {
	resp, err := b.Get(address)
	for range 5 {
		if err != nil {
			return Page{}, err
		}
		p, err := read(resp)
		if err != nil {
			return p, err
		}
		action := formAction.FindStringSubmatch(p.Body)
		if !strings.HasPrefix(p.URL.String(), b.facts.SignIn+"/") || action == nil {
			return p, nil
		}
		to, err := p.URL.Parse(html.UnescapeString(action[1]))
		if err != nil {
			return p, err
		}
		form, err := fill(p.Body, b.person, b.now())
		if err != nil {
			return p, err
		}
		if resp, err = b.PostForm(to.String(), form); err != nil {
			return p, err
		}
	}
	return Page{}, fmt.Errorf("the sign-in never ends")
}

// Press sends the page's form that has a button with this value, with more
// fields filled in, as a browser sends it.
func (b *Browser) Press(p Page, button string, more url.Values) (Page, error) {
	req, err := b.Form(p, button, more)
	if err != nil {
		return Page{}, err
	}
	resp, err := b.Do(req)
	if err != nil {
		return Page{}, err
	}
	return read(resp)
}

// Form returns the request that Press sends.
func (b *Browser) Form(p Page, button string, more url.Values) (*http.Request, error) {
	for part := range strings.SplitSeq(p.Body, "<form") {
		part, _, _ = strings.Cut(part, "</form>")
		action := formAction.FindStringSubmatch("<form" + part)
		if action == nil || !strings.Contains(part, `value="`+button+`"`) {
			continue
		}
		to, err := p.URL.Parse(html.UnescapeString(action[1]))
		if err != nil {
			return nil, err
		}
		form := hiddenFields(part)
		form.Set("action", button)
		for name, list := range more {
			form[name] = list
		}
		req, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", p.URL.Scheme+"://"+p.URL.Host)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		return req, nil
	}
	return nil, fmt.Errorf("no button %q on\n%s", button, p.Body)
}

func read(resp *http.Response) (Page, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return Page{URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header, Body: string(body)}, err
}

// hiddenFields returns what a form sends by itself.
func hiddenFields(form string) url.Values {
	out := url.Values{}
	for _, input := range hidden.FindAllString(form, -1) {
		var name, value string
		for _, a := range attribute.FindAllStringSubmatch(input, -1) {
			if a[1] == "name" {
				name = html.UnescapeString(a[2])
			} else {
				value = html.UnescapeString(a[2])
			}
		}
		out.Set(name, value)
	}
	return out
}
