"""The security events: which streams are open, what is told to whom, and that no more is."""

import json
import re
from collections.abc import Iterator

from stack import Json, Stack, text

CONDITION = "HasSecurityEvents"
BUS = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${SecurityEventBus}"
# A stream's readers see what it holds: of the users, whose hashes are in it, as little as will do.
STREAMS = {"UsersTable": "NEW_IMAGE", "SessionsTable": "NEW_AND_OLD_IMAGES"}
SESSION = {"sub": "Keys.pk.S", "sid": "Keys.sk.S", "device": "NewImage.device.S", "time": "ApproximateCreationDateTime"}
# What each event says, and where that is in a stream's record.
EVENTS = {
    "new_device": SESSION,
    "refresh_reuse": SESSION,
    "password_changed": {
        "sub": "NewImage.sub.S",
        "email": "NewImage.email.S",
        "time": "ApproximateCreationDateTime",
    },
}


def streams(stack: Stack) -> Iterator[str]:
    """A table has a stream if somebody is to be told of its changes, and else none."""
    for id, table in stack.properties("AWS::DynamoDB::Table").items():
        view = {"StreamViewType": STREAMS[id]} if id in STREAMS else None
        expected = {"Fn::If": [CONDITION, view, {"Ref": "AWS::NoValue"}]} if view else None
        if table.get("StreamSpecification") != expected:
            yield f"{id}: its stream is not {view}"


def pipes(stack: Stack) -> Iterator[str]:
    """Each event has a pipe from a table's stream to the owner's bus, only where there is one."""
    event_types = []
    for id, resource in stack.resources("AWS::Pipes::Pipe").items():
        pipe = resource["Properties"]
        event = pipe["TargetParameters"]["EventBridgeEventBusParameters"]
        event_types.append(event["DetailType"])
        if resource.get("Condition") != CONDITION:
            yield f"{id}: is there without {CONDITION}"
        if text(pipe["Source"]) not in [f"${{{table}.StreamArn}}" for table in STREAMS]:
            yield f"{id}: reads no table's stream"
        if text(pipe["Target"]) != BUS or event["Source"] != "relatch":
            yield f"{id}: does not tell SecurityEventBus, as relatch"
        if not 60 <= pipe["SourceParameters"]["DynamoDBStreamParameters"].get("MaximumRecordAgeInSeconds", -1) <= 3600:
            yield f"{id}: what cannot be delivered holds up the rest"
        for pattern in pipe["SourceParameters"].get("FilterCriteria", {}).get("Filters", [{"Pattern": "{}"}]):
            if json.loads(pattern["Pattern"]).keys() != {"dynamodb"}:
                yield f"{id}: filters not just by the images"
    if sorted(event_types) != sorted(EVENTS):
        yield f"the pipes tell of {', '.join(sorted(event_types))}, not of {', '.join(sorted(EVENTS))}"


def event_content(stack: Stack) -> Iterator[str]:
    """An event carries what it is documented to, and so never a hash or a digest."""
    for id, pipe in stack.properties("AWS::Pipes::Pipe").items():
        parameters = pipe["TargetParameters"]
        expected = EVENTS.get(parameters["EventBridgeEventBusParameters"]["DetailType"], {})
        actual = event_fields(parameters.get("InputTemplate", "<$.>"))
        if actual != expected:
            yield f"{id}: carries {json.dumps(actual)}"


def event_fields(template: str) -> Json:
    """Where in a record the members of an event come from; the whole template if it is no
    object of quoted paths."""
    try:
        values = json.loads(template)
        paths = {name: re.fullmatch(r"<\$\.dynamodb\.([\w.]+)>", value) for name, value in values.items()}
    except (AttributeError, TypeError, ValueError):
        return {"": template}
    return {name: path[1] if path else values[name] for name, path in paths.items()}
