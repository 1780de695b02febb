//! One door to all developer tools: `cargo xtask help`.

mod fuzz;
mod package;
mod postgres;
mod run;
mod setup;
mod tidy;

use anyhow::{Context as _, Result, bail};
use run::{Step, cargo, npm, root};
use std::process::ExitCode;

const HELP: &str = "cargo xtask COMMAND

  run [ARGUMENTS]     set up, build, and start a Muster that knows this machine (what `make run` does)
  test                set up, build, and run every test (what `make test` does)
  check               format, lints, tidy, generated files, then the tests (what `make check` does)
  setup [--test]      install or name what is missing; --test: what the tests need too
  console             build the console when its sources are newer than its build
  gen                 write the generated files (docs/openapi.json and the console's types)
  tidy                check the shape of the tree: crate edges, file sizes, banned words, migrations, links
  e2e [FILTER]        only the tests of the real programs: agents of others, kills, the console in a browser
  sim [ARGUMENTS]     run the simulator: --seeds N, --seed N
  bench [ARGUMENTS]   measure the figures the documents name
  fuzz [TARGET] [--minutes N]  fuzz one target or all of them, a minute each unless told
  package [deb] [rpm] the agent's packages in target/packages; --program FILE packages one that is built
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
        "run" => start(rest),
        "test" => test(),
        "check" => check(),
        "setup" => setup::setup(rest.iter().any(|a| a == "--test")),
        "console" => console(),
        "gen" => generate(),
        "tidy" => tidy::tidy(),
        "e2e" => end_to_end(rest),
        "fuzz" => fuzz::fuzz(rest),
        "package" => package::package(rest),
        "sim" | "bench" => cargo(&["run", "--release", "--package", "muster", "--bin", "muster", "--", command]).args(rest).run(),
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
fn start(arguments: &[String]) -> Result<()> {
    setup::setup(false)?;
    console()?;
    cargo(&["build", "--package", "muster", "--package", "muster-agent", "--bins"]).run()?;
    let program = run::programs().join("muster");
    Step::new(program.to_string_lossy()).args(["quickstart"]).args(arguments).become_it()
}

fn test() -> Result<()> {
    setup::setup(true)?;
    console()?;
    npm(&["test"]).run()?;
    cargo(&["build", "--workspace", "--bins"]).run()?;
    let cluster = postgres::Cluster::start()?;
    rust_tests(&["--workspace"], cluster.url())
}

fn end_to_end(filter: &[String]) -> Result<()> {
    setup::setup(true)?;
    console()?;
    cargo(&["build", "--workspace", "--bins"]).run()?;
    let cluster = postgres::Cluster::start()?;
    let mut arguments = vec!["--package", "muster-e2e"];
    arguments.extend(filter.iter().map(String::as_str));
    rust_tests(&arguments, cluster.url())
}

fn rust_tests(which: &[&str], postgres: &str) -> Result<()> {
    let nextest = Step::new("cargo").args(["nextest", "--version"]).succeeds();
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test", "--no-fail-fast"] };
    cargo(runner).args(which).env(postgres::VARIABLE, postgres).run()
}

fn check() -> Result<()> {
    cargo(&["fmt", "--all", "--check"]).run().context("run `cargo fmt`")?;
    cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]).run().context("run `cargo fmt --manifest-path fuzz/Cargo.toml`")?;
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
        &[
            "console/src",
            "console/public",
            "console/package-lock.json",
            "console/package.json",
            "console/index.html",
            "console/vite.config.ts",
        ],
    ) {
        println!("the console is up to date");
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
