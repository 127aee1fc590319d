package store

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/audit"
	"golang.org/x/mod/sumdb/tlog"
)

// ledger is what the process knows of the log by heart: its verified head and
// edge, where each customer's sequence stands, and the newest entry about each
// thing that has a life cycle. The writer
// alone changes it, under the lock, when a batch is committed or the entries
// of other processes are taken over.
type ledger struct {
	mu      sync.RWMutex
	head    audit.Head
	tree    audit.Frontier
	seqs    map[brevet.CustomerID]int64
	blinds  map[brevet.CustomerID][]byte
	last    time.Time          // of the newest entry
	places  map[placeKey]place // of whatever has a life cycle
	holds   holds
	outs    outs               // credentials that may be out
	doors   map[placeKey]int64 // who is let in through IAM Identity Center
	refused []Refusal          // sealed codes that were wrong lately
	proven  provenCache
	open    map[brevet.GrantID]int64    // where revocations that are not closed are spoken of last
	strays  strays                      // whom nobody granted what lets them in
	ended   []brevet.PersonID           // people that were offboarded
	erased  map[int64]brevet.CustomerID // erased entries whose erasure was not read yet; empty once verified
}

func newLedger() *ledger {
	return &ledger{
		seqs: map[brevet.CustomerID]int64{}, blinds: map[brevet.CustomerID][]byte{},
		places: map[placeKey]place{}, holds: holds{}, outs: newOuts(), doors: map[placeKey]int64{}, open: map[brevet.GrantID]int64{}, strays: strays{}, erased: map[int64]brevet.CustomerID{},
	}
}

func (l *ledger) currentHead() audit.Head {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.head
}

func (l *ledger) placeOf(k placeKey) (place, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	p, ok := l.places[k]
	return p, ok
}

// placeKey is 128 bits of the hash of an id. Hashes are smaller than the ids,
// and the set only grows.
type placeKey [16]byte

func keyOf[ID ~string](id ID) placeKey {
	sum := sha256.Sum256([]byte(id))
	return placeKey(sum[:16])
}

// place is where the log speaks of a thing last, and whether it said that the
// thing is over: then that is for good.
type place struct {
	index int64
	over  bool
}

// mark is what an event says about the place of a thing.
type mark struct {
	key     placeKey
	over    bool
	holder  placeKey         // of a grant: its person
	revokes brevet.GrantID   // whose revocation it is about; "" for none
	closed  bool             // that of it is closed
	person  brevet.PersonID  // who was offboarded; "" for nobody
	stray   brevet.AccountID // into which nobody granted what lets somebody in; closed: it does no more
	out     placeKey         // of a credential that may be out: its grant
	outOf   placeKey         // and its person
	until   int64            // when it dies at the latest, in Unix microseconds
	door    placeKey         // a way in through IAM Identity Center; closed: it is none any more
	refused *Refusal         // sealed codes that were wrong; nil for none
}

func put(places map[placeKey]place, before place, index int64, m mark) {
	places[m.key] = place{index, m.over || before.over}
}

// PrincipalKey is what [Tx.Latest] knows a principal by.
func PrincipalKey(p brevet.Principal) string { return "principal\x00" + p.Issuer + "\x00" + p.Subject }

// CatalogKey is what [Tx.Latest] knows the catalog in force by.
const CatalogKey = "catalog"

// marks returns what an event says. An event that erased the details of an
// ending stands in for it.
func marks(ev brevet.Event) []mark {
	kind := ev.Kind
	if kind == brevet.DetailsErased {
		if kind = brevet.EventKind(ev.Data[audit.ErasedKind]); !ending(kind) {
			return nil
		}
	}
	switch kind {
	case brevet.GrantOpened, brevet.GrantActivated, brevet.GrantExtended, brevet.GrantEnded, brevet.GrantRevoked:
		if ev.Grant == "" {
			return nil
		}
		return []mark{{key: keyOf(ev.Grant), over: ending(kind), holder: keyOf(ev.Person)}}
	case brevet.PersonCreated, brevet.PrincipalLinked:
		who := brevet.Principal{Issuer: ev.Data["issuer"], Subject: ev.Data["subject"]}
		return append(markOf(ev.Person, false), mark{key: keyOf(PrincipalKey(who))})
	case brevet.PersonEnded:
		if ev.Person == "" {
			return nil
		}
		return []mark{{key: keyOf(ev.Person), over: true, person: ev.Person}}
	case brevet.CustomerOffboarded:
		return markOf(ev.Customer, true)
	case brevet.CodesMade, brevet.CodesUsed, brevet.CodesVoided:
		return codesMarks(ev)
	case brevet.SignInOpened, brevet.GroupsRefreshed:
		if kind == brevet.SignInOpened && ev.Request != "" { // by sealed codes: no provider has stated anything
			return markOf(ev.SignIn, false)
		}
		return append(markOf(ev.SignIn, false), mark{key: keyOf(StatedKey(ev.Person, ""))}, mark{key: keyOf(StatedKey(ev.Person, ev.Data["provider"]))})
	case brevet.SignInEnded:
		return markOf(ev.SignIn, true)
	case brevet.RequestCreated, brevet.RequestDecided, brevet.RequestApproved, brevet.RequestDenied, brevet.RequestWithdrawn, brevet.RequestLapsed:
		return markOf(ev.Request, false)
	case brevet.RevocationRequested, brevet.RevocationTold, brevet.RevocationFailed, brevet.RevocationConfirmed, brevet.RevocationOver:
		return revocationMark(ev)
	case brevet.BreakGlassOpened, brevet.BreakGlassReviewed, brevet.BreakGlassReminded:
		return append(glassMarks(ev), outMark(ev)...)
	case brevet.CodesRefused:
		return refusalMark(ev)
	case brevet.SessionIntended:
		return append(outMark(ev), doorMark(ev)...)
	case brevet.AssignmentFound, brevet.AssignmentRemoved:
		return append(strayMark(ev), doorMark(ev)...)
	case brevet.RequestReminded, brevet.RequestEscalated:
		return markOf(NudgeKey(ev.Request), false)
	case brevet.CatalogProposed, brevet.CatalogWithdrawn:
		return markOf(ProposalKey(ev.Data["version"]), kind == brevet.CatalogWithdrawn)
	case brevet.CatalogConfirmed:
		return append(markOf(ProposalKey(ev.Data["version"]), true), mark{key: keyOf(CatalogKey)})
	}
	return nil
}

func markOf[ID ~string](id ID, over bool) []mark {
	if id == "" {
		return nil
	}
	return []mark{{key: keyOf(id), over: over}}
}

func ending(kind brevet.EventKind) bool {
	switch kind {
	case brevet.GrantEnded, brevet.GrantRevoked, brevet.PersonEnded, brevet.SignInEnded, brevet.CustomerOffboarded:
		return true
	}
	return false
}

// take verifies the next row of the log and adds it. The error is of kind
// Internal and names the row; the ledger is unusable then.
func (l *ledger) take(r Row, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	wrong := func(what string) *brevet.Error {
		return brevet.Errorf(brevet.Internal, "entry %d of the log: %s", r.Index, what)
	}
	if r.Index != l.tree.Size() {
		return brevet.Errorf(brevet.Internal, "entry %d of the log: removed", l.tree.Size())
	}
	event, err := r.verify(now)
	if err != nil {
		return wrong(brevet.AsError(err).Message).WithCause(err)
	}
	if r.seq != l.seqs[r.Customer]+1 || r.Time.Before(l.last) {
		return wrong("entries before it were removed or moved")
	}
	if completed := l.tree.Append(r.Hash); !slices.Equal(completed[1:], r.Nodes) {
		return wrong("it or one of those before it was replaced or moved")
	}
	l.seqs[r.Customer], l.last = r.seq, r.Time
	l.fold(r, event)
	return nil
}

// verify checks the row for itself, as [audit.Entry.Check] does, but decodes
// only the events that the ledger must know at now: that takes most of the time
// of a start.
func (r *Row) verify(now time.Time) (ev brevet.Event, err error) {
	known := r.Erased
	switch r.Kind {
	case brevet.SessionIssued, brevet.SessionInDoubt, brevet.SessionEnded, brevet.AccessRefused:
		known = true
	case brevet.SessionIntended:
		known = known || pastOut(r.Details, now)
	}
	if !known {
		_, ev, err = r.Check()
		return ev, err
	}
	if audit.LeafHash(r.Leaf) != r.Hash {
		return ev, brevet.Errorf(brevet.Internal, "its time, kind, customer, number or details were changed")
	}
	if !r.Erased && !r.intact() {
		return ev, brevet.Errorf(brevet.Internal, "its details or salt were changed")
	}
	return ev, nil
}

func (l *ledger) fold(r Row, event brevet.Event) {
	if r.Erased {
		l.erased[r.Index] = r.Customer
	}
	for _, m := range marks(event) {
		l.note(r.Index, m)
	}
	if event.Kind == brevet.DetailsErased {
		i, err := strconv.ParseInt(event.Data[audit.ErasedIndex], 10, 64)
		if c, ok := l.erased[i]; err == nil && ok && c == event.Customer {
			delete(l.erased, i)
		}
	}
}

// note takes down what an entry says.
func (l *ledger) note(index int64, m mark) {
	put(l.places, l.places[m.key], index, m)
	l.holds.take(m)
	putOpen(l.open, index, m)
	l.strays.take(m)
	l.outs.take(index, m, l.last)
	putDoor(l.doors, index, m)
	l.refused = putRefusal(l.refused, m, l.last)
	if m.person != "" && !slices.Contains(l.ended, m.person) {
		l.ended = append(l.ended, m.person)
	}
}

// settle checks that the rows taken give the signed head, and makes it the
// ledger's.
func (l *ledger) settle(head audit.Head) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tree.Size() != head.Size {
		return brevet.Errorf(brevet.Internal, "the log has %d entries, its signed head says %d", l.tree.Size(), head.Size)
	}
	if l.tree.Root() != head.Root {
		return brevet.Errorf(brevet.Internal, "the log's rows do not give the root that was signed")
	}
	for i := range l.erased {
		return brevet.Errorf(brevet.Internal, "entry %d of the log: its details are gone, and no entry records that they were erased", i)
	}
	l.head = head
	return nil
}

// commit makes what a batch appended part of the ledger.
func (l *ledger) commit(b *batch, head audit.Head) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head, l.tree, l.last = head, b.tree, b.last
	for c, seq := range b.seqs {
		l.seqs[c] = seq
	}
	for c, salt := range b.blinds {
		l.blinds[c] = salt
	}
	for i := range b.entries {
		e := &b.entries[i]
		for _, m := range e.marks {
			l.note(e.index, m)
		}
		l.proven.add(e.index, provenLeaf{hash: e.hashes[0]})
	}
}

// provenCache remembers leaves that were proven to be in the tree: at least
// the newest provenSize and those used lately, at most twice as many.
type provenCache struct {
	young, old map[int64]provenLeaf
	size       int // 0: provenSize
}

// provenLeaf is the hash of such a leaf and, once somebody asked, its event.
type provenLeaf struct {
	hash  tlog.Hash
	event *brevet.Event // never changed, never given away
}

const provenSize = 1 << 13

func (c *provenCache) add(index int64, p provenLeaf) {
	size := c.size
	if size == 0 {
		size = provenSize
	}
	if len(c.young) >= size || c.young == nil {
		c.young, c.old = make(map[int64]provenLeaf), c.young
	}
	c.young[index] = p
}

func (c *provenCache) get(index int64) (provenLeaf, bool) {
	p, ok := c.young[index]
	if !ok {
		if p, ok = c.old[index]; ok {
			c.add(index, p)
		}
	}
	return p, ok
}
