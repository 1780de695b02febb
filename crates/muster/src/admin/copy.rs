//! Backup and restore of the embedded database.

use super::existing;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::open::take_data;
use anyhow::{Context, bail};
use muster_engine::Store;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const POSTGRES: &str = "this is a PostgreSQL database: copy it with pg_dump --format=custom and put it back with pg_restore";

/// Writes a consistent copy to a new file; a server may work meanwhile.
pub fn backup(config: &Config, file: &Path) -> anyhow::Result<()> {
    if config.database.is_some() {
        bail!(POSTGRES);
    }
    existing(config)?.engine.store().backup(file).with_context(|| format!("no backup of {}", config.database_file().display()))
}

/// Puts a backup in the database's place: checked, brought to this version, then renamed into place as one step.
pub fn restore(config: &Config, file: &Path, force: bool) -> anyhow::Result<()> {
    if config.database.is_some() {
        bail!(POSTGRES);
    }
    let lock = take_data(config)?;
    let database = config.database_file();
    if database.exists() && !force {
        bail!("there is a database in {} already; --force replaces it (it is gone then)", config.data.display());
    }
    let draft = config.data.join("muster.db.restoring");
    let done = prepare(file, &draft).and_then(|()| {
        for side in [beside(&database, "-wal"), beside(&database, "-shm")] {
            remove(&side)?;
        }
        fs::rename(&draft, &database).with_context(|| format!("cannot put the database in place as {}", database.display()))?;
        let directory = fs::File::open(&config.data).and_then(|d| d.sync_all());
        directory.with_context(|| format!("cannot make {} durable", config.data.display()))
    });
    for rest in [draft.clone(), beside(&draft, "-wal"), beside(&draft, "-shm")] {
        remove(&rest)?;
    }
    drop(lock);
    done
}

/// Copies a backup beside the database and looks whether it is whole.
fn prepare(file: &Path, draft: &Path) -> anyhow::Result<()> {
    remove(draft)?;
    let content = fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut target = options.open(draft).with_context(|| format!("cannot write {}", draft.display()))?;
    std::io::copy(&mut &content, &mut target).with_context(|| format!("cannot copy {}", file.display()))?;
    target.sync_all().with_context(|| format!("cannot make {} durable", draft.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().context("no runtime")?;
    let store = Store::open_sqlite(draft, Arc::new(SystemClock)).with_context(|| format!("{} is no backup of Muster", file.display()))?;
    let findings = store.integrity();
    runtime.block_on(store.close());
    match findings.with_context(|| format!("{} cannot be checked", file.display()))?.as_slice() {
        [] => Ok(()),
        [first, ..] => bail!("{} is damaged: {first}", file.display()),
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).with_context(|| format!("cannot remove {}", path.display())),
        _ => Ok(()),
    }
}
