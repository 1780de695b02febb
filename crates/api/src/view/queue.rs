//! The queue and the brake over the wire.

use super::{Time, time};
use muster_core::access::Org;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which assignments of the queue.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueFilter {
    /// States, several by comma.
    pub state: Option<String>,
    /// Id of a task.
    pub task: Option<String>,
    /// Id of a run.
    pub run: Option<String>,
    /// Id of a device.
    pub device: Option<String>,
    /// Text in the device's or task's name.
    pub q: Option<String>,
}

/// What to cancel: ids or a filter, one of them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct QueueCancel {
    /// Ids of assignments.
    pub ids: Option<Vec<String>>,
    /// A filter; empty is the whole queue.
    pub filter: Option<QueueFilter>,
    /// How many it would hit, typed back; needed above the size guard.
    pub confirm_count: Option<i64>,
}

/// How many were ended or asked to end.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QueueCancelled {
    /// How many.
    pub cancelled: usize,
}

/// What to put off, and until when: ids or a filter, `until` or `by`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct QueueDelay {
    /// Ids of assignments.
    pub ids: Option<Vec<String>>,
    /// A filter; empty is the whole queue.
    pub filter: Option<QueueFilter>,
    /// Until when: an instant, RFC 3339.
    pub until: Option<String>,
    /// For how long from now, such as `2h`.
    pub by: Option<String>,
    /// How many it would change, typed back; needed above the size guard.
    pub confirm_count: Option<i64>,
}

/// What gets which priority: ids or a filter, one of them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct QueuePriority {
    /// Ids of assignments.
    pub ids: Option<Vec<String>>,
    /// A filter; empty is the whole queue.
    pub filter: Option<QueueFilter>,
    /// 0 (first) to 9.
    pub priority: Option<u8>,
    /// How many it would change, typed back; needed above the size guard.
    pub confirm_count: Option<i64>,
}

/// How many were changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QueueChanged {
    /// How many.
    pub changed: usize,
}

/// The brake: while it is on nothing is handed out and nothing starts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Brake {
    /// Whether it is on.
    pub on: bool,
    /// Since when.
    pub since: Option<Time>,
    /// Who pulled it.
    pub by: Option<String>,
    /// Why, in a person's words.
    pub note: Option<String>,
}

impl From<Org> for Brake {
    fn from(org: Org) -> Self {
        let (since, freeze) = (org.freeze.as_ref().map(|f| f.at), org.freeze);
        let (by, note) = freeze.map(|f| (f.by, f.note)).unzip();
        Self { on: since.is_some(), since: time(since), by, note: note.filter(|n| !n.is_empty()) }
    }
}

/// Why the brake is pulled.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct BrakePull {
    /// A person's words.
    pub note: String,
}
