package stack

import "strings"

// queries writes the questions of the dashboard in the language of CloudWatch
// Logs Insights
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html).
// A line of the log is the whole event as EventBridge delivers it, so that
// CloudTrail's fields begin with "detail.".
type queries struct {
	side  Side
	lines string // the log group, and who in which role
}

// Fields that most questions name.
const (
	fieldSession  = "detail.userIdentity.sessionContext."
	fieldIdentity = fieldSession + "sourceIdentity"
	fieldUserName = fieldSession + "sessionIssuer.userName"
)

func newQueries(s Side) queries {
	return queries{s, "SOURCE '${LogGroupName}' | fields coalesce(" + fieldIdentity + ", detail.requestParameters.sourceIdentity, detail.userIdentity.principalId) as who, " +
		"coalesce(" + fieldUserName + ", detail.requestParameters.roleArn, detail.userIdentity.arn) as role"}
}

// ask joins the steps of a question.
func (q queries) ask(steps ...string) string {
	return q.lines + " | " + strings.Join(steps, " | ")
}

// Steps that many questions begin or end with.
func (q queries) ours() string {
	return "filter ispresent(detail.eventName) and detail.userIdentity.arn like 'assumed-role/" + q.side.Account.Prefix + "'"
}

func (q queries) oursAs(role string) string {
	return "filter ispresent(detail.eventName) and detail.userIdentity.arn like 'assumed-role/" + q.side.Account.Prefix + role + "/'"
}

const newestFirst = "sort @timestamp desc"

func (q queries) callsByRole() string {
	return q.ask(q.ours(), "stats count(*) as calls by role", "sort calls desc")
}

func (q queries) topEngineers() string {
	return q.ask(q.ours(), "stats count(*) as calls, count_distinct(detail.eventName) as actions, count_distinct(detail.sourceIPAddress) as addresses by who, role",
		"sort calls desc", "limit 25")
}

func (q queries) sessions() string {
	role := ""
	if q.side.has(roleAdmin) {
		role = " and detail.requestParameters.roleArn = '" + q.side.roleARN(roleAdmin) + "'"
	}
	return q.ask("filter detail.eventName like /^AssumeRole/"+role,
		"display @timestamp, who, role, detail.errorCode, detail.sourceIPAddress, detail.requestParameters.roleSessionName", newestFirst, "limit 50")
}

func (q queries) feed() string {
	return q.ask("filter ispresent(detail.eventName)",
		"display @timestamp, who, role, detail.eventSource, detail.eventName, detail.awsRegion, detail.sourceIPAddress, detail.errorCode", newestFirst, "limit 200")
}

func (q queries) denied() string {
	return q.ask("filter ispresent(detail.eventName) and detail.errorCode like /AccessDenied|Unauthorized/",
		"stats count(*) as times, max(@timestamp) as lastSeen by who, role, detail.eventSource, detail.eventName", "sort times desc", "limit 50")
}

func (q queries) shells() string {
	return q.ask("filter detail.eventSource = 'ssm.amazonaws.com' and detail.eventName in ['StartSession', 'ResumeSession']",
		"display @timestamp, who, role, detail.requestParameters.target, detail.requestParameters.documentName, detail.requestParameters.reason, detail.responseElements.sessionId, detail.errorCode",
		newestFirst, "limit 50")
}

func (q queries) data() string {
	if q.side.has(roleData) {
		return q.oursAs(string(roleData))
	}
	return q.ours()
}

func (q queries) buckets() string {
	return q.ask(q.data()+" and detail.eventSource = 's3.amazonaws.com' and ispresent(detail.requestParameters.bucketName)",
		"stats count(*) as calls, sum(detail.additionalEventData.bytesTransferredOut) as bytesOut by who, detail.requestParameters.bucketName, detail.eventName",
		"sort calls desc", "limit 50")
}

func (q queries) databases() string {
	return q.ask(q.data()+" and detail.eventSource in ['rds.amazonaws.com', 'rds-data.amazonaws.com', 'rdsdata.amazonaws.com', 'dynamodb.amazonaws.com', 'redshift.amazonaws.com', 'redshift-data.amazonaws.com', 'elasticache.amazonaws.com']",
		"fields coalesce(detail.requestParameters.dBInstanceIdentifier, detail.requestParameters.dBClusterIdentifier, detail.requestParameters.tableName, detail.requestParameters.clusterIdentifier, detail.requestParameters.resourceArn, 'all') as store",
		"stats count(*) as calls by who, detail.eventSource, store, detail.eventName", "sort calls desc", "limit 50")
}

func (q queries) addresses() string {
	return q.ask(q.ours(), "stats count(*) as calls by detail.sourceIPAddress", "sort calls desc", "limit 20")
}

// afterHours counts in hours and days since 1970 UTC, which began on a
// Thursday. Both hours may lie on either side of midnight.
func (q queries) afterHours() string {
	return q.ask(q.ours(), "fields datefloor(@timestamp, 1h) as began, floor(toMillis(@timestamp) / 3600000) % 24 as utcHour, (floor(toMillis(@timestamp) / 86400000) + 4) % 7 as weekday",
		"filter weekday = 0 or weekday = 6 or (utcHour + 24 - ${AfterHoursFrom}) % 24 < (24 + ${AfterHoursTo} - ${AfterHoursFrom}) % 24",
		"stats count(*) as calls, count_distinct(detail.eventName) as actions by began, who, role", "sort began desc", "limit 100")
}

func (q queries) changes() string {
	return q.ask(q.ours()+" and not (detail.readOnly = 1 or detail.readOnly = 'true') and detail.eventName not like /^(Get|List|Describe|Head)/",
		"stats count(*) as times, max(@timestamp) as lastSeen by role, who, detail.eventSource, detail.eventName", "sort lastSeen desc", "limit 100")
}

func (q queries) unusual() string {
	return q.ask(q.ours(), "stats count(*) as times, max(@timestamp) as lastSeen by role, detail.eventSource, detail.eventName, detail.awsRegion",
		"filter times < 3", "sort times asc, lastSeen desc", "limit 50")
}
