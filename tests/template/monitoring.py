"""What the people who run a deployed stack can see of it: logs and alarms, and nothing secret."""

import json
import re
from collections.abc import Iterator
from functools import cache

from checks import resource_name
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
NAMESPACE = "Relatch/${AWS::StackName}"
# What the functions count that may mean an attack, or that they can soon do no more.
ALARM_EVENTS = {
    "signin_fail",
    "signin_throttled",
    "refresh_reuse",
    "refresh_invalid",
    "access_refused",
    "keys_stale",
    "keys_missing",
}
ACTIONS = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}

# A metric: its namespace, its name and, if it is one resource's, that resource.
Metric = tuple[str, str, str]


def access_logs(stack: Stack) -> Iterator[str]:
    """Every stage logs its requests, one line of JSON each, with nothing that may be secret."""
    for id, stage in stack.properties("AWS::ApiGatewayV2::Stage").items():
        settings = stage.get("AccessLogSettings", {})
        group_id = resource_name(text(settings.get("DestinationArn")).removeprefix(LOG_GROUP_ARN))
        if group_id not in log_group_resources(stack):
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


def log_group_resources(stack: Stack) -> dict[str, Json]:
    """The log groups."""
    return stack.resources("AWS::Logs::LogGroup")


def function_log_group(function: Json) -> str:
    """The log group that a function writes to, empty if it has none of the template's."""
    return resource_name(function.get("LoggingConfig", {}).get("LogGroup"))


def log_groups(stack: Stack) -> Iterator[str]:
    """Each function has a log group of its own. Logs outlive the stack, and end one day."""
    group_users: dict[str, str] = {}
    for id, function in stack.properties("AWS::Lambda::Function").items():
        group_id = function_log_group(function)
        if group_id not in log_group_resources(stack):
            yield f"{id}: logs to no group of the template"
        elif group_id in group_users:
            yield f"{id}: logs to {group_id}, as {group_users[group_id]} does"
        group_users[group_id] = id
    for id, group in log_group_resources(stack).items():
        if "RetentionInDays" not in group.get("Properties", {}):
            yield f"{id}: keeps its lines forever"
        if group.get("DeletionPolicy") not in ("Retain", "RetainExceptOnCreate"):
            yield f"{id}: is deleted with the stack"
        if group.get("UpdateReplacePolicy") != "Retain":
            yield f"{id}: is deleted when it is replaced"


@cache
def function_source() -> str:
    """The code that runs in a function."""
    files = [*ROOT.glob("shared/*/src/**/*.rs"), *ROOT.glob("functions/*/src/**/*.rs")]
    return "\n".join(file.read_text() for file in sorted(files))


def counted_events() -> set[str]:
    """The events that the functions count."""
    return set(re.findall(r' = "(\w+)", \w+, Counted;', function_source()))


def count_metric(event: str) -> Metric:
    """The metric that counts an event."""
    return NAMESPACE, "count", f"event {event}"


def counters(stack: Stack) -> Iterator[str]:
    """The functions count where the alarms look, and what the alarms look for."""
    for id, function in stack.properties("AWS::Lambda::Function").items():
        namespace = function["Environment"]["Variables"].get("METRICS_NAMESPACE")
        if text(namespace) != NAMESPACE:
            yield f"{id}: counts in {text(namespace)}, not in {NAMESPACE}"
    yield from (f"no function counts {event}" for event in sorted(ALARM_EVENTS - counted_events()))


def alarm_metrics(alarm: Json) -> list[Metric]:
    """The metrics that an alarm is on."""
    parts = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    return [alarm_metric(definition) for definition in parts or [alarm]]


def alarm_metric(definition: Json) -> Metric:
    """The metric that an alarm, or a part of its sum, is on."""
    dimensions = [
        f"{item['Name']} {resource_name(item['Value']) or item['Value']}" for item in definition.get("Dimensions", [])
    ]
    return text(definition["Namespace"]), definition["MetricName"], ", ".join(dimensions)


def alarms(stack: Stack) -> Iterator[str]:
    """What fails tells somebody: functions, the API, pipes, and what the functions count."""
    expected: set[Metric] = {(NAMESPACE, "alarms", ""), *map(count_metric, ALARM_EVENTS)}
    for id in stack.resources("AWS::ApiGatewayV2::Api"):
        expected |= {("AWS/ApiGateway", name, f"ApiId {id}") for name in ("5xx", "Latency")}
    for id in stack.resources("AWS::Lambda::Function"):
        expected |= {("AWS/Lambda", name, f"FunctionName {id}") for name in ("Errors", "Throttles")}
    for id in stack.resources("AWS::Pipes::Pipe"):
        expected.add(("AWS/EventBridge/Pipes", "ExecutionFailed", f"PipeName {id}"))
    alarms_by_id = stack.properties("AWS::CloudWatch::Alarm")
    actual = {metric: id for id, alarm in alarms_by_id.items() for metric in alarm_metrics(alarm)}
    yield from (f"no alarm on {' '.join(metric).strip()}" for metric in sorted(expected - actual.keys()))
    yield from (
        f"{actual[metric]}: is on {' '.join(metric).strip()}, which is not watched for"
        for metric in sorted(actual.keys() - expected)
    )
    for id, alarm in alarms_by_id.items():
        queries = alarm.get("Metrics", [])
        sums = [query["Expression"] for query in queries if query["ReturnData"]]
        parts = [query["Id"] for query in queries if not query["ReturnData"]]
        if queries and sums != [" + ".join(f"FILL({part}, 0)" for part in parts)]:
            yield f"{id}: is not on the sum of its metrics"
        if not alarm.get("AlarmDescription"):
            yield f"{id}: does not say what it means"
        if alarm.get("AlarmActions") != ACTIONS:
            yield f"{id}: does not tell AlarmTopicArn"
        if alarm.get("TreatMissingData") != "notBreaching":
            yield f"{id}: goes off when nobody calls"


def dashboard_metrics(widgets: list[Json]) -> Iterator[Metric]:
    """The metrics of a dashboard's widgets, with what stands for the one before written out."""
    for widget in widgets:
        previous: list[str] = []
        for row in widget["properties"]["metrics"]:
            words = [word for word in row if isinstance(word, str)]
            if words[0] == "...":
                words = [*previous[: len(previous) - len(words) + 1], *words[1:]]
            previous = [previous[place] if word == "." else word for place, word in enumerate(words)]
            namespace, name, *dimension = previous
            yield namespace, name, " ".join(resource_name(word) or word for word in dimension)


def dashboard(stack: Stack) -> Iterator[str]:
    """One dashboard shows every function, every table, the API, and all that is counted."""
    expected: set[Metric] = {(NAMESPACE, "alarms", ""), *map(count_metric, counted_events() | ALARM_EVENTS)}
    for id in stack.resources("AWS::ApiGatewayV2::Api"):
        expected |= {("AWS/ApiGateway", name, f"ApiId {id}") for name in ("Count", "4xx", "5xx", "Latency")}
    for id in stack.resources("AWS::Lambda::Function"):
        expected |= {("AWS/Lambda", name, f"FunctionName {id}") for name in ("Duration", "ConcurrentExecutions")}
    for id in stack.resources("AWS::DynamoDB::Table"):
        names = ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents")
        expected |= {("AWS/DynamoDB", name, f"TableName {id}") for name in names}
    for id, board in stack.properties("AWS::CloudWatch::Dashboard").items():
        try:
            widgets = json.loads(text(board["DashboardBody"]))["widgets"]
        except ValueError:
            yield f"{id}: is not JSON"
            continue
        actual = set(dashboard_metrics(widgets))
        yield from (f"{id}: does not show {' '.join(metric).strip()}" for metric in sorted(expected - actual))
        yield from (f"{id}: shows {' '.join(metric).strip()}, which is nothing" for metric in sorted(actual - expected))
        cells = [
            (x, y)
            for widget in widgets
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        ]
        if len(set(cells)) != len(cells) or any(x >= 24 for x, _ in cells):
            yield f"{id}: its widgets do not fit beside each other"
    if len(stack.resources("AWS::CloudWatch::Dashboard")) != 1:
        yield "there is not one dashboard"
