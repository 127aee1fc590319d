# Calls the revoker once for each line of standard input, which holds the time
# and the event, and prints a line with what it answered and how the policy is
# then. The first line is the policy that the stack begins with; the first
# argument is the function's file, the second may be "moto".
import contextlib, datetime, importlib.util, json, os, sys, types

moto = "moto" in sys.argv[2:]
if not moto:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
else:
    sys.path.pop(0)  # the stand-in lies beside this file
    os.environ.update(AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x")
    import moto as m
import boto3

arn = "arn:aws:iam::111122223333:policy/brevet-Revocations"
with m.mock_aws() if moto else contextlib.nullcontext():
    text = sys.stdin.readline()
    if moto:
        iam = boto3.client("iam")
        arn = iam.create_policy(PolicyName="brevet-Revocations", PolicyDocument=text)["Policy"]["Arn"]
    else:
        boto3.start(text)
    os.environ["POLICY"] = arn
    spec = importlib.util.spec_from_file_location("index", sys.argv[1])
    index = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(index)
    for line in sys.stdin:
        step = json.loads(line)

        class Clock(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.datetime.fromisoformat(step["at"])

        index.datetime = types.SimpleNamespace(datetime=Clock, timezone=datetime.timezone, timedelta=datetime.timedelta)
        if not moto:
            boto3.shells.clear()
            boto3.shells.update(step.get("shells") or {})
        out = {"answer": None, "error": ""}
        try:
            out["answer"] = index.handler(step["event"], None)
        except ValueError as e:
            out["error"] = str(e)
        client = boto3.client("iam")
        default = client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        out["policy"] = client.get_policy_version(PolicyArn=arn, VersionId=default)["PolicyVersion"]["Document"]
        out["version"] = default
        if not moto:
            out["shells"] = sorted(boto3.shells)
        out["versions"] = len(client.list_policy_versions(PolicyArn=arn)["Versions"])
        print(json.dumps(out), flush=True)
