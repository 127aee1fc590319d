#!/bin/sh
# Deletes brevet's stacks from the account that your credentials are for.
# Say REGIONS="eu-west-3 …" for those in which you have deployed events-forward@besides@.
set -eu
home=@home@ prefix=@prefix@ regions="@forwardRegions@${REGIONS:-}"
account=$(aws sts get-caller-identity --query Account --output text)
[ "$account" = @account@ ] || { echo "these credentials are for $account, not @account@" >&2; exit 1; }

# Who has our boundary, and is not ours? Without it they may do all that their
# policies say, so that is for you to decide.
boundary="@boundaryARN@"
if aws iam get-policy --policy-arn "$boundary" >/dev/null 2>&1; then
  for kind in Role User; do
    for name in $(aws iam list-entities-for-policy --policy-arn "$boundary" --policy-usage-filter PermissionsBoundary \
        --query "Policy${kind}s[].${kind}Name" --output text); do
      case "$name" in "$prefix"*|None) continue ;; esac
      if [ "${UNBOUND:-no}" = yes ]; then
        case $kind in
          Role) aws iam delete-role-permissions-boundary --role-name "$name" ;;
          User) aws iam delete-user-permissions-boundary --user-name "$name" ;;
        esac
      else
        echo "$kind $name has the boundary: delete it, or run this with UNBOUND=yes to take the boundary off" >&2
        stop=yes
      fi
    done
  done
  [ "${stop:-no}" = no ] || exit 1
fi

# What was put onto our roles, by us or by others.
for role in @roleNames@ Revoke Revoker; do
  name=$prefix$role
  inline=$(aws iam list-role-policies --role-name "$name" --query 'PolicyNames[]' --output text 2>/dev/null) || continue
  for p in $inline; do
    [ "$p" = None ] || aws iam delete-role-policy --role-name "$name" --policy-name "$p"
  done
  for p in $(aws iam list-attached-role-policies --role-name "$name" --query 'AttachedPolicies[].PolicyArn' --output text); do
    [ "$p" = None ] || aws iam detach-role-policy --role-name "$name" --policy-arn "$p"
  done
  for p in $(aws iam list-instance-profiles-for-role --role-name "$name" --query 'InstanceProfiles[].InstanceProfileName' --output text); do
    [ "$p" = None ] || aws iam remove-role-from-instance-profile --role-name "$name" --instance-profile-name "$p"
  done
done

# To whom our policies were attached, and their older versions.
for policy in Boundary Revocations; do
  arn="@policyARN@$policy"
  roles=$(aws iam list-entities-for-policy --policy-arn "$arn" --policy-usage-filter PermissionsPolicy --query 'PolicyRoles[].RoleName' --output text 2>/dev/null) || continue
  for n in $roles; do
    [ "$n" = None ] || aws iam detach-role-policy --role-name "$n" --policy-arn "$arn"
  done
  for n in $(aws iam list-entities-for-policy --policy-arn "$arn" --policy-usage-filter PermissionsPolicy --query 'PolicyUsers[].UserName' --output text); do
    [ "$n" = None ] || aws iam detach-user-policy --user-name "$n" --policy-arn "$arn"
  done
  for n in $(aws iam list-entities-for-policy --policy-arn "$arn" --policy-usage-filter PermissionsPolicy --query 'PolicyGroups[].GroupName' --output text); do
    [ "$n" = None ] || aws iam detach-group-policy --group-name "$n" --policy-arn "$arn"
  done
  for v in $(aws iam list-policy-versions --policy-arn "$arn" --query 'Versions[?!IsDefaultVersion].VersionId' --output text); do
    [ "$v" = None ] || aws iam delete-policy-version --policy-arn "$arn" --version-id "$v"
  done
done

# The stacks: the way in first, the record last.
end() {
  aws cloudformation describe-stacks --region "$1" --stack-name "$2" >/dev/null 2>&1 || return 0
  aws cloudformation update-termination-protection --region "$1" --stack-name "$2" --no-enable-termination-protection >/dev/null 2>&1 || true
  aws cloudformation delete-stack --region "$1" --stack-name "$2"
  aws cloudformation wait stack-delete-complete --region "$1" --stack-name "$2"
  echo "$2 in $1 is deleted"
}
end "$home" "${prefix}access"
for region in $regions; do end "$region" "${prefix}events-forward"; done
end "$home" "${prefix}events"
