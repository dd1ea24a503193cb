//! Endless loops, endless memory, endless depth; and what others may have left in memory.

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

/// Fills memory with a mark, and does not give it back.
pub fn fill(seed: u64, bytes: usize) -> Value {
    let words = vec![mark(seed); bytes / size_of::<u64>()];
    let count = black_box(&words).len();
    std::mem::forget(words);
    json!(count)
}

/// How often a mark is anywhere in memory, which is made larger before, as an instance may that reads what was there before it.
pub fn look(seed: u64) -> Value {
    let (mark, step) = (mark(seed), size_of::<u64>());
    core::arch::wasm32::memory_grow::<0>(64);
    let end = core::arch::wasm32::memory_size::<0>() << 16;
    // SAFETY: all of linear memory may be read, whoever wrote it.
    let is_there = |place: &usize| unsafe { std::ptr::read_volatile(*place as *const u64) } == mark;
    json!((step..end).step_by(step).filter(is_there).count())
}

/// Never in memory but where it was put.
fn mark(seed: u64) -> u64 {
    (seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
