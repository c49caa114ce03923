use super::*;

const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Audience: {Type: String, Default: the-api}
  Lifetime: {Type: Number, Default: 900}
  Origins: {Type: CommaDelimitedList, Default: "https://a.example, https://b.example"}
  Nameless: {Type: String}
  Domain: {Type: String, Default: ""}
Conditions:
  HasDomain: !Not [!Equals [!Ref Domain, ""]]
  NotRead: !Equals [!Select [0, [a]], a]
Globals:
  Function:
    Environment:
      Variables:
        TOKEN_ISSUER: !If
          - HasDomain
          - !Sub "https://${Domain}"
          - !Sub "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
        LOCAL_ONLY: !Ref AWS::NoValue
        TOKEN_AUDIENCE: !Ref Audience
        ACCESS_TOKEN_TTL: {Ref: Lifetime}
        USERS_TABLE: !Ref Users
        KEYS: !Ref Secret
        ORIGINS: !Join [",", !Ref Origins]
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      CorsConfiguration: !If
        - HasOrigins
        - AllowOrigins: !Ref Origins
          AllowMethods: [GET, POST]
          MaxAge: 60
          AllowCredentials: true
        - !Ref AWS::NoValue
  Secret: {Type: AWS::SecretsManager::Secret}
  Users:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      TimeToLiveSpecification: {AttributeName: ttl, Enabled: true}
      TableName: !Join ["-", [a, b]]
  SignIn:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: signin}}
    Properties:
      Environment: {Variables: {OWN: !Sub "${Audience}-${!literal}", TOKEN_AUDIENCE: "another"}}
  CalledByNobody:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: rotate}}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      IntegrationUri: !Sub "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${SignIn.Arn}/invocations"
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties: {RouteKey: POST /signin, Target: !Sub "integrations/${Integration}"}
"#;

const URL: &str = "http://127.0.0.1:3000";

fn parse(text: &str) -> Result<Template, TemplateError> {
    Template::parse(text, URL, &BTreeMap::new())
}

fn error(from: &str, to: &str) -> String {
    let changed = TEMPLATE.replace(from, to);
    assert_ne!(changed, TEMPLATE, "{from}");
    parse(&changed).unwrap_err().to_string()
}

#[test]
fn it_finds_what_the_local_stack_needs() {
    let template = parse(TEMPLATE).unwrap();
    assert_eq!(
        template.routes,
        [Route {
            method: "POST".to_owned(),
            path: "/signin".to_owned(),
            function: "SignIn".to_owned(),
            authorizer: None
        }]
    );
    assert_eq!(template.tables[0].name, "Users");
    assert_eq!(template.tables[0].ttl_attribute.as_deref(), Some("ttl"));
    let binaries: Vec<_> = template.functions.iter().map(|function| function.binary.as_str()).collect();
    assert_eq!(binaries, ["signin"]);
    let expected = [
        ("ACCESS_TOKEN_TTL", "900"),
        ("ORIGINS", "https://a.example,https://b.example"),
        ("OWN", "the-api-${literal}"),
        ("TOKEN_AUDIENCE", "another"),
        ("TOKEN_ISSUER", URL),
        ("USERS_TABLE", "Users"),
    ];
    let environment: Vec<_> =
        template.functions[0].environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(environment, expected);
    let cors = template.cors.unwrap();
    assert_eq!(cors.allow_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(
        (cors.allow_methods.len(), cors.max_age, cors.allow_credentials),
        (2, Some(Duration::from_secs(60)), true)
    );
}

#[test]
fn a_condition_chooses_between_two_values() {
    let template = TEMPLATE
        .replace("Domain: {Type: String, Default: \"\"}", "Domain: {Type: String, Default: auth.example.com}");
    let template = parse(&template).unwrap();
    assert_eq!(template.variable("TOKEN_ISSUER"), Some("https://auth.example.com"));
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_named() {
    assert!(error("- HasDomain", "- NotRead").contains("Conditions.NotRead uses Fn::Select"));
    assert!(error("- HasDomain", "- HasNothing").contains("HasNothing, which has no value here"));
    assert!(
        error("!Not [!Equals [!Ref Domain, \"\"]]", "!Or [a, b]").contains("Conditions.HasDomain uses Fn::Or")
    );
    assert!(error("- HasDomain\n", "- [HasDomain]\n").contains("TOKEN_ISSUER is missing or has the wrong form"));
}

#[test]
fn a_setting_sets_the_parameter_that_its_variable_is_taken_from() {
    let settings = [
        ("ACCESS_TOKEN_TTL", "60"),
        ("TOKEN_AUDIENCE", "set"),
        ("USERS_TABLE", "x"),
        ("ELSE", "y"),
        ("ORIGINS", "https://c.example, https://d.example"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let template = Template::parse(TEMPLATE, URL, &settings).unwrap();
    assert_eq!(template.variable("ACCESS_TOKEN_TTL"), Some("60"));
    assert_eq!(template.variable("OWN"), Some("set-${literal}"), "by the parameter, and in nothing else");
    assert_eq!(template.variable("USERS_TABLE"), Some("Users"), "a table is no parameter");
    assert_eq!(template.cors.unwrap().allow_origins, ["https://c.example", "https://d.example"]);
}

#[test]
fn a_route_that_cannot_be_guarded_here_is_not_served() {
    let route = "{RouteKey: POST /signin, ";
    for authorization in [
        "AuthorizerId: !Ref Guard, ",
        "AuthorizationType: NONE, AuthorizerId: !Ref Guard, ",
        "AuthorizationType: CUSTOM, ",
        "AuthorizationType: AWS_IAM, ",
        "AuthorizationType: JWT, AuthorizerId: !Ref Guard, ",
    ] {
        let wrong = error(route, &format!("{route}{authorization}"));
        assert_eq!(
            wrong, "Route.Properties.AuthorizationType is missing or has the wrong form",
            "{authorization}"
        );
    }
    let open = TEMPLATE.replace(route, &format!("{route}AuthorizationType: NONE, "));
    assert_eq!(parse(&open).unwrap().routes[0].authorizer, None);
}

#[test]
fn no_origin_is_no_cors() {
    assert!(
        error("AllowOrigins: !Ref Origins", "AllowOrigins: !Split [a, b]")
            .contains("Api.AllowOrigins uses Fn::Split")
    );
    let template = TEMPLATE.replace("\"https://a.example, https://b.example\"", "\"\"");
    assert_eq!(parse(&template).unwrap().cors, None);
}

#[test]
fn an_intrinsic_that_cannot_be_evaluated_is_named_with_its_path() {
    assert_eq!(
        error("!Ref Audience", "!FindInMap [a, b, c]"),
        "Globals.Function.Environment.Variables.TOKEN_AUDIENCE uses Fn::FindInMap; here only Ref, Sub, Join and a plain If can be evaluated"
    );
    assert_eq!(
        error("OWN: !Sub \"${Audience}-${!literal}\"", "OWN: !GetAtt Users.Arn"),
        "SignIn.Environment.Variables.OWN uses Fn::GetAtt; here only Ref, Sub, Join and a plain If can be evaluated"
    );
    assert!(
        error("Target: !Sub \"integrations/${Integration}\"", "Target: !Select [0, [a]]").contains("Fn::Select")
    );
    assert!(error("AttributeName: pk, KeyType", "AttributeName: !Ref Audience, KeyType").contains("Ref"));
}

#[test]
fn a_reference_without_a_value_is_named() {
    assert_eq!(
        error("!Ref Audience", "!Ref Nameless"),
        "Globals.Function.Environment.Variables.TOKEN_AUDIENCE refers to Nameless, which has no value here"
    );
    assert!(error("${AWS::Partition}", "${AWS::StackId}").contains("AWS::StackId"));
    assert!(error("integrations/${Integration}", "integrations/Elsewhere").contains("Elsewhere"));
    assert!(error("${SignIn.Arn}", "${Users.Arn}").contains("Users.Arn"));
}

#[test]
fn a_missing_property_is_named() {
    assert!(error("BuildProperties: {Binary: signin}", "X: y").contains("SignIn.Metadata.BuildProperties.Binary"));
    assert!(error("KeySchema: [{", "Other: [{").contains("Users.Properties.KeySchema"));
    assert_eq!(parse("a: 1").unwrap_err().to_string(), "Resources is missing or has the wrong form");
    assert!(parse("a: [").unwrap_err().to_string().starts_with("not valid YAML:"));
    assert!(parse("").is_err());
}

#[test]
fn no_part_of_a_template_panics() {
    for end in (0..TEMPLATE.len()).filter(|end| TEMPLATE.is_char_boundary(*end)) {
        let _ = parse(&TEMPLATE[..end]);
        let _ = parse(&TEMPLATE[end..]);
    }
}
