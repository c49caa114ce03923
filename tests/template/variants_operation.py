"""Templates with one thing broken that monitoring.py, domain.py or local.py has to find."""

import domain
import local
import monitoring
from stack import Json, read_template
from variant import SIGNIN, VARIABLES, Change, create_variant, drop, find_holder, put

LOG = "Resources.Stage.Properties.AccessLogSettings"
LINE = '{{"requestId":"$context.requestId","more":"{}"}}'
ALARM = "Resources.SigninErrorsAlarm.Properties"
TLS = "Resources.Domain.Properties.DomainNameConfigurations.0.SecurityPolicy"
MAPPING = "Resources.DomainMapping"
BOARD = "Resources.Dashboard.Properties"
KEYS_ALARM = read_template()["Resources"]["KeysAlarm"]["Properties"]["Metrics"]


def replace_in_dashboard(old: str, new: str) -> Change:
    """Replaces a text in the dashboard."""

    def change(template: Json) -> None:
        holder, key = find_holder(template, f"{BOARD}.DashboardBody.Fn::Sub")
        holder[key] = holder[key].replace(old, new)

    return change


VARIANTS = [
    *(
        create_variant(
            monitoring.access_logs, f"Stage: logs {secret} as more, not None", put(f"{LOG}.Format", LINE.format(secret))
        )
        for secret in (
            "$context.path",
            "$context.identity.userAgent",
            "$context.authorizer.error",
            "$request.header.authorization",
            "$request.body",
            "$request.querystring.email",
        )
    ),
    create_variant(
        monitoring.access_logs,
        "Stage: logs None as status, not $context.status",
        put(f"{LOG}.Format", LINE.format("")),
    ),
    create_variant(
        monitoring.access_logs,
        "Stage: a line of its log is not a JSON object",
        put(f"{LOG}.Format", "$context.identity.sourceIp $context.status"),
    ),
    create_variant(
        monitoring.access_logs,
        "Stage: a line of its log is not a JSON object",
        put(f"{LOG}.Format", '{\n"requestId":"$context.requestId"}'),
    ),
    create_variant(monitoring.access_logs, "Stage: a line of its log is not a JSON object", drop(LOG)),
    create_variant(
        monitoring.access_logs,
        "Stage: logs to no group of the template",
        put(f"{LOG}.DestinationArn", {"Fn::GetAtt": ["SigninRole", "Arn"]}),
    ),
    create_variant(
        monitoring.log_groups, "AccessLogs: keeps its lines forever", drop("Resources.AccessLogs.Properties")
    ),
    create_variant(
        monitoring.log_groups, "SigninLogs: is deleted with the stack", drop("Resources.SigninLogs.DeletionPolicy")
    ),
    create_variant(
        monitoring.log_groups,
        "SigninLogs: is deleted when it is replaced",
        put("Resources.SigninLogs.UpdateReplacePolicy", "Delete"),
    ),
    create_variant(
        monitoring.log_groups,
        "SigninFunction: logs to no group of the template",
        drop(f"{SIGNIN}.Properties.LoggingConfig"),
    ),
    create_variant(
        monitoring.log_groups,
        "RefreshFunction: logs to SigninLogs, as SigninFunction does",
        put("Resources.RefreshFunction.Properties.LoggingConfig.LogGroup", {"Ref": "SigninLogs"}),
    ),
    create_variant(
        monitoring.counters,
        "SigninFunction: counts in null, not in Relatch/${AWS::StackName}",
        drop(f"{VARIABLES}.METRICS_NAMESPACE"),
    ),
    create_variant(
        monitoring.counters,
        "SigninFunction: counts in Relatch, not in Relatch/${AWS::StackName}",
        put(f"{VARIABLES}.METRICS_NAMESPACE", "Relatch"),
    ),
    create_variant(
        monitoring.alarms,
        "no alarm on AWS/Lambda Errors FunctionName SigninFunction",
        drop(ALARM.removesuffix(".Properties")),
    ),
    create_variant(
        monitoring.alarms,
        "no alarm on AWS/Lambda Throttles FunctionName UserinfoFunction",
        put("Resources.UserinfoThrottlesAlarm.Properties.Dimensions.0.Value", {"Ref": "SigninFunction"}),
    ),
    create_variant(monitoring.alarms, "no alarm on AWS/ApiGateway 5xx ApiId Api", drop("Resources.ServerErrorsAlarm")),
    create_variant(
        monitoring.alarms,
        "no alarm on AWS/ApiGateway Latency ApiId Api",
        put("Resources.LatencyAlarm.Properties.MetricName", "IntegrationLatency"),
    ),
    create_variant(
        monitoring.alarms,
        "no alarm on Relatch/${AWS::StackName} count event refresh_reuse",
        drop("Resources.RefreshReuseAlarm"),
    ),
    create_variant(
        monitoring.alarms,
        "no alarm on Relatch/${AWS::StackName} count event keys_missing",
        put("Resources.KeysAlarm.Properties.Metrics", KEYS_ALARM[:2]),
    ),
    create_variant(
        monitoring.alarms,
        "no alarm on AWS/EventBridge/Pipes ExecutionFailed PipeName NewDevicePipe",
        drop("Resources.SecurityEventsAlarm"),
    ),
    create_variant(
        monitoring.alarms,
        "KeysAlarm: is not on the sum of its metrics",
        put("Resources.KeysAlarm.Properties.Metrics.0.Expression", "stale + missing"),
    ),
    create_variant(
        monitoring.alarms,
        "LoggedAlarm: is on Relatch alarms, which is not watched for",
        put("Resources.LoggedAlarm.Properties.Namespace", "Relatch"),
    ),
    create_variant(
        monitoring.alarms,
        "FailedSigninsAlarm: is on Relatch/${AWS::StackName} count event signin_failed, which is not watched for",
        put("Resources.FailedSigninsAlarm.Properties.Dimensions.0.Value", "signin_failed"),
    ),
    create_variant(
        monitoring.alarms, "SigninErrorsAlarm: does not say what it means", drop(f"{ALARM}.AlarmDescription")
    ),
    create_variant(monitoring.alarms, "SigninErrorsAlarm: does not tell AlarmTopicArn", drop(f"{ALARM}.AlarmActions")),
    create_variant(
        monitoring.alarms, "SigninErrorsAlarm: goes off when nobody calls", drop(f"{ALARM}.TreatMissingData")
    ),
    create_variant(monitoring.dashboard, "Dashboard: is not JSON", put(f"{BOARD}.DashboardBody", "{,}")),
    create_variant(monitoring.dashboard, "there is not one dashboard", drop(BOARD.removesuffix(".Properties"))),
    create_variant(
        monitoring.dashboard,
        "Dashboard: does not show Relatch/${AWS::StackName} count event signin_fail",
        replace_in_dashboard('"signin_fail"', '"signin_failed"'),
    ),
    create_variant(
        monitoring.dashboard,
        "Dashboard: shows Relatch/${AWS::StackName} count event signin_failed, which is nothing",
        replace_in_dashboard('"signin_fail"', '"signin_failed"'),
    ),
    create_variant(
        monitoring.dashboard,
        "Dashboard: does not show AWS/Lambda Duration FunctionName JwksFunction",
        replace_in_dashboard("${JwksFunction}", "${SigninFunction}"),
    ),
    create_variant(
        monitoring.dashboard,
        "Dashboard: does not show AWS/DynamoDB ReadThrottleEvents TableName AttemptsTable",
        replace_in_dashboard("${AttemptsTable}", "${UsersTable}"),
    ),
    create_variant(
        monitoring.dashboard,
        "Dashboard: does not show AWS/ApiGateway Latency ApiId Api",
        replace_in_dashboard('"Latency"', '"IntegrationLatency"'),
    ),
    create_variant(
        monitoring.dashboard,
        "Dashboard: its widgets do not fit beside each other",
        replace_in_dashboard('"x": 8', '"x": 7'),
    ),
    create_variant(
        monitoring.dashboard,
        "Dashboard: its widgets do not fit beside each other",
        replace_in_dashboard('"x": 16', '"x": 17'),
    ),
    create_variant(domain.transport, "Domain: SecurityPolicy is TLS_1_0, not TLS_1_2", put(TLS, "TLS_1_0")),
    create_variant(domain.transport, "Domain: SecurityPolicy is None, not TLS_1_2", drop(TLS)),
    create_variant(domain.single_entry, "Domain: has not one mapping under its condition", drop(MAPPING)),
    create_variant(
        domain.single_entry, "Domain: has not one mapping under its condition", drop(f"{MAPPING}.Condition")
    ),
    create_variant(
        domain.single_entry,
        "Api: its own URL stays open beside Domain",
        drop("Resources.Api.Properties.DisableExecuteApiEndpoint"),
    ),
    create_variant(
        domain.single_entry,
        "Api: its own URL stays open beside Domain",
        put("Resources.Api.Properties.DisableExecuteApiEndpoint", {"Fn::If": ["HasCors", True, False]}),
    ),
    create_variant(
        domain.rules,
        "Rules: accept DomainName 'auth.example.com' with CertificateArn ''",
        drop("Rules.DomainHasCertificate"),
    ),
    create_variant(
        domain.rules,
        "Rules: accept DomainName '' with CertificateArn 'arn:aws:acm:…'",
        drop("Rules.CertificateHasDomain"),
    ),
    create_variant(
        domain.rules,
        "Rules: refuse DomainName '' with CertificateArn ''",
        put("Rules.DomainHasCertificate.RuleCondition", {"Fn::Equals": ["", ""]}),
    ),
    create_variant(
        domain.urls,
        "SigninFunction: TOKEN_ISSUER is neither the domain nor the API's URL",
        put(f"{VARIABLES}.TOKEN_ISSUER", {"Fn::Sub": "https://${DomainName}"}),
    ),
    create_variant(
        domain.urls,
        "Outputs.Issuer: is not the issuer",
        put("Outputs.Issuer.Value.Fn::If.1", {"Fn::Sub": "https://${DomainName}/"}),
    ),
    create_variant(
        domain.urls,
        "Outputs.SigninUrl: is not the issuer with the path of a route",
        put("Outputs.SigninUrl.Value.Fn::If.1", {"Fn::Sub": "https://${DomainName}/sign-in"}),
    ),
    create_variant(
        local.variables,
        "SigninFunction: env.json sets KEYS_FILE, which it does not name",
        drop(f"{VARIABLES}.KEYS_FILE"),
    ),
    create_variant(
        local.variables,
        "SigninFunction: KEYS_FILE has a value in AWS",
        put(f"{VARIABLES}.KEYS_FILE", "/var/task/keys.json"),
    ),
    create_variant(
        local.variables,
        "SigninFunction: AWS_ENDPOINT_URL has a value in AWS",
        put(f"{VARIABLES}.AWS_ENDPOINT_URL", "https://example.com"),
    ),
    create_variant(
        local.variables,
        "SigninFunction: TOKEN_SCOPE has no value anywhere",
        put(f"{VARIABLES}.TOKEN_SCOPE", {"Ref": "AWS::NoValue"}),
    ),
]
