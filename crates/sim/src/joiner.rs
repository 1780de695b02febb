//! People who make devices one, part them and take that back.

use crate::observe::Trust;
use crate::world::{Answer, World};
use muster_core::ids::{AgentId, DeviceId, OrgId};
use muster_core::page::PageRequest;
use muster_engine::fleet::{DeviceDetail, agent_list, device_view};
use muster_engine::identity::acts::{device_merge, device_split, identity_undo, identity_view};
use muster_engine::{AgentFilter, Cx, Error, Tx};

impl World {
    /// Two devices of one organization become one.
    pub(crate) fn devices_merge(&mut self) {
        let org = self.org();
        let devices = self.devices(org);
        let (Some((into, _)), Some((from, _))) = (self.dice.pick(&devices), self.dice.pick(&devices)) else { return };
        self.redraw("device.merge", org, &[into, from], move |tx, cx| device_merge(tx, cx, into, &[from]));
    }

    /// Some agents leave a device.
    pub(crate) fn device_split(&mut self) {
        let org = self.org();
        let devices = self.devices(org);
        let Some((id, _)) = self.dice.pick(&devices) else { return };
        let agents: Vec<AgentId> =
            self.read(org, move |rx, cx| device_view(rx, cx, id)).map_or(Vec::new(), |d| d.agents.iter().map(|a| a.id).collect());
        let Some(agent) = self.dice.pick(&agents) else { return };
        self.redraw("device.split", org, &[id], move |tx, cx| device_split(tx, cx, id, &[agent], None));
    }

    /// Something of a device's log is taken back, whether that is possible or not.
    pub(crate) fn act_undo(&mut self) {
        let org = self.org();
        let devices = self.devices(org);
        let Some((id, _)) = self.dice.pick(&devices) else { return };
        let log = self.read(org, move |rx, cx| identity_view(rx, cx, id)).map_or(Vec::new(), |v| v.log);
        let entries: Vec<_> =
            log.into_iter().filter(|(_, can)| *can).map(|(e, _)| (e.id, e.from.map(|d| d.id), e.to.map(|d| d.id))).collect();
        let Some((entry, from, to)) = self.dice.pick(&entries) else { return };
        let concerned: Vec<DeviceId> = from.into_iter().chain(to).collect();
        self.redraw("identity.undo", org, &concerned, move |tx, cx| identity_undo(tx, cx, entry));
    }

    /// Runs an act and notes whose trust it changed. What was known of the devices concerned is learned anew.
    fn redraw<F>(&mut self, name: &'static str, org: OrgId, concerned: &[DeviceId], f: F)
    where
        F: Fn(&mut Tx, &Cx) -> Result<DeviceDetail, Error> + Send + 'static,
    {
        let before = self.trust(org);
        let answer: Answer<DeviceDetail> = self.write(name, &self.person(org), f);
        self.note(format_args!(
            "a person acts, {name} on {concerned:?}: {:?}",
            answer.result.as_ref().map(|d| d.view.device.id).map_err(|e| e.key)
        ));
        let after = self.trust(org);
        for (agent, verified) in after {
            let was = before.iter().find(|(id, _)| *id == agent).is_some_and(|(_, v)| *v);
            self.seen.trust.push(Trust { agent, before: was, after: verified });
        }
        if answer.result.is_err() && !answer.is_maybe() {
            return;
        }
        concerned.iter().for_each(|device| self.model.forget(*device));
        for i in 0..self.agents.len() {
            if self.agents[i].device.is_some_and(|d| concerned.contains(&d)) {
                self.agents[i].device = self.sender(i).map(|a| a.device);
            }
        }
    }

    fn trust(&self, org: OrgId) -> Vec<(AgentId, bool)> {
        let page = PageRequest { limit: 1_000, ..PageRequest::default() };
        let found = self.read(org, move |rx, cx| agent_list(rx, cx, AgentFilter::default(), None, &page));
        found.into_iter().flat_map(|p| p.items).map(|v| (v.agent.id, v.agent.verified)).collect()
    }
}
