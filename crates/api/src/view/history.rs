//! What changed: on a device, across the fleet, between two instants.

use super::{Named, Time};
use muster_core::fleet::Device;
use muster_core::inventory::Row;
use muster_core::inventory::history as core;
use muster_core::time::Timestamp;
use muster_engine::history::{Change, SectionDifference};
use serde::Serialize;
use utoipa::ToSchema;

/// Short texts shown of one change.
const SAMPLE: usize = 5;

fn id(change: &Change) -> String {
    format!("{}.{}", change.entry, change.section.section)
}

/// What one inventory changed in one section.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceChange {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Time,
    /// The section.
    pub section: String,
    /// The agent it comes from.
    pub agent: String,
    /// `first`, `changed` or `removed`.
    pub kind: String,
    /// Rows that came, at most those that were kept.
    #[schema(value_type = Vec<Object>)]
    pub added: Vec<Row>,
    /// Rows that went, at most those that were kept.
    #[schema(value_type = Vec<Object>)]
    pub removed: Vec<Row>,
    /// How many rows came.
    pub added_count: usize,
    /// How many rows went.
    pub removed_count: usize,
}

impl From<Change> for DeviceChange {
    fn from(change: Change) -> Self {
        Self {
            id: id(&change),
            at: change.at.into(),
            agent: change.agent.to_string(),
            section: change.section.section,
            kind: change.section.kind,
            added: change.section.change.added,
            removed: change.section.change.removed,
            added_count: change.section.added_count,
            removed_count: change.section.removed_count,
        }
    }
}

/// A change on any device.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FleetChange {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Time,
    /// The device.
    pub device: Named,
    /// The agent it comes from.
    pub agent: String,
    /// The section.
    pub section: String,
    /// `first`, `changed` or `removed`.
    pub kind: String,
    /// How many rows came.
    pub added_count: usize,
    /// How many rows went.
    pub removed_count: usize,
    /// The first few rows, such as `+ bash 5.2`, `- bash 5.1`; at most five.
    pub sample: Vec<String>,
}

impl From<Change> for FleetChange {
    fn from(change: Change) -> Self {
        Self {
            id: id(&change),
            at: change.at.into(),
            agent: change.agent.to_string(),
            sample: core::sample(&change.section.section, &change.section.change, SAMPLE),
            device: Named::new(change.device, change.device_name),
            section: change.section.section,
            kind: change.section.kind,
            added_count: change.section.added_count,
            removed_count: change.section.removed_count,
        }
    }
}

/// A thing that is there before and after with other values.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangedRow {
    /// As it was.
    #[schema(value_type = Object)]
    pub before: Row,
    /// As it is.
    #[schema(value_type = Object)]
    pub after: Row,
    /// The fields that differ.
    pub fields: Vec<String>,
}

/// What differs in one section.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SectionChanges {
    /// The section.
    pub section: String,
    /// The agent whose section it is at the later instant, or at the earlier one when it is gone.
    pub agent: Option<String>,
    /// Things that are new.
    #[schema(value_type = Vec<Object>)]
    pub added: Vec<Row>,
    /// Things that are gone.
    #[schema(value_type = Vec<Object>)]
    pub removed: Vec<Row>,
    /// Things that changed.
    pub changed: Vec<ChangedRow>,
    /// How many are new.
    pub added_count: usize,
    /// How many are gone.
    pub removed_count: usize,
    /// How many changed.
    pub changed_count: usize,
    /// Whether history could be followed without a gap; otherwise something may be missing.
    pub exact: bool,
}

impl From<SectionDifference> for SectionChanges {
    fn from(d: SectionDifference) -> Self {
        let row = |c: core::Changed| ChangedRow { before: c.before, after: c.after, fields: c.fields };
        Self {
            section: d.section,
            agent: Some(d.agent.to_string()),
            added_count: d.pairs.added.len(),
            removed_count: d.pairs.removed.len(),
            changed_count: d.pairs.changed.len(),
            added: d.pairs.added,
            removed: d.pairs.removed,
            changed: d.pairs.changed.into_iter().map(row).collect(),
            exact: d.exact,
        }
    }
}

/// A device at two instants.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceChanges {
    /// The device.
    pub device: Named,
    /// The earlier instant.
    pub from: Time,
    /// The later instant.
    pub to: Time,
    /// Sections with a difference.
    pub sections: Vec<SectionChanges>,
}

impl DeviceChanges {
    pub(crate) fn of(device: Device, from: Timestamp, to: Timestamp, sections: Vec<SectionDifference>) -> Self {
        let device = Named::new(device.id, device.name);
        Self { device, from: from.into(), to: to.into(), sections: sections.into_iter().map(Into::into).collect() }
    }
}
