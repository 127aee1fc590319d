package service_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/service"
)

const goodChannels = good + `
channels:
  - name: chat
    kind: slack
    customers: ["*"]
    channel: C0123ABCD
    token_file: token
    approve: true
    signing_secret_file: signing
  - name: machines
    kind: webhook
    customers: [acme]
    what: [request, ending]
    url: https://hooks.example.com/brevet
    secret_files: [new, old]
  - name: paper
    kind: mail
    customers: [acme, birch]
    from: brevet <brevet@example.com>
    to: [security@example.com]
    smtp: {host: "mail.example.com:587", user: brevet, password_file: password}
`

// loadChannels writes the config beside files with secrets.
func loadChannels(t *testing.T, text string) (service.Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"token": "xoxb-4711-token\n", "signing": "0123456789abcdef0123456789abcdef", "password": "pass-4711", "short": "x", "empty": "",
		"new": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "old": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "brevet.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return service.LoadConfig(filepath.Join(dir, "brevet.yaml"))
}

func TestLoadChannels(t *testing.T) {
	c, err := loadChannels(t, goodChannels)
	if err != nil || len(c.Channels) != 3 {
		t.Fatalf("%d channels, %v", len(c.Channels), err)
	}
	if got := strings.Join(c.Channels[2].What, " "); got != "request session" {
		t.Errorf("mail wants %q", got)
	}
}

func TestLoadChannelsRefuses(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"two of one name", "name: machines", "name: chat", "channels: each needs a name of its own"},
		{"no name", "name: machines", `name: ""`, "channels: each needs a name of its own"},
		{"another kind", "kind: mail", "kind: fax", "channels.paper.kind: must be"},
		{"nobody's", `customers: ["*"]`, "customers: []", "channels.chat.customers: name whose"},
		{"a topic that is none", "what: [request, ending]", "what: [gossip]", "channels.machines.what: gossip is not one of"},
		{"a room by name", "C0123ABCD", `"#general"`, "channels.chat.channel: must be"},
		{"no token", "token_file: token", "", "channels.chat.token_file: name the file"},
		{"an empty token", "token_file: token", "token_file: empty", "channels.chat.token_file: holds no token"},
		{"deciding without a secret", "signing_secret_file: signing", "", "channels.chat.signing_secret_file: goes together"},
		{"a secret without deciding", "approve: true", "", "channels.chat.signing_secret_file: goes together"},
		{"a signing secret that is none", "signing_secret_file: signing", "signing_secret_file: short", "channels.chat.signing_secret_file: holds no"},
		{"plain http", "https://hooks", "http://hooks", "channels.machines.url: must be https"},
		{"loopback that is not allowed", "https://hooks.example.com", "http://127.0.0.1:1", "channels.machines.url: must be https"},
		{"a password in the URL", "https://hooks", "https://u:p@hooks", "channels.machines.url: must be https"},
		{"no secret", "secret_files: [new, old]", "", "channels.machines.secret_files: one file"},
		{"three secrets", "[new, old]", "[new, old, new]", "channels.machines.secret_files: one file"},
		{"a secret that is none", "[new, old]", "[short]", "channels.machines.secret_files: a secret is whsec_"},
		{"a secret that is not there", "[new, old]", "[nowhere]", "channels.machines.secret_files: cannot be read"},
		{"a network that is none", "what: [request, ending]", "allow_private: [10.0.0.1]", "channels.machines.allow_private: 10.0.0.1 is not a network"},
		{"no port", "mail.example.com:587", "mail.example.com", "channels.paper.smtp.host: must be HOST:PORT"},
		{"mail in the clear", `user: brevet, password_file: password`, "tls: none", "channels.paper.smtp.tls: none is for a loopback"},
		{"a user without a password", ", password_file: password", "", "channels.paper.smtp.user: goes together"},
		{"no sender", "from: brevet <brevet@example.com>", `from: ""`, "channels.paper.from: must be"},
		{"a sender with a header", "from: brevet <brevet@example.com>", `from: "a@example.com\nBcc: b@example.com"`, "channels.paper.from: must be"},
		{"nobody to write to", "to: [security@example.com]", "to: []", "channels.paper.to: name at least"},
		{"no address", "to: [security@example.com]", "to: [security]", "channels.paper.to: security is not"},
		{"a secret in the file", "token_file: token", "token: xoxb-4711", "token"},
	} {
		_, err := loadChannels(t, strings.Replace(goodChannels, c.old, c.new, 1))
		if !errors.Is(err, brevet.Invalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "4711-") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
