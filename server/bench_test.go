package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/broker"
)

// quiet is a writer that keeps nothing.
type quiet struct{ h http.Header }

func (q quiet) Header() http.Header       { return q.h }
func (quiet) Write(b []byte) (int, error) { return len(b), nil }
func (quiet) WriteHeader(int)             {}

// BenchmarkRoute measures what the server adds to a call of the broker on the
// path of POST /v1/credentials: the whole chain, then the standard library
// decoding and encoding the same.
func BenchmarkRoute(b *testing.B) {
	answer := api.Credential{Session: "ses_01000000000000000000000000", Grant: "gr_01000000000000000000000000", Target: "acme-prod/Admin",
		Account: "444455556666", AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: strings.Repeat("s", 40), SessionToken: strings.Repeat("t", 900), Region: "eu-west-1"}
	s := New(Config{Broker: broker.New(broker.Config{}), URL: "http://127.0.0.1:8477",
		WhoIs: func(context.Context, string, string) (brevet.Caller, error) {
			return brevet.Caller{Person: brevet.Person{ID: "pr_01000000000000000000000000"}}, nil
		}}).(*server)
	on(s, route{pattern: "POST /v1/bench", id: "bench", limit: maxBody}, func(context.Context, brevet.Caller, *credentialInput) (api.Credential, error) { return answer, nil })
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in api.CredentialRequest
		body, _ := io.ReadAll(r.Body)
		if json.Unmarshal(body, &in) == nil {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(answer)
		}
	})
	for name, h := range map[string]http.Handler{"server": s, "stdlib": plain} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("POST", "http://127.0.0.1:8477/v1/bench", strings.NewReader(`{"target":"acme-prod/Admin","have":"ses_01000000000000000000000000"}`))
				r.Header.Set("Authorization", "Bearer x")
				r.Header.Set("Content-Type", "application/json")
				h.ServeHTTP(quiet{http.Header{}}, r)
			}
		})
	}
}
