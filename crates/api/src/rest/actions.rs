//! What steps can do: for forms and for who writes tasks.

use crate::auth::Ctx;
use crate::problem::Problem;
use crate::view;
use axum::Json;
use muster_core::tasks::doc::ActionKind;

/// Lists the actions of this version, each with the JSON Schema of its parameters.
#[utoipa::path(get, path = "/api/v1/actions", tag = "tasks", operation_id = "action_list",
    responses((status = 200, description = "All actions.", body = view::Actions)))]
pub async fn action_list(_: Ctx) -> Result<Json<view::Actions>, Problem> {
    Ok(Json(view::Actions { items: ActionKind::ALL.iter().map(view::ActionType::from).collect() }))
}
