//! Bearer tokens of the API, and tokens by which agents join.

use super::orgs::{Names, named};
use super::{NOTHING, id, instant};
use crate::auth::{Created, Ctx, Keep};
use crate::json::Body;
use crate::list::{Asked, List, asked};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use muster_core::ids::{JoinTokenId, TokenId};
use muster_engine::{Cx, Tx, access};

asked! {
    /// Which page of tokens.
    TokenQuery {}
}

/// Lists bearer tokens; their texts are not kept.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", operation_id = "token_list", params(TokenQuery),
    responses((status = 200, description = "A page of tokens.", body = List<view::Token>)))]
pub async fn token_list(ctx: Ctx, Asked(query): Asked<TokenQuery>) -> Result<Json<List<view::Token>>, Problem> {
    let page = query.page(&["name"], "name")?;
    let (page, names) = ctx.read(move |rx, cx| Ok((access::token_list(rx, cx, &page)?, Names::load(rx, cx)?))).await?;
    Ok(Json(List::of(page, |token| {
        let org = names.of(token.org);
        view::Token::of(token, org)
    })))
}

/// Adds a bearer token; its text is given this once.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", operation_id = "token_create", request_body = view::NewToken,
    responses((status = 201, description = "The token with its text.", body = view::TokenMade)))]
pub async fn token_create(ctx: Ctx, body: Body) -> Result<Created, Problem> {
    let new: view::NewToken = body.object()?;
    let role = new.role.ok_or_else(|| Problem::invalid("/role", "a token needs a role: viewer, operator or admin"))?;
    let expires = instant("/expires", new.expires.as_deref())?;
    let make = move |tx: &mut Tx, cx: &Cx| {
        let org = named(tx, cx, new.org.as_deref())?;
        let (token, text) = access::token_create(tx, cx, &new.name, role.into(), org, expires)?;
        let org = Names::load(tx, cx)?.of(token.org);
        Ok(view::TokenMade { made: view::Token::of(token, org), token: text })
    };
    ctx.create("token.create", &body.bytes, Keep::DoneOnly, make).await
}

/// Removes a bearer token; it ends at once.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens", operation_id = "token_delete",
    params(("id" = String, Path, description = "Id of the token.")), responses((status = 204, description = "It is gone.")))]
pub async fn token_delete(ctx: Ctx, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let id: TokenId = id("token/not-found", "token", &text)?;
    ctx.write("token.delete", move |tx, cx| access::token_delete(tx, cx, id)).await?;
    Ok(NOTHING)
}

asked! {
    /// Which page of join tokens.
    JoinTokenQuery {}
}

/// Lists the tokens by which agents join; their texts are not kept.
#[utoipa::path(get, path = "/api/v1/join-tokens", tag = "tokens", operation_id = "join_token_list", params(JoinTokenQuery),
    responses((status = 200, description = "A page of join tokens.", body = List<view::JoinToken>)))]
pub async fn join_token_list(ctx: Ctx, Asked(query): Asked<JoinTokenQuery>) -> Result<Json<List<view::JoinToken>>, Problem> {
    let page = query.page(&["name"], "name")?;
    let page = ctx.read(move |rx, cx| access::join_token_list(rx, cx, &page)).await?;
    Ok(Json(List::of(page, |token| view::JoinToken::of(token, &ctx.org.name))))
}

/// Adds a token by which agents join; its text is given this once.
#[utoipa::path(post, path = "/api/v1/join-tokens", tag = "tokens", operation_id = "join_token_create",
    request_body = view::NewJoinToken, responses((status = 201, description = "The token with its text.", body = view::JoinTokenMade)))]
pub async fn join_token_create(ctx: Ctx, body: Body) -> Result<Created, Problem> {
    let new: view::NewJoinToken = body.object()?;
    let expires = instant("/expires", new.expires.as_deref())?;
    let new = access::NewJoinToken { name: new.name, uses: new.uses, expires, verified: new.verified, group: new.group };
    let org = ctx.org.name.clone();
    let make = move |tx: &mut Tx, cx: &Cx| {
        let (token, text) = access::join_token_create(tx, cx, &new)?;
        Ok(view::JoinTokenMade { made: view::JoinToken::of(token, &org), token: text })
    };
    ctx.create("join_token.create", &body.bytes, Keep::DoneOnly, make).await
}

/// Removes a join token; agents that joined stay.
#[utoipa::path(delete, path = "/api/v1/join-tokens/{id}", tag = "tokens", operation_id = "join_token_delete",
    params(("id" = String, Path, description = "Id of the join token.")), responses((status = 204, description = "It is gone.")))]
pub async fn join_token_delete(ctx: Ctx, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let id: JoinTokenId = id("join-token/not-found", "join token", &text)?;
    ctx.write("join_token.delete", move |tx, cx| access::join_token_delete(tx, cx, id)).await?;
    Ok(NOTHING)
}
