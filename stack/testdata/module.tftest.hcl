# What the module's variables refuse, and what freezing does, with a mocked AWS:
# terraform test.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
}

run "as_it_comes" {
  command = plan

  assert {
    condition     = jsondecode(aws_iam_role.Admin.assume_role_policy).Statement[0].Effect == "Allow" && length(aws_iam_role_policy.frozen) == 0
    error_message = "entry is not open"
  }

  assert {
    condition     = !can(jsondecode(aws_iam_role.Admin.assume_role_policy).Statement[0].Condition.IpAddress)
    error_message = "addresses are asked for though none are given"
  }

  assert {
    condition     = length(aws_lambda_function.revoker) + length(aws_cloudtrail.trail) + length(aws_iam_role_policy.deny_prod) == 0
    error_message = "something is made that was not asked for"
  }
}

run "frozen" {
  command = plan

  variables {
    freeze       = true
    revoker      = true
    broker_cidrs = ["203.0.113.7/32", "2001:db8::/64"]
    deny_prod    = { Admin = true, SRE = false }
  }

  assert {
    condition     = alltrue([for r in [aws_iam_role.ReadOnly, aws_iam_role.Security, aws_iam_role.SRE, aws_iam_role.DevOps, aws_iam_role.Data, aws_iam_role.Admin, aws_iam_role.revoke[0]] : jsondecode(r.assume_role_policy).Statement[0].Effect == "Deny"])
    error_message = "entry is open"
  }

  assert {
    condition     = length(aws_iam_role_policy.frozen) == 6 && keys(aws_iam_role_policy.deny_prod) == ["Admin"]
    error_message = "the wrong roles are bound"
  }

  assert {
    condition     = jsondecode(aws_iam_role.Admin.assume_role_policy).Statement[0].Condition.IpAddress["aws:SourceIp"] == ["203.0.113.7/32", "2001:db8::/64"]
    error_message = "the addresses are not asked for"
  }
}

run "no_mail" {
  command = plan

  variables {
    security_contact = ""
  }

  assert {
    condition     = length(aws_sns_topic_subscription.contact) == 0
    error_message = "nobody is subscribed where nobody is named"
  }
}

run "trail" {
  command = plan

  variables {
    create_trail = true
    data_trail   = true
    keep_record  = false
  }

  assert {
    condition     = [for s in aws_cloudtrail.trail[0].advanced_event_selector : s.name] == ["management", "objects-of-data"]
    error_message = "the trail records something else"
  }

  assert {
    condition     = aws_s3_bucket.trail[0].bucket == "brevet-trail-111122223333-eu-west-1" && aws_s3_bucket.trail[0].force_destroy && !aws_cloudwatch_log_group.record.skip_destroy
    error_message = "the record outlives terraform destroy"
  }
}

run "another_accounts_audience" {
  command = plan

  variables {
    audience = "brevet:444455556666:abcdefghijklmnopqrstuvwxyz"
  }

  expect_failures = [aws_iam_openid_connect_provider.brevet]
}

run "bad_values" {
  command = plan

  variables {
    audience           = "brevet"
    broker_cidrs       = ["everywhere"]
    deny_prod          = { Nobody = true }
    workload_path      = "/"
    log_group_name     = "a b"
    retention_days     = 2
    security_contact   = "security"
    data_trail         = true
    shell_idle_minutes = 0
    shell_max_minutes  = 1.5
    denied_threshold   = 0
    after_hours_from   = 24
    after_hours_to     = -1
  }

  expect_failures = [
    var.audience, var.broker_cidrs, var.deny_prod, var.workload_path, var.log_group_name, var.retention_days, var.security_contact,
    var.data_trail, var.shell_idle_minutes, var.shell_max_minutes, var.denied_threshold, var.after_hours_from, var.after_hours_to,
  ]
}
