//! Who executes a task, and what that asks of the rest of it.

use super::read::Reader;
use super::{Mode, TaskDoc};
use crate::ids::AgentId;
use crate::limits::{POOL_ADDRESSES_MAX, POOL_AGENTS_MAX, RANGES_MAX, TASK_GROUPS_MAX};
use crate::tasks::pool::{Range, count, united, without};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who executes a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actors {
    /// The target's own agent.
    #[default]
    Own,
    /// These agents, whoever of them is free.
    Agents(Vec<AgentId>),
    /// Whoever can and may, of those that are selected.
    Pool(Pool),
}

/// Agents that do a kind of work for others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The kind of work, when written: the action of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Which of those that can.
    #[serde(default, skip_serializing_if = "Selector::is_empty")]
    pub selector: Selector,
    /// How many may be at work at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

/// Which agents are in a pool; empty: all. Whoever fits one of the groups and one of the subnets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// Names or ids of groups: their machines' agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Ranges of addresses, as written: agents of machines in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
}

impl Selector {
    /// Whether all are in it.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.subnets.is_empty()
    }

    /// Its subnets.
    pub fn ranges(&self) -> Vec<Range> {
        read_all(&self.subnets)
    }
}

impl Actors {
    /// Whether each target's own agent executes it.
    pub fn is_own(&self) -> bool {
        *self == Self::Own
    }

    /// The groups that it names.
    pub(super) fn groups(&self) -> &[String] {
        match self {
            Self::Pool(pool) => &pool.selector.groups,
            _ => &[],
        }
    }

    /// How many may be at work at once.
    pub fn most(&self) -> Option<usize> {
        match self {
            Self::Pool(pool) => pool.max.map(|max| max as usize),
            _ => None,
        }
    }
}

/// What was read before: nothing in it is wrong.
fn read_all(texts: &[String]) -> Vec<Range> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

impl TaskDoc {
    /// Whether a pool does it, for addresses.
    pub fn is_pooled(&self) -> bool {
        !self.actors.is_own()
    }

    /// Its addresses, each once, in order.
    pub fn addresses(&self) -> Vec<Range> {
        without(&united(read_all(&self.targets.ip_ranges)), &self.excluded_ranges())
    }

    /// The ranges that are left out of them.
    pub fn excluded_ranges(&self) -> Vec<Range> {
        read_all(&self.targets.exclude.ip_ranges)
    }
}

impl Reader {
    pub(super) fn actors(&mut self, value: &Value) -> Actors {
        if let Some(text) = value.as_str() {
            if text != "own" {
                self.fault("/actors", format!("there is no actor '{text}'; write own, {{agents: [id]}} or {{pool: {{}}}}"));
            }
            return Actors::Own;
        }
        let Some(map) = self.object("/actors", value, &["agents", "pool"], &["relay"]) else { return Actors::Own };
        match (map.get("agents"), map.get("pool")) {
            (Some(_), Some(_)) => {
                self.fault("/actors", "either agents or a pool execute a task; remove one of the two");
                Actors::Own
            }
            (Some(agents), None) => Actors::Agents(self.agents(agents)),
            (None, Some(pool)) => Actors::Pool(self.pool(pool)),
            (None, None) => Actors::Own,
        }
    }

    fn agents(&mut self, value: &Value) -> Vec<AgentId> {
        let texts = self.texts("/actors/agents", Some(value), POOL_AGENTS_MAX);
        if texts.is_empty() {
            self.fault("/actors/agents", "name at least one agent by its id");
        }
        let mut ids = Vec::with_capacity(texts.len());
        for (i, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(id) => ids.push(id),
                Err(_) => self.fault(&format!("/actors/agents/{i}"), format!("'{text}' is no id of an agent")),
            }
        }
        ids
    }

    fn pool(&mut self, value: &Value) -> Pool {
        let at = "/actors/pool";
        let empty = Map::new();
        let map = if value.is_null() { Some(&empty) } else { self.object(at, value, &["module", "selector", "max"], &[]) };
        let Some(map) = map else { return Pool::default() };
        let selector = super::read::given(map.get("selector")).map_or_else(Selector::default, |s| self.selector(s));
        let most = u32::try_from(POOL_AGENTS_MAX).unwrap_or(u32::MAX);
        Pool {
            module: self.text(&format!("{at}/module"), map.get("module"), 60),
            selector,
            max: self.number(&format!("{at}/max"), map.get("max"), 1..=most),
        }
    }

    fn selector(&mut self, value: &Value) -> Selector {
        let at = "/actors/pool/selector";
        let Some(map) = self.object(at, value, &["groups", "subnets"], &["sites"]) else { return Selector::default() };
        Selector {
            groups: self.texts(&format!("{at}/groups"), map.get("groups"), TASK_GROUPS_MAX),
            subnets: self.ranges(&format!("{at}/subnets"), map.get("subnets")),
        }
    }

    /// Ranges of addresses, which stay as they are written.
    pub(super) fn ranges(&mut self, at: &str, value: Option<&Value>) -> Vec<String> {
        let texts = self.texts(at, value, RANGES_MAX);
        for (i, text) in texts.iter().enumerate() {
            if let Err(bad) = text.parse::<Range>() {
                self.fault(&format!("{at}/{i}"), bad.to_string());
            }
        }
        texts
    }

    /// What a pool asks of the rest of the document, and a document without one.
    pub(super) fn pooled(&mut self, doc: &TaskDoc) {
        let Some(place) = doc.steps.iter().position(|step| step.action.is_sliced()) else { return self.not_pooled(doc) };
        let kind = doc.steps[place].action.kind();
        if doc.steps.len() > 1 {
            self.fault("/steps", format!("{kind} is done in slices, and is alone in its task; remove the other steps"));
        }
        if doc.actors.is_own() {
            self.fault("/actors", format!("{kind} is done by a pool or by agents that are named; write actors: {{pool: {{}}}}"));
        }
        if let Actors::Pool(Pool { module: Some(module), .. }) = &doc.actors
            && module != kind
        {
            self.fault("/actors/pool/module", format!("the step is {kind}, and so is the module of its pool; write that, or leave it out"));
        }
        self.of_addresses(doc, kind);
        let step = &doc.steps[place];
        let parts = [
            ("when", step.when.is_some()),
            ("on_error", step.on_error.is_some()),
            ("outputs", !step.outputs.is_empty()),
            ("barrier", step.barrier.is_some()),
        ];
        for (key, _) in parts.into_iter().filter(|(_, is)| *is) {
            self.fault(&format!("/steps/{place}/{key}"), format!("{kind} is alone in its task, so '{key}' has no effect; remove it"));
        }
        if doc.mode == Mode::ServerJob {
            self.fault("/mode", format!("{kind} is alone in its task; remove 'mode'"));
        }
        if !doc.rollout.waves.is_empty() {
            self.fault("/rollout/waves", "a pool goes through its addresses from the first to the last; waves are for machines");
        }
        if doc.is_offline() {
            self.fault("/schedule/offline", "a pool takes slices from the server, so nothing is begun offline; remove 'offline'");
        }
    }

    fn of_addresses(&mut self, doc: &TaskDoc, kind: &str) {
        let (it, out) = (&doc.targets, &doc.targets.exclude);
        let of_machines = [
            ("devices", !it.devices.is_empty()),
            ("groups", !it.groups.is_empty()),
            ("query", it.query.is_some()),
            ("all", it.all),
            ("late_joiners", it.late_joiners),
            ("exclude/devices", !out.devices.is_empty()),
            ("exclude/groups", !out.groups.is_empty()),
            ("exclude/query", out.query.is_some()),
            ("exclude/tags", !out.tags.is_empty()),
        ];
        for (key, _) in of_machines.into_iter().filter(|(_, is)| *is) {
            self.fault(&format!("/targets/{key}"), format!("{kind} is done for addresses, not for machines; name them in 'ip_ranges'"));
        }
        let addresses = count(&doc.addresses());
        if addresses > POOL_ADDRESSES_MAX {
            let what = format!("these are more than {POOL_ADDRESSES_MAX} addresses, the most of one task; make several tasks");
            self.fault("/targets/ip_ranges", what);
        }
    }

    fn not_pooled(&mut self, doc: &TaskDoc) {
        let is_ranged = !doc.targets.ip_ranges.is_empty() || !doc.targets.exclude.ip_ranges.is_empty();
        if doc.steps.is_empty() || (doc.actors.is_own() && !is_ranged) {
            return;
        }
        if is_ranged {
            self.fault("/targets/ip_ranges", "addresses are for steps that are done in slices, such as check_addresses; name machines");
        }
        if !doc.actors.is_own() {
            self.fault("/actors", "the steps are done by the targets' own agents; actors are for steps in slices, such as check_addresses");
        }
    }
}
