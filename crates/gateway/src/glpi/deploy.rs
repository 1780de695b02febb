//! Deploy jobs over REST (`docs/protocols/deploy.md`): which are there, the next one, and what an agent tells of it.

use super::rest::Asked;
use crate::gateway::{Gateway, json_answer};
use crate::legacy::Speaker;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use muster_core::fleet::Protocol;
use muster_core::ids::AssignmentId;
use muster_core::tasks::Outcome;
use muster_core::time::Timestamp;
use muster_engine::contact::{Hello, Look};
use muster_engine::deploy::{self, DeployJob};
use muster_engine::work::{Report, Said};
use muster_engine::{Cx, Error};
use muster_wire::deploy::{Log, Told, command, jobs, schedule, told};
use muster_wire::glpi as words;
use muster_wire::legacy::Dialect;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Jobs of which lines are kept at once.
const LOGS_MAX: usize = 2_000;
/// Lines of a job that went silent are dropped after this.
const LOG_KEPT: Duration = Duration::from_secs(86_400);

/// The lines that agents told of jobs that have not ended. In memory: what was told before a restart is missing in the output.
#[derive(Default)]
pub(crate) struct Logs(Mutex<HashMap<String, (Timestamp, Log)>>);

impl Logs {
    fn line(&self, job: &str, line: &str, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= LOGS_MAX {
            all.retain(|_, (at, _)| now < at.plus(LOG_KEPT));
        }
        if all.len() < LOGS_MAX || all.contains_key(job) {
            let entry = all.entry(job.to_owned()).or_insert_with(|| (now, Log::default()));
            entry.0 = now;
            entry.1.line(line);
        }
    }

    fn take(&self, job: &str) -> Log {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(job).map_or_else(Log::default, |(_, log)| log)
    }
}

/// Answers `getConfig`: where and how often to ask for jobs.
pub(super) async fn config(gateway: &Gateway, speaker: &Speaker, parts: &Parts, asked: &Asked) -> Response {
    let times = match times(gateway, speaker, asked).await {
        Ok(times) => times,
        Err(error) => return failed(gateway, &error),
    };
    match remote(gateway, parts) {
        Some(remote) if times > 0 => json_answer(StatusCode::OK, schedule(&remote, times)),
        _ => json_answer(StatusCode::OK, words::no_schedule()),
    }
}

async fn times(gateway: &Gateway, speaker: &Speaker, asked: &Asked) -> Result<usize, Error> {
    if !asked.tasks.iter().any(|(task, _)| task.eq_ignore_ascii_case("deploy")) {
        return Ok(0);
    }
    let (cx, look, _) = look(gateway, speaker, asked).await?;
    match look.agent.filter(|_| look.may_have_work) {
        Some(agent) => gateway.inner.engine.read(&cx, move |rx, cx| deploy::asks(rx, cx, &agent)).await,
        None => Ok(0),
    }
}

/// Whether this request came by TLS, and by which host and port.
pub(crate) fn host_of(gateway: &Gateway, parts: &Parts) -> Option<(bool, String)> {
    let told = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    let host =
        told(header::HOST.as_str()).filter(|h| !h.is_empty() && h.bytes().all(|b| b.is_ascii_graphic() && !b"/?#\\".contains(&b)))?;
    let secure = told("x-forwarded-proto").map_or(gateway.inner.options.secure, |proto| proto.eq_ignore_ascii_case("https"));
    Some((secure, host.to_owned()))
}

/// The address by which this request came, for the next ones.
fn remote(gateway: &Gateway, parts: &Parts) -> Option<String> {
    let (secure, host) = host_of(gateway, parts)?;
    Some(format!("{}://{host}{}", if secure { "https" } else { "http" }, parts.uri.path()))
}

/// Who asks. It counts as who it says only from the address of its last contact: nothing else tells it from others that know its id.
async fn look(gateway: &Gateway, speaker: &Speaker, asked: &Asked) -> Result<(Cx, Look, Hello), Error> {
    let engine = &gateway.inner.engine;
    let cx = gateway.cx_with(speaker.pass.as_ref()).await?;
    let protocol = if speaker.agent.dialect == Dialect::GlpiLegacy { Protocol::Glpi } else { Protocol::Fusioninventory };
    let hello = Hello {
        protocol,
        foreign_id: asked.machine_id.clone(),
        version: None,
        address: speaker.address(),
        vouched: speaker.is_vouched(),
        packages: false,
    };
    let mut look = engine.look(&cx, &hello).await?;
    look.agent = look.agent.filter(|agent| {
        let last = engine.heard_from(agent.id).or_else(|| agent.address.clone());
        last.is_none() || last == hello.address
    });
    Ok((cx, look, hello))
}

fn failed(gateway: &Gateway, error: &Error) -> Response {
    tracing::info!(%error, "an agent that asked for a job was not answered");
    let after = gateway.retry_after();
    crate::gateway::with_retry_after(json_answer(StatusCode::SERVICE_UNAVAILABLE, words::status_error(&error.detail)), Some(after))
}

/// Answers `getJobs`: the next job, or nothing.
pub(super) async fn next(gateway: &Gateway, speaker: &Speaker, asked: &Asked) -> Response {
    match handed(gateway, speaker, asked).await {
        Ok(Some(text)) => json_answer(StatusCode::OK, text),
        Ok(None) => json_answer(StatusCode::OK, "{}".to_owned()),
        Err(error) => failed(gateway, &error),
    }
}

async fn handed(gateway: &Gateway, speaker: &Speaker, asked: &Asked) -> Result<Option<String>, Error> {
    let engine = &gateway.inner.engine;
    let (cx, look, hello) = look(gateway, speaker, asked).await?;
    if look.agent.is_none() || !look.may_have_work {
        return Ok(None);
    }
    let who = hello.clone();
    let Some(job) = engine.try_write("deploy.next", &cx, move |tx, cx| deploy::next(tx, cx, &who)).await? else { return Ok(None) };
    let DeployJob { claimed, action, windows } = job;
    let name = format!("{}-{}", claimed.assignment, claimed.attempt);
    if let Some(command) = command(&action, windows, Duration::from_secs(claimed.timeout_seconds)) {
        tracing::debug!(device_id = hello.foreign_id, job = name, action = claimed.action, "handed out as a deploy job");
        return Ok(Some(jobs(&[(name, command)])));
    }
    let message = Some("this system has no command for it that the agent could be given".to_owned());
    let report = report(claimed.assignment, claimed.attempt, Said::Ended(Outcome::Error));
    engine
        .write("deploy.told", &cx, move |tx, cx| deploy::told(tx, cx, &hello, &Report { message: message.clone(), ..report.clone() }))
        .await?;
    Ok(None)
}

fn report(assignment: AssignmentId, attempt: u32, what: Said) -> Report {
    Report::new(assignment, attempt, 0, what)
}

/// The attempt that a job's name says.
fn attempt_of(name: &str) -> Option<(AssignmentId, u32)> {
    let (assignment, attempt) = name.rsplit_once('-')?;
    Some((assignment.parse().ok()?, attempt.parse().ok()?))
}

/// Takes a `setStatus`. What does not count is answered alike: the agent does not look at answers.
pub(super) async fn status(gateway: &Gateway, speaker: &Speaker, asked: &Asked) -> Response {
    if let Err(error) = take(gateway, speaker, asked).await {
        return failed(gateway, &error);
    }
    json_answer(StatusCode::OK, "{}".to_owned())
}

async fn take(gateway: &Gateway, speaker: &Speaker, asked: &Asked) -> Result<(), Error> {
    let engine = &gateway.inner.engine;
    let name = asked.values.get("uuid").map_or("", String::as_str);
    let Some((assignment, attempt)) = attempt_of(name) else { return Ok(()) };
    // Before anything is kept: strangers must not fill the memory, nor speak in another's name.
    let (cx, look, hello) = look(gateway, speaker, asked).await?;
    if look.agent.is_none() {
        return Ok(());
    }
    let logs = &gateway.inner.logs;
    let report = match told(&asked.values) {
        Told::Line(line) => {
            line.iter().for_each(|line| logs.line(name, line, engine.now()));
            return Ok(());
        }
        Told::Began => report(assignment, attempt, Said::Running),
        ended => {
            let log = logs.take(name);
            let (outcome, message) = match ended {
                Told::Failed(_) if log.timed_out() => (Outcome::Error, Some("ended because its time was over".to_owned())),
                Told::Failed(message) => (Outcome::Error, Some(message)),
                _ => (Outcome::Ok, None),
            };
            Report { exit_code: log.exit_code(), output: log.output(), message, ..report(assignment, attempt, Said::Ended(outcome)) }
        }
    };
    let counts = engine.write("deploy.told", &cx, move |tx, cx| deploy::told(tx, cx, &hello, &report)).await?;
    if !counts {
        tracing::info!(job = name, device_id = asked.machine_id, "what an agent told of a job changes nothing");
    }
    Ok(())
}
