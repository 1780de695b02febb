//! Findings of a device that do not come with an inventory.

use crate::fault::Fault;
use crate::list::json;
use crate::unit::{Hint, Topic, Tx};
use crate::value::V;
use muster_core::ids::{AgentId, DeviceId};
use muster_core::inventory::Finding;
use muster_core::limits::FINDINGS_MAX;

impl Tx {
    /// Adds a finding to a device, in the place of one of the same kind; the next inventory that is stored replaces all. A device
    /// that is gone stays gone.
    pub fn device_finding(&mut self, device: DeviceId, agent: AgentId, finding: &Finding) -> Result<(), Fault> {
        let Some(row) = self.one("SELECT findings, org FROM device WHERE id = ?1", &[V::U(device.0)])? else { return Ok(()) };
        let mut findings: Vec<Finding> = json(&row, 0, "device", "findings")?;
        let org = row.id(1)?;
        findings.retain(|f| f.kind != finding.kind);
        findings.truncate(FINDINGS_MAX - 1);
        findings.push(finding.clone());
        let count = i64::try_from(findings.len()).unwrap_or(0);
        let findings = serde_json::to_string(&findings).map_err(|e| Fault::Db(e.to_string()))?;
        self.send("UPDATE device SET findings = ?2, finding_count = ?3 WHERE id = ?1", &[V::U(device.0), findings.into(), count.into()])?;
        // The next inventory of the agent shall be looked at whole, also when it repeats the last: it takes the finding away.
        self.send("UPDATE agent SET facts_print = NULL WHERE id = ?1", &[V::U(agent.0)])?;
        self.after(Hint { topic: Topic::Device, id: Some(device.0), org: Some(org) });
        Ok(())
    }
}
