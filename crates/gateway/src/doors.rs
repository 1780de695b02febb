//! Which requests belong to the agents, told from method, path and headers alone.
//!
//! Unmodified agents are configured with one URL of whatever server they had before, so every path found in the field is a
//! door, with and without a final slash, and none of them ever redirects (`docs/protocols/legacy-xml.md`, "Answers").

use axum::http::{HeaderMap, Method, Uri};

/// Paths that are doors themselves.
const EXACT: [&str; 2] = ["/", "/front/inventory.php"];
/// Paths that are doors with everything below them.
const BELOW: [&str; 5] =
    ["/ocsinventory", "/plugins/fusioninventory", "/plugins/glpiinventory", "/marketplace/glpiinventory", "/marketplace/fusioninventory"];
/// Where GLPI agents ask for a token, below whatever address they are configured with.
const TOKEN: &str = "/api.php/token";
const OWN: &str = "/agent/v1/";

/// What kind of request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Muster's own agent.
    Own,
    /// A message of an agent that speaks XML or GLPI's JSON.
    Message,
    /// A GLPI agent asks for a token.
    Token,
    /// `?action=getConfig`: which REST tasks there are.
    Config,
    /// Any other `?action=`.
    Action,
    /// A GLPI agent asks what became of its request.
    Poll,
    /// An OCS agent fetches a package.
    Package,
}

/// Whether a request belongs to the agents, and so to this crate's router.
///
/// POST on an agents' path, or on `/api.php/token` below one; there also GET with `action` in its query or with the header `GLPI-Request-ID`; and everything
/// under `/agent/v1/`.
pub fn wants(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    door(method, uri, headers).is_some()
}

pub(crate) fn door(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Door> {
    if uri.path().starts_with(OWN) {
        return Some(Door::Own);
    }
    if let Some(base) = uri.path().strip_suffix(TOKEN) {
        let is_ours = base.is_empty() || is_agents_path(base);
        return (is_ours && *method == Method::POST).then_some(Door::Token);
    }
    if uri.path().starts_with(crate::legacy::packages::PLACE) && *method == Method::GET {
        return Some(Door::Package);
    }
    if !is_agents_path(uri.path()) || ![Method::GET, Method::POST].contains(method) {
        return None;
    }
    match action(uri.query().unwrap_or_default()) {
        Some("getConfig") => Some(Door::Config),
        Some(_) => Some(Door::Action),
        None if *method == Method::POST => Some(Door::Message),
        None => headers.contains_key("glpi-request-id").then_some(Door::Poll),
    }
}

/// Whether a path is below the one that OCS agents are configured with.
pub(crate) fn is_ocs_path(path: &str) -> bool {
    is_below(path, BELOW[0])
}

fn is_agents_path(path: &str) -> bool {
    let bare = path.strip_suffix('/').filter(|p| !p.is_empty()).unwrap_or(path);
    EXACT.contains(&bare) || BELOW.iter().any(|door| is_below(path, door))
}

fn is_below(path: &str, door: &str) -> bool {
    path.strip_prefix(door).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn action(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("action="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(method: Method, uri: &str, polls: bool) -> Option<Door> {
        let mut headers = HeaderMap::new();
        if polls {
            headers.insert("GLPI-Request-ID", "7814CE86".parse().expect("a header"));
        }
        door(&method, &uri.parse().expect("an address"), &headers)
    }

    #[test]
    fn every_path_of_the_field_is_a_door_with_and_without_its_final_slash() {
        for path in [
            "/",
            "/ocsinventory",
            "/ocsinventory/",
            "/ocsinventory/foo",
            "/front/inventory.php",
            "/front/inventory.php/",
            "/plugins/fusioninventory",
            "/plugins/fusioninventory/",
            "/plugins/fusioninventory/front/plugin_fusioninventory.communication.php",
            "/plugins/glpiinventory/",
            "/plugins/glpiinventory",
            "/marketplace/glpiinventory/front/communication.php",
            "/marketplace/glpiinventory",
            "/marketplace/fusioninventory/",
        ] {
            assert_eq!(told(Method::POST, path, false), Some(Door::Message), "{path}");
            assert_eq!(told(Method::GET, path, false), None, "{path}");
            assert_eq!(told(Method::GET, path, true), Some(Door::Poll), "{path}");
            assert_eq!(told(Method::GET, &format!("{path}?machineid=a&action=getConfig"), false), Some(Door::Config), "{path}");
            assert_eq!(told(Method::GET, &format!("{path}?action=getJobs"), false), Some(Door::Action), "{path}");
        }
    }

    #[test]
    fn a_token_is_asked_for_below_every_address_that_agents_have() {
        for base in ["", "/front/inventory.php", "/ocsinventory", "/plugins/glpiinventory", "/marketplace/glpiinventory"] {
            let path = format!("{base}/api.php/token");
            assert_eq!(told(Method::POST, &path, false), Some(Door::Token), "{path}");
            assert_eq!(told(Method::GET, &path, false), None, "{path}");
        }
        assert_eq!(told(Method::POST, "/elsewhere/api.php/token", false), None);
        assert_eq!(told(Method::POST, "/api.php/tokens", false), None);
    }

    #[test]
    fn what_belongs_to_others_is_left_to_them() {
        for path in ["/ocsinterface", "/ocsinventoryx", "/api/v1/devices", "/download/x", "/devices", "/agent/v2/contact", "/agent/v1"] {
            assert_eq!(told(Method::POST, path, false), None, "{path}");
        }
        assert_eq!(told(Method::PUT, "/", false), None);
        assert_eq!(told(Method::GET, "/?reaction=getConfig", false), None);
        assert_eq!(told(Method::GET, "/agent/v1/anything", false), Some(Door::Own));
    }
}
