"""Templates with one thing broken that notices.py has to find."""

import notices
from breaking import broken, drop, put

PIPE = "Resources.NewDevicePipe.Properties"
STREAM = f"{PIPE}.SourceParameters.DynamoDBStreamParameters"
TOLD = f"{PIPE}.TargetParameters"
VIEW = "Resources.UsersTable.Properties.StreamSpecification"

VARIANTS = [
    broken(
        notices.streams,
        "UsersTable: its stream is not {'StreamViewType': 'NEW_IMAGE'}",
        put(f"{VIEW}.Fn::If.1.StreamViewType", "NEW_AND_OLD_IMAGES"),
    ),
    broken(
        notices.streams,
        "UsersTable: its stream is not {'StreamViewType': 'NEW_IMAGE'}",
        put(VIEW, {"StreamViewType": "NEW_IMAGE"}),
    ),
    broken(
        notices.streams,
        "SessionsTable: its stream is not",
        drop("Resources.SessionsTable.Properties.StreamSpecification"),
    ),
    broken(
        notices.streams,
        "AttemptsTable: its stream is not None",
        put("Resources.AttemptsTable.Properties.StreamSpecification", {"StreamViewType": "KEYS_ONLY"}),
    ),
    broken(
        notices.pipes,
        "NewDevicePipe: is there without HasSecurityEvents",
        drop("Resources.NewDevicePipe.Condition"),
    ),
    broken(
        notices.pipes,
        "NewDevicePipe: reads no table's stream",
        put(f"{PIPE}.Source", {"Fn::GetAtt": ["AttemptsTable", "StreamArn"]}),
    ),
    broken(
        notices.pipes,
        "NewDevicePipe: does not tell SecurityEventBus",
        put(f"{PIPE}.Target", "arn:aws:events:us-east-1:210987654321:event-bus/default"),
    ),
    broken(
        notices.pipes,
        "NewDevicePipe: does not tell SecurityEventBus, as relatch",
        put(f"{TOLD}.EventBridgeEventBusParameters.Source", "aws.relatch"),
    ),
    broken(
        notices.pipes,
        "NewDevicePipe: what cannot be delivered holds up the rest",
        drop(f"{STREAM}.MaximumRecordAgeInSeconds"),
    ),
    broken(
        notices.pipes,
        "NewDevicePipe: filters not just by the images",
        put(f"{PIPE}.SourceParameters.FilterCriteria.Filters.0.Pattern", '{"eventName": ["INSERT"]}'),
    ),
    broken(
        notices.pipes,
        "NewDevicePipe: filters not just by the images",
        drop(f"{PIPE}.SourceParameters.FilterCriteria"),
    ),
    broken(
        notices.pipes,
        "the pipes tell of new_device, password_changed, not of",
        drop("Resources.RefreshReusePipe"),
    ),
    broken(
        notices.carried,
        'NewDevicePipe: carries {"digest": "NewImage.retry_key_hash.S"}',
        put(f"{TOLD}.InputTemplate", '{"digest": "<$.dynamodb.NewImage.retry_key_hash.S>"}'),
    ),
    broken(
        notices.carried,
        'NewDevicePipe: carries {"sub": "NewImage.retry_key_hash.S",',
        put(
            f"{TOLD}.InputTemplate",
            '{"sub": "<$.dynamodb.NewImage.retry_key_hash.S>", "sid": "<$.dynamodb.Keys.sk.S>"}',
        ),
    ),
    broken(
        notices.carried,
        'NewDevicePipe: carries {"": "{\\"image\\": <$.dynamodb.NewImage>}"}',
        put(f"{TOLD}.InputTemplate", '{"image": <$.dynamodb.NewImage>}'),
    ),
    # Without a template an event is the whole record.
    broken(notices.carried, 'NewDevicePipe: carries {"": "<$.>"}', drop(f"{TOLD}.InputTemplate")),
]
