//! Tidying file systems: trimming where the device can be told what is free, gathering the pieces of files where heads move, and
//! nothing where neither helps; each with its reason.

use super::process::{End, Kept, run, verdict};
use super::{Done, Ended, pretty};
use crate::collect::{Disk, disks};
use muster_wire::native::ReportState;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::process::Command;

/// What helps a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Help {
    /// A program with its arguments.
    Run(Vec<String>),
    /// Nothing, for this reason.
    NotNeeded(&'static str),
}

/// What a device is like, as `/sys/dev/block` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Device {
    has_heads: bool,
    discards: bool,
}

fn device(numbers: &str, root: &Path) -> Device {
    // A partition's queue is that of its disk.
    let own: PathBuf = root.join(numbers);
    let place = std::fs::canonicalize(&own).unwrap_or(own);
    let read = |file: &str| {
        let at = |place: &Path| std::fs::read_to_string(place.join("queue").join(file)).ok();
        at(&place).or_else(|| at(place.parent()?)).and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    Device { has_heads: read("rotational") == 1, discards: read("discard_max_bytes") > 0 }
}

fn help(disk: &Disk, device: Device) -> Help {
    let with = |words: &[&str]| Help::Run(words.iter().map(|word| (*word).to_owned()).chain([disk.point.clone()]).collect());
    match (disk.filesystem.as_str(), device) {
        ("ext4" | "ext3" | "xfs" | "btrfs" | "f2fs" | "vfat" | "exfat" | "ntfs3", Device { discards: true, .. }) => with(&["fstrim", "-v"]),
        ("ext4", Device { has_heads: true, .. }) => with(&["e4defrag", "-v"]),
        ("xfs", Device { has_heads: true, .. }) => with(&["xfs_fsr", "-v"]),
        ("btrfs", Device { has_heads: true, .. }) => with(&["btrfs", "filesystem", "defragment", "-r"]),
        (_, Device { has_heads: false, discards: false }) => {
            Help::NotNeeded("its device has no moving heads, and cannot be told which blocks are free")
        }
        _ => Help::NotNeeded("there is no tool that makes this kind of file system faster"),
    }
}

pub(super) async fn tidy(volumes: &[String], mut ended: Ended) -> Done {
    let all = disks();
    let missing: Vec<&str> = volumes.iter().map(String::as_str).filter(|point| !all.iter().any(|disk| disk.point == *point)).collect();
    if !missing.is_empty() {
        return Done::error(format!("no file system of a disk is mounted at {}", missing.join(", ")));
    }
    let (mut rows, mut failed): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
    for disk in all.into_iter().filter(|disk| volumes.is_empty() || volumes.contains(&disk.point)) {
        let about = |did: &str, said: &str| json!({"volume": disk.point, "filesystem": disk.filesystem, "did": did, "said": said});
        let line = match help(&disk, device(&disk.numbers, Path::new("/sys/dev/block"))) {
            Help::Run(line) => line,
            Help::NotNeeded(why) => {
                rows.push(about("not needed", why));
                continue;
            }
        };
        let output: Arc<Mutex<Kept>> = Arc::default();
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).env("LC_ALL", "C");
        let end = run(command, &output, &mut ended).await;
        let is_stopped = matches!(end, Ok(End::Stopped(_)));
        let done = verdict(end, &[], &output);
        let said = done.output.as_deref().map_or("", last_line);
        rows.push(about(&line[0], said));
        if is_stopped {
            return done.with(pretty(&json!(rows)));
        }
        if done.state == ReportState::Error {
            failed.push(format!("{}: {} ({said})", disk.point, done.message.unwrap_or_default()));
        }
    }
    summary(&rows, &failed).with(pretty(&json!(rows)))
}

fn summary(rows: &[Value], failed: &[String]) -> Done {
    match (failed.is_empty(), rows.is_empty()) {
        (false, _) => Done::error(failed.join("; ")),
        (true, true) => Done::ok().saying("not needed: this machine has no disk of its own"),
        (true, false) if rows.iter().all(|row| row["did"] == "not needed") => Done::ok().saying("not needed"),
        (true, false) => Done::ok(),
    }
}

fn last_line(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(filesystem: &str) -> Disk {
        Disk { point: "/srv".to_owned(), filesystem: filesystem.to_owned(), numbers: "8:1".to_owned() }
    }

    #[test]
    fn what_helps_depends_on_the_device_and_the_file_system() {
        let (ssd, disc, plain) = (
            Device { has_heads: false, discards: true },
            Device { has_heads: true, discards: false },
            Device { has_heads: false, discards: false },
        );
        let words = |help| if let Help::Run(words) = help { words.join(" ") } else { String::new() };
        assert_eq!(words(help(&disk("ext4"), ssd)), "fstrim -v /srv");
        assert_eq!(words(help(&disk("ext4"), disc)), "e4defrag -v /srv");
        assert_eq!(words(help(&disk("xfs"), disc)), "xfs_fsr -v /srv");
        assert!(matches!(help(&disk("ext4"), plain), Help::NotNeeded(why) if why.contains("no moving heads")));
        assert!(matches!(help(&disk("reiserfs"), disc), Help::NotNeeded(why) if why.contains("no tool")));
    }

    #[test]
    fn a_partition_is_like_its_disk() {
        let root = tempfile::tempdir().expect("a directory");
        let queue = root.path().join("sda/queue");
        std::fs::create_dir_all(root.path().join("sda/sda1")).expect("made");
        std::fs::create_dir_all(&queue).expect("made");
        std::fs::write(queue.join("rotational"), "1\n").expect("written");
        std::fs::write(queue.join("discard_max_bytes"), "0\n").expect("written");
        std::os::unix::fs::symlink("sda/sda1", root.path().join("8:1")).expect("linked");
        assert_eq!(device("8:1", root.path()), Device { has_heads: true, discards: false });
        assert_eq!(device("9:9", root.path()), Device { has_heads: false, discards: false });
    }

    #[tokio::test]
    async fn a_volume_that_is_not_there_is_told() {
        let done = tidy(&["/no/such/place".to_owned()], Box::pin(std::future::pending())).await;
        assert_eq!(done.message.as_deref(), Some("no file system of a disk is mounted at /no/such/place"));
    }
}
