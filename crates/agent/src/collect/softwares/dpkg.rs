//! Debian's packages, from dpkg's own list (`deb822(5)`, `dpkg-query(1)`).

use crate::collect::machine::Fields;
use muster_core::inventory::Row;

/// The installed packages; `installed` gives the date for a name and an architecture.
pub(super) fn packages(status: &str, installed: impl Fn(&str, &str) -> Option<String>) -> Vec<Row> {
    status.split("\n\n").filter_map(|paragraph| package(paragraph, &installed)).collect()
}

fn package(paragraph: &str, installed: &impl Fn(&str, &str) -> Option<String>) -> Option<Row> {
    let [mut name, mut status, mut version, mut arch, mut size, mut maintainer, mut section, mut description, mut home] = [""; 9];
    // Lines that begin with a space continue the field before; none of ours goes on.
    for line in paragraph.lines().filter(|line| !line.starts_with([' ', '\t'])) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let slot = match key {
            "Package" => &mut name,
            "Status" => &mut status,
            "Version" => &mut version,
            "Architecture" => &mut arch,
            "Installed-Size" => &mut size,
            "Maintainer" => &mut maintainer,
            "Section" => &mut section,
            "Description" => &mut description,
            "Homepage" => &mut home,
            _ => continue,
        };
        *slot = value.trim();
    }
    let is_installed = status.split_whitespace().nth(2) == Some("installed");
    if name.is_empty() || !is_installed {
        return None;
    }
    // dpkg counts in kibibytes.
    let bytes = size.parse::<i64>().ok().and_then(|size| size.checked_mul(1024));
    let fields = Fields::default()
        .text("name", Some(name))
        .text("version", Some(version))
        .text("arch", Some(arch))
        .text("from", Some("deb"))
        .number("filesize", bytes)
        .text("publisher", Some(maintainer))
        .text("system_category", Some(section))
        .text("comments", Some(description))
        .text("url_info_about", Some(home))
        .text("install_date", installed(name, arch));
    Some(fields.row())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_installed_packages_are_listed() {
        let status = "Package: one\nStatus: install ok installed\nInstalled-Size: 12\nMaintainer: A <a@example>\nArchitecture: all\n\
                      Version: 1:2.3-4\nSection: admin\nDescription: short words\n Version: 9\n .\n more\n\n\
                      Package: two\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: three\nStatus: hold ok installed\n\n\n";
        let rows = packages(status, |name, arch| (name == "one").then(|| format!("{arch} date")));
        assert_eq!(
            json!(rows),
            json!([
                {"name": "one", "version": "1:2.3-4", "arch": "all", "from": "deb", "filesize": 12288, "publisher": "A <a@example>",
                 "system_category": "admin", "comments": "short words", "install_date": "all date"},
                {"name": "three", "from": "deb"}
            ])
        );
    }
}
