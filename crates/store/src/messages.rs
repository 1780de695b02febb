//! Messages that tasks raise for people.

use crate::fault::Fault;
use crate::list::{List, Order};
use crate::unit::{Hint, Rx, Topic, Tx};
use crate::value::{Row, V};
use muster_core::ids::{OrgId, RunId};
use muster_core::page::{Page, PageRequest};
use muster_core::time::Timestamp;
use uuid::Uuid;

/// A message to be shown.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub org: OrgId,
    /// When.
    pub at: Timestamp,
    /// `info`, `warning`, `error`.
    pub level: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The task that raised it.
    pub task_name: &'a str,
    /// The run.
    pub run: RunId,
}

/// A message as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// `info`, `warning`, `error`.
    pub level: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
    /// The task that raised it.
    pub task_name: String,
    /// The run.
    pub run: Option<RunId>,
    /// Who read it, and when.
    pub read: Option<(String, Timestamp)>,
}

const MESSAGE: &str = "m.id, m.at, m.level, m.title, m.text, m.task_name, m.run, m.read_by, m.read_at";

fn message(row: &Row) -> Result<Message, Fault> {
    Ok(Message {
        id: row.id(0)?,
        at: Timestamp(row.int(1)?),
        level: row.text(2)?.to_owned(),
        title: row.text(3)?.to_owned(),
        text: row.text(4)?.to_owned(),
        task_name: row.text(5)?.to_owned(),
        run: row.opt_id(6)?.map(Into::into),
        read: match row.opt_int(8)? {
            Some(at) => Some((row.opt_text(7)?.unwrap_or_default().to_owned(), Timestamp(at))),
            None => None,
        },
    })
}

impl Rx {
    /// A page of messages; only those nobody has read, when asked for.
    pub fn messages(&mut self, org: OrgId, unread: bool, page: &PageRequest) -> Result<Page<Message>, Fault> {
        let mut list = List::new(MESSAGE, "message m");
        list.filter("m.org = {}", org.0);
        if unread {
            list.condition("m.read_at IS NULL");
        }
        list.page(self, page, &Order { column: "m.id", id: "m.id" }, message)
    }
}

impl Rx {
    /// One message.
    pub fn message(&mut self, org: OrgId, id: Uuid) -> Result<Option<Message>, Fault> {
        let mut list = List::new(MESSAGE, "message m");
        list.filter("m.org = {}", org.0);
        list.filter("m.id = {}", id);
        Ok(list.all(self, "m.id", 1, message)?.pop())
    }
}

impl Rx {
    /// How many messages nobody has read, counted up to a thousand.
    pub fn messages_unread(&mut self, org: OrgId) -> Result<i64, Fault> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM message WHERE org = ?1 AND read_at IS NULL LIMIT 1000) n";
        self.one(sql, &[V::U(org.0)])?.map_or(Ok(0), |r| r.int(0))
    }
}

impl Tx {
    /// Adds a message.
    pub fn message_insert(&mut self, m: &NewMessage<'_>) -> Result<(), Fault> {
        self.send(
            "INSERT INTO message (id, org, at, level, title, text, task_name, run, read_by, read_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, NULL)",
            &[
                V::U(m.id),
                V::U(m.org.0),
                m.at.0.into(),
                m.level.into(),
                m.title.into(),
                m.text.into(),
                m.task_name.into(),
                V::U(m.run.0),
            ],
        )?;
        self.after(Hint { topic: Topic::Message, id: Some(m.id), org: Some(m.org.0) });
        Ok(())
    }

    /// Notes who read messages that nobody has read yet: one, or all up to one. Gives how many.
    pub fn messages_read(&mut self, org: OrgId, id: Uuid, and_before: bool, by: &str, now: Timestamp) -> Result<u64, Fault> {
        let params = [V::U(org.0), V::U(id), by.into(), now.0.into()];
        let done = match and_before {
            true => self.exec("UPDATE message SET read_by = ?3, read_at = ?4 WHERE org = ?1 AND id <= ?2 AND read_at IS NULL", &params)?,
            false => self.exec("UPDATE message SET read_by = ?3, read_at = ?4 WHERE org = ?1 AND id = ?2 AND read_at IS NULL", &params)?,
        };
        self.after(Hint { topic: Topic::Message, id: None, org: Some(org.0) });
        Ok(done)
    }
}
