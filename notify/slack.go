package notify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// Slack posts to a channel of Slack by its Web API (https://docs.slack.dev,
// chat.postMessage). What becomes of a request is edited into the message
// about it; what follows, a reminder or a session, is said in its thread.
type Slack struct {
	API     string // https://slack.com/api
	Token   string // of a bot: scope chat:write, and channels:history to look for what arrived already
	Channel string // C…, the channel's id
	Approve bool   // buttons decide; without, they lead to the page
	HTTP    *http.Client
	Now     func() time.Time
}

// maxAnswer bounds what is read of an answer of Slack.
const maxAnswer = 1 << 20

// object is a piece of JSON for Slack.
type object map[string]any

// slackAnswer is what every method of the Web API answers.
type slackAnswer struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	Channel  string `json:"channel"`
	TS       string `json:"ts"`
	Messages []struct {
		TS       string `json:"ts"`
		Metadata struct {
			Payload struct {
				ID string `json:"id"`
			} `json:"event_payload"`
		} `json:"metadata"`
	} `json:"messages"`
}

// Notify posts m, edits it into the message it amends, or says it in that
// one's thread. The receipt is the channel's id and the message's time stamp.
func (s *Slack) Notify(ctx context.Context, m brevet.Message) (string, error) {
	channel, ts, threaded := strings.Cut(m.First, " ")
	if threaded && m.Amends {
		answer, err := s.call(ctx, "chat.update", s.body(m, object{"channel": channel, "ts": ts}))
		if err != nil || answer.OK {
			return m.First, err
		}
		if answer.Error != "message_not_found" && answer.Error != "cant_update_message" && answer.Error != "edit_window_closed" {
			return "", refused(answer.Error)
		}
		threaded = false // somebody deleted it: it is said anew
	}
	if m.Again {
		if receipt := s.arrived(ctx, m); receipt != "" {
			return receipt, nil
		}
	}
	to := object{"channel": s.Channel, "client_msg_id": uuidOf(m.ID)}
	if threaded {
		to["channel"], to["thread_ts"] = channel, ts
		to["reply_broadcast"] = m.Choice != nil // a reminder is for everybody
	}
	answer, err := s.call(ctx, "chat.postMessage", s.body(m, to))
	if err != nil {
		return "", err
	}
	if !answer.OK {
		return "", refused(answer.Error)
	}
	return answer.Channel + " " + answer.TS, nil
}

// refused is the failure that Slack named. What is wrong with the message is
// wrong at every try; what is wrong with the channel or the token somebody may
// mend meanwhile.
func refused(code string) error {
	err := brevet.Errorf(brevet.Unavailable, "Slack answered %s", line(code, 80))
	final := slices.Contains([]string{"msg_too_long", "invalid_blocks", "invalid_blocks_format", "no_text", "invalid_arguments", "invalid_metadata_format",
		"metadata_too_large", "too_many_attachments", "msg_blocks_too_long"}, code)
	return &brevet.Undelivered{Err: err, Final: final}
}

// arrived looks for a message that an earlier try may have posted; "" if it
// is not there or the bot may not look.
func (s *Slack) arrived(ctx context.Context, m brevet.Message) string {
	method, in := "conversations.history", object{"channel": s.Channel}
	if channel, ts, ok := strings.Cut(m.First, " "); ok {
		method, in = "conversations.replies", object{"channel": channel, "ts": ts}
	}
	in["include_all_metadata"], in["limit"] = true, 200
	in["oldest"] = stamp(m.Time.Add(-time.Minute))
	answer, err := s.call(ctx, method, in)
	if err != nil || !answer.OK {
		return ""
	}
	for _, found := range answer.Messages {
		if found.Metadata.Payload.ID == string(m.ID) {
			return in["channel"].(string) + " " + found.TS
		}
	}
	return ""
}

// stamp writes a time as Slack's time stamps are.
func stamp(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) + ".000000" }

// uuidOf names a message as Slack wants client_msg_id to be: a UUID (version
// 8, RFC 9562) that follows from the id, so that it is the same at every try.
func uuidOf(id brevet.MessageID) string {
	sum := sha256.Sum256([]byte(id))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// call posts JSON to a method. Its error is that there was no answer, or one
// that is not the method's.
func (s *Slack) call(ctx context.Context, method string, in object) (out slackAnswer, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.API+"/"+method, bytes.NewReader(body))
	if err != nil {
		return out, brevet.Errorf(brevet.Invalid, "its URL is malformed")
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("Authorization", "Bearer "+s.Token)
	r.Header.Set("User-Agent", "brevet")
	answer, err := s.HTTP.Do(r)
	if err != nil {
		return out, unreachable(err)
	}
	defer finish(answer)
	if answer.StatusCode != http.StatusOK {
		return out, &brevet.Undelivered{Err: brevet.Errorf(brevet.Unavailable, "Slack answered %d", answer.StatusCode), After: retryAfter(answer.Header, s.Now())}
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil || json.Unmarshal(text, &out) != nil {
		return out, brevet.Errorf(brevet.Unavailable, "Slack's answer is not JSON")
	}
	if out.Error == "ratelimited" || out.Error == "rate_limited" {
		return out, &brevet.Undelivered{Err: brevet.Errorf(brevet.Unavailable, "Slack answered %s", out.Error), After: max(retryAfter(answer.Header, s.Now()), time.Minute)}
	}
	return out, nil
}

// body adds to in what m says. Texts of others stand where Slack reads
// nothing into them: in a header of plain text and in rich text elements. The
// one text that Slack does read, for notifications, is escaped as its
// documentation says.
func (s *Slack) body(m brevet.Message, in object) object {
	title := title(m, 140)
	in["text"] = EscapeSlack(title)
	in["mrkdwn"], in["unfurl_links"], in["unfurl_media"] = false, false, false
	in["metadata"] = object{"event_type": "brevet_message", "event_payload": object{"id": string(m.ID)}}
	blocks := []object{{"type": "header", "text": object{"type": "plain_text", "text": title, "emoji": false}}}
	if facts := richFacts(m.Facts); facts != nil {
		blocks = append(blocks, object{"type": "rich_text", "elements": facts})
	}
	if buttons := s.buttons(m); buttons != nil {
		blocks = append(blocks, object{"type": "actions", "elements": buttons})
	}
	in["blocks"] = blocks
	return in
}

// richFacts writes one line a fact, at most 40 of them.
func richFacts(facts []brevet.Fact) (lines []object) {
	for i, f := range facts {
		if i == 40 {
			return append(lines, richLine("", "…"))
		}
		lines = append(lines, richLine(line(f.Name, 60)+": ", line(f.Value, 600)))
	}
	return lines
}

func richLine(name, value string) object {
	elements := []object{}
	if name != "" {
		elements = append(elements, object{"type": "text", "text": name, "style": object{"bold": true}})
	}
	if value == "" {
		value = " " // an element must not be empty
	}
	return object{"type": "rich_text_section", "elements": append(elements, object{"type": "text", "text": value})}
}

// Actions of the buttons.
const (
	slackOpen    = "brevet_open"
	slackApprove = "brevet_approve"
	slackDeny    = "brevet_deny"
)

// choice is the value of a button that decides: it binds what was shown (law
// 4).
type choice struct {
	Request brevet.RequestID `json:"request"`
	Digest  string           `json:"digest"`
}

func (s *Slack) buttons(m brevet.Message) (out []object) {
	button := func(action, label string) object {
		return object{"type": "button", "action_id": action, "text": object{"type": "plain_text", "text": label, "emoji": false}}
	}
	if m.Link != "" {
		open := button(slackOpen, "Open")
		open["url"] = m.Link
		out = append(out, open)
	}
	if m.Choice == nil || !s.Approve {
		return out
	}
	value, err := json.Marshal(choice(*m.Choice))
	if err != nil {
		return out
	}
	for _, b := range []struct{ action, label, style string }{{slackApprove, "Approve", "primary"}, {slackDeny, "Deny", "danger"}} {
		o := button(b.action, b.label)
		o["style"], o["value"] = b.style, string(value)
		o["confirm"] = object{"title": object{"type": "plain_text", "text": b.label + " this request?"}, "text": object{"type": "plain_text", "text": title(m, 290)},
			"confirm": object{"type": "plain_text", "text": b.label}, "deny": object{"type": "plain_text", "text": "Cancel"}}
		out = append(out, o)
	}
	return out
}

// EscapeSlack escapes a text that Slack reads as mrkdwn, so that it holds no
// link and no mention (Formatting message text, "Escaping text").
func EscapeSlack(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
