//! Packages of OCS agents: where they are, what is fetched of them, what an agent tells of one (`docs/protocols/ocs-packages.md`).

use crate::gateway::Gateway;
use crate::glpi::host_of;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use muster_core::tasks::Outcome;
use muster_engine::contact::Hello;
use muster_engine::packages::{Offered, Packed, packed};
use muster_engine::work::{Report, Said};
use muster_engine::{Cx, Error, deploy};
use muster_wire::deploy::{Command, command};
use muster_wire::legacy::Node;
use muster_wire::legacy::answer::PackageAt;
use muster_wire::ocs_package::{BEGUN_BEFORE, Ended, archive, ended, info};

/// Where packages are, below the address of the server.
pub(crate) const PLACE: &str = "/ocsinventory/package/";
/// The longest word of an agent on a package that is kept, characters.
const WORD_CHARS_MAX: usize = 100;

/// The address without scheme under which packages are fetched; none where agents do not come by TLS: they would not fetch them.
pub(super) fn place(gateway: &Gateway, parts: &Parts) -> Option<String> {
    host_of(gateway, parts).filter(|(secure, _)| *secure).map(|(_, host)| format!("{host}{PLACE}"))
}

/// Packages as an agent is told of them.
pub(super) fn located(place: Option<&str>, offered: &[Offered]) -> Vec<PackageAt> {
    let place = place.unwrap_or_default();
    offered.iter().map(|it| PackageAt { number: it.number, location: format!("{place}{}", it.token) }).collect()
}

/// What is asked for: `TOKEN/NUMBER/info`, or the one piece, `TOKEN/NUMBER/NUMBER-1`.
fn asked(path: &str) -> Option<(&str, i64, bool)> {
    let mut parts = path.strip_prefix(PLACE)?.split('/');
    let (token, number, file) = (parts.next()?, parts.next()?, parts.next()?);
    let is_info = file == "info";
    let fits = parts.next().is_none() && (is_info || file.strip_suffix("-1") == Some(number));
    Some((token, number.parse().ok()?, is_info)).filter(|_| fits)
}

fn command_of(it: &Packed) -> Option<Command> {
    // Agents on Windows take other archives.
    if it.windows { None } else { command(&it.action, false, it.limit) }
}

/// Answers a GET of a package.
pub(crate) async fn fetched(gateway: &Gateway, parts: &Parts) -> Response {
    let plain = |status, content: Vec<u8>, kind: &str| {
        let mut response = Response::new(Body::from(content));
        *response.status_mut() = status;
        if let Ok(kind) = kind.parse() {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        response
    };
    let none = || plain(StatusCode::NOT_FOUND, b"there is no such package\n".to_vec(), "text/plain");
    let Some((token, number, is_info)) = asked(parts.uri.path()) else { return none() };
    let token = token.to_owned();
    let found = async {
        let cx = gateway.cx().await?;
        gateway.inner.engine.read(&cx, move |rx, cx| packed(rx, cx, number, Some(&token))).await
    };
    match found.await {
        // An agent asks for a piece again and again unless it gets one. With another digest it throws it away, and says so.
        Ok(Some(it)) if !it.open && !is_info => plain(StatusCode::OK, b"not any more\n".to_vec(), "application/octet-stream"),
        Ok(Some(it)) if !it.open => none(),
        Ok(Some(it)) => match command_of(&it).map(|command| archive(number, &command)) {
            Some(Ok(content)) if is_info => plain(StatusCode::OK, info(number, &content).into_bytes(), "application/xml"),
            Some(Ok(content)) => plain(StatusCode::OK, content, "application/octet-stream"),
            _ => none(),
        },
        Ok(None) => none(),
        Err(error) => {
            tracing::warn!(%error, number, "a package was not read");
            plain(StatusCode::SERVICE_UNAVAILABLE, b"come again later\n".to_vec(), "text/plain")
        }
    }
}

/// Fails what was handed out and cannot be packed for this machine; gives what remains.
pub(super) async fn packable(gateway: &Gateway, cx: &Cx, hello: &Hello, offered: Vec<Offered>) -> Result<Vec<Offered>, Error> {
    let mut good = Vec::with_capacity(offered.len());
    for it in offered {
        let number = it.number;
        let Some(work) = gateway.inner.engine.read(cx, move |rx, cx| packed(rx, cx, number, None)).await? else { continue };
        if command_of(&work).is_some() {
            good.push(it);
        } else {
            let message = Some("there are no packages for OCS agents on this system".to_owned());
            tell(gateway, cx, hello, Report { message, ..report(&work, Outcome::Error) }).await?;
        }
    }
    Ok(good)
}

fn report(work: &Packed, outcome: Outcome) -> Report {
    Report::new(work.assignment, work.attempt, 0, Said::Ended(outcome))
}

async fn tell(gateway: &Gateway, cx: &Cx, hello: &Hello, report: Report) -> Result<bool, Error> {
    let hello = hello.clone();
    gateway.inner.engine.write("package.told", cx, move |tx, cx| deploy::told(tx, cx, &hello, &report)).await
}

/// Takes an agent's word on a package. What does not count is answered alike.
pub(super) async fn told(gateway: &Gateway, cx: &Cx, hello: &Hello, message: Option<&Node>) -> Result<(), Error> {
    let field = |name: &str| message.and_then(|root| root.field(name)).unwrap_or_default().trim().to_owned();
    let (code, number) = (field("err"), field("id").parse::<i64>().unwrap_or_default());
    let Some(work) = gateway.inner.engine.read(cx, move |rx, cx| packed(rx, cx, number, None)).await? else { return Ok(()) };
    let expect = command_of(&work).map_or(Vec::new(), |command| command.expect);
    let (exit_code, outcome) = match ended(&code) {
        Ended::Code(it) if expect.iter().any(|good| i64::from(*good) == it) => (Some(it), Outcome::Ok),
        Ended::Code(it) => (Some(it), Outcome::Error),
        // It ran, and nobody will know how it ended: so its lease ends it.
        Ended::Before => return Ok(()),
        Ended::NotBegun => (None, Outcome::Declined),
        Ended::Failed => (None, Outcome::Error),
    };
    let message = match exit_code {
        Some(BEGUN_BEFORE) => Some("it had begun before and was interrupted, or ended with that code".to_owned()),
        Some(_) => None,
        None => Some(code.chars().take(WORD_CHARS_MAX).collect()),
    };
    let counts = tell(gateway, cx, hello, Report { exit_code, message, ..report(&work, outcome) }).await?;
    if !counts {
        tracing::info!(number, code, device_id = hello.foreign_id, "what an agent told of a package changes nothing");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_asked_for_by_its_token_number_and_file() {
        assert_eq!(asked("/ocsinventory/package/ab12/1700000001/info"), Some(("ab12", 1_700_000_001, true)));
        assert_eq!(asked("/ocsinventory/package/ab12/1700000001/1700000001-1"), Some(("ab12", 1_700_000_001, false)));
        for path in ["/ocsinventory/package/ab12/x/info", "/ocsinventory/package/ab12/17/18-1", "/ocsinventory/package/a/17/info/x", "/x"] {
            assert_eq!(asked(path), None, "{path}");
        }
    }
}
