"""Templates with one thing broken that graph.py or checks.py has to find."""

import checks
import graph
from variant import SIGNIN, VARIABLES, create_variant, drop, put

GRANT = "Resources.SigninRole.Properties.Policies.0.PolicyDocument.Statement.2"
EVENT_GRANT = "Resources.SecurityEventsRole.Properties.Policies.0.PolicyDocument.Statement.1"
ANY_ROUTE = {"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/*"}

VARIANTS = [
    # The issuer is the API's URL, and SAM's events put the function into the API.
    create_variant(
        graph.cycles,
        "a cycle: HttpApi needs SigninFunction needs HttpApi",
        put("Resources.HttpApi", {"Type": "AWS::Serverless::HttpApi"}),
        put(f"{VARIABLES}.TOKEN_ISSUER", {"Fn::Sub": "https://${HttpApi}.example.com"}),
        put(
            f"{SIGNIN}.Properties.Events",
            {"Post": {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "HttpApi"}, "Path": "/", "Method": "POST"}}},
        ),
    ),
    create_variant(
        graph.cycles,
        "a cycle: Api needs SigninFunction needs Api",
        put("Resources.Api.Properties.Name", {"Fn::Sub": ["${Name}", {"Name": {"Ref": "SigninFunction"}}]}),
    ),
    create_variant(
        graph.cycles,
        "a cycle: SigninRoute needs Stage needs SigninRoute",
        put("Resources.SigninRoute.DependsOn", ["Stage"]),
    ),
    create_variant(
        graph.cycles,
        "a cycle: SigninFunction needs SigninRole needs SigninFunction",
        put(f"{GRANT}.Resource", {"Fn::GetAtt": ["SigninFunction", "Arn"]}),
    ),
    create_variant(
        graph.unknown_references,
        "Resources.SigninRoute: refers to Nobody,",
        put("Resources.SigninRoute.Properties.Target", {"Fn::Sub": "integrations/${Nobody}"}),
    ),
    create_variant(
        graph.unknown_references,
        "Resources.SigninFunction: refers to Nobody,",
        put(f"{VARIABLES}.USERS_TABLE", {"Ref": "Nobody"}),
    ),
    create_variant(
        graph.unknown_references,
        "Resources.Stage: refers to Nobody,",
        put("Resources.Stage.DependsOn", "Nobody"),
    ),
    create_variant(
        graph.unknown_references,
        "Outputs.Issuer: refers to AWS::Acount,",
        put("Outputs.Issuer.Value", {"Fn::Sub": ["${AWS::Acount}${Name}", {"Name": "a name of its own"}]}),
    ),
    create_variant(
        graph.unknown_references,
        "Rules.DomainHasCertificate: refers to Nobody,",
        put("Rules.DomainHasCertificate.RuleCondition", {"Fn::Equals": [{"Ref": "Nobody"}, ""]}),
    ),
    create_variant(
        checks.own_roles,
        "RefreshFunction: shares SigninRole with SigninFunction",
        put("Resources.RefreshFunction.Properties.Role", {"Fn::GetAtt": ["SigninRole", "Arn"]}),
    ),
    create_variant(
        checks.own_roles,
        "SigninFunction: its role is none of the template's",
        put(f"{SIGNIN}.Properties.Role", "arn:aws:iam::123456789012:role/administrator"),
    ),
    create_variant(
        checks.own_roles,
        "SigninRole: others than Lambda may take it",
        put("Resources.SigninRole.Properties.AssumeRolePolicyDocument.Statement.0.Principal", {"AWS": "*"}),
    ),
    create_variant(
        checks.own_roles,
        "SigninFunction: shares SecurityEventsRole with a pipe",
        put(f"{SIGNIN}.Properties.Role", {"Fn::GetAtt": ["SecurityEventsRole", "Arn"]}),
    ),
    create_variant(
        checks.own_roles,
        "SecurityEventsRole: others than Pipes may take it",
        drop("Resources.SecurityEventsRole.Properties.AssumeRolePolicyDocument.Statement.0.Condition"),
    ),
    # A function without a role gets one of SAM's making.
    create_variant(checks.policies, "SigninFunctionRole: has managed policies", drop(f"{SIGNIN}.Properties.Role")),
    create_variant(
        checks.policies,
        "SigninRole: allows dynamodb:DeleteItem on ${UsersTable.Arn},",
        put(f"{GRANT}.Action", "dynamodb:DeleteItem"),
    ),
    create_variant(
        checks.policies,
        "SigninRole: does not allow dynamodb:GetItem, dynamodb:UpdateItem on ${UsersTable.Arn},",
        drop(GRANT),
    ),
    create_variant(
        checks.policies,
        'SigninRole: allows {"Effect": "Allow", "NotAction":',
        put(GRANT, {"Effect": "Allow", "NotAction": "dynamodb:DeleteTable", "Resource": "*"}),
    ),
    create_variant(
        checks.policies,
        "SecurityEventsRole: does not allow events:PutEvents on",
        put(f"{EVENT_GRANT}.Resource", {"Fn::Sub": "arn:${AWS::Partition}:events:*:*:event-bus/*"}),
    ),
    create_variant(
        checks.policies,
        "SecurityEventsRole: allows dynamodb:GetItem on ${UsersTable.Arn},",
        put(
            EVENT_GRANT,
            {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": {"Fn::GetAtt": ["UsersTable", "Arn"]}},
        ),
    ),
    create_variant(
        checks.policies,
        "Extra: is an AWS::IAM::Policy;",
        put("Resources.Extra", {"Type": "AWS::IAM::Policy", "Properties": {"Roles": [{"Ref": "SigninRole"}]}}),
    ),
    create_variant(
        checks.wildcards,
        "SigninRole: allows the actions dynamodb:*",
        put(f"{GRANT}.Action", ["dynamodb:GetItem", "dynamodb:*"]),
    ),
    create_variant(
        checks.wildcards,
        "SigninRole: allows dynamodb:GetItem on every resource",
        put(f"{GRANT}.Action", "dynamodb:GetItem"),
        put(f"{GRANT}.Resource", "*"),
    ),
    create_variant(checks.wildcards, "SigninRole: allows to scan a table", put(f"{GRANT}.Action", "dynamodb:Scan")),
    create_variant(checks.deadlines, "SigninFunction: Timeout is 31,", put(f"{SIGNIN}.Properties.Timeout", 31)),
    create_variant(
        checks.deadlines,
        "RotateKeysFunction: Timeout is 900,",
        put("Resources.RotateKeysFunction.Properties.Timeout", 900),
    ),
    create_variant(
        checks.deadlines,
        "JwksIntegration: TimeoutInMillis is 5000,",
        put("Resources.JwksIntegration.Properties.TimeoutInMillis", 5000),
    ),
    create_variant(
        checks.permissions,
        "SigninRoute: leads to no function",
        put("Resources.SigninRoute.Properties.Target", "integrations/abc"),
    ),
    create_variant(
        checks.permissions,
        "SigninRoute: leads to no function",
        put("Resources.SigninIntegration.Properties.IntegrationUri", {"Fn::Sub": "${SigninRole.Arn}"}),
    ),
    create_variant(
        checks.permissions,
        "JwksRoute: no permission for exactly its method and path",
        drop("Resources.JwksPermission"),
    ),
    create_variant(
        checks.permissions,
        "SigninPermission: is for no route:",
        put("Resources.SigninPermission.Properties.SourceArn", ANY_ROUTE),
    ),
    create_variant(
        checks.permissions,
        "SigninPermission: is for no route:",
        put("Resources.SigninPermission.Properties.Principal", "*"),
    ),
    create_variant(
        checks.permissions,
        "AuthorizerPermission: is for no route:",
        put("Resources.AuthorizerPermission.Properties.SourceArn", ANY_ROUTE),
    ),
    create_variant(
        checks.authorizers,
        "Authorizer: its answers are taken for others'",
        put("Resources.Authorizer.Properties.IdentitySource", ["$request.header.Authorization"]),
    ),
    create_variant(
        checks.authorizers,
        "Authorizer: keeps its answers for too long",
        put("Resources.Authorizer.Properties.AuthorizerResultTtlInSeconds", 300),
    ),
    create_variant(
        checks.authorizers,
        "Authorizer: is not answered in the form",
        drop("Resources.Authorizer.Properties.EnableSimpleResponses"),
    ),
    create_variant(
        checks.permissions,
        "RotateKeysPermission: is for no route:",
        drop("Resources.RotateKeysPermission.Properties.SourceAccount"),
    ),
    create_variant(
        checks.permissions,
        "RotateKeysFunction: no permission for",
        drop("Resources.RotateKeysPermission"),
    ),
    create_variant(
        checks.router,
        "PUT /signin by signin: in the template,",
        put("Resources.SigninRoute.Properties.RouteKey", "PUT /signin"),
    ),
    create_variant(
        checks.router, "GET /userinfo by userinfo: in Cargo.toml's router,", drop("Resources.UserinfoRoute")
    ),
    create_variant(
        checks.router,
        "POST /signin by refresh: in the template,",
        put(f"{SIGNIN}.Metadata.BuildProperties.Binary", "refresh"),
    ),
    create_variant(
        checks.builds, "SigninFunction: CodeUri is not the package of signin", put(f"{SIGNIN}.Properties.CodeUri", ".")
    ),
    create_variant(
        checks.secrets,
        "RefreshKeysSecret: does not begin as",
        put("Resources.RefreshKeysSecret.Properties.SecretString", "a key"),
    ),
    create_variant(
        checks.secrets,
        "AccessKeysSecret: nothing makes its first keys",
        drop("Resources.AccessKeysRotation.Properties.RotateImmediatelyOnUpdate"),
    ),
    create_variant(
        checks.secrets,
        "AccessKeysSecret: has a GenerateSecretString",
        put("Resources.AccessKeysSecret.Properties.GenerateSecretString", {"PasswordLength": 32}),
    ),
    create_variant(
        checks.tables,
        "SessionsTable: Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled is not True",
        drop("Resources.SessionsTable.Properties.PointInTimeRecoverySpecification"),
    ),
    create_variant(
        checks.tables,
        "UsersTable: Properties.SSESpecification.SSEEnabled is not True",
        put("Resources.UsersTable.Properties.SSESpecification.SSEEnabled", False),
    ),
    create_variant(
        checks.tables,
        "UsersTable: Properties.DeletionProtectionEnabled is not True",
        drop("Resources.UsersTable.Properties.DeletionProtectionEnabled"),
    ),
    create_variant(
        checks.tables,
        "AttemptsTable: Properties.SSESpecification.SSEEnabled is not True",
        drop("Resources.AttemptsTable.Properties.SSESpecification"),
    ),
    create_variant(
        checks.tables,
        "AttemptsTable: Properties.BillingMode is not PAY_PER_REQUEST",
        put("Resources.AttemptsTable.Properties.BillingMode", "PROVISIONED"),
    ),
    create_variant(
        checks.tables,
        "AttemptsTable: Properties.TimeToLiveSpecification.Enabled is not True",
        put("Resources.AttemptsTable.Properties.TimeToLiveSpecification.Enabled", False),
    ),
    create_variant(
        checks.tables,
        "SessionsTable: Properties.TimeToLiveSpecification.AttributeName is not ttl",
        put("Resources.SessionsTable.Properties.TimeToLiveSpecification.AttributeName", "idle_expires_at"),
    ),
    create_variant(
        checks.tables,
        "UsersTable: DeletionPolicy is not Retain",
        put("Resources.UsersTable.DeletionPolicy", "Delete"),
    ),
]
