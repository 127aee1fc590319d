package keychain

import (
	"testing"
	"time"
)

// TestGlass: a sign-in by sealed codes is for its target and its time, and goes
// with its grant and with the server.
func TestGlass(t *testing.T) {
	now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	h := At(t.TempDir())
	if _, _, err := h.Prepare(File); err != nil {
		t.Fatal(err)
	}
	v, err := h.Open(File)
	if err != nil {
		t.Fatal(err)
	}
	const server, other = "https://a.example.com", "https://b.example.com"
	put := func(target, grant string) {
		t.Helper()
		if err := v.PutGlass(server, Glass{Token: Token{Token: "brv_x", Handle: "engineer", Expires: now.Add(time.Hour)}, Target: target, Grant: grant}); err != nil {
			t.Fatal(err)
		}
	}
	has := func(server, target string, at time.Time, want bool) {
		t.Helper()
		if _, ok := v.Glass(server, target, at); ok != want {
			t.Errorf("%s at %s after %s: %t", target, server, at.Sub(now), ok)
		}
	}
	put("acme-prod/Admin", "gr_1")
	put("acme-prod/SRE", "gr_2")
	if err := v.PutCredential(server, Credential{Target: "acme-prod/Admin", AccessKeyID: "k", SecretAccessKey: "s", SessionToken: "t", Grant: "gr_1", Expires: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	has(server, "acme-prod/Admin", now, true)
	has(server, "acme-prod/Admin", now.Add(time.Hour), false)
	has(server, "acme-prod/Data", now, false)
	has(other, "acme-prod/Admin", now, false)
	if got := v.Glasses(server, now); len(got) != 2 {
		t.Errorf("%d of 2: %+v", len(got), got)
	}
	if got := v.Glasses(other, now); len(got) != 0 {
		t.Errorf("another server's: %+v", got)
	}
	if _, ok := v.Credential(server, "acme-prod/Admin"); !ok {
		t.Error("it took the credential's place")
	}
	if err := v.PurgeGrant(server, "gr_1"); err != nil {
		t.Fatal(err)
	}
	has(server, "acme-prod/Admin", now, false)
	has(server, "acme-prod/SRE", now, true)
	if err := h.DropGlass(server, "acme-prod/SRE"); err != nil {
		t.Fatal(err)
	}
	has(server, "acme-prod/SRE", now, false)
	put("acme-prod/SRE", "gr_3")
	if err := h.Forget(server); err != nil {
		t.Fatal(err)
	}
	has(server, "acme-prod/SRE", now, false)
}
