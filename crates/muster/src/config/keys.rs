//! Every configuration key, once: what the file, the environment and `muster config --show` know.

use crate::config::value::Kind;

/// One key of the configuration.
pub(crate) struct Key {
    /// The name in the file; in the environment `MUSTER_` and the name in capitals; as a flag with `-` for `_`.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What holds when nothing is said, in words.
    pub default: &'static str,
    /// What it is for.
    pub help: &'static str,
}

const fn key(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Key {
    Key { name, kind, default, help }
}

/// Every key, in the order of `muster config --show`.
pub(crate) const KEYS: &[Key] = &[
    key("listen", Kind::Address, "127.0.0.1:8350", "address and port of all doors; port 0 picks a free one"),
    key("data", Kind::Path, "/var/lib/muster as root, else ~/.local/share/muster", "directory of the embedded database and the keys"),
    key("database", Kind::DatabaseUrl, "muster.db under data", "postgres://USER:PASSWORD@HOST/NAME instead of the embedded database"),
    key("keys", Kind::Path, "keys under data", "directory of the server's key and certificate authority; the same on all nodes"),
    key("tls", Kind::Switch, "false on loopback, else true", "encrypt also on loopback"),
    key("plain_http", Kind::Switch, "true on loopback, else false", "do not encrypt although the address is not loopback"),
    key("tls_cert", Kind::Path, "made by Muster's own authority", "certificate chain, PEM; with tls_key"),
    key("tls_key", Kind::Path, "made by Muster's own authority", "private key of tls_cert, PEM"),
    key("tls_names", Kind::Words, "this host's name and addresses", "more host names and addresses for the certificate that Muster makes"),
    key("log", Kind::Log, "info", "what is logged: error, warn, info, debug, trace, or per module as in muster_store=debug,info"),
    key("log_format", Kind::LogFormat, "text on a terminal, else json", "text or json"),
    key(
        "max_connections",
        Kind::Count,
        "20000, or what the system's limit of open files allows",
        "connections at once; more wait to be accepted",
    ),
    key(
        "header_timeout",
        Kind::Duration,
        "30s",
        "longest time until a request's header is complete, and longest rest of a kept connection",
    ),
    key(
        "max_connections_per_source",
        Kind::Count,
        "half of max_connections",
        "connections of one address (IPv6: one /64) at once; raise it behind a proxy or one large NAT",
    ),
    key("max_requests_per_source", Kind::Count, "256", "agents' requests of one address that are worked on at once; more wait in turn"),
    key("max_body", Kind::Size, "16MiB", "largest body of an agent as it comes"),
    key("max_inflated", Kind::Size, "8MiB", "largest body of an agent when unpacked"),
    key("max_in_flight", Kind::Size, "96MiB", "memory for all documents that are being read; each takes eight times its size and more"),
    key("body_timeout", Kind::Duration, "60s", "longest time for the body of an agent's request"),
    key("min_body_rate", Kind::Size, "1KiB", "slowest sender that is waited for, in a second, after the first ten"),
    key("queue_timeout", Kind::Duration, "10s", "longest wait of an agent's request for its turn before it is sent away"),
    key(
        "web_calls_to",
        Kind::Words,
        "none of the server's own",
        "networks of the server itself (loopback, link-local) that tasks may call web services in, such as 127.0.0.0/8",
    ),
    key("server_scripts", Kind::Switch, "true", "whether tasks may run scripts on the server, in a sandbox; they need bubblewrap"),
    key("smtp", Kind::SmtpUrl, "no mail is sent", "smtps://USER:PASSWORD@HOST, or smtp:// (see the manual), of the server that takes mail"),
    key("mail_from", Kind::Mailbox, "–", "sender of mail that tasks send, such as Muster <muster@example.org>; with smtp"),
    key("shutdown_timeout", Kind::Duration, "20s", "longest wait for requests under way when the server stops"),
];

/// Variables of the environment that belong to other commands and programs.
pub(crate) const OTHER_VARIABLES: &[&str] =
    &["MUSTER_CONFIG", "MUSTER_SERVER", "MUSTER_TOKEN", "MUSTER_ORG", "MUSTER_CA", "MUSTER_OUTPUT", "MUSTER_CTL_CONFIG"];
/// Variables that begin so are those of Muster's own agent.
pub(crate) const AGENT_PREFIX: &str = "MUSTER_AGENT_";

/// The variable of a key.
pub(crate) fn variable(key: &str) -> String {
    format!("MUSTER_{}", key.to_uppercase())
}
