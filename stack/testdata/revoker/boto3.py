# A stand-in for boto3 that knows one managed policy, and refuses what IAM
# refuses: a sixth version, a text that is too long, to delete the version
# that rules, and any other policy.
import json

ARN = "arn:aws:iam::111122223333:policy/brevet-Revocations"
versions = {}  # id -> text
default = None
writes = []


def start(text):
    global default
    versions.clear()
    writes.clear()
    default = "v1"
    versions["v1"] = text


class Client:
    def get_policy(self, PolicyArn):
        assert PolicyArn == ARN
        return {"Policy": {"DefaultVersionId": default}}

    def get_policy_version(self, PolicyArn, VersionId):
        assert PolicyArn == ARN
        return {"PolicyVersion": {"Document": json.loads(versions[VersionId])}}

    def list_policy_versions(self, PolicyArn):
        assert PolicyArn == ARN
        return {"Versions": [{"VersionId": v, "IsDefaultVersion": v == default} for v in sorted(versions)]}

    def delete_policy_version(self, PolicyArn, VersionId):
        assert PolicyArn == ARN and VersionId != default
        del versions[VersionId]
        writes.append("delete " + VersionId)

    def create_policy_version(self, PolicyArn, PolicyDocument, SetAsDefault):
        global default
        assert PolicyArn == ARN and SetAsDefault and len(versions) < 5
        assert len("".join(PolicyDocument.split())) <= 6144
        for s in json.loads(PolicyDocument)["Statement"]:
            assert s["Effect"] == "Deny"
        new = "v%d" % (max(int(v[1:]) for v in versions) + 1)
        versions[new] = PolicyDocument
        default = new
        writes.append("create " + new)


# What Systems Manager has open: session ids by owner. "broken" refuses.
shells = {}


class Shells:
    def get_paginator(self, name):
        assert name == "describe_sessions"
        return self

    def paginate(self, State):
        assert State == "Active"
        if "broken" in shells:
            raise RuntimeError("AccessDenied")
        return [{"Sessions": [{"Owner": o, "SessionId": i}]} for o, i in sorted(shells.items())]

    def terminate_session(self, SessionId):
        del shells[next(o for o, i in shells.items() if i == SessionId)]


def client(service):
    if service == "ssm":
        return Shells()
    assert service == "iam"
    return Client()
