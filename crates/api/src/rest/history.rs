//! What changed: on one device, across the fleet, between two instants.

use super::devices::{NEWEST, NEWEST_SORTS, device_id};
use crate::auth::Ctx;
use crate::csv::{Accept, Table};
use crate::list::{Asked, List, listed, moment, one, text, values};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use muster_core::ids::DeviceId;
use muster_core::page::PageRequest;
use muster_core::time::Timestamp;
use muster_engine::history::{self, ChangeFilter};
use muster_engine::{Cx, HistoryFilter, Rx};

/// Which changes, the newest first.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ChangeQuery {
    /// Names of sections, by comma.
    pub section: Option<String>,
    /// Told by this agent (id).
    pub agent: Option<String>,
    /// `first`, `changed` or `removed`, several by comma.
    pub kind: Option<String>,
    /// Not before: an instant (RFC 3339), a day, or a period back from now such as `7d`.
    pub since: Option<String>,
    /// Before: the same forms.
    pub until: Option<String>,
    /// Text in the device's name or in a value that came or went.
    pub q: Option<String>,
    /// Rows at most, 1 to 1000; 50 unless given.
    #[param(value_type = Option<u32>)]
    pub limit: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// `-at`: there is no other order.
    pub sort: Option<String>,
    /// `csv` gives all rows as CSV, up to 100,000.
    pub format: Option<String>,
    /// Columns of the CSV, by comma.
    pub columns: Option<String>,
}

/// Which changes across the fleet, the newest first.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct FleetChangeQuery {
    /// On this device (id).
    pub device: Option<String>,
    /// Names of sections, by comma.
    pub section: Option<String>,
    /// Told by this agent (id).
    pub agent: Option<String>,
    /// `first`, `changed` or `removed`, several by comma.
    pub kind: Option<String>,
    /// Not before: an instant (RFC 3339), a day, or a period back from now such as `7d`.
    pub since: Option<String>,
    /// Before: the same forms.
    pub until: Option<String>,
    /// Text in the device's name or in a value that came or went.
    pub q: Option<String>,
    /// Rows at most, 1 to 1000; 50 unless given.
    #[param(value_type = Option<u32>)]
    pub limit: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// `-at`: there is no other order.
    pub sort: Option<String>,
    /// `csv` gives all rows as CSV, up to 100,000.
    pub format: Option<String>,
    /// Columns of the CSV, by comma.
    pub columns: Option<String>,
}

const DEVICE_CSV: Table = Table {
    name: "history",
    columns: &[
        ("id", "/id"),
        ("at", "/at"),
        ("section", "/section"),
        ("agent", "/agent"),
        ("kind", "/kind"),
        ("added_count", "/added_count"),
        ("removed_count", "/removed_count"),
        ("added", "/added"),
        ("removed", "/removed"),
    ],
};

const FLEET_CSV: Table = Table {
    name: "changes",
    columns: &[
        ("id", "/id"),
        ("at", "/at"),
        ("device", "/device/id"),
        ("device_name", "/device/name"),
        ("agent", "/agent"),
        ("section", "/section"),
        ("kind", "/kind"),
        ("added_count", "/added_count"),
        ("removed_count", "/removed_count"),
        ("sample", "/sample"),
    ],
};

const KINDS: [&str; 3] = ["first", "changed", "removed"];

impl ChangeQuery {
    fn filter(&self, device: Option<DeviceId>, now: Timestamp) -> Result<ChangeFilter, Problem> {
        let kinds = values(self.kind.as_deref());
        if let Some(odd) = kinds.iter().find(|k| !KINDS.contains(&k.as_str())) {
            return Err(Problem::invalid("kind", format!("there is no kind '{odd}'; there are {}", KINDS.join(", "))));
        }
        let stored = HistoryFilter {
            device,
            agent: one("agent", self.agent.as_deref())?,
            sections: values(self.section.as_deref()),
            since: moment("since", self.since.as_deref(), now)?,
            until: moment("until", self.until.as_deref(), now)?,
        };
        Ok(ChangeFilter { stored, kinds, q: text(self.q.clone()) })
    }

    fn page(&self) -> Result<PageRequest, Problem> {
        let page = crate::list::page(self.limit.as_deref(), self.cursor.as_deref(), self.sort.as_deref().unwrap_or(NEWEST), NEWEST_SORTS)?;
        if page.descending { Ok(page) } else { Err(Problem::invalid("sort", "changes are told the newest first; sort is -at")) }
    }
}

/// Shows what changed on a device, per section, the newest first.
#[utoipa::path(get, path = "/api/v1/devices/{id}/history", tag = "history", operation_id = "device_history",
    params(("id" = String, Path, description = "Id of the device."), ChangeQuery),
    responses((status = 200, description = "A page of changes; it may be short and still go on.",
        content((List<view::DeviceChange> = "application/json"), (String = "text/csv")))))]
pub async fn device_history(
    ctx: Ctx,
    accept: Accept,
    Path(id): Path<String>,
    Asked(query): Asked<ChangeQuery>,
) -> Result<Response, Problem> {
    let sheet = accept.sheet(&DEVICE_CSV, query.format.as_deref(), query.columns.as_deref())?;
    let (filter, page) = (query.filter(Some(device_id(&id)?), ctx.now())?, query.page()?);
    let ask =
        move |rx: &mut Rx, cx: &Cx, page: &PageRequest| Ok(history::change_list(rx, cx, &filter, page)?.map(view::DeviceChange::from));
    listed(ctx, sheet, page, ask).await
}

/// Lists what changed on all devices, the newest first.
#[utoipa::path(get, path = "/api/v1/changes", tag = "history", operation_id = "change_list", params(FleetChangeQuery),
    responses((status = 200, description = "A page of changes; it may be short and still go on.",
        content((List<view::FleetChange> = "application/json"), (String = "text/csv")))))]
pub async fn change_list(ctx: Ctx, accept: Accept, Asked(query): Asked<FleetChangeQuery>) -> Result<Response, Problem> {
    let sheet = accept.sheet(&FLEET_CSV, query.format.as_deref(), query.columns.as_deref())?;
    let FleetChangeQuery { device, section, agent, kind, since, until, q, limit, cursor, sort, .. } = query;
    let device = text(device).map(|id| device_id(&id)).transpose()?;
    let query = ChangeQuery { section, agent, kind, since, until, q, limit, cursor, sort, ..ChangeQuery::default() };
    let (filter, page) = (query.filter(device, ctx.now())?, query.page()?);
    let ask = move |rx: &mut Rx, cx: &Cx, page: &PageRequest| Ok(history::change_list(rx, cx, &filter, page)?.map(view::FleetChange::from));
    listed(ctx, sheet, page, ask).await
}

/// Which two instants.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct CompareQuery {
    /// The earlier instant: RFC 3339, a day (its beginning, UTC), or a period back from now such as `7d`.
    #[param(required = true)]
    pub from: Option<String>,
    /// The later instant, in the same forms; now unless given.
    pub to: Option<String>,
    /// Names of sections, by comma; all unless given.
    pub section: Option<String>,
}

/// Compares the facts of a device at two instants.
#[utoipa::path(get, path = "/api/v1/devices/{id}/changes", tag = "history", operation_id = "device_changes",
    params(("id" = String, Path, description = "Id of the device."), CompareQuery),
    responses((status = 200, description = "The sections with a difference.", body = view::DeviceChanges)))]
pub async fn device_changes(
    ctx: Ctx,
    Path(id): Path<String>,
    Asked(query): Asked<CompareQuery>,
) -> Result<Json<view::DeviceChanges>, Problem> {
    let (id, now, wanted) = (device_id(&id)?, ctx.now(), values(query.section.as_deref()));
    let from =
        moment("from", query.from.as_deref(), now)?.ok_or_else(|| Problem::invalid("from", "say from when: from=2026-11-01, from=7d"))?;
    let to = moment("to", query.to.as_deref(), now)?.unwrap_or(now);
    let (device, sections) = ctx.read(move |rx, cx| history::device_changes(rx, cx, id, from, to, &wanted)).await?;
    Ok(Json(view::DeviceChanges::of(device, from, to, sections)))
}
