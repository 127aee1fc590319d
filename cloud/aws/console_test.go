package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/cloud/aws"
	"github.com/google/go-cmp/cmp"
)

var cred = brevet.Credential{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: session}

func TestConsole(t *testing.T) {
	s := newSTS(t, reply{200, "application/json", `{"SigninToken":"abc-DEF_123"}`})
	c, _ := newCloud(s.URL)
	got, err := c.Console(context.Background(), cred, "eu-west-1", "")
	if err != nil {
		t.Fatal(err)
	}
	want := s.URL + "/federation?" + url.Values{"Action": {"login"}, "Issuer": {"https://brevet.invalid"}, "SigninToken": {"abc-DEF_123"},
		"Destination": {"https://eu-west-1.console.aws.amazon.com/console/home?region=eu-west-1"}}.Encode()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	asked := []url.Values{{"Action": {"getSigninToken"}, // and no SessionDuration
		"Session": {`{"sessionId":"` + keyID + `","sessionKey":"` + secret + `","sessionToken":"` + session + `"}`}}}
	if diff := cmp.Diff(asked, s.asked); diff != "" {
		t.Error(diff)
	}
}

func TestConsoleAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		reply
		want brevet.Kind
	}{
		"400":       {reply{400, "text/html", "<html>" + secret}, brevet.CloudRefused},
		"500":       {reply{500, "text/html", "<html>" + secret}, brevet.Unavailable},
		"302":       {reply{302, "text/html", ""}, brevet.Unavailable},
		"HTML":      {reply{200, "text/html", "<html>" + secret}, brevet.Unavailable},
		"no token":  {reply{200, "", `{}`}, brevet.Unavailable},
		"not text":  {reply{200, "", `{"SigninToken":5}`}, brevet.Unavailable},
		"bad token": {reply{200, "", `{"SigninToken":"a\nb"}`}, brevet.Unavailable},
		"cut":       {reply{200, "", `{"SigninToken":"abc`}, brevet.Unavailable},
		"1 MB":      {reply{200, "", `{"SigninToken":"` + strings.Repeat("x", 1<<20) + `"}`}, brevet.Unavailable},
	} {
		s := newSTS(t, tt.reply)
		c, _ := newCloud(s.URL)
		_, err := c.Console(context.Background(), cred, "eu-west-1", "")
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
		mustHide(t, err)
	}
}

func TestDestinations(t *testing.T) {
	s := newSTS(t, reply{200, "", `{"SigninToken":"abc"}`})
	c, _ := newCloud(s.URL)
	const home = "https://eu-west-1.console.aws.amazon.com"
	for in, want := range map[string]string{
		"/s3/home?region=eu-west-1":                   home + "/s3/home?region=eu-west-1",
		home + "/ec2/home#Instances:":                 home + "/ec2/home#Instances:",
		"https://console.aws.amazon.com/s3":           "https://console.aws.amazon.com/s3",
		"https://us-east-1.console.aws.amazon.com/s3": "https://us-east-1.console.aws.amazon.com/s3",
		"https://evil.invalid/":                       "",
		"http://console.aws.amazon.com/s3":            "",
		"https://console.aws.amazon.com.evil.invalid": "",
		"https://evilconsole.aws.amazon.com":          "",
		"https://console.aws.amazon.com@evil.invalid": "",
		"https://x@console.aws.amazon.com/":           "",
		"//evil.invalid/s3":                           "",
		`/\evil.invalid`:                              "",
		`\\evil.invalid`:                              "",
		"javascript:alert(1)":                         "",
		"s3/home":                                     "",
		"/s3 home":                                    "",
		"/s3\nhome":                                   "",
		"/" + strings.Repeat("x", 5000):               "",
	} {
		got, err := c.Console(context.Background(), cred, "eu-west-1", in)
		if want == "" {
			if !errors.Is(err, brevet.Invalid) {
				t.Errorf("%q: %s, %v; want invalid", in, got, err)
			}
			continue
		}
		if u, _ := url.Parse(got); err != nil || u.Query().Get("Destination") != want {
			t.Errorf("%q: %s, %v; want %s", in, got, err, want)
		}
	}
	if _, err := c.Console(context.Background(), cred, "evil.invalid/", ""); !errors.Is(err, brevet.Invalid) {
		t.Errorf("bad region: %v", err)
	}
}

// The sandbox has a console of its own.
func TestOwnConsole(t *testing.T) {
	s := newSTS(t, reply{200, "", `{"SigninToken":"abc"}`})
	c := aws.New(aws.Config{SignIn: s.URL + "/federation", Console: "http://127.0.0.1:8479/"})
	for in, want := range map[string]string{
		"":                           "http://127.0.0.1:8479/console/home?region=eu-west-1",
		"/s3":                        "http://127.0.0.1:8479/s3",
		"http://127.0.0.1:8479/s3":   "http://127.0.0.1:8479/s3",
		"http://127.0.0.1:8480/evil": "",
	} {
		got, err := c.Console(context.Background(), cred, "eu-west-1", in)
		u, _ := url.Parse(got)
		if (err == nil) != (want != "") || err == nil && u.Query().Get("Destination") != want {
			t.Errorf("%q: %s, %v; want %s", in, got, err, want)
		}
		if err == nil && u.Query().Has("Issuer") {
			t.Errorf("%q: an issuer that nobody set: %s", in, got)
		}
	}
}

func TestCredentialsDoNotPrint(t *testing.T) {
	if s := fmt.Sprintf("%v %+v %#v", cred, cred, cred); strings.Contains(s, secret) || strings.Contains(s, session) {
		t.Error(s)
	}
}
