//! Parameters of what agents do on their machines.

use super::super::{Power, Script, ServiceAct, Shell};
use super::{Action, Parameters, given, kind_of};
use crate::limits::*;
use crate::settings::Span;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const SHELLS: &[(&str, Shell)] = &[("sh", Shell::Sh), ("bash", Shell::Bash), ("python", Shell::Python), ("powershell", Shell::Powershell)];
const POWERS: &[(&str, Power)] = &[
    ("shutdown", Power::Shutdown),
    ("restart", Power::Restart),
    ("suspend", Power::Suspend),
    ("log_off", Power::LogOff),
    ("abort", Power::Abort),
];
const SERVICE_ACTS: &[(&str, ServiceAct)] = &[
    ("start", ServiceAct::Start),
    ("stop", ServiceAct::Stop),
    ("restart", ServiceAct::Restart),
    ("reload", ServiceAct::Reload),
    ("enable", ServiceAct::Enable),
    ("disable", ServiceAct::Disable),
    ("status", ServiceAct::Status),
];

impl Parameters<'_, '_> {
    pub(super) fn script(&mut self) -> Option<Script> {
        let text = self.text("script", SCRIPT_BYTES_MAX)?;
        if text.contains('\0') {
            self.fault("script", "a script holds no NUL characters");
        }
        Some(Script {
            script: text,
            shell: self.choice("shell", SHELLS).unwrap_or_default(),
            arguments: self.arguments(),
            environment: self.environment(),
            directory: self.absolute("directory"),
            user: self.user(),
            expect: self.exit_codes(),
            memory_mib: self.number("memory_mib", 1..=SCRIPT_MEMORY_MIB_MAX),
            cpu_percent: self.number("cpu_percent", 1..=SCRIPT_CPU_PERCENT_MAX),
        })
    }

    pub(super) fn ports(&mut self) -> Vec<u16> {
        let list = match self.map.get("ports") {
            Some(Value::Array(list)) if (1..=PORTS_MAX).contains(&list.len()) => list,
            Some(other) => {
                let what = other.as_array().map_or_else(|| kind_of(other).to_owned(), |list| format!("{} of them", list.len()));
                self.fault("ports", format!("a list of 1 to {PORTS_MAX} ports such as [22, 443] is expected here, not {what}"));
                return Vec::new();
            }
            None => return Vec::new(),
        };
        let mut ports = Vec::with_capacity(list.len());
        for (i, value) in list.iter().enumerate() {
            match value.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0) {
                Some(port) if ports.contains(&port) => self.fault(&format!("ports/{i}"), format!("{port} is there twice")),
                Some(port) => ports.push(port),
                None => self.fault(&format!("ports/{i}"), format!("{value} is no port; it is a whole number from 1 to 65535")),
            }
        }
        ports
    }

    pub(super) fn check_timeout(&mut self) -> Option<Span> {
        let timeout = self.span("timeout")?;
        if timeout.0 < Duration::from_millis(100) || timeout.0 > Duration::from_secs(10) {
            self.fault("timeout", format!("timeout is {timeout}; it is from 100ms to 10s"));
        }
        Some(timeout)
    }

    pub(super) fn power_control(&mut self) -> Option<Action> {
        let act = self.choice("do", POWERS)?;
        let place = self.place("warning");
        let warning = self.reader.span(&place, self.map.get("warning")).filter(|span| !span.0.is_zero());
        if let Some(span) = warning.filter(|span| span.0.subsec_nanos() != 0 || !span.0.as_secs().is_multiple_of(60) || *span > WARNING_MAX)
        {
            self.fault("warning", format!("warning is {span}; it is whole minutes, such as 5m, at most {WARNING_MAX}"));
        }
        if warning.is_some() && !matches!(act, Power::Shutdown | Power::Restart) {
            self.fault("warning", "only a shutdown or a restart is announced; remove 'warning'");
        }
        let message = self.plain_line("message", NAME_CHARS_MAX).unwrap_or_default();
        Some(Action::PowerControl { act, warning, message })
    }

    pub(super) fn control_service(&mut self) -> Option<Action> {
        let service = self.plain_line("service", NAME_CHARS_MAX)?;
        // As systemd names units; nothing that a program could take for an option or a path.
        let taken = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-', '@', ':', '\\'].contains(&c);
        if service.starts_with(['-', '.']) || !service.chars().all(taken) {
            self.fault("service", format!("'{service}' is no name of a service, such as cron or getty@tty1"));
        }
        Some(Action::ControlService { service, act: self.choice("do", SERVICE_ACTS)? })
    }

    pub(super) fn volumes(&mut self) -> Vec<String> {
        let place = self.place("volumes");
        let list = self.reader.texts(&place, self.map.get("volumes"), VOLUMES_MAX);
        for (i, path) in list.iter().enumerate().filter(|(_, path)| !is_absolute(path)) {
            self.fault(&format!("volumes/{i}"), format!("'{path}' is no place where a file system is mounted, such as / or /home"));
        }
        list
    }

    pub(super) fn configure_agent(&mut self) -> Option<Action> {
        let (tag, name) = (self.plain_line("tag", NAME_CHARS_MAX), self.plain_line("name", NAME_CHARS_MAX));
        if given(self.map.get("tag")).is_none() && given(self.map.get("name")).is_none() {
            self.fault("tag", "nothing would change; give a tag, a name, or both");
        }
        Some(Action::ConfigureAgent { tag, name })
    }

    fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let place = self.place(key);
        self.reader.word(&place, self.map.get(key), words)
    }

    /// A text on one line that is taken as it is.
    fn plain_line(&mut self, key: &str, chars_max: usize) -> Option<String> {
        let text = self.text(key, chars_max)?;
        if text.chars().any(char::is_control) {
            self.fault(key, "this text is one line: it has no line breaks and no other control characters");
        }
        Some(text)
    }

    fn arguments(&mut self) -> Vec<String> {
        let place = self.place("arguments");
        let list = self.reader.texts_of(&place, self.map.get("arguments"), SCRIPT_LIST_MAX, SCRIPT_VALUE_BYTES_MAX);
        for (i, _) in list.iter().enumerate().filter(|(_, text)| text.len() > SCRIPT_VALUE_BYTES_MAX || text.contains('\0')) {
            self.fault(&format!("arguments/{i}"), format!("an argument is a text of at most {SCRIPT_VALUE_BYTES_MAX} bytes without NUL"));
        }
        list
    }

    fn environment(&mut self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let Some(value) = given(self.map.get("environment")) else { return all };
        let Some(map) = value.as_object().filter(|map| map.len() <= SCRIPT_LIST_MAX) else {
            let found = value.as_object().map_or(kind_of(value).to_owned(), |map| format!("{} of them", map.len()));
            self.fault("environment", format!("at most {SCRIPT_LIST_MAX} variables such as {{LANG: C}} are expected here, not {found}"));
            return all;
        };
        for (name, value) in map {
            let key = format!("environment/{}", name.replace('~', "~0").replace('/', "~1"));
            let is_name = !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if name.is_empty() || name.len() > NAME_CHARS_MAX || !is_name {
                self.fault(&key, format!("'{name}' is no name of a variable; it has letters, digits and _"));
            } else if let Some(text) = value.as_str().filter(|v| v.len() <= SCRIPT_VALUE_BYTES_MAX && !v.contains('\0')) {
                all.insert(name.clone(), text.to_owned());
            } else {
                self.fault(&key, format!("a variable's value is a text of at most {SCRIPT_VALUE_BYTES_MAX} bytes without NUL"));
            }
        }
        all
    }

    fn absolute(&mut self, key: &str) -> Option<String> {
        let path = self.plain_line(key, SCRIPT_VALUE_BYTES_MAX)?;
        if !is_absolute(&path) {
            self.fault(key, format!("'{path}' is no whole path; it begins with /"));
        }
        Some(path)
    }

    fn user(&mut self) -> Option<String> {
        let user = self.plain_line("user", NAME_CHARS_MAX)?;
        let taken = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-', '@', '$', '\\'].contains(&c);
        if user.starts_with('-') || !user.chars().all(taken) {
            self.fault("user", format!("'{user}' is no name of a user"));
        }
        Some(user)
    }

    fn exit_codes(&mut self) -> Vec<i32> {
        let Some(value) = given(self.map.get("expect")) else { return Vec::new() };
        let code = |v: &Value| v.as_i64().and_then(|n| i32::try_from(n).ok()).filter(|n| (0..256).contains(n));
        let codes = value.as_array().filter(|l| !l.is_empty() && l.len() <= SCRIPT_LIST_MAX);
        let codes = codes.and_then(|list| list.iter().map(code).collect::<Option<Vec<i32>>>());
        if codes.is_none() {
            self.fault("expect", format!("{value} is no list of exit codes from 0 to 255, such as [0, 3]; leave it out for 0"));
        }
        codes.unwrap_or_default()
    }

    pub(super) fn number(&mut self, key: &str, bounds: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let place = self.place(key);
        self.reader.number(&place, self.map.get(key), bounds)
    }
}

/// The longest warning before a shutdown: a day.
const WARNING_MAX: Span = Span(Duration::from_secs(86_400));

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && !path.chars().any(char::is_control)
}
