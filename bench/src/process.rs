//! A function's binary as a process, and what it has used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use relatch_tests::{FunctionProcess, RuntimeApi};
use serde_json::Value;

/// Where the binaries are: `cargo build --release` and `cargo lambda build` differ.
#[derive(Clone, Debug)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// The binaries in this folder.
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The path of one.
    pub fn path(&self, name: &str) -> PathBuf {
        let bootstrap = self.0.join(name).join("bootstrap");
        if bootstrap.is_file() { bootstrap } else { self.0.join(name) }
    }

    /// The size of one when it is packed as for Lambda, in bytes.
    pub fn packed_size(&self, name: &str) -> usize {
        let packed = std::process::Command::new("gzip").args(["-9", "--stdout"]).arg(self.path(name)).output();
        packed.unwrap().stdout.len()
    }
}

/// A function that runs, before a Runtime API of its own.
pub struct Process {
    pid: i32,
    _function: FunctionProcess,
    api: RuntimeApi,
}

impl Process {
    /// Starts a binary with nothing but this in its environment, as Lambda does, and waits until
    /// it polls for its first event.
    pub async fn start(binary: &Path, environment: &BTreeMap<String, String>) -> Self {
        let api = RuntimeApi::start().await;
        let function = FunctionProcess::start(binary, &api, environment, &[]);
        let pid = i32::try_from(function.id()).unwrap();
        api.wait_for_poll().await;
        Self { pid, _function: function, api }
    }

    /// Sends it an event, and returns its response.
    pub async fn invoke(&self, event: &Value) -> Value {
        let response = self.api.send(event).await;
        assert_eq!(response["statusCode"], 200, "{response}");
        response
    }

    /// The CPU time that all its threads have used, also those that have ended.
    pub fn cpu_time(&self) -> Duration {
        cpu_time(self.pid)
    }

    /// The CPU time of its first thread, which does everything but bcrypt.
    pub fn first_thread_cpu_time(&self) -> Duration {
        let path = format!("/proc/{0}/task/{0}/schedstat", self.pid);
        let text = std::fs::read_to_string(path).unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    }

    /// The most memory that it has had at once, in MiB.
    pub fn peak_memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
}

/// The CPU time that a process has used.
pub(crate) fn cpu_time(pid: i32) -> Duration {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid)).unwrap();
    clock_gettime(clock).unwrap().into()
}
