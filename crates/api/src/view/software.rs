//! Programs across the fleet.

use super::{Time, time};
use muster_core::software as core;
use muster_core::software::ProgramEntry;
use serde::Serialize;
use utoipa::ToSchema;

/// A program: all versions of one name and publisher.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its publisher; empty when unknown.
    pub publisher: String,
    /// How many different versions there are.
    pub versions: i64,
    /// The newest of them.
    pub newest: String,
    /// How many devices have any of them.
    pub devices: i64,
}

impl From<core::Program> for Program {
    fn from(p: core::Program) -> Self {
        Self { name: p.name, publisher: p.publisher, versions: p.versions, newest: p.newest, devices: p.devices }
    }
}

/// One page of programs.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgramList {
    /// The rows.
    pub items: Vec<Program>,
    /// Goes on as `cursor`; null at the end.
    pub next: Option<String>,
    /// How many match in all; null when that is not counted.
    pub total: Option<i64>,
    /// The programs were counted then; null before they were counted at all.
    pub as_of: Option<Time>,
}

/// One version of a program.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProgramVersion {
    /// The program's name.
    pub name: String,
    /// The version.
    pub version: String,
    /// Its publisher; empty when unknown.
    pub publisher: String,
    /// Its architecture; empty when unknown.
    pub arch: String,
    /// How many devices have it.
    pub devices: i64,
}

impl From<core::ProgramVersion> for ProgramVersion {
    fn from(v: core::ProgramVersion) -> Self {
        let core::ProgramVersion { entry: ProgramEntry { name, version, publisher, arch, .. }, devices } = v;
        Self { name, version, publisher, arch, devices }
    }
}

/// The device in a list of those that have a program.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HolderDevice {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The operating system's full name.
    pub os: Option<String>,
    /// When its last inventory came.
    pub last_inventory: Option<Time>,
}

/// A device that has a program.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProgramHolder {
    /// The device.
    pub device: HolderDevice,
    /// The program's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its publisher; empty when unknown.
    pub publisher: String,
    /// Its architecture; empty when unknown.
    pub arch: String,
    /// When it came to the device; null when the first inventory told it already.
    pub since: Option<Time>,
}

impl ProgramHolder {
    pub(crate) fn of(entry: ProgramEntry, holder: core::Holder) -> Self {
        let last_inventory = time(holder.last_inventory);
        let device = HolderDevice { id: holder.device.to_string(), name: holder.name, os: holder.os, last_inventory };
        let ProgramEntry { name, version, publisher, arch, .. } = entry;
        Self { device, name, version, publisher, arch, since: time(holder.since) }
    }
}

/// A program that came to devices within a period.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AppearedProgram {
    /// The program's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its publisher; empty when unknown.
    pub publisher: String,
    /// Its architecture; empty when unknown.
    pub arch: String,
    /// To how many devices it came and is still there.
    pub devices: i64,
    /// When it came to the first of them.
    pub first_at: Time,
    /// When it came to the last of them.
    pub last_at: Time,
    /// Whether no device had a program of this name before the period.
    pub new_to_fleet: bool,
}

impl AppearedProgram {
    pub(crate) fn of(row: core::Appeared, new_to_fleet: bool) -> Self {
        let ProgramEntry { name, version, publisher, arch, .. } = row.entry;
        Self { name, version, publisher, arch, devices: row.devices, first_at: row.first.into(), last_at: row.last.into(), new_to_fleet }
    }
}

/// One page of programs that appeared.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppearedList {
    /// The rows.
    pub items: Vec<AppearedProgram>,
    /// Goes on as `cursor`; null at the end.
    pub next: Option<String>,
    /// How many match in all; null when that is not counted.
    pub total: Option<i64>,
    /// The answer is whole since then: later than asked for when more came than is looked at.
    pub since: Time,
}
