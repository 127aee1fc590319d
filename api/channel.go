package api

import "time"

// Channel is a way by which people are told, and what it has seen.
type Channel struct {
	Name       string    `json:"name"`
	Kind       string    `json:"kind" doc:"slack, mail or webhook"`
	Where      string    `json:"where" doc:"where messages go, without secrets"`
	Customers  []string  `json:"customers" doc:"whose events it is told of; * for all"`
	What       []string  `json:"what" doc:"what it is told beside what is urgent"`
	Waiting    int       `json:"waiting" doc:"messages that are still to be sent"`
	Oldest     time.Time `json:"oldest,omitzero" doc:"since when the oldest of them waits"`
	LastSent   time.Time `json:"last_sent,omitzero"`
	LastFailed time.Time `json:"last_failed,omitzero" doc:"the newest try that failed"`
	Problem    string    `json:"problem,omitempty" doc:"why it failed"`
	Disabled   bool      `json:"disabled,omitempty" doc:"its receiver answered that it wants nothing more: only what is urgent is tried"`
}

// TestChannels asks for a test message.
type TestChannels struct {
	Channel string `json:"channel,omitempty" doc:"the channel's name; absent: every one that the caller may look after" maxLength:"63"`
}

// ChannelTested is what became of a test message.
type ChannelTested struct {
	Channel string `json:"channel"`
	Message string `json:"message" doc:"the message's id, as the receiver sees it"`
	State   string `json:"state" doc:"sent; waiting: it failed and is tried again, or is still under way; failed: given up" enum:"sent,waiting,failed,gone"`
	Problem string `json:"problem,omitempty"`
}

// SlackLink is a code that links the caller's identity at Slack.
type SlackLink struct {
	Code    string    `json:"code" doc:"a secret: whoever types it into Slack becomes the caller there"`
	Expires time.Time `json:"expires"`
}
