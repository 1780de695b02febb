//! Names and secrets by which foreign agents show that they belong here.

use super::{NOTHING, id};
use crate::auth::{Created, Ctx, Keep};
use crate::json::Body;
use crate::list::{Asked, List, asked};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use muster_core::access::Role;
use muster_core::ids::AgentCredentialId;
use muster_engine::{Cx, Tx, access};

asked! {
    /// Which page of credentials.
    AgentCredentialQuery {}
}

/// Lists the credentials of foreign agents; their secrets are not kept.
#[utoipa::path(get, path = "/api/v1/agent-credentials", tag = "tokens", operation_id = "agent_credential_list", params(AgentCredentialQuery),
    responses((status = 200, description = "A page of credentials.", body = List<view::AgentCredential>)))]
pub async fn agent_credential_list(
    ctx: Ctx,
    Asked(query): Asked<AgentCredentialQuery>,
) -> Result<Json<List<view::AgentCredential>>, Problem> {
    let page = query.page(&["name"], "name")?;
    let page = ctx.read(move |rx, cx| access::agent_credential_list(rx, cx, &page)).await?;
    Ok(Json(List::of(page, |credential| view::AgentCredential::of(credential, &ctx.org.name))))
}

/// Adds a credential of foreign agents; its secret is given this once.
#[utoipa::path(post, path = "/api/v1/agent-credentials", tag = "tokens", operation_id = "agent_credential_create",
    request_body = view::NewAgentCredential,
    responses((status = 201, description = "The credential with its secret.", body = view::AgentCredentialMade)))]
pub async fn agent_credential_create(ctx: Ctx, body: Body) -> Result<Created, Problem> {
    ctx.cx.may_here(Role::Admin, "making agents' credentials")?;
    let new: view::NewAgentCredential = body.object()?;
    if let Some(secret) = &new.secret {
        access::agent_secret_check("/secret", secret)?;
    }
    // The secret is no part of what is kept of the request.
    let request = format!("{}\n{}\n{}", new.name, new.verified, new.secret.is_some());
    let secret = new.secret.unwrap_or_else(|| access::agent_secret(ctx.app.engine().random()));
    let hash = ctx.app.gate().hash(secret.clone()).await?;
    let new = access::NewAgentCredential { name: new.name, secret: hash, verified: new.verified };
    let org = ctx.org.name.clone();
    let make = move |tx: &mut Tx, cx: &Cx| {
        let made = access::agent_credential_create(tx, cx, &new)?;
        Ok(view::AgentCredentialMade { made: view::AgentCredential::of(made, &org), secret: secret.clone() })
    };
    ctx.create("agent_credential.create", request.as_bytes(), Keep::DoneOnly, make).await
}

/// Removes a credential of foreign agents; tokens had with it end at once, agents that came with it stay.
#[utoipa::path(delete, path = "/api/v1/agent-credentials/{id}", tag = "tokens", operation_id = "agent_credential_delete",
    params(("id" = String, Path, description = "Id of the credential.")), responses((status = 204, description = "It is gone.")))]
pub async fn agent_credential_delete(ctx: Ctx, Path(text): Path<String>) -> Result<StatusCode, Problem> {
    let id: AgentCredentialId = id("agent-credential/not-found", "agent credential", &text)?;
    ctx.write("agent_credential.delete", move |tx, cx| access::agent_credential_delete(tx, cx, id)).await?;
    Ok(NOTHING)
}
