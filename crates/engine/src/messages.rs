//! Messages that tasks raise for people.

use crate::cx::Cx;
use crate::error::Error;
use muster_core::access::Role;
use muster_core::page::{Page, PageRequest};
use muster_store::{Message, Rx, Tx};
use uuid::Uuid;

/// A page of messages, the newest first unless asked for otherwise; only those that nobody has read, when asked for.
pub fn message_list(rx: &mut Rx, cx: &Cx, unread: bool, page: &PageRequest) -> Result<Page<Message>, Error> {
    cx.may_here(Role::Viewer, "reading messages")?;
    Ok(rx.messages(cx.org, unread, page)?)
}

/// Marks a message as read by the caller, or all up to it that nobody has read. Gives how many were marked.
pub fn message_read(tx: &mut Tx, cx: &Cx, id: Uuid, and_before: bool) -> Result<u64, Error> {
    cx.may_here(Role::Operator, "marking messages as read")?;
    if tx.message(cx.org, id)?.is_none() {
        return Err(Error::not_found("message/not-found", "message", id));
    }
    Ok(tx.messages_read(cx.org, id, and_before, &cx.name, cx.now)?)
}
