//! A fleet that is told by hand.

use muster_core::access::{Actor, Caller, Role};
use muster_core::fleet::{Agent, CandidateKind, CandidateState, Device, IdentityAct, Protocol};
use muster_core::ids::{AgentId, DeviceId, OrgId, UserId};
use muster_core::inventory::{Canonical, Completeness, Inventory, Row};
use muster_core::page::PageRequest;
use muster_core::time::{Clock, HandClock, Timestamp};
use muster_engine::contact::{self, Hello, Look};
use muster_engine::fleet::DeviceDetail;
use muster_engine::identity::acts::{self, IdentityView};
use muster_engine::identity::candidates::{self, CandidateView};
use muster_engine::intake::{Arrival, Stored};
use muster_engine::{CandidateFilter, Cx, DeviceFilter, Engine, Error, Rx, SeededRandom, Store, Tx, access, fleet, groups, intake};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub const NOW: Timestamp = Timestamp(1_795_000_000_000);
pub const HOUR: Duration = Duration::from_secs(3_600);

pub struct World {
    pub engine: Engine,
    pub clock: Arc<HandClock>,
    pub cx: Cx,
    _kept: Box<dyn std::any::Any>,
}

/// Runs each test on the three stores.
macro_rules! on_all {
    ($($name:ident)*) => {
        mod inline { $(#[test] fn $name() { super::$name(&crate::world::World::inline()); })* }
        mod sqlite { $(#[test] fn $name() { super::$name(&crate::world::World::sqlite()); })* }
        mod postgres { $(#[test] fn $name() { super::$name(&crate::world::World::postgres()); })* }
    };
}
pub(crate) use on_all;

/// A machine as its agents tell it.
#[derive(Clone, Debug)]
pub struct Machine {
    pub protocol: Protocol,
    pub id: String,
    pub old_id: Option<String>,
    pub agent_id: Option<String>,
    pub name: String,
    pub uuid: String,
    pub serial: String,
    pub macs: Vec<String>,
    pub software: Vec<String>,
    pub address: String,
}

impl Machine {
    /// Number `n`, with everything its own.
    pub fn new(n: u32) -> Self {
        Self {
            protocol: Protocol::Fusioninventory,
            id: format!("pc-{n}-2026-11-21-03-09-07"),
            old_id: None,
            agent_id: None,
            name: format!("pc-{n}"),
            uuid: format!("4c4c4544-0042-4a10-8052-b4c04f{n:06}"),
            serial: format!("CZC00{n}"),
            macs: vec![format!("00:1b:21:00:00:{n:02x}")],
            software: vec!["bash".to_owned(), format!("tool-{n}")],
            address: format!("10.0.0.{n}"),
        }
    }

    /// The same with another DEVICEID, as after its agent was installed anew.
    pub fn reinstalled(&self) -> Self {
        Self { id: format!("{}-2026-11-22-08-00-00", self.name), ..self.clone() }
    }

    pub fn inventory(&self) -> Inventory {
        let row = |v: Value| -> Row { serde_json::from_value(v).expect("a row") };
        let mut inventory = Inventory::empty(Completeness::Full);
        let mut hardware = json!({"name": self.name, "memory": 2048});
        if !self.uuid.is_empty() {
            hardware["uuid"] = json!(self.uuid);
        }
        for (section, rows) in [
            ("hardware", vec![hardware]),
            ("bios", vec![json!({"ssn": self.serial, "smanufacturer": "Acme"})]),
            ("networks", self.macs.iter().map(|mac| json!({"mac": mac, "ipaddress": self.address})).collect()),
            ("softwares", self.software.iter().map(|name| json!({"name": name, "version": "1"})).collect()),
            ("users", vec![json!({"login": format!("user-of-{}", self.name)})]),
        ] {
            inventory.sections.insert(section.to_owned(), rows.into_iter().map(row).collect());
        }
        inventory
    }

    pub fn arrival(&self) -> Arrival {
        let inventory = self.inventory();
        Arrival {
            protocol: self.protocol,
            own: None,
            foreign_id: Some(self.id.clone()),
            old_foreign_id: self.old_id.clone(),
            glpi_id: self.agent_id.clone(),
            version: Some("2.6".to_owned()),
            source: self.address.parse().ok(),
            unchanged: Default::default(),
            told: Arc::new(Canonical::new(inventory)),
        }
    }
}

impl World {
    pub fn inline() -> Self {
        Self::on(|clock| Store::inline(7, clock), ())
    }

    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("muster.db");
        Self::on(move |clock| Store::open_sqlite(&path, clock).expect("opened"), dir)
    }

    pub fn postgres() -> Self {
        let database = muster_store::testdb::database();
        let url = database.url().to_owned();
        Self::on(move |clock| Store::open_postgres(&url, clock).expect("opened"), database)
    }

    fn on(open: impl FnOnce(Arc<dyn Clock>) -> Store, kept: impl std::any::Any) -> Self {
        let clock = Arc::new(HandClock::at(NOW));
        let engine = Engine::new(open(clock.clone()), clock.clone(), Arc::new(SeededRandom::new(7)));
        let nowhere = engine.cx(Caller::SYSTEM, "test", OrgId(uuid::Uuid::nil()), "test");
        let org = engine.write_now("org.default", &nowhere, access::default_org).expect("the default organization");
        let cx = engine.cx(Caller::SYSTEM, "test", org.id, "test");
        Self { engine, clock, cx, _kept: Box::new(kept) }
    }

    pub fn read<T: Send + 'static>(&self, f: impl FnOnce(&mut Rx, &Cx) -> Result<T, Error> + Send + 'static) -> T {
        self.engine.read_now(&self.cx, f).expect("read")
    }

    pub fn write<T: Send + 'static>(&self, f: impl Fn(&mut Tx, &Cx) -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
        self.engine.write_now("test", &self.person(Role::Operator), f)
    }

    pub fn person(&self, role: Role) -> Cx {
        let caller = Caller { actor: Actor::User(UserId(uuid::Uuid::from_u128(5))), role, scope: Some(self.cx.org) };
        self.engine.cx(caller, "kim", self.cx.org, "test")
    }

    pub fn send(&self, machine: &Machine) -> Stored {
        let arrival = machine.arrival();
        let stored = self.engine.write_now("intake", &self.cx, move |tx, cx| intake::inventory(tx, cx, &arrival)).expect("stored");
        self.hear(stored.agent, stored.device, &machine.address);
        stored
    }

    fn hear(&self, agent: AgentId, device: DeviceId, address: &str) {
        let at = self.clock.now();
        let heard = muster_engine::Heard {
            agent,
            device,
            at,
            next: None,
            address: Some(address.to_owned()),
            version: None,
            inventory: false,
            clock_offset: None,
        };
        self.engine.write_now("heard", &self.cx, move |tx, _| Ok(tx.heard(std::slice::from_ref(&heard))?)).expect("heard");
    }

    pub fn look(&self, machine: &Machine) -> Look {
        let hello = Hello {
            protocol: machine.protocol,
            foreign_id: machine.id.clone(),
            version: None,
            address: Some(machine.address.clone()),
            vouched: false,
            packages: false,
        };
        self.read(move |rx, cx| contact::look(rx, cx, &hello))
    }

    /// Brings the members of groups whose query changed up to date; gives how many came or left.
    pub fn refresh(&self) -> usize {
        let mut moved = 0;
        while let Some(strays) = self.read(groups::strays) {
            moved += self.engine.write_now("refresh", &self.cx, move |tx, cx| groups::refresh(tx, cx, &strays)).expect("refreshed");
        }
        moved
    }

    pub fn agent(&self, id: AgentId) -> Agent {
        self.read(move |rx, _| Ok(rx.agent(id)?)).expect("the agent")
    }

    pub fn verify(&self, id: AgentId) {
        let patch = fleet::AgentPatch { verified: Some(true), ..fleet::AgentPatch::default() };
        self.write(move |tx, cx| fleet::agent_update(tx, cx, id, &patch, None)).expect("verified");
    }

    /// Verifies an agent of another organization.
    pub fn verify_in(&self, org: OrgId, id: AgentId) {
        let patch = fleet::AgentPatch { verified: Some(true), ..fleet::AgentPatch::default() };
        let cx = self.engine.system(org, "test");
        self.engine.write_now("verify", &cx, move |tx, cx| fleet::agent_update(tx, cx, id, &patch, None)).expect("verified");
    }

    pub fn settings(&self, patch: Value) {
        let patch = patch.as_object().cloned().expect("an object");
        self.engine.write_now("settings", &self.cx, move |tx, cx| access::settings_update(tx, cx, &patch, None)).expect("settings");
    }

    pub fn devices_where(&self, filter: DeviceFilter) -> Vec<Device> {
        let page = PageRequest { limit: 1_000, ..PageRequest::default() };
        self.read(move |rx, cx| fleet::device_list(rx, cx, filter, None, &page)).items.into_iter().map(|v| v.device).collect()
    }

    pub fn devices(&self) -> Vec<Device> {
        self.devices_where(DeviceFilter::default())
    }

    pub fn device(&self, id: DeviceId) -> Result<DeviceDetail, Error> {
        self.engine.read_now(&self.cx, move |rx, cx| fleet::device_view(rx, cx, id))
    }

    pub fn identity(&self, id: DeviceId) -> IdentityView {
        self.read(move |rx, cx| acts::identity_view(rx, cx, id))
    }

    pub fn candidates(&self, state: CandidateState) -> Vec<CandidateView> {
        let filter = CandidateFilter { states: vec![state], ..CandidateFilter::default() };
        self.read(move |rx, cx| candidates::candidate_list(rx, cx, &filter, &PageRequest::default())).items
    }

    /// The open candidates: kind and the names of the two.
    pub fn open(&self) -> Vec<(CandidateKind, Vec<String>)> {
        let names = |c: &CandidateView| {
            let mut names: Vec<String> = c.devices.iter().flatten().map(|(d, _)| d.name.clone()).collect();
            names.sort();
            names
        };
        self.candidates(CandidateState::Open).iter().map(|c| (c.candidate.kind, names(c))).collect()
    }

    pub fn acts(&self, id: DeviceId) -> Vec<IdentityAct> {
        self.identity(id).log.into_iter().map(|(entry, _)| entry.act).collect()
    }

    pub fn merge(&self, into: DeviceId, from: &[DeviceId]) -> Result<DeviceDetail, Error> {
        let from = from.to_vec();
        self.write(move |tx, cx| acts::device_merge(tx, cx, into, &from))
    }

    pub fn split(&self, id: DeviceId, agents: &[AgentId], name: Option<&'static str>) -> Result<DeviceDetail, Error> {
        let agents = agents.to_vec();
        self.write(move |tx, cx| acts::device_split(tx, cx, id, &agents, name))
    }

    /// Takes back the newest act of this kind on a device.
    pub fn undo(&self, device: DeviceId, act: IdentityAct) -> Result<DeviceDetail, Error> {
        let log = self.identity(device).log;
        let entry = log.into_iter().find(|(e, _)| e.act == act).expect("an entry").0.id;
        self.write(move |tx, cx| acts::identity_undo(tx, cx, entry))
    }

    /// The searched tables of every device say what its agents say.
    pub fn searched_tables_fit(&self) {
        for device in self.devices() {
            let found = self.read(move |rx, cx| muster_engine::rebuild::differences(rx, cx.org, device.id));
            assert_eq!(found, Vec::<String>::new());
        }
    }
}
