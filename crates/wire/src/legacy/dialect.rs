//! Who speaks: told from the User-Agent header, else from what the document says of its producer
//! (`docs/protocols/legacy-xml.md`, "Who speaks"; `docs/protocols/ocs.md`, "Who speaks").

use muster_core::inventory::Completeness;

/// The program that made a document, as far as its form depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// FusionInventory Agent.
    FusionInventory,
    /// GLPI Agent, while it speaks XML; the Android agent too.
    GlpiLegacy,
    /// OCS Inventory's agent for Unix systems.
    OcsUnix,
    /// OCS Inventory's agents for Windows.
    OcsWindows,
    /// Any other program that speaks to an OCS server.
    OcsOther,
    /// Nothing tells.
    Unknown,
}

/// What a User-Agent header tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent {
    /// The program.
    pub dialect: Dialect,
    /// Its version as written, such as `2.6-3` or `v1.12-dev` without the `v`.
    pub version: Option<String>,
}

impl Dialect {
    /// Tells the program from a User-Agent header, or from a document's VERSIONCLIENT, which has the same form.
    pub fn from_user_agent(header: &str) -> UserAgent {
        let header = header.trim();
        let lower = header.to_ascii_lowercase();
        let dialect = if lower.starts_with("fusioninventory-") {
            Self::FusionInventory
        } else if lower.starts_with("glpi-") || lower.contains("glpi inventory agent") {
            Self::GlpiLegacy
        } else if lower.starts_with("ocs-ng_unified_unix_agent") {
            Self::OcsUnix
        } else if lower.starts_with("ocs-ng_windows_agent") || lower.starts_with("ocs-ng_windows_client") {
            Self::OcsWindows
        } else if lower.starts_with("ocs-ng_") || lower.starts_with("ocs_") {
            Self::OcsOther
        } else {
            return UserAgent { dialect: Self::Unknown, version: None };
        };
        UserAgent { dialect, version: version(header) }
    }

    /// Whether an OCS server is what this program expects to talk to.
    pub fn is_ocs(self) -> bool {
        matches!(self, Self::OcsUnix | Self::OcsWindows | Self::OcsOther)
    }

    /// What a missing section means in an undamaged inventory of this program.
    pub fn completeness(self) -> Completeness {
        match self {
            Self::FusionInventory | Self::GlpiLegacy => Completeness::Full,
            Self::OcsUnix | Self::OcsWindows | Self::OcsOther | Self::Unknown => Completeness::Partial,
        }
    }
}

/// What follows the last `_v` or the first `/`, up to a blank.
fn version(header: &str) -> Option<String> {
    let after = header.rsplit_once("_v").or_else(|| header.split_once('/'))?.1;
    let version = after.split_whitespace().next()?;
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_versions_are_told_from_the_header() {
        let cases = [
            ("FusionInventory-Agent_v2.6-3", Dialect::FusionInventory, Some("2.6-3")),
            ("GLPI-Agent_v1.12-dev", Dialect::GlpiLegacy, Some("1.12-dev")),
            ("GLPI-Injector_v1.7", Dialect::GlpiLegacy, Some("1.7")),
            ("Inventory Agent/1.1.0 (Linux; Android 12; GLPI Inventory Agent)", Dialect::GlpiLegacy, Some("1.1.0")),
            ("OCS-NG_unified_unix_agent_v2.10.0", Dialect::OcsUnix, Some("2.10.0")),
            ("OCS-NG_WINDOWS_AGENT_v2.11.0.1", Dialect::OcsWindows, Some("2.11.0.1")),
            ("OCS-NG_windows_client_v4061", Dialect::OcsWindows, Some("4061")),
            ("OCS-NG_Android_agent_v2.7", Dialect::OcsOther, Some("2.7")),
            ("OCS-NG_unified_unix_agent", Dialect::OcsUnix, None),
            ("Mozilla/5.0", Dialect::Unknown, None),
            ("", Dialect::Unknown, None),
        ];
        for (header, dialect, version) in cases {
            let told = Dialect::from_user_agent(header);
            assert_eq!((told.dialect, told.version.as_deref()), (dialect, version), "{header}");
        }
    }
}
