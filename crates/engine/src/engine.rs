//! The engine's handle: the store, presence kept in memory, and the three ways in: write, read, wait.

use crate::contact::{self, Hello, Look, OwnContact, OwnReports, Tidings};
use crate::cx::{Cx, Random};
use crate::doors::Doors;
use crate::error::Error;
use crate::hot::Item;
use crate::idle::{Idle, Key};
use crate::intake::Patience;
use crate::work::Taken;
use muster_core::access::Caller;
use muster_core::ids::{AgentId, OrgId};
use muster_core::time::{Clock, Timestamp};
use muster_store::{Gather, Heard, Hint, Rx, Store, Touch, Touched, Tx};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The engine. Cheap to clone; all clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    presence: Mutex<BTreeMap<AgentId, Heard>>,
    inventories: AtomicU64,
    touches: Gather<Touch>,
    contacts: Gather<Item<OwnContact>>,
    reports: Gather<Item<OwnReports>>,
    doors: Doors,
    zone: jiff::tz::TimeZone,
    idle: Idle,
}

impl Engine {
    /// An engine on an open store, on a server whose wall shows UTC.
    pub fn new(store: Store, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self::in_zone(store, clock, random, jiff::tz::TimeZone::UTC)
    }

    /// An engine on an open store, on a server in a zone.
    pub fn in_zone(store: Store, clock: Arc<dyn Clock>, random: Arc<dyn Random>, zone: jiff::tz::TimeZone) -> Self {
        let touches = Gather::new(&store, "intake.touch");
        let idle = Idle::new((!store.is_postgres()).then(|| store.hints()));
        let presence = Mutex::new(BTreeMap::new());
        let (contacts, reports) = (Gather::new(&store, "contact.own"), Gather::new(&store, "work.report"));
        let (inventories, doors) = (AtomicU64::new(0), Doors::default());
        let inner = Inner { store, clock, random, presence, inventories, touches, contacts, reports, doors, zone, idle };
        Self { inner: Arc::new(inner) }
    }

    /// The store below, for programs that open, back up and close it.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The clock.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Randomness.
    pub fn random(&self) -> &dyn Random {
        self.inner.random.as_ref()
    }

    /// What the agents' doors count and measure.
    pub fn doors(&self) -> &Doors {
        &self.inner.doors
    }

    /// A context of Muster itself in an organization.
    pub fn system(&self, org: OrgId, request: &str) -> Cx {
        let mut cx = Cx::new(Caller::SYSTEM, "muster", org, request);
        cx.load = self.inner.doors.load();
        self.told(cx)
    }

    /// A context with what this server is like.
    fn told(&self, mut cx: Cx) -> Cx {
        cx.packages = self.inner.doors.packages.load(Ordering::Relaxed);
        cx.server_zone = self.inner.zone.clone();
        cx
    }

    /// A context of a caller.
    pub fn cx(&self, caller: Caller, name: &str, org: OrgId, request: &str) -> Cx {
        self.told(Cx::new(caller, name, org, request))
    }

    /// Runs a command: one transaction, answered after the commit. It may run more than once.
    pub async fn write<T, F>(&self, name: &'static str, cx: &Cx, f: F) -> Result<T, Error>
    where
        F: Fn(&mut Tx, &Cx) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let cx = Shared::new(cx, self.random());
        self.inner.store.write(name, move |tx| whole(tx, &cx.at(tx.now()), &f)).await
    }

    /// Runs an agent's command: like `write`, but a full queue is refused at once so that the agent comes again later.
    pub async fn try_write<T, F>(&self, name: &'static str, cx: &Cx, f: F) -> Result<T, Error>
    where
        F: Fn(&mut Tx, &Cx) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let cx = Shared::new(cx, self.random());
        self.inner.store.try_write(name, move |tx| whole(tx, &cx.at(tx.now()), &f)).await
    }

    /// Runs a command and blocks for it: for programs without an async runtime and for the simulator.
    pub fn write_now<T, F>(&self, name: &'static str, cx: &Cx, f: F) -> Result<T, Error>
    where
        F: Fn(&mut Tx, &Cx) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let cx = Shared::new(cx, self.random());
        self.inner.store.write_now(name, move |tx| whole(tx, &cx.at(tx.now()), &f))
    }

    /// Runs a query.
    pub async fn read<T, F>(&self, cx: &Cx, f: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Rx, &Cx) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let cx = Shared::new(cx, self.random());
        self.inner.store.read(move |rx| f(rx, &cx.at(rx.now()))).await
    }

    /// Runs a query and blocks for it.
    pub fn read_now<T, F>(&self, cx: &Cx, f: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Rx, &Cx) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let cx = Shared::new(cx, self.random());
        self.inner.store.read_now(move |rx| f(rx, &cx.at(rx.now())))
    }

    /// Looks who comes and whether anything may wait; from memory when it is known that nothing does.
    pub async fn look(&self, cx: &Cx, hello: &Hello) -> Result<Look, Error> {
        let key = Key::of(cx.org, hello);
        if let Some(look) = self.idle(&key, cx) {
            return Ok(look);
        }
        let (mark, asked) = (self.inner.idle.mark(), hello.clone());
        let (look, until) = self.read(cx, move |rx, cx| contact::look_ahead(rx, cx, &asked)).await?;
        self.inner.idle.keep(mark, key, &look, until);
        Ok(look)
    }

    /// As `look`, and blocks for it.
    pub fn look_now(&self, cx: &Cx, hello: &Hello) -> Result<Look, Error> {
        let key = Key::of(cx.org, hello);
        if let Some(look) = self.idle(&key, cx) {
            return Ok(look);
        }
        let (mark, asked) = (self.inner.idle.mark(), hello.clone());
        let (look, until) = self.read_now(cx, move |rx, cx| contact::look_ahead(rx, cx, &asked))?;
        self.inner.idle.keep(mark, key, &look, until);
        Ok(look)
    }

    /// Looks for our own agent and whether anything may wait for it; from memory when it is known that nothing does.
    pub async fn look_own(&self, cx: &Cx, id: AgentId) -> Result<Look, Error> {
        let key = Key::Own(id);
        if let Some(look) = self.idle(&key, cx) {
            return Ok(look);
        }
        let mark = self.inner.idle.mark();
        let (look, until) = self.read(cx, move |rx, cx| contact::look_own(rx, cx, id)).await?;
        self.inner.idle.keep(mark, key, &look, until);
        Ok(look)
    }

    /// As `look_own`, and blocks for it.
    pub fn look_own_now(&self, cx: &Cx, id: AgentId) -> Result<Look, Error> {
        let key = Key::Own(id);
        if let Some(look) = self.idle(&key, cx) {
            return Ok(look);
        }
        let mark = self.inner.idle.mark();
        let (look, until) = self.read_now(cx, move |rx, cx| contact::look_own(rx, cx, id))?;
        self.inner.idle.keep(mark, key, &look, until);
        Ok(look)
    }

    fn idle(&self, key: &Key, cx: &Cx) -> Option<Look> {
        self.inner.idle.get(key, self.now()).map(|look| Look { load: cx.load, ..look })
    }

    /// Hints of committed changes. Register before looking, so that none is lost between; a lost one costs a period.
    pub fn hints(&self) -> tokio::sync::broadcast::Receiver<Hint> {
        self.inner.store.hints()
    }

    fn presence(&self) -> MutexGuard<'_, BTreeMap<AgentId, Heard>> {
        self.inner.presence.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Notes that an agent was heard. Kept in memory and written in sets: losing a second of it at a crash is accepted.
    pub fn heard(&self, heard: Heard) {
        if heard.inventory {
            self.inner.idle.forget(heard.agent);
        }
        let mut presence = self.presence();
        let news = match presence.remove(&heard.agent) {
            Some(before) => heard.after(before),
            None => heard,
        };
        presence.insert(news.agent, news);
    }

    /// The address by which an agent was heard last, while that is not written yet.
    pub fn heard_from(&self, agent: AgentId) -> Option<String> {
        self.presence().get(&agent).and_then(|heard| heard.address.clone())
    }

    /// Takes what was heard since the last call.
    pub(crate) fn take_presence(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.presence()).into_values().collect()
    }

    /// Gives back what could not be written; newer news stay.
    pub(crate) fn give_back_presence(&self, all: Vec<Heard>) {
        let mut presence = self.presence();
        for heard in all {
            presence.entry(heard.agent).or_insert(heard);
        }
    }

    /// Takes an inventory that may repeat the last one of its agent: `None` when it does not. Whoever calls needs a tokio runtime.
    pub(crate) async fn touch(&self, touch: Touch, patience: Patience) -> Result<Option<Touched>, Error> {
        Ok(match patience {
            Patience::None => self.inner.touches.try_call(touch).await?,
            Patience::Waits => self.inner.touches.call(touch).await?,
        })
    }

    /// Answers a contact of our own agent and hands out what waits, together with others; a full queue is refused at once. Whoever
    /// calls needs a tokio runtime.
    pub async fn own_contact(&self, cx: &Cx, contact: OwnContact) -> Result<Tidings, Error> {
        self.inner.contacts.try_call(self.item(cx, contact)).await
    }

    /// Takes reports of our own agent, together with others; waits for room. Whoever calls needs a tokio runtime.
    pub async fn own_reports(&self, cx: &Cx, reports: OwnReports) -> Result<Taken, Error> {
        self.inner.reports.call(self.item(cx, reports)).await
    }

    fn item<T>(&self, cx: &Cx, what: T) -> Item<T> {
        Item { cx: Arc::new(Shared::new(cx, self.random())), what: Arc::new(what) }
    }

    /// Counts an inventory that was stored.
    pub fn count_inventory(&self) {
        self.inner.inventories.fetch_add(1, Ordering::Relaxed);
    }

    /// How many inventories were stored since the start.
    pub fn inventories(&self) -> u64 {
        self.inner.inventories.load(Ordering::Relaxed)
    }
}

/// A command to its end: devices that it changed come into groups and leave them.
fn whole<T>(tx: &mut Tx, cx: &Cx, f: &impl Fn(&mut Tx, &Cx) -> Result<T, Error>) -> Result<T, Error> {
    let done = f(tx, cx)?;
    crate::groups::settle(tx, cx)?;
    Ok(done)
}

/// A context that may cross threads: each run of the command makes its own from it.
pub(crate) struct Shared(Mutex<Cx>);

impl Shared {
    fn new(cx: &Cx, random: &dyn Random) -> Self {
        Self(Mutex::new(cx.seeded(random)))
    }

    pub(crate) fn at(&self, now: Timestamp) -> Cx {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).at(now)
    }
}
