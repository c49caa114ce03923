//! A function's binary as a process.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::runtime::RuntimeApi;

/// A running function; it ends as by `kill -9` when it is dropped.
#[derive(Debug)]
pub struct FunctionProcess(Child);

impl FunctionProcess {
    /// Starts one as Lambda does. Its environment holds nothing but the variables of a stack and
    /// these settings.
    pub fn start(
        path: impl AsRef<Path>,
        runtime: &RuntimeApi,
        environment: &BTreeMap<String, String>,
        settings: &[(&str, &str)],
    ) -> Self {
        let path = path.as_ref();
        let child = Command::new(path)
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for FunctionProcess {
    fn drop(&mut self) {
        // It may have ended already; a test that depends on it has failed by then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
