package keychain

import (
	"encoding/json"
	"time"

	"github.com/brevet-access/brevet"
)

// Kind says where the sealing key lies.
type Kind string

// The kinds of keychain.
const (
	OS   Kind = "os"   // in the operating system's keychain
	File Kind = "file" // in a second file beside the sealed ones
)

// Config is what a home remembers in the clear.
type Config struct {
	Server   string            `json:"server,omitempty"`   // base URL of the last sign-in
	Keychain Kind              `json:"keychain,omitempty"` // chosen at the first sign-in
	Servers  map[string]Server `json:"servers,omitempty"`  // by base URL
}

// Server is what is known about one server.
type Server struct {
	LogKey string           `json:"log_key,omitempty"` // verifier key of its log, pinned at the first sign-in
	Probes map[string]Probe `json:"probes,omitempty"`  // by account number: the last that was run from here
}

// Probe is how a probe of an account's stack came out.
type Probe struct {
	At     time.Time `json:"at"`
	Checks int       `json:"checks"`
	OK     int       `json:"ok"`
}

// Config returns the home's configuration; the zero Config where there is
// none yet. One that cannot be read is an error of kind [brevet.Invalid]: it
// holds the pinned log keys, so it is not silently forgotten.
func (h *Home) Config() (Config, error) {
	var c Config
	data, err := readFile(h.path("config.json"))
	if err != nil {
		return c, fault(err)
	}
	if data == nil {
		return c, nil
	}
	if err := json.Unmarshal(data, &c); err != nil || c.Keychain != "" && c.Keychain != OS && c.Keychain != File {
		return Config{}, brevet.Errorf(brevet.Invalid, "%s is damaged", h.path("config.json")).
			WithHint("remove it and sign in again: brevet login").WithCause(err)
	}
	return c, nil
}

// Edit changes the configuration under a lock that other processes respect.
func (h *Home) Edit(change func(*Config)) error {
	unlock, err := h.Lock("config")
	if err != nil {
		return err
	}
	defer unlock()
	c, err := h.Config()
	if err != nil {
		return err
	}
	change(&c)
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(h.path("config.json"), append(data, '\n'), true)
}

// Pin returns the log key pinned for server; "" if none is.
func (c Config) Pin(server string) string { return c.Servers[server].LogKey }

// SetPin pins the log key of server.
func (c *Config) SetPin(server, key string) {
	if c.Servers == nil {
		c.Servers = map[string]Server{}
	}
	c.Servers[server] = Server{LogKey: key}
}

// Head returns the last checkpoint of server's log that was verified here;
// nil if there is none.
func (h *Home) Head(server string) ([]byte, error) {
	note, err := readFile(h.path("heads", short(server)+".note"))
	if err != nil {
		return nil, fault(err)
	}
	return note, nil
}

// PutHead remembers a checkpoint that was verified. A nil note forgets it.
func (h *Home) PutHead(server string, note []byte) error {
	path := h.path("heads", short(server)+".note")
	if note == nil {
		return remove(path)
	}
	return writeFile(path, note, true)
}
