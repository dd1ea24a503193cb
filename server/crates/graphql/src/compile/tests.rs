//! Cases of compilation.
