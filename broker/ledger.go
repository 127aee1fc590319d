package broker

import (
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/store"
)

// disagree is the answer when a row and the log say different things. It is
// never explained to the caller; the log of the server names the row.
func disagree(what, id string) error {
	return brevet.Errorf(brevet.Internal, "the record and the log disagree, so nothing is issued").
		WithHint("an operator should run brevet audit verify").
		WithCause(brevet.Errorf(brevet.Internal, "%s %s does not match the log", what, id))
}

// provePerson checks that the log holds the person as the row has them, and
// that nothing in it ended them.
func provePerson(tx *store.Tx, p brevet.Person) error {
	if tx.PersonOver(p.ID) || !p.Ended.IsZero() {
		return brevet.Errorf(brevet.Unauthenticated, "this person's access has been ended")
	}
	e, err := tx.Proven(p.Leaf)
	if err != nil {
		return err
	}
	if e.Kind != brevet.PersonCreated || e.Person != p.ID || e.Data["handle"] != string(p.Handle) {
		return disagree("person", string(p.ID))
	}
	return nil
}

// provePrincipal checks that the log links the principal to the person.
func provePrincipal(tx *store.Tx, p brevet.Person, who brevet.Principal) error {
	e, err := tx.Proven(p.Leaf)
	if err != nil {
		return err
	}
	if e.Data["issuer"] != who.Issuer || e.Data["subject"] != who.Subject {
		return disagree("principal of person", string(p.ID))
	}
	return nil
}

// signInDigest covers everything about a sign-in that gives it authority.
func signInDigest(s brevet.SignIn) string {
	at := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.UnixMicro()
	}
	return digest(struct {
		ID               brevet.SignInID
		Hash             [32]byte
		Person           brevet.PersonID
		Principal        brevet.Principal
		Provider         string
		AuthTime, MFA    int64
		Methods, Class   string
		Groups           string
		GroupsAt         int64
		Created, Expires int64
	}{s.ID, s.Hash, s.Person, s.Principal, s.Provider, at(s.Proof.AuthTime), at(s.Proof.MFA),
		strings.Join(s.Proof.Methods, "\x00"), s.Proof.Class, strings.Join(s.Groups.Names, "\x00"), at(s.Groups.At),
		at(s.Created), at(s.Expires)})
}

// proveSignIn checks that the log holds the sign-in as the row has it.
func proveSignIn(tx *store.Tx, s brevet.SignIn) error {
	if tx.SignInOver(s.ID) {
		return signInOver()
	}
	e, err := tx.Proven(s.Leaf)
	if err != nil {
		return err
	}
	if (e.Kind != brevet.SignInOpened && e.Kind != brevet.GroupsRefreshed) || e.SignIn != s.ID || e.Person != s.Person || e.Digest != signInDigest(s) {
		return disagree("sign-in", string(s.ID))
	}
	return nil
}

func signInOver() error {
	return brevet.Errorf(brevet.Unauthenticated, "your sign-in has ended").WithHint("brevet login")
}

// proveRequest checks that the log holds a pending request as the row has it:
// what was asked, and every decision so far.
func proveRequest(tx *store.Tx, r brevet.Request) error {
	e, err := tx.Proven(r.Leaf)
	if err != nil {
		return err
	}
	if (e.Kind != brevet.RequestCreated && e.Kind != brevet.RequestDecided) || e.Request != r.ID || !sameAsk(e, r) {
		return disagree("request", string(r.ID))
	}
	return nil
}

func sameAsk(e brevet.Event, r brevet.Request) bool {
	return e.Person == r.Person && e.Customer == r.Customer && e.Digest == r.Digest() && e.Data["decisions"] == r.DecisionsDigest()
}

// proveGrant checks law 11 for a grant and the request behind it: the log
// holds the approval of exactly this ask and the activation of exactly this
// window, and nothing in it ended the grant.
func proveGrant(tx *store.Tx, g brevet.Grant, r brevet.Request) error {
	if tx.GrantOver(g.ID) {
		if g.State == brevet.Active || g.State == brevet.Scheduled {
			return disagree("grant", string(g.ID))
		}
		return brevet.Errorf(brevet.NoGrant, "grant %s has ended", g.ID)
	}
	approved, err := tx.Proven(r.Leaf)
	if err != nil {
		return err
	}
	if r.State != brevet.Approved || approved.Kind != brevet.RequestApproved || approved.Request != r.ID || !sameAsk(approved, r) {
		return disagree("request", string(r.ID))
	}
	active, err := tx.Proven(g.Leaf)
	if err != nil {
		return err
	}
	if g.Request != r.ID || g.Person != r.Person || g.Customer != r.Customer || g.Account != r.Account || g.Role != r.Role ||
		active.Kind != brevet.GrantActivated || active.Grant != g.ID || active.Request != r.ID || active.Person != g.Person ||
		active.Customer != g.Customer || active.Account != g.Account || active.Role != g.Role ||
		active.Start == nil || !active.Start.Equal(g.Start) || active.End == nil || !active.End.Equal(g.End) {
		return disagree("grant", string(g.ID))
	}
	return nil
}
