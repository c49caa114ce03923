"""Rotates secrets as Secrets Manager does: by the four events that it sends to a function.

    python tests/foreign/rotate.py INVOKE SECRETS_MANAGER SECRET_ARN...

Rotates each secret twice, since the first rotation makes the first keys and the second finds
some. Says which versions came of it, and ends with status 1 if a step is not answered as done,
or a version is not the current one at the end.
"""

import json
import sys
from urllib.request import Request, urlopen
from uuid import uuid4

import boto3

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


def run_step(invoke: str, event: dict[str, str]) -> None:
    """Does one step of a rotation."""
    request = Request(invoke, json.dumps(event).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=30) as response:
        text = response.read().decode()
    if text != "null":
        sys.exit(f"{event['Step']} of {event['SecretId']}: {text}")


def main() -> None:
    """Rotates what the command line names."""
    invoke, secrets_manager_url, *secrets = sys.argv[1:]
    session = boto3.Session("local", "local", region_name="us-east-1")
    client = session.client("secretsmanager", endpoint_url=secrets_manager_url)
    for secret in secrets:
        for _ in range(2):
            version = str(uuid4())
            for name in STEPS:
                event = {"Step": name, "SecretId": secret, "ClientRequestToken": version}
                run_step(invoke, event)
                # Each step may come again.
                run_step(invoke, event)
            # By its stage: moto has another idea of the default.
            current = client.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
            if current["VersionId"] != version:
                sys.exit(f"{secret}: {current['VersionId']} is current, not {version}")
            keys = json.loads(current["SecretString"])["keys"]
            print(f"rotated {secret.rsplit(':', 1)[1]}: {', '.join(key['kid'] for key in keys)}")


if __name__ == "__main__":
    main()
