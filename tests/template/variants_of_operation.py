"""Templates with one thing broken that watch.py, domain.py or local.py has to find."""

import domain
import local
import watch
from breaking import SIGNIN, VARIABLES, Change, broken, drop, parent, put
from stack import Json, read_template

LOG = "Resources.Stage.Properties.AccessLogSettings"
LINE = '{{"requestId":"$context.requestId","more":"{}"}}'
ALARM = "Resources.SigninErrorsAlarm.Properties"
TLS = "Resources.Domain.Properties.DomainNameConfigurations.0.SecurityPolicy"
MAPPING = "Resources.DomainMapping"
BOARD = "Resources.Dashboard.Properties"
KEYS_ALARM = read_template()["Resources"]["KeysAlarm"]["Properties"]["Metrics"]


def redraw(old: str, new: str) -> Change:
    """Replaces a text in the dashboard."""

    def change(template: Json) -> None:
        holder, key = parent(template, f"{BOARD}.DashboardBody.Fn::Sub")
        holder[key] = holder[key].replace(old, new)

    return change


VARIANTS = [
    *(
        broken(watch.access_logs, f"Stage: logs {secret} as more, not None", put(f"{LOG}.Format", LINE.format(secret)))
        for secret in (
            "$context.path",
            "$context.identity.userAgent",
            "$context.authorizer.error",
            "$request.header.authorization",
            "$request.body",
            "$request.querystring.email",
        )
    ),
    broken(
        watch.access_logs,
        "Stage: logs None as status, not $context.status",
        put(f"{LOG}.Format", LINE.format("")),
    ),
    broken(
        watch.access_logs,
        "Stage: a line of its log is not a JSON object",
        put(f"{LOG}.Format", "$context.identity.sourceIp $context.status"),
    ),
    broken(
        watch.access_logs,
        "Stage: a line of its log is not a JSON object",
        put(f"{LOG}.Format", '{\n"requestId":"$context.requestId"}'),
    ),
    broken(watch.access_logs, "Stage: a line of its log is not a JSON object", drop(LOG)),
    broken(
        watch.access_logs,
        "Stage: logs to no group of the template",
        put(f"{LOG}.DestinationArn", {"Fn::GetAtt": ["SigninRole", "Arn"]}),
    ),
    broken(watch.log_groups, "AccessLogs: keeps its lines forever", drop("Resources.AccessLogs.Properties")),
    broken(watch.log_groups, "SigninLogs: is deleted with the stack", drop("Resources.SigninLogs.DeletionPolicy")),
    broken(
        watch.log_groups,
        "SigninLogs: is deleted when it is replaced",
        put("Resources.SigninLogs.UpdateReplacePolicy", "Delete"),
    ),
    broken(
        watch.log_groups, "SigninFunction: logs to no group of the template", drop(f"{SIGNIN}.Properties.LoggingConfig")
    ),
    broken(
        watch.log_groups,
        "RefreshFunction: logs to SigninLogs, as SigninFunction does",
        put("Resources.RefreshFunction.Properties.LoggingConfig.LogGroup", {"Ref": "SigninLogs"}),
    ),
    broken(
        watch.counts,
        "SigninFunction: counts in null, not in Relatch/${AWS::StackName}",
        drop(f"{VARIABLES}.METRICS_NAMESPACE"),
    ),
    broken(
        watch.counts,
        "SigninFunction: counts in Relatch, not in Relatch/${AWS::StackName}",
        put(f"{VARIABLES}.METRICS_NAMESPACE", "Relatch"),
    ),
    broken(
        watch.alarms,
        "no alarm on AWS/Lambda Errors FunctionName SigninFunction",
        drop(ALARM.removesuffix(".Properties")),
    ),
    broken(
        watch.alarms,
        "no alarm on AWS/Lambda Throttles FunctionName UserinfoFunction",
        put("Resources.UserinfoThrottlesAlarm.Properties.Dimensions.0.Value", {"Ref": "SigninFunction"}),
    ),
    broken(watch.alarms, "no alarm on AWS/ApiGateway 5xx ApiId Api", drop("Resources.ServerErrorsAlarm")),
    broken(
        watch.alarms,
        "no alarm on AWS/ApiGateway Latency ApiId Api",
        put("Resources.LatencyAlarm.Properties.MetricName", "IntegrationLatency"),
    ),
    broken(
        watch.alarms,
        "no alarm on Relatch/${AWS::StackName} count event refresh_reuse",
        drop("Resources.RefreshReuseAlarm"),
    ),
    broken(
        watch.alarms,
        "no alarm on Relatch/${AWS::StackName} count event keys_missing",
        put("Resources.KeysAlarm.Properties.Metrics", KEYS_ALARM[:2]),
    ),
    broken(
        watch.alarms,
        "no alarm on AWS/EventBridge/Pipes ExecutionFailed PipeName NewDevicePipe",
        drop("Resources.SecurityEventsAlarm"),
    ),
    broken(
        watch.alarms,
        "KeysAlarm: is not on the sum of its metrics",
        put("Resources.KeysAlarm.Properties.Metrics.0.Expression", "stale + missing"),
    ),
    broken(
        watch.alarms,
        "LoggedAlarm: is on Relatch alarms, which is not watched for",
        put("Resources.LoggedAlarm.Properties.Namespace", "Relatch"),
    ),
    broken(
        watch.alarms,
        "FailedSigninsAlarm: is on Relatch/${AWS::StackName} count event signin_failed, which is not watched for",
        put("Resources.FailedSigninsAlarm.Properties.Dimensions.0.Value", "signin_failed"),
    ),
    broken(watch.alarms, "SigninErrorsAlarm: does not say what it means", drop(f"{ALARM}.AlarmDescription")),
    broken(watch.alarms, "SigninErrorsAlarm: does not tell AlarmTopicArn", drop(f"{ALARM}.AlarmActions")),
    broken(watch.alarms, "SigninErrorsAlarm: goes off when nobody calls", drop(f"{ALARM}.TreatMissingData")),
    broken(watch.dashboard, "Dashboard: is not JSON", put(f"{BOARD}.DashboardBody", "{,}")),
    broken(watch.dashboard, "there is not one dashboard", drop(BOARD.removesuffix(".Properties"))),
    broken(
        watch.dashboard,
        "Dashboard: does not show Relatch/${AWS::StackName} count event signin_fail",
        redraw('"signin_fail"', '"signin_failed"'),
    ),
    broken(
        watch.dashboard,
        "Dashboard: shows Relatch/${AWS::StackName} count event signin_failed, which is nothing",
        redraw('"signin_fail"', '"signin_failed"'),
    ),
    broken(
        watch.dashboard,
        "Dashboard: does not show AWS/Lambda Duration FunctionName JwksFunction",
        redraw("${JwksFunction}", "${SigninFunction}"),
    ),
    broken(
        watch.dashboard,
        "Dashboard: does not show AWS/DynamoDB ReadThrottleEvents TableName AttemptsTable",
        redraw("${AttemptsTable}", "${UsersTable}"),
    ),
    broken(
        watch.dashboard,
        "Dashboard: does not show AWS/ApiGateway Latency ApiId Api",
        redraw('"Latency"', '"IntegrationLatency"'),
    ),
    broken(watch.dashboard, "Dashboard: its widgets do not fit beside each other", redraw('"x": 8', '"x": 7')),
    broken(watch.dashboard, "Dashboard: its widgets do not fit beside each other", redraw('"x": 16', '"x": 17')),
    broken(domain.transport, "Domain: SecurityPolicy is TLS_1_0, not TLS_1_2", put(TLS, "TLS_1_0")),
    broken(domain.transport, "Domain: SecurityPolicy is None, not TLS_1_2", drop(TLS)),
    broken(domain.one_way_in, "Domain: has not one mapping under its condition", drop(MAPPING)),
    broken(domain.one_way_in, "Domain: has not one mapping under its condition", drop(f"{MAPPING}.Condition")),
    broken(
        domain.one_way_in,
        "Api: its own URL stays open beside Domain",
        drop("Resources.Api.Properties.DisableExecuteApiEndpoint"),
    ),
    broken(
        domain.one_way_in,
        "Api: its own URL stays open beside Domain",
        put("Resources.Api.Properties.DisableExecuteApiEndpoint", {"Fn::If": ["HasCors", True, False]}),
    ),
    broken(
        domain.rules,
        "Rules: accept DomainName 'auth.example.com' with CertificateArn ''",
        drop("Rules.DomainHasCertificate"),
    ),
    broken(
        domain.rules,
        "Rules: accept DomainName '' with CertificateArn 'arn:aws:acm:…'",
        drop("Rules.CertificateHasDomain"),
    ),
    broken(
        domain.rules,
        "Rules: refuse DomainName '' with CertificateArn ''",
        put("Rules.DomainHasCertificate.RuleCondition", {"Fn::Equals": ["", ""]}),
    ),
    broken(
        domain.urls,
        "SigninFunction: TOKEN_ISSUER is neither the domain nor the API's URL",
        put(f"{VARIABLES}.TOKEN_ISSUER", {"Fn::Sub": "https://${DomainName}"}),
    ),
    broken(
        domain.urls,
        "Outputs.Issuer: is not the issuer",
        put("Outputs.Issuer.Value.Fn::If.1", {"Fn::Sub": "https://${DomainName}/"}),
    ),
    broken(
        domain.urls,
        "Outputs.SigninUrl: is not the issuer with the path of a route",
        put("Outputs.SigninUrl.Value.Fn::If.1", {"Fn::Sub": "https://${DomainName}/sign-in"}),
    ),
    broken(
        local.variables,
        "SigninFunction: env.json sets KEYS_FILE, which it does not name",
        drop(f"{VARIABLES}.KEYS_FILE"),
    ),
    broken(
        local.variables,
        "SigninFunction: KEYS_FILE has a value in AWS",
        put(f"{VARIABLES}.KEYS_FILE", "/var/task/keys.json"),
    ),
    broken(
        local.variables,
        "SigninFunction: AWS_ENDPOINT_URL has a value in AWS",
        put(f"{VARIABLES}.AWS_ENDPOINT_URL", "https://example.com"),
    ),
    broken(
        local.variables,
        "SigninFunction: TOKEN_SCOPE has no value anywhere",
        put(f"{VARIABLES}.TOKEN_SCOPE", {"Ref": "AWS::NoValue"}),
    ),
]
