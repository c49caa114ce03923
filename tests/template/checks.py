"""What a deployed stack owes its users: least privilege, deadlines, routes, data."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from stack import ROOT, Json, Stack, text

# Seconds and milliseconds. A call's own deadline of 3 s fits into the function's, and the
# function's into the API's, so that each layer can still answer when the one below is late.
FUNCTION_TIMEOUT = 10
# Nobody waits at an API for a rotation of keys.
ROTATION_TIMEOUT = 60
INTEGRATION_TIMEOUT = 30_000

INVOKE = ("apigateway.amazonaws.com", "lambda:InvokeFunction")
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
# A pipe of another account's that was given the role's ARN cannot take it.
PIPES_TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "pipes.amazonaws.com"},
    "Action": "sts:AssumeRole",
    "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
}
NO_KEYS = '{"keys":[]}'
TABLE_DEFAULTS = {"Properties.BillingMode": "PAY_PER_REQUEST", "Properties.SSESpecification.SSEEnabled": True}
RESTORABLE = {"Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled": True}
EXPIRING = {
    "Properties.TimeToLiveSpecification.AttributeName": "ttl",
    "Properties.TimeToLiveSpecification.Enabled": True,
}
RETAINED = {
    "Properties.DeletionProtectionEnabled": True,
    "DeletionPolicy": "Retain",
    "UpdateReplacePolicy": "Retain",
}
TABLES = {
    "UsersTable": RESTORABLE | RETAINED,
    "SessionsTable": RESTORABLE | EXPIRING,
    "AttemptsTable": EXPIRING,
    "KeysTable": {},
}


def as_list(value: Any) -> list[Any]:
    """A policy's list, which may be written as its only item."""
    return value if isinstance(value, list) else [value]


def resource_name(value: Any) -> str:
    """The resource that a value names by its id or ARN, empty if it names none."""
    match = re.fullmatch(r"\$\{(\w+)(\.Arn)?\}", text(value))
    return match[1] if match else ""


def own_roles(stack: Stack) -> Iterator[str]:
    """Each function has a role that nothing else has, and only Lambda may take it; the role
    of the pipes is for the pipes of this account."""
    role_users = {resource_name(pipe["RoleArn"]): "a pipe" for pipe in stack.properties("AWS::Pipes::Pipe").values()}
    pipe_roles = set(role_users)
    roles = stack.properties("AWS::IAM::Role")
    for id, function in stack.properties("AWS::Lambda::Function").items():
        role_id = resource_name(function["Role"])
        if role_id not in roles:
            yield f"{id}: its role is none of the template's"
        elif role_id in role_users:
            yield f"{id}: shares {role_id} with {role_users[role_id]}"
        else:
            role_users[role_id] = id
    for id, role in roles.items():
        service, trust = ("Pipes", PIPES_TRUST) if id in pipe_roles else ("Lambda", TRUST)
        if role["AssumeRolePolicyDocument"]["Statement"] != [trust]:
            yield f"{id}: others than {service} may take it"


def statements(role: Json) -> Iterator[Json]:
    """The statements of a role's policies."""
    for policy in role.get("Policies", []):
        yield from as_list(policy["PolicyDocument"]["Statement"])


def grants(role: Json) -> Iterator[str]:
    """What a role allows, a line for each resource."""
    for statement in statements(role):
        if statement.keys() == {"Effect", "Action", "Resource"} and statement["Effect"] == "Allow":
            actions = ", ".join(sorted(as_list(statement["Action"])))
            yield from (f"{actions} on {text(resource)}" for resource in as_list(statement["Resource"]))
        else:
            yield json.dumps(statement)


def policies(stack: Stack) -> Iterator[str]:
    """Each role allows exactly what policies.json says: a stolen function can do no more."""
    roles = stack.properties("AWS::IAM::Role")
    for id in sorted(roles.keys() | stack.policies.keys()):
        entries = stack.policies.get(id, [])
        expected = {f"{', '.join(sorted(entry['actions']))} on {entry['resource']}" for entry in entries}
        actual = set(grants(roles.get(id, {})))
        yield from (f"{id}: allows {grant}, which policies.json does not" for grant in sorted(actual - expected))
        yield from (f"{id}: does not allow {grant}, which policies.json does" for grant in sorted(expected - actual))
        if "ManagedPolicyArns" in roles.get(id, {}):
            yield f"{id}: has managed policies"
    for id, resource in stack.template["Resources"].items():
        if resource["Type"].startswith("AWS::IAM::") and id not in roles:
            yield f"{id}: is an {resource['Type']}; what something may do belongs into its role"


def wildcards(stack: Stack) -> Iterator[str]:
    """No role allows a kind of action, every resource, or to read a whole table, whatever policies.json says."""
    for id, role in stack.properties("AWS::IAM::Role").items():
        for statement in statements(role):
            for action in as_list(statement.get("Action", "*")):
                if "*" in action:
                    yield f"{id}: allows the actions {action}"
                if action.lower().endswith(":scan"):
                    yield f"{id}: allows to scan a table"
            if "*" in as_list(statement.get("Resource", "*")):
                yield f"{id}: allows {text(statement.get('Action'))} on every resource"


def rotators(stack: Stack) -> set[str]:
    """The functions that Secrets Manager calls."""
    schedules = stack.properties("AWS::SecretsManager::RotationSchedule").values()
    return {resource_name(schedule["RotationLambdaARN"]) for schedule in schedules}


def deadlines(stack: Stack) -> Iterator[str]:
    """A function's deadline is longer than a call's and shorter than its integration's."""
    for id, function in stack.properties("AWS::Lambda::Function").items():
        timeout = ROTATION_TIMEOUT if id in rotators(stack) else FUNCTION_TIMEOUT
        if function.get("Timeout") != timeout:
            yield f"{id}: Timeout is {function.get('Timeout')}, not {timeout}"
    for id, integration in stack.properties("AWS::ApiGatewayV2::Integration").items():
        if integration.get("TimeoutInMillis") != INTEGRATION_TIMEOUT:
            yield f"{id}: TimeoutInMillis is {integration.get('TimeoutInMillis')}, not {INTEGRATION_TIMEOUT}"


def authorizers(stack: Stack) -> Iterator[str]:
    """An authorizer's answers are kept for one token on one route, for a minute, and not at all
    where a sign-out must end access at once."""
    for id, authorizer in stack.properties("AWS::ApiGatewayV2::Authorizer").items():
        if authorizer["IdentitySource"] != ["$request.header.Authorization", "$context.routeKey"]:
            yield f"{id}: its answers are taken for others'"
        if authorizer["AuthorizerResultTtlInSeconds"] != {"Fn::If": ["IsChecked", 0, 60]}:
            yield f"{id}: keeps its answers for too long"
        simple = authorizer.get("EnableSimpleResponses"), authorizer.get("AuthorizerPayloadFormatVersion")
        if simple != (True, "2.0"):
            yield f"{id}: is not answered in the form that the function chooses for it"


def route_function(stack: Stack, route: Json) -> str:
    """The function that a route's integration calls, empty if there is none."""
    integrations = stack.properties("AWS::ApiGatewayV2::Integration")
    integration = integrations.get(resource_name(text(route.get("Target")).removeprefix("integrations/")), {})
    function = resource_name(integration.get("IntegrationUri"))
    return function if function in stack.resources("AWS::Lambda::Function") else ""


def permissions(stack: Stack) -> Iterator[str]:
    """The API may call a function for its own routes and its authorizer, Secrets Manager of this account the one that
    rotates, and nobody may for anything else."""
    account = "${AWS::AccountId}"
    expected: dict[tuple[str, ...], str] = {
        ("secretsmanager.amazonaws.com", INVOKE[1], id, account): id for id in rotators(stack)
    }
    for id, route in stack.properties("AWS::ApiGatewayV2::Route").items():
        function = route_function(stack, route)
        if not function:
            yield f"{id}: leads to no function"
        stage = f"arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:{text(route['ApiId'])}/*"
        expected[(*INVOKE, function, f"{stage}/{route['RouteKey'].replace(' ', '')}")] = id
    for id, authorizer in stack.properties("AWS::ApiGatewayV2::Authorizer").items():
        source = f"arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:{text(authorizer['ApiId'])}"
        function = resource_name(text(authorizer["AuthorizerUri"]).split("/functions/")[1].removesuffix("/invocations"))
        expected[(*INVOKE, function, f"{source}/authorizers/${{{id}}}")] = id
    granted = {
        (
            text(item["Principal"]),
            text(item["Action"]),
            resource_name(item["FunctionName"]),
            text(item.get("SourceArn", item.get("SourceAccount"))),
        ): id
        for id, item in stack.properties("AWS::Lambda::Permission").items()
    }
    yield from (
        f"{expected[key]}: no permission for exactly its method and path" for key in sorted(expected.keys() - granted)
    )
    yield from (f"{granted[key]}: is for no route: {', '.join(key)}" for key in sorted(granted.keys() - expected))


def router(stack: Stack) -> Iterator[str]:
    """`cargo lambda watch` serves the routes of the template, by the same functions."""
    functions = stack.resources("AWS::Lambda::Function")
    routes = set()
    for route in stack.properties("AWS::ApiGatewayV2::Route").values():
        function = route_function(stack, route)
        if function:
            routes.add(f"{route['RouteKey']} by {functions[function]['Metadata']['BuildProperties']['Binary']}")
    table = {
        f"{target['method']} {path} by {target['function']}"
        for path, targets in stack.router.items()
        for target in targets
    }
    yield from (f"{route}: in the template, not in Cargo.toml's router" for route in sorted(routes - table))
    yield from (f"{route}: in Cargo.toml's router, not in the template" for route in sorted(table - routes))


def builds(stack: Stack) -> Iterator[str]:
    """Each function is built in the folder of its own package: in the workspace's, Cargo
    looks for the binary in the default members only."""
    for id, function in stack.resources("AWS::Lambda::Function").items():
        manifest = ROOT / function["Properties"]["Code"]["S3Key"] / "Cargo.toml"
        binaries = tomllib.loads(manifest.read_text()).get("bin", []) if manifest.exists() else []
        binary = function["Metadata"]["BuildProperties"]["Binary"]
        if binary not in [target["name"] for target in binaries]:
            yield f"{id}: CodeUri is not the package of {binary}"


def secrets(stack: Stack) -> Iterator[str]:
    """No secret has a value that the template, or whoever reads the stack's events, knows: it
    begins without a key, and a rotation that begins at once makes the first ones."""
    schedules = stack.properties("AWS::SecretsManager::RotationSchedule").values()
    rotated_secrets = {
        resource_name(schedule["SecretId"]) for schedule in schedules if schedule.get("RotateImmediatelyOnUpdate")
    }
    for id, secret in stack.properties("AWS::SecretsManager::Secret").items():
        if secret.get("SecretString") != NO_KEYS:
            yield f"{id}: does not begin as {NO_KEYS}"
        if "GenerateSecretString" in secret:
            yield f"{id}: has a GenerateSecretString"
        if id not in rotated_secrets:
            yield f"{id}: nothing makes its first keys"


def tables(stack: Stack) -> Iterator[str]:
    """Every table is encrypted and costs what is used of it. Users and sessions can be restored,
    sessions and attempts expire, and no update of the stack deletes the users."""
    for id, table in stack.resources("AWS::DynamoDB::Table").items():
        for path, expected in (TABLE_DEFAULTS | TABLES.get(id, RESTORABLE)).items():
            actual: Any = table
            for key in path.split("."):
                actual = actual.get(key, {})
            if actual != expected:
                yield f"{id}: {path} is not {expected}"
