package web

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// FuzzForm: what comes back in a form is taken apart without a fault, and
// what pack wrote is what unpack reads.
func FuzzForm(f *testing.F) {
	f.Add("action=approve&key=web-A&token=x&comment=a%0d%0ab", "Reason", "restore db-7")
	f.Add("action=a&action=b", "a=b&c", "%zz\x00")
	f.Fuzz(func(t *testing.T, body, name, value string) {
		if q, err := url.ParseQuery(body); err == nil {
			if got, err := parseForm(q); err == nil && (got.Key == "" || strings.ContainsAny(got.Comment, "\r\n")) {
				t.Errorf("%q: %+v", body, got)
			}
		}
		want := []fact{{name, value}, {"Ticket", ""}}
		if got := unpack(pack(want)); !reflect.DeepEqual(got, want) || changes(got, want) != nil {
			t.Errorf("%q came back as %q", want, got)
		}
		unpack(body)
	})
}

// FuzzReturn: whatever a browser brings back leads to a page of ours.
func FuzzReturn(f *testing.F) {
	f.Add(away{secret(), secret(), "/requests/req_1"}.String())
	f.Add("a.b.c")
	f.Add("//evil.example")
	f.Fuzz(func(t *testing.T, text string) {
		paths := []string{local(text)}
		if a, ok := parseAway(text); ok {
			paths = append(paths, a.Next)
			if again, ok := parseAway(a.String()); !ok || again != a {
				t.Errorf("%+v came back as %+v", a, again)
			}
		}
		for _, p := range paths {
			u, err := url.Parse(p)
			if err != nil || u.Host != "" || u.Scheme != "" || u.RawQuery != "" || !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.Contains(p, "..") {
				t.Errorf("%q leads to %q", text, p)
			}
		}
	})
}
