package main

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/brevet-access/brevet/sandbox"
)

// owner ACCOUNT makes the AWS CLI work as the customer's own administrator of
// the account; owner -none makes it work as whatever its profile says, in the
// same region.
func owner(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: owner ACCOUNT | owner -none")
	}
	var facts sandbox.Facts
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(ts.Getenv("DEVJSON"))), &facts))
	if args[0] == "-none" {
		for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"} {
			ts.Setenv(name, "")
		}
		return
	}
	for _, a := range facts.Accounts {
		if a.Name == args[0] {
			ts.Setenv("AWS_ACCESS_KEY_ID", a.Owner.AccessKeyID)
			ts.Setenv("AWS_SECRET_ACCESS_KEY", a.Owner.SecretAccessKey)
			ts.Setenv("AWS_ENDPOINT_URL", facts.AWS)
			ts.Setenv("AWS_REGION", a.Region)
			ts.Setenv("AWS_DEFAULT_REGION", a.Region) // as version 1 calls it
			return
		}
	}
	ts.Fatalf("no account %s", args[0])
}

var waitingSubscription = regexp.MustCompile(`name="subscription" value="([^"]+)"`)

// confirm opens the simulated mailbox and confirms every subscription that
// waits there; it fails if none does.
func confirm(ts *testscript.TestScript, neg bool, _ []string) {
	box := ts.Getenv("AWS_URL") + "/mailbox"
	res, err := http.Get(box)
	ts.Check(err)
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	ts.Check(err)
	found := waitingSubscription.FindAllStringSubmatch(string(page), -1)
	if (len(found) == 0) != neg {
		ts.Fatalf("%d subscriptions wait\n%s", len(found), page)
	}
	for _, m := range found {
		res, err := http.PostForm(box, url.Values{"subscription": {html.UnescapeString(m[1])}})
		ts.Check(err)
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			ts.Fatalf("confirm %s: %s", m[1], res.Status)
		}
	}
}

// mails PATTERN looks for mails in the simulated mailbox.
func mails(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: mails PATTERN")
	}
	res, err := http.Get(ts.Getenv("AWS_URL") + "/mailbox")
	ts.Check(err)
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	ts.Check(err)
	if regexp.MustCompile(args[0]).MatchString(html.UnescapeString(string(page))) == neg {
		ts.Fatalf("the mailbox:\n%s", page)
	}
}
