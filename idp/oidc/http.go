package oidc

import (
	"errors"
	"net/http"
	"strings"

	"github.com/brevet-access/brevet"
)

// client returns a copy of h with bounds on time, size and redirects.
func client(h *http.Client) *http.Client {
	c := http.Client{}
	if h != nil {
		c = *h
	}
	if c.Timeout <= 0 || c.Timeout > timeout {
		c.Timeout = timeout
	}
	c.Transport = bounded{c.Transport}
	c.CheckRedirect = stay
	return &c
}

// stay follows a redirect only for reading, and only on the same host: a
// token request repeated elsewhere would carry the client's secret there.
func stay(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 3 || first.Method != http.MethodGet || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return errors.New("unexpected redirect")
	}
	return nil
}

// bounded fails an answer that is longer than maxBody.
type bounded struct{ base http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	base := b.base
	if base == nil {
		base = http.DefaultTransport
	}
	res, err := base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.ContentLength > maxBody {
		res.Body.Close()
		return nil, errors.New("the answer is too long")
	}
	res.Body = http.MaxBytesReader(nil, res.Body, maxBody)
	return res, nil
}

// safe returns err for the log: one line and short. Errors of the libraries
// beneath quote whole answers.
func safe(err error) error {
	if err == nil {
		return nil
	}
	return shortened{clip(brevet.Printable(err.Error()), 300), err}
}

// shortened keeps errors.Is and errors.As working.
type shortened struct {
	text string
	err  error
}

func (s shortened) Error() string { return s.text }
func (s shortened) Unwrap() error { return s.err }

// fetching reports whether err comes from asking the provider rather than
// from what it had said.
func fetching(err error) bool {
	var net interface{ Timeout() bool }
	return errors.As(err, &net) || strings.Contains(err.Error(), "fetching keys")
}
