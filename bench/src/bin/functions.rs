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
    let binaries = Binaries::in_folder(Path::new(folder));
    let amount = if options.iter().any(|option| option == "--quick") { QUICK } else { FULL };
    let is_asked_for = |part: &str| parts.is_empty() || parts.iter().any(|asked| asked == part);

    let measured = Measured { bench: Bench::start(amount.cost).await, binaries, amount };
    if is_asked_for("sizes") {
        sizes(&measured.binaries);
    }
    if is_asked_for("starts") {
        measured.starts().await;
        measured.first_random();
    }
    if is_asked_for("refreshes") {
        measured.refreshes().await;
    }
    if is_asked_for("sign-ins") {
        measured.sign_ins().await;
    }
}

/// What is measured, on what, and how much of it.
struct Measured {
    bench: Bench,
    binaries: Binaries,
    amount: Amount,
}

/// What one start of a process took.
struct Start {
    /// CPU time until it asked for its first event, in milliseconds.
    ready: f64,
    /// CPU time until it had answered it, in milliseconds.
    answered: f64,
    /// The most memory until it asked for its first event, in MiB.
    memory: f64,
}

fn line(what: &str, figure: f64, unit: &str, ratio: Option<(f64, &str)>) {
    let ratio = ratio.map(|(to, of)| format!("{:>7.2} × {of}", figure / to)).unwrap_or_default();
    println!("{what:<44} {figure:>10.3} {unit:<5} {ratio}");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// How many times as large as an empty function one may be.
const LARGEST: f64 = 4.4;

fn sizes(binaries: &Binaries) {
    let megabytes = |name: &str| f64::from(u32::try_from(binaries.zipped(name)).unwrap()) / 1e6;
    let hello = megabytes("hello");
    line("size, packed: hello", hello, "MB", None);
    for name in ["signin", "refresh", "signout", "sessions", "userinfo", "jwks", "authorizer", "rotate-keys"] {
        if binaries.path(name).is_file() {
            let size = megabytes(name);
            line(&format!("size, packed: {name}"), size, "MB", Some((hello, "hello")));
            assert!(size <= LARGEST * hello, "something large has come into {name}");
        }
    }
}

impl Measured {
    async fn process(&self, name: &str) -> Process {
        self.bench.process(&self.binaries, name).await
    }

    /// From the process's start to its first question for an event, and to its first answer.
    async fn starts(&self) {
        const NAMES: [&str; 4] = ["hello", "jwks", "echo", "refresh"];
        let mut figures: BTreeMap<&str, Vec<Start>> = BTreeMap::new();
        let (mut of_echo, mut of_refresh) = (self.bench.baseline_refreshes().await, self.bench.refreshes().await);
        for _ in 0..self.amount.starts {
            for name in NAMES {
                let process = self.process(name).await;
                let (ready, memory) = (process.cpu(), process.peak_memory());
                match name {
                    "echo" => of_echo.refresh_by(&process).await,
                    "refresh" => of_refresh.refresh_by(&process).await,
                    // Its keys are in a file here, so that it needs no database.
                    "jwks" => drop(process.answer(&event("GET /.well-known/jwks.json", &Value::Null)).await),
                    _ => drop(process.answer(&event("POST /", &Value::Null)).await),
                }
                let (ready, answered) = (millis(ready), millis(process.cpu()));
                figures.entry(name).or_default().push(Start { ready, answered, memory });
            }
        }
        let tell = |what: &str, unit: &str, figure: fn(&Start) -> f64| {
            let of = |name: &str| median(figures[name].iter().map(figure).collect());
            for name in NAMES {
                line(&format!("{what}: {name}"), of(name), unit, Some((of("hello"), "hello")));
            }
        };
        tell("start to the first next", "ms", |start| start.ready);
        tell("start to the first answer", "ms", |start| start.answered);
        tell("memory at its start, peak", "MiB", |start| start.memory);
    }

    fn first_random(&self) {
        let nanoseconds = |_| {
            let output = std::process::Command::new(self.binaries.path("first-random")).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse::<f64>().unwrap()
        };
        let figure = median((0..self.amount.starts).map(nanoseconds).collect()) / 1e6;
        line("first random number of a process", figure, "ms", None);
        assert!(figure <= 0.1, "the entropy of a jittering CPU is gathered again");
    }

    /// Of one session after another, each in its turn with the baseline.
    async fn refreshes(&self) {
        let (hello, echo, refresh) =
            (self.process("hello").await, self.process("echo").await, self.process("refresh").await);
        let (mut of_echo, mut of_refresh) = (self.bench.baseline_refreshes().await, self.bench.refreshes().await);
        let (mut echo_figures, mut refresh_figures, mut answered) = (Vec::new(), Vec::new(), 0);
        for round in 0..=self.amount.rounds {
            let (echo_before, refresh_before) = (echo.cpu(), refresh.cpu());
            for _ in 0..self.amount.refreshes {
                of_echo.refresh_by(&echo).await;
                of_refresh.refresh_by(&refresh).await;
                answered += 1;
            }
            let each = |used: Duration| millis(used) / f64::from(u32::try_from(self.amount.refreshes).unwrap());
            // The first round warms up.
            if round > 0 {
                echo_figures.push(each(echo.cpu() - echo_before));
                refresh_figures.push(each(refresh.cpu() - refresh_before));
            }
        }
        let (echo_figure, refresh_figure) = (median(echo_figures), median(refresh_figures));
        line("refresh, warm: the least, raw", echo_figure, "ms", None);
        line("refresh, warm", refresh_figure, "ms", Some((echo_figure, "raw")));

        while answered < 1000 {
            of_refresh.refresh_by(&refresh).await;
            answered += 1;
        }
        for _ in 0..1000 {
            hello.answer(&event("POST /", &Value::Null)).await;
        }
        let (of_hello, early) = (hello.peak_memory(), refresh.peak_memory());
        line("memory after 1,000, peak: hello", of_hello, "MiB", None);
        line("memory after 1,000, peak: refresh", early, "MiB", Some((of_hello, "hello")));
        while answered < self.amount.long_life {
            of_refresh.refresh_by(&refresh).await;
            answered += 1;
        }
        let late = refresh.peak_memory();
        line(&format!("memory after {answered}, peak: refresh"), late, "MiB", Some((early, "after 1,000")));
    }

    async fn sign_ins(&self) {
        let signin = self.process("signin").await;
        let echo = self.process("echo").await;
        let mut crypt = Crypt::start().await;
        let (mut crypt_figures, mut figures, mut besides, mut calls) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 0..=self.amount.rounds {
            let [mut of_crypt, mut of_signin, mut of_first_thread, mut of_calls] = [Duration::ZERO; 4];
            for _ in 0..self.amount.sign_ins {
                let (before, first_before) = (signin.cpu(), signin.cpu_of_first_thread());
                self.bench.sign_in_by(&signin).await;
                of_signin += signin.cpu() - before;
                of_first_thread += signin.cpu_of_first_thread() - first_before;
                let before = echo.cpu();
                echo.answer(&event("POST /calls", &Value::Null)).await;
                of_calls += echo.cpu() - before;
                if let Some(crypt) = &mut crypt {
                    let before = crypt.cpu();
                    crypt.hash(self.amount.cost).await;
                    of_crypt += crypt.cpu() - before;
                }
            }
            let each = |used: Duration| millis(used) / f64::from(u32::try_from(self.amount.sign_ins).unwrap());
            if round > 0 {
                crypt_figures.push(each(of_crypt));
                figures.push(each(of_signin));
                besides.push(each(of_first_thread));
                calls.push(each(of_calls));
            }
        }
        let raw = crypt.is_some().then(|| (median(crypt_figures), "crypt_r"));
        if let Some((figure, _)) = raw {
            line(&format!("bcrypt of cost {} by crypt_r", self.amount.cost), figure, "ms", None);
        }
        line("sign-in, warm", median(figures), "ms", raw);
        let raw = median(calls);
        line("six calls to the database and a signature, raw", raw, "ms", None);
        line("sign-in, warm, without bcrypt", median(besides), "ms", Some((raw, "raw")));
    }
}
