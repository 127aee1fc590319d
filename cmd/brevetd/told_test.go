package main

import (
	"html"
	"io"
	"net/http"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// told PATTERN waits until a message of the broker stands in the mailbox; ! told
// looks once.
func told(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: told PATTERN")
	}
	pattern := regexp.MustCompile(args[0])
	look := func(beyond string) (page, told string, found bool) {
		res, err := http.Get(ts.Getenv("AWS_URL") + "/mailbox?beyond=" + beyond)
		ts.Check(err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		ts.Check(err)
		return string(text), res.Header.Get("Messages"), pattern.MatchString(html.UnescapeString(string(text)))
	}
	page, n, found := look("-1")
	for began := time.Now(); !found && !neg && time.Since(began) < time.Minute; {
		page, n, found = look(n)
	}
	if found == neg {
		ts.Fatalf("the mailbox:\n%s", page)
	}
}
