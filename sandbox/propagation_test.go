package sandbox_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/api"
	"github.com/brevet-access/brevet/brevettest"
	"github.com/brevet-access/brevet/client"
	cloudaws "github.com/brevet-access/brevet/cloud/aws"
	"github.com/brevet-access/brevet/sandbox"
)

// TestRevokedIsNeverEarly: with a cloud in which a changed policy counts only
// after a while, "revoked in N s" is no less than that while, and not much
// more; also where some hosts know of it at once and others do not.
func TestRevokedIsNeverEarly(t *testing.T) {
	var turn atomic.Int64
	for _, tt := range []struct {
		name    string
		takes   time.Duration
		uneven  bool
		longest time.Duration // until it is confirmed
	}{
		{"at once", 0, false, 5 * time.Second},
		{"a minute", time.Minute, false, 75 * time.Second},
		{"five minutes", 5 * time.Minute, false, 315 * time.Second},
		{"a minute here and there", time.Minute, true, 75 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := brevettest.NewClock(time.Now())
			w := brevettest.StartConfig(t, sandbox.Config{Dir: t.TempDir(), Now: clock.Now,
				Pause: func(ctx context.Context, d time.Duration) error { clock.Advance(d); return ctx.Err() },
				Propagation: func() time.Duration {
					if tt.uneven && turn.Add(1)%2 == 0 {
						return 0
					}
					return tt.takes
				}})
			w.Clock = clock
			engineer, _ := w.Login(t, "engineer")
			security, _ := w.Login(t, "security")
			if _, err := engineer.Ask(t.Context(), api.NewRequest{Target: "acme-staging/SRE", Duration: "1h", Reason: "queue is stuck"}); err != nil {
				t.Fatal(err)
			}
			cred, err := engineer.Credential(t.Context(), api.CredentialRequest{Target: "acme-staging/SRE"})
			if err != nil {
				t.Fatal(err)
			}
			if !works(w, cred) {
				t.Fatal("the credential is refused before its grant is revoked")
			}
			r := revokeAndWait(t, security, cred.Grant)
			took := time.Duration(r.Seconds * float64(time.Second))
			if r.State != string(brevet.RevokeConfirmed) || took < tt.takes || r.Closed.Sub(r.Told) < tt.takes || took > tt.longest {
				t.Errorf("%s, revoked in %s, %s after AWS was told: %s", r.State, took, r.Closed.Sub(r.Told), r.Trouble)
			}
			if works(w, cred) {
				t.Error("it is confirmed, and the credential works")
			}
		})
	}
}

// revokeAndWait revokes one grant and waits until that is settled.
func revokeAndWait(t *testing.T, security *client.Client, grant string) api.Revocation {
	t.Helper()
	act, err := security.RevokeAll(t.Context(), api.RevokeAll{Grant: grant, Reason: "a laptop was stolen"})
	for err == nil && !act.Settled {
		act, err = security.Revocation(t.Context(), act.ID, 30*time.Second)
	}
	if err != nil || len(act.Grants) != 1 {
		t.Fatalf("%d revocations, %v", len(act.Grants), err)
	}
	return act.Grants[0]
}

// works reports whether the cloud lets anything be done with a credential.
func works(w *brevettest.World, c api.Credential) bool {
	cloud := cloudaws.New(cloudaws.Config{API: func(string, string, string) string { return w.Facts.AWS }, Now: w.Clock.Now})
	account, _ := w.Service.Broker.Catalog().Account("acme-staging")
	as := brevet.Credential{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expires: c.Expires}
	for _, tried := range cloud.Try(context.Background(), as, account, "SRE") {
		if tried.Result == brevet.TryAllowed {
			return true
		}
	}
	return false
}
