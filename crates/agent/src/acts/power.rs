//! Power: by the machine's own `shutdown`, `systemctl` and `loginctl`.

use super::process::{Kept, tool};
use super::{Done, Ended};
use muster_core::tasks::doc::Power;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What listing who is logged in may take.
const LIST_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn control(act: Power, warning: Option<Duration>, message: &str, output: &Arc<Mutex<Kept>>, ended: Ended) -> Done {
    let minutes = warning.map_or(0, |warning| warning.as_secs().div_ceil(60));
    let line = match act {
        Power::LogOff => match sessions() {
            Err(why) => return Done::error(why),
            Ok(sessions) if sessions.is_empty() => return Done::ok().saying("nobody was logged in"),
            Ok(sessions) => line(act, minutes, message).into_iter().chain(sessions).collect(),
        },
        other => line(other, minutes, message),
    };
    let arguments: Vec<&str> = line[1..].iter().map(String::as_str).collect();
    let done = tool(&line[0], &arguments, &[], output, ended).await;
    match (act, done.message.is_none(), minutes) {
        (Power::Shutdown | Power::Restart, true, 0) => done.saying("the machine was told to go down"),
        (Power::Shutdown | Power::Restart, true, 1) => done.saying("the machine goes down in a minute"),
        (Power::Shutdown | Power::Restart, true, _) => done.saying(format!("the machine goes down in {minutes} minutes")),
        _ => done,
    }
}

/// The program and its arguments.
fn line(act: Power, minutes: u64, message: &str) -> Vec<String> {
    let when = if minutes == 0 { "now".to_owned() } else { format!("+{minutes}") };
    let down = |how: &str| {
        let words = ["shutdown".to_owned(), how.to_owned(), when.clone(), message.to_owned()];
        words.into_iter().filter(|word| !word.is_empty()).collect()
    };
    match act {
        Power::Shutdown => down("-h"),
        Power::Restart => down("-r"),
        Power::Abort => ["shutdown", "-c"].map(str::to_owned).to_vec(),
        Power::Suspend => ["systemctl", "suspend"].map(str::to_owned).to_vec(),
        Power::LogOff => ["loginctl", "terminate-session"].map(str::to_owned).to_vec(),
    }
}

/// The sessions of people; those of services and of the login screen stay.
fn sessions() -> Result<Vec<String>, String> {
    let list = crate::collect::run("loginctl", &["list-sessions", "--no-legend"], LIST_LIMIT)?;
    let class = |id: &str| crate::collect::run("loginctl", &["show-session", "--property=Class", "--value", id], LIST_LIMIT);
    let ids = list.lines().filter_map(|line| line.split_whitespace().next());
    Ok(ids.filter(|id| class(id).is_ok_and(|class| class.trim() == "user")).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That the line reaches the machine's own program is shown with a stand-in (`e2e/tests/own_agent.rs`); nothing is switched off here.
    #[test]
    fn each_act_is_asked_in_the_words_of_the_machine() {
        let said = |act, minutes, message| line(act, minutes, message).join("|");
        assert_eq!(said(Power::Shutdown, 0, ""), "shutdown|-h|now");
        assert_eq!(said(Power::Restart, 5, "we clean up"), "shutdown|-r|+5|we clean up");
        assert_eq!(said(Power::Abort, 0, ""), "shutdown|-c");
        assert_eq!(said(Power::Suspend, 0, "ignored"), "systemctl|suspend");
    }
}
