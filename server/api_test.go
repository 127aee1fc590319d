package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/server"
)

// TestStory walks through every route with the people of the sandbox.
func TestStory(t *testing.T) {
	w := newWorld(t)
	engineer, lead, security := w.signIn("engineer", "engineers"), w.signIn("lead", "leads"), w.signIn("security", "security")

	var targets []api.Target
	w.as(engineer, "GET", "/v1/targets", "", http.StatusOK, &targets)
	if len(targets) != 2 || targets[0].RoleARN == "" || targets[0].Longest == "" {
		t.Errorf("targets: %+v", targets)
	}
	var none []api.Grant
	w.as(lead, "GET", "/v1/grants", "", http.StatusOK, &none)
	if none == nil {
		t.Error("no grants are null, not []")
	}
	w.as(engineer, "POST", "/v1/credentials", `{"target":"acme-prod/Admin"}`, http.StatusPreconditionFailed, nil)

	var asked, again api.Request
	ask := `{"target":"acme-prod/Admin","duration":"1h","reason":"restore db-7"}`
	rec := w.send("POST", "/v1/requests", ask, "Authorization", "Bearer "+engineer, "Idempotency-Key", "once")
	if err := json.Unmarshal(rec.Body.Bytes(), &asked); err != nil || asked.State != "pending" || !asked.Mine || asked.Digest == "" || asked.Decisions == nil {
		t.Fatalf("asked: %v %s", err, rec.Body)
	}
	rec = w.send("POST", "/v1/requests", ask, "Authorization", "Bearer "+engineer, "Idempotency-Key", "once")
	if json.Unmarshal(rec.Body.Bytes(), &again); again.ID != asked.ID {
		t.Errorf("the same key made another request: %s", rec.Body)
	}
	rec = w.send("POST", "/v1/requests", strings.Replace(ask, "1h", "30m", 1), "Authorization", "Bearer "+engineer, "Idempotency-Key", "once")
	if p := problem(t, rec); p.Status != http.StatusConflict {
		t.Errorf("the same key, another body: %+v", p)
	}

	var status api.Status
	w.as(lead, "GET", "/v1/status", "", http.StatusOK, &status)
	if len(status.Decide) != 1 || !status.Decide[0].CanDecide || status.Active == nil {
		t.Errorf("status of lead: %+v", status)
	}
	w.as(engineer, "POST", "/v1/requests/"+asked.ID+"/decide", `{"approve":true}`, http.StatusForbidden, nil)
	w.as(lead, "POST", "/v1/requests/"+asked.ID+"/decide", `{"approve":true,"digest":"00"}`, http.StatusConflict, nil)
	var decided api.Request
	w.as(lead, "POST", "/v1/requests/"+asked.ID+"/decide", `{"approve":true,"comment":"go","digest":"`+asked.Digest+`"}`, http.StatusOK, &decided)
	if decided.State != "approved" || decided.Grant == nil || len(decided.Decisions) != 1 || decided.Decisions[0].By != "lead" {
		t.Fatalf("decided: %+v", decided)
	}

	var cred, kept api.Credential
	w.as(engineer, "POST", "/v1/credentials", `{"target":"acme-prod/Admin"}`, http.StatusOK, &cred)
	if cred.SecretAccessKey == "" || cred.Grant != decided.Grant.ID || cred.Region != "eu-west-1" || cred.Account != "444455556666" {
		t.Errorf("credential: %+v", cred)
	}
	w.as(engineer, "POST", "/v1/credentials", `{"target":"acme-prod/Admin","have":"`+cred.Session+`"}`, http.StatusOK, &kept)
	if !kept.Keep || kept.SecretAccessKey != "" || kept.Session != cred.Session {
		t.Errorf("kept: %+v", kept)
	}
	if strings.Contains(w.log.String(), cred.SecretAccessKey) {
		t.Error("the secret is in the log")
	}
	var console api.Console
	w.as(engineer, "POST", "/v1/console", `{"target":"acme-prod/Admin"}`, http.StatusOK, &console)
	if console.URL == "" || console.Grant != cred.Grant {
		t.Errorf("console: %+v", console)
	}
	var why api.Why
	w.as(engineer, "GET", "/v1/why?target=acme-prod/Admin", "", http.StatusOK, &why)
	if !why.Allowed || why.Unmet == nil {
		t.Errorf("why: %+v", why)
	}

	var gone api.Revoked
	w.as(security, "POST", "/v1/grants/"+cred.Grant+"/revoke", `{"reason":"enough"}`, http.StatusOK, &gone)
	if gone.Grant.State != "revoked" || gone.State == "" || gone.Until.IsZero() {
		t.Errorf("revoked: %+v", gone)
	}
	w.as(engineer, "POST", "/v1/grants/"+cred.Grant+"/drop", "", http.StatusConflict, nil)
	w.as(engineer, "POST", "/v1/credentials", `{"target":"acme-prod/Admin"}`, http.StatusPreconditionFailed, nil)

	w.sleep(2 * time.Hour)
	w.as(engineer, "GET", "/v1/requests?scope=mine&state=approved&limit=5000", "", http.StatusOK, nil)
	rec = w.send("POST", "/v1/credentials", `{"target":"acme-prod/Admin"}`, "Authorization", "Bearer "+engineer)
	problem(t, rec)
}

func TestReadLog(t *testing.T) {
	w := newWorld(t)
	security, engineer := w.signIn("security", "security"), w.signIn("engineer", "engineers")
	var head api.Checkpoint
	w.as(engineer, "GET", "/v1/audit/checkpoint", "", http.StatusOK, &head)
	if head.Size < 2 || head.Note == "" || head.Key == "" {
		t.Fatalf("head: %+v", head)
	}
	var all []api.Entry
	for next := int64(0); next < head.Size; {
		var page api.Entries
		w.as(security, "GET", "/v1/audit/entries?limit=2&from="+strconv.FormatInt(next, 10)+"&size="+strconv.FormatInt(head.Size, 10), "", http.StatusOK, &page)
		if page.Size != head.Size || page.Next <= next {
			t.Fatalf("page: %+v", page)
		}
		all, next = append(all, page.Entries...), page.Next
	}
	if int64(len(all)) != head.Size || all[0].Leaf == "" || all[0].Hash == "" || !json.Valid([]byte(all[0].Details)) {
		t.Errorf("entries: %+v", all)
	}
	var past api.Entries
	w.as(security, "GET", "/v1/audit/entries?from=999999&size=1", "", http.StatusOK, &past)
	if past.Entries == nil || past.Next != 1 {
		t.Errorf("beyond the end: %+v", past)
	}
	var proof api.Consistency
	w.as(engineer, "GET", "/v1/audit/consistency?from=1&to="+strconv.FormatInt(head.Size, 10), "", http.StatusOK, &proof)
	if len(proof.Hashes) == 0 {
		t.Errorf("proof: %+v", proof)
	}
	w.as(engineer, "GET", "/v1/audit/entries", "", http.StatusForbidden, nil)
}

func TestCatalog(t *testing.T) {
	w := newWorld(t)
	security := w.signIn("security", "security")
	var now api.Catalog
	w.as(security, "GET", "/v1/catalog", "", http.StatusOK, &now)
	if now.Text != catalogText || now.Version < 1 {
		t.Errorf("catalog: %+v", now)
	}
	text, _ := json.Marshal(api.Apply{Text: strings.Replace(catalogText, "longest: 4h", "longest: 2h", 1) + strings.Repeat("# a long comment\n", 8000)})
	var applied api.Applied
	w.as(security, "POST", "/v1/catalog", string(text), http.StatusOK, &applied)
	if applied.Version <= now.Version || len(applied.Changes) == 0 {
		t.Errorf("applied: %+v", applied)
	}
	w.as(security, "POST", "/v1/catalog", `{"text":"nonsense: 1"}`, http.StatusBadRequest, nil)
}

func TestWait(t *testing.T) {
	w := newWorld(t)
	engineer, lead := w.signIn("engineer", "engineers"), w.signIn("lead", "leads")
	var asked, waited api.Request
	w.as(engineer, "POST", "/v1/requests", `{"target":"acme-prod/Admin","reason":"x"}`, http.StatusOK, &asked)
	done := make(chan struct{})
	go func() {
		defer close(done)
		rec := w.send("GET", "/v1/requests/"+asked.ID+"?wait=50s", "", "Authorization", "Bearer "+engineer)
		if err := json.Unmarshal(rec.Body.Bytes(), &waited); err != nil {
			t.Error(err)
		}
	}()
	w.as(lead, "POST", "/v1/requests/"+asked.ID+"/decide", `{"approve":false}`, http.StatusOK, nil)
	<-done
	if waited.State != "denied" {
		t.Errorf("waited for %+v", waited)
	}
}

// TestOpenAPI checks that the description has every route of package api, and
// every failure as a problem.
func TestOpenAPI(t *testing.T) {
	w := newWorld(t)
	file, err := parser.ParseFile(token.NewFileSet(), "../api/api.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(s.Names[0].Name, "Route") {
			text, _ := strconv.Unquote(s.Values[0].(*ast.BasicLit).Value)
			routes = append(routes, text)
		}
		return true
	})
	raw := w.send("GET", "/openapi.json", "").Body.String()
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]any
		Components struct{ SecuritySchemes map[string]any }
	}
	if err := json.Unmarshal([]byte(raw), &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Components.SecuritySchemes["bearer"] == nil || len(routes) < 20 {
		t.Errorf("version %q, schemes %v, %d routes", doc.OpenAPI, doc.Components.SecuritySchemes, len(routes))
	}
	for _, r := range routes {
		method, path, _ := strings.Cut(r, " ")
		if doc.Paths[path][strings.ToLower(method)] == nil {
			t.Errorf("%s is not described", r)
		}
	}
	for _, op := range w.operations() {
		if !strings.HasPrefix(op.path, "/v1/") {
			continue
		}
		for code, r := range op.responses {
			text, _ := json.Marshal(r)
			if code >= "400" && !strings.Contains(string(text), "application/problem+json") || code == "422" {
				t.Errorf("%s %s: %s is no problem: %s", op.method, op.path, code, text)
			}
		}
		if op.signedIn == (op.path == "/v1/login/token" || op.path == "/v1/break-glass/codes") || (op.signedIn && op.responses["401"] == nil) {
			t.Errorf("%s %s: signed in %v, 401 %v", op.method, op.path, op.signedIn, op.responses["401"])
		}
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`)
	for path, status := range map[string]int{"/": 200, "/login/authorize": 400, "/login/callback?state=%3Cscript%3E": 410} {
		rec := w.send("GET", path, "")
		body, csp := rec.Body.String(), rec.Header().Get("Content-Security-Policy")
		if rec.Code != status || rec.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: status %d, %v", path, rec.Code, rec.Header())
		}
		sum := sha256.Sum256([]byte(style.FindStringSubmatch(body)[1]))
		if !strings.Contains(csp, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: its style is not what the policy names: %s", path, csp)
		}
		for _, want := range []string{"A sandbox: nothing here is real.", "brevet login " + base, `name="viewport"`, "prefers-color-scheme"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %q on the page", path, want)
			}
		}
		for _, bad := range []string{"<script", "<form", "<img", "http-equiv", "style="} {
			if strings.Contains(body, bad) {
				t.Errorf("%s: %q on the page", path, bad)
			}
		}
		for header, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
			if got := rec.Header().Get(header); got != want {
				t.Errorf("%s: %s %q", path, header, got)
			}
		}
	}
}

func TestDocuments(t *testing.T) {
	w := newWorld(t, func(c *server.Config) { c.Hosts = append(c.Hosts, "issuer.brevet.invalid") })
	for _, path := range []string{"/c/" + customer + "/jwks.json", "/c/" + customer + "/.well-known/openid-configuration"} {
		rec := w.send("GET", path, "", "Host", "issuer.brevet.invalid")
		if rec.Code != http.StatusOK || rec.Header().Get("Cache-Control") != "public, max-age=300" || !json.Valid(rec.Body.Bytes()) {
			t.Errorf("%s: %d %v %s", path, rec.Code, rec.Header(), rec.Body)
		}
		for _, other := range []string{"cu_02000000000000000000000000", "cu_", "x", "%2e%2e"} {
			if rec := w.send("GET", strings.Replace(path, customer, other, 1), ""); rec.Code != http.StatusNotFound {
				t.Errorf("%s for %s: status %d", path, other, rec.Code)
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if rec := w.send("GET", path, "", "Host", "10.1.2.3:8477"); rec.Code != http.StatusOK {
			t.Errorf("%s by address: status %d", path, rec.Code)
		}
	}
	w.broker.DB.Close()
	if rec := w.send("GET", "/readyz", ""); rec.Code != http.StatusServiceUnavailable || rec.Body.String() != "not ready\n" {
		t.Errorf("without a database: %d %s", rec.Code, rec.Body)
	}
}

func TestGivenUp(t *testing.T) {
	w := newWorld(t)
	engineer := w.signIn("engineer", "engineers")
	var asked api.Request
	w.as(engineer, "POST", "/v1/requests", `{"target":"acme-prod/Admin","reason":"x"}`, http.StatusOK, &asked)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, _ := http.NewRequestWithContext(ctx, "GET", base+"/v1/requests/"+asked.ID+"?wait=50s", nil)
		r.Header.Set("Authorization", "Bearer "+engineer)
		r.RemoteAddr = "192.0.2.1:1"
		w.handler.ServeHTTP(discard{http.Header{}}, r)
	}()
	cancel()
	<-done
}

// discard is the writer of a client that has gone.
type discard struct{ h http.Header }

func (d discard) Header() http.Header       { return d.h }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// TestCustomers lists customers and ends one.
func TestCustomers(t *testing.T) {
	w := newWorld(t)
	engineer, lead, security := w.signIn("engineer", "engineers"), w.signIn("lead", "leads"), w.signIn("security", "security")
	var list []api.Customer
	w.as(engineer, "GET", "/v1/customers", "", http.StatusOK, &list)
	if list == nil || len(list) != 0 {
		t.Errorf("who holds no right sees %+v", list)
	}
	w.as(security, "GET", "/v1/customers", "", http.StatusOK, &list)
	if len(list) != 1 || list[0].ID != customer || list[0].State != "active" || list[0].Entry != "oidc" || len(list[0].Accounts) != 2 || list[0].Accounts[0].Number != "111122223333" || list[0].Offboarded != nil {
		t.Errorf("customers: %+v", list)
	}
	var cred api.Credential
	w.as(engineer, "POST", "/v1/credentials", `{"target":"acme-staging/ReadOnly"}`, http.StatusOK, &cred)
	w.as(engineer, "POST", "/v1/requests", `{"target":"acme-prod/Admin","reason":"x"}`, http.StatusOK, nil)

	const offboard = "/v1/customers/acme/offboard"
	w.as(lead, "POST", offboard, `{"reason":"x"}`, http.StatusForbidden, nil)
	w.as(security, "POST", offboard, `{"reason":""}`, http.StatusBadRequest, nil)
	w.as(security, "POST", "/v1/customers/globex/offboard", `{"reason":"x"}`, http.StatusNotFound, nil)
	var done, again api.Offboarded
	rec := w.send("POST", offboard, `{"reason":"over"}`, "Authorization", "Bearer "+security, "Idempotency-Key", "once")
	if err := json.Unmarshal(rec.Body.Bytes(), &done); err != nil || done.Customer != "acme" || done.Grants != 1 || done.Requests != 1 || done.Sessions != 1 ||
		done.Until == nil || !done.Until.Equal(cred.Expires) || done.Proof == nil || !done.Proof.OK || done.Proof.Refused != 4 || done.Proof.Admitted == nil {
		t.Fatalf("offboarded: %v %s", err, rec.Body)
	}
	rec = w.send("POST", offboard, `{"reason":"over"}`, "Authorization", "Bearer "+security, "Idempotency-Key", "once")
	if err := json.Unmarshal(rec.Body.Bytes(), &again); err != nil || !again.At.Equal(done.At) || again.Grants != 1 {
		t.Errorf("again: %v %s", err, rec.Body)
	}
	w.as(security, "POST", "/v1/customers/"+customer+"/offboard", `{"reason":"over"}`, http.StatusConflict, nil)
	w.as(engineer, "POST", "/v1/credentials", `{"target":"acme-staging/ReadOnly"}`, http.StatusForbidden, nil)
	w.as(engineer, "POST", "/v1/requests", `{"target":"acme-prod/Admin","reason":"x"}`, http.StatusForbidden, nil)
	w.as(security, "GET", "/v1/customers", "", http.StatusOK, &list)
	if list[0].State != "offboarded" || list[0].Offboarded == nil || list[0].Offboarded.Reason != "over" || list[0].Offboarded.Proof != nil {
		t.Errorf("customers: %+v", list)
	}
}
