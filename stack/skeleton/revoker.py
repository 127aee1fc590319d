import datetime, json, os, re
import boto3

GRANT = re.compile(r"gr_[0-9a-hjkmnp-tv-z]{26}\Z")
PERSON = re.compile(r"[A-Za-z0-9_=,.@-]{2,64}\Z")
DAY = re.compile(r"(Revoked|Widened|Everybody)[0-9]{8}\Z")
LONGEST = 6144  # characters of a managed policy
SPARE = 700  # of them are left to people
POLICY = os.environ["POLICY"]
WHO = {"Revoked": "aws:PrincipalTag/brevet-grant", "Widened": "aws:SourceIdentity"}


def deny(kind, day, who, until):
    when = {"StringEquals": {WHO[kind]: sorted(who)}} if who else {}
    if until:
        when["DateLessThanEquals"] = {"aws:TokenIssueTime": until}
    return {"Sid": kind + day, "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": when}


def held(statements, kind):
    found = set()
    for s in statements:
        if s.get("Sid", "").startswith(kind):
            values = s["Condition"]["StringEquals"][WHO[kind]]
            found.update([values] if isinstance(values, str) else values)
    return found


def listed(values, pattern):
    return isinstance(values, list) and 0 < len(values) <= 100 and all(
        isinstance(v, str) and pattern.match(v) for v in values)


def end_shells(grants):  # a session's name ends in its grant's last 10
    ends, ssm, n = tuple("=" + g[-10:] for g in grants), boto3.client("ssm"), 0
    for page in ssm.get_paginator("describe_sessions").paginate(State="Active"):
        for s in page["Sessions"]:
            if s["Owner"].endswith(ends):
                ssm.terminate_session(SessionId=s["SessionId"])
                n += 1
    return n


def handler(event, context):
    keys = set(event) if isinstance(event, dict) else set()
    if keys == {"shells"} and listed(event["shells"], GRANT):
        return {"held": [], "full": False, "shells": end_shells(event["shells"])}
    if keys - {"people"} != {"grants"} or not listed(event["grants"], GRANT) or not listed(event.get("people", ["me"]), PERSON):
        raise ValueError('give {"grants": ["gr_...", ...]}, 1 to 100 ids, and whom to cut off if there is no room')
    answer = write(event["grants"], event.get("people"))
    try:
        answer["shells"] = end_shells(event["grants"])
    except Exception as e:
        answer["trouble"] = str(e)
    return answer


def write(grants, people):
    iam = boto3.client("iam")
    current = iam.get_policy(PolicyArn=POLICY)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=POLICY, VersionId=current)["PolicyVersion"]["Document"]
    if any(s["Effect"] != "Deny" for s in document["Statement"]):
        raise ValueError("the policy holds something else than Deny; look at it")

    # An entry is kept for the day it was made and the next: no session lives
    # longer than 12 hours, so what it was for is dead by then.
    now = datetime.datetime.now(datetime.timezone.utc)
    today, alive = (day.strftime("%Y%m%d") for day in (now, now - datetime.timedelta(days=1)))
    kept = [s for s in document["Statement"] if not DAY.match(s.get("Sid", "")) or s["Sid"][-8:] >= alive]
    known, new = held(kept, "Revoked"), set(grants)
    answer = {"held": sorted(known), "full": False}
    if new <= known:
        return answer

    def put(kind, who, until=None):
        old = [s for s in kept if s.get("Sid") == kind + today]
        return [s for s in kept if s not in old] + [deny(kind, today, who | held(old, kind), until)]

    text = lambda some: json.dumps({"Version": "2012-10-17", "Statement": some}, separators=(",", ":"))
    policy = put("Revoked", new - known)
    if len(text(policy)) <= LONGEST - SPARE:
        answer["held"] = sorted(known | new)
    else:
        answer["full"] = True
        if not people:  # nothing is written and nothing lost; brevet says so
            return answer
        until = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        policy = put("Widened", set(people), until)
        answer["people"] = sorted(held(policy[-1:], "Widened"))
        if len(text(policy)) > LONGEST:  # all that began until now, which is what every entry is for
            policy = [s for s in kept if not DAY.match(s.get("Sid", ""))] + [deny("Everybody", today, None, until)]
            answer = {"held": [], "full": True, "everybody": True}

    versions = iam.list_policy_versions(PolicyArn=POLICY)["Versions"]
    if len(versions) >= 5:  # IAM keeps five
        oldest = min((v["VersionId"] for v in versions if not v["IsDefaultVersion"]), key=lambda v: int(v[1:]))
        iam.delete_policy_version(PolicyArn=POLICY, VersionId=oldest)
    iam.create_policy_version(PolicyArn=POLICY, PolicyDocument=text(policy), SetAsDefault=True)
    return answer
