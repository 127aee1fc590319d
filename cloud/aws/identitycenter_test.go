package aws_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brevet-access/brevet"
	"github.com/brevet-access/brevet/cloud/aws"
)

const adminSet = "arn:aws:sso:::permissionSet/ssoins-7223aaaabbbbcccc/ps-1111222233334444"

// center is an IAM Identity Center with AWS's limits: what goes beyond them
// is turned down, and counted.
type center struct {
	mu       sync.Mutex
	takes    time.Duration // an assignment
	users    map[string]string
	assigned map[string]bool
	working  map[string]time.Time // request -> when it is done
	what     map[string]func()
	recent   []time.Time
	calls    int
	most     int            // assignments at work at the same time
	over     int            // calls beyond the limits
	handed   int            // credentials of the broker's own, so often
	odd      map[int]string // answers to the nth call, from 1: an error's code, "" for none at all
	failure  string         // of every assignment
}

func newCenter() *center {
	return &center{takes: 3 * time.Second, users: map[string]string{}, assigned: map[string]bool{}, working: map[string]time.Time{},
		what: map[string]func(){}, odd: map[int]string{}}
}

func (c *center) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if code, odd := c.odd[c.calls]; odd {
		if code == "" {
			return nil, errors.New("connection reset by peer")
		}
		return c.no(code), nil
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=ASIABROKERBROKER1001/") {
		return c.no("UnrecognizedClientException"), nil
	}
	now := time.Now()
	c.recent = append(c.recent, now)
	for len(c.recent) > 0 && now.Sub(c.recent[0]) >= time.Second {
		c.recent = c.recent[1:]
	}
	if len(c.recent) > 20 {
		c.over++
		return c.no("ThrottlingException"), nil
	}
	var in struct {
		TargetId, PrincipalId, PermissionSetArn, AccountId                     string
		AccountAssignmentCreationRequestId, AccountAssignmentDeletionRequestId string
		AlternateIdentifier                                                    struct {
			ExternalId      struct{ Issuer, Id string }
			UniqueAttribute struct{ AttributePath, AttributeValue string }
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	c.settle(now)
	key := in.TargetId + " " + in.PermissionSetArn + " " + in.PrincipalId
	_, verb, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch verb {
	case "GetUserId":
		name := in.AlternateIdentifier.ExternalId.Id + in.AlternateIdentifier.UniqueAttribute.AttributeValue
		if id, ok := c.users[name]; ok {
			return c.yes(map[string]string{"UserId": id}), nil
		}
		return c.no("ResourceNotFoundException"), nil
	case "CreateAccountAssignment":
		return c.begin("Creation", func() { c.assigned[key] = true }), nil
	case "DeleteAccountAssignment":
		if !c.assigned[key] {
			return c.no("ResourceNotFoundException"), nil
		}
		return c.begin("Deletion", func() { delete(c.assigned, key) }), nil
	case "DescribeAccountAssignmentCreationStatus":
		return c.status("Creation", in.AccountAssignmentCreationRequestId), nil
	case "DescribeAccountAssignmentDeletionStatus":
		return c.status("Deletion", in.AccountAssignmentDeletionRequestId), nil
	case "ListAccountAssignments":
		var list []map[string]string
		for k := range c.assigned {
			if at := strings.Fields(k); at[0] == in.AccountId && at[1] == in.PermissionSetArn {
				list = append(list, map[string]string{"PrincipalType": "USER", "PrincipalId": at[2]})
			}
		}
		return c.yes(map[string]any{"AccountAssignments": list}), nil
	}
	return nil, fmt.Errorf("not known here: %s", verb)
}

func (c *center) settle(now time.Time) {
	for id, done := range c.working {
		if !now.Before(done) {
			delete(c.working, id)
			c.what[id]()
		}
	}
}

func (c *center) begin(kind string, what func()) *http.Response {
	if len(c.working) >= 10 {
		c.over++
		return c.no("ServiceQuotaExceededException")
	}
	id := fmt.Sprint("request-", len(c.what))
	c.working[id], c.what[id] = time.Now().Add(c.takes), what
	c.most = max(c.most, len(c.working))
	return c.status(kind, id)
}

func (c *center) status(kind, id string) *http.Response {
	state := map[string]string{"Status": "SUCCEEDED", "RequestId": id}
	switch _, busy := c.working[id]; {
	case busy:
		state["Status"] = "IN_PROGRESS"
	case c.failure != "":
		state["Status"], state["FailureReason"] = "FAILED", c.failure
	}
	return c.yes(map[string]any{"AccountAssignment" + kind + "Status": state})
}

func (c *center) yes(v any) *http.Response { return jsonAnswer(200, v) }

func (c *center) no(code string) *http.Response {
	return jsonAnswer(400, map[string]string{"__type": code, "message": "said so"})
}

func jsonAnswer(status int, v any) *http.Response {
	text, _ := json.Marshal(v)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(text))}
}

func (c *center) open() *aws.Center {
	return aws.New(aws.Config{HTTP: &http.Client{Transport: c}, Credentials: func(context.Context) (brevet.Credential, error) { c.handed++; return own(1), nil }}).Center()
}

func subject(n int) brevet.Principal {
	return brevet.Principal{Issuer: "https://idp.example.com", Subject: fmt.Sprint("subject-", n)}
}

func centerAccount() brevet.Account {
	a := issue().Account
	a.Center = &brevet.IdentityCenter{Region: "eu-west-1", Instance: "arn:aws:sso:::instance/ssoins-7223aaaabbbbcccc", Store: "d-1234567890",
		Sets: map[brevet.RoleName]brevet.Entrance{"SRE": {Set: adminSet}}}
	return a
}

// enter finds a person and lets them in.
func enter(ctx context.Context, c *aws.Center, a brevet.Account, role brevet.RoleName, n int) error {
	user, err := c.Find(ctx, a, subject(n), "engineer")
	if err == nil {
		err = c.Admit(ctx, a, role, user)
	}
	return err
}

func userOf(n int) string { return fmt.Sprintf("11111111-2222-3333-4444-%012d", n) }

// TestCenterLimits: many people come and go at once, within AWS's limits, and
// nobody is left.
func TestCenterLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aws1 := newCenter()
		c := aws1.open()
		const people = 60
		each := func(do func(n int) error) {
			var all sync.WaitGroup
			for n := range people {
				aws1.mu.Lock()
				aws1.users[fmt.Sprint("subject-", n)] = userOf(n)
				aws1.mu.Unlock()
				all.Go(func() {
					if err := do(n); err != nil {
						t.Errorf("person %d: %v", n, err)
					}
				})
			}
			all.Wait()
		}
		a := centerAccount()
		each(func(n int) error { return enter(t.Context(), c, a, "SRE", n) })
		there, err := c.Present(t.Context(), a)
		if err != nil || len(there) != people {
			t.Errorf("%d are in: %v", len(there), err)
		}
		each(func(n int) error { return c.Dismiss(t.Context(), a, "SRE", brevet.Assignment{Principal: userOf(n)}) })
		each(func(n int) error { return c.Dismiss(t.Context(), a, "SRE", brevet.Assignment{Principal: userOf(n)}) }) // who is out already
		if len(aws1.assigned) != 0 {
			t.Errorf("left: %v", aws1.assigned)
		}
		if aws1.over != 0 || aws1.most > 10 || aws1.most < 5 {
			t.Errorf("%d calls beyond the limits, %d assignments at work at a time", aws1.over, aws1.most)
		}
	})
}

// TestCenterAnswers: what comes back says whether something was done.
func TestCenterAnswers(t *testing.T) {
	for name, one := range map[string]struct {
		odd     map[int]string
		failure string
		person  int
		role    brevet.RoleName
		want    brevet.Kind // "" for none
		in      bool
	}{
		"at once":            {in: true},
		"asked for patience": {odd: map[int]string{2: "ThrottlingException", 3: "ConflictException", 4: "ServiceQuotaExceededException"}, in: true},
		"never":              {odd: map[int]string{2: "ConflictException", 3: "ConflictException", 4: "ConflictException", 5: "ConflictException"}, want: brevet.Unavailable},
		"run out":            {odd: map[int]string{2: "ExpiredTokenException", 4: "UnrecognizedClientException"}, in: true},
		"run out for good":   {odd: map[int]string{2: "ExpiredTokenException", 3: "ExpiredTokenException"}, want: brevet.CloudRefused},
		"no word":            {odd: map[int]string{2: ""}, in: true},
		"a no after no word": {odd: map[int]string{2: "", 3: "AccessDeniedException"}, want: brevet.Unavailable},
		"a no":               {odd: map[int]string{2: "AccessDeniedException"}, want: brevet.CloudRefused},
		"lost on the way":    {odd: map[int]string{3: "AccessDeniedException"}, want: brevet.Unavailable, in: true},
		"failed":             {failure: "the role could not be made", want: brevet.CloudRefused, in: true},
		"nobody":             {person: 8, want: brevet.CloudRefused},
		"no such role":       {role: "Admin", want: brevet.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := newCenter()
				fake.users["subject-7"] = userOf(7)
				if one.odd != nil {
					fake.odd = one.odd
				}
				fake.failure = one.failure
				err := enter(t.Context(), fake.open(), centerAccount(), cmp.Or(one.role, "SRE"), cmp.Or(one.person, 7))
				if kind := brevet.KindOf(err); err != nil && kind != one.want || err == nil && one.want != "" {
					t.Errorf("%v, want kind %q", err, one.want)
				}
				if want := 1 + strings.Count(fmt.Sprint(one.odd), "Expired") + strings.Count(fmt.Sprint(one.odd), "Unrecognized"); name != "run out for good" && fake.handed != want {
					t.Errorf("the broker's credentials were fetched %d times, want %d", fake.handed, want)
				}
				time.Sleep(fake.takes) // in the bubble
				fake.settle(time.Now())
				if in := len(fake.assigned) == 1; in != one.in {
					t.Errorf("assigned: %v", fake.assigned)
				}
			})
		})
	}
}

// TestCenterPatience: an assignment that takes longer than the caller waits is
// not known to be made.
func TestCenterPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newCenter()
		fake.users["subject-7"], fake.takes = userOf(7), time.Minute
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := enter(ctx, fake.open(), centerAccount(), "SRE", 7); !errors.Is(err, brevet.Unavailable) {
			t.Error(err)
		}
	})
}
