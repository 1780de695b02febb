//! Builds the fuzzer with counters at every edge, and runs its targets one after another.

use crate::run::{Step, cargo};
use anyhow::{Context as _, Result, bail};

const USAGE: &str = "cargo xtask fuzz [TARGET] [--minutes N]; cargo xtask fuzz list; cargo xtask fuzz replay TARGET FILE";

/// What makes the compiler count: LLVM's coverage pass, which needs neither another toolchain nor another linker.
const COUNTERS: &str =
    "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters";

/// `cargo xtask fuzz …`
pub fn fuzz(arguments: &[String]) -> Result<()> {
    let program = build()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => Step::new(&program).args(["list"]).run(),
        ["replay", target, file] => Step::new(&program).args(["replay", target, file]).run(),
        [] => all(&program, 1),
        ["--minutes", minutes] => all(&program, number(minutes)?),
        [target] => one(&program, target, 1),
        [target, "--minutes", minutes] => one(&program, target, number(minutes)?),
        _ => bail!("{USAGE}"),
    }
}

fn number(text: &str) -> Result<u64> {
    text.parse().with_context(|| format!("'{text}' is no number of minutes; {USAGE}"))
}

fn all(program: &str, minutes: u64) -> Result<()> {
    let list = Step::new(program).args(["list"]).output()?;
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    // Every target has its turn: one finding says nothing about the others.
    let failed: Vec<&str> = names.filter(|name| one(program, name, minutes).is_err()).collect();
    if !failed.is_empty() {
        bail!("findings of {}; fuzz/README.md says what to do with them", failed.join(", "));
    }
    Ok(())
}

fn one(program: &str, target: &str, minutes: u64) -> Result<()> {
    Step::new(program).args(["run", target, &(minutes * 60).to_string()]).run()
}

fn build() -> Result<String> {
    let version = Step::new("rustc").args(["-vV"]).output()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say what it runs on")?;
    // With a target named, the flags are for the program only, and not for what runs while it is built.
    let arguments = ["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", "fuzz/target", "--target", host];
    cargo(&arguments).env("RUSTFLAGS", COUNTERS).run()?;
    Ok(crate::run::root().join(format!("fuzz/target/{host}/release/muster-fuzz")).to_string_lossy().into_owned())
}
