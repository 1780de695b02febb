//! A private PostgreSQL for tests: one cluster per run of the tests, one fresh database per test.
//!
//! `start` and `stop` are called by the developer's tool around a run; `database` by each test. The cluster listens on a
//! Unix socket only, keeps its default durability, and belongs to the user `postgres` when everything else runs as root.

use crate::fault::OpenError;
use crate::migrate::{self, MIGRATIONS};
use crate::pg::{Pg, config};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// The variable that tells tests where PostgreSQL is.
pub const VARIABLE: &str = "MUSTER_TEST_POSTGRES";
/// The lock under which the template is made: 'template' in ASCII.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;
/// A Unix socket's path has 107 bytes, of which its file name takes 16.
const SOCKET_DIRECTORY: usize = 90;

/// Starts the private cluster of this workspace, or finds it running; the address for `MUSTER_TEST_POSTGRES`.
pub fn start() -> Result<String, String> {
    Cluster::at(&home()?)?.start()
}

/// Stops the private cluster of this workspace and removes its files; fine when there is none.
pub fn stop() -> Result<(), String> {
    Cluster::at(&home()?)?.stop()
}

fn home() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let home = target.join("tmp").join("postgres");
    fs::create_dir_all(&home).map_err(|e| format!("cannot make {}: {e}", home.display()))?;
    home.canonicalize().map_err(|e| format!("cannot find {}: {e}", home.display()))
}

/// A private cluster in a directory of its own.
pub(crate) struct Cluster {
    dir: PathBuf,
    lock: PathBuf,
    root: bool,
}

impl Cluster {
    /// The cluster of `home`; its files lie elsewhere when the path is too long for a socket or closed to `postgres`.
    pub(crate) fn at(home: &Path) -> Result<Self, String> {
        let root = fs::metadata("/proc/self").map_err(|e| format!("cannot tell the user: {e}"))?.uid() == 0;
        let lock = home.join("lock");
        let mut cluster = Self { dir: home.join("cluster"), lock, root };
        let open = cluster.tool(OsStr::new("test")).arg("-x").arg(home).status().is_ok_and(|s| s.success());
        if !open || cluster.dir.as_os_str().len() > SOCKET_DIRECTORY {
            let mark = migrate::hash(&home.to_string_lossy());
            cluster.dir = std::env::temp_dir().join(format!("muster-postgres-{}", &mark[..12]));
        }
        Ok(cluster)
    }

    pub(crate) fn start(&self) -> Result<String, String> {
        let _held = self.hold()?;
        if !self.runs()? {
            if self.dir.exists() {
                fs::remove_dir_all(&self.dir).map_err(|e| format!("cannot remove {}: {e}", self.dir.display()))?;
            }
            fs::create_dir_all(&self.dir).map_err(|e| format!("cannot make {}: {e}", self.dir.display()))?;
            if self.root {
                run(Command::new("chown").arg("postgres").arg(&self.dir))?;
            }
            let data = self.dir.join("data");
            run(self
                .tool(&program("initdb")?)
                .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D"])
                .arg(data))?;
            let options = format!("-c listen_addresses='' -c max_connections=200 -c unix_socket_directories='{}'", self.dir.display());
            run(self.control("start")?.args(["-w", "-l"]).arg(self.dir.join("log")).arg("-o").arg(options))?;
        }
        Ok(format!("postgres://postgres@{}/postgres", self.dir.display().to_string().replace('%', "%25").replace('/', "%2F")))
    }

    pub(crate) fn stop(&self) -> Result<(), String> {
        let _held = self.hold()?;
        if self.runs()? {
            run(self.control("stop")?.args(["-w", "-m", "immediate"]))?;
        }
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir).map_err(|e| format!("cannot remove {}: {e}", self.dir.display()))?;
        }
        Ok(())
    }

    fn runs(&self) -> Result<bool, String> {
        if !self.dir.join("data").join("PG_VERSION").exists() {
            return Ok(false);
        }
        let status = self.control("status")?.output().map_err(|e| format!("cannot run pg_ctl: {e}"))?.status;
        Ok(status.success())
    }

    /// One start or stop at a time, over all processes; released when the file is closed.
    fn hold(&self) -> Result<fs::File, String> {
        let failed = |e| format!("cannot lock {}: {e}", self.lock.display());
        let file = fs::File::create(&self.lock).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    fn control(&self, verb: &str) -> Result<Command, String> {
        let mut command = self.tool(&program("pg_ctl")?);
        command.arg(verb).arg("-D").arg(self.dir.join("data"));
        Ok(command)
    }

    /// PostgreSQL refuses to run as root.
    fn tool(&self, program: &OsStr) -> Command {
        let mut command = if self.root { Command::new("setpriv") } else { Command::new(program) };
        if self.root {
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
        }
        command.current_dir("/").env("LC_ALL", "C");
        command
    }
}

/// PostgreSQL's own tools: Debian keeps them out of PATH; the newest counts.
fn program(name: &str) -> Result<std::ffi::OsString, String> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| Some((e.file_name().to_str()?.parse().ok()?, e.path().join("bin").join(name))))
        .filter(|(_, path)| path.exists())
        .collect();
    found.sort();
    if let Some((_, path)) = found.pop() {
        return Ok(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let hit = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|p| p.exists());
    hit.map(Into::into).ok_or_else(|| format!("{name} is not installed: install PostgreSQL (Debian: apt install postgresql)"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|e| format!("cannot run {shown}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("{shown} failed ({}): {out}{err}", output.status))
}

/// A database of its own for one test; dropped with this value.
pub struct Database {
    admin: String,
    name: String,
    url: String,
}

impl Database {
    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let dropped = scripts(&self.admin, vec![format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)]);
        if let Err(why) = dropped {
            tracing::warn!(database = %self.name, %why, "a test's database is left");
        }
    }
}

/// A fresh database with all migrations. Panics when `MUSTER_TEST_POSTGRES` is not set: a test never skips silently.
pub fn database() -> Database {
    let admin = address();
    let template = template(&admin).unwrap_or_else(|e| panic!("cannot make the template database: {e}"));
    fresh(admin, Some(&template))
}

/// A fresh database with nothing in it.
pub fn empty_database() -> Database {
    fresh(address(), None)
}

fn address() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!(
            "this test needs PostgreSQL: run the tests with `cargo xtask test`, which starts a private one, \
             or set {VARIABLE}=postgres://user@host/database to a server where that user may create databases"
        )
    })
}

fn fresh(admin: String, template: Option<&str>) -> Database {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("muster_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    let source = template.unwrap_or("template0");
    let statements = vec![format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name} TEMPLATE {source}")];
    scripts(&admin, statements).unwrap_or_else(|e| panic!("cannot make a database for a test: {e}"));
    let url = with_database(&admin, &name);
    Database { admin, name, url }
}

/// The address with another database in it.
fn with_database(url: &str, name: &str) -> String {
    let (body, query) = url.split_once('?').map_or((url, None), |(body, query)| (body, Some(query)));
    let start = body.find("://").map_or(0, |at| at + 3);
    let end = body[start..].find('/').map_or(body.len(), |at| start + at);
    let query = query.map_or_else(String::new, |q| format!("?{q}"));
    format!("{}/{name}{query}", &body[..end])
}

/// The template that holds today's migrations; made once per cluster.
fn template(admin: &str) -> Result<String, String> {
    let texts: String = MIGRATIONS.iter().map(|m| m.postgres).collect();
    let name = format!("muster_template_{}", &migrate::hash(&texts)[..12]);
    let (admin, made) = (admin.to_owned(), name.clone());
    plain(move || {
        let mut db = connected(&admin)?;
        db.script(&format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).map_err(|b| b.fault)?;
        let names = db.rows("SELECT datname::text FROM pg_database", "", &[]).map_err(|b| b.fault)?;
        if names.iter().any(|row| row.text(0) == Ok(made.as_str())) {
            return Ok(());
        }
        let half = format!("{made}_half");
        for statement in [format!("DROP DATABASE IF EXISTS {half} WITH (FORCE)"), format!("CREATE DATABASE {half} TEMPLATE template0")] {
            db.script(&statement).map_err(|b| b.fault)?;
        }
        migrate::postgres(&mut connected(&with_database(&admin, &half))?)?;
        // A template that was not finished never gets the name.
        db.script(&format!("ALTER DATABASE {half} RENAME TO {made}")).map_err(|b| b.fault)?;
        Ok(())
    })?;
    Ok(name)
}

fn connected(url: &str) -> Result<Pg, OpenError> {
    let mut db = Pg::new(config(url)?, Duration::from_secs(300)).map_err(|e| OpenError::Connect(e.to_string()))?;
    db.connect()?;
    db.script("SET lock_timeout = 0").map_err(|b| b.fault)?;
    Ok(db)
}

/// Runs statements one by one, outside of transactions.
pub(crate) fn scripts(url: &str, statements: Vec<String>) -> Result<(), String> {
    let url = url.to_owned();
    plain(move || {
        let mut db = connected(&url)?;
        for statement in statements {
            db.script(&statement).map_err(|b| b.fault)?;
        }
        Ok(())
    })
}

/// On a plain thread: the test may be inside a runtime.
fn plain(work: impl FnOnce() -> Result<(), OpenError> + Send + 'static) -> Result<(), String> {
    match std::thread::spawn(work).join() {
        Ok(done) => done.map_err(|e| e.to_string()),
        Err(_) => Err("the thread that talks to PostgreSQL panicked".into()),
    }
}
