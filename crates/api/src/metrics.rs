//! Liveness, readiness, numbers for Prometheus.

use crate::problem::Problem;
use crate::state::App;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use muster_engine::access;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What the doors count.
#[derive(Default)]
pub(crate) struct Counters {
    classes: [AtomicU64; 5],
    sign_ins: [AtomicU64; 3],
}

/// What became of a sign-in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SignIn {
    /// A session began.
    Ok,
    /// Name and password do not fit.
    Wrong,
    /// Too many failures before.
    Limited,
}

impl Counters {
    /// Counts an answer by the class of its status.
    pub(crate) fn request(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.classes[class].fetch_add(1, Relaxed);
    }

    /// Counts a sign-in.
    pub(crate) fn sign_in(&self, what: SignIn) {
        self.sign_ins[what as usize].fetch_add(1, Relaxed);
    }
}

/// The process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers.
pub(crate) async fn readyz(State(app): State<App>) -> Result<&'static str, Problem> {
    let cx = app.nobody("readyz");
    let look = app.engine().read(&cx, access::org_list);
    match tokio::time::timeout(Duration::from_secs(5), look).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(error)) => Err(unready(&error.detail)),
        Err(_) => Err(unready("it did not answer within 5 s")),
    }
}

fn unready(why: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "server/not-ready", format!("the database does not answer: {why}")).retry_after(5)
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str, values: &[(&str, u64)]) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }
}

/// Numbers for Prometheus, text format 0.0.4.
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let (stats, counters) = (app.engine().store().stats(), app.counters());
    let mut text = Text(String::new());
    let class = |i: usize| counters.classes[i].load(Relaxed);
    let classes = [r#"{class="1xx"}"#, r#"{class="2xx"}"#, r#"{class="3xx"}"#, r#"{class="4xx"}"#, r#"{class="5xx"}"#];
    let by_class: Vec<(&str, u64)> = classes.into_iter().enumerate().map(|(i, label)| (label, class(i))).collect();
    text.family("muster_http_requests_total", "counter", "Answers of the people's doors by class of status.", &by_class);
    let sign_in = |what: SignIn| counters.sign_ins[what as usize].load(Relaxed);
    let sign_ins = [
        (r#"{result="ok"}"#, sign_in(SignIn::Ok)),
        (r#"{result="wrong"}"#, sign_in(SignIn::Wrong)),
        (r#"{result="limited"}"#, sign_in(SignIn::Limited)),
    ];
    text.family("muster_sign_ins_total", "counter", "Sign-ins by result.", &sign_ins);
    text.family("muster_event_streams", "gauge", "Open streams of live changes.", &[("", app.streams_open() as u64)]);
    text.family("muster_inventories_total", "counter", "Inventories stored since the start.", &[("", app.engine().inventories())]);
    let queues = [(r#"{kind="commands"}"#, stats.queued), (r#"{kind="reads"}"#, stats.reads_queued)];
    text.family("muster_store_queue", "gauge", "Commands and reads that wait now.", &queues);
    for (name, help, value) in [
        ("muster_store_commands_total", "Commands answered.", stats.commands),
        ("muster_store_faults_total", "Commands answered with a fault.", stats.faults),
        ("muster_store_repeated_total", "Commands repeated after a conflict.", stats.repeated),
        ("muster_store_batches_total", "Transactions committed.", stats.batches),
        ("muster_store_reads_total", "Reads answered.", stats.reads),
    ] {
        text.family(name, "counter", help, &[("", value)]);
    }
    text.family("muster_store_longest_command_milliseconds", "gauge", "The longest command since the start.", &[("", stats.longest_ms)]);
    text.family("muster_store_wal_pages", "gauge", "Pages in the write-ahead log at the last checkpoint.", &[("", stats.wal_pages)]);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.0)
}
