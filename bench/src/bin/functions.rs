//! The functions' release binaries as processes, before a Runtime API and a database behind TLS:
//! their CPU time, their memory and their sizes, against the least that a function must do.
//!
//! ```sh
//! cargo build --release -p signin -p refresh -p relatch-baseline
//! cargo run -p relatch-bench --bin functions -- target/release [--quick] [PART…]
//! ```
#![allow(clippy::print_stdout, reason = "a measurement says what it found")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing figure fails the measurement")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use relatch_bench::{Bench, Binaries, Crypt, Process, event, median};
use serde_json::Value;

/// How much is measured.
struct Amount {
    starts: usize,
    rounds: usize,
    refreshes: usize,
    sign_ins: usize,
    cost: u32,
    long_life: usize,
}

const FULL: Amount = Amount { starts: 20, rounds: 20, refreshes: 100, sign_ins: 4, cost: 12, long_life: 100_000 };
const QUICK: Amount = Amount { starts: 5, rounds: 5, refreshes: 20, sign_ins: 2, cost: 10, long_life: 2_000 };

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (options, names): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|word| word.starts_with("--"));
    let (folder, parts) = names.split_first().expect("the folder of the release binaries");
    let binaries = Binaries::new(Path::new(folder));
    let amount = if options.iter().any(|option| option == "--quick") { QUICK } else { FULL };
    let is_selected = |name: &str| parts.is_empty() || parts.iter().any(|part| part == name);

    let measurement = Measurement { bench: Bench::start(amount.cost).await, binaries, amount };
    if is_selected("sizes") {
        measure_sizes(&measurement.binaries);
    }
    if is_selected("starts") {
        measurement.measure_starts().await;
        measurement.measure_first_random();
    }
    if is_selected("refreshes") {
        measurement.measure_refreshes().await;
    }
    if is_selected("sign-ins") {
        measurement.measure_sign_ins().await;
    }
}

/// What is measured, on what, and how much of it.
struct Measurement {
    bench: Bench,
    binaries: Binaries,
    amount: Amount,
}

/// What one start of a process took.
struct Start {
    /// CPU time until it polled for its first event, in milliseconds.
    ready: f64,
    /// CPU time until it had responded to that event, in milliseconds.
    responded: f64,
    /// Peak memory until it polled for its first event, in MiB.
    memory: f64,
}

fn print_line(label: &str, figure: f64, unit: &str, base: Option<(f64, &str)>) {
    let ratio = base.map(|(base, name)| format!("{:>7.2} × {name}", figure / base)).unwrap_or_default();
    println!("{label:<44} {figure:>10.3} {unit:<5} {ratio}");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// How many times as large as the empty function a function may be.
const MAX_SIZE_RATIO: f64 = 4.4;

fn measure_sizes(binaries: &Binaries) {
    let megabytes = |name: &str| f64::from(u32::try_from(binaries.packed_size(name)).unwrap()) / 1e6;
    let hello = megabytes("hello");
    print_line("size, packed: hello", hello, "MB", None);
    for name in ["signin", "refresh", "signout", "sessions", "userinfo", "jwks", "authorizer", "rotate-keys"] {
        if binaries.path(name).is_file() {
            let size = megabytes(name);
            print_line(&format!("size, packed: {name}"), size, "MB", Some((hello, "hello")));
            assert!(size <= MAX_SIZE_RATIO * hello, "something large has come into {name}");
        }
    }
}

impl Measurement {
    async fn start_process(&self, name: &str) -> Process {
        self.bench.start_process(&self.binaries, name).await
    }

    /// From the process's start until it polls for its first event, and until its first response.
    async fn measure_starts(&self) {
        const NAMES: [&str; 4] = ["hello", "jwks", "echo", "refresh"];
        let mut figures: BTreeMap<&str, Vec<Start>> = BTreeMap::new();
        let (mut echo_chain, mut refresh_chain) =
            (self.bench.baseline_refresh_chain().await, self.bench.refresh_chain().await);
        for _ in 0..self.amount.starts {
            for name in NAMES {
                let process = self.start_process(name).await;
                let (ready, memory) = (process.cpu_time(), process.peak_memory());
                match name {
                    "echo" => echo_chain.refresh_with_process(&process).await,
                    "refresh" => refresh_chain.refresh_with_process(&process).await,
                    // Its keys are in a file here, so that it needs no database.
                    "jwks" => drop(process.invoke(&event("GET /.well-known/jwks.json", &Value::Null)).await),
                    _ => drop(process.invoke(&event("POST /", &Value::Null)).await),
                }
                let (ready, responded) = (millis(ready), millis(process.cpu_time()));
                figures.entry(name).or_default().push(Start { ready, responded, memory });
            }
        }
        let print_medians = |label: &str, unit: &str, figure: fn(&Start) -> f64| {
            let median_of = |name: &str| median(figures[name].iter().map(figure).collect());
            for name in NAMES {
                print_line(
                    &format!("{label}: {name}"),
                    median_of(name),
                    unit,
                    Some((median_of("hello"), "hello")),
                );
            }
        };
        print_medians("start to the first next", "ms", |start| start.ready);
        print_medians("start to the first answer", "ms", |start| start.responded);
        print_medians("memory at its start, peak", "MiB", |start| start.memory);
    }

    fn measure_first_random(&self) {
        let run_once = |_| {
            let output = std::process::Command::new(self.binaries.path("first-random")).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse::<f64>().unwrap()
        };
        let figure = median((0..self.amount.starts).map(run_once).collect()) / 1e6;
        print_line("first random number of a process", figure, "ms", None);
        assert!(figure <= 0.1, "the entropy of a jittering CPU is gathered again");
    }

    /// Of one session after another, each in its turn with the baseline.
    async fn measure_refreshes(&self) {
        let (hello, echo, refresh) = (
            self.start_process("hello").await,
            self.start_process("echo").await,
            self.start_process("refresh").await,
        );
        let (mut echo_chain, mut refresh_chain) =
            (self.bench.baseline_refresh_chain().await, self.bench.refresh_chain().await);
        let (mut echo_figures, mut refresh_figures, mut refreshes) = (Vec::new(), Vec::new(), 0);
        for round in 0..=self.amount.rounds {
            let (echo_before, refresh_before) = (echo.cpu_time(), refresh.cpu_time());
            for _ in 0..self.amount.refreshes {
                echo_chain.refresh_with_process(&echo).await;
                refresh_chain.refresh_with_process(&refresh).await;
                refreshes += 1;
            }
            let millis_each =
                |used: Duration| millis(used) / f64::from(u32::try_from(self.amount.refreshes).unwrap());
            // The first round warms up.
            if round > 0 {
                echo_figures.push(millis_each(echo.cpu_time() - echo_before));
                refresh_figures.push(millis_each(refresh.cpu_time() - refresh_before));
            }
        }
        let (echo_figure, refresh_figure) = (median(echo_figures), median(refresh_figures));
        print_line("refresh, warm: the least, raw", echo_figure, "ms", None);
        print_line("refresh, warm", refresh_figure, "ms", Some((echo_figure, "raw")));

        while refreshes < 1000 {
            refresh_chain.refresh_with_process(&refresh).await;
            refreshes += 1;
        }
        for _ in 0..1000 {
            hello.invoke(&event("POST /", &Value::Null)).await;
        }
        let (hello_memory, early_memory) = (hello.peak_memory(), refresh.peak_memory());
        print_line("memory after 1,000, peak: hello", hello_memory, "MiB", None);
        print_line("memory after 1,000, peak: refresh", early_memory, "MiB", Some((hello_memory, "hello")));
        while refreshes < self.amount.long_life {
            refresh_chain.refresh_with_process(&refresh).await;
            refreshes += 1;
        }
        let late_memory = refresh.peak_memory();
        print_line(
            &format!("memory after {refreshes}, peak: refresh"),
            late_memory,
            "MiB",
            Some((early_memory, "after 1,000")),
        );
    }

    async fn measure_sign_ins(&self) {
        let signin = self.start_process("signin").await;
        let echo = self.start_process("echo").await;
        let mut crypt = Crypt::start().await;
        let (mut crypt_figures, mut figures, mut first_thread_figures, mut call_figures) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 0..=self.amount.rounds {
            let [mut crypt_time, mut signin_time, mut first_thread_time, mut calls_time] = [Duration::ZERO; 4];
            for _ in 0..self.amount.sign_ins {
                let (before, first_before) = (signin.cpu_time(), signin.first_thread_cpu_time());
                self.bench.sign_in_with(&signin).await;
                signin_time += signin.cpu_time() - before;
                first_thread_time += signin.first_thread_cpu_time() - first_before;
                let before = echo.cpu_time();
                echo.invoke(&event("POST /calls", &Value::Null)).await;
                calls_time += echo.cpu_time() - before;
                if let Some(crypt) = &mut crypt {
                    let before = crypt.cpu_time();
                    crypt.hash(self.amount.cost).await;
                    crypt_time += crypt.cpu_time() - before;
                }
            }
            let millis_each =
                |used: Duration| millis(used) / f64::from(u32::try_from(self.amount.sign_ins).unwrap());
            if round > 0 {
                crypt_figures.push(millis_each(crypt_time));
                figures.push(millis_each(signin_time));
                first_thread_figures.push(millis_each(first_thread_time));
                call_figures.push(millis_each(calls_time));
            }
        }
        let raw = crypt.is_some().then(|| (median(crypt_figures), "crypt_r"));
        if let Some((figure, _)) = raw {
            print_line(&format!("bcrypt of cost {} by crypt_r", self.amount.cost), figure, "ms", None);
        }
        print_line("sign-in, warm", median(figures), "ms", raw);
        let raw = median(call_figures);
        print_line("six calls to the database and a signature, raw", raw, "ms", None);
        print_line("sign-in, warm, without bcrypt", median(first_thread_figures), "ms", Some((raw, "raw")));
    }
}
