//! Compiles a component in a process of its own: what takes too much memory or time ends that process, and nothing of the server's.
//!
//! The server starts its own program again, with the one argument [`COMPILE_ARGUMENT`]. What is asked for is a line of JSON at the standard input,
//! with the component behind it; the compiled code comes out at the standard output.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::engine::{Pooling, build_engine};
use crate::host::LoadError;
use crate::lanes::{Lanes, Priority, lower_priority};
use crate::limits::Limits;

/// What the program is started with that is to compile a component.
pub const COMPILE_ARGUMENT: &str = "compile-component";

/// The process ended itself because the system gave it no more memory.
const NO_MEMORY: u8 = 12;
/// What else is said where memory was refused: by Rust's allocation, by the compiler and by the system. Nothing that ends so can tell it otherwise.
const OUT_OF_MEMORY: [&str; 3] = ["memory allocation of", "out of memory", "Cannot allocate memory"];
const THREADS_MAX: usize = 4;
/// Least memory that the compiler needs to begin, in bytes.
pub(crate) const MEMORY_BYTES_MIN: u64 = 64 << 20;

/// What the process is told.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    stack_bytes: usize,
    memory_bytes_max: usize,
    /// Of the process itself, in bytes.
    compile_memory_bytes: u64,
    /// Of all its threads together: should the server be gone, nobody ends it otherwise.
    cpu_seconds: u64,
    /// Whether only an administrator waits.
    is_low: bool,
    /// Whether the code counts the fuel that it uses.
    counts_fuel: bool,
}

/// Why nothing was compiled.
pub(crate) enum NotCompiled {
    /// The process could not be started or spoken to: another way may work.
    NoProcess(io::Error),
    /// It was started, and this came of it.
    Refused(LoadError),
}

impl From<io::Error> for NotCompiled {
    fn from(error: io::Error) -> Self {
        Self::NoProcess(error)
    }
}

/// Compiles in a process of `program`; dropping the future ends it.
pub(crate) async fn compile_apart(
    program: &PathBuf,
    limits: &Limits,
    priority: Priority,
    counts_fuel: bool,
    component: &[u8],
) -> Result<Vec<u8>, NotCompiled> {
    let order = Order {
        stack_bytes: limits.stack_bytes,
        memory_bytes_max: limits.memory_bytes_max,
        compile_memory_bytes: limits.compile_memory_bytes,
        cpu_seconds: (limits.compile_ms / 1_000 + 1) * width() as u64,
        is_low: matches!(priority, Priority::Low),
        counts_fuel,
    };
    let mut command = Command::new(program);
    // What the server was told by its variables is nothing to what is compiled.
    command.arg(COMPILE_ARGUMENT).env_clear().current_dir("/").kill_on_drop(true);
    if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut input = process.stdin.take().ok_or_else(|| io::Error::other("it has no standard input"))?;
    let line = serde_json::to_string(&order).map_err(io::Error::from)? + "\n";
    let told = async move {
        input.write_all(line.as_bytes()).await?;
        input.write_all(component).await?;
        input.shutdown().await
    };
    // It reads all before it answers; one that has died meanwhile says why.
    let (_told, ended) = tokio::join!(told, process.wait_with_output());
    let ended = ended?;
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.trim();
    if ended.status.success() {
        return Ok(ended.stdout);
    }
    let is_out_of_memory =
        ended.status.code() == Some(i32::from(NO_MEMORY)) || OUT_OF_MEMORY.iter().any(|words| said.contains(words));
    Err(NotCompiled::Refused(if is_out_of_memory {
        LoadError::CompileMemory { allowed_bytes: limits.compile_memory_bytes }
    } else if ended.status.code() == Some(1) {
        LoadError::Compile(said.to_owned())
    } else {
        tracing::warn!(status = %ended.status, said, "the compiler of plugins ended unexpectedly");
        LoadError::Compile(format!("the compiler ended unexpectedly ({})", ended.status))
    }))
}

/// Each thread takes memory too, so that on a machine with many processors not all of it goes there.
fn width() -> usize {
    Lanes::width().min(THREADS_MAX)
}

/// What the process does that compiles one component: for a program that was started with [`COMPILE_ARGUMENT`], before it does anything else.
pub fn compile_from_stdin() -> ExitCode {
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, why)) => {
            eprintln!("{why}");
            ExitCode::from(code)
        }
    }
}

fn compile() -> Result<(), (u8, String)> {
    let unreadable = |error: io::Error| (2, format!("the order cannot be read: {error}"));
    let mut input = io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line).map_err(unreadable)?;
    let order: Order = serde_json::from_str(&line).map_err(|error| unreadable(error.into()))?;
    bound(&order).map_err(|error| (2, format!("the process cannot be bounded: {error}")))?;
    let mut component = Vec::new();
    input.read_to_end(&mut component).map_err(unreadable)?;
    let limits =
        Limits { stack_bytes: order.stack_bytes, memory_bytes_max: order.memory_bytes_max, ..Limits::default() };
    // How memory is given to instances is nothing to the code.
    let engine = build_engine(&limits, Pooling::Off, order.counts_fuel).map_err(|error| (2, format!("{error:#}")))?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(width()).build();
    let threads = threads.map_err(|error| (NO_MEMORY, error.to_string()))?;
    let code =
        threads.install(|| engine.precompile_component(&component)).map_err(|error| (1, format!("{error:#}")))?;
    let mut output = io::stdout().lock();
    output.write_all(&code).and_then(|()| output.flush()).map_err(|error| (2, error.to_string()))
}

/// From now on this process gets no more than the order says. Of other systems than Linux not all bound what a process maps.
#[cfg(unix)]
fn bound(order: &Order) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    for (resource, most) in [
        // Memory that is written, not address space: allocators reserve far more of that than they use.
        (Resource::Data, order.compile_memory_bytes),
        (Resource::Cpu, order.cpu_seconds),
        (Resource::Core, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    if order.is_low {
        lower_priority();
    }
    Ok(())
}

#[cfg(not(unix))]
fn bound(_: &Order) -> io::Result<()> {
    Ok(())
}
