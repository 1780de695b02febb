//! Devices: list, one, inventory, history, assignments.

use super::{NOTHING, id};
use crate::auth::{Ctx, Tagged};
use crate::json::Body;
use crate::list::{Asked, List, asked, flag, text, values, words};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use muster_core::fleet::HistoryEntry;
use muster_core::ids::DeviceId;
use muster_core::page::{Cursor, Page, PageRequest, SortValue};
use muster_core::query::Query;
use muster_engine::{AssignmentFilter, DeviceFilter, fleet};
use uuid::Uuid;

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
        /// The exact name of a program.
        software,
        /// The name of a logged-in user.
        user,
        /// A query, such as `os_family == "linux" && !(tag in ["kiosk"])`.
        query,
    }
}

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
            user: text(self.user),
            query,
        })
    }
}

fn device_id(text: &str) -> Result<DeviceId, Problem> {
    id("device/not-found", "device", text)
}

/// Lists devices.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices", operation_id = "device_list", params(DeviceQuery),
    responses((status = 200, description = "A page of devices.", body = List<view::Device>)))]
pub async fn device_list(ctx: Ctx, Asked(query): Asked<DeviceQuery>) -> Result<Json<List<view::Device>>, Problem> {
    let (page, online) = (query.page(SORTS, "name")?, flag("online", query.online.as_deref())?);
    let filter = query.filter()?;
    let page = ctx.read(move |rx, cx| fleet::device_list(rx, cx, filter, online, &page)).await?;
    Ok(Json(List::of(page, view::Device::from)))
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
    let (device, sections) = ctx.read(move |rx, cx| fleet::device_inventory(rx, cx, id, &wanted)).await?;
    let collected_at = view::time(device.last_inventory);
    Ok(Json(view::DeviceInventory { device: device.id.to_string(), collected_at, sections }))
}

/// Which changes, the newest first.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Name of one section.
    pub section: Option<String>,
    /// Rows at most, 1 to 1000; 50 unless given.
    #[param(value_type = Option<u32>)]
    pub limit: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// The order of lists that are always shown the newest first.
pub(crate) const NEWEST: &str = "-at";
/// Its name among the sorts.
pub(crate) const NEWEST_SORTS: &[&str] = &["at"];

/// Shows what changed on a device, per section, the newest first.
#[utoipa::path(get, path = "/api/v1/devices/{id}/history", tag = "devices", operation_id = "device_history",
    params(("id" = String, Path, description = "Id of the device."), HistoryQuery),
    responses((status = 200, description = "A page of changes.", body = List<view::DeviceChange>)))]
pub async fn device_history(
    ctx: Ctx,
    Path(id): Path<String>,
    Asked(query): Asked<HistoryQuery>,
) -> Result<Json<List<view::DeviceChange>>, Problem> {
    let (id, section) = (device_id(&id)?, text(query.section));
    let page = crate::list::page(query.limit.as_deref(), query.cursor.as_deref(), NEWEST, NEWEST_SORTS)?;
    let (wanted, asked) = (section.clone(), page.clone());
    let entries = ctx.read(move |rx, cx| fleet::device_history(rx, cx, id, section.as_deref(), &page)).await?;
    Ok(Json(changes(entries, wanted.as_deref(), &asked)))
}

/// Unpacks entries (all that one inventory changed) to rows, at most `limit`. A page may end within an entry: its cursor then
/// stands before that entry and holds how many of its rows were shown.
fn changes(entries: Page<HistoryEntry>, section: Option<&str>, asked: &PageRequest) -> List<view::DeviceChange> {
    let mut skip = match &asked.cursor {
        Some(Cursor { value: SortValue::Number(shown), .. }) => usize::try_from(*shown).unwrap_or(0),
        _ => 0,
    };
    let mut items = Vec::new();
    let mut next = entries.next;
    'page: for (place, entry) in entries.items.iter().enumerate() {
        let wanted = entry.sections.iter().filter(|s| section.is_none_or(|name| s.section == name));
        for (shown, change) in wanted.enumerate().skip(std::mem::take(&mut skip)) {
            if items.len() == asked.limit {
                let before = if shown == 0 && place > 0 { (entries.items[place - 1].id, 0) } else { (following(entry.id), shown) };
                let value = SortValue::Number(i64::try_from(before.1).unwrap_or(0));
                next = Some(Cursor { sort: asked.order(), value, id: before.0 }.encode());
                break 'page;
            }
            items.push(view::DeviceChange::of(entry, change));
        }
    }
    List { items, next, total: None }
}

/// The id right after another: a page 'older than it' begins with that other.
fn following(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_add(1))
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use muster_core::fleet::SectionHistory;
    use muster_core::ids::AgentId;
    use muster_core::inventory::SectionChange;
    use muster_core::time::Timestamp;

    fn entry(id: u128, sections: usize) -> HistoryEntry {
        let section = |i| SectionHistory {
            section: format!("s{i}"),
            kind: "changed".to_owned(),
            change: SectionChange::default(),
            added_count: 0,
            removed_count: 0,
        };
        HistoryEntry {
            id: Uuid::from_u128(id),
            at: Timestamp(0),
            agent: AgentId(Uuid::nil()),
            sections: (0..sections).map(section).collect(),
        }
    }

    #[test]
    fn pages_of_changes_show_every_row_once_whatever_their_length() {
        let all = [entry(9, 3), entry(7, 1), entry(5, 4)];
        for limit in 1..10 {
            let (mut shown, mut cursor) = (Vec::new(), None);
            loop {
                let asked = crate::list::page(Some(&limit.to_string()), cursor.as_deref(), NEWEST, NEWEST_SORTS).expect("a page");
                // As the store does it: entries older than the cursor, at most `limit`.
                let below = asked.cursor.as_ref().map_or(u128::MAX, |c| c.id.as_u128());
                let older: Vec<HistoryEntry> = all.iter().filter(|e| e.id.as_u128() < below).cloned().collect();
                let items: Vec<HistoryEntry> = older.iter().take(limit).cloned().collect();
                let next = items
                    .last()
                    .filter(|_| older.len() > limit)
                    .map(|last| Cursor { sort: asked.order(), value: SortValue::Number(0), id: last.id }.encode());
                let page = changes(Page { items, next, total: None }, None, &asked);
                assert!(page.items.len() <= limit);
                shown.extend(page.items.into_iter().map(|c| c.id));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            let expected: Vec<String> = all.iter().flat_map(|e| e.sections.iter().map(|s| format!("{}.{}", e.id, s.section))).collect();
            assert_eq!(shown, expected, "pages of {limit}");
        }
    }
}
