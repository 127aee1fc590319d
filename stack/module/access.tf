# ACCESS: who gets in, how, and what they may do once they are.
#
# brevet has no credential in this account. It can begin sessions of the roles
# below and of no others, each under every condition of the role's trust
# policy. You may read, change, freeze and delete everything here.

data "aws_caller_identity" "here" {}

data "aws_partition" "here" {}

data "aws_region" "here" {}

locals {
  account   = data.aws_caller_identity.here.account_id
  partition = data.aws_partition.here.partition
  region    = data.aws_region.here.name
  contract  = "@contract@"

  # The roles below, by brevet's names for them.
  roles = {
    @roleMap@
  }

  # What broker_cidrs adds to the conditions of every trust policy.
  from_broker = { for operator, keys in { IpAddress = { "aws:SourceIp" = var.broker_cidrs } } : operator => keys if length(var.broker_cidrs) > 0 }

  # What freeze makes of the effect of every trust policy.
  entry = var.freeze ? "Deny" : "Allow"
}

@oidc@# --- the way in -------------------------------------------------------------
@oidc@
@oidc@# Knows this customer's own issuer, whose keys sign for no other customer. The
@oidc@# audience belongs to this very account.
@oidc@resource "aws_iam_openid_connect_provider" "brevet" {
@oidc@  url            = @issuer@
@oidc@  client_id_list = [var.audience]
@oidc@
@oidc@  lifecycle {
@oidc@    precondition {
@oidc@      condition     = startswith(var.audience, "brevet:${local.account}:")
@oidc@      error_message = "The audience is another account's. Each account has its own; brevet stack terraform --account writes it."
@oidc@    }
@oidc@  }
@oidc@}
@oidc@
@offline@# --- the way in when brevet is gone ------------------------------------------
@offline@
@offline@# A second issuer, whose key lies in no server: several people have to come
@offline@# together to sign with it. Only roles that are offline trust it, only with
@offline@# brevet-mfa=breakglass, for an hour; each such session is told by mail.
@offline@resource "aws_iam_openid_connect_provider" "offline" {
@offline@  url            = @offlineIssuer@
@offline@  client_id_list = [var.audience]
@offline@}
@offline@
# --- the roles --------------------------------------------------------------

@roleResources@

# --- what no session may do -------------------------------------------------

resource "aws_iam_policy" "boundary" {
  name        = @boundaryName@
  description = "What no session of brevet's roles may do"
  policy = jsonencode({
    @boundary@
  })
}

# Ends sessions that are under way: entry is closed by the trust policies.
resource "aws_iam_role_policy" "frozen" {
  for_each = { for role, name in local.roles : role => name if var.freeze }

  name = "@prefix@Frozen"
  role = each.value
  policy = jsonencode({
    @frozen@
  })
}

resource "aws_iam_role_policy" "deny_prod" {
  for_each = { for role, name in local.roles : role => name if lookup(var.deny_prod, role, false) }

  name = "@prefix@DenyProd"
  role = each.value
  policy = jsonencode({
    @denyProd@
  })
}

@data@resource "aws_iam_role_policy" "data_guard" {
@data@  name = "@prefix@DataOnly"
@data@  role = aws_iam_role.Data.name
@data@  policy = jsonencode({
@data@    @dataGuard@
@data@  })
@data@}
@data@
# --- shells -----------------------------------------------------------------

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
