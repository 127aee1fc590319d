// Package notify tells people by mail, Slack and webhooks: each sender takes
// a [brevet.Message], escapes its texts for the medium, and makes one call.
// When to send, how often to try and what was sent already is not its
// business; what helps a receiver to notice a message that came twice is:
// the webhook-id, the Message-ID, and Slack's client_msg_id with metadata that
// is looked for before a second try.
package notify

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brevet-access/brevet"
)

// clip shortens s to at most n bytes, at a rune's beginning.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// line makes one printable line of s.
func line(s string, n int) string {
	return clip(brevet.Printable(strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")), n)
}

// alarming reports whether people should look at m at once.
func alarming(m brevet.Message) bool { return m.Urgent && m.Kind != brevet.ChannelTested }

// title is the one line that says most, never empty.
func title(m brevet.Message, n int) string {
	t := line(m.Title, n)
	if t == "" {
		t = string(m.Kind)
	}
	if alarming(m) {
		t = clip("URGENT "+t, n)
	}
	return t
}

// longestAfter bounds how long a receiver may have us wait.
const longestAfter = 24 * time.Hour

// retryAfter reads how long an answer wants us to wait (RFC 9110, section
// 10.2.3); 0 if it does not say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	d := time.Duration(0)
	if n, err := strconv.Atoi(v); err == nil {
		d = time.Duration(min(max(n, 0), int(longestAfter/time.Second))) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), longestAfter)
}

// finish reads what is left of a short answer, so that the connection can be
// used again.
func finish(r *http.Response) {
	_, _ = io.CopyN(io.Discard, r.Body, 16<<10)
	r.Body.Close()
}
