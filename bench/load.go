package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// loadOrder asks for load: callers that each ask for a credential, get it and
// ask again, over a connection of their own.
type loadOrder struct {
	URL     string
	Target  string
	Tokens  []string // bearers; callers share them out
	Callers int
	Warm    time.Duration // before anything counts
	For     time.Duration // how long it counts
}

// figures are what was measured on one side.
type figures struct {
	Rate     float64 // per second
	P50, P99 time.Duration
	CPU      time.Duration // of the server, for each answer
	RSS      float64       // MiB
	Answers  int           // also those that came while warming up
}

// playLoad is the load generator.
func playLoad(in *json.Decoder, out *json.Encoder) error {
	for {
		var o loadOrder
		if err := in.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		f, err := o.run()
		if err != nil {
			return err
		}
		if err := out.Encode(f); err != nil {
			return err
		}
	}
}

func (o loadOrder) run() (figures, error) {
	if o.URL == "" { // asked whether it is there
		return figures{}, nil
	}
	from := time.Now().Add(o.Warm)
	to := from.Add(o.For)
	took, answers := make([][]time.Duration, o.Callers), make([]int, o.Callers)
	errs := make([]error, o.Callers)
	var all sync.WaitGroup
	for i := range o.Callers {
		all.Go(func() { took[i], answers[i], errs[i] = o.caller(o.Tokens[i%len(o.Tokens)], from, to) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return figures{}, err
	}
	var list []time.Duration
	for _, t := range took {
		list = append(list, t...)
	}
	f := summarize(list, o.For)
	for _, n := range answers {
		f.Answers += n
	}
	return f, nil
}

// caller asks until the time is over, and returns how long those answers took
// that came between from and to, and how many came at all.
func (o loadOrder) caller(token string, from, to time.Time) (took []time.Duration, answers int, err error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, 0, err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	body := fmt.Sprintf(`{"target":%q}`, o.Target)
	request := fmt.Appendf(nil, "POST /v1/credentials HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Idempotency-Key: bench\r\nBrevet-Client: bench\r\nContent-Length: %d\r\n\r\n%s", u.Host, token, len(body), body)
	r := bufio.NewReader(conn)
	for {
		asked := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, 0, err
		}
		if err := credential(r); err != nil {
			return nil, 0, err
		}
		answers++
		switch now := time.Now(); {
		case now.After(to):
			return took, answers, nil
		case now.After(from):
			took = append(took, now.Sub(asked))
		}
	}
}

// credential reads an answer that must be a credential.
func credential(r *bufio.Reader) error {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"access_key_id":"`+accessKey)) {
		return fmt.Errorf("no credential: %s: %.300s", res.Status, body)
	}
	return nil
}
