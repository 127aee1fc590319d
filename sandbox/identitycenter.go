package sandbox

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/brevet-access/brevet"
)

// The simulated IAM Identity Center: one for each instance that an account of
// the catalog names, whose permission sets and groups are those that stand
// there for roles, and whose users are the people of the identity provider, as
// SCIM would have brought them. Assignments are made and deleted
// asynchronously, as AWS does it
// (https://docs.aws.amazon.com/singlesignon/latest/APIReference/). The broker's
// role reaches every instance; the owner of an account the one that it is
// entered through, and there nothing of another customer's.

// CenterUser is somebody whom an identity provider has provisioned.
type CenterUser struct {
	Name            string
	Issuer, Subject string // at the identity provider: the external id
}

// How AWS works at assignments, and how it is here: an instance works on ten
// at a time, one takes a second, what became of it can be asked for a day, and
// every fifth call is turned down as one too many, as happens where others
// call, too.
const (
	centerUnderway  = 10
	centerTakes     = time.Second
	centerTells     = 24 * time.Hour
	centerThrottles = 5
)

var (
	throttling   = faultKind{"Throttling", 400, "ThrottlingException", "", 0}
	overQuota    = faultKind{"LimitExceeded", 400, "ServiceQuotaExceededException", "", 0}
	conflicting  = faultKind{"EntityAlreadyExists", 409, "ConflictException", "", 0}
	centerAbsent = faultKind{"NoSuchEntity", 404, "ResourceNotFoundException", "", 0}
)

// centers is what is kept of every instance.
type centers struct {
	mu    sync.Mutex
	read  bool
	kept  centersKept
	calls int
}

// centersKept is what survives a restart.
type centersKept struct {
	Assigned []centerAssignment          `json:"assigned,omitempty"`
	Members  map[string]centerMembership `json:"members,omitempty"` // by id
	Work     map[string]*centerWork      `json:"work,omitempty"`    // by request id
}

type centerAssignment struct{ InstanceArn, TargetId, PermissionSetArn, PrincipalType, PrincipalId string }

type centerMembership struct{ Store, Group, User string }

// centerWork is an assignment that is being made or deleted, or was.
type centerWork struct {
	Of   centerAssignment
	In   bool
	Done time.Time
	Why  string // it fails
	Over bool
}

// centerIn is what any of the calls may hold.
type centerIn struct {
	centerAssignment
	AccountId, IdentityStoreId, GroupId, MembershipId                      string
	AccountAssignmentCreationRequestId, AccountAssignmentDeletionRequestId string
	MemberId                                                               struct{ UserId string }
	AlternateIdentifier                                                    struct {
		ExternalId      *struct{ Issuer, Id string }
		UniqueAttribute *struct{ AttributePath, AttributeValue string }
	}
}

// centerCalls lists the calls of both services.
func centerCalls() (sso, store map[string]operation) {
	simulated := func(f func(*AWS, *call, *centerIn) (any, *fault)) operation {
		return operation{run: func(a *AWS, c *call) (any, *fault) {
			var in centerIn
			if f := c.json(&in); f != nil {
				return nil, f
			}
			if f := a.mayReach(c, &in); f != nil {
				return nil, f
			}
			a.centers.mu.Lock()
			defer a.centers.mu.Unlock()
			if a.centers.calls++; a.centers.calls%centerThrottles == 0 {
				return nil, faultf(throttling, "Rate exceeded")
			}
			if err := a.settleCenter(c.now); err != nil {
				a.cfg.Log.Error("simulated AWS: Identity Center", "err", err)
				return nil, faultf(internalFailure, "The brevet sandbox cannot keep what Identity Center holds.")
			}
			return f(a, c, &in)
		}}
	}
	begin := func(in bool) operation {
		return simulated(func(a *AWS, c *call, p *centerIn) (any, *fault) { return a.beginAssignment(c, in, p.centerAssignment) })
	}
	follow := func(in bool) operation {
		return simulated(func(a *AWS, _ *call, p *centerIn) (any, *fault) {
			return a.assignmentStatus(in, p.InstanceArn, orEmpty(p.AccountAssignmentCreationRequestId, p.AccountAssignmentDeletionRequestId))
		})
	}
	return map[string]operation{"CreateAccountAssignment": begin(true), "DeleteAccountAssignment": begin(false),
			"DescribeAccountAssignmentCreationStatus": follow(true), "DescribeAccountAssignmentDeletionStatus": follow(false),
			"ListAccountAssignments": simulated(listAssignments)},
		map[string]operation{"GetUserId": simulated(getUserID), "CreateGroupMembership": simulated(createMembership), "DeleteGroupMembership": simulated(deleteMembership),
			"ListGroupMembershipsForMember": simulated(listMemberships), "ListGroupMemberships": simulated(listMemberships)}
}

// mayReach refuses an owner another instance or store than the one that their
// account is entered through, and the accounts of another customer.
func (a *AWS) mayReach(c *call, in *centerIn) *fault {
	if c.who.Broker {
		return nil
	}
	ic := c.account.Center
	other, known := a.account(brevet.AccountID(orEmpty(in.TargetId, in.AccountId)))
	switch {
	case ic == nil, in.InstanceArn != "" && in.InstanceArn != ic.Instance, in.IdentityStoreId != "" && in.IdentityStoreId != ic.Store,
		in.InstanceArn == "" && in.IdentityStoreId == "", known && other.Customer != c.account.Customer:
		return faultf(accessDenied, "This account does not administer that IAM Identity Center.")
	}
	return nil
}

// settleCenter reads what was kept, the first time, and ends what has taken
// its time.
func (a *AWS) settleCenter(now time.Time) error {
	s := &a.centers
	if !s.read {
		text, err := os.ReadFile(a.centerPath())
		if err == nil {
			err = json.Unmarshal(text, &s.kept)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if s.kept.Members == nil {
			s.kept.Members = map[string]centerMembership{}
		}
		if s.kept.Work == nil {
			s.kept.Work = map[string]*centerWork{}
		}
		s.read = true
	}
	changed := false
	for id, w := range s.kept.Work {
		switch {
		case w.Over && now.Sub(w.Done) > centerTells:
			delete(s.kept.Work, id)
		case !w.Over && !now.Before(w.Done):
			s.kept.end(w)
		default:
			continue
		}
		changed = true
	}
	if !changed {
		return nil
	}
	return a.keepCenter()
}

// end ends a piece of work.
func (k *centersKept) end(w *centerWork) {
	w.Over = true
	if w.Why != "" {
		return
	}
	k.Assigned = slices.DeleteFunc(k.Assigned, func(o centerAssignment) bool { return o == w.Of })
	if w.In {
		k.Assigned = append(k.Assigned, w.Of)
	}
}

func (a *AWS) centerPath() string { return filepath.Join(a.cfg.Dir, "identity-center.json") }

func (a *AWS) keepCenter() error {
	if a.cfg.Dir == "" {
		return nil
	}
	text, err := json.Marshal(a.centers.kept)
	if err != nil {
		return err
	}
	return writeFile(a.centerPath(), text)
}

// stands reports whether a permission set stands for a role of the account at
// the instance.
func (a *AWS) stands(instance, account, set string) bool {
	o, known := a.account(brevet.AccountID(account))
	return known && o.Center != nil && o.Center.Instance == instance && set != "" && standsFor(o.Center, brevet.Entrance{Set: set})
}

func standsFor(ic *brevet.IdentityCenter, e brevet.Entrance) bool {
	return slices.Contains(slices.Collect(maps.Values(ic.Sets)), e)
}

// group reports whether a group of the store stands for a role.
func (a *AWS) group(store, id string) bool {
	return slices.ContainsFunc(a.cfg.Accounts(), func(o brevet.Account) bool {
		return o.Center != nil && o.Center.Store == store && id != "" && standsFor(o.Center, brevet.Entrance{Group: id})
	})
}

// beginAssignment starts to make or delete one.
func (a *AWS) beginAssignment(c *call, in bool, w centerAssignment) (any, *fault) {
	k := &a.centers.kept
	work, same := 0, false
	for _, o := range k.Work {
		if !o.Over && o.Of.InstanceArn == w.InstanceArn {
			work++
			same = same || o.Of == w
		}
	}
	switch {
	case w.PrincipalType != "USER" && w.PrincipalType != "GROUP":
		return nil, faultf(validationError, "PrincipalType is USER or GROUP.")
	case !a.stands(w.InstanceArn, w.TargetId, w.PermissionSetArn):
		return nil, faultf(centerAbsent, "No permission set %s is provisioned in %s.", clip(w.PermissionSetArn), clip(w.TargetId))
	case !in && !slices.Contains(k.Assigned, w):
		return nil, faultf(centerAbsent, "There is no such account assignment.")
	case same:
		return nil, faultf(conflicting, "Another operation on this assignment is in progress.")
	case work >= centerUnderway:
		return nil, faultf(overQuota, "Too many account assignments are in progress.")
	}
	job := &centerWork{Of: w, In: in, Done: c.now.Add(centerTakes)}
	account, _ := a.account(brevet.AccountID(w.TargetId))
	if _, known := a.centerUser(account.Center.Store, w.PrincipalId); in && w.PrincipalType == "USER" && !known {
		job.Why = "Received a 404 status error: the principal does not exist."
	}
	id := requestID()
	k.Work[id] = job
	if err := a.keepCenter(); err != nil {
		return nil, faultf(internalFailure, "The brevet sandbox cannot keep what Identity Center holds.")
	}
	return a.assignmentStatus(in, w.InstanceArn, id)
}

func (a *AWS) assignmentStatus(in bool, instance, id string) (any, *fault) {
	w, ok := a.centers.kept.Work[id]
	if !ok || w.In != in || w.Of.InstanceArn != instance {
		return nil, faultf(centerAbsent, "There is no request %s.", clip(id))
	}
	status := map[string]any{"Status": "IN_PROGRESS", "RequestId": id, "CreatedDate": float64(w.Done.Add(-centerTakes).Unix())}
	if w.Over {
		status = map[string]any{"Status": "SUCCEEDED", "RequestId": id, "TargetId": w.Of.TargetId, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": w.Of.PermissionSetArn,
			"PrincipalType": w.Of.PrincipalType, "PrincipalId": w.Of.PrincipalId}
		if w.Why != "" {
			status["Status"], status["FailureReason"] = "FAILED", w.Why
		}
	}
	if in {
		return map[string]any{"AccountAssignmentCreationStatus": status}, nil
	}
	return map[string]any{"AccountAssignmentDeletionStatus": status}, nil
}

func listAssignments(a *AWS, _ *call, in *centerIn) (any, *fault) {
	if !a.stands(in.InstanceArn, in.AccountId, in.PermissionSetArn) {
		return nil, faultf(centerAbsent, "No permission set %s is provisioned in %s.", clip(in.PermissionSetArn), clip(in.AccountId))
	}
	all := []map[string]string{}
	for _, o := range a.centers.kept.Assigned {
		if o.InstanceArn == in.InstanceArn && o.TargetId == in.AccountId && o.PermissionSetArn == in.PermissionSetArn {
			all = append(all, map[string]string{"AccountId": o.TargetId, "PermissionSetArn": o.PermissionSetArn, "PrincipalType": o.PrincipalType, "PrincipalId": o.PrincipalId})
		}
	}
	return map[string]any{"AccountAssignments": all}, nil
}

// userIn is a user's id in a store: it follows from both.
func (a *AWS) userIn(store string, u CenterUser) string {
	raw, err := hkdf.Key(sha256.New, a.cfg.Key, nil, "brevet sandbox center "+store+" "+u.Subject, 16)
	if err != nil {
		panic("sandbox: " + err.Error()) // the lengths are constants
	}
	h := hex.EncodeToString(raw)
	return strings.TrimPrefix(store, "d-") + "-" + h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (a *AWS) centerUser(store, id string) (CenterUser, bool) {
	i := slices.IndexFunc(a.cfg.Users, func(u CenterUser) bool { return a.userIn(store, u) == id })
	if i < 0 {
		return CenterUser{}, false
	}
	return a.cfg.Users[i], true
}

func getUserID(a *AWS, _ *call, in *centerIn) (any, *fault) {
	if !slices.ContainsFunc(a.cfg.Accounts(), func(o brevet.Account) bool { return o.Center != nil && o.Center.Store == in.IdentityStoreId }) {
		return nil, faultf(centerAbsent, "IDENTITY_STORE not found.")
	}
	by := in.AlternateIdentifier
	for _, u := range a.cfg.Users {
		if e := by.ExternalId; e != nil && e.Issuer == u.Issuer && e.Id == u.Subject {
			return map[string]string{"UserId": a.userIn(in.IdentityStoreId, u), "IdentityStoreId": in.IdentityStoreId}, nil
		}
		if n := by.UniqueAttribute; n != nil && strings.EqualFold(n.AttributePath, "userName") && n.AttributeValue == u.Name {
			return map[string]string{"UserId": a.userIn(in.IdentityStoreId, u), "IdentityStoreId": in.IdentityStoreId}, nil
		}
	}
	return nil, faultf(centerAbsent, "USER not found.")
}

func createMembership(a *AWS, _ *call, in *centerIn) (any, *fault) {
	m := centerMembership{in.IdentityStoreId, in.GroupId, in.MemberId.UserId}
	if _, known := a.centerUser(m.Store, m.User); !known {
		return nil, faultf(centerAbsent, "MEMBER not found.")
	}
	if !a.group(m.Store, m.Group) {
		return nil, faultf(centerAbsent, "GROUP not found.")
	}
	for _, o := range a.centers.kept.Members {
		if o == m {
			return nil, faultf(conflicting, "Member and Group relationship already exists.")
		}
	}
	id := strings.TrimPrefix(m.Store, "d-") + "-" + requestID()
	a.centers.kept.Members[id] = m
	if err := a.keepCenter(); err != nil {
		return nil, faultf(internalFailure, "The brevet sandbox cannot keep what Identity Center holds.")
	}
	return map[string]string{"MembershipId": id, "IdentityStoreId": m.Store}, nil
}

func deleteMembership(a *AWS, _ *call, in *centerIn) (any, *fault) {
	if m, ok := a.centers.kept.Members[in.MembershipId]; !ok || m.Store != in.IdentityStoreId {
		return nil, faultf(centerAbsent, "GROUP_MEMBERSHIP not found.")
	}
	delete(a.centers.kept.Members, in.MembershipId)
	if err := a.keepCenter(); err != nil {
		return nil, faultf(internalFailure, "The brevet sandbox cannot keep what Identity Center holds.")
	}
	return map[string]any{}, nil
}

// listMemberships lists those of a group or of a member.
func listMemberships(a *AWS, _ *call, in *centerIn) (any, *fault) {
	if in.GroupId != "" && !a.group(in.IdentityStoreId, in.GroupId) {
		return nil, faultf(centerAbsent, "GROUP not found.")
	}
	all := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(a.centers.kept.Members)) {
		m := a.centers.kept.Members[id]
		if m.Store == in.IdentityStoreId && (in.GroupId == "" || in.GroupId == m.Group) && (in.MemberId.UserId == "" || in.MemberId.UserId == m.User) {
			all = append(all, map[string]any{"MembershipId": id, "GroupId": m.Group, "IdentityStoreId": m.Store, "MemberId": map[string]string{"UserId": m.User}})
		}
	}
	return map[string]any{"GroupMemberships": all}, nil
}
