package glass

import (
	"slices"
	"time"

	"github.com/brevet-access/brevet"
)

// Intent is what the key is about to be used for. It is signed with the key
// and written before the cloud is asked (law 2).
type Intent struct {
	Format   string            `json:"format"`
	Customer brevet.CustomerID `json:"customer"`
	Issuer   string            `json:"issuer"`
	Key      string            `json:"key"`
	Bundle   string            `json:"bundle"` // its digest
	Call     string            `json:"call"`   // its digest
	Grant    brevet.GrantID    `json:"grant"`
	Account  brevet.AccountID  `json:"account"`
	Role     brevet.RoleName   `json:"role"`
	Target   string            `json:"target"`
	Person   brevet.PersonID   `json:"person"`
	Handle   brevet.Handle     `json:"handle"`
	Reason   string            `json:"reason"`
	Shared   []string          `json:"shared"` // the holders
	Start    time.Time         `json:"start"`
	End      time.Time         `json:"end"` // nothing works from then on
}

// Outcome is what became of it.
type Outcome struct {
	Intent    string    `json:"intent"` // digest of what was intended
	Time      time.Time `json:"time"`
	AccessKey string    `json:"access_key,omitempty"` // its id, as CloudTrail has it
	Expires   time.Time `json:"expires,omitzero"`
	Refused   string    `json:"refused,omitempty"` // why the cloud made nothing
	Doubt     string    `json:"doubt,omitempty"`   // why it is not known whether it did
}

// signed is a statement of the key. What is signed begins with the format's
// name, so that it can be nothing else that the key ever signs: a token begins
// with its header.
type signed struct {
	Says      []byte `json:"says"`
	Signature []byte `json:"signature"`
}

func prefixed(what string, says []byte) []byte {
	return append([]byte(formatRecord+" "+what+"\n"), says...)
}

// recordFile is the text of a record.
type recordFile struct {
	Format  string  `json:"format"`
	Key     string  `json:"key"`
	Intent  signed  `json:"intent"`
	Outcome *signed `json:"outcome,omitempty"`
}

// Record says for what a key was used. Outcome is nil where only the
// intention is on record: then it is not known what became of it.
type Record struct {
	Intent  Intent
	Outcome *Outcome
	Digest  string // of what was intended
	file    recordFile
}

// Text returns the record as a file.
func (r Record) Text() []byte { return append(encode(r.file), '\n') }

// Intend records what the key is about to be used for, from now on for as long
// as the call said.
func (o *Opening) Intend(k *Key, now time.Time) (Record, error) {
	if err := o.Call.timely(now); err != nil {
		return Record{}, err
	}
	target, err := brevet.ParseTarget(o.Call.Target)
	if err != nil {
		return Record{}, err
	}
	now = brevet.Instant(now)
	in := Intent{Format: formatRecord, Customer: o.Bundle.Customer, Issuer: o.Bundle.Issuer, Key: k.ID, Bundle: o.Bundle.Digest, Call: o.Call.Digest(), Grant: o.Call.Grant,
		Account: o.Call.Account, Role: target.Role, Target: o.Call.Target, Person: o.Call.Person, Handle: o.Call.Handle, Reason: o.Call.Reason, Shared: o.Have(),
		Start: now, End: now.Add(o.Call.Duration()).Truncate(time.Second)}
	says := encode(in)
	sig, err := k.sign(prefixed("intent", says))
	if err != nil {
		return Record{}, err
	}
	return Record{Intent: in, Digest: digest(says), file: recordFile{Format: formatRecord, Key: k.ID, Intent: signed{says, sig}}}, nil
}

// Close returns the record with what became of it.
func (r Record) Close(k *Key, out Outcome) (Record, error) {
	out.Intent = r.Digest
	says := encode(out)
	sig, err := k.sign(prefixed("outcome", says))
	if err != nil {
		return r, err
	}
	r.Outcome, r.file.Outcome = &out, &signed{says, sig}
	return r, nil
}

// Issue returns what the cloud is asked for under the record.
func (r Record) Issue(b Bundle) (brevet.Issue, error) {
	i := slices.IndexFunc(b.Accounts, func(a Account) bool { return a.Number == r.Intent.Account })
	if i < 0 {
		return brevet.Issue{}, brevet.Errorf(brevet.NotFound, "the bundle knows no account %s", r.Intent.Account)
	}
	return brevet.Issue{Grant: r.Intent.Grant, Person: r.Intent.Person, Handle: r.Intent.Handle, Account: b.Cloud(b.Accounts[i]), Role: r.Intent.Role,
		MFA: brevet.RungBreakGlass, TTL: r.Intent.End.Sub(r.Intent.Start), End: r.Intent.End}, nil
}

// CustomerOf reads whose record it is said to be, so that their keys can be
// looked up. Nothing is verified.
func CustomerOf(text []byte) (brevet.CustomerID, error) {
	_, in, err := readRecord(text)
	return in.Customer, err
}

func readRecord(text []byte) (f recordFile, in Intent, err error) {
	if err := decode(text, &f); err != nil {
		return f, in, invalid("this is no record of an emergency", err)
	}
	if f.Format != formatRecord {
		return f, in, invalid("the record is of another version than this program knows", nil)
	}
	if err := decode(f.Intent.Says, &in); err != nil {
		return f, in, invalid("the record cannot be read", err)
	}
	if _, err := brevet.ParseID[brevet.CustomerID](string(in.Customer)); err != nil {
		return f, in, invalid("the record names no customer", nil)
	}
	return f, in, nil
}

// ParseRecord reads a record whose signatures are by a key of the set. A record
// that nobody with k shares wrote is an error of kind [brevet.Denied], one that
// is not whole of kind [brevet.Invalid].
func ParseRecord(text []byte, keys KeySet) (Record, error) {
	f, in, err := readRecord(text)
	if err != nil {
		return Record{}, err
	}
	public, ok := keys.find(f.Key)
	if !ok {
		return Record{}, brevet.Errorf(brevet.Denied, "key %s of the record is none of the offline keys of that customer", brevet.Printable(f.Key)).
			WithHint("brevetd breakglass init keeps them in the folder of the server's keys: KEYS/offline/CUSTOMER-ID.json")
	}
	forged := brevet.Errorf(brevet.Denied, "the record is not as the key signed it")
	if !verify(public, prefixed("intent", f.Intent.Says), f.Intent.Signature) {
		return Record{}, forged
	}
	r := Record{Intent: in, Digest: digest(f.Intent.Says), file: f}
	if f.Outcome != nil {
		if !verify(public, prefixed("outcome", f.Outcome.Says), f.Outcome.Signature) {
			return Record{}, forged
		}
		var out Outcome
		if err := decode(f.Outcome.Says, &out); err != nil {
			return Record{}, invalid("the record cannot be read", err)
		}
		if out.Intent != r.Digest {
			return Record{}, forged
		}
		r.Outcome = &out
	}
	return r, r.check()
}

func (r Record) check() error {
	in := r.Intent
	_, badPerson := brevet.ParseID[brevet.PersonID](string(in.Person))
	_, badGrant := brevet.ParseID[brevet.GrantID](string(in.Grant))
	_, badHandle := brevet.ParseHandle(string(in.Handle))
	bad := func(what string) error { return invalid("the record is not whole: "+what, nil) }
	switch {
	case in.Format != formatRecord || in.Key != r.file.Key:
		return bad("key")
	case badPerson != nil || badGrant != nil || badHandle != nil:
		return bad("person or grant")
	case !brevet.ValidAWSAccount(string(in.Account)) || !brevet.ValidRole(string(in.Role)):
		return bad("account or role")
	case !clean(in.Reason, brevet.MaxReason):
		return bad("reason")
	case in.Start.IsZero() || !in.Start.Before(in.End) || in.End.Sub(in.Start) > longest:
		return bad("times")
	case len(in.Shared) == 0 || len(in.Shared) > MostHolders:
		return bad("holders")
	}
	for _, h := range in.Shared {
		if _, err := brevet.ParseHandle(h); err != nil {
			return bad("holders")
		}
	}
	if o := r.Outcome; o != nil {
		for _, s := range []string{o.AccessKey, o.Refused, o.Doubt} {
			if s != "" && !clean(s, 1000) {
				return bad("outcome")
			}
		}
		if o.AccessKey != "" && (len(o.AccessKey) > 128 || o.Expires.IsZero() || o.Time.Before(in.Start.Add(-slack))) {
			return bad("outcome")
		}
	}
	return nil
}
