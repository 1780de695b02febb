//! What this agent does on its machine: one function per action, from what is asked to what came of it.
//!
//! Absent on purpose: when something may begin, what is written down before, and what is told (`jobs`).

mod addresses;
mod cgroup;
mod disks;
mod power;
mod process;
mod script;
mod service;
mod web;

use crate::collect;
use crate::identity::{Names, Sent};
use crate::link::{BASIC, Link};
use muster_core::limits::OUTPUT_BYTES_MAX;
use muster_core::tasks::Action;
use muster_core::tasks::doc::Power;
use muster_core::tasks::pool::Range;
use muster_wire::native::{AttemptRef, ReportState};
use muster_wire::order::Step;
use process::Kept;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What this agent can do, as actions are called.
pub(crate) const MODULES: [&str; 12] = [
    "inventory",
    "basic_inventory",
    "ip_configuration",
    "run_script",
    "power_control",
    "control_service",
    "defragment",
    "configure_agent",
    "reset_agent",
    "agent_log",
    "call_web_service",
    "check_addresses",
];

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) state: ReportState,
    pub(crate) exit_code: Option<i32>,
    pub(crate) output: Option<String>,
    pub(crate) message: Option<String>,
}

impl Done {
    pub(crate) fn ok() -> Self {
        Self { state: ReportState::Ok, exit_code: None, output: None, message: None }
    }

    pub(crate) fn error(why: impl Into<String>) -> Self {
        Self { state: ReportState::Error, message: Some(why.into()), ..Self::ok() }
    }

    fn saying(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    fn with(self, output: String) -> Self {
        Self { output: (!output.is_empty()).then_some(output), ..self }
    }
}

/// Ends when what runs must not go on, with the reason.
pub(crate) type Ended = Pin<Box<dyn Future<Output = String> + Send>>;

/// What an action is given beside its parameters.
pub(crate) struct Around {
    pub(crate) link: Arc<Link>,
    pub(crate) attempt: AttemptRef,
    /// What has been put out so far, for those who watch.
    pub(crate) output: Arc<Mutex<Kept>>,
    pub(crate) ended: Ended,
    /// The addresses, of an action that is done for addresses.
    pub(crate) slice: Option<Range>,
}

/// The action of a step; an error says what this agent does not know of it. Nothing is left out silently: a newer server may ask
/// for more than this agent can read.
pub(crate) fn read(step: &Step) -> Result<Action, String> {
    let kind = step.action["type"].as_str().unwrap_or_default();
    let unknown = || format!("this agent does not know the action '{kind}' as it is asked for; a newer agent may");
    let action: Action = serde_json::from_value(step.action.clone()).map_err(|_| unknown())?;
    let known = serde_json::to_value(&action).map_err(|_| unknown())?;
    let is_whole = step.action.as_object().is_some_and(|asked| asked.iter().all(|(key, value)| known.get(key) == Some(value)));
    if MODULES.contains(&action.kind()) && is_whole { Ok(action) } else { Err(unknown()) }
}

/// How long after its beginning an action takes effect: people are warned before a machine goes down.
pub(crate) fn takes_effect_after(action: &Action) -> Duration {
    match action {
        Action::PowerControl { warning: Some(warning), .. } => warning.0,
        _ => Duration::ZERO,
    }
}

/// What came of an action in whose midst the agent, or the whole machine, ended: it was begun, and nobody saw its end.
pub(crate) fn after_interruption(action: &Action, is_another_boot: bool) -> Done {
    match action {
        Action::PowerControl { act: Power::Shutdown | Power::Restart, .. } if is_another_boot => Done::ok().saying("the machine went down"),
        Action::ResetAgent => Done::ok().saying("the agent started anew"),
        _ if is_another_boot => Done::error("interrupted: the machine went down while it ran; it is not begun again"),
        _ => Done::error("interrupted: the agent ended while it ran; it is not begun again"),
    }
}

/// Does an action to its end, or until it must not go on.
pub(crate) async fn act(action: &Action, around: Around) -> Done {
    let Around { link, attempt, output, ended, slice } = around;
    match action {
        Action::RunScript(asked) => script::run(asked, attempt, &output, ended).await,
        Action::PowerControl { act, warning, message } => power::control(*act, warning.map(|w| w.0), message, &output, ended).await,
        Action::ControlService { service, act } => service::control(service, *act, &output, ended).await,
        Action::Defragment { volumes } => disks::tidy(volumes, ended).await,
        Action::CallWebService { url, method, headers, body, expect, timeout } => {
            let call = web::Call { url, method: *method, headers, body: body.as_deref(), expect, timeout: timeout.map(|t| t.0) };
            until(ended, call.make()).await
        }
        Action::CheckAddresses { ports, timeout } => match slice {
            Some(slice) => until(ended, addresses::check(slice, ports, timeout.map(|it| it.0))).await,
            None => Done::error("the order has no addresses"),
        },
        Action::Inventory => until(ended, async { sent(link.send_inventory(Some(attempt)).await) }).await,
        Action::BasicInventory => until(ended, async { sent(link.send_part(Some(attempt), &BASIC).await) }).await,
        Action::IpConfiguration => {
            let told = async { sent(link.send_part(Some(attempt), &["networks"]).await).with(collect::ip_configuration(&link.machine)) };
            until(ended, told).await
        }
        Action::ConfigureAgent { tag, name } => configure(&link, tag.as_deref(), name.as_deref(), ended).await,
        Action::ResetAgent => match link.data.keep_sent(&Sent::default()) {
            Ok(()) => Done::ok(),
            Err(error) => Done::error(error.to_string()),
        },
        Action::AgentLog { lines } => {
            let log = crate::recent::lines(lines.map_or(usize::MAX, |lines| lines as usize));
            if log.is_empty() { Done::ok().saying("this program keeps no log of its own") } else { Done::ok().with(cut(log)) }
        }
        other => Done::error(format!("this agent does not do '{}'", other.kind())),
    }
}

/// Changes what is told of the machine, and tells it.
async fn configure(link: &Link, tag: Option<&str>, name: Option<&str>, ended: Ended) -> Done {
    let set = |place: &mut Option<String>, value: Option<&str>| {
        if let Some(value) = value {
            *place = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
    };
    let change = |names: &mut Names| {
        set(&mut names.tag, tag);
        set(&mut names.name, name);
    };
    if let Err(error) = link.name(change) {
        return Done::error(error.to_string());
    }
    let done = until(ended, async { sent(link.send_inventory(None).await) }).await;
    // The command line goes first.
    match (tag.and(link.told.tag.as_ref()), name.and(link.told.name.as_ref())) {
        (None, None) => done,
        _ => done.saying("kept, and without effect while the agent is started with another tag or name"),
    }
}

fn sent(result: Result<(), crate::client::CallError>) -> Done {
    match result {
        Ok(()) => Done::ok(),
        Err(error) => Done::error(format!("what was read could not be delivered: {error}")),
    }
}

/// Work that can be left at any moment.
async fn until(ended: Ended, work: impl Future<Output = Done>) -> Done {
    tokio::select! {
        done = work => done,
        why = ended => Done::error(why),
    }
}

/// A text of at most so many bytes as are kept of an output.
fn cut(mut text: String) -> String {
    let mut end = text.len().min(OUTPUT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// JSON as it is put out.
fn pretty(value: &Value) -> String {
    cut(serde_json::to_string_pretty(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::tasks::doc::ActionKind;
    use serde_json::json;

    fn step(action: Value) -> Step {
        Step { step: 0, id: "a".to_owned(), action, timeout_seconds: 60, idempotent: true, stops: false, slice: None }
    }

    #[test]
    fn what_an_agent_can_do_are_actions_that_there_are() {
        for module in MODULES {
            let kind = ActionKind::named(module).expect("an action");
            assert!(kind.protocols().contains(&muster_core::fleet::Protocol::Muster), "{module}");
        }
        let of_agents = ActionKind::ALL.iter().filter(|kind| !kind.protocols().is_empty());
        assert_eq!(of_agents.count(), MODULES.len(), "and all that there are");
    }

    #[test]
    fn an_action_that_asks_for_more_than_this_agent_knows_is_not_begun() {
        assert_eq!(read(&step(json!({"type": "inventory"}))), Ok(Action::Inventory));
        for action in [
            json!({"type": "deploy"}),
            json!({"type": "send_email", "to": ["a@b"], "subject": "x"}),
            json!({"type": "run_script", "script": "true", "sandbox": "strict"}),
            json!({"type": "run_script", "script": "true", "shell": "fish"}),
            json!("inventory"),
        ] {
            assert!(read(&step(action.clone())).is_err_and(|why| why.contains("newer")), "{action}");
        }
        assert!(read(&step(json!({"type": "run_script", "script": "true", "user": "www-data", "memory_mib": 64}))).is_ok());
    }

    #[test]
    fn after_an_interruption_a_machine_that_went_down_as_asked_did_well() {
        let power = |act| Action::PowerControl { act, warning: None, message: String::new() };
        assert_eq!(after_interruption(&power(Power::Restart), true).state, ReportState::Ok);
        assert_eq!(after_interruption(&power(Power::Restart), false).state, ReportState::Error);
        assert_eq!(after_interruption(&power(Power::Suspend), true).state, ReportState::Error);
        assert!(after_interruption(&Action::Inventory, false).message.is_some_and(|m| m.contains("the agent ended")));
    }
}
