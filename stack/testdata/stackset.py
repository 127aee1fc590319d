"""Deploys a template as a StackSet into two accounts of moto, each with its own
audience, and prints the roles' trust policies by account.

Argument: the template's file. Input: {account name: audience}. Output, as JSON:
{account name: {"id": number, "roles": {role: trust policy}}}
"""
import json, os, sys

os.environ.update(AWS_ACCESS_KEY_ID="moto", AWS_SECRET_ACCESS_KEY="moto", AWS_DEFAULT_REGION="eu-west-1")
import boto3
from moto import mock_aws

audiences = json.load(sys.stdin)
with open(sys.argv[1]) as f:
    template = f.read()

with mock_aws():
    organizations, cloudformation = boto3.client("organizations"), boto3.client("cloudformation")
    organizations.create_organization(FeatureSet="ALL")
    # moto knows no AccountFilterType, so the accounts are named by themselves
    cloudformation.create_stack_set(StackSetName="brevet-access", PermissionModel="SELF_MANAGED",
                                    Capabilities=["CAPABILITY_NAMED_IAM"], TemplateBody=template)
    out = {}
    for name, audience in audiences.items():
        created = organizations.create_account(Email=name + "@acme.example", AccountName=name)
        account = created["CreateAccountStatus"]["AccountId"]
        cloudformation.create_stack_instances(StackSetName="brevet-access", Accounts=[account], Regions=["eu-west-1"],
                                              ParameterOverrides=[{"ParameterKey": "Audience", "ParameterValue": audience}] if audience else [])
        keys = boto3.client("sts").assume_role(RoleArn="arn:aws:iam::%s:role/x" % account, RoleSessionName="test")["Credentials"]
        iam = boto3.client("iam", aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
                           aws_session_token=keys["SessionToken"])
        roles = {r["RoleName"]: r["AssumeRolePolicyDocument"] for r in iam.list_roles()["Roles"] if r["RoleName"].startswith("brevet-")}
        out[name] = {"id": account, "roles": roles}
    json.dump(out, sys.stdout)
