//! Identity: how a device is known, duplicates, merge, split, undo.

use super::id;
use crate::auth::{Created, Ctx, Keep, Tagged};
use crate::json::Body;
use crate::list::{Asked, List, asked, one, text, words};
use crate::problem::{Problem, ProblemDocument};
use crate::view;
use axum::Json;
use axum::extract::Path;
use muster_core::ids::{AgentId, CandidateId, DeviceId, IdentityLogId};
use muster_engine::fleet::DeviceDetail;
use muster_engine::identity::{acts, candidates};
use muster_engine::{CandidateFilter, Field};
use std::str::FromStr;

fn device_id(text: &str) -> Result<DeviceId, Problem> {
    id("device/not-found", "device", text)
}

fn duplicate_id(text: &str) -> Result<CandidateId, Problem> {
    id("duplicate/not-found", "candidate", text)
}

/// Ids of a body; each that is none is named by its place.
fn ids<T: FromStr<Err: ToString>>(pointer: &str, texts: &[String]) -> Result<Vec<T>, Problem> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (i, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(id) => found.push(id),
            Err(e) => faults.push(Field { pointer: format!("{pointer}/{i}"), detail: T::Err::to_string(&e) }),
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Problem::fields(faults)) }
}

fn shown(ctx: &Ctx, detail: DeviceDetail) -> Tagged<view::DeviceFull> {
    let version = detail.view.device.version;
    Tagged(version, view::DeviceFull::of(detail, &ctx.org.settings, ctx.now()))
}

/// Shows how a device is known: its agents with their evidence, what it may be confused with, what was joined and parted.
#[utoipa::path(get, path = "/api/v1/devices/{id}/identity", tag = "identity", operation_id = "device_identity",
    params(("id" = String, Path, description = "Id of the device.")),
    responses((status = 200, description = "Agents, evidence, candidates, log.", body = view::Identity),
        (status = 410, description = "`device/merged`: the device is part of another now, named by `into` (`id`, `name`). Every \
            operation on one device answers so.", body = ProblemDocument, content_type = "application/problem+json")))]
pub async fn device_identity(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Identity>, Problem> {
    let id = device_id(&id)?;
    Ok(Json(ctx.read(move |rx, cx| acts::identity_view(rx, cx, id)).await?.into()))
}

/// Makes devices one: the agents of `from` join this device with their history, `from` disappear from lists. What waits for
/// them is cancelled. Whether an agent is verified does not change.
#[utoipa::path(post, path = "/api/v1/devices/{id}/merge", tag = "identity", operation_id = "device_merge",
    params(("id" = String, Path, description = "Id of the device that stays.")), request_body = view::Merge,
    responses((status = 200, description = "The device as it is now.", body = view::DeviceFull),
        (status = 410, description = "`device/merged` with `into`: one of them is part of another.", body = ProblemDocument,
            content_type = "application/problem+json")))]
pub async fn device_merge(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Tagged<view::DeviceFull>, Problem> {
    let into = device_id(&id)?;
    let from: Vec<DeviceId> = ids("/from", &body.object::<view::Merge>()?.from)?;
    let detail = ctx.write("device.merge", move |tx, cx| acts::device_merge(tx, cx, into, &from)).await?;
    Ok(shown(&ctx, detail))
}

/// Parts agents from a device: they and their history become a new device.
#[utoipa::path(post, path = "/api/v1/devices/{id}/split", tag = "identity", operation_id = "device_split",
    params(("id" = String, Path, description = "Id of the device.")), request_body = view::Split,
    responses((status = 201, description = "The new device.", body = view::DeviceFull)))]
pub async fn device_split(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Created, Problem> {
    let id = device_id(&id)?;
    let asked: view::Split = body.object()?;
    let (agents, name): (Vec<AgentId>, _) = (ids("/agents", &asked.agents)?, asked.name);
    let settings = ctx.org.settings.clone();
    ctx.create("device.split", &body.bytes, Keep::Answer, move |tx, cx| {
        let detail = acts::device_split(tx, cx, id, &agents, name.as_deref())?;
        Ok(view::DeviceFull::of(detail, &settings, cx.now))
    })
    .await
}

/// Takes a merge or a split back. Gives the device to look at afterwards.
#[utoipa::path(post, path = "/api/v1/identity/{id}/undo", tag = "identity", operation_id = "identity_undo",
    params(("id" = String, Path, description = "Id of an entry of a device's identity log.")),
    responses((status = 200, description = "The device that stayed, of a merge; the one that was split.", body = view::DeviceFull),
        (status = 409, description = "`identity/cannot-undo`: later changes leave open what that would mean; the detail says which.",
            body = ProblemDocument, content_type = "application/problem+json")))]
pub async fn identity_undo(ctx: Ctx, Path(id): Path<String>) -> Result<Tagged<view::DeviceFull>, Problem> {
    let id: IdentityLogId = super::id("identity/not-found", "act of identity", &id)?;
    let detail = ctx.write("identity.undo", move |tx, cx| acts::identity_undo(tx, cx, id)).await?;
    Ok(shown(&ctx, detail))
}

asked! {
    /// Which pairs of devices.
    DuplicateQuery {
        /// open, dismissed, merged; several by comma; open unless given.
        state,
        /// duplicate, clone; several by comma.
        kind,
        /// Id of a device.
        device,
        /// Text in what is searched of one of the two.
        q,
    }
}

/// Lists pairs of devices that may be one, the best fitting first.
#[utoipa::path(get, path = "/api/v1/duplicates", tag = "identity", operation_id = "duplicate_list", params(DuplicateQuery),
    responses((status = 200, description = "A page of candidates.", body = List<view::Duplicate>)))]
pub async fn duplicate_list(ctx: Ctx, Asked(query): Asked<DuplicateQuery>) -> Result<Json<List<view::Duplicate>>, Problem> {
    let page = query.page(&["points", "at"], "-points")?;
    let filter = CandidateFilter {
        states: words("state", query.state.as_deref())?,
        kinds: words("kind", query.kind.as_deref())?,
        device: one("device", query.device.as_deref())?,
        q: text(query.q),
    };
    let page = ctx.read(move |rx, cx| candidates::candidate_list(rx, cx, &filter, &page)).await?;
    Ok(Json(List::of(page, view::Duplicate::from)))
}

/// Shows a pair.
#[utoipa::path(get, path = "/api/v1/duplicates/{id}", tag = "identity", operation_id = "duplicate_view",
    params(("id" = String, Path, description = "Id of the candidate.")),
    responses((status = 200, description = "The candidate.", body = view::Duplicate)))]
pub async fn duplicate_view(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Duplicate>, Problem> {
    let id = duplicate_id(&id)?;
    Ok(Json(ctx.read(move |rx, cx| candidates::candidate_view(rx, cx, id)).await?.into()))
}

/// Says that the two are apart; they are not proposed again.
#[utoipa::path(post, path = "/api/v1/duplicates/{id}/dismiss", tag = "identity", operation_id = "duplicate_dismiss",
    params(("id" = String, Path, description = "Id of the candidate.")), request_body = view::Dismiss,
    responses((status = 200, description = "The candidate as it is now.", body = view::Duplicate),
        (status = 409, description = "`duplicate/decided`: the two were merged.", body = ProblemDocument,
            content_type = "application/problem+json")))]
pub async fn duplicate_dismiss(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Json<view::Duplicate>, Problem> {
    let id = duplicate_id(&id)?;
    let note = text(body.object_or_nothing::<view::Dismiss>()?.note);
    let done = ctx.write("duplicate.dismiss", move |tx, cx| candidates::candidate_dismiss(tx, cx, id, note.as_deref())).await?;
    Ok(Json(done.into()))
}

/// Takes a dismissal back.
#[utoipa::path(post, path = "/api/v1/duplicates/{id}/reopen", tag = "identity", operation_id = "duplicate_reopen",
    params(("id" = String, Path, description = "Id of the candidate.")),
    responses((status = 200, description = "The candidate as it is now.", body = view::Duplicate),
        (status = 409, description = "`duplicate/decided`: the two were merged.", body = ProblemDocument,
            content_type = "application/problem+json")))]
pub async fn duplicate_reopen(ctx: Ctx, Path(id): Path<String>) -> Result<Json<view::Duplicate>, Problem> {
    let id = duplicate_id(&id)?;
    Ok(Json(ctx.write("duplicate.reopen", move |tx, cx| candidates::candidate_reopen(tx, cx, id)).await?.into()))
}
