"""Templates with one thing broken that security_events.py has to find."""

import security_events
from variant import create_variant, drop, put

PIPE = "Resources.NewDevicePipe.Properties"
STREAM = f"{PIPE}.SourceParameters.DynamoDBStreamParameters"
TARGET = f"{PIPE}.TargetParameters"
VIEW = "Resources.UsersTable.Properties.StreamSpecification"

VARIANTS = [
    create_variant(
        security_events.streams,
        "UsersTable: its stream is not {'StreamViewType': 'NEW_IMAGE'}",
        put(f"{VIEW}.Fn::If.1.StreamViewType", "NEW_AND_OLD_IMAGES"),
    ),
    create_variant(
        security_events.streams,
        "UsersTable: its stream is not {'StreamViewType': 'NEW_IMAGE'}",
        put(VIEW, {"StreamViewType": "NEW_IMAGE"}),
    ),
    create_variant(
        security_events.streams,
        "SessionsTable: its stream is not",
        drop("Resources.SessionsTable.Properties.StreamSpecification"),
    ),
    create_variant(
        security_events.streams,
        "AttemptsTable: its stream is not None",
        put("Resources.AttemptsTable.Properties.StreamSpecification", {"StreamViewType": "KEYS_ONLY"}),
    ),
    create_variant(
        security_events.pipes,
        "NewDevicePipe: is there without HasSecurityEvents",
        drop("Resources.NewDevicePipe.Condition"),
    ),
    create_variant(
        security_events.pipes,
        "NewDevicePipe: reads no table's stream",
        put(f"{PIPE}.Source", {"Fn::GetAtt": ["AttemptsTable", "StreamArn"]}),
    ),
    create_variant(
        security_events.pipes,
        "NewDevicePipe: does not tell SecurityEventBus",
        put(f"{PIPE}.Target", "arn:aws:events:us-east-1:210987654321:event-bus/default"),
    ),
    create_variant(
        security_events.pipes,
        "NewDevicePipe: does not tell SecurityEventBus, as relatch",
        put(f"{TARGET}.EventBridgeEventBusParameters.Source", "aws.relatch"),
    ),
    create_variant(
        security_events.pipes,
        "NewDevicePipe: what cannot be delivered holds up the rest",
        drop(f"{STREAM}.MaximumRecordAgeInSeconds"),
    ),
    create_variant(
        security_events.pipes,
        "NewDevicePipe: filters not just by the images",
        put(f"{PIPE}.SourceParameters.FilterCriteria.Filters.0.Pattern", '{"eventName": ["INSERT"]}'),
    ),
    create_variant(
        security_events.pipes,
        "NewDevicePipe: filters not just by the images",
        drop(f"{PIPE}.SourceParameters.FilterCriteria"),
    ),
    create_variant(
        security_events.pipes,
        "the pipes tell of new_device, password_changed, not of",
        drop("Resources.RefreshReusePipe"),
    ),
    create_variant(
        security_events.event_content,
        'NewDevicePipe: carries {"digest": "NewImage.idempotency_key_digest.S"}',
        put(f"{TARGET}.InputTemplate", '{"digest": "<$.dynamodb.NewImage.idempotency_key_digest.S>"}'),
    ),
    create_variant(
        security_events.event_content,
        'NewDevicePipe: carries {"sub": "NewImage.idempotency_key_digest.S",',
        put(
            f"{TARGET}.InputTemplate",
            '{"sub": "<$.dynamodb.NewImage.idempotency_key_digest.S>", "sid": "<$.dynamodb.Keys.sk.S>"}',
        ),
    ),
    create_variant(
        security_events.event_content,
        'NewDevicePipe: carries {"": "{\\"image\\": <$.dynamodb.NewImage>}"}',
        put(f"{TARGET}.InputTemplate", '{"image": <$.dynamodb.NewImage>}'),
    ),
    # Without a template an event is the whole record.
    create_variant(
        security_events.event_content, 'NewDevicePipe: carries {"": "<$.>"}', drop(f"{TARGET}.InputTemplate")
    ),
]
