package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// subscription is somebody whom a topic tells.
type subscription struct {
	ARN, Topic, Region, Protocol, Endpoint string
}

// mail is what the simulated account's people found in their mailbox.
type mail struct {
	To, Subject, Text string
	At                time.Time
}

const mostMails = 500

// subscriptions returns the subscriptions of an account, those of stacks
// first.
func (h *holding) subscriptions(s saved) []subscription {
	var out []subscription
	add := func(p part, m map[string]any) {
		topic := orEmpty(text(m["TopicArn"]), p.Physical)
		out = append(out, newSubscription(topic, p.region, text(m["Protocol"]), text(m["Endpoint"])))
	}
	for _, p := range h.parts {
		switch p.Type {
		case "AWS::SNS::Topic":
			for _, m := range mappings(p.Properties["Subscription"]) {
				add(p, m)
			}
		case "AWS::SNS::Subscription":
			add(p, p.Properties)
		}
	}
	for _, o := range s.Asked {
		if _, ok := h.part("AWS::SNS::Topic", o.Topic); ok && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// newSubscription gives a subscription its ARN, the same whenever it is asked
// for.
func newSubscription(topic, region, protocol, endpoint string) subscription {
	sum := sha256.Sum256([]byte(topic + "\x00" + protocol + "\x00" + endpoint))
	x := hex.EncodeToString(sum[:])
	return subscription{topic + ":" + x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:32], topic, region, protocol, endpoint}
}

// publish mails to the confirmed e-mail subscriptions of a topic; the caller
// holds e.mu.
func (e *estate) publish(h *holding, topic, subject, text string, now time.Time) {
	for _, s := range h.subscriptions(e.saved) {
		if _, ok := e.saved.Confirmed[s.ARN]; ok && s.Topic == topic && strings.HasPrefix(s.Protocol, "email") {
			if len(e.mails) == mostMails {
				e.mails = slices.Delete(e.mails, 0, mostMails/10)
			}
			e.mails = append(e.mails, mail{s.Endpoint, subject, text, now})
		}
	}
}

type topicEntry struct{ TopicArn string }

func listTopics(a *AWS, c *call) (any, *fault) {
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	var out struct{ Topics members[topicEntry] }
	for _, p := range h.in("AWS::SNS::Topic", c.region) {
		out.Topics.Member = append(out.Topics.Member, topicEntry{p.Physical})
	}
	return out, nil
}

func namedTopic(c *call) string { return c.param("TopicArn") }

// topicNamed refuses a topic that is not there.
func (a *AWS) topicNamed(c *call) (*holding, part, *fault) {
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, part{}, f
	}
	p, ok := h.part("AWS::SNS::Topic", c.param("TopicArn"))
	if !ok || p.region != c.region {
		return nil, part{}, faultf(faultKind{"NotFound", 404, "NotFoundException", "", 0}, "Topic does not exist")
	}
	return h, p, nil
}

// attribute is an entry of a map as the Query protocol writes it.
type attribute struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type attributes struct {
	Entry []attribute `xml:"entry"`
}

func getTopicAttributes(a *AWS, c *call) (any, *fault) {
	h, p, f := a.topicNamed(c)
	if f != nil {
		return nil, f
	}
	s, f := a.state(c.account)
	if f != nil {
		return nil, f
	}
	confirmed, pending := 0, 0
	for _, sub := range h.subscriptions(s) {
		if _, ok := s.Confirmed[sub.ARN]; sub.Topic == p.Physical && ok {
			confirmed++
		} else if sub.Topic == p.Physical {
			pending++
		}
	}
	policy := `{"Version":"2012-10-17","Statement":[]}`
	if doc := h.topicPolicy(p.Physical); doc != nil {
		policy = doc.String()
	}
	return struct{ Attributes attributes }{attributes{[]attribute{{"TopicArn", p.Physical}, {"Owner", string(c.account.ID)}, {"Policy", policy},
		{"DisplayName", text(p.Properties["DisplayName"])}, {"KmsMasterKeyId", text(p.Properties["KmsMasterKeyId"])},
		{"SubscriptionsConfirmed", text(confirmed)}, {"SubscriptionsPending", text(pending)}, {"SubscriptionsDeleted", "0"}}}}, nil
}

// subscriptionEntry is a line of the calls that list subscriptions.
type subscriptionEntry struct{ SubscriptionArn, Owner, Protocol, Endpoint, TopicArn string }

func listSubscriptions(a *AWS, c *call) (any, *fault) {
	s, f := a.state(c.account)
	if f != nil {
		return nil, f
	}
	_, h, f := a.holding(c.account)
	if f != nil {
		return nil, f
	}
	if c.action == "ListSubscriptionsByTopic" {
		if _, _, f := a.topicNamed(c); f != nil {
			return nil, f
		}
	}
	var out struct{ Subscriptions members[subscriptionEntry] }
	for _, sub := range h.subscriptions(s) {
		if sub.Region != c.region || c.params.Has("TopicArn") && sub.Topic != c.param("TopicArn") {
			continue
		}
		arn := "PendingConfirmation"
		if _, ok := s.Confirmed[sub.ARN]; ok {
			arn = sub.ARN
		}
		out.Subscriptions.Member = append(out.Subscriptions.Member, subscriptionEntry{arn, string(c.account.ID), sub.Protocol, sub.Endpoint, sub.Topic})
	}
	return out, nil
}

func subscribe(a *AWS, c *call) (any, *fault) {
	if _, _, f := a.topicNamed(c); f != nil {
		return nil, f
	}
	if p := c.param("Protocol"); p != "email" && p != "email-json" || !strings.Contains(c.param("Endpoint"), "@") {
		return nil, faultf(faultKind{"InvalidParameter", 400, "InvalidParameterException", "", 0}, "Invalid parameter: the brevet sandbox simulates the protocols email and email-json, with an address as Endpoint")
	}
	sub := newSubscription(c.param("TopicArn"), c.region, c.param("Protocol"), c.param("Endpoint"))
	f := a.change(c.account, func(s *saved) *fault {
		if !slices.Contains(s.Asked, sub) {
			s.Asked = append(s.Asked, sub)
		}
		return nil
	})
	if f != nil {
		return nil, f
	}
	return struct{ SubscriptionArn string }{"pending confirmation"}, nil
}

func unsubscribe(a *AWS, c *call) (any, *fault) {
	arn := c.param("SubscriptionArn")
	return struct{}{}, a.change(c.account, func(s *saved) *fault {
		if _, ok := s.Confirmed[arn]; !ok {
			return faultf(faultKind{"NotFound", 404, "NotFoundException", "", 0}, "Subscription does not exist")
		}
		delete(s.Confirmed, arn)
		s.Asked = slices.DeleteFunc(s.Asked, func(o subscription) bool { return o.ARN == arn })
		return nil
	})
}

// mailboxPage shows what the simulated accounts' people got by mail: what
// waits to be confirmed, and what was sent.
type mailboxPage struct {
	Waiting []waiting
	Mails   []mail
}

type waiting struct{ Account, To, Topic, Subscription string }

// mailbox is the mailbox of every simulated customer at once. A GET shows it,
// a POST with subscription=ARN confirms one, as the link in AWS's mail does. A
// GET with beyond=N is answered once brevet's channels took more than N
// messages, or half a minute later; the header Messages says how many they did.
func (a *AWS) mailbox(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		a.showMailbox(w, r)
	case http.MethodPost:
		if origin := r.Header.Get("Origin"); origin != "" && origin != "null" && origin != "http://"+a.cfg.Host {
			writePage(w, http.StatusForbidden, "message", messagePage{Title: "The mailbox says no", Text: "the form comes from another site"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		if !a.confirm(r.PostFormValue("subscription")) {
			writePage(w, http.StatusNotFound, "message", messagePage{Title: "The mailbox says no", Text: "no such subscription waits to be confirmed"})
			return
		}
		http.Redirect(w, r, "/mailbox", http.StatusSeeOther)
	default:
		w.Header().Set("Allow", "GET, POST")
		writePage(w, http.StatusMethodNotAllowed, "message", messagePage{Title: "The mailbox says no", Text: "the mailbox takes GET and POST"})
	}
}

func (a *AWS) showMailbox(w http.ResponseWriter, r *http.Request) {
	if n, err := strconv.Atoi(r.FormValue("beyond")); err == nil && a.post != nil {
		ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
		defer cancel()
		w.Header().Set("Messages", strconv.Itoa(a.post.beyond(ctx, n)))
	}
	p := mailboxPage{Mails: a.post.mails()}
	for _, account := range a.cfg.Accounts() {
		e, h, f := a.holding(account)
		if f != nil {
			continue
		}
		e.mu.Lock()
		for _, s := range h.subscriptions(e.saved) {
			if _, ok := e.saved.Confirmed[s.ARN]; !ok {
				p.Waiting = append(p.Waiting, waiting{account.Name, s.Endpoint, s.Topic, s.ARN})
			}
		}
		p.Mails = append(p.Mails, e.mails...)
		e.mu.Unlock()
	}
	slices.SortStableFunc(p.Mails, func(a, b mail) int { return b.At.Compare(a.At) })
	writePage(w, http.StatusOK, "mailbox", p)
}

// confirm confirms a subscription; false if it does not wait.
func (a *AWS) confirm(arn string) bool {
	for _, account := range a.cfg.Accounts() {
		_, h, f := a.holding(account)
		if f != nil {
			continue
		}
		done := false
		f = a.change(account, func(s *saved) *fault {
			for _, sub := range h.subscriptions(*s) {
				if _, ok := s.Confirmed[sub.ARN]; sub.ARN == arn && !ok {
					if s.Confirmed == nil {
						s.Confirmed = map[string]time.Time{}
					}
					s.Confirmed[arn] = brevet.Instant(a.cfg.Now())
					done = true
				}
			}
			return nil
		})
		if f == nil && done {
			return true
		}
	}
	return false
}
