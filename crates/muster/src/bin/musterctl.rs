//! The program `musterctl`: `muster ctl` under its own name.

use std::process::ExitCode;

fn main() -> ExitCode {
    muster::musterctl()
}
