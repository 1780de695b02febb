//! Devices: list, one, inventory, assignments.

use super::{NOTHING, id};
use crate::auth::{Ctx, Tagged};
use crate::csv::{Accept, Table};
use crate::json::Body;
use crate::list::{Asked, List, asked, flag, listed, moment, text, values, words};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::ids::DeviceId;
use muster_core::page::PageRequest;
use muster_core::query::Query;
use muster_engine::software::Wanted;
use muster_engine::{AssignmentFilter, Cx, DeviceFilter, Rx, fleet, groups, history, software};

asked! {
    /// Which devices. Several values of a filter by comma.
    DeviceQuery {
        /// Text in name, serial, addresses, tag, user, operating system.
        q,
        /// Name.
        name,
        /// Tag.
        tag,
        /// Protocol of the agent: muster, glpi, fusioninventory, ocs.
        protocol,
        /// linux, windows, macos, other.
        os_family,
        /// true or false.
        verified,
        /// true or false.
        online,
        /// Maker.
        manufacturer,
        /// Model.
        model,
        /// Serial number.
        serial,
        /// System UUID.
        uuid,
        /// One IP address.
        ip,
        /// One MAC address.
        mac,
        /// The name of a program: exactly; with a range of versions whatever its case.
        software,
        /// With `software`: in a version below this one.
        software_below,
        /// With `software`: in this version or a newer one.
        software_from,
        /// The name of a logged-in user.
        user,
        /// Id or name of a group; with several by comma, devices of any of them.
        group,
        /// A query, such as `os_family == "linux" && !(tag in ["kiosk"])`.
        query,
        /// `csv` gives all rows as CSV, up to 100,000.
        format,
        /// Columns of the CSV, by comma.
        columns,
    }
}

const CSV: Table = Table {
    name: "devices",
    columns: &[
        ("id", "/id"),
        ("name", "/name"),
        ("org", "/org"),
        ("os", "/os"),
        ("os_family", "/os_family"),
        ("manufacturer", "/manufacturer"),
        ("model", "/model"),
        ("serial", "/serial"),
        ("uuid", "/uuid"),
        ("ips", "/ips"),
        ("macs", "/macs"),
        ("tag", "/tag"),
        ("notes", "/notes"),
        ("cpu", "/cpu"),
        ("memory_mb", "/memory_mb"),
        ("software_count", "/software_count"),
        ("findings", "/findings"),
        ("verified", "/verified"),
        ("agent", "/agent/id"),
        ("protocol", "/agent/protocol"),
        ("agent_version", "/agent/version"),
        ("online", "/agent/online"),
        ("last_contact", "/agent/last_contact"),
        ("last_inventory", "/last_inventory"),
        ("first_seen", "/first_seen"),
    ],
};

const SORTS: &[&str] = &["name", "os", "manufacturer", "model", "serial", "tag", "first_seen", "last_inventory", "last_contact"];

impl DeviceQuery {
    fn filter(self) -> Result<DeviceFilter, Problem> {
        let columns = [
            ("name", self.name),
            ("tag", self.tag),
            ("os_family", self.os_family),
            ("manufacturer", self.manufacturer),
            ("model", self.model),
            ("serial", self.serial),
            ("uuid", self.uuid),
        ];
        let columns = columns.into_iter().map(|(column, v)| (column, values(v.as_deref()))).filter(|(_, v)| !v.is_empty()).collect();
        let query = text(self.query).map(|q| Query::parse(&q)).transpose().map_err(|bad| Problem::invalid("query", bad.what))?;
        Ok(DeviceFilter {
            q: text(self.q),
            columns,
            protocols: words("protocol", self.protocol.as_deref())?,
            verified: flag("verified", self.verified.as_deref())?,
            heard_since: None,
            ip: text(self.ip),
            mac: text(self.mac),
            software: text(self.software),
            entries: None,
            groups: None,
            outside: None,
            user: text(self.user),
            query,
        })
    }
}

pub(super) fn device_id(text: &str) -> Result<DeviceId, Problem> {
    id("device/not-found", "device", text)
}

/// Lists devices.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices", operation_id = "device_list", params(DeviceQuery),
    responses((status = 200, description = "A page of devices.",
        content((List<view::Device> = "application/json"), (String = "text/csv")))))]
pub async fn device_list(ctx: Ctx, accept: Accept, Asked(query): Asked<DeviceQuery>) -> Result<Response, Problem> {
    let sheet = accept.sheet(&CSV, query.format.as_deref(), query.columns.as_deref())?;
    let (page, online) = (query.page(SORTS, "name")?, flag("online", query.online.as_deref())?);
    let (from, below) = (text(query.software_from.clone()), text(query.software_below.clone()));
    let named = values(query.group.as_deref());
    let mut filter = query.filter()?;
    if !named.is_empty() {
        filter.groups = Some(ctx.read(move |rx, cx| groups::group_ids(rx, cx, &named)).await?);
    }
    if from.is_some() || below.is_some() {
        let Some(name) = filter.software.take() else {
            return Err(Problem::invalid("software", "a range of versions needs the name of the program: software=NAME"));
        };
        let wanted = Wanted { name, from, below, ..Wanted::default() };
        filter.entries = Some(ctx.read(move |rx, _| software::entry_ids(rx, &wanted)).await?);
    }
    let ask = move |rx: &mut Rx, cx: &Cx, page: &PageRequest| {
        Ok(fleet::device_list(rx, cx, filter.clone(), online, page)?.map(view::Device::from))
    };
    listed(ctx, sheet, page, ask).await
}

/// Shows a device with all that is known of it.
#[utoipa::path(get, path = "/api/v1/devices/{id}", tag = "devices", operation_id = "device_view",
    params(("id" = String, Path, description = "Id of the device.")),
    responses((status = 200, description = "The device; its version is the ETag.", body = view::DeviceFull),
        (status = 410, description = "`device/merged`: the device is part of another now, named by `into` (`id`, `name`). Every \
            operation on one device answers so.", body = crate::problem::ProblemDocument, content_type = "application/problem+json")))]
pub async fn device_view(ctx: Ctx, Path(id): Path<String>) -> Result<Tagged<view::DeviceFull>, Problem> {
    let id = device_id(&id)?;
    let detail = ctx.read(move |rx, cx| fleet::device_view(rx, cx, id)).await?;
    let version = detail.view.device.version;
    Ok(Tagged(version, view::DeviceFull::of(detail, &ctx.org.settings, ctx.now())))
}

/// Changes a device.
#[utoipa::path(patch, path = "/api/v1/devices/{id}", tag = "devices", operation_id = "device_update",
    params(("id" = String, Path, description = "Id of the device.")), request_body = view::DevicePatch,
    responses((status = 200, description = "The device as it is now.", body = view::Device)))]
pub async fn device_update(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Tagged<view::Device>, Problem> {
    let (id, version) = (device_id(&id)?, ctx.if_match);
    let patch: fleet::DevicePatch = body.object::<view::DevicePatch>()?.into();
    let view = ctx.write("device.update", move |tx, cx| fleet::device_update(tx, cx, id, &patch, version)).await?;
    Ok(Tagged(view.device.version, view.into()))
}

/// Removes a device with its agents and history; what waits for it is cancelled.
#[utoipa::path(delete, path = "/api/v1/devices/{id}", tag = "devices", operation_id = "device_delete",
    params(("id" = String, Path, description = "Id of the device.")), responses((status = 204, description = "It is gone.")))]
pub async fn device_delete(ctx: Ctx, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id = device_id(&id)?;
    ctx.write("device.delete", move |tx, cx| fleet::device_delete(tx, cx, id)).await?;
    Ok(NOTHING)
}

/// Which sections.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct InventoryQuery {
    /// Names of sections, by comma; all unless given.
    pub section: Option<String>,
    /// The facts as they were then: an instant (RFC 3339), a day, or a period back from now such as `7d`. Without it facts and
    /// readings as they are.
    pub at: Option<String>,
}

/// Shows the inventory of a device in the shape of the GLPI inventory format.
#[utoipa::path(get, path = "/api/v1/devices/{id}/inventory", tag = "devices", operation_id = "device_inventory",
    params(("id" = String, Path, description = "Id of the device."), InventoryQuery),
    responses((status = 200, description = "Its sections.", body = view::DeviceInventory)))]
pub async fn device_inventory(
    ctx: Ctx,
    Path(id): Path<String>,
    Asked(query): Asked<InventoryQuery>,
) -> Result<Json<view::DeviceInventory>, Problem> {
    let (id, wanted) = (device_id(&id)?, values(query.section.as_deref()));
    let at = moment("at", query.at.as_deref(), ctx.now())?;
    let (device, sections) = ctx
        .read(move |rx, cx| match at {
            Some(at) => history::device_inventory_at(rx, cx, id, at, &wanted),
            None => fleet::device_inventory(rx, cx, id, &wanted),
        })
        .await?;
    let collected_at = view::time(device.last_inventory);
    Ok(Json(view::DeviceInventory { device: device.id.to_string(), collected_at, at: view::time(at), sections }))
}

/// The order of lists that are always shown the newest first.
pub(crate) const NEWEST: &str = "-at";
/// Its name among the sorts.
pub(crate) const NEWEST_SORTS: &[&str] = &["at"];

asked! {
    /// Which assignments of the device.
    DeviceAssignmentQuery {
        /// States, several by comma.
        state,
    }
}

/// Lists the assignments of a device, the newest first.
#[utoipa::path(get, path = "/api/v1/devices/{id}/assignments", tag = "devices", operation_id = "device_assignments",
    params(("id" = String, Path, description = "Id of the device."), DeviceAssignmentQuery),
    responses((status = 200, description = "A page of assignments.", body = List<view::Assignment>)))]
pub async fn device_assignments(
    ctx: Ctx,
    Path(id): Path<String>,
    Asked(query): Asked<DeviceAssignmentQuery>,
) -> Result<Json<List<view::Assignment>>, Problem> {
    let device = device_id(&id)?;
    let page = query.page(&["created", "priority"], "-created")?;
    let filter = AssignmentFilter { states: words("state", query.state.as_deref())?, device: Some(device), ..AssignmentFilter::default() };
    let page = ctx
        .read(move |rx, cx| {
            fleet::device_known(rx, cx, device)?;
            muster_engine::runs::assignment_list(rx, cx, &filter, &page)
        })
        .await?;
    Ok(Json(List::of(page, |(row, reason)| view::Assignment::of(row, reason))))
}

/// Shows the order book of a device: the tasks that it keeps and begins by its own clock.
#[utoipa::path(get, path = "/api/v1/devices/{id}/book", tag = "devices", operation_id = "device_book",
    params(("id" = String, Path, description = "Id of the device.")),
    responses((status = 200, description = "What it is to keep.", body = view::Book)))]
pub async fn device_book(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Book>, Problem> {
    let id = device_id(&id)?;
    Ok(Json(ctx.read(move |rx, cx| muster_engine::book::device_book(rx, cx, id)).await?.into()))
}
