//! Running other programs, and telling what they did.

use anyhow::{Context as _, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where cargo puts the programs it builds for developers.
pub fn programs() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    root().join(target).join("debug")
}

/// One program to be run in the repository's root.
pub struct Step {
    command: Command,
    shown: String,
}

impl Step {
    pub fn new(program: impl AsRef<str>) -> Self {
        let mut command = Command::new(program.as_ref());
        command.current_dir(root());
        Self { command, shown: program.as_ref().to_owned() }
    }

    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        for argument in arguments {
            self.shown.push(' ');
            self.shown.push_str(&argument.as_ref().to_string_lossy());
            self.command.arg(argument);
        }
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What is printed instead of the program and the arguments so far.
    pub fn shown_as(mut self, text: &str) -> Self {
        text.clone_into(&mut self.shown);
        self
    }

    pub fn within(mut self, folder: &str) -> Self {
        self.command.current_dir(root().join(folder));
        self
    }

    /// Runs it; an error when it fails.
    pub fn run(mut self) -> Result<()> {
        println!("$ {}", self.shown);
        let status = self.command.stdin(Stdio::null()).status().with_context(|| format!("'{}' cannot be started", self.shown))?;
        if !status.success() {
            bail!("'{}' failed ({status})", self.shown);
        }
        Ok(())
    }

    /// Whether it can be started and succeeds; prints nothing.
    pub fn succeeds(mut self) -> bool {
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    }

    /// What it prints.
    pub fn output(mut self) -> Result<String> {
        let output = self
            .command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("'{}' cannot be started", self.shown))?;
        if !output.status.success() {
            bail!("'{}' failed ({})", self.shown, output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Replaces this program by it.
    pub fn become_it(mut self) -> Result<()> {
        use std::os::unix::process::CommandExt as _;
        println!("$ {}", self.shown);
        let error = self.command.exec();
        Err(error).with_context(|| format!("'{}' cannot be started", self.shown))
    }
}

/// A call of cargo.
pub fn cargo(arguments: &[&str]) -> Step {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    Step::new(program).args(arguments)
}

/// A call of npm in the console's folder.
pub fn npm(arguments: &[&str]) -> Step {
    Step::new("npm").args(arguments).within("console")
}

/// Whether a file is there and newer than everything in the given files and folders.
pub fn is_newer(file: &str, than: &[&str]) -> bool {
    let Some(made) = modified(&root().join(file)) else { return false };
    than.iter().all(|source| newest(&root().join(source)).is_none_or(|at| at <= made))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

fn newest(path: &Path) -> Option<SystemTime> {
    let own = modified(path)?;
    let inside = std::fs::read_dir(path).into_iter().flatten().flatten().filter_map(|entry| newest(&entry.path()));
    Some(inside.fold(own, SystemTime::max))
}
