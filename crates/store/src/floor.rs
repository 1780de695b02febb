//! What the bare database takes for the rows of a run: the floor beside which `muster bench work` shows the engine. A table of its
//! own with the columns and indexes without which no engine could do; no rules, no counters, no hints.

use crate::fault::Fault;
use crate::unit::Tx;
use crate::value::V;
use uuid::Uuid;

/// Rows of one insert of many.
const PIECE: usize = 500;

impl Tx {
    /// Makes the tables of the floor.
    pub fn floor_tables(&mut self) -> Result<(), Fault> {
        let (id, int) = if self.is_postgres() { ("UUID", "BIGINT") } else { ("BLOB", "INTEGER") };
        let table = format!(
            "CREATE TABLE floor_assignment (id {id} PRIMARY KEY, run {id} NOT NULL, device {id} NOT NULL, state TEXT NOT NULL, due {int} NOT NULL, agent {id})"
        );
        let attempt =
            format!("CREATE TABLE floor_attempt (id {id} PRIMARY KEY, agent {id} NOT NULL, state TEXT NOT NULL, at {int} NOT NULL)");
        let event = format!("CREATE TABLE floor_event (id {id} NOT NULL, kind TEXT NOT NULL, at {int} NOT NULL)");
        let unique = "CREATE UNIQUE INDEX floor_unique ON floor_assignment(run, device)";
        let open = "CREATE INDEX floor_open ON floor_assignment(device) WHERE state <> 'ok'";
        for text in [table.as_str(), attempt.as_str(), event.as_str(), unique, open] {
            self.rows_dyn(text, &[])?;
        }
        Ok(())
    }

    /// Makes rows, as the assignments of a run.
    pub fn floor_make(&mut self, run: Uuid, all: &[(Uuid, Uuid)]) -> Result<(), Fault> {
        for piece in all.chunks(PIECE) {
            if self.is_postgres() {
                let (ids, devices) = piece.iter().map(|(id, device)| (Some(*id), Some(*device))).unzip();
                self.exec(
                    "INSERT INTO floor_assignment SELECT x.id, ?3, x.device, 'prepared', 0, NULL FROM unnest(?1::uuid[], ?2::uuid[]) AS x(id, device)",
                    &[V::Us(ids), V::Us(devices), V::U(run)],
                )?;
                continue;
            }
            for (id, device) in piece {
                self.exec("INSERT INTO floor_assignment VALUES (?1, ?2, ?3, 'prepared', 0, NULL)", &[V::U(*id), V::U(run), V::U(*device)])?;
            }
        }
        Ok(())
    }

    /// Finds the row of a device and hands it out: one look, one change, one attempt, one event. Gives its id.
    pub fn floor_claim(&mut self, device: Uuid, now: i64) -> Result<Option<Uuid>, Fault> {
        let Some(row) = self.one("SELECT id FROM floor_assignment WHERE device = ?1 AND state <> 'ok'", &[V::U(device)])? else {
            return Ok(None);
        };
        let id = row.id(0)?;
        self.send("UPDATE floor_assignment SET state = 'started', agent = ?2 WHERE id = ?1", &[V::U(id), V::U(device)])?;
        self.send("INSERT INTO floor_attempt VALUES (?1, ?2, 'started', ?3)", &[V::U(id), V::U(device), now.into()])?;
        self.send("INSERT INTO floor_event VALUES (?1, 'started', ?2)", &[V::U(id), now.into()])?;
        Ok(Some(id))
    }

    /// Ends a row: one change, one attempt, one event.
    pub fn floor_end(&mut self, id: Uuid, now: i64) -> Result<(), Fault> {
        self.send("UPDATE floor_assignment SET state = 'ok' WHERE id = ?1", &[V::U(id)])?;
        self.send("UPDATE floor_attempt SET state = 'ok', at = ?2 WHERE id = ?1", &[V::U(id), now.into()])?;
        self.send("INSERT INTO floor_event VALUES (?1, 'ok', ?2)", &[V::U(id), now.into()])
    }
}
