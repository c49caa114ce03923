//! The command: its flags, what it prints, and how it ends.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use relatch::time::Clock;
use relatch_lambda::telemetry::Log;

use super::chaos::Chaos;
use super::demo;
use super::engine::Storage;
use super::environment;
use super::pretty_log::PrettyLog;
use super::stack::{Stack, StackOptions};
use crate::CommandError;
use crate::output::print;

/// The flags of `relatch dev`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Where the API listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Where the database listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    dynamodb: SocketAddr,
    /// Where users, sessions and keys are kept
    #[arg(long, value_name = "FOLDER", default_value = ".relatch")]
    data: PathBuf,
    /// Keep nothing when it stops
    #[arg(long, conflicts_with = "data")]
    in_memory: bool,
    /// What is deployed: routes, tables and the functions' environment
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
    /// Set a variable of the functions, such as ACCESS_TOKEN_TTL=5
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_assignment)]
    overrides: Vec<(String, String)>,
    /// Run a function behind an address of Lambda's Invoke API instead of in this process
    #[arg(long = "invoke", value_name = "NAME=URL", value_parser = parse_assignment)]
    invoke_overrides: Vec<(String, String)>,
    /// Let requests go wrong, to test a client: lost-replies=20%, throttle=5% or slow=5%
    #[arg(long, value_name = "KIND=PERCENT")]
    chaos: Vec<Chaos>,
    /// Write the functions' log as the JSON that it is when deployed
    #[arg(long)]
    json_log: bool,
    /// Do not make the demo user
    #[arg(long)]
    no_demo: bool,
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("not of the form NAME=…".to_owned()),
    }
}

/// Runs the local stack until it is told to stop.
///
/// # Errors
/// One line why it could not start.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let template = fs::read_to_string(&args.template)
        .map_err(|error| CommandError::new(format!("template: {}: {error}", args.template.display())))?;
    // Kept until the end of the run: dropping it removes the folder.
    let temporary = if args.in_memory { Some(tempfile::tempdir()?) } else { None };
    let folder = temporary.as_ref().map_or(args.data.as_path(), |folder| folder.path());
    let storage = if args.in_memory { Storage::Memory } else { Storage::Folder(args.data.clone()) };
    create_private_folder(folder)
        .map_err(|error| CommandError::new(format!("--data {}: {error}", folder.display())))?;
    // A password that everyone knows is for this machine only.
    let demo = !args.no_demo && args.listen.ip().is_loopback();
    let stack = Stack::start(StackOptions {
        listen: args.listen,
        dynamodb: args.dynamodb,
        storage,
        keys_file: folder.join("keys.json"),
        template,
        overrides: args.overrides.into_iter().collect(),
        invoke_overrides: args.invoke_overrides.into_iter().collect(),
        chaos: Chaos::combine(&args.chaos).map_err(CommandError::new)?,
        playground: true,
        demo,
        clock: Clock::system(),
        log: if args.json_log { Log::to(std::io::stderr()) } else { Log::to(PrettyLog::new(std::io::stderr())) },
    })
    .await
    .map_err(|error| CommandError::new(error.to_string()))?;
    environment::write(folder, stack.environment())
        .map_err(|error| CommandError::new(format!("--data {}: {error}", folder.display())))?;
    print(&banner(&stack, demo, (!args.in_memory).then_some(folder)));
    shutdown_signal().await;
    stack.stop().await;
    print("stopped\n");
    Ok(ExitCode::SUCCESS)
}

/// Makes the folder if there is none; what is in it is for its owner only.
fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn banner(stack: &Stack, demo: bool, folder: Option<&Path>) -> String {
    let url = stack.url();
    let location = folder.map_or("in memory".to_owned(), |folder| format!("in {}", folder.display()));
    let mut text = format!("Relatch is ready at {url}\n  database   {} ({location})\n", stack.dynamodb_url());
    if stack.has_playground() {
        let _ = writeln!(text, "  playground {url}/ in a browser");
    }
    if demo {
        let (email, password) = (demo::EMAIL, demo::PASSWORD);
        let _ = write!(
            text,
            "  demo user  {email} / {password}\n\nTry:\n  curl -s {url}/signin -H 'content-type: application/json' \\\n    -d '{{\"email\":\"{email}\",\"password\":\"{password}\"}}'\n"
        );
    }
    text.push_str("\nCtrl-C stops it.\n");
    text
}

/// Waits for Ctrl-C or, on Unix, SIGTERM.
async fn shutdown_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
