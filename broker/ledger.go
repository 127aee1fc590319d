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

// newest reports whether the log speaks of id last at index: a row that was
// made from an older entry was set back.
func newest(tx *store.Tx, id string, index int64) bool {
	i, ok := tx.Latest(id)
	return ok && i == index
}

// provePerson checks that the log holds the person as the row has them, and
// that nothing in it ended them.
func provePerson(tx *store.Tx, p brevet.Person) error {
	if tx.PersonOver(p.ID) || !p.Ended.IsZero() {
		return brevet.Errorf(brevet.Unauthenticated, "this person's access has been ended").WithHint("for good; who returns is a new person, under a new handle (docs/ending.md)")
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

// called reports whether the log gives the person the handle that their row
// has, whether they have ended or not: for words only, never for authority.
func called(tx *store.Tx, p brevet.Person) bool {
	e, err := tx.Proven(p.Leaf)
	return err == nil && (e.Kind == brevet.PersonCreated || e.Kind == brevet.PersonEnded) && e.Person == p.ID && e.Data["handle"] == string(p.Handle)
}

// provePrincipal checks that the log links the principal to the person.
func provePrincipal(tx *store.Tx, p brevet.Person, who brevet.Principal) error {
	i, ok := tx.Latest(store.PrincipalKey(who))
	if !ok {
		return disagree("principal of person", string(p.ID))
	}
	e, err := tx.Proven(i)
	if err != nil {
		return err
	}
	if e.Person != p.ID || e.Data["issuer"] != who.Issuer || e.Data["subject"] != who.Subject {
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
		Only             brevet.RequestID `json:",omitempty"` // none in what older versions recorded
	}{s.ID, s.Hash, s.Person, s.Principal, s.Provider, at(s.Proof.AuthTime), at(s.Proof.MFA),
		strings.Join(s.Proof.Methods, "\x00"), s.Proof.Class, strings.Join(s.Groups.Names, "\x00"), at(s.Groups.At),
		at(s.Created), at(s.Expires), s.Only})
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
	if (e.Kind != brevet.SignInOpened && e.Kind != brevet.GroupsRefreshed) || e.SignIn != s.ID || e.Person != s.Person || e.Digest != signInDigest(s) || !newest(tx, string(s.ID), s.Leaf) {
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
	if (e.Kind != brevet.RequestCreated && e.Kind != brevet.RequestDecided) || e.Request != r.ID || !sameAsk(e, r) || !newest(tx, string(r.ID), r.Leaf) {
		return disagree("request", string(r.ID))
	}
	return nil
}

func sameAsk(e brevet.Event, r brevet.Request) bool {
	return e.Person == r.Person && e.Customer == r.Customer && e.Digest == r.Digest() && e.Data["decisions"] == r.DecisionsDigest() &&
		e.Data["lapses"] == r.Lapses.Format(time.RFC3339Nano) && (e.Data["created"] == "" || e.Data["created"] == r.Created.Format(time.RFC3339Nano))
}

// proveApproval checks that the log holds the approval of exactly what the
// request asks, and nothing about the request after it.
func proveApproval(tx *store.Tx, r brevet.Request) error {
	e, err := tx.Proven(r.Leaf)
	if err != nil {
		return err
	}
	if r.State != brevet.Approved || e.Kind != brevet.RequestApproved || e.Request != r.ID || !sameAsk(e, r) || !newest(tx, string(r.ID), r.Leaf) {
		return disagree("request", string(r.ID))
	}
	return nil
}

// proveGrant checks law 11 for a grant and the request behind it: the log
// holds the approval of exactly this ask and the activation of exactly this
// window, with an approved request for each time that its end moved, and says
// nothing of the grant after that.
func proveGrant(tx *store.Tx, g brevet.Grant, r brevet.Request) (past, error) {
	if tx.GrantOver(g.ID) || tx.CustomerOver(g.Customer) || !newest(tx, string(g.ID), g.Leaf) {
		return past{}, disagree("grant", string(g.ID)) // only rows that claim to live come here
	}
	if err := proveApproval(tx, r); err != nil {
		return past{}, err
	}
	w, e, err := proveWindow(tx, g)
	if err != nil {
		return w, err
	}
	if r.Extends != "" || !sameGrant(e, g, r) || !e.End.Equal(r.EndOf(g.Start)) || g.Duration != r.Duration {
		return w, disagree("grant", string(g.ID))
	}
	return w, nil
}

// proveScheduled does the same for a grant that waits for its first use: it
// was opened for this request, so long, and has not started yet.
func proveScheduled(tx *store.Tx, g brevet.Grant, r brevet.Request) error {
	if tx.CustomerOver(g.Customer) {
		return disagree("grant", string(g.ID))
	}
	if err := proveApproval(tx, r); err != nil {
		return err
	}
	e, err := tx.Proven(g.Leaf)
	if err != nil {
		return err
	}
	start := e.Start == nil && g.Start.IsZero() || e.Start != nil && e.Start.Equal(g.Start)
	if e.Kind != brevet.GrantOpened || !sameGrant(e, g, r) || !newest(tx, string(g.ID), g.Leaf) || e.Digest != r.Digest() || g.Duration != r.Duration ||
		!start || e.Data["waits"] != g.Waits.Format(time.RFC3339Nano) {
		return disagree("grant", string(g.ID))
	}
	return nil
}

func sameGrant(e brevet.Event, g brevet.Grant, r brevet.Request) bool {
	return g.Request == r.ID && g.Person == r.Person && g.Customer == r.Customer && g.Account == r.Account && g.Role == r.Role &&
		e.Grant == g.ID && e.Request == r.ID && e.Person == g.Person && e.Customer == g.Customer && e.Account == g.Account && e.Role == g.Role
}
