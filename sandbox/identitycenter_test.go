package sandbox_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/sandbox"
)

// The Identity Centers of two customers. In acme's a permission set stands for
// ReadOnly and a group for Data.
const (
	instanceA = "arn:aws:sso:::instance/ssoins-aaaaaaaaaaaaaaaa"
	instanceZ = "arn:aws:sso:::instance/ssoins-zzzzzzzzzzzzzzzz"
	setA      = "arn:aws:sso:::permissionSet/ssoins-aaaaaaaaaaaaaaaa/ps-aaaaaaaaaaaaaaaa"
	setZ      = "arn:aws:sso:::permissionSet/ssoins-zzzzzzzzzzzzzzzz/ps-zzzzzzzzzzzzzzzz"
	storeA    = "d-aaaaaaaaaa"
	storeZ    = "d-0000000000"
	groupA    = "11111111-2222-3333-4444-555555555555"
)

// centerCloud is a cloud whose accounts belong to two customers with an
// Identity Center each.
type centerCloud struct {
	*cloud
	broker assumed
}

func newCenterCloud(t *testing.T) centerCloud {
	t.Helper()
	c := newBareCloud(t)
	c.accounts[0].Center = &brevet.IdentityCenter{Region: "eu-west-1", Instance: instanceA, Store: storeA, Start: "https://a.awsapps.com/start",
		Sets: map[brevet.RoleName]brevet.Entrance{"ReadOnly": {Set: setA}, "Data": {Group: groupA}}}
	c.accounts[1].Customer = "cu_z"
	c.accounts[1].Center = &brevet.IdentityCenter{Region: "eu-west-1", Instance: instanceZ, Store: storeZ, Start: "https://z.awsapps.com/start",
		Sets: map[brevet.RoleName]brevet.Entrance{"ReadOnly": {Set: setZ}}}
	c.cfg.Users = []sandbox.CenterUser{{Name: "engineer", Issuer: "http://idp", Subject: "sub-1"}, {Name: "lead", Issuer: "http://idp", Subject: "sub-2"}}
	c.cfg.Dir = t.TempDir()
	c.begin()
	own, err := c.aws.BrokerCredential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return centerCloud{c, asAssumed(own)}
}

func (c centerCloud) owner(id brevet.AccountID) assumed {
	k := c.aws.Owner(id)
	return asAssumed(brevet.Credential{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey})
}

// says makes a call, again where it is throttled, and returns the answer or
// the error's code. The answer's fields are those that the tests look at.
func (c centerCloud) says(who assumed, call string, in map[string]any) (out centerAnswer, code string) {
	c.t.Helper()
	service, action, _ := strings.Cut(call, " ")
	target := map[string]string{"sso": "SWBExternalService.", "identitystore": "AWSIdentityStore."}[service] + action
	body, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	for range 2 {
		status, text := c.signed(who, service, "POST", "/", target, string(body))
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			c.t.Fatalf("%s: %v\n%s", call, err, text)
		}
		if (status == http.StatusOK) != (out.Type == "") {
			c.t.Fatalf("%s: status %d\n%s", call, status, text)
		}
		if code = out.Type; code != "ThrottlingException" {
			return out, code
		}
		out = centerAnswer{}
	}
	c.t.Fatalf("%s is throttled twice", call)
	return out, code
}

type centerStatus struct{ Status, RequestId, FailureReason string }

type centerAnswer struct {
	Type               string `json:"__type"`
	UserId             string
	MembershipId       string
	Creation           centerStatus `json:"AccountAssignmentCreationStatus"`
	Deletion           centerStatus `json:"AccountAssignmentDeletionStatus"`
	AccountAssignments []struct{ PrincipalType, PrincipalId string }
	GroupMemberships   []struct{ GroupId string }
}

func (c centerCloud) user(store, name string) string {
	c.t.Helper()
	got, code := c.says(c.broker, "identitystore GetUserId", byName(store, name))
	if code != "" {
		c.t.Fatal(code)
	}
	return got.UserId
}

func byName(store, name string) map[string]any {
	return map[string]any{"IdentityStoreId": store, "AlternateIdentifier": map[string]any{"UniqueAttribute": map[string]string{"AttributePath": "userName", "AttributeValue": name}}}
}

func assignment(instance string, account brevet.AccountID, set, user string) map[string]any {
	return map[string]any{"InstanceArn": instance, "TargetId": account, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": set, "PrincipalType": "USER", "PrincipalId": user}
}

func listed(instance string, account brevet.AccountID, set string) map[string]any {
	return map[string]any{"InstanceArn": instance, "AccountId": account, "PermissionSetArn": set}
}

// An assignment is in progress for a second, also across a restart, and there
// only then; so is its end.
func TestCenterAssignment(t *testing.T) {
	c := newCenterCloud(t)
	engineer := c.user(storeA, "engineer")
	one, list := assignment(instanceA, staging, setA, engineer), listed(instanceA, staging, setA)
	count := func() int {
		t.Helper()
		got, code := c.says(c.broker, "sso ListAccountAssignments", list)
		if code != "" {
			t.Fatal(code)
		}
		return len(got.AccountAssignments)
	}
	for _, way := range []struct {
		verb, noun, id string
		status         func(centerAnswer) centerStatus
		before, after  int
	}{
		{"Create", "Creation", "AccountAssignmentCreationRequestId", func(a centerAnswer) centerStatus { return a.Creation }, 0, 1},
		{"Delete", "Deletion", "AccountAssignmentDeletionRequestId", func(a centerAnswer) centerStatus { return a.Deletion }, 1, 0},
	} {
		got, code := c.says(c.broker, "sso "+way.verb+"AccountAssignment", one)
		begun := way.status(got)
		if code != "" || begun.Status != "IN_PROGRESS" || begun.RequestId == "" {
			t.Fatalf("%s: %+v, %s", way.verb, got, code)
		}
		if _, code := c.says(c.broker, "sso "+way.verb+"AccountAssignment", one); code != "ConflictException" {
			t.Errorf("%s twice: %q", way.verb, code)
		}
		c.clock.add(999 * time.Millisecond)
		c.begin()
		if n := count(); n != way.before {
			t.Errorf("%s in progress: %d", way.verb, n)
		}
		for _, want := range []string{"IN_PROGRESS", "SUCCEEDED"} {
			got, code := c.says(c.broker, "sso DescribeAccountAssignment"+way.noun+"Status", map[string]any{"InstanceArn": instanceA, way.id: begun.RequestId})
			if is := way.status(got); code != "" || is.Status != want {
				t.Errorf("%s: %+v, %s; want %s", way.verb, is, code, want)
			}
			c.clock.add(time.Millisecond)
		}
		if n := count(); n != way.after {
			t.Errorf("%s succeeded: %d", way.verb, n)
		}
		c.begin()
		if n := count(); n != way.after {
			t.Errorf("%s after a restart: %d", way.verb, n)
		}
	}
	if _, code := c.says(c.broker, "sso DeleteAccountAssignment", one); code != "ResourceNotFoundException" {
		t.Errorf("deleted twice: %q", code)
	}
	nobody, _ := c.says(c.broker, "sso CreateAccountAssignment", assignment(instanceA, staging, setA, c.user(storeZ, "engineer")))
	c.clock.add(time.Second)
	got, _ := c.says(c.broker, "sso DescribeAccountAssignmentCreationStatus", map[string]any{"InstanceArn": instanceA, "AccountAssignmentCreationRequestId": nobody.Creation.RequestId})
	if got.Creation.Status != "FAILED" || got.Creation.FailureReason == "" || count() != 0 {
		t.Errorf("a user of another store: %+v", got.Creation)
	}
}

// Every fifth call is turned down, and does nothing; ten assignments are worked
// on at a time.
func TestCenterThrottles(t *testing.T) {
	c := newCenterCloud(t)
	engineer := c.user(storeA, "engineer") // the first call
	body, err := json.Marshal(assignment(instanceA, staging, setA, engineer))
	if err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= 15; n++ {
		status, text := c.signed(c.broker, "sso", "POST", "/", "SWBExternalService.CreateAccountAssignment", string(body))
		if throttled := strings.Contains(text, "ThrottlingException"); throttled != (n%5 == 0) || throttled && status != 400 {
			t.Errorf("call %d: %d %s", n, status, text)
		}
		c.clock.add(2 * time.Second)
	}
	c.begin() // the count of calls begins anew
	for n := range 12 {
		in := assignment(instanceA, staging, setA, groupA[:len(groupA)-1]+string(rune('a'+n)))
		in["PrincipalType"] = "GROUP"
		_, code := c.says(c.broker, "sso CreateAccountAssignment", in)
		if want := map[bool]string{true: "ServiceQuotaExceededException"}[n >= 10]; code != want {
			t.Errorf("assignment %d: %q, want %q", n, code, want)
		}
	}
	if _, code := c.says(c.broker, "sso CreateAccountAssignment", assignment(instanceZ, prod, setZ, c.user(storeZ, "lead"))); code != "" {
		t.Errorf("the other instance has nothing to do, and says %s", code)
	}
}

// What is not there is not found, whoever asks.
func TestCenterAbsent(t *testing.T) {
	c := newCenterCloud(t)
	engineer := c.user(storeA, "engineer")
	external := map[string]any{"IdentityStoreId": storeA, "AlternateIdentifier": map[string]any{"ExternalId": map[string]string{"Issuer": "http://idp", "Id": "sub-1"}}}
	if got, _ := c.says(c.broker, "identitystore GetUserId", external); got.UserId != engineer {
		t.Errorf("by external id %q, by name %q", got.UserId, engineer)
	}
	member := func(store, group, user string) map[string]any {
		return map[string]any{"IdentityStoreId": store, "GroupId": group, "MemberId": map[string]string{"UserId": user}}
	}
	wrongKind := assignment(instanceA, staging, setA, engineer)
	wrongKind["PrincipalType"] = "ROLE"
	for _, tt := range []struct {
		call string
		in   map[string]any
		want string
	}{
		{"sso CreateAccountAssignment", assignment(instanceA, staging, setA[:len(setA)-1]+"b", engineer), "ResourceNotFoundException"},
		{"sso CreateAccountAssignment", assignment(instanceA, staging, "", engineer), "ResourceNotFoundException"},
		{"sso CreateAccountAssignment", assignment(instanceA, prod, setA, engineer), "ResourceNotFoundException"},
		{"sso CreateAccountAssignment", assignment(instanceZ, staging, setA, engineer), "ResourceNotFoundException"},
		{"sso CreateAccountAssignment", wrongKind, "ValidationException"},
		{"sso ListAccountAssignments", listed(instanceA, staging, setZ), "ResourceNotFoundException"},
		{"sso DescribeAccountAssignmentCreationStatus", map[string]any{"InstanceArn": instanceA, "AccountAssignmentCreationRequestId": "x"}, "ResourceNotFoundException"},
		{"identitystore GetUserId", byName(storeA, "nobody"), "ResourceNotFoundException"},
		{"identitystore GetUserId", byName("d-1111111111", "engineer"), "ResourceNotFoundException"},
		{"identitystore CreateGroupMembership", member(storeA, groupA[:35]+"6", engineer), "ResourceNotFoundException"},
		{"identitystore CreateGroupMembership", member(storeA, groupA, c.user(storeZ, "engineer")), "ResourceNotFoundException"},
		{"identitystore ListGroupMemberships", map[string]any{"IdentityStoreId": storeZ, "GroupId": groupA}, "ResourceNotFoundException"},
		{"identitystore DeleteGroupMembership", map[string]any{"IdentityStoreId": storeA, "MembershipId": "x"}, "ResourceNotFoundException"},
	} {
		if _, code := c.says(c.broker, tt.call, tt.in); code != tt.want {
			t.Errorf("%s %v: %q, want %q", tt.call, tt.in, code, tt.want)
		}
	}
	made, code := c.says(c.broker, "identitystore CreateGroupMembership", member(storeA, groupA, engineer))
	if code != "" {
		t.Fatal(code)
	}
	if _, code := c.says(c.broker, "identitystore CreateGroupMembership", member(storeA, groupA, engineer)); code != "ConflictException" {
		t.Errorf("a member twice: %q", code)
	}
	if _, code := c.says(c.broker, "identitystore DeleteGroupMembership", map[string]any{"IdentityStoreId": storeZ, "MembershipId": made.MembershipId}); code != "ResourceNotFoundException" {
		t.Errorf("deleted from another store: %q", code)
	}
	got, _ := c.says(c.broker, "identitystore ListGroupMembershipsForMember", map[string]any{"IdentityStoreId": storeA, "MemberId": map[string]string{"UserId": engineer}})
	if len(got.GroupMemberships) != 1 || got.GroupMemberships[0].GroupId != groupA {
		t.Errorf("memberships: %+v", got.GroupMemberships)
	}
}

// Nobody is let in by a call that is not signed, or signed by somebody else
// than the broker and the customer's own administrator.
func TestCenterWalls(t *testing.T) {
	c := newCenterCloud(t)
	engineer, body := c.user(storeA, "engineer"), ""
	if text, err := json.Marshal(assignment(instanceA, staging, setA, engineer)); err == nil {
		body = string(text)
	}
	r, err := http.NewRequest("POST", c.url+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "SWBExternalService.CreateAccountAssignment")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 403 && resp.StatusCode != 400 || !strings.Contains(string(text), "MissingAuthenticationToken") {
		t.Errorf("unsigned: %d %s", resp.StatusCode, text)
	}
	forged := c.broker
	forged.Result.Credentials.SecretAccessKey += "x"
	if status, text := c.signed(forged, "sso", "POST", "/", "SWBExternalService.CreateAccountAssignment", body); status == 200 || !strings.Contains(text, "InvalidSignatureException") {
		t.Errorf("forged: %d %s", status, text)
	}
	acme, zenith := c.owner(staging), c.owner(prod)
	for _, tt := range []struct {
		who  assumed
		call string
		in   map[string]any
	}{
		{zenith, "sso CreateAccountAssignment", assignment(instanceA, staging, setA, engineer)},
		{zenith, "sso ListAccountAssignments", listed(instanceA, staging, setA)},
		{zenith, "sso CreateAccountAssignment", assignment("", staging, setA, engineer)},
		{zenith, "identitystore GetUserId", byName(storeA, "engineer")},
		{acme, "identitystore ListGroupMembershipsForMember", map[string]any{"IdentityStoreId": storeZ, "MemberId": map[string]string{"UserId": engineer}}},
	} {
		if _, code := c.says(tt.who, tt.call, tt.in); code != "AccessDeniedException" {
			t.Errorf("across customers, %s %v: %q", tt.call, tt.in, code)
		}
	}
	c.accounts[1].Center = c.accounts[0].Center // two customers of one organization
	if _, code := c.says(zenith, "sso CreateAccountAssignment", assignment(instanceA, staging, setA, engineer)); code != "AccessDeniedException" {
		t.Errorf("across customers of one instance: %q", code)
	}
	if _, code := c.says(acme, "sso CreateAccountAssignment", assignment(instanceA, staging, setA, engineer)); code != "" {
		t.Errorf("acme's own administrator: %q", code)
	}
	c.clock.add(time.Second)
	got, _ := c.says(acme, "sso ListAccountAssignments", listed(instanceA, staging, setA))
	if len(got.AccountAssignments) != 1 || got.AccountAssignments[0].PrincipalId != engineer {
		t.Errorf("assigned: %+v", got.AccountAssignments)
	}
	c.accounts[0].Center = nil
	if _, code := c.says(acme, "identitystore GetUserId", byName(storeA, "engineer")); code != "AccessDeniedException" {
		t.Errorf("an account that is not entered through one: %q", code)
	}
}
