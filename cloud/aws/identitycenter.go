package aws

import (
	"context"
	"errors"
	"regexp"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/brevet-access/brevet"
)

// Bounds of IAM Identity Center, for each instance. AWS allows 20 calls a
// second and 10 assignments under way, together for everybody who calls; the
// rest is left to other servers and to people at the console.
// https://docs.aws.amazon.com/singlesignon/latest/userguide/limits.html
const (
	centerRate     = 8
	centerUnderway = 8
	centerPoll     = time.Second
	centerTries    = 4
)

// Center lets people into accounts through IAM Identity Center. It calls AWS with the broker's own
// credentials; docs/identity-center.md lists what they must be allowed.
type Center struct {
	cloud *Cloud
	mu    sync.Mutex
	gates map[string]*gate
}

// gate holds the calls of one instance back.
type gate struct {
	rate     *rate.Limiter
	underway chan struct{}
}

// Center returns the way in through IAM Identity Center.
func (c *Cloud) Center() *Center { return &Center{cloud: c, gates: map[string]*gate{}} }

func (c *Center) gate(instance string) *gate {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gates[instance]
	if g == nil {
		g = &gate{rate.NewLimiter(centerRate, centerRate), make(chan struct{}, centerUnderway)}
		c.gates[instance] = g
	}
	return g
}

// visit is one piece of work at an instance.
type visit struct {
	calls
	gate *gate
	ic   *brevet.IdentityCenter
}

func (c *Center) visit(ctx context.Context, a brevet.Account) (*visit, error) {
	ic := a.Center
	if ic == nil {
		return nil, brevet.Errorf(brevet.Invalid, "account %s is not entered through IAM Identity Center", a.Name)
	}
	own, err := c.cloud.own.open(ctx)
	if err != nil {
		return nil, err
	}
	return &visit{calls{c.cloud, ctx, ic.Region, a.Partition(), *own}, c.gate(ic.Instance), ic}, nil
}

// The services of IAM Identity Center.
const (
	ssoAdmin      = "SWBExternalService."
	identityStore = "AWSIdentityStore."
)

// call makes one call, again where AWS asks for patience or does not take the
// broker's credentials any more. It reports whether an attempt may have had an
// effect that is not known.
func (v *visit) call(service, target string, params, out any) (doubt bool, err error) {
	renewed := false
	for n := 1; ; n++ {
		if err := v.gate.rate.Wait(v.ctx); err != nil {
			return doubt, err
		}
		err = v.json(service, target, params, out)
		var no *refusedCall
		switch {
		case err == nil:
			return doubt, nil
		case !errors.As(err, &no):
			doubt = true
		case stale[no.code] && !renewed:
			renewed = true
			if v.renew() != nil {
				return doubt, err
			}
			continue
		case !patient(no.code):
			return doubt, err
		}
		if n == centerTries || v.cloud.cfg.Wait(v.ctx, 2*pause(n)) != nil {
			return doubt, err
		}
	}
}

// renew fetches the broker's own credentials anew.
func (v *visit) renew() error {
	v.cloud.own.empty()
	own, err := v.cloud.own.open(v.ctx)
	if err == nil {
		v.keys = *own
	}
	return err
}

// patient reports whether AWS asks to try again later: it is asked too often,
// has ten assignments under way, or is at work on this very one.
func patient(code string) bool {
	return throttled[code] || code == "ServiceQuotaExceededException" || code == "ConflictException"
}

// refused turns an error of a call into what the caller of a Cloud must know.
func (v *visit) refused(doubt bool, err error) error {
	var known *brevet.Error
	if errors.As(err, &known) {
		return err
	}
	var no *refusedCall
	if doubt || !errors.As(err, &no) || patient(no.code) {
		return brevet.Errorf(brevet.Unavailable, "IAM Identity Center gave no usable answer").WithHint("try again").WithCause(err)
	}
	e := brevet.Errorf(brevet.CloudRefused, "IAM Identity Center said no: %s", no.Error())
	if no.code == "AccessDeniedException" {
		e = e.WithHint("the broker's own AWS role needs what docs/identity-center.md lists")
	}
	return e
}

var userID = regexp.MustCompile(`^([0-9a-f]{10}-)?[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}$`)

// Find returns Identity Center's id of a person: by the external id that the
// identity provider gave the user there, or by user name. It changes nothing.
// The error is of kind [brevet.CloudRefused] if there is no such user.
func (c *Center) Find(ctx context.Context, a brevet.Account, who brevet.Principal, h brevet.Handle) (string, error) {
	v, err := c.visit(ctx, a)
	if err != nil {
		return "", err
	}
	by := map[string]any{"ExternalId": map[string]string{"Issuer": who.Issuer, "Id": who.Subject}}
	if v.ic.ByName {
		by = map[string]any{"UniqueAttribute": map[string]string{"AttributePath": "userName", "AttributeValue": string(h)}}
	}
	var out struct{ UserId string }
	_, err = v.call("identitystore", identityStore+"GetUserId", map[string]any{"IdentityStoreId": v.ic.Store, "AlternateIdentifier": by}, &out)
	switch {
	case gone(err):
		return "", brevet.Errorf(brevet.CloudRefused, "IAM Identity Center does not know %s", h).
			WithHint("users come there from the identity provider (SCIM): docs/identity-center.md says how brevet finds them")
	case err != nil:
		return "", v.refused(false, err)
	case !userID.MatchString(out.UserId):
		return "", brevet.Errorf(brevet.Unavailable, "IAM Identity Center answered with something else than a user's id")
	}
	return out.UserId, nil
}

// Admit lets the user into the role of the account, and returns when they are
// in. That they are in already is no error. Others are those of [Cloud.Issue].
func (c *Center) Admit(ctx context.Context, a brevet.Account, role brevet.RoleName, user string) error {
	return c.let(ctx, true, a, role, brevet.Assignment{Principal: user})
}

// Dismiss takes away what lets a user or group into the role of the account.
// That nothing does is no error. Sessions that began before live on, as long
// as the permission set says.
func (c *Center) Dismiss(ctx context.Context, a brevet.Account, role brevet.RoleName, who brevet.Assignment) error {
	return c.let(ctx, false, a, role, who)
}

// let lets the principal in, or does so no more.
func (c *Center) let(ctx context.Context, in bool, a brevet.Account, role brevet.RoleName, who brevet.Assignment) error {
	v, err := c.visit(ctx, a)
	if err != nil {
		return err
	}
	door, ok := v.ic.Sets[role]
	switch {
	case !ok:
		return brevet.Errorf(brevet.Invalid, "nothing at IAM Identity Center stands for %s", role)
	case !userID.MatchString(who.Principal):
		return brevet.Errorf(brevet.Invalid, "%q is not the id of a user or group", brevet.Printable(who.Principal))
	case door.Group != "":
		return v.member(in, door.Group, who.Principal)
	}
	select {
	case v.gate.underway <- struct{}{}:
		defer func() { <-v.gate.underway }()
	case <-v.ctx.Done():
		return brevet.Errorf(brevet.Unavailable, "too many assignments are under way at IAM Identity Center").WithHint("try again")
	}
	return v.assign(in, a.ID, door.Set, who)
}

// underway is what Identity Center says of an assignment that it works on.
type underway struct {
	Status, RequestId, FailureReason string
}

// assign makes or deletes an assignment and follows that to its end.
func (v *visit) assign(in bool, account brevet.AccountID, set string, who brevet.Assignment) error {
	verb, follow, id := "DeleteAccountAssignment", "DescribeAccountAssignmentDeletionStatus", "AccountAssignmentDeletionRequestId"
	if in {
		verb, follow, id = "CreateAccountAssignment", "DescribeAccountAssignmentCreationStatus", "AccountAssignmentCreationRequestId"
	}
	kind := "USER"
	if who.Group {
		kind = "GROUP"
	}
	var out struct{ AccountAssignmentCreationStatus, AccountAssignmentDeletionStatus underway }
	doubt, err := v.call("sso", ssoAdmin+verb, map[string]string{"InstanceArn": v.ic.Instance, "TargetId": string(account), "TargetType": "AWS_ACCOUNT",
		"PermissionSetArn": set, "PrincipalType": kind, "PrincipalId": who.Principal}, &out)
	if !in && gone(err) {
		return nil
	}
	if err != nil {
		return v.refused(doubt, err)
	}
	for {
		now := out.AccountAssignmentDeletionStatus
		if in {
			now = out.AccountAssignmentCreationStatus
		}
		switch now.Status {
		case "SUCCEEDED":
			return nil
		case "FAILED":
			return brevet.Errorf(brevet.CloudRefused, "IAM Identity Center could not do it: %s", clean(now.FailureReason, v.keys.SessionToken))
		}
		if v.cloud.cfg.Wait(v.ctx, centerPoll) != nil {
			return brevet.Errorf(brevet.Unavailable, "IAM Identity Center is still at it").WithHint("try again in a moment")
		}
		if _, err := v.call("sso", ssoAdmin+follow, map[string]string{"InstanceArn": v.ic.Instance, id: now.RequestId}, &out); err != nil {
			return v.refused(true, err)
		}
	}
}

// gone reports whether AWS said that there is no such thing.
func gone(err error) bool {
	var no *refusedCall
	return errors.As(err, &no) && no.code == "ResourceNotFoundException"
}

// member puts the user into a group, or takes them out.
func (v *visit) member(in bool, group, user string) error {
	id, err := v.membership(group, user)
	if err != nil {
		return v.refused(false, err) // nothing was to be changed yet
	}
	var doubt bool
	switch {
	case in && id == "":
		doubt, err = v.call("identitystore", identityStore+"CreateGroupMembership",
			map[string]any{"IdentityStoreId": v.ic.Store, "GroupId": group, "MemberId": map[string]string{"UserId": user}}, &struct{}{})
	case !in && id != "":
		doubt, err = v.call("identitystore", identityStore+"DeleteGroupMembership",
			map[string]string{"IdentityStoreId": v.ic.Store, "MembershipId": id}, &struct{}{})
		if gone(err) {
			err = nil
		}
	}
	if err != nil {
		return v.refused(doubt, err)
	}
	return nil
}

// membership returns the id of the user's membership in the group; "" if
// there is none.
func (v *visit) membership(group, user string) (string, error) {
	params := map[string]any{"IdentityStoreId": v.ic.Store, "MemberId": map[string]string{"UserId": user}}
	for range maxPages {
		var out struct {
			GroupMemberships []struct{ MembershipId, GroupId string }
			NextToken        string
		}
		if _, err := v.call("identitystore", identityStore+"ListGroupMembershipsForMember", params, &out); err != nil {
			return "", err
		}
		for _, m := range out.GroupMemberships {
			if m.GroupId == group {
				return m.MembershipId, nil
			}
		}
		if out.NextToken == "" {
			return "", nil
		}
		params["NextToken"] = out.NextToken
	}
	return "", errors.New("identitystore goes on for too long")
}

// maxPages bounds one listing.
const maxPages = 1000

// Present lists who is let into the roles of the account by an assignment or
// by a group's membership, whoever did that.
func (c *Center) Present(ctx context.Context, a brevet.Account) ([]brevet.Assignment, error) {
	v, err := c.visit(ctx, a)
	if err != nil {
		return nil, err
	}
	var all []brevet.Assignment
	for role, door := range v.ic.Sets {
		list := v.assigned
		if door.Group != "" {
			list = v.members
		}
		found, err := list(a.ID, door)
		if err != nil {
			return nil, v.refused(false, err)
		}
		for _, f := range found {
			f.Account, f.Role = a.ID, role
			all = append(all, f)
		}
	}
	return all, nil
}

func (v *visit) assigned(account brevet.AccountID, door brevet.Entrance) (all []brevet.Assignment, err error) {
	params := map[string]any{"InstanceArn": v.ic.Instance, "AccountId": string(account), "PermissionSetArn": door.Set}
	for range maxPages {
		var out struct {
			AccountAssignments []struct{ PrincipalType, PrincipalId string }
			NextToken          string
		}
		if _, err := v.call("sso", ssoAdmin+"ListAccountAssignments", params, &out); err != nil {
			return nil, err
		}
		for _, p := range out.AccountAssignments {
			all = append(all, brevet.Assignment{Principal: p.PrincipalId, Group: p.PrincipalType == "GROUP"})
		}
		if out.NextToken == "" {
			return all, nil
		}
		params["NextToken"] = out.NextToken
	}
	return nil, errors.New("sso goes on for too long")
}

func (v *visit) members(_ brevet.AccountID, door brevet.Entrance) (all []brevet.Assignment, err error) {
	params := map[string]any{"IdentityStoreId": v.ic.Store, "GroupId": door.Group}
	for range maxPages {
		var out struct {
			GroupMemberships []struct{ MemberId struct{ UserId string } }
			NextToken        string
		}
		if _, err := v.call("identitystore", identityStore+"ListGroupMemberships", params, &out); err != nil {
			return nil, err
		}
		for _, m := range out.GroupMemberships {
			all = append(all, brevet.Assignment{Principal: m.MemberId.UserId})
		}
		if out.NextToken == "" {
			return all, nil
		}
		params["NextToken"] = out.NextToken
	}
	return nil, errors.New("identitystore goes on for too long")
}
