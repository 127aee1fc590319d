package aws_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/cloud/aws"
)

// revoking returns a cloud whose services answer so, and what they were sent.
func revoking(t testing.TB, status int, body string) (*aws.Cloud, *[]string) {
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent strings.Builder
		for b := make([]byte, 4096); ; {
			n, err := r.Body.Read(b)
			sent.Write(b[:n])
			if err != nil {
				break
			}
		}
		got = append(got, r.Method+" "+r.URL.Path+" "+sent.String())
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	at := func(string, string, string) string { return s.URL }
	return aws.New(aws.Config{API: at, STS: func(string, string) string { return s.URL }, Now: func() time.Time { return now }}), &got
}

var revokedAccount = brevet.Account{ID: "444455556666", Name: "acme-prod", Region: "eu-west-1", Prefix: "brevet-"}

func TestRevoke(t *testing.T) {
	id := brevet.GrantID("gr_01jd5w2a2b3c4d5e6f7g8h9jkm")
	as := brevet.Credential{AccessKeyID: "ASIA1", SecretAccessKey: "s", SessionToken: "a-token-that-is-long-enough"}
	for _, c := range []struct {
		name   string
		status int
		body   string
		kill   brevet.Kill
		kind   brevet.Kind
		sent   string
	}{
		{"held", 200, `{"held":["` + string(id) + `"],"full":false,"shells":2}`, brevet.Kill{}, "", `{"grants":["` + string(id) + `"]}`},
		{"shells", 200, `{"held":[],"full":false,"shells":2}`, brevet.Kill{Shells: true}, "", `{"shells":["` + string(id) + `"]}`},
		{"wide", 200, `{"held":[],"full":true,"people":["engineer"]}`, brevet.Kill{Widen: []brevet.Handle{"engineer"}}, "", `{"grants":["` + string(id) + `"],"people":["engineer"]}`},
		{"an older stack", 200, `{"errorMessage":"give grants","errorType":"ValueError"}`, brevet.Kill{}, brevet.CloudRefused, ""},
		{"a fault of the function", 200, `{"errorMessage":"Throttling","errorType":"ClientError"}`, brevet.Kill{}, brevet.Unavailable, ""},
		{"nothing that makes sense", 200, `<html>`, brevet.Kill{}, brevet.Unavailable, ""},
		{"half an answer", 200, `{"full":false}`, brevet.Kill{}, brevet.Unavailable, ""},
		{"no function", 404, `{"__type":"ResourceNotFoundException","Message":"Function not found"}`, brevet.Kill{}, brevet.CloudRefused, ""},
		{"busy", 429, `{"__type":"TooManyRequestsException","Message":"Rate Exceeded."}`, brevet.Kill{}, brevet.Unavailable, ""},
	} {
		cloud, got := revoking(t, c.status, c.body)
		c.kill.Grants = []brevet.GrantID{id}
		_, err := cloud.Revoke(t.Context(), as, revokedAccount, c.kill)
		if brevet.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want %q", c.name, err, c.kind)
		}
		if want := "POST /2015-03-31/functions/brevet-Revoker/invocations " + c.sent; c.sent != "" && (*got)[0] != want {
			t.Errorf("%s: sent %s, want %s", c.name, (*got)[0], want)
		}
	}
}

// FuzzRevoke: whatever the revoker answers, it is an answer that holds, or an
// error of one of the two kinds, without the session's token.
func FuzzRevoke(f *testing.F) {
	for _, body := range []string{`{"held":["gr_1"],"full":false}`, `{"held":null}`, `{"errorMessage":"x","errorType":"ValueError"}`, `[]`, `{"held":[],"people":["a b"]}`} {
		f.Add(200, body)
		f.Add(403, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 599 || status == 204 || status == 304 {
			return
		}
		cloud, _ := revoking(t, status, body)
		as := brevet.Credential{AccessKeyID: "ASIA1", SecretAccessKey: "s", SessionToken: "a-token-that-is-long-enough"}
		_, err := cloud.Revoke(t.Context(), as, revokedAccount, brevet.Kill{Grants: []brevet.GrantID{"gr_1"}})
		if k := brevet.KindOf(err); k != "" && k != brevet.CloudRefused && k != brevet.Unavailable {
			t.Errorf("%s: %v", k, err)
		}
		for _, r := range cloud.Try(t.Context(), as, revokedAccount, "SRE") {
			if (r.Result == brevet.TryAllowed) != (status == 200 && r.Detail == "") {
				t.Errorf("%+v at status %d", r, status)
			}
		}
	})
}
