//! Endless loops, endless memory, endless depth.

use std::hint::black_box;

use cardine_plugin::{PluginError, Value, host::log, serde_json::json};

/// Never returns.
pub fn spin() -> Result<Value, PluginError> {
    let mut state = 1_u64;
    loop {
        state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// Takes memory in pieces of 1 MiB and touches each, until the allocator gives up.
pub fn grab() -> Result<Value, PluginError> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    loop {
        pieces.push(vec![1_u8; 1 << 20]);
        black_box(&pieces);
    }
}

/// Calls itself without end; small frames, so that the call stack fills before the data stack.
#[inline(never)]
#[allow(unconditional_recursion)]
pub fn dive(depth: u64) -> u64 {
    let below = dive(depth.wrapping_mul(3) + 1);
    below.rotate_left(3) ^ depth
}

/// Writes log lines.
pub fn flood(lines: usize, bytes: usize) -> Value {
    let message = "l".repeat(bytes);
    for line in 0..lines {
        log::write(log::Level::Info, &message, &format!("{{\"line\":{line}}}"));
    }
    json!(lines)
}
