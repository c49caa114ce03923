//! bcrypt by the C library's `crypt_r`, which Perl's `crypt` calls.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::process::cpu_time;

const SCRIPT: &str = r#"
    $| = 1;
    while (my $cost = <STDIN>) {
        my $hash = crypt("correct horse battery staple", sprintf('$2b$%02d$abcdefghijklmnopqrstuu', $cost));
        print defined $hash && length $hash == 60 ? "done\n" : "unknown\n";
    }
"#;

/// A process that hashes.
pub struct Crypt {
    pid: i32,
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Crypt {
    /// Starts it; `None` where there is no Perl, or a C library without bcrypt.
    pub async fn start() -> Option<Self> {
        let mut perl = Command::new("perl");
        perl.args(["-e", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = perl.spawn().ok()?;
        let pid = i32::try_from(child.id()?).unwrap();
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?).lines());
        let mut crypt = Self { pid, _child: child, input, output };
        crypt.hash(4).await.then_some(crypt)
    }

    /// One hash of this cost; whether the library can make it.
    pub async fn hash(&mut self, cost: u32) -> bool {
        self.input.write_all(format!("{cost}\n").as_bytes()).await.unwrap();
        self.output.next_line().await.unwrap().unwrap() == "done"
    }

    /// The CPU time that it has used.
    pub fn cpu_time(&self) -> Duration {
        cpu_time(self.pid)
    }
}
