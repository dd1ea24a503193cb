//! The binary `cardine`: runs what the command line says.

use std::process::ExitCode;

fn main() -> ExitCode {
    cardine::run()
}
