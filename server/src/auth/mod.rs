//! Who calls: passwords, tokens, sessions, and what slows down guessing.

pub mod back_off;
pub mod password;
pub mod secret;
