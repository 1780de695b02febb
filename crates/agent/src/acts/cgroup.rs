//! Limits of memory and processor time for one script and all that it starts, by control groups of either version
//! (`cgroups(7)`). A machine without them runs the script all the same, and says so.

use muster_wire::native::AttemptRef;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokio::process::Command;

const ROOT: &str = "/sys/fs/cgroup";
/// Period of the processor's limit, microseconds.
const PERIOD_US: u64 = 100_000;
/// Joins the groups and becomes the program; a group that cannot be joined ends it, unbegun.
const JOIN: &str = r#"while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@""#;

/// The groups of one script; of version 1 one for each kind of limit.
pub(super) struct Group {
    places: Vec<PathBuf>,
}

/// Where this process is: version 2's one place, or that of each controller of version 1.
enum Here {
    Unified(PathBuf),
    Each { memory: Option<PathBuf>, cpu: Option<PathBuf> },
}

impl Group {
    /// Makes the groups for what is limited; `None` when nothing is. An error says why it cannot be limited here.
    pub(super) fn new(attempt: AttemptRef, memory_mib: Option<u32>, cpu_percent: Option<u32>) -> Result<Option<Self>, String> {
        if memory_mib.is_none() && cpu_percent.is_none() {
            return Ok(None);
        }
        let here = here(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default(), Path::new(ROOT));
        let mut group = Self { places: Vec::new() };
        let name = format!("muster-{}-{}", attempt.assignment, attempt.attempt);
        match group.make(&here, &name, memory_mib, cpu_percent) {
            Ok(()) => Ok(Some(group)),
            Err(why) => {
                group.remove();
                Err(why)
            }
        }
    }

    fn make(&mut self, here: &Here, name: &str, memory_mib: Option<u32>, cpu_percent: Option<u32>) -> Result<(), String> {
        let memory = memory_mib.map(|mib| (u64::from(mib) << 20).to_string());
        let quota = cpu_percent.map(|percent| (u64::from(percent) * PERIOD_US / 100).max(1_000));
        match here {
            Here::Unified(base) => {
                delegate(base)?;
                let place = self.place(base, name)?;
                if let Some(bytes) = memory {
                    put(&place, "memory.max", &bytes)?;
                    // Without it what is over the limit goes to the swap, for as long as there is some.
                    let _ = fs::write(place.join("memory.swap.max"), "0");
                }
                quota.map_or(Ok(()), |quota| put(&place, "cpu.max", &format!("{quota} {PERIOD_US}")))
            }
            Here::Each { memory: of_memory, cpu } => {
                if let Some(bytes) = memory {
                    let place = self.place(of_memory.as_deref().ok_or("it has no control groups for memory")?, name)?;
                    put(&place, "memory.limit_in_bytes", &bytes)?;
                }
                if let Some(quota) = quota {
                    let place = self.place(cpu.as_deref().ok_or("it has no control groups for processor time")?, name)?;
                    put(&place, "cpu.cfs_period_us", &PERIOD_US.to_string())?;
                    put(&place, "cpu.cfs_quota_us", &quota.to_string())?;
                }
                Ok(())
            }
        }
    }

    fn place(&mut self, base: &Path, name: &str) -> Result<PathBuf, String> {
        let place = base.join(name);
        match fs::create_dir(&place) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(format!("{}: {e}", place.display())),
            _ => {
                self.places.push(place.clone());
                Ok(place)
            }
        }
    }

    /// A program that runs in the groups.
    pub(super) fn command(&self, line: &[String]) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", JOIN, "sh"]).args(&self.places).arg("--").args(line);
        command
    }

    /// Ends whatever is in the groups, also what left its process group.
    pub(super) fn kill(&self) {
        for place in &self.places {
            if fs::write(place.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            let pids = fs::read_to_string(place.join("cgroup.procs")).unwrap_or_default();
            for pid in pids.lines().filter_map(|pid| rustix::process::Pid::from_raw(pid.trim().parse().ok()?)) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }

    /// Removes the groups, and tells whether something in them was ended for want of memory. Who was left behind keeps them.
    pub(super) fn end(self) -> bool {
        let starved = self.places.iter().any(|place| {
            let events = ["memory.events", "memory.oom_control"].iter().find_map(|file| fs::read_to_string(place.join(file)).ok());
            events.is_some_and(|text| text.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|n| n.trim() != "0")))
        });
        self.remove();
        starved
    }

    fn remove(&self) {
        for place in &self.places {
            let _ = fs::remove_dir(place);
        }
    }
}

fn put(place: &Path, file: &str, value: &str) -> Result<(), String> {
    let file = place.join(file);
    fs::write(&file, value).map_err(|e| format!("{}: {e}", file.display()))
}

/// Reads `/proc/self/cgroup`: version 2 has its controllers below the root, version 1 each in a directory of its own.
fn here(text: &str, root: &Path) -> Here {
    let below = |place: &Path, path: &str| place.join(path.trim_start_matches('/'));
    let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':')).collect();
    let unified = lines.iter().find(|(controllers, _)| controllers.is_empty()).filter(|_| root.join("cgroup.controllers").exists());
    if let Some((_, path)) = unified {
        return Here::Unified(below(root, path));
    }
    let of = |controller: &str| {
        let (names, path) = lines.iter().find(|(names, _)| names.split(',').any(|name| name == controller))?;
        // Mounted under the name of all that share it, or of one of them; a container sees its own group as the root.
        let mounts = [*names, controller].map(|name| root.join(name));
        let mount = mounts.iter().find(|mount| mount.is_dir())?;
        Some(below(mount, path)).filter(|place| place.is_dir()).or_else(|| Some(mount.clone()))
    };
    Here::Each { memory: of("memory"), cpu: of("cpu") }
}

/// Lets the groups below have limits. A group that has such groups may have no processes itself, so the agent moves into one.
fn delegate(base: &Path) -> Result<(), String> {
    let control = base.join("cgroup.subtree_control");
    let has = |text: &str| ["memory", "cpu"].iter().all(|wanted| text.split_whitespace().any(|name| name == *wanted));
    if fs::read_to_string(&control).is_ok_and(|text| has(&text)) {
        return Ok(());
    }
    let ask = || fs::write(&control, "+memory +cpu");
    if ask().is_ok() {
        return Ok(());
    }
    let leaf = base.join("muster-agent");
    let _ = fs::create_dir(&leaf);
    put(&leaf, "cgroup.procs", &std::process::id().to_string())?;
    ask().map_err(|e| format!("{}: {e}", control.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_told_apart() {
        let root = tempfile::tempdir().expect("a directory");
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("memory/a/b")).expect("made");
        fs::create_dir_all(at("cpu,cpuacct")).expect("made");
        let text = "4:memory:/a/b\n3:cpu,cpuacct:/elsewhere\n0::/\n";
        let Here::Each { memory, cpu } = here(text, root.path()) else { panic!("version 1") };
        assert_eq!((memory, cpu), (Some(at("memory/a/b")), Some(at("cpu,cpuacct"))));
        fs::write(at("cgroup.controllers"), "cpu memory\n").expect("written");
        let Here::Unified(base) = here("0::/system.slice/muster-agent.service\n", root.path()) else { panic!("version 2") };
        assert_eq!(base, at("system.slice/muster-agent.service"));
    }
}
