//! The reader of template.yaml, so that what runs on one machine is what deploys.
//!
//! It reads what the local stack needs: tables, functions with their environment,
//! routes, CORS. Of the intrinsic functions it knows `!Ref`, `!Sub`, `!Join` of a list, and
//! `!If` on a condition that compares; any other one where a value is needed is an error that
//! names it. The rest of the template may hold what it likes.

mod error;
mod intrinsic;
mod yaml;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

pub use error::TemplateError;
use intrinsic::Scope;

/// What the local stack takes from a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The DynamoDB tables.
    pub tables: Vec<Table>,
    /// The functions that a route or its authorizer calls. What AWS itself calls, such as a rotation of keys,
    /// nobody calls here.
    pub functions: Vec<Function>,
    /// The routes of the HTTP API.
    pub routes: Vec<Route>,
    /// The authorizers that these routes have.
    pub authorizers: Vec<Authorizer>,
    /// The CORS configuration of the HTTP API, if it has one.
    pub cors: Option<Cors>,
}

/// A table, under its logical id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The logical id, which is also its local name.
    pub name: String,
    /// The properties that `CreateTable` has as well: the key schema and the
    /// definitions of its attributes.
    pub key_schema: Value,
    /// See `key_schema`.
    pub attribute_definitions: Value,
    /// The attribute by which items expire.
    pub ttl_attribute: Option<String>,
}

/// A function, under its logical id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The logical id.
    pub logical_id: String,
    /// The name of the Lambda binary that it runs.
    pub binary: String,
    /// Its variables; those that hold a secret's ARN are left out, since keys are in a file here.
    pub environment: BTreeMap<String, String>,
}

/// A route of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method, or `ANY`.
    pub method: String,
    /// The path.
    pub path: String,
    /// The logical id of the function that answers.
    pub function: String,
    /// The logical id of the authorizer in front of it.
    pub authorizer: Option<String>,
}

/// A Lambda authorizer of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// The logical id.
    pub logical_id: String,
    /// The logical id of the function that is asked.
    pub function: String,
    /// Where a request says who calls.
    pub identity_sources: Vec<String>,
    /// How long a response is cached.
    pub ttl: Duration,
}

/// What `CorsConfiguration` of an HTTP API says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Origins that may read answers, or `*`, which no cookie goes with.
    pub allow_origins: Vec<String>,
    /// Methods a preflight allows.
    pub allow_methods: Vec<String>,
    /// Request headers a preflight allows.
    pub allow_headers: Vec<String>,
    /// Response headers that scripts may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may cache a preflight response.
    pub max_age: Option<Duration>,
    /// Whether requests may come with cookies.
    pub allow_credentials: bool,
}

impl Template {
    /// Reads a template. `api_url` stands in for the URL of its HTTP API. A variable of
    /// `settings` that the template takes from a parameter sets this parameter, so that what
    /// else depends on it goes along.
    ///
    /// # Errors
    /// The first [`TemplateError`].
    pub fn parse(text: &str, api_url: &str, settings: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let mut document = yaml::parse(text)?;
        set_parameters(&mut document, settings);
        let resources = document
            .get("Resources")
            .and_then(Value::as_object)
            .ok_or_else(|| TemplateError::Property { path: "Resources".to_owned() })?;
        let scope = Scope::new(&document, api_url);
        let resources_of_type = |kind: &'static str| {
            resources
                .iter()
                .filter(move |(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(kind))
        };
        let globals = document.pointer("/Globals/Function/Environment/Variables");
        let routes: Vec<Route> = resources_of_type("AWS::ApiGatewayV2::Route")
            .map(|(id, resource)| parse_route(&scope, resources, id, resource))
            .collect::<Result<_, _>>()?;
        let authorizers: Vec<Authorizer> = resources_of_type("AWS::ApiGatewayV2::Authorizer")
            .filter(|(id, _)| routes.iter().any(|route| route.authorizer.as_ref() == Some(*id)))
            .map(|(id, resource)| parse_authorizer(&scope, id, resource))
            .collect::<Result<_, _>>()?;
        let is_called = |id: &str| {
            routes.iter().any(|route| route.function == id) || authorizers.iter().any(|it| it.function == id)
        };
        Ok(Self {
            tables: resources_of_type("AWS::DynamoDB::Table")
                .map(|(id, resource)| parse_table(&scope, id, resource))
                .collect::<Result<_, _>>()?,
            functions: resources_of_type("AWS::Serverless::Function")
                .filter(|(id, _)| is_called(id))
                .map(|(id, resource)| parse_function(&scope, globals, id, resource))
                .collect::<Result<_, _>>()?,
            routes,
            authorizers,
            cors: match resources_of_type("AWS::ApiGatewayV2::Api").next() {
                Some((id, resource)) => parse_cors(&scope, id, resource)?,
                None => None,
            },
        })
    }

    /// The value of a variable in the functions' environment, for commands that work on
    /// the same tables.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.functions.iter().find_map(|function| function.environment.get(name)).map(String::as_str)
    }
}

fn set_parameters(document: &mut Value, settings: &BTreeMap<String, String>) {
    const VARIABLES: &str = "/Environment/Variables";
    let functions = document.get("Resources").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
    let functions = functions.filter_map(|resource| resource.get("Properties"));
    let groups = document.pointer("/Globals/Function").into_iter().chain(functions);
    let variables: Vec<&Value> = groups.filter_map(|group| group.pointer(VARIABLES)).collect();
    let parameter = |value: &Value| {
        // A list of texts is joined to be a variable.
        let value = value.pointer("/Fn::Join/1").unwrap_or(value);
        value.get("Ref")?.as_str().map(str::to_owned)
    };
    let parameter_of = |name: &String| variables.iter().find_map(|it| parameter(it.get(name)?));
    let values = settings.iter().filter_map(|(name, value)| Some((parameter_of(name)?, value.clone())));
    for (name, value) in values.collect::<Vec<_>>() {
        let parameter = document.get_mut("Parameters").and_then(|all| all.get_mut(name)?.as_object_mut());
        if let Some(parameter) = parameter {
            parameter.insert("Default".to_owned(), Value::String(value));
        }
    }
}

fn property_path(id: &str, property: &str) -> String {
    format!("{id}.{property}")
}

fn property<'a>(id: &str, resource: &'a Value, name: &str) -> Result<&'a Value, TemplateError> {
    let pointer = format!("/{}", name.replace('.', "/"));
    resource.pointer(&pointer).ok_or_else(|| TemplateError::Property { path: property_path(id, name) })
}

fn parse_table(scope: &Scope<'_>, id: &str, resource: &Value) -> Result<Table, TemplateError> {
    let list = |name: &str| {
        let value = property(id, resource, name)?;
        scope.require_literal(value, &property_path(id, name))?;
        if value.is_array() {
            Ok(value.clone())
        } else {
            Err(TemplateError::Property { path: property_path(id, name) })
        }
    };
    let ttl = resource.pointer("/Properties/TimeToLiveSpecification");
    let ttl_attribute = match ttl {
        Some(ttl) if ttl.get("Enabled").and_then(Value::as_bool) == Some(true) => {
            let name = "Properties.TimeToLiveSpecification.AttributeName";
            scope.resolve_text(property(id, resource, name)?, &property_path(id, name))?
        }
        Some(_) | None => None,
    };
    Ok(Table {
        name: id.to_owned(),
        key_schema: list("Properties.KeySchema")?,
        attribute_definitions: list("Properties.AttributeDefinitions")?,
        ttl_attribute,
    })
}

fn parse_function(
    scope: &Scope<'_>,
    globals: Option<&Value>,
    id: &str,
    resource: &Value,
) -> Result<Function, TemplateError> {
    let binary = property(id, resource, "Metadata.BuildProperties.Binary")?
        .as_str()
        .ok_or_else(|| TemplateError::Property { path: property_path(id, "Metadata.BuildProperties.Binary") })?;
    let function_variables = resource.pointer("/Properties/Environment/Variables");
    let mut environment = BTreeMap::new();
    for (owner, variables) in [("Globals.Function", globals), (id, function_variables)] {
        let Some(variables) = variables else { continue };
        let path = property_path(owner, "Environment.Variables");
        let variables = variables.as_object().ok_or_else(|| TemplateError::Property { path: path.clone() })?;
        for (name, value) in variables {
            match scope.resolve_text(value, &format!("{path}.{name}"))? {
                Some(value) => environment.insert(name.clone(), value),
                None => environment.remove(name),
            };
        }
    }
    Ok(Function { logical_id: id.to_owned(), binary: binary.to_owned(), environment })
}

fn parse_route(
    scope: &Scope<'_>,
    resources: &serde_json::Map<String, Value>,
    id: &str,
    resource: &Value,
) -> Result<Route, TemplateError> {
    let text = |name: &str| {
        let path = property_path(id, name);
        scope.resolve_text(property(id, resource, name)?, &path)?.ok_or(TemplateError::Property { path })
    };
    let key = text("Properties.RouteKey")?;
    let target = text("Properties.Target")?;
    let integration_id = target
        .strip_prefix("integrations/")
        .ok_or_else(|| TemplateError::Property { path: property_path(id, "Properties.Target") })?;
    let integration = resources.get(integration_id).ok_or_else(|| TemplateError::Reference {
        name: integration_id.to_owned(),
        path: property_path(id, "Properties.Target"),
    })?;
    let uri = property(integration_id, integration, "Properties.IntegrationUri")?;
    let path = property_path(integration_id, "Properties.IntegrationUri");
    let function = scope.resolve_function(uri, &path)?;
    let (method, path) = key.split_once(' ').unwrap_or(("ANY", &key));
    // Nothing is served open here that the template means to guard, nor the other way round.
    let kind = "Properties.AuthorizationType";
    let authorization = if property(id, resource, kind).is_ok() { text(kind)? } else { "NONE".to_owned() };
    let authorizer = match (authorization.as_str(), resource.pointer("/Properties/AuthorizerId")) {
        ("NONE", None) => None,
        ("CUSTOM", Some(_)) => Some(text("Properties.AuthorizerId")?),
        _ => return Err(TemplateError::Property { path: property_path(id, kind) }),
    };
    Ok(Route { method: method.to_owned(), path: path.to_owned(), function, authorizer })
}

fn parse_authorizer(scope: &Scope<'_>, id: &str, resource: &Value) -> Result<Authorizer, TemplateError> {
    let path = |name: &str| property_path(id, name);
    let uri = property(id, resource, "Properties.AuthorizerUri")?;
    let function = scope.resolve_function(uri, &path("Properties.AuthorizerUri"))?;
    let sources = property(id, resource, "Properties.IdentitySource")?.as_array();
    let sources = sources.and_then(|sources| sources.iter().map(|it| it.as_str().map(str::to_owned)).collect());
    let identity_sources =
        sources.ok_or_else(|| TemplateError::Property { path: path("Properties.IdentitySource") })?;
    let name = "Properties.AuthorizerResultTtlInSeconds";
    let ttl = scope.resolve_text(property(id, resource, name)?, &path(name))?;
    let ttl = ttl.and_then(|ttl| ttl.parse::<i64>().ok());
    let ttl = ttl.ok_or_else(|| TemplateError::Property { path: path(name) })?;
    let ttl = Duration::from_secs(u64::try_from(ttl).unwrap_or(0));
    Ok(Authorizer { logical_id: id.to_owned(), function, identity_sources, ttl })
}

/// The CORS configuration. The template leaves it out by a condition when no origin is
/// allowed; here that is read from the list of origins.
fn parse_cors(scope: &Scope<'_>, id: &str, resource: &Value) -> Result<Option<Cors>, TemplateError> {
    let Some(configuration) = resource.pointer("/Properties/CorsConfiguration") else { return Ok(None) };
    let configuration = configuration.pointer("/Fn::If/1").unwrap_or(configuration);
    let list = |name: &str| match configuration.get(name) {
        Some(value) => scope.resolve_list(value, &property_path(id, name)),
        None => Ok(Vec::new()),
    };
    let allow_origins: Vec<String> =
        list("AllowOrigins")?.into_iter().filter(|origin| !origin.is_empty()).collect();
    if allow_origins.is_empty() {
        return Ok(None);
    }
    Ok(Some(Cors {
        allow_origins,
        allow_methods: list("AllowMethods")?,
        allow_headers: list("AllowHeaders")?,
        expose_headers: list("ExposeHeaders")?,
        max_age: configuration.get("MaxAge").and_then(Value::as_u64).map(Duration::from_secs),
        allow_credentials: configuration.get("AllowCredentials").and_then(Value::as_bool).unwrap_or(false),
    }))
}

#[cfg(test)]
mod tests;
