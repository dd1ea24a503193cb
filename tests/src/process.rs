//! One running `cardine serve`: its start, its two ways to end, and the promise that it never outlives the test.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What the server prints once it accepts connections.
const ANNOUNCEMENT: &str = "listening on ";

/// From the start of the process to its announcement, on a loaded machine.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no server process that accepts connections.
#[derive(Debug)]
pub enum NotStarted {
    /// It ended before it announced its address.
    Ended(ExitStatus),
    /// Anything else, as a sentence.
    Other(String),
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(status) => write!(f, "the server ended with {status} instead of announcing its address"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for NotStarted {}

/// A server process that accepts connections.
#[derive(Debug)]
pub struct Process {
    child: Child,
    watchdog: Child,
    address: String,
}

impl Process {
    /// Runs `command` until it announces its address; standard error goes to the file `log`.
    ///
    /// # Errors
    /// A sentence on what happened instead.
    pub fn start(command: &mut Command, log: &Path) -> Result<Process, NotStarted> {
        let log = File::options().create(true).append(true).open(log);
        let log = log.map_err(|error| NotStarted::Other(error.to_string()))?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().map_err(|error| {
            NotStarted::Other(format!("could not run {}: {error}", command.get_program().display()))
        })?;
        let watchdog = watch(&child);
        let stdout = child.stdout.take().expect("standard output was piped");
        let mut process = Process { child, watchdog, address: String::new() };
        process.address = announced_address(stdout).map_err(|what| match process.wait_for_end() {
            Some(status) => NotStarted::Ended(status),
            None => NotStarted::Other(what),
        })?;
        Ok(process)
    }

    /// Such as `http://127.0.0.1:40123`, without a slash at its end.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The operating system's number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it does so while its output is closed already.
    fn wait_for_end(&mut self) -> Option<ExitStatus> {
        for _ in 0..100 {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// How it has ended by itself, if it has.
    ///
    /// # Panics
    /// If the operating system does not tell.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process is a child of this one")
    }

    /// Ends it as a crash would: at once, without a chance to write anything (`SIGKILL`).
    pub fn kill_hard(mut self) {
        self.end_now();
    }

    /// Asks it to finish (`SIGTERM`) and waits until it has.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn stop(mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "could not send SIGTERM to {}", self.child.id());
        self.child.wait().expect("the process is a child of this one")
    }

    fn end_now(&mut self) {
        // First, while its target's number is still ours: afterwards another process may have got the number.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end_now();
    }
}

/// Kills the server when this process's end of the pipe closes, which it does even if this process is killed.
fn watch(child: &Child) -> Child {
    Command::new("sh")
        .args(["-c", r#"trap '' HUP INT TERM; cat; kill -KILL "$1""#, "watchdog", &child.id().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("there is a shell")
}

/// The address from the announcement. A thread goes on reading, so that the server never blocks on a full pipe.
fn announced_address(stdout: std::process::ChildStdout) -> Result<String, String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(address) = line.trim().strip_prefix(ANNOUNCEMENT) {
                let _ = sender.send(address.trim_end_matches('/').to_owned());
            }
        }
    });
    receiver.recv_timeout(START_PATIENCE).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => {
            format!("the server did not print `{ANNOUNCEMENT}…` within {} s", START_PATIENCE.as_secs())
        }
        mpsc::RecvTimeoutError::Disconnected => {
            format!("the server ended, or closed its output, without `{ANNOUNCEMENT}…`")
        }
    })
}
