//! Reading actions and their parameters. Those of what agents do are in [`client`].

mod client;

use super::read::{Reader, given, kind_of};
use super::{Action, ActionKind, GroupAct, ItemKind, Leftover, Level, Method, ScheduleAct, placeholders};
use crate::limits::*;
use crate::nearest::nearest;
use crate::settings::Span;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

const LEVELS: &[(&str, Level)] = &[("info", Level::Info), ("warning", Level::Warning), ("error", Level::Error)];
const SCHEDULE_ACTS: &[(&str, ScheduleAct)] = &[("enable", ScheduleAct::Enable), ("disable", ScheduleAct::Disable)];
const GROUP_ACTS: &[(&str, GroupAct)] = &[("add", GroupAct::Add), ("remove", GroupAct::Remove)];
const ITEM_KINDS: &[(&str, ItemKind)] =
    &[("task", ItemKind::Task), ("group", ItemKind::Group), ("device", ItemKind::Device), ("report", ItemKind::Report)];
/// Kept answers of a report, as a step counts them.
const MOST_KEPT: u32 = 100;
const METHODS: &[(&str, Method)] =
    &[("GET", Method::Get), ("POST", Method::Post), ("PUT", Method::Put), ("PATCH", Method::Patch), ("DELETE", Method::Delete)];
/// Headers that the call itself writes.
const HEADERS_OF_THE_CALL: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];

/// The parameters of one action while they are read.
struct Parameters<'r, 'v> {
    reader: &'r mut Reader,
    at: &'r str,
    map: &'v Map<String, Value>,
}

impl Reader {
    pub(super) fn action(&mut self, at: &str, value: &Value) -> Option<Action> {
        let kind = self.action_kind(at, value)?;
        let known: Vec<&str> = std::iter::once("type").chain(kind.parameters.iter().copied()).collect();
        let map = self.object(at, value, &known, &[])?;
        let before = self.faults.len();
        for key in &kind.parameters[..kind.required] {
            if given(map.get(*key)).is_none_or(|v| v.as_str().is_some_and(|text| text.trim().is_empty())) {
                self.fault(&format!("{at}/{key}"), format!("{} needs '{key}'", kind.kind));
            }
        }
        if self.faults.len() > before {
            return None;
        }
        Parameters { reader: self, at, map }.read(kind.kind)
    }

    fn action_kind(&mut self, at: &str, value: &Value) -> Option<ActionKind> {
        let Some(map) = value.as_object() else {
            self.fault(at, format!("an object such as {{type: inventory}} is expected here, not {}", kind_of(value)));
            return None;
        };
        let at = format!("{at}/type");
        if given(map.get("type")).is_none() {
            self.fault(&at, "an action needs a type, such as inventory");
            return None;
        }
        let word = self.text(&at, map.get("type"), 60)?;
        let kind = ActionKind::named(&word);
        if kind.is_none() {
            let known = ActionKind::ALL.map(|k| k.kind);
            let hint = nearest(&word, known).map_or(String::new(), |near| format!(". Did you mean '{near}'?"));
            self.fault(&at, format!("there is no action '{word}' in this version of Muster; there are {}{hint}", known.join(", ")));
        }
        kind
    }
}

impl Parameters<'_, '_> {
    fn read(mut self, kind: &str) -> Option<Action> {
        Some(match kind {
            "inventory" => Action::Inventory,
            "basic_inventory" => Action::BasicInventory,
            "ip_configuration" => Action::IpConfiguration,
            "run_script" => Action::RunScript(self.script()?),
            "power_control" => self.power_control()?,
            "control_service" => self.control_service()?,
            "defragment" => Action::Defragment { volumes: self.volumes() },
            "configure_agent" => self.configure_agent()?,
            "reset_agent" => Action::ResetAgent,
            "agent_log" => Action::AgentLog { lines: self.number("lines", 1..=LOG_LINES_MAX) },
            "check_addresses" => Action::CheckAddresses { ports: self.ports(), timeout: self.check_timeout() },
            "wake_agents" => Action::WakeAgents,
            "change_group" => Action::ChangeGroup { group: self.text("group", NAME_CHARS_MAX)?.trim().to_owned(), act: self.group_act()? },
            "restart_server" => Action::RestartServer,
            "update_group" => Action::UpdateGroup { group: self.named("group")? },
            "delete_item" => Action::DeleteItem { kind: self.item_kind()?, item: self.named("item")? },
            "move_item" => Action::MoveItem { kind: self.item_kind()?, item: self.named("item")?, org: self.named("org")? },
            "run_query" => Action::RunQuery { query: self.text("query", SQL_BYTES_MAX)?.trim().to_owned() },
            "run_report" => Action::RunReport { report: self.named("report")? },
            "purge_report" => Action::PurgeReport {
                report: self.named("report")?,
                keep: self.number("keep", 0..=MOST_KEPT),
                older_than: self.span("older_than"),
            },
            "clean_files" => Action::CleanFiles { older_than: self.span("older_than"), what: self.leftovers() },
            "change_schedule" => {
                Action::ChangeSchedule { task: self.text("task", NAME_CHARS_MAX)?.trim().to_owned(), act: self.schedule_act()? }
            }
            "write_log" => Action::WriteLog { message: self.line("message", NOTES_CHARS_MAX)?, level: self.level() },
            "raise_message" => Action::RaiseMessage {
                title: self.line("title", NAME_CHARS_MAX)?,
                text: self.prose("text", NOTES_CHARS_MAX).unwrap_or_default(),
                level: self.level(),
            },
            "send_email" => Action::SendEmail {
                to: self.addresses(),
                subject: self.line("subject", NAME_CHARS_MAX)?,
                body: self.prose("body", NOTES_CHARS_MAX).unwrap_or_default(),
            },
            "call_web_service" => Action::CallWebService {
                url: self.url()?,
                method: self.method(),
                headers: self.headers(),
                body: self.web_body(),
                expect: self.expect(),
                timeout: self.timeout(),
            },
            _ => return None,
        })
    }

    fn place(&self, key: &str) -> String {
        format!("{}/{key}", self.at)
    }

    fn fault(&mut self, key: &str, what: impl Into<String>) {
        let place = self.place(key);
        self.reader.fault(&place, what);
    }

    fn text(&mut self, key: &str, chars_max: usize) -> Option<String> {
        let place = self.place(key);
        self.reader.text(&place, self.map.get(key), chars_max)
    }

    /// A text that may hold placeholders.
    fn prose(&mut self, key: &str, chars_max: usize) -> Option<String> {
        let text = self.text(key, chars_max)?;
        for what in placeholders::faults(&text) {
            self.fault(key, what);
        }
        Some(text)
    }

    /// The same on one line.
    fn line(&mut self, key: &str, chars_max: usize) -> Option<String> {
        let text = self.prose(key, chars_max)?;
        if text.chars().any(char::is_control) {
            self.fault(key, "this text is one line: it has no line breaks and no other control characters");
        }
        Some(text)
    }

    fn group_act(&mut self) -> Option<GroupAct> {
        let place = self.place("do");
        self.reader.word(&place, self.map.get("do"), GROUP_ACTS)
    }

    fn schedule_act(&mut self) -> Option<ScheduleAct> {
        let place = self.place("do");
        self.reader.word(&place, self.map.get("do"), SCHEDULE_ACTS)
    }

    /// The name or id of something.
    fn named(&mut self, key: &str) -> Option<String> {
        self.text(key, NAME_CHARS_MAX).map(|text| text.trim().to_owned())
    }

    fn item_kind(&mut self) -> Option<ItemKind> {
        let place = self.place("kind");
        self.reader.word(&place, self.map.get("kind"), ITEM_KINDS)
    }

    /// Words of what may go, each once.
    fn leftovers(&mut self) -> Vec<Leftover> {
        let (place, known) = (self.place("what"), Leftover::ALL.map(|it| (it.as_str(), it)));
        let mut what = Vec::new();
        for (i, word) in self.reader.texts(&place, self.map.get("what"), known.len()).iter().enumerate() {
            let at = format!("{place}/{i}");
            match self.reader.word_of(&at, "kind", word, &known) {
                Some(it) if what.contains(&it) => self.reader.fault(&at, format!("'{word}' is there twice")),
                found => what.extend(found),
            }
        }
        what
    }

    fn span(&mut self, key: &str) -> Option<Span> {
        let place = self.place(key);
        self.reader.span(&place, self.map.get(key))
    }

    fn level(&mut self) -> Level {
        let place = self.place("level");
        self.reader.word(&place, self.map.get("level"), LEVELS).unwrap_or_default()
    }

    fn method(&mut self) -> Method {
        let place = self.place("method");
        self.reader.word(&place, self.map.get("method"), METHODS).unwrap_or_default()
    }

    fn addresses(&mut self) -> Vec<String> {
        let place = self.place("to");
        let before = self.reader.faults.len();
        let list = self.reader.texts(&place, self.map.get("to"), MAIL_ADDRESSES_MAX);
        if list.is_empty() && self.reader.faults.len() == before {
            self.fault("to", "a mail needs an address");
        }
        for (i, address) in list.iter().enumerate().filter(|(_, address)| !is_mail_address(address)) {
            self.fault(&format!("to/{i}"), format!("'{address}' is no mail address such as ann@example.org"));
        }
        list
    }

    fn url(&mut self) -> Option<String> {
        let url = self.text("url", WEB_CALL_URL_CHARS_MAX)?;
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        if url.contains("{{") {
            self.fault("url", "an address holds no placeholders; put them in the body");
        } else if host.is_empty() || host.starts_with(':') || !url.chars().all(|c| c.is_ascii_graphic()) {
            self.fault("url", format!("'{url}' is no address; it begins with https:// or http://, then a host, and has no spaces"));
        } else if host.contains('@') {
            self.fault("url", "an address holds no user and password; put them in a header");
        }
        Some(url)
    }

    fn headers(&mut self) -> BTreeMap<String, String> {
        let mut headers = BTreeMap::new();
        let Some(value) = given(self.map.get("headers")) else { return headers };
        let Some(map) = value.as_object() else {
            self.fault("headers", format!("an object such as {{Accept: application/json}} is expected here, not {}", kind_of(value)));
            return headers;
        };
        if map.len() > WEB_CALL_LIST_MAX {
            self.fault("headers", format!("{} headers; at most {WEB_CALL_LIST_MAX} are taken", map.len()));
            return headers;
        }
        for (name, value) in map {
            let key = format!("headers/{}", name.replace('~', "~0").replace('/', "~1"));
            if !is_header_name(name) {
                self.fault(&key, format!("'{name}' is no name of a header; it has letters, digits and -"));
            } else if HEADERS_OF_THE_CALL.contains(&name.to_lowercase().as_str()) {
                self.fault(&key, format!("'{name}' is written by the call itself; remove it"));
            } else if let Some(text) = value.as_str().filter(|v| v.len() <= NOTES_CHARS_MAX && !v.chars().any(char::is_control)) {
                headers.insert(name.clone(), text.to_owned());
            } else {
                self.fault(&key, format!("a header's value is a text on one line of at most {NOTES_CHARS_MAX} bytes"));
            }
        }
        headers
    }

    fn web_body(&mut self) -> Option<String> {
        let body = self.prose("body", WEB_CALL_BODY_CHARS_MAX)?;
        if self.map.get("method").is_none_or(|m| m == "GET") {
            self.fault("body", "a call with GET has no body; set 'method' to POST, PUT or PATCH");
        }
        Some(body)
    }

    fn expect(&mut self) -> Vec<u16> {
        let Some(value) = given(self.map.get("expect")) else { return Vec::new() };
        let code = |v: &Value| v.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| (100..600).contains(n));
        let codes = value.as_array().filter(|l| !l.is_empty() && l.len() <= WEB_CALL_LIST_MAX);
        let codes = codes.and_then(|list| list.iter().map(code).collect::<Option<Vec<u16>>>());
        if codes.is_none() {
            self.fault("expect", format!("{value} is no list of status codes, such as [200, 204]; leave it out for 200 to 299"));
        }
        codes.unwrap_or_default()
    }

    fn timeout(&mut self) -> Option<Span> {
        let place = self.place("timeout");
        let span = self.reader.span(&place, self.map.get("timeout"))?;
        let longest = Span(Duration::from_secs(WEB_CALL_SECONDS_MAX));
        if span.0 < Duration::from_secs(1) || span > longest {
            self.fault("timeout", format!("timeout is {span}; a call may take from 1s to {longest}"));
        }
        Some(span)
    }
}

fn is_mail_address(text: &str) -> bool {
    let parts = text.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
    let taken = |c: char| !c.is_whitespace() && !c.is_control() && !['<', '>', ',', ';', '"', '(', ')', '{'].contains(&c);
    parts.is_some() && text.chars().count() <= 254 && text.chars().all(taken)
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
