//! Memory that was needed for a while goes back to the system: a large catalog takes several times its size while it is resolved.

/// Gives back what is free. It looks through all of the heap, which takes milliseconds.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code, reason = "the allocator's own function has no safe form")]
    // SAFETY: it takes no pointer, and any thread may call it at any time (malloc_trim(3)).
    unsafe {
        malloc_trim(0);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the declaration is that of malloc_trim(3)")]
unsafe extern "C" {
    fn malloc_trim(pad: usize) -> std::ffi::c_int;
}
