//! What everything this agent does shares: who it is, how the server is reached, and what is told of the machine.

use crate::channel::Channel;
use crate::client::{CallError, Client, Credentials};
use crate::collect::{self, Collected, Machine};
use crate::identity::{DataDir, IdentityError, LastContact, Names, Sent};
use ed25519_dalek::VerifyingKey;
use muster_core::inventory::Row;
use muster_core::time::{Clock, Timestamp};
use muster_wire::native::{self, AttemptRef, ContactRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What sending an inventory may take: slow lines exist.
const SEND_LIMIT: Duration = Duration::from_secs(300);
/// The sections that tell which machine this is.
pub(crate) const BASIC: [&str; 4] = ["hardware", "bios", "operatingsystem", "networks"];

/// An agent that has joined, with its machine and its server.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) credentials: Credentials,
    pub(crate) incarnation: u32,
    pub(crate) data: Arc<DataDir>,
    pub(crate) machine: Machine,
    pub(crate) clock: Arc<dyn Clock>,
    /// What the command line says.
    pub(crate) told: Names,
    /// What the server set.
    pub(crate) names: Mutex<Names>,
    /// Keys of the server as they are written down: the pinned one, then those before it.
    pub(crate) kept: Mutex<Vec<VerifyingKey>>,
    /// One inventory at a time: what was sent is noted when it was.
    pub(crate) inventory: tokio::sync::Mutex<()>,
}

impl Link {
    /// One signed call.
    pub(crate) async fn call<Q: Serialize, A: DeserializeOwned>(&self, path: &str, request: &Q, limit: Duration) -> Result<A, CallError> {
        let answer = self.client.call(&self.credentials, path, request, limit).await;
        self.keep_pin();
        answer
    }

    /// Opens a channel.
    pub(crate) async fn channel(&self, state: ContactRequest) -> Result<Channel, CallError> {
        let opened = self.client.channel(&self.credentials, state).await;
        self.keep_pin();
        opened
    }

    /// The keys that sign what is held: the pinned one first.
    pub(crate) fn keys(&self) -> Vec<VerifyingKey> {
        let former = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(self.credentials.server_key.key()).chain(former.iter().copied()).collect()
    }

    /// Writes down that another key of the server is pinned, before anything that it signed is looked at.
    fn keep_pin(&self) {
        let pinned = self.credentials.server_key.key();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.first() == Some(&pinned) {
            return;
        }
        match self.data.repin(&pinned) {
            Ok(()) => kept.insert(0, pinned),
            Err(error) => tracing::error!("the server's new key could not be written down: {error}"),
        }
    }

    /// The server's time as far as it is known, milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.client.now_ms()
    }

    /// Notes that the server answered, and what its clock shows.
    pub(crate) fn reached(&self, server_ms: i64) {
        self.client.clock().shown(server_ms);
    }

    /// Writes down when the server was last reached.
    pub(crate) fn keep_contact(&self, at: Timestamp) -> Result<(), IdentityError> {
        self.data.keep_contact(LastContact { at, ahead_ms: self.client.clock().ahead_ms() })
    }

    /// Changes what the server sets of how this machine is told of, and writes it down.
    pub(crate) fn name(&self, change: impl FnOnce(&mut Names)) -> Result<(), IdentityError> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = names.clone();
        change(&mut next);
        self.data.keep_names(&next)?;
        *names = next;
        Ok(())
    }

    /// Reads the machine and sends some sections; the others stay as the server has them.
    pub(crate) async fn send_part(&self, attempt: Option<AttemptRef>, wanted: &[&str]) -> Result<(), CallError> {
        let Collected { mut inventory, .. } = self.collected().await;
        inventory.sections.retain(|name, _| wanted.contains(&name.as_str()));
        let sections = native::section_marks(&inventory);
        let content = Some(content_of(&mut inventory.sections, |_| true));
        let request = native::InventoryRequest { sections, content, partial: true, attempt };
        let _: native::InventoryAnswer = self.call(native::INVENTORY_PATH, &request, SEND_LIMIT).await?;
        collect::give_memory_back();
        Ok(())
    }

    /// Collects, tells the hashes of all sections, then sends those that the server does not have; the first time all.
    pub(crate) async fn send_inventory(&self, attempt: Option<AttemptRef>) -> Result<(), CallError> {
        let _one = self.inventory.lock().await;
        let Collected { mut inventory, failed } = self.collected().await;
        let before = self.data.sent().sections;
        let mut marks = native::section_marks(&inventory);
        for (section, sentence) in failed {
            tracing::warn!(section, "not read: {sentence}");
            // The old hash says: still there, as you know it.
            marks.extend(before.get(section).map(|mark| (section.to_owned(), mark.clone())));
        }
        let mut content = before.is_empty().then(|| content_of(&mut inventory.sections, |_| true));
        // Twice at most: what the server wants, and nothing more after that.
        for _ in 0..2 {
            let sends_content = content.is_some();
            let request = native::InventoryRequest { sections: marks.clone(), content: content.take(), partial: false, attempt };
            let answer: native::InventoryAnswer = self.call(native::INVENTORY_PATH, &request, SEND_LIMIT).await?;
            if sends_content || answer.want.is_empty() {
                break;
            }
            content = Some(content_of(&mut inventory.sections, |name| answer.want.iter().any(|wanted| wanted == name)));
        }
        if let Err(error) = self.data.keep_sent(&Sent { sections: marks }) {
            tracing::warn!("what was sent could not be noted, so the next inventory is told whole: {error}");
        }
        drop(inventory);
        collect::give_memory_back();
        tracing::info!("inventory sent");
        Ok(())
    }

    /// Reads the machine on a thread of its own, with what the command line or the server says about it.
    async fn collected(&self) -> Collected {
        let (machine, now) = (self.machine.clone(), self.clock.now());
        let set = self.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (name, tag) = (self.told.name.clone().or(set.name), self.told.tag.clone().or(set.tag));
        let read = tokio::task::spawn_blocking(move || collect::collect(&machine, now)).await;
        let mut collected = match read {
            Ok(collected) => collected,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        let sections = &mut collected.inventory.sections;
        if let (Some(name), Some(row)) = (name, sections.get_mut("hardware").and_then(|rows| rows.first_mut())) {
            row.insert("name".to_owned(), Value::from(name));
        }
        if let Some(tag) = tag {
            let row = Row::from([("keyname".to_owned(), json!("TAG")), ("keyvalue".to_owned(), json!(tag))]);
            sections.insert("accountinfo".to_owned(), vec![row]);
        }
        collected
    }
}

/// The chosen sections as the inventory format writes them; they are moved out.
fn content_of(sections: &mut std::collections::BTreeMap<String, Vec<Row>>, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
    let mut content = Map::new();
    for (name, rows) in sections.iter_mut().filter(|(name, _)| wanted(name)) {
        let mut values = std::mem::take(rows).into_iter().map(|row| Value::Object(row.into_iter().collect()));
        let value = if muster_core::inventory::is_single(name) { values.next() } else { Some(Value::Array(values.collect())) };
        content.extend(value.map(|value| (name.clone(), value)));
    }
    content
}
