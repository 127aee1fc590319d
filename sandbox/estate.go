package sandbox

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brevet-access/brevet"
)

// estate is one simulated account: what is kept of it, and what that comes
// to.
type estate struct {
	mu      sync.Mutex // for whoever changes saved, logs or mails
	saved   saved
	held    atomic.Pointer[holding] // never changed, only replaced; nil until it is asked for
	logs    map[string]*logGroup    // what arrived, by region and name
	mails   []mail
	alarms  map[string]*alarmState // by region and name
	queries map[string]queryResult // by id
	shells  []shell                // that were opened, newest last
}

// saved is what survives a restart. What was logged and mailed does not, as
// the trail does not.
type saved struct {
	Stacks    []*deployed          `json:"stacks,omitempty"`    // oldest first, deleted ones too
	Orphans   []orphan             `json:"orphans,omitempty"`   // what deleted stacks left behind
	Edits     []edit               `json:"edits,omitempty"`     // what was done to IAM beside the stacks
	NoTrail   bool                 `json:"no_trail,omitempty"`  // the organization's trail was deleted
	Confirmed map[string]time.Time `json:"confirmed,omitempty"` // subscriptions by ARN
	Asked     []subscription       `json:"asked,omitempty"`     // subscriptions that no stack made
}

func (s saved) clone() saved {
	s.Stacks, s.Orphans, s.Edits, s.Asked = slices.Clone(s.Stacks), slices.Clone(s.Orphans), slices.Clone(s.Edits), slices.Clone(s.Asked)
	s.Confirmed = maps.Clone(s.Confirmed)
	return s
}

// estate returns what the account holds; it reads it the first time.
func (a *AWS) estate(account brevet.Account) (*estate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e, ok := a.estates[account.ID]; ok {
		return e, nil
	}
	e := &estate{logs: map[string]*logGroup{}}
	if a.cfg.Dir != "" {
		text, err := os.ReadFile(a.estatePath(account))
		if err == nil {
			err = json.Unmarshal(text, &e.saved)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, brevet.Errorf(brevet.Invalid, "%s is damaged", a.estatePath(account)).WithCause(err).WithHint("delete the file, and the simulated account begins anew")
		}
	}
	a.estates[account.ID] = e
	return e, nil
}

func (a *AWS) estatePath(account brevet.Account) string {
	return filepath.Join(a.cfg.Dir, string(account.ID)+".json")
}

// holding returns what there is in the account now.
func (a *AWS) holding(account brevet.Account) (*estate, *holding, *fault) {
	e, err := a.estate(account)
	if err != nil {
		a.cfg.Log.Error("simulated AWS: account", "account", account.ID, "err", err)
		return nil, nil, faultf(internalFailure, "The brevet sandbox cannot read what the account holds.")
	}
	if h := e.held.Load(); h != nil {
		return e, h, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if h := e.held.Load(); h != nil {
		return e, h, nil
	}
	h, f := a.hold(account, e.saved)
	if f != nil {
		return nil, nil, f
	}
	e.held.Store(h)
	return e, h, nil
}

// change runs f on a copy of what is kept of the account. If f does not
// refuse and what it leaves can be held, that is kept; else nothing changes.
func (a *AWS) change(account brevet.Account, f func(s *saved) *fault) *fault {
	e, _, bad := a.holding(account)
	if bad != nil {
		return bad
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	next := e.saved.clone()
	if bad := f(&next); bad != nil {
		return bad
	}
	h, bad := a.hold(account, next)
	if bad != nil {
		return bad
	}
	if err := a.keep(account, next); err != nil {
		a.cfg.Log.Error("simulated AWS: keep account", "account", account.ID, "err", err)
		return faultf(internalFailure, "The brevet sandbox cannot write down what the account holds.")
	}
	e.saved = next
	e.held.Store(h)
	maps.DeleteFunc(e.logs, func(key string, _ *logGroup) bool { return !h.logs(key) })
	return nil
}

// logs reports whether there is a log group, by region and name.
func (h *holding) logs(key string) bool {
	return slices.ContainsFunc(h.of("AWS::Logs::LogGroup"), func(p part) bool { return p.region+" "+p.Physical == key })
}

func (a *AWS) keep(account brevet.Account, s saved) error {
	if a.cfg.Dir == "" {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeFile(a.estatePath(account), text)
}

// state returns a copy of what is kept of the account.
func (a *AWS) state(account brevet.Account) (saved, *fault) {
	e, _, f := a.holding(account)
	if f != nil {
		return saved{}, f
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.saved.clone(), nil
}
