//! Opening the database of a configuration, and the lock by which one server at a time works on a data directory.

use crate::clock::SystemClock;
use crate::config::{Config, without_password};
use crate::keys::directory_of_secrets;
use anyhow::{Context, bail};
use jiff::tz::TimeZone;
use muster_core::ids::OrgId;
use muster_core::time::Clock;
use muster_engine::{Engine, Store, SystemRandom, access};
use std::fs::{File, TryLockError};
use std::sync::Arc;
use uuid::Uuid;

/// An engine on the configured database, with the default organization made.
pub struct Opened {
    /// The engine.
    pub engine: Engine,
    /// The default organization.
    pub org: OrgId,
}

/// Opens the database, making and migrating it when need be. Blocks. Another program may have it open too.
pub fn open(config: &Config) -> anyhow::Result<Opened> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = match &config.database {
        Some(url) => {
            Store::open_postgres(url, clock.clone()).with_context(|| format!("cannot open the database {}", without_password(url)))?
        }
        None => {
            directory_of_secrets(&config.data)?;
            let file = config.database_file();
            Store::open_sqlite(&file, clock.clone()).with_context(|| format!("cannot open the database {}", file.display()))?
        }
    };
    let engine = Engine::in_zone(store, clock, Arc::new(SystemRandom), TimeZone::system());
    let cx = engine.system(OrgId(Uuid::nil()), "start");
    let org = engine.write_now("org.default", &cx, access::default_org).context("the default organization cannot be made")?;
    Ok(Opened { engine, org: org.id })
}

/// Shows that a program works on a data directory; ends when dropped.
#[derive(Debug)]
pub struct DataLock(#[allow(dead_code, reason = "holding the file is holding the lock")] File);

/// Takes the data directory for one server (or a restore). Nothing to take with PostgreSQL.
pub fn take_data(config: &Config) -> anyhow::Result<Option<DataLock>> {
    if config.database.is_some() {
        return Ok(None);
    }
    directory_of_secrets(&config.data)?;
    let path = config.data.join("muster.lock");
    let file =
        File::options().write(true).create(true).truncate(false).open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(DataLock(file))),
        Err(TryLockError::WouldBlock) => {
            bail!("a Muster server works on {} already; stop it first, or name another directory with --data", config.data.display())
        }
        Err(TryLockError::Error(e)) => Err(e).with_context(|| format!("cannot lock {}", path.display())),
    }
}
