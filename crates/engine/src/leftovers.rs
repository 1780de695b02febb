//! Cleaning up: what is kept of files and programs and nothing needs any more.

use crate::cx::Cx;
use crate::engine::Engine;
use crate::error::Error;
use crate::steps::Told;
use muster_core::access::Role;
use muster_core::limits::LEFTOVERS_MAX;
use muster_core::tasks::Outcome;
use muster_core::tasks::doc::Leftover;
use muster_core::time::Timestamp;
use std::time::Duration;

/// Removed in one command: documents and logs may be large, and everybody else's commands wait meanwhile.
const PIECE: i64 = 200;

/// Does the step that cleans up: a sentence on what went.
pub async fn step(engine: &Engine, cx: &Cx, what: &[Leftover], older_than: Option<Duration>) -> Told {
    let (outcome, message) = match cleaned(engine, cx, what, older_than).await {
        Ok(message) => (Outcome::Ok, message),
        Err(error) => (Outcome::Error, error.detail),
    };
    Told { outcome, exit_code: None, message, output: None }
}

async fn cleaned(engine: &Engine, cx: &Cx, what: &[Leftover], older_than: Option<Duration>) -> Result<String, Error> {
    let before = older_than.map_or(Timestamp(i64::MAX), |age| engine.now().minus(age));
    let (mut gone, mut more) = (Vec::new(), false);
    for kind in Leftover::ALL.into_iter().filter(|kind| what.is_empty() || what.contains(kind)) {
        let count = removed(engine, cx, kind, before).await?;
        more |= count >= LEFTOVERS_MAX && engine.read(cx, move |rx, cx| Ok(rx.has_leftovers(cx.org, kind, before)?)).await?;
        gone.push(format!("{count} {}", named(kind)));
    }
    let more = if more { ", and there are more" } else { "" };
    Ok(format!("{} are removed{more}", listed(&gone)))
}

/// Removes all of a kind, as far as one step does, and gives how many.
async fn removed(engine: &Engine, cx: &Cx, kind: Leftover, before: Timestamp) -> Result<u64, Error> {
    let mut count = 0;
    while count < LEFTOVERS_MAX {
        let piece = engine.write("leftovers.remove", cx, move |tx, cx| {
            cx.may_here(Role::Operator, "cleaning up")?;
            Ok(tx.leftovers_remove(cx.org, kind, before, PIECE)?)
        });
        match piece.await? {
            0 => break,
            some => count += some,
        }
    }
    Ok(count)
}

const fn named(kind: Leftover) -> &'static str {
    match kind {
        Leftover::Documents => "documents",
        Leftover::Crashes => "reports of crashes",
        Leftover::Programs => "programs",
    }
}

fn listed(parts: &[String]) -> String {
    match parts {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => parts.concat(),
    }
}
