import datetime, json, os, re
import boto3

GRANT = re.compile(r"gr_[0-9a-hjkmnp-tv-z]{26}\Z")
DAY = re.compile(r"Revoked[0-9]{8}\Z")
LONGEST = 6144  # characters of a managed policy
POLICY = os.environ["POLICY"]


def deny(day, grants):
    return {"Sid": day, "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": {"StringEquals": {"aws:PrincipalTag/brevet-grant": grants}}}


def held(statement):
    values = statement["Condition"]["StringEquals"]["aws:PrincipalTag/brevet-grant"]
    return [values] if isinstance(values, str) else values


def handler(event, context):
    grants = event.get("grants") if isinstance(event, dict) and len(event) == 1 else None
    if not isinstance(grants, list) or not 0 < len(grants) <= 100 or not all(
            isinstance(g, str) and GRANT.match(g) for g in grants):
        raise ValueError('give {"grants": ["gr_...", ...]}, 1 to 100 ids and nothing else')

    iam = boto3.client("iam")
    current = iam.get_policy(PolicyArn=POLICY)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=POLICY, VersionId=current)["PolicyVersion"]["Document"]
    statements = document["Statement"]
    if any(s["Effect"] != "Deny" for s in statements):
        raise ValueError("the policy holds something else than Deny; look at it")

    # An entry is kept for the day it was made and the next: no session lives
    # longer than 12 hours, so what it was for is dead by then.
    today = datetime.datetime.now(datetime.timezone.utc).date()
    name = lambda day: day.strftime("Revoked%Y%m%d")
    alive = name(today - datetime.timedelta(days=1))
    kept = [s for s in statements if not DAY.match(s.get("Sid", "")) or s["Sid"] >= alive]
    known = {g for s in kept if DAY.match(s.get("Sid", "")) for g in held(s)}

    new = sorted(set(grants) - known)
    if not new:
        return {"held": sorted(known), "full": False}
    old = [s for s in kept if s.get("Sid") == name(today)]
    kept = [s for s in kept if s not in old]
    kept.append(deny(name(today), sorted(new + [g for s in old for g in held(s)])))
    text = json.dumps({"Version": "2012-10-17", "Statement": kept}, separators=(",", ":"))
    if len(text) > LONGEST:  # nothing is written and nothing lost; brevet says so
        return {"held": sorted(known), "full": True}

    versions = iam.list_policy_versions(PolicyArn=POLICY)["Versions"]
    if len(versions) >= 5:  # IAM keeps five
        oldest = min((v["VersionId"] for v in versions if not v["IsDefaultVersion"]), key=lambda v: int(v[1:]))
        iam.delete_policy_version(PolicyArn=POLICY, VersionId=oldest)
    iam.create_policy_version(PolicyArn=POLICY, PolicyDocument=text, SetAsDefault=True)
    return {"held": sorted(known | set(new)), "full": False}
