package main

import (
	"net/http"
	"net/url"

	"github.com/rogpeppe/go-internal/testscript"
)

// outage on|off switches the world's identity provider off, or on again.
func outage(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: outage on|off")
	}
	res, err := http.PostForm(ts.Getenv("SIGNIN_URL")+"/outage", url.Values{"state": args})
	ts.Check(err)
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		ts.Fatalf("outage %s: %s", args[0], res.Status)
	}
}
