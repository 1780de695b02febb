//! Which door answers a request: the agents' or the people's.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, Uri};
use std::convert::Infallible;
use std::sync::Arc;
use tower::ServiceExt;

type Wants = dyn Fn(&Method, &Uri, &HeaderMap) -> bool + Send + Sync;

/// Both doors. Cheap to clone.
#[derive(Clone)]
pub struct Doors {
    wants: Arc<Wants>,
    agents: Router,
    people: Router,
}

impl Doors {
    /// The agents' door answers what `wants` names, the people's door the rest.
    pub fn new(wants: impl Fn(&Method, &Uri, &HeaderMap) -> bool + Send + Sync + 'static, agents: Router, people: Router) -> Self {
        Self { wants: Arc::new(wants), agents, people }
    }

    /// Answers one request.
    pub fn answer(&self, request: Request<Body>) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
        let agents = (self.wants)(request.method(), request.uri(), request.headers());
        let door = if agents { self.agents.clone() } else { self.people.clone() };
        door.oneshot(request)
    }
}
