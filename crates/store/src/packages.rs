//! Packages of OCS agents: each is one attempt of an assignment, fetched by a number and a token.

use crate::fault::Fault;
use crate::list::{List, small};
use crate::unit::{Rx, Tx};
use crate::value::{Row, V};
use muster_core::ids::{AgentId, AssignmentId, DeviceId, OrgId};

/// One attempt as a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its number, as agents know it.
    pub number: i64,
    /// Whose it is.
    pub org: OrgId,
    /// The assignment.
    pub assignment: AssignmentId,
    /// The attempt's number.
    pub attempt: u32,
    /// A part of the address where it is fetched.
    pub token: String,
}

const PACKAGE: &str = "p.number, p.org, p.assignment, p.attempt, p.token";

fn package(row: &Row) -> Result<Package, Fault> {
    Ok(Package {
        number: row.int(0)?,
        org: row.id(1)?.into(),
        assignment: row.id(2)?.into(),
        attempt: small(row, 3, "package", "attempt")?,
        token: row.text(4)?.to_owned(),
    })
}

impl Rx {
    /// A package by its number.
    pub fn package(&mut self, number: i64) -> Result<Option<Package>, Fault> {
        let mut list = List::new(PACKAGE, "package p");
        list.filter("p.number = {}", number);
        Ok(list.all(self, "p.number", 1, package)?.pop())
    }

    /// The packages that an agent has in its hands, for its device.
    pub fn packages_in_hands(&mut self, device: DeviceId, agent: AgentId) -> Result<Vec<Package>, Fault> {
        let mut list = List::new(PACKAGE, "assignment a JOIN package p ON p.assignment = a.id AND p.attempt = a.attempt");
        list.filter("a.device = {}", device.0);
        list.condition("a.open = 1 AND a.state <> 'prepared'");
        list.filter("a.agent = {}", agent.0);
        list.all(self, "p.number", 100, package)
    }
}

impl Tx {
    /// Adds a package; false when its number is taken.
    pub fn package_insert(&mut self, it: &Package) -> Result<bool, Fault> {
        let done = self.exec(
            "INSERT INTO package (number, org, assignment, attempt, token) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            &[it.number.into(), V::U(it.org.0), V::U(it.assignment.0), i64::from(it.attempt).into(), (&it.token).into()],
        )?;
        Ok(done == 1)
    }
}
