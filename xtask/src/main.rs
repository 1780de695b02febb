//! One door to all developer tools: `cargo xtask help`.

mod postgres;
mod run;
mod setup;
mod tidy;

use anyhow::{Context as _, Result, bail};
use run::{Step, cargo, npm, root};
use std::process::ExitCode;

const HELP: &str = "cargo xtask COMMAND

  run                 set up, build, and start a Muster that knows this machine (what `make run` does)
  test                set up, build, and run every test (what `make test` does)
  check               format, lints, tidy, generated files, then the tests (what `make check` does)
  setup [--test]      install or name what is missing; --test: what the tests need too
  console             build the console when its sources are newer than its build
  gen                 write the generated files (docs/openapi.json and the console's types)
  tidy                check the shape of the tree: crate edges, file sizes, banned words, migrations, links
  sim [ARGUMENTS]     run the simulator: --seeds N, --seed N
  postgres COMMAND    run a command with a private PostgreSQL in MUSTER_TEST_POSTGRES
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let (command, rest) = arguments.split_first().map_or(("help", &[][..]), |(c, r)| (c.as_str(), r));
    match command {
        "run" => start(),
        "test" => test(),
        "check" => check(),
        "setup" => setup::setup(rest.iter().any(|a| a == "--test")),
        "console" => console(),
        "gen" => generate(),
        "tidy" => tidy::tidy(),
        "sim" => cargo(&["run", "--release", "--package", "muster", "--bin", "muster", "--", "sim"]).args(rest).run(),
        "postgres" => {
            let (program, arguments) = rest.split_first().context("which command? cargo xtask postgres cargo test")?;
            let cluster = postgres::Cluster::start()?;
            Step::new(program).args(arguments).env(postgres::VARIABLE, cluster.url()).run()
        }
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command '{other}'\n\n{HELP}"),
    }
}

/// A newcomer's way in: everything is built, then a server with an agent on this machine.
fn start() -> Result<()> {
    setup::setup(false)?;
    console()?;
    cargo(&["build", "--package", "muster", "--bins"]).run()?;
    let program = root().join("target/debug/muster");
    Step::new(program.to_string_lossy()).args(["quickstart"]).become_it()
}

fn test() -> Result<()> {
    setup::setup(true)?;
    console()?;
    npm(&["test"]).run()?;
    cargo(&["build", "--workspace", "--bins"]).run()?;
    let cluster = postgres::Cluster::start()?;
    let nextest = Step::new("cargo").args(["nextest", "--version"]).succeeds();
    let all: &[&str] =
        if nextest { &["nextest", "run", "--workspace", "--no-fail-fast"] } else { &["test", "--workspace", "--no-fail-fast"] };
    cargo(all).env(postgres::VARIABLE, cluster.url()).run()
}

fn check() -> Result<()> {
    cargo(&["fmt", "--all", "--check"]).run().context("run `cargo fmt`")?;
    tidy::tidy()?;
    console()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]).run()?;
    npm(&["run", "check"]).run()?;
    generate()?;
    let changed = Step::new("git").args(["status", "--porcelain", "docs/openapi.json", "console/src/api"]).output()?;
    if !changed.is_empty() {
        bail!("generated files were not up to date; they are now, commit them:\n{changed}");
    }
    match Step::new("cargo").args(["deny", "--version"]).succeeds() {
        true => cargo(&["deny", "check"]).run()?,
        false => println!("cargo-deny is not installed: licences and advisories were not checked"),
    }
    test()
}

/// Builds the console unless its build is newer than everything it is made of.
fn console() -> Result<()> {
    if run::is_newer(
        "console/dist/index.html",
        &["console/src", "console/public", "console/package-lock.json", "console/index.html", "console/vite.config.ts"],
    ) {
        return Ok(());
    }
    if !run::is_newer("console/node_modules/.package-lock.json", &["console/package-lock.json"]) {
        npm(&["ci", "--no-audit", "--no-fund"]).run()?;
    }
    npm(&["run", "build"]).run()
}

/// Writes what is generated from the code.
fn generate() -> Result<()> {
    console()?;
    let document = cargo(&["run", "--quiet", "--package", "muster", "--bin", "muster", "--", "openapi"]).output()?;
    std::fs::write(root().join("docs/openapi.json"), document + "\n").context("docs/openapi.json cannot be written")
}
