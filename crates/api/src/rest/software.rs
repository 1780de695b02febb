//! Programs across the fleet: which there are, their versions, who has them, what appeared.

use crate::auth::Ctx;
use crate::csv::{self, Accept, Table};
use crate::list::{Asked, List, asked, listed, moment, text, values};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::response::{IntoResponse, Response};
use muster_core::page::{Page, PageRequest};
use muster_core::time::Timestamp;
use muster_engine::software::{self, Wanted};
use muster_engine::{Cx, ProgramFilter, Rx};

asked! {
    /// Which programs.
    SoftwareQuery {
        /// Text in name or publisher.
        q,
        /// Names, whatever their case; several by comma.
        name,
        /// The exact publisher.
        publisher,
        /// `csv` gives all rows as CSV, up to 100,000.
        format,
        /// Columns of the CSV, by comma.
        columns,
    }
}

const PROGRAMS_CSV: Table = Table {
    name: "software",
    columns: &[("name", "/name"), ("publisher", "/publisher"), ("versions", "/versions"), ("newest", "/newest"), ("devices", "/devices")],
};

/// Lists programs with the number of their devices, as they were counted last.
#[utoipa::path(get, path = "/api/v1/software", tag = "software", operation_id = "software_list", params(SoftwareQuery),
    responses((status = 200, description = "A page of programs.",
        content((view::ProgramList = "application/json"), (String = "text/csv")))))]
pub async fn software_list(ctx: Ctx, accept: Accept, Asked(query): Asked<SoftwareQuery>) -> Result<Response, Problem> {
    let sheet = accept.sheet(&PROGRAMS_CSV, query.format.as_deref(), query.columns.as_deref())?;
    let page = query.page(&["name", "devices"], "name")?;
    let filter = ProgramFilter { q: text(query.q), names: values(query.name.as_deref()), publisher: text(query.publisher) };
    if let Some(sheet) = sheet {
        let ask =
            move |rx: &mut Rx, cx: &Cx, page: &PageRequest| Ok(software::program_list(rx, cx, &filter, page)?.0.map(view::Program::from));
        return csv::answer(ctx, sheet, page, ask).await;
    }
    let (page, as_of) = ctx.read(move |rx, cx| software::program_list(rx, cx, &filter, &page)).await?;
    let Page { items, next, total } = page.map(view::Program::from);
    Ok(Json(view::ProgramList { items, next, total, as_of: view::time(as_of) }).into_response())
}

asked! {
    /// Which versions.
    VersionQuery {
        /// The program's name, whatever its case.
        name,
        /// Its publisher, whatever its case.
        publisher,
        /// Versions below this one.
        below,
        /// Versions from this one.
        from,
        /// `csv` gives all rows as CSV, up to 100,000.
        format,
        /// Columns of the CSV, by comma.
        columns,
    }
}

fn named(name: Option<String>) -> Result<String, Problem> {
    text(name).ok_or_else(|| Problem::invalid("name", "say which program: name=NAME; GET /api/v1/software finds names"))
}

const VERSIONS_CSV: Table = Table {
    name: "software-versions",
    columns: &[("name", "/name"), ("version", "/version"), ("publisher", "/publisher"), ("arch", "/arch"), ("devices", "/devices")],
};

/// Lists the versions of a program with the number of their devices, the newest first.
#[utoipa::path(get, path = "/api/v1/software/versions", tag = "software", operation_id = "software_versions", params(VersionQuery),
    responses((status = 200, description = "A page of versions.",
        content((List<view::ProgramVersion> = "application/json"), (String = "text/csv")))))]
pub async fn software_versions(ctx: Ctx, accept: Accept, Asked(query): Asked<VersionQuery>) -> Result<Response, Problem> {
    let sheet = accept.sheet(&VERSIONS_CSV, query.format.as_deref(), query.columns.as_deref())?;
    let page = query.page(&["version"], "-version")?;
    let (publisher, from, below) = (text(query.publisher), text(query.from), text(query.below));
    let wanted = Wanted { name: named(query.name)?, publisher, from, below, ..Wanted::default() };
    let ask =
        move |rx: &mut Rx, cx: &Cx, page: &PageRequest| Ok(software::version_list(rx, cx, &wanted, page)?.map(view::ProgramVersion::from));
    listed(ctx, sheet, page, ask).await
}

asked! {
    /// Which program in which versions.
    HolderQuery {
        /// The program's name, whatever its case.
        name,
        /// Its publisher, whatever its case.
        publisher,
        /// Exactly this version.
        version,
        /// Versions below this one; an unknown version is below none.
        below,
        /// Versions from this one.
        from,
        /// Its architecture.
        arch,
        /// `csv` gives all rows as CSV, up to 100,000.
        format,
        /// Columns of the CSV, by comma.
        columns,
    }
}

const HOLDERS_CSV: Table = Table {
    name: "software-devices",
    columns: &[
        ("device", "/device/id"),
        ("device_name", "/device/name"),
        ("os", "/device/os"),
        ("last_inventory", "/device/last_inventory"),
        ("name", "/name"),
        ("version", "/version"),
        ("publisher", "/publisher"),
        ("arch", "/arch"),
        ("since", "/since"),
    ],
};

/// Lists the devices that have a program, the oldest version first: who has it below a version, from one, in exactly one.
#[utoipa::path(get, path = "/api/v1/software/devices", tag = "software", operation_id = "software_devices", params(HolderQuery),
    responses((status = 200, description = "A page of devices with the version each has.",
        content((List<view::ProgramHolder> = "application/json"), (String = "text/csv")))))]
pub async fn software_devices(ctx: Ctx, accept: Accept, Asked(query): Asked<HolderQuery>) -> Result<Response, Problem> {
    let sheet = accept.sheet(&HOLDERS_CSV, query.format.as_deref(), query.columns.as_deref())?;
    let page = query.page(&["version"], "version")?;
    let wanted = Wanted {
        name: named(query.name)?,
        publisher: text(query.publisher),
        arch: text(query.arch),
        version: text(query.version),
        from: text(query.from),
        below: text(query.below),
    };
    let ask = move |rx: &mut Rx, cx: &Cx, page: &PageRequest| {
        Ok(software::holder_list(rx, cx, &wanted, page)?.map(|(entry, holder)| view::ProgramHolder::of(entry, holder)))
    };
    listed(ctx, sheet, page, ask).await
}

asked! {
    /// Which period.
    AppearedQuery {
        /// Since: an instant (RFC 3339), a day, or a period back from now; `7d` unless given.
        since,
        /// Before: the same forms; now unless given.
        until,
        /// Text in the program's name.
        q,
        /// `csv` gives all rows as CSV, up to 100,000.
        format,
        /// Columns of the CSV, by comma.
        columns,
    }
}

const APPEARED_CSV: Table = Table {
    name: "software-appeared",
    columns: &[
        ("name", "/name"),
        ("version", "/version"),
        ("publisher", "/publisher"),
        ("arch", "/arch"),
        ("devices", "/devices"),
        ("first_at", "/first_at"),
        ("last_at", "/last_at"),
        ("new_to_fleet", "/new_to_fleet"),
    ],
};

/// Lists the programs that came to devices within a period, the latest first. What a device's first inventory told did not come.
#[utoipa::path(get, path = "/api/v1/software/appeared", tag = "software", operation_id = "software_appeared", params(AppearedQuery),
    responses((status = 200, description = "A page of programs.",
        content((view::AppearedList = "application/json"), (String = "text/csv")))))]
pub async fn software_appeared(ctx: Ctx, accept: Accept, Asked(query): Asked<AppearedQuery>) -> Result<Response, Problem> {
    let sheet = accept.sheet(&APPEARED_CSV, query.format.as_deref(), query.columns.as_deref())?;
    let page = query.page(&["name", "devices", "first_at", "last_at"], "-last_at")?;
    let now = ctx.now();
    let since = moment("since", Some(query.since.as_deref().unwrap_or("7d")), now)?.unwrap_or(now);
    let until = moment("until", query.until.as_deref(), now)?.unwrap_or(Timestamp(now.millis().saturating_add(1)));
    let q = text(query.q);
    let look = move |rx: &mut Rx, cx: &Cx, page: &PageRequest| software::appeared_list(rx, cx, since, until, q.as_deref(), page);
    let shown = |(row, new)| view::AppearedProgram::of(row, new);
    if let Some(sheet) = sheet {
        let ask = move |rx: &mut Rx, cx: &Cx, page: &PageRequest| Ok(look(rx, cx, page)?.page.map(shown));
        return csv::answer(ctx, sheet, page, ask).await;
    }
    let found = ctx.read(move |rx, cx| look(rx, cx, &page)).await?;
    let Page { items, next, total } = found.page.map(shown);
    Ok(Json(view::AppearedList { items, next, total, since: found.since.into() }).into_response())
}
