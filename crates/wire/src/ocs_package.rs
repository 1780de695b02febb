//! Work as packages of OCS agents: what they fetch, and what they tell of it (`docs/protocols/ocs-packages.md`).
//!
//! A command line becomes a file that is packed, fetched and run once. Absent on purpose: which work (the engine).

use crate::deploy::Command;
use flate2::{Compression, GzBuilder};
use md5::{Digest as _, Md5};
use muster_core::limits::TASK_BYTES_MAX;
use std::fmt::Write as _;

/// The file that is run.
const FILE: &str = "muster.sh";
/// What the file ends with when it was begun before.
pub const BEGUN_BEFORE: i64 = 125;

/// The file of a package. An agent that died, or was told to stop fetching, while it ran begins it anew, as its record is written at the
/// end: so it leaves a mark first, in the package's own directory, which the agent removes with the package. The mark has the package's
/// number: wherever an agent runs the file, another package is another.
fn file(number: i64, command: &Command) -> String {
    format!("#!/bin/sh\n(set -C; : > ../begun-{number}) 2>/dev/null || exit {BEGUN_BEFORE}\n{}\n", command.exec)
}

/// A command line as the archive that an agent on Unix unpacks. The same package gives the same bytes.
pub fn archive(number: i64, command: &Command) -> std::io::Result<Vec<u8>> {
    let text = file(number, command);
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o700);
    let packed = GzBuilder::new().mtime(0).write(Vec::with_capacity(text.len().min(TASK_BYTES_MAX)), Compression::default());
    let mut archive = tar::Builder::new(packed);
    archive.append_data(&mut header, FILE, text.as_bytes())?;
    archive.into_inner()?.finish()
}

/// What an agent reads of a package before it fetches the rest: one piece, run once when it is whole.
pub fn info(number: i64, archive: &[u8]) -> String {
    let digest = Md5::digest(archive).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DOWNLOAD ID=\"{number}\" PRI=\"1\" ACT=\"LAUNCH\" NAME=\"{FILE}\" DIGEST=\"{digest}\" \
         DIGEST_ALGO=\"MD5\" DIGEST_ENCODE=\"Hexa\" PROTO=\"HTTPS\" FRAGS=\"1\" NOTIFY_USER=\"0\" NOTIFY_TEXT=\"\" NOTIFY_COUNTDOWN=\"\" \
         NOTIFY_CAN_ABORT=\"0\" NOTIFY_CAN_DELAY=\"0\" NEED_DONE_ACTION=\"0\" NEED_DONE_ACTION_TEXT=\"\" GARDEFOU=\"rien\" />\n"
    )
}

/// How a package ended, by an agent's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The command ran and ended with this code.
    Code(i64),
    /// It was done before, by the agent's own record; how it ended is not known.
    Before,
    /// It did not run: the package was not fetched, not whole, or not unpacked.
    NotBegun,
    /// It ran, or may have, and failed.
    Failed,
}

/// What a result code means.
pub fn ended(code: &str) -> Ended {
    let number = |prefix: &str| code.strip_prefix(prefix).and_then(|rest| rest.parse().ok());
    match code {
        "SUCCESS" => Ended::Code(0),
        // The second is what remains where the end could not be told at once.
        "SUCCESS_ALREADY_SETUP" | "SUCCESS_" => Ended::Before,
        "ERR_DOWNLOAD_INFO" | "ERR_DOWNLOAD_PACK" | "ERR_BAD_ID" | "ERR_BAD_DIGEST" | "ERR_BUILD" | "ERR_UNZIP" | "ERR_OUT_OF_SPACE"
        | "ERR_TIMEOUT" | "ERR_ABORTED" => Ended::NotBegun,
        _ => number("SUCCESS_").or_else(|| number("EXIT_CODE_")).map_or(Ended::Failed, Ended::Code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn an_archive_holds_the_command_and_its_info_says_what_it_is() {
        let command = Command { exec: "/bin/sh -c 'exit 3'".to_owned(), expect: vec![0] };
        let packed = archive(17, &command).expect("an archive");
        assert_eq!(packed, archive(17, &command).expect("an archive"), "the same bytes each time");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&packed[..]));
        let mut file = archive.entries().expect("entries").next().expect("one").expect("a file");
        assert_eq!((file.path().expect("a name").to_str(), file.header().mode().ok()), (Some("muster.sh"), Some(0o700)));
        let mut text = String::new();
        file.read_to_string(&mut text).expect("text");
        assert_eq!(text, "#!/bin/sh\n(set -C; : > ../begun-17) 2>/dev/null || exit 125\n/bin/sh -c 'exit 3'\n");
        let info = info(1_700_000_001, b"hello");
        assert!(info.contains("ID=\"1700000001\"") && info.contains("DIGEST=\"5d41402abc4b2a76b9719d911017c592\""), "{info}");
        assert!(crate::legacy::read_message(info.into_bytes(), crate::legacy::Dialect::OcsUnix).is_err(), "it is no message");
    }

    #[test]
    fn a_file_is_begun_once() {
        let place = tempfile::tempdir().expect("a directory");
        let within = place.path().join("tmp");
        std::fs::create_dir(&within).expect("made");
        let runs = |number| {
            let text = file(number, &Command { exec: "echo once >> ../log; exit 3".to_owned(), expect: vec![0] });
            std::fs::write(within.join(FILE), text).expect("written");
            std::process::Command::new("sh").arg(FILE).current_dir(&within).status().expect("run").code()
        };
        assert_eq!((runs(1), runs(1), runs(2)), (Some(3), Some(125), Some(3)));
        assert_eq!(std::fs::read_to_string(place.path().join("log")).expect("written").lines().count(), 2);
    }

    #[test]
    fn result_codes_say_whether_it_ran() {
        for (code, expected) in [
            ("SUCCESS", Ended::Code(0)),
            ("SUCCESS_3", Ended::Code(3)),
            ("EXIT_CODE_5", Ended::Code(5)),
            ("SUCCESS_ALREADY_SETUP", Ended::Before),
            ("SUCCESS_", Ended::Before),
            ("ERR_BAD_DIGEST", Ended::NotBegun),
            ("ERR_EXECUTE", Ended::Failed),
            ("SUCCESS_REBOOT_REQUIRED", Ended::Failed),
            ("", Ended::Failed),
        ] {
            assert_eq!(ended(code), expected, "{code}");
        }
    }
}
