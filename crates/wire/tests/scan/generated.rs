//! Invented documents, and the borders of what the scanner takes.

use super::*;
use muster_core::limits::{DOCUMENT_ELEMENTS_MAX, FIELD_BYTES_MAX, SECTIONS_MAX};
use proptest::prelude::*;
use proptest::sample::select;

const SECTIONS: &str = "SOFTWARES softwares HARDWARE BIOS OPERATINGSYSTEM VERSIONPROVIDER DRIVES CPUS BATTERIES USERS USER FIREWALL \
    FIREWALLS NETWORKS LOCAL_GROUPS LOCAL_USERS PROCESSES ACCESSLOG DOWNLOAD IPDISCOVER VIRTUALMACHINES SIM STORAGES \
    CAMERAS VERSIONCLIENT AGENT DEVICEID OLD_DEVICEID RUDDER SLOTS VALUE X-Y Ümlaut MEMBER";

const FIELDS: &str = "NAME name VERSION OSNAME OSVERSION OSCOMMENTS ARCH INSTALLDATE INSTALL_DATE DESCRIPTION ETIME TYPE SSN BDATE FREE \
    TOTAL VOLUMN CURRENT_SPEED CORES CORE SERIAL SERIALNUMBER MEMBER MEMBERS ID_GROUP ID IPADDRESS IPADDRESS6 IPMASK \
    MACADDR MAC STATUS SPEED LASTLOGIN UPTIME AGENTVERSION OLD_DEVICEID CONTENT CHECKSUM PID OPERATOR RESOLUTION \
    HISTORY PACKAGE H I M VALUE";

const TEXTS: &[&str] = &[
    "",
    " ",
    "\n  ",
    "\u{a0}",
    "&#32;",
    "a",
    " a b ",
    "é",
    "\u{a0}é",
    "1",
    "0",
    "2.5",
    "true",
    "Up",
    "08/06/2017",
    "07/25/2014",
    "fe80::1",
    "10.0.0.1",
    "02:AA:00:00:00:01",
    "x86_64/00-00-00 00:20:21",
    "Microsoft Windows 10 Pro",
    "Debian GNU/Linux 12",
    "#1 SMP",
    "1 Gbps",
    ",",
    ", ,",
    "a,b",
    "&#44;",
    "a&amp;b",
    "&lt;&gt;&quot;&apos;",
    "&#xE9;&#233;",
    "&nbsp;",
    "&#0;",
    "&",
    "a > b",
    "]]>",
    "FusionInventory-Agent_v2.6",
    "OCS-NG_unified_unix_agent_v2.10.0",
    "<!-- c -->",
    "a<!-- c -->b",
    "<![CDATA[<x>]]>",
];

fn one_of(words: &'static str) -> impl Strategy<Value = &'static str> {
    select(words.split(' ').collect::<Vec<_>>())
}

fn leaf() -> impl Strategy<Value = String> {
    (one_of(FIELDS), select(TEXTS), 0..12_u8).prop_map(|(name, text, form)| match form {
        0 => format!("<{name}/>"),
        1 => format!("<{name} />"),
        2 => format!("<{name} ID='{text}'/>"),
        3 => format!("<{name}\n>{text}</{name}>"),
        4 => format!("<{name}>{text}</{name} >"),
        5 => format!("<{name}>{text}</{}>", name.to_lowercase()),
        _ => format!("<{name}>{text}</{name}>"),
    })
}

fn field() -> impl Strategy<Value = String> {
    let nested =
        (one_of(FIELDS), prop::collection::vec(leaf(), 0..4)).prop_map(|(name, inner)| format!("<{name}>{}</{name}>", inner.concat()));
    prop_oneof![12 => leaf(), 1 => nested]
}

fn element() -> impl Strategy<Value = String> {
    let row = (one_of(SECTIONS), prop::collection::vec(field(), 0..6), select(&["", "\n   ", "\t"][..]), 0..20_u8);
    prop_oneof![
        9 => row.prop_map(|(name, fields, blank, form)| {
            let inner: String = fields.iter().map(|f| format!("{blank}{f}")).collect();
            match form {
                0 => format!("<{name} NAME='x'>{inner}{blank}</{name}>"),
                1 => format!("<{name}>loose{inner}</{name}>"),
                2 => format!("<{name}/>"),
                _ => format!("<{name}>{inner}{blank}</{name}>{blank}"),
            }
        }),
        1 => (one_of(SECTIONS), select(TEXTS)).prop_map(|(name, text)| format!("<{name}>{text}</{name}>")),
    ]
}

fn invented() -> impl Strategy<Value = String> {
    let head = select(&["", "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n", "<?xml version='1.0'?>", " ", "<!-- c -->", "<?xml?>"][..]);
    let fields = select(
        &[
            "<DEVICEID>pc</DEVICEID><QUERY>INVENTORY</QUERY>",
            "<QUERY>inventory</QUERY>\n<TOKEN>12345678</TOKEN><DEVICEID> a&amp;b </DEVICEID><OLD_DEVICEID>o</OLD_DEVICEID>",
            "<DEVICEID/><QUERY>INVENTORY</QUERY><DEVICEID>second</DEVICEID>",
            "<QUERY>INVENTORY</QUERY>",
            "<QUERY>PROLOG</QUERY><DEVICEID>pc</DEVICEID>",
            "<QUERY>INVENTORY</QUERY><DEVICEID>pc</DEVICEID><X><Y>1</Y></X>",
        ][..],
    );
    (head, fields, prop::collection::vec(element(), 0..12), 0..10_u8).prop_map(|(head, fields, elements, form)| {
        let content = format!("<CONTENT>{}</CONTENT>", elements.concat());
        match form {
            0 => format!("{head}<request>{content}{fields}</request>"),
            1 => format!("{head}<REQUEST>{fields}{content}</REQUEST> behind"),
            2 => format!("{head}<REQUEST>{fields}{content}{content}</REQUEST>"),
            _ => format!("{head}<REQUEST>\n{content}\n{fields}\n</REQUEST>\n"),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invented_documents_say_the_same_in_both_readers(text in invented(), dialect in select(&DIALECTS[..])) {
        same(text.as_bytes(), dialect);
    }

    #[test]
    fn equal_prints_of_two_invented_documents_mean_equal_facts(
        elements in prop::collection::vec(element(), 1..8),
        more in prop::collection::vec(element(), 0..3),
        order in any::<prop::sample::Index>(),
        dialect in select(&DIALECTS[..5]),
    ) {
        let mut other = elements.clone();
        let at = order.index(other.len());
        other.rotate_left(at);
        other.splice(at..at, more);
        if let (Some(a), Some(b)) = (scanned(wrapped(&elements.concat()).as_bytes(), dialect), scanned(wrapped(&other.concat()).as_bytes(), dialect)) {
            lawful(&*a, &*b);
        }
    }
}

fn wrapped(content: &str) -> String {
    format!("<REQUEST><CONTENT>{content}</CONTENT><DEVICEID>pc</DEVICEID><QUERY>INVENTORY</QUERY></REQUEST>")
}

fn taken(content: &str, dialect: Dialect) -> bool {
    same(wrapped(content).as_bytes(), dialect)
}

#[test]
fn odd_rows_are_taken_one_by_one_and_say_the_same() {
    for content in [
        "<SOFTWARES NAME='a'/>",
        "<SOFTWARES>loose<NAME>a</NAME></SOFTWARES>",
        "<SOFTWARES><NAME>a<!-- c --></NAME></SOFTWARES>",
        "<SOFTWARES><NAME><![CDATA[</SOFTWARES>]]></NAME></SOFTWARES>",
        "<SOFTWARES><NAME>a & b &nbsp;</NAME></SOFTWARES>",
        "<SOFTWARES><NAME>a</name></softwares>",
        "<SOFTWARES><A><B><C>deep</C></B></A></SOFTWARES>",
        "<DRIVES><FREE><X>1</X></FREE></DRIVES>",
        "<DRIVES FREE='1' TOTAL='2'/>",
        "<DRIVES FREE=''/><CPUS><CURRENT_SPEED>&#32;</CURRENT_SPEED><NAME>a</NAME></CPUS>",
        "<X-Y><A.B>1</A.B></X-Y>",
        "<Ümlaut><A>1</A></Ümlaut>",
    ] {
        for dialect in DIALECTS {
            assert!(taken(content, dialect), "{content}");
        }
    }
}

#[test]
fn what_is_unusual_beside_the_rows_is_left_to_the_standard_reader() {
    for content in [
        "",
        " ",
        "<BIOS/>",
        "<BIOS><SSN> </SSN></BIOS>",
        "loose",
        "<A>1</A><!-- c -->",
        "<A>1</A><?p?>",
        "<A>1",
        "<A>1</B>",
        "<A><B>1</A>",
        "</A>",
    ] {
        assert!(!taken(content, Dialect::FusionInventory), "{content}");
    }
    let row = "<CONTENT><BIOS><SSN>1</SSN></BIOS></CONTENT><DEVICEID>pc</DEVICEID>";
    for text in [
        format!("<REQUEST>{row}</REQUEST>"),
        format!("<REQUEST>{row}<QUERY>SNMP</QUERY></REQUEST>"),
        format!("<REQUEST A='1'>{row}<QUERY>INVENTORY</QUERY></REQUEST>"),
        format!("<REQUEST>{row}<QUERY>INVENTORY</QUERY><X><Y>1</Y></X></REQUEST>"),
        format!("<REQUEST>{row}<QUERY>INVENTORY</QUERY></REQUEST><X/>"),
        format!("<REQUEST>{row}<CONTENT/><QUERY>INVENTORY</QUERY></REQUEST>"),
        format!("<!DOCTYPE r><REQUEST>{row}<QUERY>INVENTORY</QUERY></REQUEST>"),
        format!("<REPLY>{row}<QUERY>INVENTORY</QUERY></REPLY>"),
        format!("<REQUEST>{}<QUERY>INVENTORY</QUERY></REQUEST>", row.replace("pc", &"x".repeat(256))),
    ] {
        assert!(!same(text.as_bytes(), Dialect::FusionInventory), "{text}");
    }
}

#[test]
fn a_document_at_a_limit_is_taken_and_one_beyond_is_not() {
    let field = |n: usize| format!("<BIOS><SSN>{}</SSN></BIOS>", "x".repeat(n));
    assert!(taken(&field(FIELD_BYTES_MAX), Dialect::OcsUnix));
    assert!(!taken(&field(FIELD_BYTES_MAX + 1), Dialect::OcsUnix));
    let software = |n: usize| "<SOFTWARES/>".repeat(n - 1) + "<SOFTWARES>a</SOFTWARES>";
    // REQUEST, CONTENT, DEVICEID and QUERY count too.
    assert!(taken(&software(DOCUMENT_ELEMENTS_MAX - 4), Dialect::OcsUnix));
    assert!(!taken(&software(DOCUMENT_ELEMENTS_MAX - 3), Dialect::OcsUnix));
    let nested = |n: usize| format!("{}x{}", "<A>".repeat(n), "</A>".repeat(n));
    assert!(taken(&nested(14), Dialect::OcsUnix));
    assert!(!taken(&nested(15), Dialect::OcsUnix));
    let sections = |n: usize| (0..n).map(|i| format!("<S{i}>x</S{i}>")).collect::<String>();
    assert!(taken(&sections(SECTIONS_MAX - 2), Dialect::OcsUnix));
    assert!(!taken(&sections(SECTIONS_MAX + 1), Dialect::OcsUnix));
    let derived = sections(SECTIONS_MAX - 1) + "<HARDWARE><NAME>n</NAME><OSNAME>x</OSNAME><ETIME>1</ETIME></HARDWARE>";
    assert!(!taken(&derived, Dialect::OcsUnix));
}

#[test]
fn bytes_that_are_not_utf_8_are_scanned_too() {
    let head = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>".to_owned() + &wrapped("<BIOS><SSN>@</SSN></BIOS>");
    let latin: Vec<u8> = head.bytes().map(|b| if b == b'@' { 0xe9 } else { b }).collect();
    assert!(same(&latin, Dialect::OcsWindows));
    let undeclared: Vec<u8> = wrapped("<BIOS><SSN>@</SSN></BIOS>").bytes().map(|b| if b == b'@' { 0xe9 } else { b }).collect();
    assert!(same(&undeclared, Dialect::OcsWindows), "with its finding");
    assert!(same(wrapped("<BIOS><SSN>a\0b</SSN></BIOS>").as_bytes(), Dialect::OcsWindows), "with its finding");
    assert!(scan::scan(wrapped("<BIOS><SSN>a\0b</SSN></BIOS>"), Dialect::OcsWindows).is_err(), "the scanner alone takes none");
}
