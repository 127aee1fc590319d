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
	look := func() (string, bool) {
		res, err := http.Get(ts.Getenv("AWS_URL") + "/mailbox")
		ts.Check(err)
		defer res.Body.Close()
		page, err := io.ReadAll(res.Body)
		ts.Check(err)
		return string(page), pattern.MatchString(html.UnescapeString(string(page)))
	}
	page, found := look()
	for range 600 {
		if found || neg {
			break
		}
		time.Sleep(50 * time.Millisecond)
		page, found = look()
	}
	if found == neg {
		ts.Fatalf("the mailbox:\n%s", page)
	}
}
