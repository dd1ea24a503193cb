//! Bounds the memory and the tables of one store, and remembers what was denied.

use wasmtime::ResourceLimiter;

use crate::limits::Limits;

/// Core instances that one component may consist of; Python's have 38.
const INSTANCES_MAX: usize = 64;
const TABLES_MAX: usize = 64;
const MEMORIES_MAX: usize = 8;

/// The memory of one store. A denied growth looks to the plugin like a machine without memory, and
/// usually ends in the same trap as a panic; only this record tells the two apart.
#[derive(Debug)]
pub(crate) struct MemoryBound {
    bytes_allowed: usize,
    elements_allowed: usize,
    bytes: usize,
    elements: usize,
    /// The most that was in use.
    pub(crate) bytes_peak: usize,
    /// What would have been in use after the growth that was denied.
    pub(crate) bytes_denied: Option<usize>,
}

impl MemoryBound {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            bytes_allowed: limits.memory_bytes,
            elements_allowed: limits.table_elements,
            bytes: 0,
            elements: 0,
            bytes_peak: 0,
            bytes_denied: None,
        }
    }
}

impl ResourceLimiter for MemoryBound {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.bytes.saturating_sub(current).saturating_add(desired);
        let own_maximum = maximum.is_some_and(|maximum| desired > maximum);
        if total > self.bytes_allowed {
            self.bytes_denied = Some(total);
            return Ok(false);
        }
        if own_maximum {
            return Ok(false);
        }
        self.bytes = total;
        self.bytes_peak = self.bytes_peak.max(total);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.elements.saturating_sub(current).saturating_add(desired);
        let allowed = total <= self.elements_allowed;
        if allowed {
            self.elements = total;
        }
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_count_together() {
        let mut bound = MemoryBound::new(&Limits { memory_bytes: 300_000, ..Limits::default() });
        assert!(bound.memory_growing(0, 200_000, None).unwrap());
        assert!(!bound.memory_growing(0, 200_000, None).unwrap());
        assert_eq!((bound.bytes_peak, bound.bytes_denied), (200_000, Some(400_000)));
        assert!(bound.memory_growing(200_000, 300_000, None).unwrap());
    }
}
