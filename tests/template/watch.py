"""What the people who run a deployed stack can see of it: logs and alarms, and nothing secret."""

import json
import re
from collections.abc import Iterator
from functools import cache

from checks import named
from stack import ROOT, Json, Stack, text

# All that the API's log may say of a request. A path, a query, a header or a body may hold
# a password or a token, and what is in a log is read by more people than the database.
ACCESS_LOG = {
    "requestId": "$context.requestId",
    "ip": "$context.identity.sourceIp",
    "requestTime": "$context.requestTime",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "responseLatency": "$context.responseLatency",
    "integrationLatency": "$context.integrationLatency",
    "integrationError": "$context.integrationErrorMessage",
}
LOG_GROUP_ARN = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
ACTIONS = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}

# A metric: its namespace, its name and, if it is one resource's, that resource.
Metric = tuple[str, str, str]


def access_logs(stack: Stack) -> Iterator[str]:
    """Every stage logs its requests, one line of JSON each, with nothing that may be secret."""
    for id, stage in stack.properties("AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("AccessLogSettings", {})
        if named(text(settings.get("DestinationArn")).removeprefix(LOG_GROUP_ARN)) not in groups(stack):
            yield f"{id}: logs to no group of the template"
        line = settings.get("Format", "null")
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        if not isinstance(fields, dict) or "\n" in line:
            yield f"{id}: a line of its log is not a JSON object"
            continue
        for name in sorted(fields.keys() | ACCESS_LOG.keys()):
            if fields.get(name) != ACCESS_LOG.get(name):
                yield f"{id}: logs {fields.get(name)} as {name}, not {ACCESS_LOG.get(name)}"


def groups(stack: Stack) -> dict[str, Json]:
    """The log groups."""
    return stack.resources("AWS::Logs::LogGroup")


def group_of(function: Json) -> str:
    """The log group that a function writes to, empty if it has none of the template's."""
    return named(function.get("LoggingConfig", {}).get("LogGroup"))


def log_groups(stack: Stack) -> Iterator[str]:
    """Each function has a log group of its own. Logs outlive the stack, and end one day."""
    users: dict[str, str] = {}
    for id, function in stack.properties("AWS::Lambda::Function").items():
        own = group_of(function)
        if own not in groups(stack):
            yield f"{id}: logs to no group of the template"
        elif own in users:
            yield f"{id}: logs to {own}, as {users[own]} does"
        users[own] = id
    for id, group in groups(stack).items():
        if "RetentionInDays" not in group.get("Properties", {}):
            yield f"{id}: keeps its lines forever"
        if group.get("DeletionPolicy") not in ("Retain", "RetainExceptOnCreate"):
            yield f"{id}: is deleted with the stack"
        if group.get("UpdateReplacePolicy") != "Retain":
            yield f"{id}: is deleted when it is replaced"


@cache
def source() -> str:
    """The code that runs in a function."""
    files = [*ROOT.glob("shared/src/**/*.rs"), *ROOT.glob("functions/*/src/**/*.rs")]
    return "\n".join(file.read_text() for file in sorted(files))


def filters(stack: Stack) -> Iterator[str]:
    """Every line of level alarm and every refresh token that came back is counted."""
    wanted = {}
    for id, function in stack.resources("AWS::Lambda::Function").items():
        group = group_of(function["Properties"])
        wanted[group, '{ $.level = "alarm" }'] = f"{id}: its lines of level alarm are not counted"
        if function["Metadata"]["BuildProperties"]["Binary"] == "refresh":
            wanted[group, '{ $.event = "refresh_token_reuse" }'] = f"{id}: reuses of tokens are not counted"
    found = stack.properties("AWS::Logs::MetricFilter")
    counted = {(named(counter["LogGroupName"]), counter["FilterPattern"]) for counter in found.values()}
    yield from (wanted[key] for key in sorted(wanted.keys() - counted))
    for id, counter in found.items():
        for word in re.findall(r'"[^"]*"', counter["FilterPattern"]):
            if word not in source():
                yield f"{id}: looks for {word}, which no function writes"


def watched(alarm: Json) -> Metric:
    """The metric that an alarm is on."""
    resource = ", ".join(f"{item['Name']} {named(item['Value'])}" for item in alarm.get("Dimensions", []))
    return text(alarm["Namespace"]), alarm["MetricName"], resource


def alarms(stack: Stack) -> Iterator[str]:
    """What fails tells somebody: functions, the API, and every line that is counted."""
    wanted: set[Metric] = {("AWS/ApiGateway", "5xx", f"ApiId {id}") for id in stack.resources("AWS::ApiGatewayV2::Api")}
    for id in stack.resources("AWS::Lambda::Function"):
        wanted |= {("AWS/Lambda", name, f"FunctionName {id}") for name in ("Errors", "Throttles")}
    for counter in stack.properties("AWS::Logs::MetricFilter").values():
        wanted |= {(text(to["MetricNamespace"]), to["MetricName"], "") for to in counter["MetricTransformations"]}
    found = {watched(alarm): id for id, alarm in stack.properties("AWS::CloudWatch::Alarm").items()}
    yield from (f"no alarm on {' '.join(metric).strip()}" for metric in sorted(wanted - found.keys()))
    yield from (
        f"{found[metric]}: is on {' '.join(metric).strip()}, which nothing counts"
        for metric in sorted(found.keys() - wanted)
    )
    for id, alarm in stack.properties("AWS::CloudWatch::Alarm").items():
        if not alarm.get("AlarmDescription"):
            yield f"{id}: does not say what it means"
        if alarm.get("AlarmActions") != ACTIONS:
            yield f"{id}: does not tell AlarmTopicArn"
        if alarm.get("TreatMissingData") != "notBreaching":
            yield f"{id}: goes off when nobody calls"
