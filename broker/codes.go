package broker

import (
	"bytes"
	"cmp"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/policy"
	"github.com/brevet-access/brevet/store"
)

// The keys of Data in a codes.made event.
const (
	sheetSalt   = "salt"   // base64url
	sheetHashes = "hashes" // those of the codes in order, base64url, with spaces between them
	sheetRounds = "rounds" // of PBKDF2 with HMAC-SHA-256
)

const (
	saltSize   = 16
	hashSize   = 32
	mostRounds = 1 << 20
)

// hashRounds is how often a code is hashed: that makes its 75 bits as good as 89
// for whoever reads the log, and costs a try about 3 ms. A test takes fewer.
var hashRounds = 1 << 14

// Sheet is a fresh sheet of sealed codes, which are returned here and never
// again.
type Sheet struct {
	Codes    []string // as they are written for people
	Made     time.Time
	Replaced bool // another one is void now
}

// NewSheet makes the caller's sheet of sealed codes; one that they had before is
// void. The log holds the salted hashes of the codes, and nothing else does: so
// no edit of a row makes a code good, or good again (law 11).
func (b *Broker) NewSheet(ctx context.Context, c brevet.Caller) (Sheet, error) {
	if err := stepUp(c, brevet.Rung15m, b.now(), "a sheet of sealed codes"); err != nil {
		return Sheet{}, b.refused(ctx, c, brevet.Account{}, "", "codes", err)
	}
	var out Sheet
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	var hashes []string
	for range brevet.SheetSize {
		code := brevet.NewSealedCode()
		out.Codes = append(out.Codes, brevet.FormatSealedCode(code))
		h, err := hashCode(code, salt, hashRounds)
		if err != nil {
			return Sheet{}, err
		}
		hashes = append(hashes, base64.RawURLEncoding.EncodeToString(h))
	}
	err := b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := proveSignIn(tx, c.SignIn); err != nil {
			return err
		}
		if err := provePerson(tx, c.Person); err != nil {
			return err
		}
		before, err := sheetOf(tx, c.Person.ID)
		if err != nil {
			return err
		}
		out.Made, out.Replaced = tx.Now(), before.index >= 0
		e := brevet.Event{Kind: brevet.CodesMade, Actor: actor(c), Person: c.Person.ID, SignIn: c.SignIn.ID,
			Data: map[string]string{sheetSalt: base64.RawURLEncoding.EncodeToString(salt), sheetHashes: strings.Join(hashes, " "), sheetRounds: strconv.Itoa(hashRounds)}}
		return post(tx, e)
	})
	if err != nil {
		return Sheet{}, err
	}
	return out, nil
}

// VoidSheet makes the caller's sheet open nothing any more.
func (b *Broker) VoidSheet(ctx context.Context, c brevet.Caller) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		if err := proveSignIn(tx, c.SignIn); err != nil {
			return err
		}
		s, err := sheetOf(tx, c.Person.ID)
		if err != nil {
			return err
		}
		if s.index < 0 {
			return brevet.Errorf(brevet.NotFound, "you have no sheet of sealed codes").WithHint("brevet codes new makes one")
		}
		return post(tx, brevet.Event{Kind: brevet.CodesVoided, Actor: actor(c), Person: c.Person.ID, Reason: "by its holder"})
	})
}

// hashCode is what the log holds of a code.
func hashCode(code string, salt []byte, rounds int) ([]byte, error) {
	return pbkdf2.Key(sha256.New, code, salt, rounds, hashSize)
}

// sheet is somebody's sheet as the log proves it.
type sheet struct {
	person brevet.PersonID
	index  int64 // of the entry that made it; below zero: there is none
	made   time.Time
	salt   []byte
	rounds int
	hashes [][]byte
	used   []bool
}

// left counts the codes that are not used up.
func (s sheet) left() (n int) {
	for _, used := range s.used {
		if !used {
			n++
		}
	}
	return n
}

// noSheet stands for the sheet of somebody who has none, so that a try against it
// costs what any other does.
func noSheet() sheet {
	return sheet{index: -1, salt: make([]byte, saltSize), rounds: hashRounds, hashes: slices.Repeat([][]byte{make([]byte, hashSize)}, brevet.SheetSize), used: slices.Repeat([]bool{true}, brevet.SheetSize)}
}

// sheetOf reads a person's sheet out of the log.
func sheetOf(tx *store.Tx, p brevet.PersonID) (sheet, error) {
	i, ok := tx.Latest(store.SheetKey(p))
	if !ok {
		return noSheet(), nil
	}
	e, err := tx.Proven(i)
	if err != nil {
		return noSheet(), err
	}
	if e.Person != p || e.Kind != brevet.CodesMade && e.Kind != brevet.CodesVoided {
		return noSheet(), disagree("sheet of person", string(p))
	}
	if e.Kind == brevet.CodesVoided {
		return noSheet(), nil
	}
	s := sheet{person: p, index: i, made: e.Time}
	if s.salt, err = base64.RawURLEncoding.DecodeString(e.Data[sheetSalt]); err != nil {
		return noSheet(), disagree("sheet of person", string(p))
	}
	if s.rounds, err = strconv.Atoi(e.Data[sheetRounds]); err != nil || s.rounds < 1 || s.rounds > mostRounds {
		return noSheet(), disagree("sheet of person", string(p))
	}
	for slot, text := range strings.Fields(e.Data[sheetHashes]) {
		h, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return noSheet(), disagree("sheet of person", string(p))
		}
		_, used := tx.Latest(store.CodeKey(p, i, slot))
		s.hashes, s.used = append(s.hashes, h), append(s.used, used)
	}
	return s, nil
}

// find returns which code of the sheet has this hash, -1 if none that is left.
// It takes as long whichever it is.
func (s sheet) find(hash []byte) int {
	slot := -1
	for i, h := range s.hashes {
		good := subtle.ConstantTimeCompare(h, hash)
		if s.used[i] {
			good = 0
		}
		slot = subtle.ConstantTimeSelect(good, i, slot)
	}
	return slot
}

// use records that a code is used up, for what e tells of.
func (s sheet) use(tx *store.Tx, slot int, e brevet.Event) error {
	now, err := sheetOf(tx, s.person)
	if err != nil {
		return err
	}
	if now.index != s.index || !bytes.Equal(now.hashes[slot], s.hashes[slot]) || now.used[slot] {
		return codesWrong()
	}
	e.Kind, e.Person = brevet.CodesUsed, s.person
	e.Data = map[string]string{store.CodeSheet: strconv.FormatInt(s.index, 10), store.CodeSlot: strconv.Itoa(slot), "for": string(e.Actor.Handle)}
	return post(tx, e)
}

// codesWrong is the answer to every pair of codes that opens nothing, whatever
// is wrong with it.
func codesWrong() error {
	return brevet.Errorf(brevet.Denied, "these codes open nothing").
		WithHint("check both handles; a code works once, and a new sheet ends the old one").
		WithUnmet(brevet.Unmet{Condition: "your own sealed code and that of a second person, neither used before", Have: "at least one of them is not right",
			Remedy: "try the next code of each sheet"})
}

// lastStated returns what a provider said last of a person's groups, whenever
// that was, and how long they have been known, as the log proves both.
func lastStated(tx *store.Tx, p brevet.PersonID) (brevet.Groups, brevet.Standing, error) {
	i, ok := tx.Latest(store.StatedKey(p, ""))
	if !ok {
		return brevet.Groups{}, brevet.Standing{}, nil
	}
	e, err := tx.Proven(i)
	if err != nil {
		return brevet.Groups{}, brevet.Standing{}, err
	}
	if e.Person != p || e.Kind != brevet.SignInOpened && e.Kind != brevet.GroupsRefreshed {
		return brevet.Groups{}, brevet.Standing{}, disagree("groups of person", string(p))
	}
	return brevet.Groups{Names: readGroups(e.Data["groups"]), At: e.Time}, standingIn(e), nil
}

// SheetView is what the caller is told of sealed codes.
type SheetView struct {
	Made   time.Time // of the caller's own sheet; zero: there is none
	Left   int       // codes of it that are not used up
	Size   int
	Stated time.Time // when a provider last spoke of the caller's groups
	Until  time.Time // until when that counts
	Opens  []Sealed
}

// Sealed is an emergency that sealed codes open, and who could lend the second
// one now.
type Sealed struct {
	Entitlement string
	Targets     []string
	Second      string // who may, as the catalog names them
	Mine        bool   // the caller may break this glass
	Lend        bool   // the caller's code may be the second
	Holders     []brevet.Handle
	Unusable    string // why its roles cannot be entered so; "" if they can
}

// Sheets returns the caller's sheet, and of each emergency that they may open,
// lend a code for or watch, who of those whose code counts as the second has one.
func (b *Broker) Sheets(ctx context.Context, c brevet.Caller) (out SheetView, err error) {
	c = b.current(ctx, c, policy.PrivilegedWithin)
	err = b.look(ctx, func(tx *store.Tx) error {
		out = SheetView{Size: brevet.SheetSize}
		s, err := sheetOf(tx, c.Person.ID)
		if err != nil {
			return err
		}
		out.Made, out.Left = s.made, s.left()
		known, _, err := lastStated(tx, c.Person.ID)
		if err != nil {
			return err
		}
		if out.Stated = known.At; !known.At.IsZero() {
			out.Until = known.At.Add(brevet.CodesWithin)
		}
		lenders, err := b.lenders(tx)
		if err != nil {
			return err
		}
		for _, e := range b.Catalog().Entitlements {
			if v, ok := b.sealedView(c, e, lenders); ok {
				out.Opens = append(out.Opens, v)
			}
		}
		return nil
	})
	slices.SortFunc(out.Opens, func(x, y Sealed) int { return cmp.Compare(x.Entitlement, y.Entitlement) })
	return out, err
}

// lender is somebody who has a sheet with a code left.
type lender struct {
	person brevet.Person
	groups []string
}

func (b *Broker) lenders(tx *store.Tx) (out []lender, err error) {
	people, err := tx.People()
	if err != nil {
		return nil, err
	}
	for _, p := range people {
		if _, made := tx.Latest(store.SheetKey(p.ID)); !made || provePerson(tx, p) != nil {
			continue
		}
		s, err := sheetOf(tx, p.ID)
		if err != nil {
			return nil, err
		}
		known, _, err := lastStated(tx, p.ID)
		if err != nil {
			return nil, err
		}
		if s.left() > 0 {
			out = append(out, lender{p, known.Fresh(b.now(), brevet.CodesWithin)})
		}
	}
	return out, nil
}

func (b *Broker) sealedView(c brevet.Caller, e brevet.Entitlement, lenders []lender) (v Sealed, ok bool) {
	if e.BreakGlass == nil || e.BreakGlass.Codes.Empty() {
		return v, false
	}
	now := b.now()
	v = Sealed{Entitlement: e.Name, Second: e.BreakGlass.Codes.String(), Lend: c.Member(e.BreakGlass.Codes, now, policy.GroupsWithin)}
	usable := false
	for _, id := range e.Accounts {
		a, known := b.Catalog().AccountByID(id)
		for _, name := range e.Roles {
			role, has := b.Catalog().Role(id, name)
			if !known || !has {
				continue
			}
			usable = usable || admitsGlass(a, role)
			v.Targets = append(v.Targets, brevet.Target{Account: a.Name, Role: name}.String())
			q := query(c, a, name, now)
			q.BreakGlass = true
			answer := b.policy().Decide(q)
			v.Mine = v.Mine || answer.Allowed && answer.Entitlement.Name == e.Name
		}
	}
	if !usable {
		v.Unusable = "none of its roles admits the word that it is an emergency (emergency: true)"
	}
	for _, l := range lenders {
		if l.person.ID != c.Person.ID && e.BreakGlass.Codes.Cover(l.person.Handle, l.groups, c.Duty.Of(l.person.Handle, e.BreakGlass.Codes.Rotas, now)...) {
			v.Holders = append(v.Holders, l.person.Handle)
		}
	}
	slices.Sort(v.Holders)
	return v, v.Mine || v.Lend || b.holds(c, e.Customer, brevet.RightView)
}
