package server_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/server"
)

// listen puts a world behind a real listener whose time-outs are shorter than
// what a held answer takes.
func listen(t *testing.T, observe func(route string, status int)) (*world, string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	url := "http://" + srv.Listener.Addr().String()
	w := newWorld(t, func(c *server.Config) {
		c.Hosts = []string{srv.Listener.Addr().String()}
		c.Observe = func(route string, status int, _ time.Duration) { observe(route, status) }
	})
	srv.Config.Handler = w.handler
	srv.Config.ReadTimeout, srv.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	srv.Start()
	t.Cleanup(srv.Close)
	return w, url
}

func TestHeldAnswer(t *testing.T) {
	ended := make(chan int, 1)
	w, url := listen(t, func(route string, status int) {
		if route == api.RouteRequestGet {
			ended <- status
		}
	})
	engineer := w.signIn("engineer", "engineers")
	var asked api.Request
	w.as(engineer, "POST", "/v1/requests", `{"target":"acme-prod/Admin","reason":"x"}`, http.StatusOK, &asked)
	hold := func(ctx context.Context, wait string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, "GET", url+"/v1/requests/"+asked.ID+"?wait="+wait, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+engineer)
		return http.DefaultClient.Do(r)
	}
	res, err := hold(t.Context(), "1s")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var still api.Request
	if err := json.NewDecoder(res.Body).Decode(&still); err != nil || still.State != "pending" {
		t.Errorf("after a second: %v %+v", err, still)
	}
	<-ended

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if res, err := hold(ctx, "50s"); err == nil {
		res.Body.Close()
		t.Errorf("answered at once: %d", res.StatusCode)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the server still waits for a client that has gone")
	}
}

func TestLargeBodyOverNetwork(t *testing.T) {
	w, url := listen(t, func(string, int) {})
	engineer := w.signIn("engineer", "engineers")
	r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/requests", io.MultiReader(strings.NewReader(`{"reason":"`), strings.NewReader(strings.Repeat("x", 200<<10))))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+engineer)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var p api.Problem
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil || p.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("%v %+v", err, p)
	}
}
