// Package oncall asks who is on duty: PagerDuty's REST API, a calendar on the
// web (iCal, RFC 5545), or a rota in YAML.
//
// A source is asked for the shifts around now, and answers in its own names;
// which person a name stands for is for the catalog to say. What cannot be
// read or is not understood is an error, never a guess: the caller then has
// nobody on duty.
package oncall

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
	_ "time/tzdata" // rotas name time zones, and a container may know none

	"github.com/brevet-access/brevet"
)

// The window of shifts that is asked for, around now.
const (
	before = time.Hour
	after  = 26 * time.Hour
)

// maxBody bounds what a source may say.
const maxBody = 4 << 20

// Config says how sources are reached.
type Config struct {
	Dir       string                     // what files are relative to; the folder of brevet.yaml
	HTTP      *http.Client               // for calendars and PagerDuty; nil: one that reaches public addresses and Allow only
	PagerDuty func(region string) string // base URL; nil: PagerDuty's own
	Allow     []netip.Prefix             // private networks that may be reached all the same
}

// Client asks sources. It may be used by many goroutines at once.
type Client struct{ Config }

// New returns a client.
func New(c Config) *Client {
	if c.HTTP == nil {
		c.HTTP = publicOnly(c.Allow)
	}
	if c.PagerDuty == nil {
		c.PagerDuty = pagerDutyURL
	}
	return &Client{c}
}

// Shifts returns the shifts of a rota around now. Errors are of kind
// [brevet.Unavailable], with a message that can be shown: it holds neither
// secrets nor addresses that are.
func (c *Client) Shifts(ctx context.Context, r brevet.Rota, now time.Time) ([]brevet.Shift, error) {
	shifts, err := c.shifts(ctx, r.Source, now)
	if err != nil {
		e := brevet.AsError(err)
		return nil, brevet.Errorf(brevet.Unavailable, "%s", brevet.Printable(e.Message)).WithCause(err)
	}
	return shifts, nil
}

func (c *Client) shifts(ctx context.Context, s brevet.RotaSource, now time.Time) ([]brevet.Shift, error) {
	from, to := now.Add(-before), now.Add(after)
	switch s.Kind {
	case brevet.RotaYAML:
		text, err := c.file(s.File)
		if err != nil {
			return nil, err
		}
		plan, err := ParseYAML(text)
		if err != nil {
			return nil, err
		}
		return plan.Shifts(from, to), nil
	case brevet.RotaICal:
		return c.calendars(ctx, s, from, to)
	case brevet.RotaPagerDuty:
		return c.pagerDuty(ctx, s, now)
	}
	return nil, bad("there is no source %q", s.Kind)
}

// file reads a file of the rotas folder; the error names it as the catalog
// does.
func (c *Client) file(name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(c.Dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, brevet.Errorf(brevet.Unavailable, "%s cannot be read", name).WithCause(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBody+1))
	if err != nil || len(text) > maxBody {
		return nil, brevet.Errorf(brevet.Unavailable, "%s cannot be read, or is larger than 4 MiB", name).WithCause(err)
	}
	return text, nil
}

// secret reads a file that holds one line.
func (c *Client) secret(name string) (string, error) {
	text, err := c.file(name)
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(text))
	if s == "" || len(s) > 2000 || strings.ContainsAny(s, " \t\r\n") {
		return "", bad("%s does not hold one secret in one line", name)
	}
	return s, nil
}

func bad(format string, args ...any) *brevet.Error {
	return brevet.Errorf(brevet.Invalid, format, args...)
}
