package main

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"os"
	"regexp"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/sandbox"
)

// facts reads what the script's world says of itself.
func facts(ts *testscript.TestScript) (f sandbox.Facts) {
	text, err := os.ReadFile(ts.Getenv("DEVJSON"))
	ts.Check(err)
	ts.Check(json.Unmarshal(text, &f))
	return f
}

// find signs somebody in with a browser that has no scripts, and follows the
// link of their home page to something about the target.
func find(ts *testscript.TestScript, who, target string) (*brevettest.Browser, string) {
	f := facts(ts)
	b, err := brevettest.NewBrowser(f, scriptClock(ts.Getenv(clockEnv)), who)
	ts.Check(err)
	home, err := b.Open(f.URL + "/signin?next=/")
	link := regexp.MustCompile(`<a href="([^"]+)"><strong>` + regexp.QuoteMeta(html.EscapeString(target)) + `<`)
	ts.Check(err)
	found := link.FindStringSubmatch(home.Body)
	if found == nil {
		ts.Fatalf("nothing about %s on the home page of %s:\n%s", target, who, home.Body)
	}
	return b, f.URL + html.UnescapeString(found[1])
}

// page WHO BUTTON TARGET [COMMENT]: somebody opens what their home page lists
// about the target and presses the button. The last page goes to stdout.
func page(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: page WHO BUTTON TARGET [COMMENT]")
	}
	b, address := find(ts, args[0], args[2])
	p, err := b.Open(address)
	ts.Check(err)
	more := url.Values{}
	if len(args) > 3 {
		more.Set("comment", args[3])
	}
	p, err = b.Press(p, args[1], more)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d\n%s\n", p.Status, p.Body)
}

// chrome WHO BUTTON TARGET COMMENT: engineer has asked for the target, and
// somebody follows a link to the page in Chromium, signs in on the way as
// people do, and presses the button. What they read in the end goes to stdout.
func chrome(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: chrome WHO BUTTON TARGET COMMENT")
	}
	_, address := find(ts, "engineer", args[2])
	f := facts(ts)
	var who sandbox.PersonFact
	for _, p := range f.People {
		if p.Username == args[0] {
			who = p
		}
	}
	c, err := startChromium(ts.MkAbs("chromium"))
	ts.Check(err)
	defer c.close()
	ts.Check(c.open(address))
	ts.Check(c.fill("[name=username]", who.Username))
	ts.Check(c.fill("[name=password]", who.Password))
	ts.Check(c.press("#go"))
	code, err := totp.GenerateCode(who.TOTP, time.Now())
	ts.Check(err)
	ts.Check(c.fill("[name=otp]", code))
	ts.Check(c.press("#go"))
	if at, err := c.eval("location.href"); err != nil || at != address {
		ts.Fatalf("after the sign-in the browser is at %s, %v", at, err)
	}
	ts.Check(c.shoot("request"))
	wide, err := c.eval("document.documentElement.scrollWidth")
	ts.Check(err)
	if wide != "360" {
		ts.Fatalf("a page 360 wide scrolls sideways: it is %s wide", wide)
	}
	ts.Check(c.fill("[name=comment]", args[3]))
	ts.Check(c.press("button[value=" + args[1] + "]"))
	ts.Check(c.shoot("decided"))
	text, err := c.eval("document.body.innerText")
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), text)
	for name, path := range map[string]string{"home": "/", "nothing": "/requests/req_00000000000000000000000000"} {
		if os.Getenv("BREVET_SHOTS") != "" {
			ts.Check(c.open(f.URL + path))
			ts.Check(c.shoot(name))
		}
	}
}
