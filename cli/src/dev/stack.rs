//! The local stack: engine, tables, keys, functions and gateway in one process.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use relatch::time::Clock;
use relatch_lambda::config::{Config, Environment};
use relatch_lambda::telemetry::Log;
use relatch_store::Tables;
use tokio::net::TcpListener;

use super::chaos::Chaos;
use super::engine::{Engine, Storage};
use super::error::StackError;
use super::gateway::{Gateway, ServedRoute};
use super::guard::Guard;
use super::invoke::{self, Invoke};
use super::template::{Route, Template};
use super::{demo, keys, playground};

/// What a local stack is made of.
#[derive(Debug)]
pub struct StackOptions {
    /// Where the gateway listens.
    pub listen: SocketAddr,
    /// Where the database engine listens.
    pub dynamodb: SocketAddr,
    /// Where the data is kept.
    pub storage: Storage,
    /// The key file; made when it is not there.
    pub keys_file: PathBuf,
    /// The text of the SAM template.
    pub template: String,
    /// Values of function variables that replace the template's.
    pub overrides: BTreeMap<String, String>,
    /// Functions, by the names of their binaries, that run behind an address of the Invoke
    /// API and not in this process.
    pub invoke_overrides: BTreeMap<String, String>,
    /// What goes wrong on purpose.
    pub chaos: Chaos,
    /// Whether to serve the playground, where it is on the loopback address.
    pub playground: bool,
    /// Whether to make the demo user.
    pub demo: bool,
    /// The clock of all functions.
    pub clock: Clock,
    /// Where the functions' log goes.
    pub log: Log,
}

/// A running local stack.
pub struct Stack {
    gateway: Gateway,
    engine: Engine,
    url: String,
    has_playground: bool,
    environment: BTreeMap<String, String>,
    tables: Tables,
}

impl Stack {
    /// Starts everything; when it returns, requests are answered.
    ///
    /// # Errors
    /// [`StackError`]; what was started is stopped again.
    pub async fn start(mut options: StackOptions) -> Result<Self, StackError> {
        let gateway_listener = listen(options.listen, "--listen").await?;
        let engine_listener = listen(options.dynamodb, "--dynamodb").await?;
        let address = gateway_listener.local_addr().unwrap_or(options.listen);
        let url = url(address);
        let parse = |overrides: &BTreeMap<String, String>| {
            Template::parse(&options.template, &url, overrides)
                .map_err(|error| StackError::Template(error.to_string()))
        };
        let mut template = parse(&options.overrides)?;
        let origins = if options.playground { playground::local_origins(address) } else { Vec::new() };
        let has_playground = !origins.is_empty();
        if has_playground {
            // Its cookie is for allowed origins only, also where page and API have one.
            const NAME: &str = "CORS_ALLOWED_ORIGINS";
            let listed = options.overrides.get(NAME).map(String::as_str).or_else(|| template.variable(NAME));
            let allowed = playground::append_origins(listed.unwrap_or_default(), &origins);
            options.overrides.insert(NAME.to_owned(), allowed);
            template = parse(&options.overrides)?;
        }
        keys::ensure(&options.keys_file, options.clock.now())?;
        let engine = Engine::start(&options.storage, engine_listener)
            .map_err(|error| StackError::Engine(error.to_string()))?;
        match Self::set_up(&options, &template, &engine).await {
            Ok((environment, tables, routes)) => {
                let gateway = Gateway::start(
                    gateway_listener,
                    routes,
                    if has_playground { &playground::FILES } else { &[] },
                    template.cors.clone(),
                    options.chaos,
                    options.clock.clone(),
                );
                Ok(Self { gateway, engine, url, has_playground, environment, tables })
            }
            Err(error) => {
                engine.stop().await;
                Err(error)
            }
        }
    }

    async fn set_up(
        options: &StackOptions,
        template: &Template,
        engine: &Engine,
    ) -> Result<(BTreeMap<String, String>, Tables, Vec<ServedRoute>), StackError> {
        engine.create_tables(&template.tables).map_err(|error| StackError::Engine(error.to_string()))?;
        if let Some(name) = options.overrides.keys().find(|name| !Config::VARIABLES.contains(&name.as_str())) {
            return Err(StackError::Config(format!("--set {name}: no function has this variable")));
        }
        let binaries: Vec<&str> = template.functions.iter().map(|function| function.binary.as_str()).collect();
        if let Some(name) = options.invoke_overrides.keys().find(|name| !binaries.contains(&name.as_str())) {
            return Err(StackError::Config(format!("--invoke {name}: the functions are {}", binaries.join(", "))));
        }
        let local = local_environment(engine.url(), &options.keys_file);
        let mut functions: BTreeMap<&str, Invoke> = BTreeMap::new();
        let mut all_variables = BTreeMap::new();
        let mut first_config: Option<Config> = None;
        for function in &template.functions {
            let mut environment = function.environment.clone();
            environment.extend(local.clone());
            environment.extend(options.overrides.clone());
            let config = Config::from_lookup(Environment::Local, |name| environment.get(name).cloned())
                .map_err(|error| StackError::Config(format!("{}: {error}", function.binary)))?;
            let invoke = match options.invoke_overrides.get(&function.binary) {
                Some(url) => Some(invoke::remote_function(url)),
                None => invoke::local_function(&function.binary, config.clone(), &options.clock, &options.log),
            };
            let invoke = invoke.ok_or_else(|| {
                StackError::Template(format!("there is no function with the binary {}", function.binary))
            })?;
            functions.insert(&function.logical_id, invoke);
            all_variables.extend(environment);
            first_config.get_or_insert(config);
        }
        let Some(config) = first_config else {
            return Err(StackError::Template("it has no functions".to_owned()));
        };
        let guards: BTreeMap<&str, Arc<Guard>> = template
            .authorizers
            .iter()
            .filter_map(|authorizer| {
                let guard = Guard {
                    invoke: Arc::clone(functions.get(authorizer.function.as_str())?),
                    identity_sources: authorizer.identity_sources.clone(),
                    ttl: authorizer.ttl,
                    cache: Mutex::default(),
                };
                Some((authorizer.logical_id.as_str(), Arc::new(guard)))
            })
            .collect();
        let to_served_route = |route: &Route| {
            let guard = match &route.authorizer {
                Some(id) => Some(guards.get(id.as_str()).ok_or_else(|| {
                    StackError::Template(format!("{} {}: there is no authorizer {id}", route.method, route.path))
                })?),
                None => None,
            };
            let invoke = functions.get(route.function.as_str()).ok_or_else(|| {
                StackError::Template(format!("{} {}: there is no function", route.method, route.path))
            })?;
            Ok(ServedRoute {
                method: route.method.clone(),
                path: route.path.clone(),
                invoke: Arc::clone(invoke),
                guard: guard.cloned(),
            })
        };
        let routes = template.routes.iter().map(to_served_route).collect::<Result<Vec<_>, StackError>>()?;
        let tables = Tables::new(&config.aws, &config.tables);
        if options.demo {
            demo::ensure(&tables.users, config.bcrypt_cost, options.clock.now())
                .await
                .map_err(|error| StackError::Demo(error.to_string()))?;
        }
        Ok((all_variables, tables, routes))
    }

    /// The API's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the playground is served at that URL.
    pub fn has_playground(&self) -> bool {
        self.has_playground
    }

    /// The database engine's URL.
    pub fn dynamodb_url(&self) -> &str {
        self.engine.url()
    }

    /// The environment of the functions, for running the real binaries against this stack.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// The tables of this stack.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Stops the gateway, then the engine.
    pub async fn stop(self) {
        self.gateway.stop().await;
        self.engine.stop().await;
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stack({})", self.url)
    }
}

async fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener, StackError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| StackError::Listen(format!("{flag} {address} cannot be used: {error}")))
}

/// The URL of a listener; one that listens everywhere is called by its loopback address.
fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("http://127.0.0.1:{}", address.port());
    }
    format!("http://{address}")
}

/// What Lambda would set, and what stands in for Secrets Manager and DynamoDB.
fn local_environment(dynamodb_url: &str, keys_file: &Path) -> BTreeMap<String, String> {
    [
        ("KEYS_FILE", keys_file.display().to_string()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
