//! The command line of Cardine.

fn main() {}
