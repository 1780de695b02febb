//! Messages over the wire.

use super::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who read a message.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MessageRead {
    /// Their name.
    pub by: String,
    /// When.
    pub at: Time,
}

/// A message that a task raised.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Time,
    /// `info`, `warning`, `error`.
    pub level: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
    /// The name of the task that raised it.
    pub task: String,
    /// The run.
    pub run: Option<String>,
    /// Who read it; null: nobody yet.
    pub read: Option<MessageRead>,
}

impl From<muster_engine::Message> for Message {
    fn from(m: muster_engine::Message) -> Self {
        Self {
            id: m.id.to_string(),
            at: m.at.into(),
            level: m.level,
            title: m.title,
            text: m.text,
            task: m.task_name,
            run: m.run.map(|r| r.to_string()),
            read: m.read.map(|(by, at)| MessageRead { by, at: at.into() }),
        }
    }
}

/// Which messages are marked as read.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct MessageMark {
    /// Also all before it that nobody has read.
    pub all_before: bool,
}

/// How many messages were marked.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MessagesRead {
    /// The number.
    pub read: u64,
}
