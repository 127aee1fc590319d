package notify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/notify"
)

const (
	vectorSecret    = "8f742231b10e8888abcd99yyyzzz85a5"
	vectorStamp     = "1531420618"
	vectorSignature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	vectorBody      = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner" +
		"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)

var vectorTime = time.Unix(1531420618, 0)

func signed(stamp, signature string) http.Header {
	h := http.Header{}
	h.Set("X-Slack-Request-Timestamp", stamp)
	h.Set("X-Slack-Signature", signature)
	return h
}

// TestSlackVector verifies the example of Slack's documentation.
func TestSlackVector(t *testing.T) {
	got, err := notify.VerifySlack(vectorSecret, signed(vectorStamp, vectorSignature), []byte(vectorBody), vectorTime)
	if err != nil || got != vectorSignature {
		t.Errorf("%q, %v", got, err)
	}
}

// sign signs as Slack does, by hand.
func sign(secret, stamp, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// TestSlackForgeries verifies 300 calls that Slack did not make now.
func TestSlackForgeries(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	refuse := func(what, secret string, h http.Header, body string, at time.Time) {
		t.Helper()
		if _, err := notify.VerifySlack(secret, h, []byte(body), at); !errors.Is(err, brevet.Unauthenticated) {
			t.Errorf("%s: %v", what, err)
		}
	}
	n := 0
	for i := range 100 { // one bit of the signature, of the body, and of the key
		h := signed(vectorStamp, vectorSignature)
		raw := []byte(vectorSignature)
		raw[3+r.IntN(64)] ^= 1 << r.IntN(3)
		refuse("signature", vectorSecret, signed(vectorStamp, string(raw)), vectorBody, vectorTime)
		body := []byte(vectorBody)
		body[r.IntN(len(body))] ^= 1
		refuse("body", vectorSecret, h, string(body), vectorTime)
		key := []byte(vectorSecret)
		key[i%len(key)] ^= 1
		refuse("key", string(key), h, vectorBody, vectorTime)
		n += 3
	}
	for _, d := range []time.Duration{-time.Hour, -5*time.Minute - time.Second, 5*time.Minute + time.Second, 24 * time.Hour} {
		refuse("age "+d.String(), vectorSecret, signed(vectorStamp, vectorSignature), vectorBody, vectorTime.Add(d))
	}
	for _, stamp := range []string{"", "0", "-1", "01531420618", "1531420618 ", "+1531420618", "1.531420618e9", "9999999999999", "0x5b47c48a", "1531420618\n"} {
		refuse("stamp "+stamp, vectorSecret, signed(stamp, sign(vectorSecret, stamp, vectorBody)), vectorBody, vectorTime)
	}
	for _, signature := range []string{"", "v0=", "v1=" + vectorSignature[3:], vectorSignature[3:], strings.ToUpper(vectorSignature), vectorSignature + "0", vectorSignature[:60], " " + vectorSignature} {
		refuse("signature "+signature, vectorSecret, signed(vectorStamp, signature), vectorBody, vectorTime)
	}
	refuse("no secret", "", signed(vectorStamp, sign("", vectorStamp, vectorBody)), vectorBody, vectorTime)
	refuse("nothing", vectorSecret, http.Header{}, vectorBody, vectorTime)
	two := signed(vectorStamp, vectorSignature)
	two.Add("X-Slack-Signature", vectorSignature)
	refuse("two signatures", vectorSecret, two, vectorBody, vectorTime)
	two = signed(vectorStamp, vectorSignature)
	two.Add("X-Slack-Request-Timestamp", vectorStamp)
	refuse("two stamps", vectorSecret, two, vectorBody, vectorTime)
	if n < 300 {
		t.Errorf("%d forgeries", n)
	}
}

const buttonPayload = `{"type":"block_actions","team":{"id":"T1"},"user":{"id":"U7","username":"lead","name":"lead","team_id":"T1"},"channel":{"id":"C1"},
	"response_url":"https://hooks.slack.com/actions/T1/1/x","actions":[{"action_id":"brevet_approve","type":"button",
	"value":"{\"request\":\"req_01jd0000000000000000000002\",\"digest\":\"abababababababababababababababababababababababababababababababab\"}"}]}`

func buttonBody(payload string) []byte { return []byte("payload=" + url.QueryEscape(payload)) }

func TestParseSlack(t *testing.T) {
	c, err := notify.ParseSlack(buttonBody(buttonPayload))
	if err != nil || c.Team != "T1" || c.User != "U7" || !c.Approve || c.Request != "req_01jd0000000000000000000002" || len(c.Digest) != 64 {
		t.Errorf("button: %+v, %v", c, err)
	}
	c, err = notify.ParseSlack(buttonBody(strings.Replace(buttonPayload, `"team_id":"T1"`, `"team_id":"T2"`, 1)))
	if err != nil || c.Team != "T2" {
		t.Errorf("somebody of another workspace in a shared channel: %+v, %v", c, err)
	}
	c, err = notify.ParseSlack([]byte("command=%2Fbrevet&text=link+ABC-1&team_id=T1&user_id=U7"))
	if err != nil || c.Code != "ABC-1" || c.User != "U7" || c.Request != "" {
		t.Errorf("command: %+v, %v", c, err)
	}
	for _, bad := range []string{"", "payload=", "payload={}", "payload=%zz", "command=%2Fbrevet&text=approve+x&team_id=T1&user_id=U7", "command=%2Fbrevet&text=link&team_id=T1&user_id=U7",
		"command=%2Fbrevet&text=link+x&team_id=T1&user_id=U7&user_id=U8", "command=%2Fbrevet&text=link+x&team_id=T1&user_id=a@b.c",
		string(buttonBody(strings.Replace(buttonPayload, "block_actions", "view_submission", 1))), string(buttonBody(strings.Replace(buttonPayload, "brevet_approve", "other", 1))),
		string(buttonBody(strings.Replace(buttonPayload, "req_01", "gr_01", 1))), string(buttonBody(strings.Replace(buttonPayload, `"U7"`, `""`, 1))),
		string(buttonBody(strings.Replace(buttonPayload, "abab", "", 1)))} {
		if c, err := notify.ParseSlack([]byte(bad)); !errors.Is(err, brevet.Invalid) {
			t.Errorf("%q: %+v, %v", bad, c, err)
		}
	}
}

func FuzzParseSlack(f *testing.F) {
	f.Add([]byte(vectorBody))
	f.Add(buttonBody(buttonPayload))
	f.Add([]byte("command=%2Fbrevet&text=link+ABC-1&team_id=T1&user_id=U7"))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := notify.ParseSlack(body)
		if err != nil {
			return
		}
		if c.User == "" || c.Team == "" || strings.ContainsAny(c.User+c.Team, "@ \n<") || c.Request != "" && len(c.Digest) != 64 || len(c.Code) > 100 {
			t.Errorf("%q gave %+v", body, c)
		}
	})
}
