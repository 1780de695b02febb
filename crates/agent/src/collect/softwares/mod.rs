//! The section `softwares`: packages of the machine's package managers.

mod apk;
mod dpkg;
mod rpm;

use super::command;
use super::machine::Machine;
use super::when::Zone;
use muster_core::inventory::Row;
use std::time::Duration;

/// How long `rpm` may take: its database may be locked by an update.
const RPM_LIMIT: Duration = Duration::from_secs(60);

/// Reads the section. A sentence instead when a package manager that is there did not answer: an inventory must not say that
/// its packages are gone.
pub(crate) fn collect(machine: &Machine, zone: &Zone) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    if let Some(status) = machine.database("var/lib/dpkg/status") {
        let installed = |name: &str, arch: &str| {
            let file = |stem: &str| machine.modified(&format!("var/lib/dpkg/info/{stem}.list"));
            file(name).or_else(|| file(&format!("{name}:{arch}"))).and_then(|at| zone.date_time(at))
        };
        rows.extend(dpkg::packages(&status, installed));
    }
    for file in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        if let Some(installed) = machine.database(file) {
            rows.extend(apk::packages(&installed));
            break;
        }
    }
    if machine.is_live() && has_rpm_database(machine) {
        let program = ["/usr/bin/rpm", "/bin/rpm"].into_iter().find(|path| machine.exists(path));
        if let Some(program) = program {
            rows.extend(rpm::packages(&command::run(program, &rpm::ARGUMENTS, RPM_LIMIT)?, zone));
        }
    }
    Ok(rows)
}

/// Debian's `rpm` package brings the program without any database.
fn has_rpm_database(machine: &Machine) -> bool {
    let files = ["rpmdb.sqlite", "Packages.db", "Packages"];
    ["var/lib/rpm", "usr/lib/sysimage/rpm"].iter().any(|dir| files.iter().any(|file| machine.exists(&format!("{dir}/{file}"))))
}
