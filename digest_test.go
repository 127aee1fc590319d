package brevet_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
)

// sampleAsk has every field set, so that each can be changed.
func sampleAsk() brevet.Ask {
	return brevet.Ask{Person: "pr_1", Customer: "cu_1", Account: "444455556666", Role: "Admin", RoleDigest: "ab", Entitlement: "prod-admin",
		Rule: brevet.Approval{Steps: []brevet.Step{
			{By: brevet.Subjects{Groups: []string{"leads"}, People: []brevet.Handle{"lead"}, Rotas: []string{"sre"}}, Quorum: 2,
				Else: []brevet.Fallback{{By: brevet.Subjects{Groups: []string{"owners"}, People: []brevet.Handle{"owner"}, Rotas: []string{"owners"}}, After: time.Hour}}},
			{By: brevet.Subjects{Groups: []string{"security"}, People: []brevet.Handle{"security"}, Rotas: []string{"sre/secondary"}}, Quorum: 1,
				Else: []brevet.Fallback{{By: brevet.Subjects{Groups: []string{"audit"}, People: []brevet.Handle{"auditor"}, Rotas: []string{"auditors"}}, After: 2 * time.Hour}}},
		}, Member: time.Hour, Unanswered: 4 * time.Hour},
		Activate: brevet.OnApproval, MFA: brevet.Rung1h, Duration: time.Hour, NotBefore: dawn, Reason: "restore db-7", Ticket: "OPS-1",
		SessionPolicy: "{}", CatalogVersion: 7, Batch: "bt_1", Bound: brevet.Bound{Until: dawn.AddDate(0, 0, 7), Duty: []string{"sre"}}}
}

// TestDigestBindsEverything changes each value that hangs on an ask or a role
// by reflection, also in a field that will be added one day: the digest must
// change, and with each change in another way (law 4).
func TestDigestBindsEverything(t *testing.T) {
	ask, role := sampleAsk(), brevet.Role{Name: "Admin", About: "everything", Max: time.Hour, MFA: brevet.Rung1h,
		Policies: []string{"AdministratorAccess"}, Inline: json.RawMessage(`{"Version":"2012-10-17"}`)}
	ask.Extends = "gr_1" // left out of the JSON where empty, so that older digests hold
	t.Run("Ask", func(t *testing.T) {
		everyChange(t, reflect.ValueOf(&ask).Elem(), func() string { return ask.Digest() })
	})
	t.Run("Role", func(t *testing.T) {
		everyChange(t, reflect.ValueOf(&role).Elem(), func() string { return role.Digest() })
	})
}

func everyChange(t *testing.T, v reflect.Value, digest func() string) {
	seen := map[string]string{digest(): "nothing"}
	if want := 64; len(digest()) != want {
		t.Errorf("digest %q has not %d hex digits", digest(), want)
	}
	n := 0
	leaves(t, v, v.Type().Name(), func(name string, leaf reflect.Value, other any) {
		old := reflect.New(leaf.Type()).Elem()
		old.Set(leaf)
		leaf.Set(reflect.ValueOf(other).Convert(leaf.Type()))
		n++
		if prior, ok := seen[digest()]; ok {
			t.Errorf("changing %s gives the digest of changing %s", name, prior)
		}
		seen[digest()] = name
		leaf.Set(old)
	})
	t.Logf("%d changes", n)
	if seen[digest()] != "nothing" {
		t.Error("the changes were not undone")
	}
}

// leaves calls change for every scalar beneath v and for the length of every
// slice, each with another value of its type.
func leaves(t *testing.T, v reflect.Value, name string, change func(name string, leaf reflect.Value, other any)) {
	switch x := v.Interface().(type) {
	case time.Time:
		change(name, v, x.Add(time.Microsecond))
		change(name+" cleared", v, time.Time{})
		return
	case json.RawMessage:
		change(name, v, json.RawMessage(`{"Version":"2008-10-17"}`))
		change(name+" cleared", v, json.RawMessage(nil))
		return
	}
	switch v.Kind() {
	case reflect.String:
		change(name, v, v.String()+"x")
		change(name+" cleared", v, "")
	case reflect.Bool:
		change(name, v, !v.Bool())
	case reflect.Int, reflect.Int64:
		change(name, v, v.Int()+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Tag.Get("json") != "-" {
				leaves(t, v.Field(i), name+"."+f.Name, change)
			}
		}
	case reflect.Slice:
		if v.Len() == 0 {
			t.Fatalf("%s is empty in the sample; give it an element", name)
		}
		change(name+" shortened", v, v.Slice(0, v.Len()-1).Interface())
		change(name+" repeated", v, reflect.AppendSlice(v.Slice3(0, v.Len(), v.Len()), v).Interface())
		for i := range v.Len() {
			leaves(t, v.Index(i), name+"[]", change)
		}
	default:
		t.Fatalf("%s is a %s; teach this test to change it", name, v.Kind())
	}
}

// TestDigestIsPinned holds the digest's bytes: requests in databases and
// approvals in logs were made with it.
func TestDigestIsPinned(t *testing.T) {
	const want = "ad6f21936f1a3919e11bdd4080244e13ca287291bb7d0a9f2bc96df712abb874"
	old := sampleAsk() // what has come since leaves the digests of those that go without as they were
	old.Batch, old.Bound = "", brevet.Bound{}
	old.Rule = brevet.Approval{Steps: old.Rule.Steps}
	for i := range old.Rule.Steps {
		old.Rule.Steps[i].By.Rotas, old.Rule.Steps[i].Else = nil, nil
	}
	if got := old.Digest(); got != want {
		t.Errorf("digest %s, want %s; approvals that are on record would no longer fit their requests", got, want)
	}
}

// TestDecisionsDigest does the same for what was decided. The address of an
// approver is in the event itself.
func TestDecisionsDigest(t *testing.T) {
	r := brevet.Request{Decisions: []brevet.Decision{{Person: "pr_2", Handle: "lead", Groups: []string{"leads"}, Duty: []string{"sre"}, Policy: "p", Approve: true,
		Comment: "seen", Digest: "ab", Step: 1, At: dawn}}}
	everyChange(t, reflect.ValueOf(&r.Decisions).Elem(), func() string { return r.DecisionsDigest() })
}
