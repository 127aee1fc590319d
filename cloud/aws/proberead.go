package aws

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/brevet-access/brevet"
)

// insider looks round in an account with the probe's session.
type insider struct {
	*prober
	calls
}

// inside checks the customer's side from within.
func (pr *prober) inside(ctx context.Context, cred brevet.Credential) {
	in := &insider{pr, pr.c.calls(ctx, pr.p.Account.Region, pr.p.Account.Partition(), cred)}
	in.check("identity", in.sessionARN(), in.identity)
	stack, found := in.stack()
	in.check("contract", strconv.Itoa(pr.p.Account.Contract), func() (brevet.CheckResult, string) { return in.contract(stack, found) })
	for _, r := range pr.p.Roles {
		in.check("role "+string(r.Name), "max "+brevet.FormatDuration(r.Max)+", "+pr.p.Account.Prefix+"Boundary", func() (brevet.CheckResult, string) { return in.role(r) })
	}
	in.check("production guard", "as the stack says", func() (brevet.CheckResult, string) { return in.guard(stack, found) })
	in.check("rules", "on, reads too", in.rules)
	in.check("trail", "logging", in.trail)
	in.check("alert mail", "confirmed", in.mail)
	in.check("canary", "in "+in.group(), in.canary)
}

// failed words the result of a check that could not read.
func failed(err error) (brevet.CheckResult, string) {
	return brevet.CheckUnknown, err.Error()
}

// missing reports whether AWS said that what was asked for is not there.
func missing(err error) bool {
	var no *refusedCall
	return errors.As(err, &no) && (no.code == "NoSuchEntity" || no.code == "NotFound" || no.code == "ResourceNotFoundException" ||
		no.code == "ValidationError" && strings.Contains(no.message, "does not exist"))
}

func (in *insider) sessionARN() string {
	a := in.p.Account
	return "arn:" + a.Partition() + ":sts::" + string(a.ID) + ":assumed-role/" + a.Prefix + string(in.p.Issue.Role) + "/" + in.p.Issue.SessionName()
}

func (in *insider) identity() (brevet.CheckResult, string) {
	var out struct {
		Arn string `xml:"GetCallerIdentityResult>Arn"`
	}
	if err := in.query("sts", "2011-06-15", "GetCallerIdentity", nil, &out); err != nil {
		return failed(err)
	}
	if out.Arn != in.sessionARN() {
		return brevet.CheckMiss, "AWS calls the session " + out.Arn
	}
	return brevet.CheckOK, out.Arn
}

// deployedStack is what DescribeStacks says of a stack.
type deployedStack struct {
	Status     string `xml:"StackStatus"`
	Parameters []struct {
		Key   string `xml:"ParameterKey"`
		Value string `xml:"ParameterValue"`
	} `xml:"Parameters>member"`
	Outputs []struct {
		Key   string `xml:"OutputKey"`
		Value string `xml:"OutputValue"`
	} `xml:"Outputs>member"`
}

// stack looks for the stack with the way in.
func (in *insider) stack() (found deployedStack, ok bool) {
	name := in.p.Account.Prefix + "access"
	in.check("stack", name+" deployed", func() (brevet.CheckResult, string) {
		var out struct {
			Stacks []deployedStack `xml:"DescribeStacksResult>Stacks>member"`
		}
		err := in.query("cloudformation", "2010-05-15", "DescribeStacks", url.Values{"StackName": {name}}, &out)
		switch {
		case missing(err):
			return brevet.CheckUnknown, "there is no stack of that name in " + in.p.Account.Region + "; what is there was deployed in another way or region"
		case err != nil:
			return failed(err)
		case len(out.Stacks) != 1:
			return brevet.CheckUnknown, "CloudFormation names " + strconv.Itoa(len(out.Stacks)) + " stacks"
		}
		found, ok = out.Stacks[0], true
		switch found.Status {
		case "CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE":
			return brevet.CheckOK, found.Status
		}
		return brevet.CheckMiss, "it is in " + found.Status
	})
	return found, ok
}

func (in *insider) contract(s deployedStack, found bool) (brevet.CheckResult, string) {
	if !found {
		return brevet.CheckUnknown, "no stack says it; the trust policy admits contract " + strconv.Itoa(in.p.Account.Contract)
	}
	for _, o := range s.Outputs {
		if o.Key == "Contract" {
			if o.Value != strconv.Itoa(in.p.Account.Contract) {
				return brevet.CheckMiss, "the stack keeps contract " + o.Value
			}
			return brevet.CheckOK, "contract " + o.Value
		}
	}
	return brevet.CheckMiss, "the stack does not say which contract it keeps"
}

func (in *insider) role(r brevet.Role) (brevet.CheckResult, string) {
	a := in.p.Account
	var out struct {
		Max      int    `xml:"GetRoleResult>Role>MaxSessionDuration"`
		Boundary string `xml:"GetRoleResult>Role>PermissionsBoundary>PermissionsBoundaryArn"`
	}
	err := in.query("iam", "2010-05-08", "GetRole", url.Values{"RoleName": {a.Prefix + string(r.Name)}}, &out)
	want := "arn:" + a.Partition() + ":iam::" + string(a.ID) + ":policy/" + a.Prefix + "Boundary"
	switch {
	case missing(err):
		return brevet.CheckMiss, "there is no such role"
	case err != nil:
		return failed(err)
	case time.Duration(out.Max)*time.Second != r.Max:
		return brevet.CheckMiss, "its sessions may last " + brevet.FormatDuration(time.Duration(out.Max)*time.Second)
	case out.Boundary != want:
		return brevet.CheckMiss, "its boundary is " + orNone(out.Boundary)
	}
	return brevet.CheckOK, "max " + brevet.FormatDuration(r.Max) + ", bounded"
}

func orNone(s string) string {
	if s == "" {
		return "missing"
	}
	return s
}

// guard compares what the stack says of DenyProd with the policies that the
// roles have.
func (in *insider) guard(s deployedStack, found bool) (brevet.CheckResult, string) {
	if !found {
		return brevet.CheckUnknown, "no stack says which roles it is meant for"
	}
	a := in.p.Account
	var on []string
	for _, r := range in.p.Roles {
		meant := false
		for _, p := range s.Parameters {
			meant = meant || p.Value == "true" && (p.Key == "DenyProd"+string(r.Name))
		}
		if !meant {
			continue
		}
		var out struct {
			Names []string `xml:"ListRolePoliciesResult>PolicyNames>member"`
		}
		if err := in.query("iam", "2010-05-08", "ListRolePolicies", url.Values{"RoleName": {a.Prefix + string(r.Name)}}, &out); err != nil {
			return failed(err)
		}
		has := false
		for _, name := range out.Names {
			has = has || name == a.Prefix+"DenyProd"
		}
		if !has {
			return brevet.CheckMiss, "it is on for " + string(r.Name) + ", whose policy is missing"
		}
		on = append(on, string(r.Name))
	}
	if on == nil {
		return brevet.CheckOK, "DenyProd is on for no role"
	}
	return brevet.CheckOK, "DenyProd is on for " + strings.Join(on, ", ")
}

func (in *insider) rules() (brevet.CheckResult, string) {
	for _, name := range []string{in.p.Account.Prefix + "calls", in.p.Account.Prefix + "entries"} {
		var out struct{ State string }
		err := in.json("events", "AWSEvents.DescribeRule", map[string]any{"Name": name}, &out)
		switch {
		case missing(err):
			return brevet.CheckMiss, "there is no rule " + name + ": the customer has deleted the stack of the record, or never deployed it"
		case err != nil:
			return failed(err)
		case out.State != "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS":
			return brevet.CheckMiss, name + " is " + out.State
		}
	}
	return brevet.CheckOK, in.p.Account.Prefix + "calls and " + in.p.Account.Prefix + "entries are on"
}

const cloudTrail = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."

func (in *insider) trail() (brevet.CheckResult, string) {
	var out struct {
		TrailList []struct {
			Name, TrailARN, HomeRegion string
			IsMultiRegionTrail         bool
		} `json:"trailList"`
	}
	if err := in.json("cloudtrail", cloudTrail+"DescribeTrails", map[string]any{}, &out); err != nil {
		return failed(err)
	}
	for _, t := range out.TrailList {
		var status struct{ IsLogging bool }
		if err := in.json("cloudtrail", cloudTrail+"GetTrailStatus", map[string]any{"Name": t.TrailARN}, &status); err != nil {
			return failed(err)
		}
		if status.IsLogging && (t.IsMultiRegionTrail || t.HomeRegion == in.p.Account.Region) {
			return brevet.CheckOK, t.Name + " logs"
		}
	}
	if len(out.TrailList) == 0 {
		return brevet.CheckMiss, "there is no trail, so EventBridge sees nothing"
	}
	return brevet.CheckMiss, "no trail logs here, so EventBridge sees nothing"
}

func (in *insider) mail() (brevet.CheckResult, string) {
	a := in.p.Account
	topic := "arn:" + a.Partition() + ":sns:" + a.Region + ":" + string(a.ID) + ":" + a.Prefix + "alerts"
	var out struct {
		Subscriptions []struct{ SubscriptionArn, Protocol, Endpoint string } `xml:"ListSubscriptionsByTopicResult>Subscriptions>member"`
	}
	err := in.query("sns", "2010-03-31", "ListSubscriptionsByTopic", url.Values{"TopicArn": {topic}}, &out)
	switch {
	case missing(err):
		return brevet.CheckMiss, "there is no topic " + a.Prefix + "alerts"
	case err != nil:
		return failed(err)
	case len(out.Subscriptions) == 0:
		return brevet.CheckMiss, "nobody is told: give the stack a SecurityContact"
	}
	for _, s := range out.Subscriptions {
		if strings.HasPrefix(s.SubscriptionArn, "arn:") {
			return brevet.CheckOK, s.Endpoint + " is told"
		}
	}
	return brevet.CheckMiss, out.Subscriptions[0].Endpoint + " has not confirmed the subscription yet"
}

func (in *insider) group() string {
	if in.p.Customer.LogGroup != "" {
		return in.p.Customer.LogGroup
	}
	return in.p.Account.Prefix + "access"
}

// canary makes one harmless call with a name of its own, and looks for it in
// the record.
func (in *insider) canary() (brevet.CheckResult, string) {
	var raw [10]byte
	rand.Read(raw[:])
	marker := "brevet-canary-" + strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))
	var groups struct{}
	if err := in.json("logs", "Logs_20140328.DescribeLogGroups", map[string]any{"logGroupNamePrefix": marker}, &groups); err != nil {
		return failed(err)
	}
	began := in.c.cfg.Now()
	for looks := 0; ; looks++ {
		seen, err := in.arrived(marker, began)
		switch {
		case missing(err):
			return brevet.CheckMiss, "there is no log group " + in.group()
		case err != nil:
			return failed(err)
		case seen:
			return brevet.CheckOK, marker + " arrived after " + brevet.FormatDuration(in.c.cfg.Now().Sub(began).Round(time.Second))
		case time.Duration(looks)*canaryPause >= in.p.Wait || in.c.cfg.Wait(in.ctx, canaryPause) != nil:
			return brevet.CheckPending, marker + " has not arrived within " + brevet.FormatDuration(in.p.Wait) + "; look again later"
		}
	}
}

// arrived looks for the canary's own call: the looking is on record too, and
// names the marker as well.
func (in *insider) arrived(marker string, since time.Time) (bool, error) {
	params := map[string]any{"logGroupName": in.group(), "startTime": since.Add(-time.Minute).UnixMilli(),
		"filterPattern": `{ $.detail.requestParameters.logGroupNamePrefix = "` + marker + `" }`}
	for range mostPages {
		var out struct {
			Events    []struct{ Message string } `json:"events"`
			NextToken string                     `json:"nextToken"`
		}
		if err := in.json("logs", "Logs_20140328.FilterLogEvents", params, &out); err != nil {
			return false, err
		}
		for _, e := range out.Events {
			var event struct {
				Detail struct {
					EventName         string `json:"eventName"`
					RequestParameters struct {
						Prefix string `json:"logGroupNamePrefix"`
					} `json:"requestParameters"`
				} `json:"detail"`
			}
			if json.Unmarshal([]byte(e.Message), &event) == nil && event.Detail.EventName == "DescribeLogGroups" && event.Detail.RequestParameters.Prefix == marker {
				return true, nil
			}
		}
		if out.NextToken == "" {
			return false, nil
		}
		params["nextToken"] = out.NextToken
	}
	return false, nil
}

// mostPages bounds one look for the canary.
const mostPages = 10
