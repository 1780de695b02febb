//! Groups over the wire.

use super::{GroupKind, MemberAct, Time};
use muster_engine::groups::GroupView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A group, without its members.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// Its name, unique in the organization; the case of letters matters.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where its members come from.
    pub kind: GroupKind,
    /// How many devices are in it.
    pub count: i64,
    /// The query that its members follow, of a `dynamic` group.
    pub query: Option<String>,
    /// Whether members are being looked up after a change of the query.
    pub refreshing: bool,
    /// Counts the changes of name, description and query; members come and go without it.
    pub version: i64,
    /// When it was made.
    pub created: Time,
    /// When a person last changed it or its members.
    pub updated: Time,
}

impl From<GroupView> for Group {
    fn from(view: GroupView) -> Self {
        let g = view.group;
        Self {
            id: g.id.to_string(),
            name: g.name,
            description: g.description,
            kind: g.members.kind().into(),
            refreshing: !g.members.is_fresh(),
            query: g.members.query().map(str::to_owned),
            count: view.count,
            version: g.version,
            created: g.created.into(),
            updated: g.updated.into(),
        }
    }
}

/// A group to be made.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct NewGroup {
    /// Its name, unique in the organization.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The query that its members follow, such as `os_family == "linux"`; without one people name them.
    pub query: Option<String>,
    /// Where its members come from: `dynamic` with a query, otherwise `static`; need not be given.
    pub kind: Option<GroupKind>,
}

/// What is changed of a group.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct GroupPatch {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The query that its members follow, of a `dynamic` group.
    pub query: Option<String>,
}

/// Who comes and who leaves: `add` and `remove`, or `query` and `act`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub struct MembersChange {
    /// Ids or names of devices that come; all of a name that several have. At most 5,000 with `remove`.
    pub add: Option<Vec<String>>,
    /// Ids or names of devices that leave.
    pub remove: Option<Vec<String>>,
    /// A query; all devices that it selects now.
    pub query: Option<String>,
    /// What is done to them.
    pub act: Option<MemberAct>,
    /// How many would come or leave, typed back; needed above the size guard.
    pub confirm_count: Option<i64>,
}

/// What a change of members came to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MembersChanged {
    /// How many came that were not in it.
    pub added: usize,
    /// How many left that were in it.
    pub removed: usize,
    /// How many are in it now.
    pub count: i64,
}
