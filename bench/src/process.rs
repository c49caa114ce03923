//! A function's binary as a process, and what it has used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use relatch_tests::{Binary, RuntimeApi};
use serde_json::Value;

/// Where the binaries are: `cargo build --release` and `cargo lambda build` have their ways.
#[derive(Clone, Debug)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// In this folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The path of one.
    pub fn path(&self, name: &str) -> PathBuf {
        let of_cargo_lambda = self.0.join(name).join("bootstrap");
        if of_cargo_lambda.is_file() { of_cargo_lambda } else { self.0.join(name) }
    }

    /// Its size when it is packed as Lambda takes it, in bytes.
    pub fn zipped(&self, name: &str) -> usize {
        let packed = std::process::Command::new("gzip").args(["-9", "--stdout"]).arg(self.path(name)).output();
        packed.unwrap().stdout.len()
    }
}

/// A function that runs, before a Runtime API of its own.
pub struct Process {
    pid: i32,
    _binary: Binary,
    api: RuntimeApi,
}

impl Process {
    /// Starts a binary with nothing but this in its environment, as Lambda does, and waits until
    /// it asks for its first event.
    pub async fn start(binary: &Path, environment: &BTreeMap<String, String>) -> Self {
        let api = RuntimeApi::start().await;
        let binary = Binary::start(binary, &api, environment, &[]);
        let pid = i32::try_from(binary.id()).unwrap();
        api.is_polled().await;
        Self { pid, _binary: binary, api }
    }

    /// What it answers to an event.
    pub async fn answer(&self, event: &Value) -> Value {
        let answer = self.api.send(event).await;
        assert_eq!(answer["statusCode"], 200, "{answer}");
        answer
    }

    /// The CPU time that all its threads have used, also those that have ended.
    pub fn cpu(&self) -> Duration {
        cpu_of(self.pid)
    }

    /// The CPU time of its first thread, which does everything but bcrypt.
    pub fn cpu_of_first_thread(&self) -> Duration {
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
pub(crate) fn cpu_of(pid: i32) -> Duration {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid)).unwrap();
    clock_gettime(clock).unwrap().into()
}
