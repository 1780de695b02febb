//! Inventories that repeat the last one: one conditional update each, in sets.

use crate::fault::Fault;
use crate::gather::{Answer, Hot};
use crate::inventory::print;
use crate::unit::Tx;
use crate::value::{Row, V};
use muster_core::fleet::Protocol;
use muster_core::ids::{AgentId, DeviceId, OrgId};
use muster_core::inventory::Print;

/// An inventory of a foreign agent, by its prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The organization at whose door it came.
    pub door: OrgId,
    /// How the agent speaks.
    pub protocol: Protocol,
    /// Its DEVICEID.
    pub foreign_id: String,
    /// Its GLPI id, when it told one.
    pub glpi_id: Option<String>,
    /// The print of the facts.
    pub facts: Print,
    /// The print of the readings.
    pub readings: Print,
}

/// Whose inventory was the same again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The agent.
    pub agent: AgentId,
    /// Its organization.
    pub org: OrgId,
    /// Its device.
    pub device: DeviceId,
    /// The tag of the device.
    pub tag: Option<String>,
    /// Whether anything is open for the device.
    pub has_open: bool,
}

impl Hot for Touch {
    /// `None` when something differs from what is stored, or the agent is not known: then nothing was written.
    type Done = Option<Touched>;
    type Error = Fault;

    fn run(tx: &mut Tx, items: &[Self]) -> Result<Vec<Answer<Self>>, Fault> {
        let found =
            if tx.is_postgres() { tx.touch_set(items)? } else { items.iter().map(|i| tx.touch_one(i)).collect::<Result<_, _>>()? };
        Ok(found.into_iter().map(Ok).collect())
    }
}

fn touched(row: &Row) -> Result<Touched, Fault> {
    Ok(Touched {
        agent: AgentId(row.id(0)?),
        org: OrgId(row.id(1)?),
        device: DeviceId(row.id(2)?),
        tag: row.opt_text(3)?.map(str::to_owned),
        has_open: row.flag(4),
    })
}

impl Tx {
    fn touch_one(&mut self, item: &Touch) -> Result<Option<Touched>, Fault> {
        let sql = "UPDATE agent SET last_inventory = ?6 WHERE foreign_id = ?1 AND protocol = ?2 AND facts_print = ?3 AND readings_print = ?4 \
                   AND (?5 IS NULL OR glpi_id = ?5) AND door = ?7 RETURNING id, org, device, (SELECT d.tag FROM device d WHERE d.id = agent.device), \
                   EXISTS (SELECT 1 FROM assignment s WHERE s.device = agent.device AND s.open = 1)";
        let now = self.now().0;
        let values = [
            (&item.foreign_id).into(),
            item.protocol.as_str().into(),
            print(item.facts),
            print(item.readings),
            item.glpi_id.as_deref().into(),
            now.into(),
            V::U(item.door.0),
        ];
        self.one(sql, &values)?.map(|row| touched(&row)).transpose()
    }

    /// The same for a set in one statement; locked in the order of agents, so that two sets cannot block each other.
    fn touch_set(&mut self, items: &[Touch]) -> Result<Vec<Option<Touched>>, Fault> {
        let texts = |get: fn(&Touch) -> Option<String>| V::Ts(items.iter().map(get).collect());
        let prints = |get: fn(&Touch) -> Print| V::Us(items.iter().map(|i| Some(uuid::Uuid::from_u128_le(get(i).0))).collect());
        let sql = "WITH came AS (SELECT * FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::uuid[], ?5::uuid[], ?6::text[], ?8::uuid[]) \
                     AS t(n, foreign_id, protocol, facts, readings, glpi_id, door)), \
                   same AS (SELECT a.id, c.n FROM agent a JOIN came c ON a.door = c.door AND a.foreign_id = c.foreign_id AND a.protocol = c.protocol \
                     WHERE a.facts_print = c.facts AND a.readings_print = c.readings AND (c.glpi_id IS NULL OR a.glpi_id = c.glpi_id) \
                     ORDER BY a.id FOR NO KEY UPDATE OF a) \
                   UPDATE agent a SET last_inventory = ?7 FROM same WHERE a.id = same.id \
                   RETURNING a.id, a.org, a.device, (SELECT d.tag FROM device d WHERE d.id = a.device), \
                   EXISTS (SELECT 1 FROM assignment s WHERE s.device = a.device AND s.open = 1), same.n";
        let now = self.now().0;
        let values = [
            V::Is((0..).take(items.len()).map(Some).collect()),
            texts(|i| Some(i.foreign_id.clone())),
            texts(|i| Some(i.protocol.as_str().to_owned())),
            prints(|i| i.facts),
            prints(|i| i.readings),
            texts(|i| i.glpi_id.clone()),
            now.into(),
            V::Us(items.iter().map(|i| Some(i.door.0)).collect()),
        ];
        let mut found = vec![None; items.len()];
        for row in self.rows(sql, &values)? {
            let n = usize::try_from(row.int(5)?).unwrap_or(usize::MAX);
            if let Some(place) = found.get_mut(n) {
                *place = Some(touched(&row)?);
            }
        }
        Ok(found)
    }
}
