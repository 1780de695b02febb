//! Liveness, readiness, numbers for Prometheus.

use crate::problem::Problem;
use crate::state::App;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use muster_core::fleet::CrashKind;
use muster_core::load::Class;
use muster_engine::{Doors, Reason, access};
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
    fn labelled(&mut self, name: &str, help: &str, values: &[(String, u64)]) {
        let values: Vec<(&str, u64)> = values.iter().map(|(label, value)| (label.as_str(), *value)).collect();
        self.family(name, "counter", help, &values);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str, values: &[(&str, u64)]) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }
}

/// The agents' doors: who was served, who was not and why, and what is under way.
fn doors(text: &mut Text, doors: &Doors) {
    let served: Vec<_> = Class::ALL.iter().map(|c| (format!("{{class=\"{}\"}}", c.as_str()), doors.served_count(*c))).collect();
    text.labelled("muster_agent_messages_total", "Agents' messages whose turn came, by class.", &served);
    let pairs = Class::ALL.iter().flat_map(|c| Reason::ALL.iter().map(move |r| (*c, *r)));
    let label = |c: Class, r: Reason| format!("{{class=\"{}\",reason=\"{}\"}}", c.as_str(), r.as_str());
    let refused: Vec<_> = pairs.map(|(c, r)| (label(c, r), doors.refusals(c, r))).collect();
    text.labelled("muster_agent_refusals_total", "Agents' messages that were not taken, by class and reason.", &refused);
    let refused: Vec<_> = doors.orders_refused().iter().map(|(reason, n)| (format!("{{reason=\"{reason}\"}}"), *n)).collect();
    text.labelled("muster_orders_refused_total", "Orders that own agents refused, by reason.", &refused);
    let crashes: Vec<_> = CrashKind::ALL.iter().map(|kind| (format!("{{kind=\"{}\"}}", kind.as_str()), doors.crashes(*kind))).collect();
    text.labelled("muster_agent_crashes_total", "Crashes that own agents told of themselves, by kind.", &crashes);
    let away = doors.sent_away_count();
    text.family("muster_agents_sent_away_total", "counter", "Agents told to come again later.", &[("", away)]);
    for (name, help, value) in [
        ("muster_document_bytes", "Memory reckoned for documents that are being read.", &doors.bytes_in_flight),
        ("muster_receiving_bytes", "Bytes held of bodies on their way, beyond what each may have.", &doors.bytes_receiving),
        ("muster_agent_requests_running", "Agents' requests that are being worked on.", &doors.running),
        ("muster_agent_requests_waiting", "Agents' requests that wait for their turn.", &doors.waiting),
        ("muster_connections", "Open connections.", &doors.connections),
        ("muster_channels", "Own agents that are connected by a channel.", &doors.channels),
    ] {
        text.family(name, "gauge", help, &[("", value.load(Relaxed))]);
    }
    let refused = doors.connections_refused.load(Relaxed);
    text.family("muster_connections_refused_total", "counter", "Connections refused: too many of their source.", &[("", refused)]);
    let _ = writeln!(text.0, "# HELP muster_load Load of the agents' doors, 1 to 16; 1 is none.\n# TYPE muster_load gauge");
    let _ = writeln!(text.0, "muster_load {:.2}", doors.load());
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
        ("muster_store_reads_total", "Reads begun.", stats.reads),
    ] {
        text.family(name, "counter", help, &[("", value)]);
    }
    text.family("muster_store_longest_command_milliseconds", "gauge", "The longest command since the start.", &[("", stats.longest_ms)]);
    text.family("muster_store_wal_pages", "gauge", "Pages in the write-ahead log at the last checkpoint.", &[("", stats.wal_pages)]);
    doors(&mut text, app.engine().doors());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.0)
}
