//! RPM's packages. Their database has three binary forms, so `rpm` itself is asked.

use crate::collect::machine::Fields;
use crate::collect::when::Zone;
use muster_core::inventory::Row;
use muster_core::time::Timestamp;

/// What `rpm` is called with: one line per package, fields between tabs.
pub(super) const ARGUMENTS: [&str; 3] = [
    "-qa",
    "--queryformat",
    "%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{INSTALLTIME}\\t%{SIZE}\\t%{VENDOR}\\t%{GROUP}\\t%{URL}\\t%{SUMMARY}\\n",
];

/// Reads rpm's answer.
pub(super) fn packages(output: &str, zone: &Zone) -> Vec<Row> {
    output.lines().filter_map(|line| package(line, zone)).collect()
}

fn package(line: &str, zone: &Zone) -> Option<Row> {
    let fields: Vec<Option<&str>> = line.splitn(9, '\t').map(|text| (text != "(none)").then_some(text)).collect();
    let [Some(name), version, arch, installed, size, vendor, group, url, summary] = fields[..] else {
        return None;
    };
    // Signing keys live in the same database.
    if name.is_empty() || name == "gpg-pubkey" {
        return None;
    }
    let installed = installed.and_then(|seconds| seconds.parse::<i64>().ok()?.checked_mul(1000)).map(Timestamp);
    let fields = Fields::default()
        .text("name", Some(name))
        .text("version", version)
        .text("arch", arch)
        .text("from", Some("rpm"))
        .number("filesize", size.and_then(|size| size.parse().ok()))
        .text("publisher", vendor)
        .text("system_category", group.filter(|group| *group != "Unspecified"))
        .text("comments", summary)
        .text("url_info_about", url)
        .text("install_date", installed.and_then(|at| zone.date_time(at)));
    Some(fields.row())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::machine::Machine;
    use serde_json::json;

    #[test]
    fn lines_are_packages_and_keys_are_none() {
        let zone = Zone::of(&Machine::at("/not/here"));
        let text = "made-up\t1:2-3\tx86_64\t1700000000\t4096\t(none)\tUnspecified\t(none)\tshort\twords\n\
                    gpg-pubkey\t1-2\t(none)\t1\t0\t(none)\tx\t(none)\tkey\nbroken line\n";
        let expected = json!([{"name": "made-up", "version": "1:2-3", "arch": "x86_64", "from": "rpm", "filesize": 4096,
            "comments": "short words", "install_date": "2023-11-14 22:13:20"}]);
        assert_eq!(json!(packages(text, &zone)), expected);
    }
}
