//! Power: by the machine's own `shutdown`, `systemctl` and `loginctl`.

use super::process::{Kept, tool};
use super::{Done, Ended};
use muster_core::tasks::doc::Power;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What listing who is logged in may take.
const LIST_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn control(act: Power, warning: Option<Duration>, message: &str, output: &Arc<Mutex<Kept>>, ended: Ended) -> Done {
    match act {
        Power::Shutdown | Power::Restart => {
            let minutes = warning.map_or(0, |warning| warning.as_secs().div_ceil(60));
            let when = if minutes == 0 { "now".to_owned() } else { format!("+{minutes}") };
            let mut arguments = vec![if act == Power::Restart { "-r" } else { "-h" }, when.as_str()];
            if !message.is_empty() {
                arguments.push(message);
            }
            let done = tool("shutdown", &arguments, &[], output, ended).await;
            match (done.message.is_none(), minutes) {
                (true, 0) => done.saying("the machine was told to go down"),
                (true, 1) => done.saying("the machine goes down in a minute"),
                (true, _) => done.saying(format!("the machine goes down in {minutes} minutes")),
                (false, _) => done,
            }
        }
        Power::Abort => tool("shutdown", &["-c"], &[], output, ended).await,
        Power::Suspend => tool("systemctl", &["suspend"], &[], output, ended).await,
        Power::LogOff => match sessions() {
            Err(why) => Done::error(why),
            Ok(sessions) if sessions.is_empty() => Done::ok().saying("nobody was logged in"),
            Ok(sessions) => {
                let mut arguments = vec!["terminate-session"];
                arguments.extend(sessions.iter().map(String::as_str));
                tool("loginctl", &arguments, &[], output, ended).await
            }
        },
    }
}

/// The sessions of people; those of services have no seat and no terminal, and stay.
fn sessions() -> Result<Vec<String>, String> {
    let list = crate::collect::run("loginctl", &["list-sessions", "--no-legend"], LIST_LIMIT)?;
    Ok(list.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_wire::native::ReportState;

    /// A stand-in in the place of `shutdown` notes how it was called. Nothing is switched off by a test.
    #[tokio::test]
    async fn a_shutdown_is_asked_of_the_machine_with_its_warning_and_message() {
        let dir = tempfile::tempdir().expect("a directory");
        let program = dir.path().join("shutdown");
        std::fs::write(&program, "#!/bin/sh\nfor word; do printf '[%s]' \"$word\"; done\n").expect("written");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("marked");
        let called = async |arguments: &[&str]| {
            let output = Arc::default();
            let path = program.to_str().expect("text");
            tool(path, arguments, &[], &output, Box::pin(std::future::pending())).await
        };
        let done = called(&["-h", "+5", "we clean up"]).await;
        assert_eq!((done.state, done.output.as_deref()), (ReportState::Ok, Some("[-h][+5][we clean up]")));
    }
}
