//! People who sign in.

use super::orgs::{Names, named};
use super::{NOTHING, id};
use crate::auth::{Created, Ctx, Keep, Tagged};
use crate::json::Body;
use crate::list::{Asked, List, asked};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use muster_core::access::Role;
use muster_core::ids::UserId;
use muster_engine::access::{self, NewPerson, PersonPatch};
use muster_engine::{Cx, Error, Tx};

asked! {
    /// Which page of people.
    UserQuery {}
}

fn user_id(text: &str) -> Result<UserId, Problem> {
    id("user/not-found", "user", text)
}

/// Lists people.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", operation_id = "user_list", params(UserQuery),
    responses((status = 200, description = "A page of people.", body = List<view::User>)))]
pub async fn user_list(ctx: Ctx, Asked(query): Asked<UserQuery>) -> Result<Json<List<view::User>>, Problem> {
    let page = query.page(&["name"], "name")?;
    let (page, names) = ctx.read(move |rx, cx| Ok((access::user_list(rx, cx, &page)?, Names::load(rx, cx)?))).await?;
    Ok(Json(List::of(page, |person| {
        let org = names.of(person.org);
        view::User::of(person, org)
    })))
}

/// Shows a person.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", operation_id = "user_view",
    params(("id" = String, Path, description = "Id of the user.")),
    responses((status = 200, description = "The person; the version is the ETag.", body = view::User)))]
pub async fn user_view(ctx: Ctx, Path(id): Path<String>) -> Result<Tagged<view::User>, Problem> {
    let id = user_id(&id)?;
    let (person, names) = ctx.read(move |rx, cx| Ok((access::user_view(rx, cx, id)?, Names::load(rx, cx)?))).await?;
    let org = names.of(person.org);
    Ok(Tagged(person.version, view::User::of(person, org)))
}

/// Adds a person; the first password must be changed at the first sign-in.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", operation_id = "user_create", request_body = view::NewUser,
    responses((status = 201, description = "The person.", body = view::User)))]
pub async fn user_create(ctx: Ctx, body: Body) -> Result<Created, Problem> {
    ctx.cx.may_here(Role::Admin, "adding people")?;
    let new: view::NewUser = body.object()?;
    let role = new.role.ok_or_else(|| Problem::invalid("/role", "a user needs a role: viewer, operator or admin"))?;
    access::password_check("/password", &new.password)?;
    let password = ctx.app.gate().hash(new.password).await?;
    // The password is no part of what is kept of the request.
    let request = format!("{}\n{role:?}\n{}", new.name, new.org.as_deref().unwrap_or(""));
    let make = move |tx: &mut Tx, cx: &Cx| {
        let org = named(tx, cx, new.org.as_deref())?;
        let person = NewPerson { name: new.name.clone(), password: password.clone(), role: role.into(), org, must_change: true };
        let person = access::user_create(tx, cx, &person)?;
        let org = Names::load(tx, cx)?.of(person.org);
        Ok(view::User::of(person, org))
    };
    ctx.create("user.create", request.as_bytes(), Keep::Answer, make).await
}

/// Changes a person: role, sign-in barred or not, a new password.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", operation_id = "user_update",
    params(("id" = String, Path, description = "Id of the user.")), request_body = view::UserPatch,
    responses((status = 200, description = "The person now.", body = view::User)))]
pub async fn user_update(ctx: Ctx, Path(id): Path<String>, body: Body) -> Result<Tagged<view::User>, Problem> {
    ctx.cx.may_here(Role::Admin, "changing people")?;
    let (id, version) = (user_id(&id)?, ctx.if_match);
    let patch: view::UserPatch = body.object()?;
    let password = match patch.password {
        Some(password) => {
            access::password_check("/password", &password)?;
            Some(ctx.app.gate().hash(password).await?)
        }
        None => None,
    };
    let patch = PersonPatch { role: patch.role.map(Role::from), disabled: patch.disabled, password };
    let change = move |tx: &mut Tx, cx: &Cx| {
        let before = access::user_view(tx, cx, id)?;
        if version.is_some_and(|v| v != before.version) {
            return Err(Error::stale("user"));
        }
        Ok((access::user_update(tx, cx, id, &patch)?, Names::load(tx, cx)?))
    };
    let (person, names) = ctx.write("user.update", change).await?;
    let org = names.of(person.org);
    Ok(Tagged(person.version, view::User::of(person, org)))
}

/// Removes a person; all sessions end.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users", operation_id = "user_delete",
    params(("id" = String, Path, description = "Id of the user.")), responses((status = 204, description = "The person is gone.")))]
pub async fn user_delete(ctx: Ctx, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id = user_id(&id)?;
    ctx.write("user.delete", move |tx, cx| access::user_delete(tx, cx, id)).await?;
    Ok(NOTHING)
}
