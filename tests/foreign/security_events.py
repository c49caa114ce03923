"""The security events that the template's pipes make of what is written to the tables: moto's
DynamoDB writes the streams, and moto's EventBridge matches the patterns.

    python tests/foreign/security_events.py [DYNAMODB RELATCH]

Alone, it starts a moto and makes every kind of write itself. With the URLs of a moto and of a
Relatch that works on it and has no retry window, the functions make them. Either way it says
which events come out, and ends with status 1 if they are not exactly the expected ones, or
hold anything secret.
"""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
from moto.events.models import EventPattern, EventPatternParser
from moto_stack import TEMPLATE, create_session, start_moto
from samtranslator.yaml_helper import yaml_parse

Json = dict[str, Any]

SECRETS = {"password_hash", "idempotency_key_digest"}
# Who sends a header can send this: it must not end a text, nor be taken for a placeholder.
HOSTILE = 'a "phone", "sub": "eve", \\ <$.dynamodb.NewImage.pk.S>'


# ---------------------------------------------------------------- the pipes


def read_records(aws: boto3.Session, url: str, table: str) -> Iterator[Json]:
    """What a table's stream holds, as a pipe gets it."""
    streams = aws.client("dynamodbstreams", endpoint_url=url)
    arn = streams.list_streams(TableName=table)["Streams"][0]["StreamArn"]
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        shard_id = shard["ShardId"]
        response = streams.get_shard_iterator(StreamArn=arn, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON")
        iterator = response["ShardIterator"]
        while page := streams.get_records(ShardIterator=iterator)["Records"]:
            for record in page:
                images = record["dynamodb"]
                # DynamoDB writes no record of a write that changes nothing; moto does.
                if images.get("OldImage") != images.get("NewImage"):
                    created_at: datetime = images["ApproximateCreationDateTime"]
                    yield {**record, "dynamodb": {**images, "ApproximateCreationDateTime": int(created_at.timestamp())}}
            iterator = streams.get_shard_iterator(
                StreamArn=arn,
                ShardId=shard_id,
                ShardIteratorType="AFTER_SEQUENCE_NUMBER",
                SequenceNumber=page[-1]["dynamodb"]["SequenceNumber"],
            )["ShardIterator"]


def matches(pipe: Json, record: Json) -> bool:
    """Whether a pipe's filters let a record through."""
    # AWS documents that these cannot be asked for.
    documented: Any = {key: value for key, value in record.items() if not key.startswith(("event", "aws"))}
    patterns = [item["Pattern"] for item in pipe["SourceParameters"]["FilterCriteria"]["Filters"]]
    return any(EventPattern(text, EventPatternParser(text).parse()).matches_event(documented) for text in patterns)


def render(template: str, record: Json) -> str:
    """An input template with a record's values: as AWS documents it, they are not escaped,
    and one that is not there leaves nothing."""

    def value(match: re.Match[str]) -> str:
        node: Any = record
        for key in match[1].split("."):
            node = node.get(key, {})
        return "" if node == {} else str(node)

    # Again, in case that a value is itself taken for a template.
    for _ in range(2):
        template = re.sub(r"<\$\.([\w.]+)>", value, template)
    return template


def render_events(aws: boto3.Session, url: str) -> Iterator[tuple[str, str]]:
    """The type and the detail of each event that the template's pipes make."""
    for resource in yaml_parse(TEMPLATE.read_text())["Resources"].values():
        if resource["Type"] == "AWS::Pipes::Pipe":
            pipe = resource["Properties"]
            target = pipe["TargetParameters"]
            table = pipe["Source"]["Fn::GetAtt"][0]
            for record in read_records(aws, url, table):
                if matches(pipe, record):
                    yield target["EventBridgeEventBusParameters"]["DetailType"], render(target["InputTemplate"], record)


def parse_detail(detail: str) -> Json:
    """An event's detail without its time, which must be one."""
    try:
        fields: Json = json.loads(detail)
    except ValueError:
        sys.exit(f"an event that is no JSON, which EventBridge would refuse: {detail}")
    if not re.fullmatch(r"\d{10}", fields.pop("time")):
        sys.exit(f"an event without its time: {detail}")
    return fields


def read_secrets(aws: boto3.Session, url: str) -> set[str]:
    """Every value of the streams that no event may hold."""
    return {
        value["S"]
        for table in ("UsersTable", "SessionsTable")
        for record in read_records(aws, url, table)
        for name, value in record["dynamodb"].get("NewImage", {}).items()
        if name in SECRETS
    }


# ---------------------------------------------------------------- the writes, made here

User = dict[str, str]
ADA: User = {"sub": "ada", "email": "ada@example.com"}
BOB: User = {"sub": "bob", "email": "bob@example.com"}


class TableWriter:
    """The writes of the functions and of the command line."""

    def __init__(self, aws: boto3.Session, url: str) -> None:
        self.database = aws.client("dynamodb", endpoint_url=url)

    def add_user(self, user: User) -> None:
        """Both items of a user."""
        key = {"pk": {"S": f"EMAIL#{user['email']}"}}
        version = {"credential_version": {"N": "1"}}
        credential = {"password_hash": {"S": f"$2b$12$hash of {user['sub']}"}, "sub": {"S": user["sub"]}}
        state = {"status": {"S": "active"}, "epoch": {"N": "1"}, "email": {"S": user["email"]}}
        items = [{**key, **version, **credential}, {"pk": {"S": f"USER#{user['sub']}"}, **version, **state}]
        puts = [{"Put": {"TableName": "UsersTable", "Item": item}} for item in items]
        self.database.transact_write_items(TransactItems=puts)

    def update(self, table: str, key: Json, expression: str, **values: Json) -> Json:
        """The arguments of an update of an item that is there."""
        names = {f"#{name}": name for name in re.findall(r"#(\w+)", expression)}
        return {
            "TableName": table,
            "Key": {name: {"S": value} for name, value in key.items()},
            "UpdateExpression": expression,
            "ConditionExpression": "attribute_exists(pk)",
            **({"ExpressionAttributeNames": names} if names else {}),
            "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
        }

    def set_password(self, user: User, version: int) -> None:
        """Another hash, and the mark in the user's state."""
        number = {"N": str(version)}
        password_hash = {"S": f"$2b$12$hash {version} of {user['sub']}"}
        email, state = {"pk": f"EMAIL#{user['email']}"}, {"pk": f"USER#{user['sub']}"}
        credential = "SET #password_hash = :hash, #credential_version = :next"
        mark = "SET #credential_version = :next, #epoch = :next, #changed = :what, #sub = :sub"
        sub = {"S": user["sub"]}
        updates = [
            self.update("UsersTable", email, credential, hash=password_hash, next=number),
            self.update("UsersTable", state, mark, next=number, what={"S": "password"}, sub=sub),
        ]
        self.database.transact_write_items(TransactItems=[{"Update": update} for update in updates])

    def set_status(self, user: User, status: str, epoch: int, changed: str) -> None:
        """A user disabled or enabled, or all their sessions ended."""
        key = {"pk": f"USER#{user['sub']}"}
        state = "SET #status = :status, #epoch = :epoch, #changed = :changed"
        values: Json = {"status": {"S": status}, "epoch": {"N": str(epoch)}, "changed": {"S": changed}}
        self.database.update_item(**self.update("UsersTable", key, state, **values))

    def upgrade_hash(self, user: User) -> None:
        """A costlier hash of the same password."""
        key = {"pk": f"EMAIL#{user['email']}"}
        password_hash = {"S": f"$2b$14$hash of {user['sub']}"}
        self.database.update_item(**self.update("UsersTable", key, "SET #password_hash = :hash", hash=password_hash))

    def delete_user(self, user: User) -> None:
        """Both items gone."""
        keys = [{"pk": {"S": f"EMAIL#{user['email']}"}}, {"pk": {"S": f"USER#{user['sub']}"}}]
        deletes = [{"Delete": {"TableName": "UsersTable", "Key": key}} for key in keys]
        self.database.transact_write_items(TransactItems=deletes)

    def open_session(self, user: User, sid: str, device: str, is_new: bool) -> None:
        """A session."""
        item: Json = {"pk": {"S": user["sub"]}, "sk": {"S": sid}, "gen": {"N": "0"}, "status": {"S": "active"}}
        if device:
            item["device"] = {"S": device}
        if is_new:
            item["new_device"] = {"BOOL": True}
        try:
            self.database.put_item(TableName="SessionsTable", Item=item, ConditionExpression="attribute_not_exists(pk)")
        except self.database.exceptions.ConditionalCheckFailedException:
            pass

    def rotate(self, user: User, sid: str, generation: int) -> None:
        """A session's next generation."""
        key = {"pk": user["sub"], "sk": sid}
        rotation = "SET #gen = :gen, #idempotency_key_digest = :digest"
        values: Json = {"gen": {"N": str(generation)}, "digest": {"S": f"digest {generation} of {sid}"}}
        self.database.update_item(**self.update("SessionsTable", key, rotation, **values))

    def revoke(self, user: User, sid: str, ended_by: str) -> None:
        """A session's end, and the first reason for it."""
        key = {"pk": user["sub"], "sk": sid}
        end = "SET #status = :revoked, #ended_by = if_not_exists(#ended_by, :by)"
        values: Json = {"revoked": {"S": "revoked"}, "by": {"S": ended_by}}
        self.database.update_item(**self.update("SessionsTable", key, end, **values))

    def expire(self, user: User, sid: str) -> None:
        """A session deleted by its time to live."""
        self.database.delete_item(TableName="SessionsTable", Key={"pk": {"S": user["sub"]}, "sk": {"S": sid}})


def make_writes(aws: boto3.Session, url: str) -> list[tuple[str, Json]]:
    """Makes every kind of write, some of them twice, and returns the events that must come of it."""
    writer = TableWriter(aws, url)
    for user in (ADA, BOB):
        writer.add_user(user)
    ends = {"stolen": "reuse", "restored": "future", "left": "user", "oldest": "evicted"}
    for sid, ended_by in ends.items():
        writer.open_session(ADA, sid, "a phone", is_new=sid == "stolen")
        # The SDK may deliver a write twice.
        writer.open_session(ADA, sid, "a phone", is_new=sid == "stolen")
        writer.rotate(ADA, sid, 1)
        writer.rotate(ADA, sid, 2)
        writer.revoke(ADA, sid, ended_by)
        writer.revoke(ADA, sid, ended_by)
        # Ended already: nothing was stolen that was still good.
        writer.revoke(ADA, sid, "reuse")
    writer.open_session(BOB, "nameless", "", is_new=True)
    writer.revoke(BOB, "nameless", "reuse")
    writer.rotate(BOB, "nameless", 1)
    for sid in [*ends, "nameless"]:
        writer.expire(BOB if sid == "nameless" else ADA, sid)

    writer.set_password(ADA, 2)
    writer.upgrade_hash(ADA)
    writer.set_password(ADA, 3)
    writer.set_status(ADA, "active", 4, "sessions")
    writer.set_status(ADA, "disabled", 5, "status")
    writer.set_status(ADA, "active", 6, "status")
    writer.upgrade_hash(BOB)
    writer.set_password(BOB, 2)
    writer.delete_user(BOB)
    writer.add_user(BOB)
    return [
        ("new_device", {"sub": "ada", "sid": "stolen", "device": "a phone"}),
        ("new_device", {"sub": "bob", "sid": "nameless", "device": ""}),
        ("refresh_reuse", {"sub": "ada", "sid": "stolen", "device": "a phone"}),
        ("refresh_reuse", {"sub": "bob", "sid": "nameless", "device": ""}),
        ("password_changed", ADA),
        ("password_changed", ADA),
        ("password_changed", BOB),
    ]


# ---------------------------------------------------------------- the writes, made by the functions


def post(url: str, body: Json, agent: str) -> Json:
    """What a route answers."""
    headers = {"Content-Type": "application/json", "User-Agent": agent}
    try:
        with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=30) as response:
            return json.load(response)
    except HTTPError as error:
        return json.load(error)


def trigger_writes(aws: boto3.Session, url: str, relatch: str) -> list[tuple[str, Json]]:
    """Has the functions make writes for a user whose password was changed, and returns the
    events that must come of all of it."""
    credentials = {"email": os.environ["RELATCH_EMAIL"], "password": os.environ["RELATCH_PASSWORD"]}
    for agent in ("a phone", "a phone", HOSTILE):
        tokens = post(f"{relatch}/signin", credentials, agent)
        # Rotated, and presented again once it is no retry any more.
        first = {"refresh_token": tokens["refresh_token"]}
        post(f"{relatch}/refresh", first, agent)
    time.sleep(1.1)
    response = post(f"{relatch}/refresh", first, agent)
    if response["error"] != "invalid_grant":
        sys.exit(f"an old token is not refused: {response}")

    items = aws.client("dynamodb", endpoint_url=url).scan(TableName="SessionsTable")["Items"]
    stored = [{"sub": item["pk"]["S"], "sid": item["sk"]["S"], "device": item["device"]["S"]} for item in items]
    phones = [session for session in stored if session["device"] == "a phone"]
    others = [session for session in stored if session["device"] != "a phone"]
    new_device_sids = [item["sk"]["S"] for item in items if "new_device" in item]
    if len(phones) != 2 or len(others) != 1 or len(new_device_sids) != 2:
        sys.exit(f"not the sessions that were opened: {items}")
    return [
        *(("new_device", session) for session in stored if session["sid"] in new_device_sids),
        ("refresh_reuse", others[0]),
        ("password_changed", {"sub": others[0]["sub"], "email": credentials["email"]}),
    ]


def main(arguments: list[str]) -> int:
    """The exit status."""
    aws = create_session()
    if arguments:
        url, relatch = arguments
        expected = trigger_writes(aws, url, relatch)
    else:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        url, _ = start_moto()
        expected = make_writes(aws, url)

    events = list(render_events(aws, url))
    forbidden = read_secrets(aws, url)
    failures = [f"holds a secret: {detail}" for _, detail in events if any(value in detail for value in forbidden)]
    if not forbidden:
        failures.append("the streams hold nothing secret, so that nothing was proven")
    lines = sorted(json.dumps([name, parse_detail(detail)], sort_keys=True) for name, detail in events)
    expected_lines = sorted(json.dumps(event, sort_keys=True) for event in expected)
    print("\n".join(lines))
    if lines != expected_lines:
        failures.append("not exactly these:\n" + "\n".join(expected_lines))
    for line in failures:
        print(f"FAILED {line}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) not in (1, 3):
        sys.exit("usage: python security_events.py [DYNAMODB RELATCH]")
    sys.exit(main(sys.argv[1:]))
