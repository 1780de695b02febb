//! Groups: named lists of devices and those that follow a query, and who is in them.

use super::{NOTHING, id};
use crate::auth::{Created, Ctx, Keep, Tagged, encode};
use crate::json::Body;
use crate::list::{Asked, List, asked, text};
use crate::pieces::in_pieces;
use crate::problem::{Problem, ProblemDocument};
use crate::view;
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::ids::GroupId;
use muster_engine::groups::{self, Change, Changed, GroupPatch};
use muster_engine::{Cx, Error, Rx, Tx};

asked! {
    /// Which groups.
    GroupQuery {
        /// Text in name or description.
        q,
    }
}

fn group_id(text: &str) -> Result<GroupId, Problem> {
    id("group/not-found", "group", text)
}

/// Lists groups, each with how many devices are in it.
#[utoipa::path(get, path = "/api/v1/groups", tag = "groups", operation_id = "group_list", params(GroupQuery),
    responses((status = 200, description = "A page of groups.", body = List<view::Group>)))]
pub async fn group_list(ctx: Ctx, Asked(query): Asked<GroupQuery>) -> Result<Json<List<view::Group>>, Problem> {
    let page = query.page(&["name", "updated"], "name")?;
    let q = text(query.q);
    let page = ctx.read(move |rx, cx| groups::group_list(rx, cx, q.as_deref(), &page)).await?;
    Ok(Json(List::of(page, view::Group::from)))
}

/// Makes a group: one that follows a query, or one without members.
#[utoipa::path(post, path = "/api/v1/groups", tag = "groups", operation_id = "group_create", request_body = view::NewGroup,
    responses((status = 201, description = "The group.", body = view::Group),
        (status = 409, description = "`group/name-taken`.", body = ProblemDocument, content_type = "application/problem+json")))]
pub async fn group_create(ctx: Ctx, body: Body) -> Result<Created, Problem> {
    let new: view::NewGroup = body.object()?;
    match (new.kind, &new.query) {
        (Some(view::GroupKind::Dynamic), None) => {
            return Err(Problem::invalid("/query", "a dynamic group needs the query that its members follow"));
        }
        (Some(view::GroupKind::Static), Some(_)) => {
            return Err(Problem::invalid("/kind", "people name the members of a static group; leave out kind, or query"));
        }
        _ => {}
    }
    let make =
        move |tx: &mut Tx, cx: &Cx| groups::group_create(tx, cx, &new.name, &new.description, new.query.as_deref()).map(view::Group::from);
    ctx.create("group.create", &body.bytes, Keep::Answer, make).await
}

/// Shows a group. Its devices are `GET /api/v1/devices?group=ID`.
#[utoipa::path(get, path = "/api/v1/groups/{id}", tag = "groups", operation_id = "group_view",
    params(("id" = String, Path, description = "Id of the group.")),
    responses((status = 200, description = "The group; its version is the ETag.", body = view::Group)))]
pub async fn group_view(ctx: Ctx, Path(id): Path<String>) -> Result<Tagged<view::Group>, Problem> {
    let id = group_id(&id)?;
    let group = ctx.read(move |rx, cx| groups::group_view(rx, cx, id)).await?;
    Ok(Tagged(group.group.version, group.into()))
}

/// Changes a group's name, description or query. A name by which tasks know the group stays.
#[utoipa::path(patch, path = "/api/v1/groups/{id}", tag = "groups", operation_id = "group_update",
    params(("id" = String, Path, description = "Id of the group.")), request_body = view::GroupPatch,
    responses((status = 200, description = "The group as it is now.", body = view::Group),
        (status = 409, description = "`group/name-taken`; `group/in-use` with `tasks` (`id`, `name`) whose documents have the old name.",
            body = ProblemDocument, content_type = "application/problem+json")))]
pub async fn group_update(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Tagged<view::Group>, Problem> {
    let (id, version) = (group_id(&id)?, ctx.if_match);
    let asked: view::GroupPatch = body.object()?;
    let patch = GroupPatch { name: asked.name, description: asked.description, query: asked.query };
    let group = ctx.write("group.update", move |tx, cx| groups::group_update(tx, cx, id, &patch, version)).await?;
    Ok(Tagged(group.group.version, group.into()))
}

/// Removes a group; its devices stay.
#[utoipa::path(delete, path = "/api/v1/groups/{id}", tag = "groups", operation_id = "group_delete",
    params(("id" = String, Path, description = "Id of the group.")),
    responses((status = 204, description = "It is gone."),
        (status = 409, description = "`group/in-use`: the current documents of `tasks` (`id`, `name`; the first hundred of `count`) name it.",
            body = ProblemDocument, content_type = "application/problem+json")))]
pub async fn group_delete(ctx: Ctx, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id = group_id(&id)?;
    ctx.write("group.delete", move |tx, cx| groups::group_delete(tx, cx, id)).await?;
    Ok(NOTHING)
}

/// Takes devices into a group or out of it: those named by `add` and `remove`, at once, or all that `query` selects, in pieces.
/// Above the size guard the number must be said. The members of a dynamic group follow its query and are not changed.
#[utoipa::path(post, path = "/api/v1/groups/{id}/members", tag = "groups", operation_id = "group_members",
    params(("id" = String, Path, description = "Id of the group.")), request_body = view::MembersChange,
    responses((status = 200, description = "How many came, how many left, and how many are in it now.", body = view::MembersChanged),
        (status = 409, description = "`group/size-guard` with `count`; `group/dynamic`: the members follow a query.", body = ProblemDocument,
            content_type = "application/problem+json")))]
pub async fn group_members(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Response, Problem> {
    let id = group_id(&id)?;
    let asked: view::MembersChange = body.object()?;
    let (confirmed, aim) = (asked.confirm_count, aim(asked)?);
    let check = move |rx: &mut Rx, cx: &Cx| {
        let change = aim(rx, cx, id)?;
        groups::check(rx, cx, id, &change, confirmed).map(|_| change)
    };
    let piece = move |tx: &mut Tx, cx: &Cx, change: &Change, first| groups::piece(tx, cx, id, change, first);
    let answer = move |tx: &mut Tx, cx: &Cx, Changed { added, removed }| {
        encode(&view::MembersChanged { added, removed, count: groups::group_view(tx, cx, id)?.count })
    };
    in_pieces(&ctx, "group.members", &body, check, piece, answer).await
}

/// What a change is aimed at, to be looked up.
fn aim(asked: view::MembersChange) -> Result<impl FnOnce(&mut Rx, &Cx, GroupId) -> Result<Change, Error>, Problem> {
    let (add, remove) = (asked.add.unwrap_or_default(), asked.remove.unwrap_or_default());
    let by_name = !add.is_empty() || !remove.is_empty();
    let by_query = match (asked.query, asked.act) {
        (Some(query), Some(act)) if !by_name => Some((query, act)),
        (None, None) if by_name => None,
        (Some(_), None) => return Err(Problem::invalid("/act", "say what is done to those the query selects: act is add or remove")),
        _ => return Err(Problem::invalid("", "say who: either devices by add and remove, or all of a query by query and act")),
    };
    Ok(move |rx: &mut Rx, cx: &Cx, id| match &by_query {
        Some((query, act)) => groups::change_by_query(rx, cx, id, query, (*act).into()),
        None => groups::change_named(rx, cx, id, &add, &remove),
    })
}
