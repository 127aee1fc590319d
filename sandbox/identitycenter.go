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
// (https://docs.aws.amazon.com/singlesignon/latest/APIReference/).

// CenterUser is somebody whom an identity provider has provisioned.
type CenterUser struct {
	Name            string
	Issuer, Subject string // at the identity provider: the external id
}

// What AWS allows for each instance, and how it is here: an assignment takes a
// second, and every fifth call is turned down as one too many, as happens
// where others call, too.
const (
	centerTakes     = time.Second
	centerUnderway  = 10
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
	busy  map[string]*centerWork // by request id
	calls int
}

// centersKept is what survives a restart: assignments, and memberships by id.
type centersKept struct {
	Assigned []centerAssignment          `json:"assigned,omitempty"`
	Members  map[string]centerMembership `json:"members,omitempty"`
}

type centerAssignment struct{ InstanceArn, TargetId, PermissionSetArn, PrincipalType, PrincipalId string }

type centerMembership struct{ Store, Group, User string }

// centerWork is an assignment that is being made or deleted.
type centerWork struct {
	centerAssignment
	in   bool
	done time.Time
	why  string // it fails
	over bool
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
			return a.assignmentStatus(in, orEmpty(p.AccountAssignmentCreationRequestId, p.AccountAssignmentDeletionRequestId))
		})
	}
	return map[string]operation{"CreateAccountAssignment": begin(true), "DeleteAccountAssignment": begin(false),
			"DescribeAccountAssignmentCreationStatus": follow(true), "DescribeAccountAssignmentDeletionStatus": follow(false),
			"ListAccountAssignments": simulated(listAssignments)},
		map[string]operation{"GetUserId": simulated(getUserID), "CreateGroupMembership": simulated(createMembership), "DeleteGroupMembership": simulated(deleteMembership),
			"ListGroupMembershipsForMember": simulated(listMemberships), "ListGroupMemberships": simulated(listMemberships)}
}

// settleCenter reads what was kept, the first time, and ends what has taken
// its time.
func (a *AWS) settleCenter(now time.Time) error {
	s := &a.centers
	if !s.read {
		s.busy = map[string]*centerWork{}
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
		s.read = true
	}
	for _, w := range s.busy {
		if w.over || now.Before(w.done) {
			continue
		}
		w.over = true
		if w.why != "" {
			continue
		}
		s.kept.Assigned = slices.DeleteFunc(s.kept.Assigned, func(o centerAssignment) bool { return o == w.centerAssignment })
		if w.in {
			s.kept.Assigned = append(s.kept.Assigned, w.centerAssignment)
		}
		if err := a.keepCenter(); err != nil {
			return err
		}
	}
	return nil
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

// entrances returns how the account is entered by the instance.
func (a *AWS) entrances(instance, account string) (*brevet.IdentityCenter, bool) {
	for _, o := range a.cfg.Accounts() {
		if o.Center != nil && o.Center.Instance == instance && string(o.ID) == account {
			return o.Center, true
		}
	}
	return nil, false
}

// beginAssignment starts to make or delete one.
func (a *AWS) beginAssignment(c *call, in bool, w centerAssignment) (any, *fault) {
	s := &a.centers
	ic, ok := a.entrances(w.InstanceArn, w.TargetId)
	ok = ok && slices.ContainsFunc(slices.Collect(maps.Values(ic.Sets)), func(e brevet.Entrance) bool { return e.Set == w.PermissionSetArn && e.Set != "" })
	work, same := 0, false
	for _, o := range s.busy {
		if !o.over {
			work++
			same = same || o.centerAssignment == w
		}
	}
	switch {
	case !ok:
		return nil, faultf(centerAbsent, "No permission set %s is provisioned in %s.", clip(w.PermissionSetArn), clip(w.TargetId))
	case !in && !slices.Contains(s.kept.Assigned, w):
		return nil, faultf(centerAbsent, "There is no such account assignment.")
	case same:
		return nil, faultf(conflicting, "Another operation on this assignment is in progress.")
	case work >= centerUnderway:
		return nil, faultf(overQuota, "Too many account assignments are in progress.")
	}
	job := &centerWork{centerAssignment: w, in: in, done: c.now.Add(centerTakes)}
	if _, known := a.centerUser(ic.Store, w.PrincipalId); in && w.PrincipalType == "USER" && !known {
		job.why = "Received a 404 status error: the principal does not exist."
	}
	id := requestID()
	s.busy[id] = job
	return a.assignmentStatus(in, id)
}

func (a *AWS) assignmentStatus(in bool, id string) (any, *fault) {
	w, ok := a.centers.busy[id]
	if !ok || w.in != in {
		return nil, faultf(centerAbsent, "There is no request %s.", clip(id))
	}
	status := map[string]any{"Status": "IN_PROGRESS", "RequestId": id, "CreatedDate": float64(w.done.Unix())}
	if w.over {
		status = map[string]any{"Status": "SUCCEEDED", "RequestId": id, "TargetId": w.TargetId, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": w.PermissionSetArn,
			"PrincipalType": w.PrincipalType, "PrincipalId": w.PrincipalId}
		if w.why != "" {
			status["Status"], status["FailureReason"] = "FAILED", w.why
		}
	}
	if in {
		return map[string]any{"AccountAssignmentCreationStatus": status}, nil
	}
	return map[string]any{"AccountAssignmentDeletionStatus": status}, nil
}

func listAssignments(a *AWS, _ *call, in *centerIn) (any, *fault) {
	if _, ok := a.entrances(in.InstanceArn, in.AccountId); !ok {
		return nil, faultf(centerAbsent, "There is no account %s in the instance.", clip(in.AccountId))
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
	all := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(a.centers.kept.Members)) {
		m := a.centers.kept.Members[id]
		if m.Store == in.IdentityStoreId && (in.GroupId == "" || in.GroupId == m.Group) && (in.MemberId.UserId == "" || in.MemberId.UserId == m.User) {
			all = append(all, map[string]any{"MembershipId": id, "GroupId": m.Group, "IdentityStoreId": m.Store, "MemberId": map[string]string{"UserId": m.User}})
		}
	}
	return map[string]any{"GroupMemberships": all}, nil
}
