# FORWARD: brings what brevet's roles do in one other region to the record.
#
# Use it once for every region that is in use except the home region (@home@)@andGlobal@.
# IAM and other global services report in @global@ only.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "home_region" {
  description = "The region of the module above this one."
  type        = string
  default     = "@home@"
}

variable "log_group_name" {
  description = "The log group for shells in this region; the same name as above."
  type        = string
  default     = @logGroup@
}

variable "retention_days" {
  description = "How many days that log is kept."
  type        = number
  default     = 365
}

variable "keep_record" {
  description = "true: terraform destroy leaves the log group."
  type        = bool
  default     = true
}

variable "shell_idle_minutes" {
  description = "A shell that is idle so long is closed."
  type        = number
  default     = 20
}

variable "shell_max_minutes" {
  description = "A shell is closed after so long in any case."
  type        = number
  default     = 60
}

data "aws_caller_identity" "here" {}

data "aws_partition" "here" {}

data "aws_region" "here" {}

locals {
  account   = data.aws_caller_identity.here.account_id
  partition = data.aws_partition.here.partition
  region    = data.aws_region.here.name
  home_bus  = "arn:${local.partition}:events:${var.home_region}:${local.account}:event-bus/default"
  role      = "arn:${local.partition}:iam::${local.account}:role/@prefix@Forward"
}

# "region" admits what happened here: what another region forwards is never
# passed on once more.
resource "aws_cloudwatch_event_rule" "calls" {
  name        = "@prefix@calls"
  description = "What sessions of brevet's roles do, forwarded to the home region"
  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({
    @callsPattern@
  })

  lifecycle {
    precondition {
      condition     = local.region != var.home_region
      error_message = "This is the home region, which the module above serves; forwarding here would send events round in a circle."
    }
  }
}

resource "aws_cloudwatch_event_target" "calls" {
  rule      = aws_cloudwatch_event_rule.calls.name
  target_id = "home"
  arn       = local.home_bus
  role_arn  = local.role
}

resource "aws_cloudwatch_event_rule" "entries" {
  name        = "@prefix@entries"
  description = "Attempts to enter brevet's roles, forwarded to the home region"
  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({
    @entriesPattern@
  })
}

resource "aws_cloudwatch_event_target" "entries" {
  rule      = aws_cloudwatch_event_rule.entries.name
  target_id = "home"
  arn       = local.home_bus
  role_arn  = local.role
}

resource "aws_cloudwatch_log_group" "shell" {
  name              = var.log_group_name
  retention_in_days = var.retention_days
  skip_destroy      = var.keep_record
}

# The one document with which our roles may open a shell: no port is forwarded,
# what is typed is logged, and it ends.
resource "aws_ssm_document" "shell" {
  name            = @shell@
  document_type   = "Session"
  document_format = "JSON"
  content = jsonencode({
    schemaVersion = "1.0"
    description   = "Shells of brevet's roles, recorded and limited"
    sessionType   = "Standard_Stream"
    inputs = {
      cloudWatchLogGroupName      = var.log_group_name
      cloudWatchEncryptionEnabled = false
      cloudWatchStreamingEnabled  = true
      idleSessionTimeout          = tostring(var.shell_idle_minutes)
      maxSessionDuration          = tostring(var.shell_max_minutes)
      runAsEnabled                = false
    }
  })
}
