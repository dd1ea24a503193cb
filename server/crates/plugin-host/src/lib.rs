//! Reads plugin packages and runs one plugin call inside its bounds.
//!
//! # Rules that hold here
//! - A package is checked whole before anything of it runs, and every issue is reported at once.
//! - A component imports nothing but `cardine:plugin@0.1`; what was not granted is linked as
//!   functions that answer `denied`.
//! - Every call has a bound on CPU time, wall-clock time, memory, stack, input, output, host calls
//!   and log lines. Breaking one ends that call alone, with a [`PluginFailure`].
//! - An instance that trapped is thrown away. No state outlives a [`Session`].
//! - Compiled code is read back from the cache only if its seal shows that this server wrote it.

mod component;
mod issue;
mod manifest;
mod package;

pub use component::{ComponentError, componentize};
pub use issue::{Issue, PathStep};
pub use manifest::{
    ComputedManifest, FunctionManifest, HmacAlgorithm, HmacManifest, HookManifest, HookPhase, JobManifest, LimitWishes,
    Manifest, OnError, RouteAuth, RouteManifest, ValidatorManifest, job_workflow,
};
pub use package::{Package, PackageError, pack};

#[cfg(feature = "runtime")]
mod bindings;
#[cfg(feature = "runtime")]
mod breaker;
#[cfg(feature = "runtime")]
mod cache;
#[cfg(feature = "runtime")]
mod call_context;
#[cfg(feature = "runtime")]
mod call_state;
#[cfg(feature = "runtime")]
mod compiler;
#[cfg(feature = "runtime")]
mod computing;
#[cfg(feature = "runtime")]
mod counts;
#[cfg(feature = "runtime")]
mod cpu;
#[cfg(feature = "runtime")]
mod ending;
#[cfg(feature = "runtime")]
mod engine;
#[cfg(feature = "runtime")]
mod entry;
#[cfg(feature = "runtime")]
mod failed_calls;
#[cfg(feature = "runtime")]
mod failure;
#[cfg(feature = "runtime")]
mod host;
#[cfg(feature = "runtime")]
mod host_imports;
#[cfg(feature = "runtime")]
mod job_calls;
#[cfg(feature = "runtime")]
mod lanes;
#[cfg(feature = "runtime")]
mod limits;
#[cfg(feature = "runtime")]
mod logs;
#[cfg(feature = "runtime")]
mod memory;
#[cfg(feature = "runtime")]
mod plugin;
#[cfg(feature = "runtime")]
mod record_calls;
#[cfg(feature = "runtime")]
mod route_calls;
#[cfg(feature = "runtime")]
mod schemas;
#[cfg(feature = "runtime")]
mod sealed_code;
#[cfg(feature = "runtime")]
mod services;
#[cfg(feature = "runtime")]
mod session;
#[cfg(feature = "runtime")]
mod signature;
#[cfg(feature = "runtime")]
mod ticker;

#[cfg(feature = "runtime")]
pub use {
    call_context::CallContext,
    compiler::{COMPILE_ARGUMENT, compile_from_stdin},
    counts::CallCount,
    engine::Pooling,
    failed_calls::FailedCall,
    failure::{Bound, Diagnosis, PluginFailure, PluginIssue, Reason},
    host::{HostConfig, HostError, LoadError, PluginHost},
    limits::Limits,
    logs::{LogLevel, LogLine},
    plugin::{BatchOutcome, LoadedPlugin, Outcome, Usage},
    record_calls::{CheckedValue, Decision, RecordChange},
    route_calls::{RouteRequest, RouteResponse},
    services::{Answer, DeniedServices, HostServices, port},
    session::Session,
    signature::{generate_key, is_public_key, sign},
};
