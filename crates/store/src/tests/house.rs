//! Rows that the tests of the areas stand on: two organizations, devices with agents, a task with a run.

use super::world::World;
use crate::{DeviceWrite, Fault, InventoryWrite, Rx, Tx, Whose};
use muster_core::access::Org;
use muster_core::fleet::{NewAgent, Protocol, Summary};
use muster_core::ids::{AgentId, DeviceId, OrgId, RunId, TaskId};
use muster_core::inventory::Print;
use muster_core::page::{Page, PageRequest};
use muster_core::settings::Settings;
use muster_core::tasks::{Action, Counts, Rules, Run, RunState, RunStep, Scope, Task, TaskDoc};
use muster_core::time::Timestamp;
use std::time::Duration;
use uuid::Uuid;

pub(crate) const NOW: Timestamp = Timestamp(1_795_000_000_000);
pub(crate) const HERE: OrgId = OrgId(Uuid::from_u128(1));
pub(crate) const THERE: OrgId = OrgId(Uuid::from_u128(2));

pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub(crate) fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

pub(crate) fn write<T: Send + 'static>(w: &World, f: impl Fn(&mut Tx) -> Result<T, Fault> + Send + 'static) -> T {
    w.store.write_now("test", f).unwrap()
}

pub(crate) fn read<T: Send + 'static>(w: &World, f: impl FnOnce(&mut Rx) -> Result<T, Fault> + Send + 'static) -> T {
    w.store.read_now(f).unwrap()
}

pub(crate) fn org(id: OrgId, name: &str) -> Org {
    Org { id, name: name.to_owned(), settings: Settings::default(), settings_version: 1, created: NOW, freeze: None }
}

/// Two organizations.
pub(crate) fn orgs(w: &World) {
    write(w, |tx| Ok(tx.org_insert(&org(HERE, "here"))? && tx.org_insert(&org(THERE, "there"))?));
}

pub(crate) fn new_agent(n: u128, device: u128, protocol: Protocol) -> NewAgent {
    NewAgent {
        id: AgentId(id(n)),
        org: HERE,
        device: DeviceId(id(device)),
        protocol,
        foreign_id: Some(format!("Host-{n}")),
        glpi_id: None,
        public_key: None,
        version: Some("1.0".to_owned()),
        verified: false,
        verified_by: None,
        source: Some("10.0.0.1".to_owned()),
        claim: 0,
        door: HERE,
    }
}

/// A device `n` of the first organization with the agent `n + 1000`.
pub(crate) fn device(tx: &mut Tx, n: u128, name: &str) -> Result<(), Fault> {
    tx.device_insert(DeviceId(id(n)), HERE, name, NOW)?;
    tx.agent_insert(&new_agent(n + 1000, n, Protocol::Glpi), NOW)
}

/// Writes an inventory of device `n`, worked out from how things stand.
pub(crate) fn put(tx: &mut Tx, n: u128, at: Timestamp, inventory: &InventoryWrite) -> Result<(), Fault> {
    let of = whose(n, at);
    let (fence, _) = tx.inventory_stand(of.device, of.agent)?;
    assert!(tx.inventory_write(&of, &InventoryWrite { fence, ..inventory.clone() })?);
    Ok(())
}

/// Device `n` and its agent.
pub(crate) fn whose(n: u128, at: Timestamp) -> Whose {
    let history = id(u128::try_from(at.0 - NOW.0).unwrap() / 1_000 + 1_000_000);
    Whose { org: HERE, device: DeviceId(id(n)), agent: AgentId(id(n + 1000)), at, history }
}

/// An inventory that says only this much.
pub(crate) fn inventory(summary: Summary) -> InventoryWrite {
    let device_write = DeviceWrite {
        searched: Some((summary, Vec::new())),
        software_added: Vec::new(),
        software_is_news: false,
        software_removed: Vec::new(),
        software_count: None,
    };
    InventoryWrite {
        fence: 0,
        facts: Print::of(b"facts"),
        readings_print: Print::of(b"readings"),
        sections: Vec::new(),
        removed: Vec::new(),
        readings: None,
        device_write: Some(device_write),
        history: None,
        findings: Vec::new(),
        shown: None,
    }
}

pub(crate) fn task(n: u128, name: &str) -> Task {
    let doc = TaskDoc::new(name, vec![muster_core::tasks::doc::Step::new("look", Action::Inventory)]);
    Task {
        id: TaskId(id(n)),
        org: HERE,
        version: 1,
        doc,
        created: NOW,
        updated: NOW,
        author: "ann".to_owned(),
        targets_max: None,
        schedule_off: None,
    }
}

pub(crate) fn run(n: u128, task: &Task, targeted: i64) -> Run {
    Run {
        id: RunId(id(n)),
        org: HERE,
        number: 0,
        task: task.id,
        task_version: task.version,
        task_name: task.doc.name.clone(),
        state: RunState::Preparing,
        verdict: None,
        delivery: task.doc.delivery,
        priority: task.doc.priority,
        targeted,
        made: 0,
        cancel_requested: false,
        paused: false,
        nominal: None,
        nominal_at: NOW,
        not_before: None,
        not_after: None,
        in_flight_max: None,
        handed_late: 0,
        created: NOW,
        started: None,
        ended: None,
        started_by: "ann".to_owned(),
        mode: muster_core::tasks::Mode::ClientJob,
        walked: false,
        late_due: None,
        late_joined: 0,
        addresses: None,
        rollout: muster_core::tasks::Standing::default(),
        counts: Counts::default(),
    }
}

pub(crate) fn rules() -> Rules {
    Rules { attempts_max: 3, backoff: Duration::from_secs(30), on_error: true, on_unknown: true, idempotent: true }
}

pub(crate) fn step(run: u128, step: i64) -> RunStep {
    let action = Action::Inventory.kind().to_owned();
    let name = format!("step-{step}");
    RunStep {
        run: RunId(id(run)),
        step,
        name,
        action,
        rules: rules(),
        open_to_strangers: true,
        timeout: None,
        scope: Scope::Client,
        stops: false,
        longest_run: None,
        walked: false,
        pooled: false,
    }
}

/// All items of a list, page by page, as a caller of the API goes through it; the total must be theirs.
pub(crate) fn all_pages<T: Send + 'static>(
    w: &World,
    limit: usize,
    sort: &str,
    ask: impl Fn(&mut Rx, &PageRequest) -> Result<Page<T>, Fault> + Send + Clone + 'static,
) -> Vec<T> {
    let (mut items, mut cursor): (Vec<T>, Option<String>) = (Vec::new(), None);
    loop {
        let sorts = [sort.trim_start_matches('-')];
        let request = PageRequest::parse(Some(&limit.to_string()), Some(sort), cursor.as_deref(), &sorts).unwrap();
        let ask = ask.clone();
        let page = read(w, move |rx| ask(rx, &request));
        assert!(page.items.len() <= limit, "a page of {} where {limit} were asked for", page.items.len());
        assert!(page.next.is_none() || page.items.len() == limit, "a page that goes on is full");
        items.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            assert_eq!(page.total, i64::try_from(items.len()).ok(), "the total is what the pages give");
            return items;
        }
        assert!(items.len() < 100_000, "pages without end");
    }
}
