//! Who speaks, and which form of answer it understands.
//!
//! The rule, first match counts: the User-Agent names the program; else the document does (VERSIONCLIENT, or an operating
//! system told in HARDWARE only, as OCS does); else a path below `/ocsinventory` is OCS; else the header `GLPI-Agent-ID` is a
//! GLPI agent; else a TOKEN is FusionInventory (OCS agents send none); else the QUERY is one that only one of them has; else a
//! DEVICEID of the dated form is OCS and any other FusionInventory.

use super::reply::Form;
use crate::auth::Pass;
use crate::doors::is_ocs_path;
use crate::gateway::address;
use axum::http::header;
use axum::http::request::Parts;
use muster_core::fleet::{Protocol, is_dated_deviceid};
use muster_core::ids::AgentId;
use muster_core::limits::PROXIES_MAX;
use muster_wire::glpi::{AGENT_ID_HEADER, PROXY_ID_HEADER, REQUEST_ID_HEADER};
use muster_wire::legacy::{Dialect, Message as Request, Query, UserAgent};
use std::net::IpAddr;

/// What a request's head tells of its sender.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    /// What the User-Agent tells.
    pub agent: UserAgent,
    /// Where it comes from.
    pub peer: Option<IpAddr>,
    /// A GLPI agent's UUID, lower case.
    pub glpi_id: Option<String>,
    /// The id of its request, 8 upper-case hexadecimal digits.
    pub request_id: Option<String>,
    /// UUIDs of the proxy agents that passed the request on; the peer is then the last of them and not the agent.
    pub proxies: Vec<String>,
    /// The credential it came with.
    pub pass: Option<Pass>,
    /// Where an OCS agent fetches packages, `host[:port]/path`; none where it does not come by TLS.
    pub packages_at: Option<String>,
    ocs_path: bool,
    says_json: bool,
}

impl Speaker {
    pub(crate) fn of(parts: &Parts, peer: Option<IpAddr>) -> Self {
        let told = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
        // Of the same form as our own ids: a UUID.
        let uuid = |id: &str| id.trim().parse::<AgentId>().ok().map(|id| id.to_string());
        let proxies = told(PROXY_ID_HEADER).unwrap_or_default();
        Self {
            agent: Dialect::from_user_agent(told(header::USER_AGENT.as_str()).unwrap_or_default()),
            peer,
            glpi_id: told(AGENT_ID_HEADER).and_then(uuid),
            request_id: told(REQUEST_ID_HEADER).and_then(request_id),
            proxies: proxies.split(',').filter_map(uuid).take(PROXIES_MAX).collect(),
            pass: None,
            packages_at: None,
            ocs_path: is_ocs_path(parts.uri.path()),
            says_json: told(header::CONTENT_TYPE.as_str()).is_some_and(|t| t.starts_with("application/json")),
        }
    }

    /// The agent's own address, where it is known.
    pub(crate) fn address(&self) -> Option<String> {
        address(self.peer).filter(|_| self.proxies.is_empty())
    }

    /// The form of answers as long as the document is not known.
    pub(super) fn form(&self) -> Form {
        let is_ocs = self.agent.dialect.is_ocs() || (self.agent.dialect == Dialect::Unknown && self.ocs_path);
        match self.glpi_id.is_some() || self.says_json {
            _ if is_ocs => Form::Ocs,
            true => Form::Json,
            false => Form::Xml,
        }
    }

    /// Whether it showed a credential that verifies.
    pub(crate) fn is_vouched(&self) -> bool {
        self.pass.as_ref().is_some_and(|pass| pass.verified)
    }

    /// The protocol of a message, by the rule above.
    pub(super) fn protocol(&self, request: &Request) -> Protocol {
        match request.dialect {
            Dialect::FusionInventory => Protocol::Fusioninventory,
            Dialect::GlpiLegacy => Protocol::Glpi,
            dialect if dialect.is_ocs() || self.ocs_path => Protocol::Ocs,
            _ if self.glpi_id.is_some() => Protocol::Glpi,
            _ if request.token.is_some() => Protocol::Fusioninventory,
            _ => match request.query {
                Query::Download | Query::Notify | Query::Snmp | Query::Update => Protocol::Ocs,
                Query::NetDiscovery | Query::SnmpQuery => Protocol::Fusioninventory,
                _ if request.device_id.as_deref().is_some_and(is_dated_deviceid) => Protocol::Ocs,
                _ => Protocol::Fusioninventory,
            },
        }
    }

    /// The agent's version: as its User-Agent says, else as the document does.
    pub(super) fn version(&self, request: &Request) -> Option<String> {
        let told = || request.agent_version.as_deref().map(|v| Dialect::from_user_agent(v).version.unwrap_or_else(|| v.to_owned()));
        self.agent.version.clone().or_else(told).map(|v| v.chars().take(100).collect())
    }
}

/// A request's id in the one form that agents use.
fn request_id(text: &str) -> Option<String> {
    let is_one = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_one.then(|| text.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_wire::legacy::read_message;

    #[test]
    fn ids_are_read_from_the_headers_and_anything_else_there_is_none() {
        let told = |name: &str, value: &str| {
            let (parts, ()) = axum::http::Request::post("/").header(name, value).body(()).expect("a request").into_parts();
            Speaker::of(&parts, "10.0.0.9".parse().ok())
        };
        const A: &str = "439863b4-e55b-11f1-bbb4-29fb1a65435a";
        const B: &str = "488aa7b0-e55b-11f1-951f-61fb1a65435a";
        assert_eq!(told("GLPI-Agent-ID", &A.to_uppercase()).glpi_id.as_deref(), Some(A));
        assert_eq!(told("GLPI-Agent-ID", "someone").glpi_id, None);
        for (text, id) in
            [("dd9617ce", Some("DD9617CE")), ("DD9617CE", Some("DD9617CE")), ("DD9617C", None), ("DD9617CEF", None), ("DD9617CG", None)]
        {
            assert_eq!(told("GLPI-Request-ID", text).request_id.as_deref(), id, "{text}");
        }
        assert_eq!(told("GLPI-Proxy-ID", &format!("{A}, {B},x,")).proxies, [A, B]);
        assert_eq!(told("GLPI-Proxy-ID", &[A; 20].join(",")).proxies.len(), PROXIES_MAX);
        assert_eq!(told("GLPI-Proxy-ID", A).address(), None, "the peer is the proxy");
        assert_eq!(told("GLPI-Proxy-ID", "x").address().as_deref(), Some("10.0.0.9"));
    }

    fn protocol(agent: &str, path: &str, glpi_id: bool, xml: &str) -> Protocol {
        let mut builder = axum::http::Request::post(path).header("user-agent", agent);
        if glpi_id {
            builder = builder.header("GLPI-Agent-ID", "92e89606-e55a-11f1-851f-9efd1a65435a");
        }
        let (parts, ()) = builder.body(()).expect("a request").into_parts();
        let speaker = Speaker::of(&parts, None);
        speaker.protocol(&read_message(xml.into(), speaker.agent.dialect).expect("a message"))
    }

    #[test]
    fn each_line_of_the_rule_decides_in_its_turn() {
        let with = |inner: &str| format!("<REQUEST><DEVICEID>a-2026-01-02-03-04-05</DEVICEID>{inner}</REQUEST>");
        let prolog = with("<QUERY>PROLOG</QUERY>");
        let token = with("<QUERY>PROLOG</QUERY><TOKEN>12345678</TOKEN>");
        let told = with("<QUERY>INVENTORY</QUERY><CONTENT><VERSIONCLIENT>FusionInventory-Agent_v2.6</VERSIONCLIENT></CONTENT>");
        let hardware = with("<QUERY>INVENTORY</QUERY><CONTENT><HARDWARE><OSNAME>Debian</OSNAME></HARDWARE></CONTENT>");
        let undated = "<REQUEST><DEVICEID>a</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>";
        let (fusion, glpi, ocs) = (Protocol::Fusioninventory, Protocol::Glpi, Protocol::Ocs);
        assert_eq!(protocol("FusionInventory-Agent_v2.6-3", "/ocsinventory", true, &prolog), fusion);
        assert_eq!(protocol("GLPI-Agent_v1.12", "/ocsinventory", false, &token), glpi);
        assert_eq!(protocol("OCS-NG_unified_unix_agent_v2.10.0", "/", true, &token), ocs);
        assert_eq!(protocol("curl/8", "/ocsinventory", true, &told), fusion);
        assert_eq!(protocol("curl/8", "/", true, &hardware), ocs);
        assert_eq!(protocol("curl/8", "/ocsinventory/x", true, &token), ocs);
        assert_eq!(protocol("curl/8", "/", true, &token), glpi);
        assert_eq!(protocol("curl/8", "/", false, &token), fusion);
        assert_eq!(protocol("", "/", false, "<REQUEST><QUERY>UPDATE</QUERY></REQUEST>"), ocs);
        assert_eq!(protocol("", "/", false, &prolog.replace("PROLOG", "NETDISCOVERY")), fusion);
        assert_eq!(protocol("", "/", false, &prolog), ocs);
        assert_eq!(protocol("", "/", false, undated), fusion);
    }
}
