# REVOKER (revoker = true): a small function that takes rights from sessions
# that run, and can do nothing else.
#
# IAM evaluates rights at every call, so a Deny ends a session that is under
# way. But it cannot see what somebody writes into a policy: who may write this
# one could write anything. So brevet may write none. It may call this function,
# which takes the ids of grants and adds a Deny for each. revoker.py is its
# text; revoker.zip is the same text as Lambda wants it.

locals {
  revokers = var.revoker ? 1 : 0
}

# The list of what is revoked. The function owns its text: Terraform makes it
# and then leaves it alone.
resource "aws_iam_policy" "revocations" {
  count = local.revokers

  name        = "@prefix@Revocations"
  description = "Refuses everything to sessions of revoked grants"
  policy = jsonencode({
    @revocations@
  })

  lifecycle {
    ignore_changes = [policy]
  }
}

resource "aws_iam_role_policy_attachment" "revocations" {
  for_each = { for role, name in local.roles : role => name if var.revoker }

  role       = each.value
  policy_arn = aws_iam_policy.revocations[0].arn
}

resource "aws_lambda_function" "revoker" {
  count = local.revokers

  function_name                  = "@prefix@Revoker"
  description                    = "Adds a Deny for each grant id that it is given"
  filename                       = "${path.module}/revoker.zip"
  source_code_hash               = filebase64sha256("${path.module}/revoker.zip")
  runtime                        = "python3.13"
  handler                        = "index.handler"
  timeout                        = 30
  reserved_concurrent_executions = 1 # one at a time, so that none overwrites another's entry
  role                           = aws_iam_role.revoker[0].arn
  depends_on                     = [aws_iam_role_policy.revoker]

  environment {
    variables = { POLICY = aws_iam_policy.revocations[0].arn }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.revoker[0].name
  }
}

resource "aws_cloudwatch_log_group" "revoker" {
  count = local.revokers

  name              = "@prefix@Revoker"
  retention_in_days = 365
}

# What the function runs as: it may change that one policy.
resource "aws_iam_role" "revoker" {
  count = local.revokers

  name                  = "@prefix@Revoker"
  force_detach_policies = true
  assume_role_policy = jsonencode({
    @revokerTrust@
  })
}

resource "aws_iam_role_policy" "revoker" {
  count = local.revokers

  name = "Revoke"
  role = aws_iam_role.revoker[0].name
  policy = jsonencode({
    @revokerPolicy@
  })
}

# What brevet is when it revokes: it may call the function.
resource "aws_iam_role" "revoke" {
  count = local.revokers

  name                  = "@prefix@Revoke"
  description           = "brevet calls the revoker with it"
  max_session_duration  = 3600
  force_detach_policies = true
  assume_role_policy = jsonencode({
    @revokeTrust@
  })
}

resource "aws_iam_role_policy" "revoke" {
  count = local.revokers

  name = "Call"
  role = aws_iam_role.revoke[0].name
  policy = jsonencode({
    @revokePolicy@
  })
}
