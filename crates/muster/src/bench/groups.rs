//! `muster bench groups`: a query of twenty clauses over a large fleet, beside reading the fleet's ids; and what dynamic groups cost a
//! device that changes.

use super::report::thousands;
use anyhow::ensure;
use clap::Args;
use muster_core::fleet::Protocol;
use muster_core::ids::OrgId;
use muster_core::inventory::{Canonical, Completeness, Inventory, Row};
use muster_core::query::Query;
use muster_engine::intake::{Arrival, inventory};
use muster_engine::{Cx, Engine, Rx, Tx, access, groups};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How large it is.
#[derive(Debug, Args)]
pub struct Groups {
    /// How many devices there are
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    devices: u32,
    /// How many dynamic groups a changing device is looked at for
    #[arg(long, default_value_t = 50, value_name = "N")]
    groups: u32,
    /// PostgreSQL instead of the embedded database; it must be empty
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Inventories taken in one command.
const PIECE: u32 = 100;
/// How often a question is asked; the middle counts.
const LOOKS: usize = 21;
/// Devices that change to see what groups cost them.
const CHANGES: u32 = 500;

/// Twenty clauses over columns, addresses and programs.
const QUERY: &str = r#"(os_family == "linux" && memory_mb >= 4096 && memory_mb < 65536 && !(tag in ["kiosk", "lab"]) && name.startsWith("bench-")
    && software_count > 3 && manufacturer.contains("Acme") && model != "Old" && has(device.serial) && ip.startsWith("10.")
    && software == "tool-7") || (os_family == "windows" && verified && name.endsWith("7") && cpu.contains("Xeon") && memory_mb > 16384
    && !(protocol == "ocs")) || (name == "bench-0000001" && !verified && software.endsWith("l-96"))"#;

fn machine(n: u32, extra: u32) -> Arrival {
    let row = |v: Value| -> Row { serde_json::from_value(v).unwrap_or_default() };
    let mut told = Inventory::empty(Completeness::Full);
    let maker = ["Acme Ltd", "Globex"][n as usize % 2];
    let family = ["Debian GNU/Linux 12", "Windows 11 Pro", "Ubuntu 24.04"][n as usize % 3];
    let programs = (0..20).map(|i| row(json!({"name": format!("tool-{}", (n / 7 + i * 13 + extra) % 97), "version": "1"}))).collect();
    for (section, rows) in [
        (
            "hardware",
            vec![row(
                json!({"name": format!("bench-{n:07}"), "memory": 1_024 * (1 + n % 64), "uuid": format!("4c4c4544-0042-4a10-8052-{n:012x}")}),
            )],
        ),
        ("bios", vec![row(json!({"ssn": format!("SN{n}"), "smanufacturer": maker, "smodel": "M4"}))]),
        ("operatingsystem", vec![row(json!({"full_name": family}))]),
        (
            "networks",
            vec![row(json!({"mac": format!("02:00:{:02x}:{:02x}:{:02x}:{:02x}", n >> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255),
            "ipaddress": format!("10.{}.{}.{}", (n >> 16) & 255, (n >> 8) & 255, n & 255)}))],
        ),
        ("softwares", programs),
    ] {
        told.sections.insert(section.to_owned(), rows);
    }
    Arrival {
        protocol: Protocol::Fusioninventory,
        own: None,
        foreign_id: Some(format!("bench-{n:07}-2026-01-02-03-04-05")),
        old_foreign_id: None,
        glpi_id: None,
        version: None,
        source: None,
        told: Arc::new(Canonical::new(told)),
        unchanged: BTreeMap::new(),
    }
}

/// Measures and prints.
pub async fn run(args: &Groups) -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let engine = super::engine_on(data.path(), args.database.as_deref())?;
    let nowhere = engine.system(OrgId(uuid::Uuid::nil()), "bench");
    let org = engine.write("org.default", &nowhere, access::default_org).await?.id;
    for first in (0..args.devices).step_by(PIECE as usize) {
        take(&engine, org, first..(first + PIECE).min(args.devices), 0).await?;
    }
    println!("{} devices, {}", thousands(f64::from(args.devices)), if args.database.is_some() { "PostgreSQL" } else { "SQLite" });
    let query = Query::parse(QUERY)?;
    let asked = timed(&engine, org, Some(query)).await?;
    let floor = timed(&engine, org, None).await?;
    ensure!(asked.1 > 0 && asked.1 < floor.1, "the query selects {} of {}", asked.1, floor.1);
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    println!(
        "20 clauses   {:>8.1} ms, {} devices;   all ids {:>8.1} ms;   ratio {:.2}",
        ms(asked.0),
        asked.1,
        ms(floor.0),
        ms(asked.0) / ms(floor.0)
    );
    let without = changes(&engine, org, args.devices, 1).await?;
    for n in 0..args.groups {
        let query = format!("{QUERY} || tag == \"{n}\"");
        engine
            .write("bench.group", &engine.system(org, "bench"), move |tx, cx| {
                groups::group_create(tx, cx, &format!("g{n}"), "", Some(&query))
            })
            .await?;
    }
    let began = Instant::now();
    let mut moved = 0;
    while let Some(strays) = engine.read(&engine.system(org, "bench"), groups::strays).await? {
        moved += engine.write("bench.refresh", &engine.system(org, "bench"), move |tx, cx| groups::refresh(tx, cx, &strays)).await?;
    }
    println!("{} new groups: {} members found and written in {:.1} s", args.groups, thousands(moved as f64), began.elapsed().as_secs_f64());
    let with = changes(&engine, org, args.devices, 2).await?;
    println!("a changed inventory: {:.2} ms without groups, {:.2} ms with {}", ms(without), ms(with), args.groups);
    Ok(())
}

async fn take(engine: &Engine, org: OrgId, some: std::ops::Range<u32>, extra: u32) -> anyhow::Result<()> {
    let all: Vec<Arrival> = some.map(|n| machine(n, extra)).collect();
    let command = move |tx: &mut Tx, cx: &Cx| all.iter().try_for_each(|it| inventory(tx, cx, it).map(drop));
    Ok(engine.write("bench.take", &engine.system(org, "bench"), command).await?)
}

/// How long a question takes, in the middle, and how many devices it selects.
async fn timed(engine: &Engine, org: OrgId, query: Option<Query>) -> anyhow::Result<(Duration, usize)> {
    let (mut took, mut count) = (Vec::new(), 0);
    for _ in 0..LOOKS {
        let asked = query.clone();
        let began = Instant::now();
        let ask = move |rx: &mut Rx, cx: &Cx| Ok(rx.device_ids(cx.org, asked.as_ref(), &[], asked.is_none())?.len());
        count = engine.read(&engine.system(org, "bench"), ask).await?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok((took[LOOKS / 2], count))
}

/// What one changed inventory takes, on average.
async fn changes(engine: &Engine, org: OrgId, devices: u32, extra: u32) -> anyhow::Result<Duration> {
    let count = CHANGES.min(devices);
    let began = Instant::now();
    for n in 0..count {
        take(engine, org, n..n + 1, extra).await?;
    }
    Ok(began.elapsed() / count)
}
