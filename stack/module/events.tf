# EVENTS: what our roles do in this account, recorded, watched and told.
#
# EventBridge sees only the region that it runs in. This is for the home region
# (@home@); use the module in forward/ in every other region that is in
# use@andGlobal@.

# --- the record -------------------------------------------------------------

resource "aws_cloudwatch_log_group" "record" {
  name              = var.log_group_name
  retention_in_days = var.retention_days
  skip_destroy      = var.keep_record
}

# Lets EventBridge write into the log group, for these two rules alone. An
# account may have ten such policies in a region.
resource "aws_cloudwatch_log_resource_policy" "events" {
  policy_name = "@prefix@events"
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "EventBridgeOpensStreams"
        Effect    = "Allow"
        Principal = { Service = ["events.amazonaws.com", "delivery.logs.amazonaws.com"] }
        Action    = "logs:CreateLogStream"
        Resource  = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${var.log_group_name}:*"
      },
      {
        Sid       = "EventBridgeWrites"
        Effect    = "Allow"
        Principal = { Service = ["events.amazonaws.com", "delivery.logs.amazonaws.com"] }
        Action    = "logs:PutLogEvents"
        Resource  = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${var.log_group_name}:*"
        Condition = {
          ArnEquals = {
            "aws:SourceArn" = [
              "arn:${local.partition}:events:${local.region}:${local.account}:rule/@prefix@calls",
              "arn:${local.partition}:events:${local.region}:${local.account}:rule/@prefix@entries",
            ]
          }
        }
      },
    ]
  })
}

# Every call of a session of our roles in this account: read-only ones too,
# refused ones too, calls of the console, sign-ins to it. Events that another
# region forwards keep their region and arrive here as well.
resource "aws_cloudwatch_event_rule" "calls" {
  name        = "@prefix@calls"
  description = "What sessions of brevet's roles do"
  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({
    @callsPattern@
  })
}

resource "aws_cloudwatch_event_target" "calls" {
  rule       = aws_cloudwatch_event_rule.calls.name
  target_id  = "log"
  arn        = aws_cloudwatch_log_group.record.arn
  depends_on = [aws_cloudwatch_log_resource_policy.events]
}

# Every attempt to enter one of our roles, by whomever, also when refused. What
# our own sessions try is in the rule above already.
resource "aws_cloudwatch_event_rule" "entries" {
  name        = "@prefix@entries"
  description = "Attempts to enter brevet's roles"
  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({
    @entriesPattern@
  })
}

resource "aws_cloudwatch_event_target" "entries" {
  rule       = aws_cloudwatch_event_rule.entries.name
  target_id  = "log"
  arn        = aws_cloudwatch_log_group.record.arn
  depends_on = [aws_cloudwatch_log_resource_policy.events]
}

# Used by the rules of forward/ in the other regions: may put events onto this
# region's default bus, and nothing else.
resource "aws_iam_role" "forward" {
  name                  = "@prefix@Forward"
  description           = "Carries events of brevet's roles to the home region"
  force_detach_policies = true
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sts:AssumeRole"
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnLike = {
            "aws:SourceArn" = [
              "arn:${local.partition}:events:*:${local.account}:rule/@prefix@calls",
              "arn:${local.partition}:events:*:${local.account}:rule/@prefix@entries",
            ]
          }
        }
      },
    ]
  })
}

resource "aws_iam_role_policy" "forward" {
  name = "forward"
  role = aws_iam_role.forward.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "events:PutEvents"
        Resource = "arn:${local.partition}:events:${local.region}:${local.account}:event-bus/default"
      },
    ]
  })
}

# --- who is told ------------------------------------------------------------

# Not encrypted with a key: with AWS's own, neither EventBridge nor CloudWatch
# could publish.
resource "aws_sns_topic" "alerts" {
  name         = "@prefix@alerts"
  display_name = "brevet alerts"
}

resource "aws_sns_topic_policy" "alerts" {
  arn = aws_sns_topic.alerts.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "RulesAndAlarmsOfThisAccountPublish"
        Effect    = "Allow"
        Principal = { Service = ["events.amazonaws.com", "cloudwatch.amazonaws.com"] }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alerts.arn
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "contact" {
  count = var.security_contact == "" ? 0 : 1

  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = var.security_contact
}

@admin@# Mails each session of @prefix@Admin as it begins: who, when, where, from which
@admin@# address, under which grant.
@admin@resource "aws_cloudwatch_event_rule" "admin" {
@admin@  name        = "@prefix@admin"
@admin@  description = "Each session of @prefix@Admin, by mail"
@admin@  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
@admin@  event_pattern = jsonencode({
@admin@    @adminPattern@
@admin@  })
@admin@}
@admin@
@admin@resource "aws_cloudwatch_event_target" "admin" {
@admin@  rule       = aws_cloudwatch_event_rule.admin.name
@admin@  target_id  = "mail"
@admin@  arn        = aws_sns_topic.alerts.arn
@admin@  depends_on = [aws_sns_topic_policy.alerts]
@admin@
@admin@  input_transformer {
@admin@    input_paths = {
@admin@      who     = "$.detail.requestParameters.sourceIdentity"
@admin@      when    = "$.detail.eventTime"
@admin@      account = "$.account"
@admin@      region  = "$.detail.awsRegion"
@admin@      role    = "$.detail.requestParameters.roleArn"
@admin@      address = "$.detail.sourceIPAddress"
@admin@      grant   = "@grantPath@"
@admin@      session = "$.detail.requestParameters.roleSessionName"
@admin@      event   = "$.detail.eventID"
@admin@    }
@admin@    input_template = <<-EOT
@admin@      "A session with administrator rights has begun in account <account>."
@admin@      " "
@admin@      "Who:     <who>"
@admin@      "When:    <when> (UTC)"
@admin@      "Account: <account>, <region>"
@admin@      "Role:    <role>"
@admin@      "From:    <address> (the broker's address; what the session does comes from the engineer's)"
@admin@      "Grant:   <grant>"
@admin@      "Session: <session>"
@admin@      "Event:   <event>"
@admin@      " "
@admin@      "If nobody should be there: apply with freeze = true. It ends entry and live sessions."
@admin@    EOT
@admin@  }
@admin@}
@admin@
@emergency@# Mails each session that an emergency opened as it begins, whether brevet told
@emergency@# you of it or not: it does not depend on anything of brevet's.
@emergency@resource "aws_cloudwatch_event_rule" "emergency" {
@emergency@  name        = "@prefix@emergency"
@emergency@  description = "Each session that an emergency opened, by mail"
@emergency@  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
@emergency@  event_pattern = jsonencode({
@emergency@    @emergencyPattern@
@emergency@  })
@emergency@}
@emergency@
@emergency@resource "aws_cloudwatch_event_target" "emergency" {
@emergency@  rule       = aws_cloudwatch_event_rule.emergency.name
@emergency@  target_id  = "mail"
@emergency@  arn        = aws_sns_topic.alerts.arn
@emergency@  depends_on = [aws_sns_topic_policy.alerts]
@emergency@
@emergency@  input_transformer {
@emergency@    input_paths = {
@emergency@      who     = "$.detail.requestParameters.sourceIdentity"
@emergency@      when    = "$.detail.eventTime"
@emergency@      account = "$.account"
@emergency@      region  = "$.detail.awsRegion"
@emergency@      role    = "$.detail.requestParameters.roleArn"
@emergency@      address = "$.detail.sourceIPAddress"
@emergency@      grant   = "@grantPath@"
@emergency@      session = "$.detail.requestParameters.roleSessionName"
@emergency@      event   = "$.detail.eventID"
@emergency@    }
@emergency@    input_template = <<-EOT
@emergency@      "A session that an emergency opened has begun in account <account>. Nobody approved it beforehand."
@emergency@      " "
@emergency@      "Who:     <who>"
@emergency@      "When:    <when> (UTC)"
@emergency@      "Account: <account>, <region>"
@emergency@      "Role:    <role>"
@emergency@      "From:    <address> (the broker's address, or the engineer's own if the role is offline)"
@emergency@      "Grant:   <grant>"
@emergency@      "Session: <session>"
@emergency@      "Event:   <event>"
@emergency@      " "
@emergency@      "If nobody should be there: apply with freeze = true. It ends entry and live sessions."
@emergency@    EOT
@emergency@  }
@emergency@}
@emergency@
# --- counts, made from the log, and alarms ----------------------------------

locals {
  # What is counted, by the name of its metric.
  counts = {
    @counts@
  }

  # What is told when it comes so often within so many seconds.
  alarms = {
    @alarms@
  }
}

resource "aws_cloudwatch_log_metric_filter" "count" {
  for_each = local.counts

  name           = "@prefix@${each.key}"
  log_group_name = aws_cloudwatch_log_group.record.name
  pattern        = each.value

  metric_transformation {
    namespace     = "@namespace@"
    name          = each.key
    value         = "1"
    default_value = "0"
    unit          = "Count"
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = local.alarms

  alarm_name          = "@prefix@${each.key}"
  alarm_description   = each.value.about
  alarm_actions       = [aws_sns_topic.alerts.arn]
  namespace           = "@namespace@"
  metric_name         = each.value.metric
  statistic           = "Sum"
  period              = each.value.seconds
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
}

# Learns for two weeks.
resource "aws_cloudwatch_metric_alarm" "unusual" {
  alarm_name          = "@prefix@@anomalyName@"
  alarm_description   = @anomalyAbout@
  alarm_actions       = [aws_sns_topic.alerts.arn]
  evaluation_periods  = 1
  comparison_operator = "GreaterThanUpperThreshold"
  threshold_metric_id = "usual"
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "calls"
    return_data = true

    metric {
      namespace   = "@namespace@"
      metric_name = "@anomalyMetric@"
      period      = @anomalyPeriod@
      stat        = "Sum"
    }
  }

  metric_query {
    id          = "usual"
    expression  = "@anomalyBand@"
    label       = "usual"
    return_data = true
  }
}

# --- dashboard --------------------------------------------------------------

resource "aws_cloudwatch_dashboard" "access" {
  dashboard_name = "@prefix@access"
  dashboard_body = <<-EOT
    @dashboard@
  EOT
}
