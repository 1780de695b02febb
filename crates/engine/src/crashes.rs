//! Crashes of Muster's own agents: told once by the agent, kept for people.

use crate::cx::Cx;
use crate::error::Error;
use crate::work::cut;
use muster_core::access::Role;
use muster_core::fleet::{Crash, CrashKind};
use muster_core::ids::{AgentId, CrashId};
use muster_core::limits::{CRASH_BYTES_MAX, CRASHES_TOLD_MAX};
use muster_core::page::{Page, PageRequest};
use muster_core::time::Timestamp;
use muster_store::{CrashFilter, Rx, Tx};

/// A crash as the agent tells it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its id.
    pub id: CrashId,
    /// How.
    pub kind: CrashKind,
    /// When.
    pub at: Timestamp,
    /// The version that crashed.
    pub version: String,
    /// What the program says of it.
    pub message: String,
    /// Where in the program.
    pub place: Option<String>,
    /// The latest lines of its log.
    pub log: String,
}

/// Keeps what an agent tells of its crashes, texts cut to [`CRASH_BYTES_MAX`]; gives how many were not known yet.
pub fn arrived(tx: &mut Tx, cx: &Cx, agent: AgentId, told: &[Told]) -> Result<usize, Error> {
    if told.len() > CRASHES_TOLD_MAX {
        let text = format!("{} crashes came at once; at most {CRASHES_TOLD_MAX} are taken", told.len());
        return Err(Error::invalid("crash/invalid", "/crashes", text));
    }
    let agent = crate::contact::own(tx, agent)?;
    let (log_max, text_max) = CRASH_BYTES_MAX;
    let mut new = 0;
    for it in told {
        let crash = Crash {
            id: cx.id(),
            org: agent.org,
            agent: agent.id,
            told: it.id,
            at: it.at.min(cx.now),
            kind: it.kind,
            version: cut(&it.version, 100),
            message: cut(&it.message, text_max),
            place: it.place.as_deref().map(|place| cut(place, text_max)),
            log: cut(&it.log, log_max),
        };
        new += usize::from(tx.crash_keep(&crash)?);
    }
    Ok(new)
}

/// A page of crashes, the newest first unless asked for otherwise, each with the name of the agent's device.
pub fn crash_list(rx: &mut Rx, cx: &Cx, filter: &CrashFilter, page: &PageRequest) -> Result<Page<(Crash, String)>, Error> {
    cx.may_here(Role::Viewer, "looking at crashes")?;
    Ok(rx.crashes(cx.org, filter, page)?)
}

/// One crash, with the name of the agent's device.
pub fn crash_view(rx: &mut Rx, cx: &Cx, id: CrashId) -> Result<(Crash, String), Error> {
    cx.may_here(Role::Viewer, "looking at crashes")?;
    rx.crash(cx.org, id)?.ok_or_else(|| Error::not_found("crash/not-found", "crash", id))
}
