//! The first screen.

use crate::auth::Ctx;
use crate::problem::Problem;
use crate::view::{self, Hour, Need};
use axum::Json;
use muster_core::ids::TaskId;
use muster_core::tasks::{OccurrenceRecord, OccurrenceState, Run, State, Verdict};
use muster_core::time::Timestamp;
use muster_engine::fleet::online_since;
use muster_engine::overview;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Shows what runs, what waits, what needs a person.
#[utoipa::path(get, path = "/api/v1/overview", tag = "overview", operation_id = "overview_view",
    responses((status = 200, description = "The first screen.", body = view::Overview)))]
pub async fn overview_view(ctx: Ctx) -> Result<Json<view::Overview>, Problem> {
    let found = ctx.read(overview::overview).await?;
    let (app, now) = (&ctx.app, ctx.now());
    let beat = app.options().scheduler_beat.load(Relaxed);
    let since = online_since(&ctx.org.settings, now);
    let late = found.runs.iter().filter(|r| r.created < since).map(|r| r.counts.open()).sum();
    let (devices, online, unverified) = found.devices;
    let hour = |h: overview::Hour| Hour { at: h.at.into(), started: h.started, ok: h.ok, error: h.error, unknown: h.unknown };
    Ok(Json(view::Overview {
        running: found.open.of(State::Started) + found.open.of(State::Running),
        waiting: found.open.of(State::Prepared),
        late,
        failing: i64::try_from(found.runs.iter().filter(|r| bad(r) > 0).count()).unwrap_or(0),
        devices,
        online,
        unverified,
        scheduler_lag_ms: if beat == 0 { 0 } else { (now.millis() - beat).max(0) },
        intake_per_second: app.intake_per_second(now),
        needs: needs(unverified, &found, now),
        unread: found.unread,
        runs: found.runs.into_iter().map(view::RunSummary::from).collect(),
        recent: found.recent.into_iter().map(view::RunSummary::from).collect(),
        hours: found.hours.into_iter().map(hour).collect(),
    }))
}

/// Assignments of a run that ended badly or were lost.
fn bad(run: &Run) -> i64 {
    [State::Error, State::Unknown, State::Expired].iter().map(|s| run.counts.of(*s)).sum()
}

fn need(key: &str, params: Value, text: String, link: String) -> Need {
    Need { key: key.to_owned(), params: params.as_object().cloned().unwrap_or_default(), text, link }
}

/// Occurrences that wait for a person, one line each; missed ones, one line a task.
fn stuck(occurrences: &[(OccurrenceRecord, String)]) -> Vec<Need> {
    let link = |it: &OccurrenceRecord| format!("/tasks/{}?tab=occurrences", it.task);
    let mut missed: BTreeMap<TaskId, (i64, &OccurrenceRecord, &str)> = BTreeMap::new();
    let mut all = Vec::new();
    for (it, name) in occurrences {
        if it.state == OccurrenceState::Held {
            let text = format!("'{name}' of {} waits for a person.", it.nominal);
            all.push(need("occurrence_held", json!({"task": name, "at": it.at.to_string()}), text, link(it)));
        } else {
            missed.entry(it.task).or_insert((0, it, name)).0 += 1;
        }
    }
    for (count, it, name) in missed.into_values() {
        let text = format!("{count} occurrences of '{name}' were missed.");
        all.push(need("occurrences_missed", json!({"task": name, "count": count}), text, link(it)));
    }
    all
}

/// What needs a person: occurrences that did not start, unread messages, strangers, runs that fail, runs of the last day that failed.
fn needs(unverified: i64, found: &overview::Overview, now: Timestamp) -> Vec<Need> {
    let (open, recent) = (&found.runs, &found.recent);
    let mut all = stuck(&found.stuck);
    for it in &found.approvals {
        let text = format!("A start of '{}' on {} devices waits for approval.", it.task_name, it.count);
        let params = json!({"task": it.task_name, "count": it.count, "by": it.asked_by});
        all.push(need("approval_asked", params, text, format!("/tasks/{}/start", it.task)));
    }
    if found.unread > 0 {
        let text = format!("{} messages of tasks are unread.", found.unread);
        all.push(need("messages_unread", json!({"count": found.unread}), text, "/messages?unread=true".to_owned()));
    }
    if unverified > 0 {
        let text = format!("{unverified} devices are not verified; they may report, not obey.");
        all.push(need("devices_unverified", json!({"count": unverified}), text, "/machines?verified=false".to_owned()));
    }
    let about = |run: &Run| json!({"run": run.id, "number": run.number, "task": run.task_name, "count": bad(run)});
    for run in open.iter().filter(|r| r.rollout.halted) {
        let text = format!("Run {} of '{}' stopped by itself and waits for a person.", run.number, run.task_name);
        all.insert(0, need("run_halted", about(run), text, format!("/runs/{}", run.id)));
    }
    for run in open.iter().filter(|r| bad(r) > 0 && !r.rollout.halted) {
        let text = format!("Run {} of '{}' has {} assignments that failed.", run.number, run.task_name, bad(run));
        all.push(need("run_failing", about(run), text, format!("/runs/{}", run.id)));
    }
    let day = now.minus(Duration::from_secs(86_400));
    let failed = |r: &&Run| matches!(r.verdict, Some(Verdict::Error | Verdict::Partial)) && r.ended.is_some_and(|at| at >= day);
    for run in recent.iter().filter(failed) {
        let text = format!("Run {} of '{}' ended with {} failures.", run.number, run.task_name, bad(run));
        all.push(need("run_failed", about(run), text, format!("/runs/{}", run.id)));
    }
    all
}
