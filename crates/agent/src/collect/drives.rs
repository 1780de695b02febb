//! The section `drives`: mounted file systems.

use super::machine::{Fields, Machine};
use super::system::{self, Space};
use muster_core::inventory::Row;
use std::collections::BTreeMap;
use std::path::Path;

/// File systems of other machines: a dead server would hold whoever asks for their free space.
const NETWORK: [&str; 8] = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "9p"];
/// File systems on no device that keep data all the same.
const WITHOUT_DEVICE: [&str; 3] = ["zfs", "btrfs", "bcachefs"];
/// Images of packages: they come and go with them and are always full.
const IMAGES: [&str; 3] = ["squashfs", "iso9660", "erofs"];

/// Reads the section.
pub(crate) fn collect(machine: &Machine) -> Vec<Row> {
    let uuids = names_by(machine, "dev/disk/by-uuid");
    let labels = names_by(machine, "dev/disk/by-label");
    let mounts = mounts(&machine.text("proc/self/mountinfo").unwrap_or_default());
    let row = |mount: Mount| {
        let device = machine.link_name(&format!("sys/dev/block/{}", mount.device)).or_else(|| last_part(&mount.source));
        let find = |names: &BTreeMap<String, String>| device.as_ref().and_then(|device| names.get(device)).cloned();
        let space = (machine.is_live() && !mount.is_network()).then(|| system::space(Path::new(&mount.point))).flatten();
        let megabytes = |bytes: fn(Space) -> u64| space.and_then(|s| i64::try_from(bytes(s) >> 20).ok());
        Fields::default()
            .text("volumn", Some(&mount.source))
            .text("type", Some(&mount.point))
            .text("filesystem", Some(&mount.filesystem))
            .number("total", megabytes(|s| s.total))
            .number("free", megabytes(|s| s.free))
            .text("serial", find(&uuids))
            .text("label", find(&labels))
            .flag("systemdrive", mount.point == "/")
            .row()
    };
    mounts.into_iter().map(row).collect()
}

/// A file system on a disk of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Where it is mounted.
    pub(crate) point: String,
    /// What kind it is.
    pub(crate) filesystem: String,
    /// Major and minor number of its device, `8:1`.
    pub(crate) numbers: String,
}

/// The file systems on disks of this machine.
pub(crate) fn disks() -> Vec<Disk> {
    let on_disk = |mount: &Mount| !mount.is_network() && mount.source.starts_with("/dev/");
    let disk = |mount: Mount| Disk { point: mount.point, filesystem: mount.filesystem, numbers: mount.device };
    let mounts = mounts(&Machine::default().text("proc/self/mountinfo").unwrap_or_default());
    mounts.into_iter().filter(on_disk).map(disk).collect()
}

/// One line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// Major and minor number, `8:1`.
    device: String,
    point: String,
    filesystem: String,
    source: String,
}

impl Mount {
    fn is_network(&self) -> bool {
        NETWORK.contains(&self.filesystem.as_str())
    }

    fn keeps_data(&self) -> bool {
        let kind = self.filesystem.as_str();
        let on_device = self.source.starts_with("/dev/") && !IMAGES.contains(&kind) && !kind.starts_with("fuse.");
        on_device || WITHOUT_DEVICE.contains(&kind) || self.is_network()
    }
}

/// The mounts that keep data; of a file system that is mounted more than once the one with the shortest path.
fn mounts(mountinfo: &str) -> Vec<Mount> {
    let mut kept: Vec<Mount> = Vec::new();
    for mount in mountinfo.lines().filter_map(mount).filter(Mount::keeps_data) {
        match kept.iter_mut().find(|other| other.device == mount.device && other.source == mount.source) {
            Some(other) if mount.point.len() < other.point.len() => *other = mount,
            Some(_) => {}
            None => kept.push(mount),
        }
    }
    kept
}

/// Reads one line (format: `proc_pid_mountinfo(5)`).
fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ');
    let (device, point) = (left.nth(2)?, left.nth(1)?);
    let mut right = right.split(' ');
    let (filesystem, source) = (right.next()?, right.next()?);
    let [point, source] = [point, source].map(octal);
    Some(Mount { device: device.to_owned(), point, filesystem: filesystem.to_owned(), source })
}

/// Undoes the kernel's `\040` for bytes that would break the line.
fn octal(text: &str) -> String {
    unescape(text, "\\", 8)
}

/// Replaces each `mark` with three octal or two hexadecimal digits by the byte they stand for.
fn unescape(text: &str, mark: &str, radix: u32) -> String {
    let digits = if radix == 8 { 3 } else { 2 };
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split(mark);
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        match part.get(..digits).and_then(|code| u8::from_str_radix(code, radix).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[digits..]);
            }
            None => bytes.extend_from_slice([mark, part].concat().as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Device name → the name that udev's links in a directory give it.
fn names_by(machine: &Machine, directory: &str) -> BTreeMap<String, String> {
    let entry = |name: String| Some((machine.link_name(&format!("{directory}/{name}"))?, unescape(&name, "\\x", 16)));
    machine.list(directory).into_iter().filter_map(entry).collect()
}

fn last_part(path: &str) -> Option<String> {
    path.strip_prefix("/dev/")?.rsplit('/').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_listed_once_at_its_shortest_path() {
        let text = "1 0 8:1 / /srv/long rw - ext4 /dev/sda1 rw\n2 0 8:1 /a / rw shared:1 - ext4 /dev/sda1 rw\n\
                    3 0 0:5 / /proc rw - proc proc rw\n4 0 7:0 / /snap/x/1 ro - squashfs /dev/loop0 ro\n\
                    5 0 0:40 / /net\\040share rw - nfs4 srv:/x rw\nnonsense - \n";
        let found = mounts(text);
        assert_eq!(
            found.iter().map(|m| (m.point.as_str(), m.source.as_str())).collect::<Vec<_>>(),
            [("/", "/dev/sda1"), ("/net share", "srv:/x")]
        );
        assert!(found[1].is_network());
    }

    #[test]
    fn escapes_of_the_kernel_and_of_udev_are_undone() {
        assert_eq!(octal("a\\040b\\134c\\9"), "a b\\c\\9");
        assert_eq!(unescape("My\\x20Disk\\x", "\\x", 16), "My Disk\\x");
        assert_eq!(octal("\\é"), "\\é");
    }
}
