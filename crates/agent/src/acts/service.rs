//! Services: by what this machine manages them with.

use super::process::{Kept, tool};
use super::{Done, Ended};
use muster_core::tasks::doc::ServiceAct;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What manages the services of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Systemd,
    OpenRc,
    SysV,
}

fn manager() -> Manager {
    match () {
        () if Path::new("/run/systemd/system").is_dir() => Manager::Systemd,
        () if Path::new("/run/openrc").is_dir() => Manager::OpenRc,
        () => Manager::SysV,
    }
}

/// The program and its arguments.
fn line(manager: Manager, service: &str, act: ServiceAct) -> Vec<&str> {
    match (manager, act) {
        (Manager::Systemd, ServiceAct::Status) => vec!["systemctl", "status", "--no-pager", "--lines=20", service],
        (Manager::Systemd, _) => vec!["systemctl", act.as_str(), service],
        (Manager::OpenRc, ServiceAct::Enable) => vec!["rc-update", "add", service],
        (Manager::OpenRc, ServiceAct::Disable) => vec!["rc-update", "del", service],
        (Manager::OpenRc, _) => vec!["rc-service", service, act.as_str()],
        (Manager::SysV, ServiceAct::Enable) => vec!["update-rc.d", service, "enable"],
        (Manager::SysV, ServiceAct::Disable) => vec!["update-rc.d", service, "disable"],
        (Manager::SysV, _) => vec!["service", service, act.as_str()],
    }
}

pub(super) async fn control(service: &str, act: ServiceAct, output: &Arc<Mutex<Kept>>, ended: Ended) -> Done {
    let line = line(manager(), service, act);
    // A service that is stopped has a status too (LSB: 3).
    let expect: &[i32] = if act == ServiceAct::Status { &[0, 3] } else { &[0] };
    let done = tool(line[0], &line[1..], expect, output, ended).await;
    match (act, done.exit_code, done.message.is_none()) {
        (ServiceAct::Status, Some(0), true) => done.saying(format!("{service} runs")),
        (ServiceAct::Status, Some(3), true) => done.saying(format!("{service} does not run")),
        _ => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manager_is_asked_in_its_own_words() {
        let said = |manager, act| line(manager, "cron", act).join(" ");
        assert_eq!(said(Manager::Systemd, ServiceAct::Restart), "systemctl restart cron");
        assert_eq!(said(Manager::Systemd, ServiceAct::Enable), "systemctl enable cron");
        assert_eq!(said(Manager::OpenRc, ServiceAct::Stop), "rc-service cron stop");
        assert_eq!(said(Manager::OpenRc, ServiceAct::Disable), "rc-update del cron");
        assert_eq!(said(Manager::SysV, ServiceAct::Status), "service cron status");
        assert_eq!(said(Manager::SysV, ServiceAct::Enable), "update-rc.d cron enable");
    }
}
