//! The configuration: flags beat the environment beats the file. An unknown key is an error; all problems are told at once.

mod keys;
mod limits;
#[cfg(test)]
mod tests;
mod value;

use keys::{AGENT_PREFIX, KEYS, Key, OTHER_VARIABLES, variable};
use muster_core::nearest::nearest;
use muster_core::settings::Network;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use limits::DoorLimits;
pub(crate) use value::without_password;
use value::{Value, from_text, from_toml, shown};

/// Where the port is unless said otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8350";
const CONNECTIONS: usize = 20_000;

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "the configuration has a problem: {one}"),
            many => write!(f, "the configuration has {} problems:\n  {}", many.len(), many.join("\n  ")),
        }
    }
}

impl std::error::Error for Problems {}

/// What was said on the command line: key, text.
pub type Flags = Vec<(&'static str, String)>;

/// How the server's connections are protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    Plain,
    /// By a certificate of Muster's own authority, valid for these names and addresses too.
    Own(Vec<String>),
    /// By a given certificate chain and its key (PEM files).
    Given {
        /// The chain.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
}

/// Where mail goes, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The server's address, as [`crate::mail::server`] takes it.
    pub smtp: String,
    /// The sender.
    pub from: String,
}

/// The effective configuration of the server and of the commands that work on its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the doors listen.
    pub listen: SocketAddr,
    /// The data directory.
    pub data: PathBuf,
    /// PostgreSQL's address; `None` is the embedded database.
    pub database: Option<String>,
    /// The directory of the keys.
    pub keys: PathBuf,
    /// Plain HTTP or TLS.
    pub protection: Protection,
    /// The log filter.
    pub log: String,
    /// Whether the log is JSON; `None` decides by the terminal.
    pub log_json: Option<bool>,
    /// Connections at once.
    pub max_connections: usize,
    /// What agents and strangers may cost.
    pub doors: DoorLimits,
    /// Until a request's header must be complete.
    pub header_timeout: Duration,
    /// How long a stop waits for requests under way.
    pub shutdown_timeout: Duration,
    /// The server that takes mail, and the sender; none is sent without.
    pub mail: Option<Mail>,
    /// Networks of the server itself that tasks may call web services in.
    pub web_calls_to: Vec<Network>,
    /// Whether the server runs scripts of tasks itself, in a sandbox.
    pub server_scripts: bool,
}

impl Config {
    /// The configuration of this process: its environment, `file` when there is one, and flags.
    pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Config, Problems> {
        let environment = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let file = file.map(Path::to_owned).or_else(|| std::env::var_os("MUSTER_CONFIG").map(PathBuf::from));
        let text = match &file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| Problems(vec![format!("{}: the file cannot be read: {e}", path.display())]))?;
                Some((path.display().to_string(), text))
            }
            None => None,
        };
        Config::resolve(text.as_ref().map(|(name, text)| (name.as_str(), text.as_str())), environment, flags)
    }

    /// The configuration from a file's name and text, variables and flags.
    pub fn resolve(
        file: Option<(&str, &str)>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Flags,
    ) -> Result<Config, Problems> {
        let mut said = Said::default();
        if let Some((name, text)) = file {
            said.read_file(name, text);
        }
        said.read_environment(environment);
        said.read_flags(flags);
        said.into_config()
    }

    /// The file of the embedded database.
    pub fn database_file(&self) -> PathBuf {
        self.data.join("muster.db")
    }

    /// The effective configuration as the file that would give it; passwords are `***`.
    pub fn show(&self) -> String {
        let (tls, cert, key, names) = match &self.protection {
            Protection::Plain => (false, None, None, None),
            Protection::Own(names) => (true, None, None, Some(names.clone())),
            Protection::Given { cert, key } => (true, Some(cert), Some(key), None),
        };
        let format = self.log_json.map(|json| if json { "json" } else { "text" }.to_owned());
        let mut lines = Vec::new();
        for key_of in KEYS {
            let held = match key_of.name {
                "listen" => Some(Value::Address(self.listen)),
                "data" => Some(Value::Path(self.data.clone())),
                "database" => self.database.clone().map(Value::Text),
                "keys" => Some(Value::Path(self.keys.clone())),
                "tls" => Some(Value::Switch(tls)),
                "plain_http" => Some(Value::Switch(!tls)),
                "tls_cert" => cert.cloned().map(Value::Path),
                "tls_key" => key.cloned().map(Value::Path),
                "tls_names" => names.clone().map(Value::Words),
                "log" => Some(Value::Text(self.log.clone())),
                "log_format" => format.clone().map(Value::Text),
                "max_connections" => Some(Value::Count(self.max_connections)),
                "header_timeout" => Some(Value::Duration(self.header_timeout)),
                "smtp" => self.mail.as_ref().map(|m| Value::Text(m.smtp.clone())),
                "mail_from" => self.mail.as_ref().map(|m| Value::Text(m.from.clone())),
                "server_scripts" => Some(Value::Switch(self.server_scripts)),
                "web_calls_to" => Some(Value::Words(self.web_calls_to.iter().map(Network::to_string).collect())),
                "shutdown_timeout" => Some(Value::Duration(self.shutdown_timeout)),
                name => self.doors.shown(name),
            };
            lines.push(format!("# {}", key_of.help));
            lines.push(match held {
                Some(value) => format!("{} = {}", key_of.name, shown(key_of.kind, &value)),
                None => format!("# {} is not set: {}", key_of.name, key_of.default),
            });
        }
        lines.join("\n") + "\n"
    }
}

/// What was said, the strongest last; and what was wrong with it.
#[derive(Default)]
struct Said {
    values: BTreeMap<&'static str, (Value, String)>,
    problems: Vec<String>,
}

impl Said {
    fn put(&mut self, key: &Key, place: String, read: Result<Value, String>) {
        match read {
            Ok(value) => drop(self.values.insert(key.name, (value, place))),
            Err(wrong) => self.problems.push(format!("{place}: {wrong}")),
        }
    }

    fn read_file(&mut self, name: &str, text: &str) {
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(e) => {
                let at = e.span().map_or(1, |s| 1 + text[..s.start.min(text.len())].matches('\n').count());
                self.problems.push(format!("{name}, line {at}: {}", e.message()));
                return;
            }
        };
        for (word, held) in &table {
            let place = format!("{name}, key '{word}'");
            match KEYS.iter().find(|k| k.name == word) {
                Some(key) => self.put(key, place, from_toml(key.kind, held)),
                None => {
                    let hint = nearest(word, KEYS.iter().map(|k| k.name)).map_or(String::new(), |n| format!("; did you mean '{n}'?"));
                    self.problems.push(format!("{place}: there is no such key{hint}"));
                }
            }
        }
    }

    fn read_environment(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        let mut set: Vec<(String, String)> = environment.into_iter().filter(|(name, _)| name.starts_with("MUSTER_")).collect();
        set.sort();
        for (name, text) in set {
            if name.starts_with(AGENT_PREFIX) || OTHER_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            let place = format!("variable {name}");
            match KEYS.iter().find(|k| variable(k.name) == name) {
                Some(key) => self.put(key, place, from_text(key.kind, &text)),
                None => {
                    let word = name["MUSTER_".len()..].to_lowercase();
                    let known = KEYS.iter().map(|k| k.name.to_owned());
                    let known: Vec<String> = known.chain(OTHER_VARIABLES.iter().map(|v| v["MUSTER_".len()..].to_lowercase())).collect();
                    let hint = nearest(&word, known.iter().map(String::as_str))
                        .map_or(String::new(), |n| format!("; did you mean {}?", variable(n)));
                    self.problems.push(format!("{place}: there is no such variable{hint}"));
                }
            }
        }
    }

    fn read_flags(&mut self, flags: &Flags) {
        for (name, text) in flags {
            if let Some(key) = KEYS.iter().find(|k| k.name == *name) {
                self.put(key, format!("flag --{}", name.replace('_', "-")), from_text(key.kind, text));
            }
        }
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        match self.values.get(key) {
            Some((Value::Path(path), _)) => Some(path.clone()),
            _ => None,
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.values.get(key) {
            Some((Value::Text(text), _)) => Some(text.clone()),
            _ => None,
        }
    }

    fn switch(&self, key: &str) -> bool {
        matches!(self.values.get(key), Some((Value::Switch(true), _)))
    }

    fn number(&self, key: &str, otherwise: usize) -> usize {
        match self.values.get(key) {
            Some((Value::Count(n) | Value::Size(n), _)) => *n,
            _ => otherwise,
        }
    }

    /// Notes what is wrong with a key, at the place where it was said, if it was.
    fn problem(&mut self, key: &str, what: &str) {
        let place = self.values.get(key).map_or_else(|| key.to_owned(), |(_, place)| place.clone());
        self.problems.push(format!("{place}: {what}"));
    }

    fn duration(&self, key: &str, otherwise: u64) -> Duration {
        match self.values.get(key) {
            Some((Value::Duration(duration), _)) => *duration,
            _ => Duration::from_secs(otherwise),
        }
    }

    fn protection(&mut self, listen: SocketAddr) -> Protection {
        let place = |said: &Said, key: &str| said.values.get(key).map_or_else(|| key.to_owned(), |(_, place)| place.clone());
        let (tls, plain) = (self.switch("tls"), self.switch("plain_http"));
        let given = (self.path("tls_cert"), self.path("tls_key"));
        if plain && (tls || given.0.is_some()) {
            let other = if tls { place(self, "tls") } else { place(self, "tls_cert") };
            self.problems.push(format!("{}: plain HTTP and TLS exclude each other; {other} asks for TLS", place(self, "plain_http")));
        }
        let refused = matches!(self.values.get("tls"), Some((Value::Switch(false), _)));
        if refused && !plain && !listen.ip().is_loopback() {
            let what = format!("{listen} is not loopback and is served with TLS; for plain HTTP set plain_http = true");
            self.problems.push(format!("{}: {what}", place(self, "tls")));
        }
        match given {
            (Some(cert), Some(key)) => Protection::Given { cert, key },
            (None, None) if plain || (listen.ip().is_loopback() && !tls) => Protection::Plain,
            (None, None) => match self.values.get("tls_names") {
                Some((Value::Words(names), _)) => Protection::Own(names.clone()),
                _ => Protection::Own(Vec::new()),
            },
            (cert, _) => {
                let (has, lacks) = if cert.is_some() { ("tls_cert", "tls_key") } else { ("tls_key", "tls_cert") };
                self.problems.push(format!("{}: {lacks} is missing; a certificate and its key belong together", place(self, has)));
                Protection::Plain
            }
        }
    }

    fn mail(&mut self) -> Option<Mail> {
        match (self.text("smtp"), self.text("mail_from")) {
            (Some(smtp), Some(from)) => Some(Mail { smtp, from }),
            (None, None) => None,
            (smtp, _) => {
                let (has, lacks) = if smtp.is_some() { ("smtp", "mail_from") } else { ("mail_from", "smtp") };
                self.problem(has, &format!("{lacks} is missing; a mail server and a sender belong together"));
                None
            }
        }
    }

    fn networks(&mut self, key: &'static str) -> Vec<Network> {
        let Some((Value::Words(words), place)) = self.values.get(key).cloned() else { return Vec::new() };
        let read = |word: &String| {
            Network::parse(word).ok_or_else(|| format!("{place}: '{word}' is no network; write 127.0.0.0/8 or one address"))
        };
        let (good, bad): (Vec<_>, Vec<_>) = words.iter().map(read).partition(Result::is_ok);
        self.problems.extend(bad.into_iter().filter_map(Result::err));
        good.into_iter().flatten().collect()
    }

    fn into_config(mut self) -> Result<Config, Problems> {
        let listen = match self.values.get("listen") {
            Some((Value::Address(address), _)) => *address,
            _ => DEFAULT_LISTEN.parse().expect("the default is an address"),
        };
        let data = self.path("data").unwrap_or_else(default_data);
        let protection = self.protection(listen);
        let max_connections = self.number("max_connections", CONNECTIONS);
        let doors = DoorLimits::of(&mut self, max_connections);
        let config = Config {
            listen,
            keys: self.path("keys").unwrap_or_else(|| data.join("keys")),
            data,
            database: self.text("database"),
            protection,
            log: self.text("log").unwrap_or_else(|| "info".to_owned()),
            log_json: self.text("log_format").map(|f| f == "json"),
            max_connections,
            doors,
            header_timeout: self.duration("header_timeout", 30),
            shutdown_timeout: self.duration("shutdown_timeout", 20),
            mail: self.mail(),
            web_calls_to: self.networks("web_calls_to"),
            server_scripts: !matches!(self.values.get("server_scripts"), Some((Value::Switch(false), _))),
        };
        if self.problems.is_empty() { Ok(config) } else { Err(Problems(self.problems)) }
    }
}

/// Where data is kept unless said otherwise: the system's place for root, the user's own for others.
fn default_data() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/muster");
    }
    let own = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    own.or_else(home).map_or_else(|| PathBuf::from("muster-data"), |share| share.join("muster"))
}
