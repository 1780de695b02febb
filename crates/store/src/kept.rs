//! Documents that came unasked and wait for a use: kept packed, the last few of a kind of each agent.

use crate::fault::Fault;
use crate::unit::{Rx, Tx};
use crate::value::V;
use muster_core::fleet::KeptDocument;
use muster_core::ids::AgentId;
use muster_core::limits::{KEPT_DOCUMENT_BYTES_MAX, KEPT_DOCUMENTS_MAX};
use muster_core::time::Timestamp;
use std::io::Read as _;

impl Rx {
    /// How many documents of an agent are kept.
    pub fn documents_count(&mut self, agent: AgentId) -> Result<i64, Fault> {
        let row = self.one("SELECT count(*) FROM kept_document WHERE agent = ?1", &[V::U(agent.0)])?;
        row.map_or(Ok(0), |r| r.int(0))
    }

    /// The kept documents of a kind of an agent, the newest first.
    pub fn documents(&mut self, agent: AgentId, kind: &str) -> Result<Vec<KeptDocument>, Fault> {
        let sql = "SELECT id, org, agent, device, kind, at, doc FROM kept_document WHERE agent = ?1 AND kind = ?2 ORDER BY id DESC";
        let corrupt = |e: std::io::Error| Fault::Corrupt { table: "kept_document", column: "doc", row: format!("cannot be unpacked: {e}") };
        let rows = self.rows(sql, &[V::U(agent.0), kind.into()])?;
        rows.iter()
            .map(|row| {
                let unpacker = zstd::stream::read::Decoder::with_buffer(row.bytes(6)?).map_err(corrupt)?;
                let mut document = Vec::new();
                unpacker.take(KEPT_DOCUMENT_BYTES_MAX as u64).read_to_end(&mut document).map_err(corrupt)?;
                Ok(KeptDocument {
                    id: row.id(0)?,
                    org: row.id(1)?.into(),
                    agent: row.id(2)?.into(),
                    device: row.id(3)?.into(),
                    kind: row.text(4)?.to_owned(),
                    at: Timestamp(row.int(5)?),
                    document,
                })
            })
            .collect()
    }
}

impl Tx {
    /// Keeps a document and lets go of what is beyond [`KEPT_DOCUMENTS_MAX`] of its kind.
    pub fn document_keep(&mut self, kept: &KeptDocument) -> Result<(), Fault> {
        let packed = zstd::bulk::compress(&kept.document, 3).map_err(|e| Fault::Db(format!("a document could not be compressed: {e}")))?;
        self.exec(
            "INSERT INTO kept_document (id, org, agent, device, kind, at, doc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            &[
                V::U(kept.id),
                V::U(kept.org.0),
                V::U(kept.agent.0),
                V::U(kept.device.0),
                (&kept.kind).into(),
                kept.at.0.into(),
                packed.into(),
            ],
        )?;
        let most = i64::try_from(KEPT_DOCUMENTS_MAX).unwrap_or(i64::MAX);
        self.send(
            "DELETE FROM kept_document WHERE agent = ?1 AND kind = ?2 AND id NOT IN \
             (SELECT id FROM kept_document WHERE agent = ?1 AND kind = ?2 ORDER BY id DESC LIMIT ?3)",
            &[V::U(kept.agent.0), (&kept.kind).into(), most.into()],
        )
    }
}
