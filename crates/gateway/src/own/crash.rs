//! Crashes that an agent tells of itself.

use super::{Call, Refused, Said};
use muster_core::time::Timestamp;
use muster_engine::crashes::{Told, arrived};
use muster_wire::crash::{CrashAnswer, CrashReport, CrashRequest};

#[tracing::instrument(name = "gateway.own.crash", level = "debug", skip_all, fields(agent = %call.agent.id))]
pub(super) async fn answer(call: &Call<'_>) -> Result<Said, Refused> {
    let request: CrashRequest = call.read().await?;
    let told: Vec<Told> = request.crashes.into_iter().map(heard_of).collect();
    let (engine, id, kinds) = (&call.gateway.inner.engine, call.agent.id, told.iter().map(|it| it.kind).collect::<Vec<_>>());
    let cx = call.gateway.cx_in(call.agent.org);
    let new = engine.try_write("agent.crashed", &cx, move |tx, cx| arrived(tx, cx, id, &told)).await?;
    // Told again, it was counted before.
    if new > 0 {
        tracing::warn!(agent = %id, crashes = new, "an agent crashed");
        kinds.into_iter().for_each(|kind| engine.doors().crashed(kind));
    }
    Ok(Said::ok(&CrashAnswer { new }))
}

fn heard_of(it: CrashReport) -> Told {
    let CrashReport { id, kind, at_ms, version, message, place, log } = it;
    Told { id, kind, at: Timestamp(at_ms.max(0)), version, message, place, log }
}
