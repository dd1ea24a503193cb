//! The one WebAssembly engine of a server and how it lays out memory.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::limits::Limits;

/// How instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// From slots reserved at the start (address space, not memory); where the machine refuses
    /// that, on demand.
    #[default]
    Auto,
    /// On demand: slower, with the least address space.
    Off,
}

/// More than enough below one component for what a guest's frames and the host's need together.
const HOST_STACK_BYTES: usize = 1_536 << 10;
/// Slots beside those of running calls, for manifests that are read at the same time.
const SPARE_SLOTS: u32 = 8;
/// Memory that a slot keeps between two calls instead of giving it back.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
const GUARD_BYTES: u64 = 2 << 20;

pub(crate) fn build_engine(limits: &Limits, pooling: Pooling, counts_fuel: bool) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(counts_fuel)
        .max_wasm_stack(limits.stack_bytes)
        .async_stack_size(limits.stack_bytes + HOST_STACK_BYTES)
        .memory_reservation(limits.memory_bytes_max as u64)
        .memory_guard_size(GUARD_BYTES)
        .wasm_memory64(false);
    if pooling == Pooling::Auto {
        let mut pooled = config.clone();
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
        match Engine::new(&pooled) {
            Ok(engine) => return Ok(engine),
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "plugin memory is allocated on demand: the machine refuses a pool"
            ),
        }
    }
    Engine::new(&config)
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let calls = u32::try_from(limits.concurrent).unwrap_or(u32::MAX / 64) + SPARE_SLOTS;
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(calls)
        .total_core_instances(calls * 16)
        .total_memories(calls * 2)
        .total_tables(calls * 16)
        .total_stacks(calls)
        .max_core_instances_per_component(64)
        .max_tables_per_component(64)
        .max_memories_per_component(8)
        .max_memories_per_module(8)
        .max_tables_per_module(8)
        .max_memory_size(limits.memory_bytes_max)
        .table_elements(limits.table_elements)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}
