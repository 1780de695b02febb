//! Logs on standard error: text for people at a terminal, JSON for collectors.

use std::io::{IsTerminal, stderr};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins to log: `filter` was checked with the configuration; `json` decides the form, the terminal does when it is `None`.
pub fn start(filter: &str, json: Option<bool>) {
    let targets: Targets = filter.parse().unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    let terminal = stderr().is_terminal();
    let layer = match json.unwrap_or(!terminal) {
        true => tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(stderr).boxed(),
        false => tracing_subscriber::fmt::layer().with_ansi(terminal).with_writer(stderr).boxed(),
    };
    // An error says that a log has begun already.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}
