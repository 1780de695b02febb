//! Answers to agents that speak XML. Every agent gets the form it understands (`docs/protocols/legacy-xml.md`, "Answers";
//! `docs/protocols/ocs.md`, "Answers").
//!
//! Absent on purpose: packing ([`crate::body::encode_body`]) and deciding what to answer.

use std::fmt::Write as _;

/// Content type of XML answers to FusionInventory and GLPI agents.
pub const CONTENT_TYPE: &str = "application/xml";
/// Content type of packed answers to OCS agents.
pub const OCS_CONTENT_TYPE: &str = "application/x-compressed";

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Whether the agent shall send an inventory in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// It shall.
    Send,
    /// It shall not; other tasks run all the same.
    Stop,
}

/// What a PROLOG is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prolog {
    /// Hours until the next contact; 0 is sent as 1.
    pub freq_hours: u32,
    /// Whether an inventory is wanted.
    pub response: Response,
    /// OCS: whether the Windows service makes an inventory when it starts; FusionInventory and GLPI know no such thing.
    pub inventory_on_startup: Option<bool>,
    /// OCS: the packages to fetch, in the option DOWNLOAD that is always there; without any it says that deployment is off.
    pub ocs_packages: Option<Vec<PackageAt>>,
}

/// A package that an OCS agent shall fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageAt {
    /// Its number.
    pub number: i64,
    /// Where it is, without scheme: `host[:port]/path`.
    pub location: String,
}

impl Prolog {
    /// For FusionInventory and GLPI agents.
    pub fn fusion(freq_hours: u32, response: Response) -> Self {
        Self { freq_hours, response, inventory_on_startup: None, ocs_packages: None }
    }

    /// For OCS agents.
    pub fn ocs(freq_hours: u32, response: Response, inventory_on_startup: bool, packages: Vec<PackageAt>) -> Self {
        Self { freq_hours, response, inventory_on_startup: Some(inventory_on_startup), ocs_packages: Some(packages) }
    }
}

/// The answer to a PROLOG.
pub fn prolog(prolog: &Prolog) -> String {
    let mut inner = format!("<PROLOG_FREQ>{}</PROLOG_FREQ>", prolog.freq_hours.max(1));
    inner.push_str(match prolog.response {
        Response::Send => "<RESPONSE>SEND</RESPONSE>",
        Response::Stop => "<RESPONSE>STOP</RESPONSE>",
    });
    match prolog.inventory_on_startup {
        Some(true) => inner.push_str("<INVENTORY_ON_STARTUP>1</INVENTORY_ON_STARTUP>"),
        Some(false) => inner.push_str("<INVENTORY_ON_STARTUP>0</INVENTORY_ON_STARTUP>"),
        None => {}
    }
    if let Some(packages) = &prolog.ocs_packages {
        download(&mut inner, packages);
    }
    reply(&inner)
}

/// The option DOWNLOAD. Packages are small and few, so the agent does not pause between them as it would for large ones.
fn download(inner: &mut String, packages: &[PackageAt]) {
    let (on, cycle, piece, cycles) = if packages.is_empty() { (0, 60, 10, 10) } else { (1, 1, 1, 3) };
    let _ = write!(
        inner,
        "<OPTION><NAME>DOWNLOAD</NAME><PARAM TYPE=\"CONF\" ON=\"{on}\" CYCLE_LATENCY=\"{cycle}\" FRAG_LATENCY=\"{piece}\" \
         PERIOD_LATENCY=\"1\" PERIOD_LENGTH=\"{cycles}\" TIMEOUT=\"30\" EXECUTION_TIMEOUT=\"120\" />"
    );
    for PackageAt { number, location } in packages {
        let at = escape(location);
        let _ = write!(
            inner,
            "<PARAM TYPE=\"PACK\" ID=\"{number}\" INFO_LOC=\"{at}\" PACK_LOC=\"{at}\" CERT_PATH=\"INSTALL_PATH\" \
             CERT_FILE=\"INSTALL_PATH/cacert.pem\" SCHEDULE=\"\" POSTCMD=\"\" FORCE=\"0\" />"
        );
    }
    inner.push_str("</OPTION>");
}

/// The answer that suffices for every message but PROLOG of FusionInventory and GLPI agents. An empty body is an error to them.
pub fn empty_reply() -> String {
    reply("")
}

/// The answer to an OCS inventory: the agent's account information stays.
pub fn no_account_update() -> String {
    reply("<RESPONSE>NO_ACCOUNT_UPDATE</RESPONSE>")
}

/// The answer to an OCS inventory: the agent replaces its account information by these keys and values.
pub fn account_update(values: &[(&str, &str)]) -> String {
    let mut inner = "<RESPONSE>ACCOUNT_UPDATE</RESPONSE>".to_owned();
    for (key, value) in values {
        let _ = write!(inner, "<ACCOUNTINFO><KEYNAME>{}</KEYNAME><KEYVALUE>{}</KEYVALUE></ACCOUNTINFO>", escape(key), escape(value));
    }
    reply(&inner)
}

/// The answer to OCS's obsolete UPDATE.
pub fn no_update() -> String {
    reply("<RESPONSE>NO_UPDATE</RESPONSE>")
}

/// The answer to a refused message. GLPI agents log the text; OCS agents only look at the status.
pub fn error(text: &str) -> String {
    reply(&format!("<ERROR>{}</ERROR>", escape(text)))
}

fn reply(inner: &str) -> String {
    format!("{DECLARATION}<REPLY>{inner}</REPLY>\n")
}

/// Text for XML, in elements and attributes; characters XML does not allow become blanks.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY>";

    #[test]
    fn a_prolog_answer_for_fusioninventory_is_exactly_these_bytes() {
        assert_eq!(
            prolog(&Prolog::fusion(4, Response::Send)),
            format!("{HEAD}<PROLOG_FREQ>4</PROLOG_FREQ><RESPONSE>SEND</RESPONSE></REPLY>\n")
        );
        assert_eq!(
            prolog(&Prolog::fusion(0, Response::Stop)),
            format!("{HEAD}<PROLOG_FREQ>1</PROLOG_FREQ><RESPONSE>STOP</RESPONSE></REPLY>\n")
        );
    }

    #[test]
    fn a_prolog_answer_for_ocs_is_exactly_these_bytes() {
        let option = "<OPTION><NAME>DOWNLOAD</NAME><PARAM TYPE=\"CONF\" ON=\"0\" CYCLE_LATENCY=\"60\" FRAG_LATENCY=\"10\" PERIOD_LATENCY=\"1\" PERIOD_LENGTH=\"10\" TIMEOUT=\"30\" EXECUTION_TIMEOUT=\"120\" /></OPTION>";
        assert_eq!(
            prolog(&Prolog::ocs(24, Response::Send, true, Vec::new())),
            format!(
                "{HEAD}<PROLOG_FREQ>24</PROLOG_FREQ><RESPONSE>SEND</RESPONSE><INVENTORY_ON_STARTUP>1</INVENTORY_ON_STARTUP>{option}</REPLY>\n"
            )
        );
        assert_eq!(
            prolog(&Prolog::ocs(24, Response::Stop, false, Vec::new())),
            format!(
                "{HEAD}<PROLOG_FREQ>24</PROLOG_FREQ><RESPONSE>STOP</RESPONSE><INVENTORY_ON_STARTUP>0</INVENTORY_ON_STARTUP>{option}</REPLY>\n"
            )
        );
    }

    #[test]
    fn packages_are_named_with_where_they_are() {
        let at = |number, location: &str| PackageAt { number, location: location.to_owned() };
        let told = prolog(&Prolog::ocs(24, Response::Stop, true, vec![at(1_700_000_001, "s:8350/ocsinventory/package/ab&c")]));
        assert!(told.contains("ON=\"1\" CYCLE_LATENCY=\"1\" FRAG_LATENCY=\"1\""), "{told}");
        assert!(told.contains("<PARAM TYPE=\"PACK\" ID=\"1700000001\" INFO_LOC=\"s:8350/ocsinventory/package/ab&amp;c\""), "{told}");
    }

    #[test]
    fn the_other_answers_are_exactly_these_bytes() {
        assert_eq!(empty_reply(), format!("{HEAD}</REPLY>\n"));
        assert_eq!(no_account_update(), format!("{HEAD}<RESPONSE>NO_ACCOUNT_UPDATE</RESPONSE></REPLY>\n"));
        assert_eq!(no_update(), format!("{HEAD}<RESPONSE>NO_UPDATE</RESPONSE></REPLY>\n"));
        assert_eq!(
            account_update(&[("TAG", "R&D <1>"), ("fields_3", "")]),
            format!(
                "{HEAD}<RESPONSE>ACCOUNT_UPDATE</RESPONSE><ACCOUNTINFO><KEYNAME>TAG</KEYNAME><KEYVALUE>R&amp;D &lt;1&gt;</KEYVALUE></ACCOUNTINFO>\
                 <ACCOUNTINFO><KEYNAME>fields_3</KEYNAME><KEYVALUE></KEYVALUE></ACCOUNTINFO></REPLY>\n"
            )
        );
        assert_eq!(error("no \"room\"\u{1}\0"), format!("{HEAD}<ERROR>no &quot;room&quot;  </ERROR></REPLY>\n"));
    }

    #[test]
    fn no_plain_answer_contains_what_fusioninventory_takes_for_zlib() {
        let text = error("\u{78}\u{9c} x\u{9c}");
        assert!(!text.as_bytes().windows(2).any(|w| w == [0x78, 0x9c]));
    }
}
