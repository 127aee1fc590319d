package main

import (
	"io"
	"net/http"
	"net/url"
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"
)

// desk TICKET presses the button of a ticket at the simulated ticket system,
// which opens or closes it; desk desk takes the system down or up; desk -see
// PATTERN looks at its page.
func desk(ts *testscript.TestScript, _ bool, args []string) {
	page := ts.Getenv("AWS_URL") + "/tickets"
	var res *http.Response
	var err error
	switch {
	case len(args) == 1:
		res, err = http.PostForm(page, url.Values{"turn": args})
	case len(args) == 2 && args[0] == "-see":
		res, err = http.Get(page)
	default:
		ts.Fatalf("usage: desk TICKET | desk desk | desk -see PATTERN")
	}
	ts.Check(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	if res.StatusCode != http.StatusOK || len(args) == 2 && !regexp.MustCompile(args[1]).Match(text) {
		ts.Fatalf("the page of tickets: %s\n%s", res.Status, text)
	}
}
