package web_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/glass"
	"github.com/brevet-access/brevet/service"
)

// TestReviewOfGlass: what the alarm says of how an emergency was opened stands
// on its page in words, without the names that programs use.
func TestReviewOfGlass(t *testing.T) {
	w := newWorld(t)
	t.Run("with sealed codes", w.reviewSealed)
	t.Run("offline", w.reviewOffline)
}

func (w *world) reviewSealed(t *testing.T) {
	own, err := w.engineer.NewSheet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lead, _ := w.Login(t, "lead")
	second, err := lead.NewSheet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, err := w.engineer.BreakGlassSealed(t.Context(), api.SealedGlass{BreakGlass: api.BreakGlass{Target: "acme-prod/Admin", Reason: "the provider is down, and db-7"},
		As: api.SealedCode{Handle: "engineer", Code: own.Codes[0]}, Second: api.SealedCode{Handle: "lead", Code: second.Codes[0]}})
	if err != nil {
		t.Fatal(err)
	}
	p := w.signIn(w.browser("security"), "/reviews/"+g.Request.Grant.ID)
	has(t, p, "<dt>Second code</dt><dd><bdi>lead’s sealed code", ", from <code>127.0.0.1<")
	if strings.Contains(p.Body, "pr_") {
		t.Errorf("the page shows a person's id:\n%s", p.Body)
	}
	for _, why := range usable(p.Body) {
		t.Error(why)
	}
}

func (w *world) reviewOffline(t *testing.T) {
	me, err := w.engineer.Whoami(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := w.offline(brevet.PersonID(me.Person))
	if _, err := w.engineer.Import(t.Context(), api.Record{Record: string(g.Text())}); err != nil {
		t.Fatal(err)
	}
	w.signIn(w.lead, "/")
	p := w.open(w.lead, "/reviews/"+string(g.Intent.Grant), http.StatusOK)
	has(t, p, "engineer broke the glass for acme-prod/BreakGlass", "<dt>Key shares</dt><dd><bdi>given by alice, bob<", "<dt>Offline key</dt><dd><bdi>"+g.Intent.Key+"<",
		"just now, brought by engineer, from <code>127.0.0.1<", g.Digest, "ASIAOFFLINE", "brevetd breakglass init --retire")
	for _, no := range []string{"pr_", "<dt>Call", "<dt>Bundle", "<dt>Expires", "<dt>Access key", "<dt>Handle", "<dt>Who</dt><dd>engineer, from"} {
		if strings.Contains(p.Body, no) {
			t.Errorf("the page says %q:\n%s", no, p.Body)
		}
	}
	for _, why := range usable(p.Body) {
		t.Error(why)
	}
}

// offline uses an offline key of acme's as the engineer, ten minutes ago, and
// has the server know its public half.
func (w *world) offline(engineer brevet.PersonID) glass.Record {
	w.t.Helper()
	do := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	var ids []age.Identity
	var holders []glass.Holder
	for _, name := range []string{"alice", "bob"} {
		id, err := age.GenerateX25519Identity()
		do(err)
		ids, holders = append(ids, id), append(holders, glass.Holder{Name: name, Recipient: id.Recipient().String()})
	}
	at := w.Clock.Now().Add(-10 * time.Minute)
	customer := w.Service.Broker.Catalog().Customers[0].ID
	b, err := glass.Deal(glass.Bundle{Customer: customer, CustomerName: "acme", Issuer: "https://glass.brevet.invalid/acme", Made: at, Threshold: 2, Holders: holders,
		People:   []glass.Person{{Handle: "engineer", ID: engineer}},
		Accounts: []glass.Account{{Number: "444455556666", Name: "acme-prod", Region: "eu-west-1", Prefix: "brevet-", Audience: "x", Contract: 1, Roles: []brevet.RoleName{"BreakGlass"}}}})
	do(err)
	o, err := glass.Begin(b, glass.Ask{Target: "acme-prod/BreakGlass", As: "engineer", Reason: "brevet is down, and db-7"}, at)
	do(err)
	for _, id := range ids {
		h, err := glass.Hold(b, o.Call.Text(), []age.Identity{id}, at)
		do(err)
		text, err := h.Answer()
		do(err)
		_, err = o.Add(text)
		do(err)
	}
	key, err := o.Key()
	do(err)
	r, err := o.Intend(key, at)
	do(err)
	r, err = r.Close(key, glass.Outcome{Time: at, AccessKey: "ASIAOFFLINE", Expires: at.Add(time.Hour)})
	do(err)
	set, err := glass.KeySet{}.With(b)
	do(err)
	file := service.OfflineKeysFile(service.Config{Keys: filepath.Join(w.Dir, "keys")}, customer)
	do(os.MkdirAll(filepath.Dir(file), 0o700))
	do(os.WriteFile(file, set.JWKS(), 0o600))
	return r
}
