output "contract" {
  description = "Version of what brevet and this module have agreed on."
  value       = local.contract
}

output "role_arns" {
  description = "The roles, by brevet's names for them."
  value       = { for role, name in local.roles : role => "arn:${local.partition}:iam::${local.account}:role/${name}" }
}

@oidc@output "provider_arn" {
@oidc@  description = "The OIDC provider."
@oidc@  value       = aws_iam_openid_connect_provider.brevet.arn
@oidc@}
@oidc@
@offline@output "offline_provider_arn" {
@offline@  description = "The OIDC provider that stands for the offline issuer."
@offline@  value       = aws_iam_openid_connect_provider.offline.arn
@offline@}
@offline@
output "boundary_arn" {
  description = "Permissions boundary that principals which our roles make must have."
  value       = aws_iam_policy.boundary.arn
}

output "log_group" {
  description = "The record."
  value       = aws_cloudwatch_log_group.record.name
}

output "alerts_arn" {
  description = "Where alarms are published; subscribe what you like."
  value       = aws_sns_topic.alerts.arn
}

output "dashboard_url" {
  description = "The dashboard."
  value       = "https://@console@/cloudwatch/home?region=${local.region}#dashboards/dashboard/${aws_cloudwatch_dashboard.access.dashboard_name}"
}

output "forward_role_arn" {
  description = "What the rules of forward/ use."
  value       = aws_iam_role.forward.arn
}
