"""Templates with one thing broken that graph.py or checks.py has to find."""

import checks
import graph
from breaking import SIGNIN, VARIABLES, broken, drop, put

GRANT = "Resources.SigninRole.Properties.Policies.0.PolicyDocument.Statement.2"
TELL = "Resources.SecurityEventsRole.Properties.Policies.0.PolicyDocument.Statement.1"
ANY_ROUTE = {"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/*"}

VARIANTS = [
    # The issuer is the API's URL, and SAM's events put the function into the API.
    broken(
        graph.cycles,
        "a cycle: HttpApi needs SigninFunction needs HttpApi",
        put("Resources.HttpApi", {"Type": "AWS::Serverless::HttpApi"}),
        put(f"{VARIABLES}.TOKEN_ISSUER", {"Fn::Sub": "https://${HttpApi}.example.com"}),
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
        put(f"{VARIABLES}.USERS_TABLE", {"Ref": "Nobody"}),
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
        graph.unknown_references,
        "Rules.DomainHasCertificate: refers to Nobody,",
        put("Rules.DomainHasCertificate.RuleCondition", {"Fn::Equals": [{"Ref": "Nobody"}, ""]}),
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
    broken(
        checks.own_roles,
        "SigninFunction: shares SecurityEventsRole with a pipe",
        put(f"{SIGNIN}.Properties.Role", {"Fn::GetAtt": ["SecurityEventsRole", "Arn"]}),
    ),
    broken(
        checks.own_roles,
        "SecurityEventsRole: others than Pipes may take it",
        drop("Resources.SecurityEventsRole.Properties.AssumeRolePolicyDocument.Statement.0.Condition"),
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
        "SecurityEventsRole: does not allow events:PutEvents on",
        put(f"{TELL}.Resource", {"Fn::Sub": "arn:${AWS::Partition}:events:*:*:event-bus/*"}),
    ),
    broken(
        checks.policies,
        "SecurityEventsRole: allows dynamodb:GetItem on ${UsersTable.Arn},",
        put(TELL, {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": {"Fn::GetAtt": ["UsersTable", "Arn"]}}),
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
        "RotateKeysFunction: Timeout is 900,",
        put("Resources.RotateKeysFunction.Properties.Timeout", 900),
    ),
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
        checks.permissions,
        "AuthorizerPermission: is for no route:",
        put("Resources.AuthorizerPermission.Properties.SourceArn", ANY_ROUTE),
    ),
    broken(
        checks.authorizers,
        "Authorizer: its answers are taken for others'",
        put("Resources.Authorizer.Properties.IdentitySource", ["$request.header.Authorization"]),
    ),
    broken(
        checks.authorizers,
        "Authorizer: keeps its answers for too long",
        put("Resources.Authorizer.Properties.AuthorizerResultTtlInSeconds", 300),
    ),
    broken(
        checks.authorizers,
        "Authorizer: is not answered in the form",
        drop("Resources.Authorizer.Properties.EnableSimpleResponses"),
    ),
    broken(
        checks.permissions,
        "RotateKeysPermission: is for no route:",
        drop("Resources.RotateKeysPermission.Properties.SourceAccount"),
    ),
    broken(
        checks.permissions,
        "RotateKeysFunction: no permission for",
        drop("Resources.RotateKeysPermission"),
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
        "RefreshKeysSecret: does not begin as",
        put("Resources.RefreshKeysSecret.Properties.SecretString", "a key"),
    ),
    broken(
        checks.secrets,
        "AccessKeysSecret: nothing makes its first keys",
        drop("Resources.AccessKeysRotation.Properties.RotateImmediatelyOnUpdate"),
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
        "AttemptsTable: Properties.SSESpecification.SSEEnabled is not True",
        drop("Resources.AttemptsTable.Properties.SSESpecification"),
    ),
    broken(
        checks.tables,
        "AttemptsTable: Properties.BillingMode is not PAY_PER_REQUEST",
        put("Resources.AttemptsTable.Properties.BillingMode", "PROVISIONED"),
    ),
    broken(
        checks.tables,
        "AttemptsTable: Properties.TimeToLiveSpecification.Enabled is not True",
        put("Resources.AttemptsTable.Properties.TimeToLiveSpecification.Enabled", False),
    ),
    broken(
        checks.tables,
        "SessionsTable: Properties.TimeToLiveSpecification.AttributeName is not ttl",
        put("Resources.SessionsTable.Properties.TimeToLiveSpecification.AttributeName", "idle_expires_at"),
    ),
    broken(
        checks.tables,
        "UsersTable: DeletionPolicy is not Retain",
        put("Resources.UsersTable.DeletionPolicy", "Delete"),
    ),
]
