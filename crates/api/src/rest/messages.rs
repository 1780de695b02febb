//! Messages that tasks raise for people.

use super::devices::{NEWEST, NEWEST_SORTS};
use super::id;
use crate::auth::Ctx;
use crate::json::Body;
use crate::list::{Asked, List};
use crate::problem::Problem;
use crate::view;
use axum::Json;
use axum::extract::Path;
use muster_engine::messages;
use uuid::Uuid;

/// Which messages, the newest first.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// `true`: only those that nobody has read.
    #[param(value_type = Option<bool>)]
    pub unread: Option<String>,
    /// Rows at most, 1 to 1000; 50 unless given.
    #[param(value_type = Option<u32>)]
    pub limit: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Lists messages, the newest first.
#[utoipa::path(get, path = "/api/v1/messages", tag = "messages", operation_id = "message_list", params(MessageQuery),
    responses((status = 200, description = "A page of messages.", body = List<view::Message>)))]
pub async fn message_list(ctx: Ctx, Asked(query): Asked<MessageQuery>) -> Result<Json<List<view::Message>>, Problem> {
    let page = crate::list::page(query.limit.as_deref(), query.cursor.as_deref(), NEWEST, NEWEST_SORTS)?;
    let unread = crate::list::flag("unread", query.unread.as_deref())?.unwrap_or(false);
    let page = ctx.read(move |rx, cx| messages::message_list(rx, cx, unread, &page)).await?;
    Ok(Json(List::of(page, view::Message::from)))
}

/// Marks a message as read, or all up to it.
#[utoipa::path(post, path = "/api/v1/messages/{id}/read", tag = "messages", operation_id = "message_read",
    params(("id" = String, Path, description = "Id of the message.")), request_body = view::MessageMark,
    responses((status = 200, description = "How many were marked.", body = view::MessagesRead)))]
pub async fn message_read(ctx: Ctx, Path(text): Path<String>, body: Body) -> Result<Json<view::MessagesRead>, Problem> {
    let (id, mark): (Uuid, view::MessageMark) = (id("message/not-found", "message", &text)?, body.object_or_nothing()?);
    let read = ctx.write("message.read", move |tx, cx| messages::message_read(tx, cx, id, mark.all_before)).await?;
    Ok(Json(view::MessagesRead { read }))
}
