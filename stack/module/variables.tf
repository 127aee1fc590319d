# --- the way in -------------------------------------------------------------

@oidc@variable "audience" {
@oidc@  description = "What a token for this very account must say. It is random and belongs to one account."
@oidc@  type        = string
@oidc@  default     = @audience@
@oidc@
@oidc@  validation {
@oidc@    condition     = can(regex("^brevet:[0-9]{12}:[a-z2-7]{26}$", var.audience))
@oidc@    error_message = "audience is brevet:, the account's number, a colon and 26 characters of a-z and 2-7."
@oidc@  }
@oidc@}
@broker@variable "external_id" {
@broker@  description = "What the broker must say to enter. It is this customer's alone, and no secret."
@broker@  type        = string
@broker@  default     = @externalID@
@broker@
@broker@  validation {
@broker@    condition     = can(regex("^[a-z2-7]{26}$", var.external_id))
@broker@    error_message = "external_id is 26 characters of a-z and 2-7."
@broker@  }
@broker@}
@broker@
@broker@variable "broker_role_arn" {
@broker@  description = "The broker's own role, the only one that may enter."
@broker@  type        = string
@broker@  default     = @brokerARN@
@broker@
@broker@  validation {
@broker@    condition     = can(regex("^arn:aws[a-z-]*:iam::@brokerAccount@:role/[A-Za-z0-9+=,.@_/-]+$", var.broker_role_arn))
@broker@    error_message = "broker_role_arn is the ARN of a role in account @brokerAccount@."
@broker@  }
@broker@}

variable "broker_cidrs" {
  description = "If not empty: the only addresses from which our roles may be entered, as CIDR blocks. A stolen key is then of no use elsewhere.@cidrNote@"
  type        = list(string)
  default     = @egress@

  validation {
    condition     = alltrue([for c in var.broker_cidrs : can(cidrnetmask(c)) || can(regex("^[0-9a-fA-F:]+/[0-9]{1,3}$", c))])
    error_message = "broker_cidrs are CIDR blocks, such as 203.0.113.7/32 or 2001:db8::/64."
  }
}

variable "freeze" {
  description = "true: nobody enters any of our roles, and sessions that are under way may do nothing. No need to ask anybody."
  type        = bool
  default     = false
}

variable "deny_prod" {
  description = "Roles that must keep off whatever is tagged env-prod=true: { Admin = true }."
  type        = map(bool)
  default     = {}

  validation {
    condition     = alltrue([for role in keys(var.deny_prod) : contains(@roleNames@, role)])
    error_message = "deny_prod knows only these roles: @roleList@."
  }
}

variable "workload_path" {
  description = "Path of the roles that ours may hand to services, assume or change."
  type        = string
  default     = "/workload/"

  validation {
    condition     = can(regex("^/([A-Za-z0-9+=,.@_-]+/)+$", var.workload_path))
    error_message = "workload_path begins and ends with a slash and is not / alone, such as /workload/."
  }
}

variable "revoker" {
  description = "true: also make the function with which brevet cuts off single grants before their end."
  type        = bool
  default     = false
}

variable "shell_idle_minutes" {
  description = "A shell that is idle so long is closed."
  type        = number
  default     = 20

  validation {
    condition     = var.shell_idle_minutes >= 1 && var.shell_idle_minutes <= 60 && floor(var.shell_idle_minutes) == var.shell_idle_minutes
    error_message = "shell_idle_minutes is a whole number from 1 to 60."
  }
}

variable "shell_max_minutes" {
  description = "A shell is closed after so long in any case."
  type        = number
  default     = 60

  validation {
    condition     = var.shell_max_minutes >= 1 && var.shell_max_minutes <= 1440 && floor(var.shell_max_minutes) == var.shell_max_minutes
    error_message = "shell_max_minutes is a whole number from 1 to 1440."
  }
}

# --- the record -------------------------------------------------------------

variable "log_group_name" {
  description = "The log group that holds the record."
  type        = string
  default     = @logGroup@

  validation {
    condition     = can(regex("^[A-Za-z0-9_/.#-]{1,512}$", var.log_group_name))
    error_message = "log_group_name is 1 to 512 letters, digits and _ / . # -."
  }
}

variable "retention_days" {
  description = "How many days the record is kept."
  type        = number
  default     = 365

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.retention_days)
    error_message = "retention_days is one of the numbers that CloudWatch Logs knows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

variable "keep_record" {
  description = "true: terraform destroy leaves the log group, and does not empty the trail's bucket."
  type        = bool
  default     = true
}

variable "create_trail" {
  description = "true: make a CloudTrail trail. Without any trail EventBridge is told nothing, so say true unless the account has one that covers all regions."
  type        = bool
  default     = false
}

@data@variable "data_trail" {
@data@  description = "true: also record which S3 objects sessions of @prefix@Data read and write. Needs create_trail."
@data@  type        = bool
@data@  default     = false
@data@
@data@  validation {
@data@    condition     = !var.data_trail || var.create_trail
@data@    error_message = "data_trail needs create_trail."
@data@  }
@data@}
@data@
# --- alarms -----------------------------------------------------------------

variable "security_contact" {
  description = "Who is mailed about alarms and each Admin session; AWS sends a message to confirm first. Empty: nobody."
  type        = string
  default     = @contact@

  validation {
    condition     = var.security_contact == "" || can(regex("^[^@\\s<>]+@[^@\\s<>]+\\.[^@\\s<>]+$", var.security_contact))
    error_message = "security_contact is one e-mail address, or nothing."
  }
}

variable "denied_threshold" {
  description = "So many refused calls within five minutes raise the alarm @prefix@denied."
  type        = number
  default     = 20

  validation {
    condition     = var.denied_threshold >= 1
    error_message = "denied_threshold is at least 1."
  }
}

variable "after_hours_from" {
  description = "The hour (UTC) from which work counts as after hours on the dashboard."
  type        = number
  default     = 19

  validation {
    condition     = var.after_hours_from >= 0 && var.after_hours_from <= 23 && floor(var.after_hours_from) == var.after_hours_from
    error_message = "after_hours_from is a whole hour from 0 to 23."
  }
}

variable "after_hours_to" {
  description = "The hour (UTC) at which that ends."
  type        = number
  default     = 7

  validation {
    condition     = var.after_hours_to >= 0 && var.after_hours_to <= 23 && floor(var.after_hours_to) == var.after_hours_to
    error_message = "after_hours_to is a whole hour from 0 to 23."
  }
}
