package notify_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func now() time.Time { return noon }

// message is a request that waits.
func message() brevet.Message {
	return brevet.Message{ID: "msg_01jd0000000000000000000001", Kind: brevet.RequestCreated, Time: noon, Customer: "cu_01jd0000000000000000000000",
		About: "req_01jd0000000000000000000002", Title: "engineer asks for acme-prod/Admin for 1h",
		Facts:  []brevet.Fact{{Name: "reason", Value: "restore db-7"}, {Name: "risk", Value: "prod"}},
		Link:   "https://brevet.test/requests/req_01jd0000000000000000000002",
		Choice: &brevet.Choice{Request: "req_01jd0000000000000000000002", Digest: strings.Repeat("ab", 32)}}
}

// nasty returns n texts that want to be more than text: markup, mentions,
// header lines, escape sequences, other byte orders, and mixtures of these.
func nasty(n int) []string {
	seeds := []string{"<!channel>", "<@U0123ABCD>", "<!subteam^S1|x>", "<https://evil.example|acme>", "@here @everyone @channel", "*bold* _it_ ~s~ `c` ```block```", "> quote",
		"&lt;!here&gt;", "&amp;amp;", "\r\nBcc: evil@example.com", "\nSubject: paid\n\nbody", "\r\n.\r\nMAIL FROM:<x>", "=?utf-8?Q?=0D=0ABcc:_x?=", "a\x00b", "\x1b]0;title\x07\x1b[2J",
		"\x1b[31mred", "\u202egnp.exe", "\u2066\u2069", "\u200b\u200d", "<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "javascript:alert(1)", "{{.}} {{template}}",
		"${jndi:ldap://x}", "'; DROP TABLE outbox; --", "=HYPERLINK(\"http://x\")", "+cmd|' /C calc'!A0", "\xff\xfe\xfa", "\xed\xa0\x80", "\u2028\u2029", "\ufeff", "%0d%0aX: y",
		"boundary--\r\n\r\n--x", "\u00a0", "𝔘𝔫𝔦", "👩‍👩‍👧‍👦", strings.Repeat("A", 5000), strings.Repeat("<", 3000), strings.Repeat("é", 2999), "-- \nbrevet", "\\u003c", "\u0085\u000b\u000c"}
	r := rand.New(rand.NewPCG(1, 2))
	out := append([]string{}, seeds...)
	for len(out) < n {
		var b strings.Builder
		for range 1 + r.IntN(5) {
			b.WriteString(seeds[r.IntN(len(seeds))])
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, "%c", rune(r.IntN(0x3000)))
			}
		}
		out = append(out, b.String())
	}
	return out[:n]
}

// tainted is a message every text of which is s.
func tainted(s string) brevet.Message {
	m := message()
	m.Title, m.Facts = s, []brevet.Fact{{Name: s, Value: s}, {Name: "reason", Value: s}}
	m.Event.Actor.Handle = brevet.Handle(s)
	return m
}
