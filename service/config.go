package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/brevet-access/brevet"
)

// Config is brevet.yaml. Paths are relative to the file. Secrets are never in
// it: it names the files that hold them.
type Config struct {
	// URL is where people reach the server, https://brevet.example.com. Its
	// host is what requests must be addressed to, and the name of the log.
	URL string `yaml:"url"`
	// Listen is the address to serve on, 127.0.0.1:8477.
	Listen string `yaml:"listen"`
	// TLS names the certificate chain and its key, PEM. Without it the server
	// speaks HTTP and must sit behind a proxy that speaks TLS.
	TLS struct {
		Cert string `yaml:"cert"`
		Key  string `yaml:"key"`
	} `yaml:"tls"`
	// Proxies are the networks whose X-Forwarded-For is believed.
	Proxies []string `yaml:"proxies"`
	// MetricsFrom are the networks that may read /metrics, beside loopback.
	MetricsFrom []string `yaml:"metrics_from"`
	// Database is sqlite:PATH or postgres://….
	Database string `yaml:"database"`
	// CatalogKey is catalog: FILE, or catalog: {file: FILE, one_person: true}.
	CatalogKey catalogKey `yaml:"catalog"`
	// Catalog is the file that is proposed at start and on SIGHUP. OnePerson
	// lets one person change the catalog, without a second who confirms.
	Catalog   string `yaml:"-"`
	OnePerson bool   `yaml:"-"`
	// Keys is the folder of the sealed keys, and of the highest head of the
	// log that was seen.
	Keys string `yaml:"keys"`
	// RootKey is the file whose 32 bytes (base64) open the sealed keys. Keep it
	// on another medium than Keys.
	RootKey string `yaml:"root_key"`
	// SignIn bounds a person's session: the longest pause between two uses, and
	// its longest life. Both default to 8h.
	SignIn struct {
		Idle     string `yaml:"idle"`
		Absolute string `yaml:"absolute"`
	} `yaml:"sign_in"`
	// Providers are the identity providers.
	Providers []Provider `yaml:"providers"`
	// Parts are what a sandbox takes, too.
	Parts `yaml:",inline"`

	dir                  string // that paths are relative to
	idle, absolute       time.Duration
	proxies, metricsFrom []netip.Prefix
}

// Parts are those of brevet.yaml that say whom the server speaks to beside
// clouds and identity providers.
type Parts struct {
	// Channels are by which people are told what happens.
	Channels []Channel `yaml:"channels"`
	// Checks are asked about tickets and reasons where an entitlement names them.
	Checks []Check `yaml:"checks"`
	// OnCall says how the sources of rotas are reached.
	OnCall OnCall `yaml:"on_call"`
}

// Provider is an OpenID Connect provider, found by discovery.
type Provider struct {
	Name             string   `yaml:"name"`               // as in brevet login --provider NAME
	Issuer           string   `yaml:"issuer"`             // https://…, as in its discovery document
	ClientID         string   `yaml:"client_id"`          // as registered there
	ClientSecretFile string   `yaml:"client_secret_file"` // "" for a public client
	Scopes           []string `yaml:"scopes"`             // default: openid profile offline_access
	GroupsClaim      string   `yaml:"groups_claim"`       // default: groups
	LoginClaim       string   `yaml:"login_claim"`        // default: preferred_username
	// MFA lists what counts as a multi-factor proof. Unknown means not met.
	MFA struct {
		AMR []string `yaml:"amr"`
		ACR []string `yaml:"acr"`
	} `yaml:"mfa"`

	// ClientSecret is read from ClientSecretFile; the sandbox sets it.
	ClientSecret string `yaml:"-"`
}

// catalogKey is the key catalog: the name of the file, or more.
type catalogKey struct {
	File      string `yaml:"file"`
	OnePerson bool   `yaml:"one_person"`
}

// UnmarshalYAML reads a file's name or a mapping.
func (k *catalogKey) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&k.File)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i].Value; key != "file" && key != "one_person" {
			return fmt.Errorf("line %d: catalog knows no %s", n.Content[i].Line, brevet.Printable(key))
		}
	}
	type plain catalogKey
	return n.Decode((*plain)(k))
}

// maxConfig bounds brevet.yaml.
const maxConfig = 1 << 20

// LoadConfig reads and checks brevet.yaml. The error lists everything that is
// wrong, one line each.
func LoadConfig(path string) (Config, error) {
	var c Config
	if err := readYAML(path, &c); err != nil {
		return Config{}, err
	}
	c.Catalog, c.OnePerson = c.CatalogKey.File, c.CatalogKey.OnePerson
	c.resolve(filepath.Dir(path))
	if err := c.Check(); err != nil {
		return Config{}, err
	}
	return c, c.readSecrets()
}

// LoadParts reads and checks a file that has channels, checks and on_call as
// brevet.yaml has them, and nothing else.
func LoadParts(path string) (Parts, error) {
	var c Config
	if err := readYAML(path, &c.Parts); err != nil {
		return Parts{}, err
	}
	c.resolve(filepath.Dir(path))
	if bad := c.checkParts(nil); bad != nil {
		return Parts{}, brevet.Errorf(brevet.Invalid, "%s", strings.Join(bad, "\n"))
	}
	err := c.readSecrets()
	return c.Parts, err
}

// readYAML reads a file into what knows its keys.
func readYAML(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return brevet.Errorf(brevet.Invalid, "config: %s", err)
	}
	if len(text) > maxConfig {
		return brevet.Errorf(brevet.Invalid, "config: %s is larger than 1 MiB", path)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return brevet.Errorf(brevet.Invalid, "%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return nil
}

// resolve makes paths absolute, seen from the config's folder.
func (c *Config) resolve(dir string) {
	c.dir = dir
	paths := []*string{&c.TLS.Cert, &c.TLS.Key, &c.Catalog, &c.Keys, &c.RootKey}
	for i := range c.Providers {
		paths = append(paths, &c.Providers[i].ClientSecretFile)
	}
	for i := range c.Channels {
		paths = append(paths, c.Channels[i].paths()...)
	}
	for i := range c.Checks {
		paths = append(paths, &c.Checks[i].SecretFile)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	if p, ok := strings.CutPrefix(c.Database, "sqlite:"); ok && p != "" && !filepath.IsAbs(p) {
		c.Database = "sqlite:" + filepath.Join(dir, p)
	}
}

// Check fills in defaults and returns an error of kind [brevet.Invalid] with
// one line for each thing that is wrong.
func (c *Config) Check() error {
	var bad []string
	fail := func(wrong bool, line string) {
		if wrong {
			bad = append(bad, line)
		}
	}
	u, err := url.Parse(c.URL)
	fail(err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) || strings.Trim(u.Path, "/") != "" || u.RawQuery != "",
		"url: must be https://HOST without a path; http only on 127.0.0.1")
	c.URL = strings.TrimRight(c.URL, "/")
	_, _, err = net.SplitHostPort(c.Listen)
	fail(err != nil, "listen: must be HOST:PORT")
	fail((c.TLS.Cert == "") != (c.TLS.Key == ""), "tls: cert and key go together")
	fail(!strings.HasPrefix(c.Database, "sqlite:") && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://"),
		"database: must be sqlite:PATH or postgres://…")
	fail(c.Catalog == "", "catalog: name the file")
	fail(c.Keys == "", "keys: name a folder")
	fail(c.RootKey == "", "root_key: name a file")
	c.proxies, bad = prefixes("proxies", c.Proxies, bad)
	c.metricsFrom, bad = prefixes("metrics_from", c.MetricsFrom, bad)
	c.idle, bad = limit("sign_in.idle", c.SignIn.Idle, bad)
	c.absolute, bad = limit("sign_in.absolute", c.SignIn.Absolute, bad)
	fail(len(c.Providers) == 0, "providers: name at least one")
	seen := map[string]bool{}
	for _, p := range c.Providers {
		fail(!brevet.ValidName(p.Name) || seen[p.Name], "providers: each needs a name of its own")
		seen[p.Name] = true
		fail(!strings.HasPrefix(p.Issuer, "https://") && !strings.HasPrefix(p.Issuer, "http://127.0.0.1:"), "providers."+p.Name+".issuer: must be https://…")
		fail(p.ClientID == "", "providers."+p.Name+".client_id: must not be empty")
		fail(len(p.MFA.AMR) == 0 && len(p.MFA.ACR) == 0, "providers."+p.Name+".mfa: say which amr or acr values are a multi-factor proof")
	}
	if bad = c.checkParts(bad); bad != nil {
		return brevet.Errorf(brevet.Invalid, "%s", strings.Join(bad, "\n")).WithHint("docs/operate.md lists every key")
	}
	return nil
}

func (c *Config) checkParts(bad []string) []string {
	bad = append(bad, c.checkChannels()...)
	names := map[string]bool{}
	for i := range c.Checks {
		bad = c.Checks[i].check(i, names, bad)
	}
	return c.OnCall.check(bad)
}

func (c *Config) readSecrets() error {
	for i := range c.Checks {
		if err := c.Checks[i].readSecretFile(); err != nil {
			return err
		}
	}
	for i, p := range c.Providers {
		if p.ClientSecretFile == "" {
			continue
		}
		text, err := os.ReadFile(p.ClientSecretFile)
		if err != nil {
			return brevet.Errorf(brevet.Invalid, "providers.%s.client_secret_file: %s", p.Name, err)
		}
		c.Providers[i].ClientSecret = strings.TrimSpace(string(text))
	}
	return c.readChannels()
}

func prefixes(field string, list []string, bad []string) ([]netip.Prefix, []string) {
	var out []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			bad = append(bad, field+": "+brevet.Printable(s)+" is not a network such as 10.0.0.0/8")
			continue
		}
		out = append(out, p)
	}
	return out, bad
}

func limit(field, s string, bad []string) (time.Duration, []string) {
	if s == "" {
		return 8 * time.Hour, bad
	}
	d, err := brevet.ParseDuration(s)
	if err != nil || d > 24*time.Hour {
		return 0, append(bad, field+": must be a duration of at most 24h")
	}
	return d, bad
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// host returns the name of the log and of the server.
func (c *Config) host() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	return u.Host
}
