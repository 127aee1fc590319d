package sandbox_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/brevet-access/brevet/iam"
)

// signed sends a call with a's credentials, signed at the cloud's own time.
// Target makes it JSON; else body is a form.
func (c *cloud) signed(a assumed, service, method, path, target, body string) (int, string) {
	c.t.Helper()
	r, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if target != "" {
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", target)
	} else if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	creds, err := a.provider().Retrieve(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(c.t.Context(), creds, r, hex.EncodeToString(digest[:]), service, "eu-west-1", c.clock.now()); err != nil {
		c.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// query sends a signed call of the Query protocol: "iam GetRole" and its
// parameters.
func (c *cloud) query(a assumed, call string, params ...string) (int, string) {
	c.t.Helper()
	service, action, _ := strings.Cut(call, " ")
	versions := map[string]string{"iam": "2010-05-08", "sns": "2010-03-31", "cloudformation": "2010-05-15", "sts": "2011-06-15", "ec2": "2016-11-15"}
	form := url.Values{"Action": {action}, "Version": {versions[service]}}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	return c.signed(a, service, "POST", "/", "", form.Encode())
}

func (c *cloud) lookup(a assumed, input string) (records []map[string]any, raw string) {
	c.t.Helper()
	status, body := c.signed(a, "cloudtrail", "POST", "/", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", input)
	var out struct {
		Events []struct{ CloudTrailEvent string }
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
		c.t.Fatalf("LookupEvents: %d, %v\n%s", status, err, body)
	}
	for _, e := range out.Events {
		var r map[string]any
		if err := json.Unmarshal([]byte(e.CloudTrailEvent), &r); err != nil {
			c.t.Fatal(err)
		}
		records = append(records, r)
	}
	return records, body
}

func TestCalls(t *testing.T) {
	c := newCloud(t)
	admin, readOnly, sre := c.session("Admin"), c.session("ReadOnly"), c.session("SRE")
	provider := "arn:aws:iam::111122223333:oidc-provider/issuer.brevet.invalid/c/cu_x"
	tests := []struct {
		by     assumed
		call   string
		params []string
		status int
		want   string
	}{
		{admin, "iam ListRoles", nil, 200, "<RoleName>brevet-ReadOnly</RoleName>"},
		{admin, "iam ListRoles", []string{"PathPrefix", "/x/"}, 200, "<Roles></Roles>"},
		{admin, "iam GetRole", []string{"RoleName", "brevet-Admin"}, 200, "sts%3AAssumeRoleWithWebIdentity"},
		{admin, "iam GetRole", []string{"RoleName", "brevet-Admin"}, 200, "<MaxSessionDuration>7200</MaxSessionDuration>"},
		{admin, "iam GetRole", []string{"RoleName", "Admin"}, 404, "<Code>NoSuchEntity</Code>"},
		{admin, "iam ListAttachedRolePolicies", []string{"RoleName", "brevet-ReadOnly"}, 200,
			"<PolicyName>ViewOnlyAccess</PolicyName><PolicyArn>arn:aws:iam::aws:policy/job-function/ViewOnlyAccess</PolicyArn>"},
		{admin, "iam ListRolePolicies", []string{"RoleName", "brevet-SRE"}, 200, "<PolicyNames><member>brevet</member></PolicyNames>"},
		{admin, "iam ListRolePolicies", []string{"RoleName", "brevet-Admin"}, 200, "<PolicyNames></PolicyNames>"},
		{admin, "iam GetRolePolicy", []string{"RoleName", "brevet-SRE", "PolicyName", "brevet"}, 200, "ssm%3AStartSession"},
		{admin, "iam GetRolePolicy", []string{"RoleName", "brevet-SRE", "PolicyName", "x"}, 404, "NoSuchEntity"},
		{admin, "iam ListOpenIDConnectProviders", nil, 200, "<Arn>" + provider + "</Arn>"},
		{admin, "iam GetOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", provider}, 200, "<member>" + c.accounts[0].Audience + "</member>"},
		{admin, "iam GetOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", provider + "x"}, 404, "NoSuchEntity"},
		{admin, "iam ListAccountAliases", nil, 200, "<member>acme-staging</member>"},
		{admin, "iam ListUsers", nil, 200, "<Users></Users>"},
		{admin, "iam CreateGroup", []string{"GroupName", "x"}, 400, "<Message>The brevet sandbox does not simulate iam:CreateGroup.</Message>"},
		{admin, "cloudformation DescribeStacks", nil, 200, "<StackName>brevet-access</StackName>"},
		{admin, "cloudformation DescribeStacks", []string{"StackName", "other"}, 400, "Stack with id other does not exist"},
		{admin, "cloudformation ListStacks", []string{"StackStatusFilter.member.1", "DELETE_COMPLETE"}, 200, "<StackSummaries></StackSummaries>"},
		{admin, "sns ListTopics", nil, 200, "<TopicArn>arn:aws:sns:eu-west-1:111122223333:brevet-access</TopicArn>"},
		{admin, "ec2 RunInstances", nil, 400, "<Response><Errors><Error><Code>InvalidAction</Code>"},
		{readOnly, "iam ListRoles", nil, 200, "brevet-Admin"},
		{readOnly, "iam CreateUser", []string{"UserName", "x"}, 403, "is not authorized to perform: iam:CreateUser on resource: arn:aws:iam::111122223333:user/x because no identity-based policy allows the iam:CreateUser action"},
		{readOnly, "ec2 TerminateInstances", nil, 403, "<Code>UnauthorizedOperation</Code>"},
		{sre, "iam ListRoles", nil, 403, "User: arn:aws:sts::111122223333:assumed-role/brevet-SRE/engineer=0123456789 is not authorized to perform: iam:ListRoles on resource: arn:aws:iam::111122223333:role/"},
		{sre, "sts GetCallerIdentity", nil, 200, "assumed-role/brevet-SRE/"},
	}
	for _, tt := range tests {
		if status, body := c.query(tt.by, tt.call, tt.params...); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %v: status %d, want %d and %q\n%s", tt.call, tt.params, status, tt.status, tt.want, body)
		}
	}
	for _, tt := range []struct {
		by     assumed
		target string
		status int
		want   string
	}{
		{admin, "Logs_20140328.DescribeLogGroups", 200, `"logGroupName":"/brevet/access"`},
		{admin, "AWSEvents.ListRules", 200, `"Name":"brevet-access"`},
		{sre, "AWSEvents.ListRules", 400, `"__type":"AccessDeniedException"`},
		{admin, "AmazonSSM.StartSession", 400, `"__type":"TargetNotConnected"`},
		{sre, "AmazonSSM.StartSession", 400, `"__type":"TargetNotConnected"`},
		{sre, "AmazonSSM.SendCommand", 400, `"__type":"AccessDeniedException"`},
	} {
		service := map[string]string{"Log": "logs", "AWS": "events", "Ama": "ssm"}[tt.target[:3]]
		if status, body := c.signed(tt.by, service, "POST", "/", tt.target, "{}"); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: status %d, want %d and %q\n%s", tt.target, status, tt.status, tt.want, body)
		}
	}
	for _, tt := range []struct {
		by     assumed
		method string
		path   string
		status int
		want   string
	}{
		{readOnly, "GET", "/?x-id=ListBuckets", 200, "<Name>acme-staging-logs</Name>"},
		{sre, "GET", "/", 403, "<Error><Code>AccessDenied</Code>"},
		{admin, "GET", "/acme-staging-logs?list-type=2&prefix=20&max-keys=2", 200, "<IsTruncated>true</IsTruncated>"},
		{admin, "GET", "/acme-staging-logs/nothing", 404, "<Code>NoSuchKey</Code>"},
		{admin, "GET", "/acme-prod-logs?list-type=2", 403, "because no resource-based policy allows"},
		{admin, "DELETE", "/bucket/key", 501, "does not simulate s3:DeleteObject"},
		{admin, "PUT", "/bucket", 501, "<Code>NotImplemented</Code>"},
		{admin, "GET", "/bucket/key", 404, "<Code>NoSuchBucket</Code>"},
		{readOnly, "GET", "/bucket?list-type=2", 404, "<Code>NoSuchBucket</Code>"},
		{readOnly, "GET", "/bucket/key", 403, "is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::bucket/key"},
	} {
		if status, body := c.signed(tt.by, "s3", tt.method, tt.path, "", ""); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("s3 %s %s: status %d, want %d and %q\n%s", tt.method, tt.path, status, tt.status, tt.want, body)
		}
	}
}

// endsAt is a session policy as brevet writes it: nothing works from end on.
func endsAt(end time.Time) string {
	at := end.UTC().Format(time.RFC3339)
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},` +
		`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"` + at + `"}}}]}`
}

func TestGrantEnds(t *testing.T) {
	c := newCloud(t)
	a := c.session("Admin", func(f url.Values) { f.Set("Policy", endsAt(c.clock.now().Add(10*time.Minute))) })
	c.clock.add(10*time.Minute - time.Second)
	if status, body := c.query(a, "iam ListRoles"); status != 200 {
		t.Fatalf("before the end: %d\n%s", status, body)
	}
	c.clock.add(time.Second)
	for _, call := range []string{"iam ListRoles", "iam CreateUser", "sns ListTopics"} {
		status, body := c.query(a, call)
		if status != 403 || !strings.Contains(body, "with an explicit deny in a session policy") {
			t.Errorf("%s at the end: %d\n%s", call, status, body)
		}
	}
	if status, body := c.signed(a, "lambda", "GET", "/2015-03-31/functions", "", ""); status != 400 || !strings.Contains(body, "AccessDeniedException") {
		t.Errorf("lambda at the end: %d\n%s", status, body)
	}
	if status, body := c.signed(a, "s3", "GET", "/?x-id=ListBuckets", "", ""); status != 403 || !strings.Contains(body, "<Code>AccessDenied</Code>") {
		t.Errorf("s3 at the end: %d\n%s", status, body)
	}
	if status, _ := c.query(a, "sts GetCallerIdentity"); status != 200 {
		t.Errorf("GetCallerIdentity is never denied, got %d", status)
	}
	c.clock.add(50 * time.Minute)
	if status, body := c.query(a, "sts GetCallerIdentity"); status != 403 || !strings.Contains(body, "<Code>ExpiredToken</Code>") {
		t.Errorf("after an hour: %d\n%s", status, body)
	}
	if status, body := c.signed(a, "logs", "POST", "/", "Logs_20140328.DescribeLogGroups", "{}"); status != 400 || !strings.Contains(body, "ExpiredTokenException") {
		t.Errorf("after an hour: %d\n%s", status, body)
	}
	narrow := c.session("Admin", func(f url.Values) {
		f.Set("Policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:List*","Resource":"*"}]}`)
	})
	if status, body := c.query(narrow, "sns ListTopics"); status != 403 || !strings.Contains(body, "because no session policy allows the sns:ListTopics action") {
		t.Errorf("narrowed: %d\n%s", status, body)
	}
}

func TestSessionContext(t *testing.T) {
	c := newCloud(t)
	conditions := map[string]string{
		"aws:PrincipalArn": c.accounts[0].RoleARN("Admin"), "aws:PrincipalAccount": string(staging), "aws:PrincipalTag/brevet-grant": grantTag,
		"aws:SourceIdentity": "engineer", "aws:RequestedRegion": "eu-west-1", "aws:PrincipalType": "AssumedRole",
		"aws:FederatedProvider": "arn:aws:iam::111122223333:oidc-provider/issuer.brevet.invalid/c/cu_x",
	}
	allow := func(operator, key, value string) string {
		p := iam.Policy{Version: iam.Version2012, Statements: []iam.Statement{{Effect: iam.EffectAllow, Action: []string{"*"}, Resource: []string{"*"},
			Conditions: []iam.Condition{{Operator: operator, Key: key, Values: []string{value}}}}}}
		return p.String()
	}
	try := func(policy string, want int) {
		t.Helper()
		a := c.session("Admin", func(f url.Values) { f.Set("Policy", policy) })
		if status, body := c.query(a, "iam ListUsers"); status != want {
			t.Errorf("%s: %d\n%s", policy, status, body)
		}
	}
	for key, value := range conditions {
		try(allow("StringEquals", key, value), 200)
		try(allow("StringEquals", key, value+"x"), 403)
	}
	try(allow("IpAddress", "aws:SourceIp", "127.0.0.0/8"), 200)
	try(allow("IpAddress", "aws:SourceIp", "10.0.0.0/8"), 403)
	try(allow("Bool", "aws:SecureTransport", "true"), 200)
	try(allow("StringLike", "aws:userid", "AROA*:engineer=0123456789"), 200)
	try(allow("DateLessThan", "aws:TokenIssueTime", c.clock.now().Add(time.Second).UTC().Format(time.RFC3339)), 200)
	try(allow("DateLessThan", "aws:TokenIssueTime", c.clock.now().UTC().Format(time.RFC3339)), 403)
	try(allow("NumericGreaterThan", "aws:EpochTime", strconv.FormatInt(c.clock.now().Unix()+10, 10)), 403)
	try(allow("Bool", "aws:MultiFactorAuthPresent", "true"), 403) // AWS never knows it of a web identity
}

func TestTrail(t *testing.T) {
	c := newCloud(t)
	a := c.session("Admin")
	bad := c.form("ReadOnly")
	bad.Set("WebIdentityToken", c.sign(c.claims("Admin")))
	c.post(bad)
	c.clock.add(time.Second)
	c.query(a, "iam GetRole", "RoleName", "brevet-Admin")
	c.query(c.session("SRE"), "iam ListRoles")

	records, raw := c.lookup(a, "{}")
	var names []string
	for _, r := range records {
		code, _ := r["errorCode"].(string)
		names = append(names, r["eventName"].(string)+" "+code)
	}
	want := "ListRoles AccessDenied,AssumeRoleWithWebIdentity ,GetRole ,AssumeRoleWithWebIdentity AccessDenied,AssumeRoleWithWebIdentity "
	if got := strings.Join(names, ","); got != want {
		t.Errorf("events, newest first:\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(raw, a.Result.Credentials.SecretAccessKey) || strings.Contains(raw, a.Result.Credentials.SessionToken) {
		t.Error("the trail holds a secret")
	}
	got := records[2]
	user := got["userIdentity"].(map[string]any)
	session := user["sessionContext"].(map[string]any)
	if user["type"] != "AssumedRole" || user["accessKeyId"] != a.Result.Credentials.AccessKeyId || session["sourceIdentity"] != "engineer" ||
		session["attributes"].(map[string]any)["mfaAuthenticated"] != "false" || got["requestParameters"].(map[string]any)["roleName"] != "brevet-Admin" {
		t.Errorf("GetRole: %v", got)
	}
	first := records[4]
	params := first["requestParameters"].(map[string]any)
	if params["principalTags"].(map[string]any)["brevet-grant"] != grantTag || params["sourceIdentity"] != "engineer" ||
		first["userIdentity"].(map[string]any)["type"] != "WebIdentityUser" ||
		first["responseElements"].(map[string]any)["credentials"].(map[string]any)["accessKeyId"] != a.Result.Credentials.AccessKeyId {
		t.Errorf("AssumeRoleWithWebIdentity: %v", first)
	}
	for _, tt := range []struct {
		input string
		n     int
	}{
		{`{"LookupAttributes":[{"AttributeKey":"AccessKeyId","AttributeValue":"` + a.Result.Credentials.AccessKeyId + `"}]}`, 3}, // with the look-up above
		{`{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"GetRole"}]}`, 1},
		{`{"MaxResults":2}`, 2},
		{`{"EndTime":` + strconv.FormatInt(c.clock.now().Unix()-1, 10) + `}`, 2},
	} {
		if records, _ := c.lookup(a, tt.input); len(records) != tt.n {
			t.Errorf("%s: %d events, want %d", tt.input, len(records), tt.n)
		}
	}
	for _, input := range []string{`{"LookupAttributes":[{"AttributeKey":"X","AttributeValue":""}]}`, `{"MaxResults":51}`, `{"NextToken":"x"}`, `[`} {
		if status, body := c.signed(a, "cloudtrail", "POST", "/", "x.LookupEvents", input); status != 400 || !strings.Contains(body, "__type") {
			t.Errorf("%s: %d %s", input, status, body)
		}
	}
	elsewhere := c.form("Admin")
	elsewhere.Set("RoleArn", c.accounts[1].RoleARN("Admin"))
	claims := c.claims("Admin")
	claims["aud"] = c.accounts[1].Audience
	elsewhere.Set("WebIdentityToken", c.sign(claims))
	other := c.session("Admin", func(f url.Values) {
		for k, v := range elsewhere {
			f[k] = v
		}
	})
	if records, raw := c.lookup(other, "{}"); len(records) != 1 || strings.Contains(raw, string(staging)) {
		t.Errorf("another account sees %s", raw)
	}
}

func TestPresigned(t *testing.T) {
	c := newCloud(t)
	creds, err := c.session("ReadOnly").provider().Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest("GET", c.url+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(nil)
	address, _, err := v4.NewSigner().PresignHTTP(t.Context(), creds, r, hex.EncodeToString(digest[:]), "sts", "eu-west-1", c.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	get := func(address string) (int, string) {
		resp, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if status, body := get(address); status != 200 || !strings.Contains(body, "assumed-role/brevet-ReadOnly/") {
		t.Errorf("%d\n%s", status, body)
	}
	if status, body := get(strings.Replace(address, "GetCallerIdentity", "GetSessionToken", 1)); status != 403 || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("another action: %d\n%s", status, body)
	}
	c.clock.add(61 * time.Second)
	if status, body := get(address); status != 403 || !strings.Contains(body, "Signature expired") {
		t.Errorf("late: %d\n%s", status, body)
	}
}

func TestConsole(t *testing.T) {
	c := newCloud(t)
	end := c.clock.now().Add(10 * time.Minute)
	a := c.session("Admin", func(f url.Values) { f.Set("Policy", endsAt(end)) })
	k := a.Result.Credentials
	session := func(id, key, token string) string {
		text, err := json.Marshal(map[string]string{"sessionId": id, "sessionKey": key, "sessionToken": token})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	good := url.Values{"Action": {"getSigninToken"}, "Session": {session(k.AccessKeyId, k.SecretAccessKey, k.SessionToken)}}
	signIn := func(form url.Values, method string) (string, page) {
		t.Helper()
		var resp *http.Response
		var err error
		if method == "POST" {
			resp, err = http.PostForm(c.url+"/federation", form)
		} else {
			resp, err = http.Get(c.url + "/federation?" + form.Encode())
		}
		p := look(t, resp, err)
		var out struct{ SigninToken string }
		json.Unmarshal([]byte(p.body), &out)
		return out.SigninToken, p
	}
	for _, method := range []string{"GET", "POST"} {
		token, p := signIn(good, method)
		if token == "" {
			t.Fatalf("%s: %d %s", method, p.status, p.body)
		}
		resp, err := http.Get(c.url + "/federation?" + url.Values{"Action": {"login"}, "SigninToken": {token}, "Destination": {c.url + "/console"}, "Issuer": {"brevet"}}.Encode())
		got := look(t, resp, err)
		for _, want := range []string{"AWS console (simulated)", "acme-staging", string(staging), "brevet-Admin", "engineer=0123456789", grantTag,
			end.UTC().Format("15:04:05 UTC")} {
			if !strings.Contains(got.body, want) {
				t.Errorf("the console does not show %q:\n%s", want, got.body)
			}
		}
	}
	token, _ := signIn(good, "POST")
	bad := map[string]url.Values{
		"wrong key":      {"Action": {"getSigninToken"}, "Session": {session(k.AccessKeyId, "x", k.SessionToken)}},
		"wrong id":       {"Action": {"getSigninToken"}, "Session": {session("ASIA", k.SecretAccessKey, k.SessionToken)}},
		"wrong token":    {"Action": {"getSigninToken"}, "Session": {session(k.AccessKeyId, k.SecretAccessKey, "x")}},
		"not JSON":       {"Action": {"getSigninToken"}, "Session": {"x"}},
		"duration":       {"Action": {"getSigninToken"}, "Session": good["Session"], "SessionDuration": {"60"}},
		"no action":      {},
		"another action": {"Action": {"x"}},
		"junk sign-in":   {"Action": {"login"}, "SigninToken": {"x"}},
		"session token":  {"Action": {"login"}, "SigninToken": {k.SessionToken}},
		"destination":    {"Action": {"login"}, "SigninToken": {token}, "Destination": {"javascript:alert(1)"}},
	}
	for name, form := range bad {
		if token, p := signIn(form, "POST"); token != "" || p.status != 400 {
			t.Errorf("%s: %d %s", name, p.status, p.body)
		}
	}
	records, _ := c.lookup(a, `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"ConsoleLogin"}]}`)
	if len(records) != 2 || records[0]["eventType"] != "AwsConsoleSignIn" {
		t.Errorf("ConsoleLogin: %v", records)
	}
	c.clock.add(16 * time.Minute)
	if _, p := signIn(url.Values{"Action": {"login"}, "SigninToken": {token}}, "GET"); p.status != 400 {
		t.Errorf("an old sign-in token: %d", p.status)
	}
}
