package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
)

// properties returns which properties the types have that this package knows
// well (AWS's resource schemas of 2026-09). Of other types any is taken.
var properties = sync.OnceValue(func() map[string][]string {
	all := map[string][]string{}
	for kind, names := range map[string]string{
		"AWS::CloudTrail::Trail":           "AdvancedEventSelectors AggregationConfigurations CloudWatchLogsLogGroupArn CloudWatchLogsRoleArn EnableLogFileValidation EventSelectors IncludeGlobalServiceEvents InsightSelectors IsLogging IsMultiRegionTrail IsOrganizationTrail KMSKeyId S3BucketName S3KeyPrefix SnsTopicName Tags TrailName",
		"AWS::CloudWatch::Alarm":           "ActionsEnabled AlarmActions AlarmDescription AlarmName ComparisonOperator DatapointsToAlarm Dimensions EvaluateLowSampleCountPercentile EvaluationCriteria EvaluationInterval EvaluationPeriods ExtendedStatistic InsufficientDataActions MetricName Metrics Namespace OKActions Period Statistic Tags Threshold ThresholdMetricId TreatMissingData Unit",
		"AWS::CloudWatch::AnomalyDetector": "Configuration Dimensions MetricCharacteristics MetricMathAnomalyDetector MetricName Namespace SingleMetricAnomalyDetector Stat",
		"AWS::CloudWatch::CompositeAlarm":  "ActionsEnabled ActionsSuppressor ActionsSuppressorExtensionPeriod ActionsSuppressorWaitPeriod AlarmActions AlarmDescription AlarmName AlarmRule InsufficientDataActions OKActions Tags",
		"AWS::CloudWatch::Dashboard":       "DashboardBody DashboardName",
		"AWS::Events::EventBusPolicy":      "Action Condition EventBusName Principal Statement StatementId",
		"AWS::Events::Rule":                "Description EventBusName EventPattern Name RoleArn ScheduleExpression State Tags Targets",
		"AWS::IAM::ManagedPolicy":          "Description Groups ManagedPolicyName Path PolicyDocument Roles Users",
		"AWS::IAM::OIDCProvider":           "ClientIdList Tags ThumbprintList Url",
		"AWS::IAM::Policy":                 "Groups PolicyDocument PolicyName Roles Users",
		"AWS::IAM::Role":                   "AssumeRolePolicyDocument Description ManagedPolicyArns MaxSessionDuration Path PermissionsBoundary Policies RoleName Tags",
		"AWS::IAM::RolePolicy":             "PolicyDocument PolicyName RoleName",
		"AWS::IAM::SAMLProvider":           "AddPrivateKey AssertionEncryptionMode Name PrivateKeyList RemovePrivateKey SamlMetadataDocument Tags",
		"AWS::KMS::Alias":                  "AliasName TargetKeyId",
		"AWS::KMS::Key":                    "BypassPolicyLockoutSafetyCheck Description EnableKeyRotation Enabled KeyPolicy KeySpec KeyUsage MultiRegion Origin PendingWindowInDays RotationPeriodInDays Tags",
		"AWS::Lambda::Function":            "Architectures CapacityProviderConfig Code CodeSigningConfigArn DeadLetterConfig Description DurableConfig Environment EphemeralStorage FileSystemConfigs FunctionName FunctionScalingConfig Handler ImageConfig KmsKeyArn Layers LoggingConfig MemorySize PackageType PublishToLatestPublished RecursiveLoop ReservedConcurrentExecutions Role Runtime RuntimeManagementConfig SnapStart Tags TenancyConfig Timeout TracingConfig VpcConfig",
		"AWS::Lambda::Permission":          "Action EventSourceToken FunctionName FunctionUrlAuthType InvokedViaFunctionUrl Principal PrincipalOrgID SourceAccount SourceArn",
		"AWS::Logs::LogGroup":              "BearerTokenAuthenticationEnabled DataProtectionPolicy DeletionProtectionEnabled FieldIndexPolicies KmsKeyId LogGroupClass LogGroupName ResourcePolicyDocument RetentionInDays Tags",
		"AWS::Logs::MetricFilter":          "ApplyOnTransformedLogs EmitSystemFieldDimensions FieldSelectionCriteria FilterName FilterPattern LogGroupName MetricTransformations",
		"AWS::Logs::ResourcePolicy":        "PolicyDocument PolicyName",
		"AWS::S3::Bucket":                  "AbacStatus AccelerateConfiguration AccessControl AnalyticsConfigurations BucketEncryption BucketName BucketNamePrefix BucketNamespace CorsConfiguration IntelligentTieringConfigurations InventoryConfigurations LifecycleConfiguration LoggingConfiguration MetadataConfiguration MetadataTableConfiguration MetricsConfigurations NotificationConfiguration ObjectLockConfiguration ObjectLockEnabled OwnershipControls PublicAccessBlockConfiguration ReplicationConfiguration Tags VersioningConfiguration WebsiteConfiguration",
		"AWS::S3::BucketPolicy":            "Bucket PolicyDocument",
		"AWS::SNS::Subscription":           "DeliveryPolicy Endpoint FilterPolicy FilterPolicyScope Protocol RawMessageDelivery RedrivePolicy Region ReplayPolicy SubscriptionRoleArn TopicArn",
		"AWS::SNS::Topic":                  "ArchivePolicy ContentBasedDeduplication DataProtectionPolicy DeliveryStatusLogging DisplayName FifoThroughputScope FifoTopic KmsMasterKeyId SignatureVersion Subscription Tags TopicName TracingConfig",
		"AWS::SNS::TopicPolicy":            "PolicyDocument Topics",
		"AWS::SSM::Document":               "Attachments Content DocumentFormat DocumentType Name Requires Tags TargetType UpdateMethod VersionName",
	} {
		all[kind] = strings.Fields(names)
	}
	return all
})

// nameProperty is the property that names a resource of a type; where it is
// not given CloudFormation makes a name up.
var nameProperty = map[string]string{
	"AWS::IAM::Role": "RoleName", "AWS::IAM::Policy": "PolicyName", "AWS::IAM::RolePolicy": "PolicyName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
	"AWS::IAM::SAMLProvider": "Name", "AWS::Events::Rule": "Name", "AWS::Logs::LogGroup": "LogGroupName", "AWS::Logs::ResourcePolicy": "PolicyName",
	"AWS::Logs::MetricFilter": "FilterName", "AWS::CloudWatch::Alarm": "AlarmName", "AWS::CloudWatch::CompositeAlarm": "AlarmName",
	"AWS::CloudWatch::Dashboard": "DashboardName", "AWS::SNS::Topic": "TopicName", "AWS::CloudTrail::Trail": "TrailName", "AWS::S3::Bucket": "BucketName",
	"AWS::S3::BucketPolicy": "Bucket", "AWS::KMS::Alias": "AliasName", "AWS::Lambda::Function": "FunctionName", "AWS::SSM::Document": "Name",
}

// refIsARN are the types whose Ref is an ARN.
var refIsARN = map[string]bool{"AWS::IAM::ManagedPolicy": true, "AWS::IAM::OIDCProvider": true, "AWS::IAM::SAMLProvider": true, "AWS::SNS::Topic": true}

// physical returns what Ref gives for a resource.
func physical(p Place, r *Resource) string {
	if refIsARN[r.Type] {
		return arnOf(p, r)
	}
	return nameOf(p, r)
}

// nameOf returns a resource's name: the one given, or one made up as
// CloudFormation does, of stack, logical id and what looks random.
func nameOf(p Place, r *Resource) string {
	if s, ok := r.Properties[nameProperty[r.Type]].(string); ok && s != "" {
		return s
	}
	sum := sha256.Sum256([]byte(p.Account + "\x00" + p.Region + "\x00" + p.Stack + "\x00" + r.ID))
	random := hex.EncodeToString(sum[:])
	switch r.Type {
	case "AWS::KMS::Key":
		return strings.Join([]string{random[:8], random[8:12], random[12:16], random[16:20], random[20:32]}, "-")
	case "AWS::S3::Bucket":
		return strings.ToLower(clipped(p.Stack, 24) + "-" + clipped(r.ID, 24) + "-" + random[:12])
	}
	return clipped(p.Stack, 24) + "-" + clipped(r.ID, 24) + "-" + strings.ToUpper(random[:12])
}

func clipped(s string, n int) string { return s[:min(len(s), n)] }

// arnOf returns a resource's ARN, "" if its type has none that is known here.
func arnOf(p Place, r *Resource) string {
	arn := func(service, region, account, rest string) string {
		return "arn:" + p.Partition + ":" + service + ":" + region + ":" + account + ":" + rest
	}
	path, _ := r.Properties["Path"].(string)
	if path == "" {
		path = "/"
	}
	name := nameOf(p, r)
	switch r.Type {
	case "AWS::IAM::Role":
		return arn("iam", "", p.Account, "role"+path+name)
	case "AWS::IAM::ManagedPolicy":
		return arn("iam", "", p.Account, "policy"+path+name)
	case "AWS::IAM::OIDCProvider":
		url, _ := r.Properties["Url"].(string)
		return arn("iam", "", p.Account, "oidc-provider/"+strings.TrimPrefix(url, scheme))
	case "AWS::IAM::SAMLProvider":
		return arn("iam", "", p.Account, "saml-provider/"+name)
	case "AWS::Events::Rule":
		if bus, ok := r.Properties["EventBusName"].(string); ok && bus != "default" {
			name = bus[strings.LastIndex(bus, "/")+1:] + "/" + name
		}
		return arn("events", p.Region, p.Account, "rule/"+name)
	case "AWS::Logs::LogGroup":
		return arn("logs", p.Region, p.Account, "log-group:"+name+":*")
	case "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm":
		return arn("cloudwatch", p.Region, p.Account, "alarm:"+name)
	case "AWS::CloudWatch::Dashboard":
		return arn("cloudwatch", "", p.Account, "dashboard/"+name)
	case "AWS::SNS::Topic":
		return arn("sns", p.Region, p.Account, name)
	case "AWS::CloudTrail::Trail":
		return arn("cloudtrail", p.Region, p.Account, "trail/"+name)
	case "AWS::S3::Bucket":
		return arn("s3", "", "", name)
	case "AWS::KMS::Key":
		return arn("kms", p.Region, p.Account, "key/"+name)
	case "AWS::Lambda::Function":
		return arn("lambda", p.Region, p.Account, "function:"+name)
	case "AWS::SSM::Document":
		return arn("ssm", p.Region, p.Account, "document/"+name)
	}
	return ""
}

// attribute returns what Fn::GetAtt gives, false if that is not known here.
func attribute(p Place, r *Resource, name string) (string, bool) {
	switch r.Type + "." + name {
	case "AWS::SNS::Topic.TopicArn", "AWS::IAM::ManagedPolicy.PolicyArn", "AWS::IAM::OIDCProvider.Arn", "AWS::IAM::SAMLProvider.Arn":
		return arnOf(p, r), true
	case "AWS::SNS::Topic.TopicName":
		return nameOf(p, r), true
	case "AWS::KMS::Key.KeyId":
		return r.Physical, true
	case "AWS::IAM::Role.RoleId":
		return "AROA" + strings.ToUpper(digest(arnOf(p, r))[:17]), true
	case "AWS::IAM::ManagedPolicy.Arn", "AWS::SNS::Topic.Arn", "AWS::SSM::Document.Arn", "AWS::CloudWatch::Dashboard.Arn":
		return "", false // CloudFormation has no such attribute
	}
	if name != "Arn" {
		return "", false
	}
	arn := arnOf(p, r)
	return arn, arn != ""
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// stackARN is the id of a stack; its last part is random in AWS.
func stackARN(p Place) string {
	h := digest(p.Account + "/" + p.Region + "/" + p.Stack)
	return "arn:" + p.Partition + ":cloudformation:" + p.Region + ":" + p.Account + ":stack/" + p.Stack + "/" +
		strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:32]}, "-")
}

// suffix is the domain of a partition's services.
func suffix(partition string) string {
	switch partition {
	case "aws-cn":
		return "amazonaws.com.cn"
	case "aws-eusc":
		return "amazonaws.eu"
	}
	return "amazonaws.com"
}
