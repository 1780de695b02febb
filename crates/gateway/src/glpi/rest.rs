//! Calls without a body of FusionInventory and GLPI agents: what to do for single tasks (`?action=`), and what became of a
//! request (`docs/protocols/glpi-native.md`, "REST").

use super::{deploy, poll};
use crate::auth;
use crate::doors::{Door, door};
use crate::gateway::{Gateway, json_answer};
use crate::legacy::{Speaker, not_let_in};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use muster_core::limits::{CAPACITIES_MAX, DEVICEID_BYTES_MAX};
use muster_engine::{Error, glpi};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Answers such a call.
pub(crate) async fn answer(gateway: &Gateway, parts: &Parts, peer: Option<IpAddr>) -> Response {
    let mut speaker = Speaker::of(parts, peer);
    match auth::check(gateway, &parts.headers, peer).await {
        Ok(pass) => speaker.pass = pass,
        Err(no_pass) => return not_let_in(gateway, &speaker, &no_pass),
    }
    let asked = Asked::of(parts.uri.query().unwrap_or_default());
    match door(&parts.method, &parts.uri, &parts.headers) {
        Some(Door::Poll) => poll(gateway, &speaker),
        Some(Door::Config) => {
            if let Err(error) = note(gateway, &asked).await {
                tracing::info!(%error, "what an agent told by asking was not noted");
            }
            deploy::config(gateway, &speaker, parts, &asked).await
        }
        _ => match asked.values.get("action").map(String::as_str) {
            Some("getJobs") => deploy::next(gateway, &speaker, &asked).await,
            Some("setStatus") => deploy::status(gateway, &speaker, &asked).await,
            _ => json_answer(StatusCode::OK, "{}".to_owned()),
        },
    }
}

/// What an agent tells by asking what to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub machine_id: String,
    /// Tasks with the version of the part that does them.
    pub tasks: Vec<(String, String)>,
    /// Everything else, by name.
    pub values: BTreeMap<String, String>,
}

impl Asked {
    fn of(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let (name, value) = (percent_decoded(name), percent_decoded(value));
            match name.strip_prefix("task[").and_then(|rest| rest.strip_suffix(']')) {
                Some(task) if asked.tasks.len() < CAPACITIES_MAX => asked.tasks.push((task.to_owned(), value)),
                None if name == "machineid" => asked.machine_id = Some(value).filter(|v| v.len() <= DEVICEID_BYTES_MAX).unwrap_or_default(),
                None if asked.values.len() < CAPACITIES_MAX => drop(asked.values.insert(name, value)),
                _ => {}
            }
        }
        asked
    }
}

/// Undoes percent-encoding; what is none stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let pair = more.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match pair.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &more[2..]).0,
            None => (bytes.push(if *first == b'+' { b' ' } else { *first }), rest = more).0,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn note(gateway: &Gateway, asked: &Asked) -> Result<(), Error> {
    if asked.machine_id.is_empty() || asked.tasks.is_empty() {
        return Ok(());
    }
    let engine = &gateway.inner.engine;
    let cx = gateway.cx().await?;
    let (machine_id, tasks) = (asked.machine_id.clone(), asked.tasks.clone());
    let (id, told) = (machine_id.clone(), tasks.clone());
    if engine.read(&cx, move |rx, cx| glpi::config_news(rx, cx, &id, &told)).await?.is_some() {
        engine.try_write("glpi.config", &cx, move |tx, cx| glpi::config_asked(tx, cx, &machine_id, &tasks)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_whatever_its_order_and_encoding() {
        let asked = |query: &str| Asked::of(query);
        let task = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let values = [("action".to_owned(), "getConfig".to_owned())].into();
        let one = Asked { machine_id: "lab-1".to_owned(), tasks: vec![task("Deploy", "2.8")], values };
        assert_eq!(asked("action=getConfig&machineid=lab-1&task%5BDeploy%5D=2.8"), one);
        assert_eq!(asked("task[Deploy]=2.8&machineid=lab%2D1&action=getConfig"), one);
        assert_eq!(asked("task%5BA%5D=1&task%5BB%5D=&x").tasks, [task("A", "1"), task("B", "")]);
        assert_eq!(asked("task%5BA=1&task=2&machineid").tasks, []);
        assert_eq!(asked(&format!("machineid={}", "x".repeat(DEVICEID_BYTES_MAX + 1))), Asked::default());
        assert_eq!(asked("uuid=u-1&msg=a%3A%20b&action=setStatus").values["msg"], "a: b");
        let many: Vec<String> = (0..=CAPACITIES_MAX).map(|i| format!("task[t{i}]=1")).collect();
        assert_eq!(asked(&many.join("&")).tasks.len(), CAPACITIES_MAX);
    }

    #[test]
    fn percent_signs_that_encode_nothing_stay() {
        for (text, expected) in
            [("a%20b+c", "a b c"), ("%C3%A9", "é"), ("100%", "100%"), ("%zz", "%zz"), ("%+1", "% 1"), ("%FF", "\u{fffd}")]
        {
            assert_eq!(percent_decoded(text), expected, "{text}");
        }
    }
}
