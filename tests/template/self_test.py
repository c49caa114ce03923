"""Templates with one thing broken, each of which a check has to find."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import checks
import graph
from stack import Json, Stack, load, read_template

Check = Callable[[Stack], Iterator[str]]
Change = Callable[[Json], None]

SIGNIN = "Resources.SigninFunction"
GRANT = "Resources.SigninRole.Properties.Policies.0.PolicyDocument.Statement.2"
ANY_ROUTE = {"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/*"}


@dataclass(frozen=True)
class Variant:
    """A broken template, and how the check's finding begins."""

    check: Check
    finding: str
    changes: tuple[Change, ...]


def parent(template: Json, path: str) -> tuple[Any, Any]:
    """What holds the place that a path leads to, and the place's key in it."""
    *keys, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    holder: Any = template
    for key in keys:
        holder = holder[key]
    return holder, last


def put(path: str, value: Any) -> Change:
    """Writes a value into the template."""

    def change(template: Json) -> None:
        holder, key = parent(template, path)
        holder[key] = value

    return change


def drop(path: str) -> Change:
    """Takes something out of the template."""

    def change(template: Json) -> None:
        holder, key = parent(template, path)
        del holder[key]

    return change


def broken(check: Check, finding: str, *changes: Change) -> Variant:
    """A variant with these changes."""
    return Variant(check, finding, changes)


VARIANTS = [
    # The issuer is the API's URL, and SAM's events put the function into the API.
    broken(
        graph.cycles,
        "a cycle: HttpApi needs SigninFunction needs HttpApi",
        put("Resources.HttpApi", {"Type": "AWS::Serverless::HttpApi"}),
        put("Globals.Function.Environment.Variables.TOKEN_ISSUER", {"Fn::Sub": "https://${HttpApi}.example.com"}),
        put(
            f"{SIGNIN}.Properties.Events",
            {"Post": {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "HttpApi"}, "Path": "/", "Method": "POST"}}},
        ),
    ),
    broken(
        graph.cycles,
        "a cycle: Api needs SigninFunction needs Api",
        put("Resources.Api.Properties.Name", {"Fn::Sub": ["${Name}", {"Name": {"Ref": "SigninFunction"}}]}),
    ),
    broken(
        graph.cycles,
        "a cycle: SigninRoute needs Stage needs SigninRoute",
        put("Resources.SigninRoute.DependsOn", ["Stage"]),
    ),
    broken(
        graph.cycles,
        "a cycle: SigninFunction needs SigninRole needs SigninFunction",
        put(f"{GRANT}.Resource", {"Fn::GetAtt": ["SigninFunction", "Arn"]}),
    ),
    broken(
        graph.unknown_references,
        "Resources.SigninRoute: refers to Nobody,",
        put("Resources.SigninRoute.Properties.Target", {"Fn::Sub": "integrations/${Nobody}"}),
    ),
    broken(
        graph.unknown_references,
        "Resources.SigninFunction: refers to Nobody,",
        put("Globals.Function.Environment.Variables.USERS_TABLE", {"Ref": "Nobody"}),
    ),
    broken(
        graph.unknown_references,
        "Resources.Stage: refers to Nobody,",
        put("Resources.Stage.DependsOn", "Nobody"),
    ),
    broken(
        graph.unknown_references,
        "Outputs.Issuer: refers to AWS::Acount,",
        put("Outputs.Issuer.Value", {"Fn::Sub": ["${AWS::Acount}${Name}", {"Name": "a name of its own"}]}),
    ),
    broken(
        checks.own_roles,
        "RefreshFunction: shares SigninRole with SigninFunction",
        put("Resources.RefreshFunction.Properties.Role", {"Fn::GetAtt": ["SigninRole", "Arn"]}),
    ),
    broken(
        checks.own_roles,
        "SigninFunction: its role is none of the template's",
        put(f"{SIGNIN}.Properties.Role", "arn:aws:iam::123456789012:role/administrator"),
    ),
    broken(
        checks.own_roles,
        "SigninRole: others than Lambda may take it",
        put("Resources.SigninRole.Properties.AssumeRolePolicyDocument.Statement.0.Principal", {"AWS": "*"}),
    ),
    # A function without a role gets one of SAM's making.
    broken(checks.policies, "SigninFunctionRole: has managed policies", drop(f"{SIGNIN}.Properties.Role")),
    broken(
        checks.policies,
        "SigninRole: allows dynamodb:DeleteItem on ${UsersTable.Arn},",
        put(f"{GRANT}.Action", "dynamodb:DeleteItem"),
    ),
    broken(
        checks.policies,
        "SigninRole: does not allow dynamodb:GetItem, dynamodb:UpdateItem on ${UsersTable.Arn},",
        drop(GRANT),
    ),
    broken(
        checks.policies,
        'SigninRole: allows {"Effect": "Allow", "NotAction":',
        put(GRANT, {"Effect": "Allow", "NotAction": "dynamodb:DeleteTable", "Resource": "*"}),
    ),
    broken(
        checks.policies,
        "Extra: is an AWS::IAM::Policy;",
        put("Resources.Extra", {"Type": "AWS::IAM::Policy", "Properties": {"Roles": [{"Ref": "SigninRole"}]}}),
    ),
    broken(
        checks.wildcards,
        "SigninRole: allows the actions dynamodb:*",
        put(f"{GRANT}.Action", ["dynamodb:GetItem", "dynamodb:*"]),
    ),
    broken(
        checks.wildcards,
        "SigninRole: allows dynamodb:GetItem on every resource",
        put(f"{GRANT}.Action", "dynamodb:GetItem"),
        put(f"{GRANT}.Resource", "*"),
    ),
    broken(checks.wildcards, "SigninRole: allows to scan a table", put(f"{GRANT}.Action", "dynamodb:Scan")),
    broken(checks.deadlines, "SigninFunction: Timeout is 31,", put(f"{SIGNIN}.Properties.Timeout", 31)),
    broken(
        checks.deadlines,
        "JwksIntegration: TimeoutInMillis is 5000,",
        put("Resources.JwksIntegration.Properties.TimeoutInMillis", 5000),
    ),
    broken(
        checks.permissions,
        "SigninRoute: leads to no function",
        put("Resources.SigninRoute.Properties.Target", "integrations/abc"),
    ),
    broken(
        checks.permissions,
        "SigninRoute: leads to no function",
        put("Resources.SigninIntegration.Properties.IntegrationUri", {"Fn::Sub": "${SigninRole.Arn}"}),
    ),
    broken(
        checks.permissions,
        "JwksRoute: no permission for exactly its method and path",
        drop("Resources.JwksPermission"),
    ),
    broken(
        checks.permissions,
        "SigninPermission: is for no route:",
        put("Resources.SigninPermission.Properties.SourceArn", ANY_ROUTE),
    ),
    broken(
        checks.permissions,
        "SigninPermission: is for no route:",
        put("Resources.SigninPermission.Properties.Principal", "*"),
    ),
    broken(
        checks.router,
        "PUT /signin by signin: in the template,",
        put("Resources.SigninRoute.Properties.RouteKey", "PUT /signin"),
    ),
    broken(checks.router, "GET /userinfo by userinfo: in Cargo.toml's router,", drop("Resources.UserinfoRoute")),
    broken(
        checks.router,
        "POST /signin by refresh: in the template,",
        put(f"{SIGNIN}.Metadata.BuildProperties.Binary", "refresh"),
    ),
    broken(
        checks.builds, "SigninFunction: CodeUri is not the package of signin", put(f"{SIGNIN}.Properties.CodeUri", ".")
    ),
    broken(
        checks.secrets,
        "AccessKeysSecret: has a GenerateSecretString",
        put("Resources.AccessKeysSecret.Properties.GenerateSecretString", {"PasswordLength": 32}),
    ),
    broken(
        checks.tables,
        "SessionsTable: Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled is not True",
        drop("Resources.SessionsTable.Properties.PointInTimeRecoverySpecification"),
    ),
    broken(
        checks.tables,
        "UsersTable: Properties.SSESpecification.SSEEnabled is not True",
        put("Resources.UsersTable.Properties.SSESpecification.SSEEnabled", False),
    ),
    broken(
        checks.tables,
        "UsersTable: Properties.DeletionProtectionEnabled is not True",
        drop("Resources.UsersTable.Properties.DeletionProtectionEnabled"),
    ),
    broken(
        checks.tables,
        "UsersTable: DeletionPolicy is not Retain",
        put("Resources.UsersTable.DeletionPolicy", "Delete"),
    ),
]


def unproven(every_check: list[Check]) -> Iterator[str]:
    """The variants that their checks do not find, and the checks that have no variant."""
    whole = read_template()
    untouched = load(whole)
    for variant in VARIANTS:
        template = deepcopy(whole)
        for change in variant.changes:
            change(template)
        before = list(variant.check(untouched))
        found = [line for line in variant.check(load(template)) if line.startswith(variant.finding)]
        if found and not set(found) & set(before):
            print(f"{variant.check.__name__}: {found[0]}")
        else:
            yield f"{variant.check.__name__} does not find: {variant.finding}"
    for check in every_check:
        if check not in [variant.check for variant in VARIANTS]:
            yield f"{check.__name__} has no variant"
