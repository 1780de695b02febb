//! What a section that is missing means, through the real doors: gone in a whole document of an agent that tells all it knows,
//! unchanged in every other. The documents are recorded ones, shortened or lengthened.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod world;

use axum::http::StatusCode;
use muster_core::inventory::{Row, text};
use std::collections::BTreeMap;
use std::time::Duration;
use world::{FUSION, GLPI, GLPI_ID, OCS, World, document, field, zlib};

const MOUSE: &str = "<USBDEVICES><NAME>Mouse</NAME><VENDORID>046d</VENDORID><PRODUCTID>c077</PRODUCTID></USBDEVICES>";
const CAMERA: &str = "<USBDEVICES><NAME>Camera</NAME><VENDORID>046d</VENDORID><PRODUCTID>0825</PRODUCTID></USBDEVICES>";

fn with(xml: &str, more: &str) -> String {
    xml.replacen("<CONTENT>", &format!("<CONTENT>{more}"), 1)
}

/// The sections of the one device's agents with their facts.
async fn facts(world: &World) -> BTreeMap<String, Vec<Row>> {
    let device = world.device().await.id;
    let look = move |rx: &mut muster_engine::Rx, _: &muster_engine::Cx| {
        let agents: Vec<_> = rx.agents_of(device)?.iter().map(|a| a.id).collect();
        let mut all = BTreeMap::new();
        for stored in rx.sections(&agents)? {
            let facts = rx.section_facts(stored.agent, &stored.section)?.expect("a section that is listed is there");
            all.insert(stored.section, serde_json::from_slice(&facts).expect("facts"));
        }
        Ok(all)
    };
    world.engine.read(&world.cx(), look).await.expect("read")
}

/// What the newest entry of history says of a section: kind, rows that came and went.
async fn told(world: &World, section: &str) -> Option<(String, usize, usize)> {
    let history = world.history(world.device().await.id).await;
    let found = history.first()?.sections.iter().find(|s| s.section == section)?;
    Some((found.kind.clone(), found.added_count, found.removed_count))
}

async fn send(world: &World, path: &str, agent: &str, headers: &[(&str, &str)], body: Vec<u8>) -> StatusCode {
    world.clock.advance(Duration::from_secs(60));
    world.post_with(path, agent, headers, body).await.status
}

#[tokio::test(start_paused = true)]
async fn the_last_usb_device_that_is_unplugged_is_gone() {
    let glpi: &[(&str, &str)] = &[("GLPI-Agent-ID", GLPI_ID)];
    for (agent, headers, sample) in [(FUSION, &[][..], "fusioninventory/inventory.zlib"), (GLPI, glpi, "glpi/inventory-legacy.zlib")] {
        let (world, xml) = (World::new().await, document(sample));
        assert!(!xml.contains("USBDEVICES"), "the recorded machine has none");
        for (usb, kept, history) in [
            (format!("{MOUSE}{CAMERA}"), Some(2), Some(("first".to_owned(), 2, 0))),
            (CAMERA.to_owned(), Some(1), Some(("changed".to_owned(), 0, 1))),
            (String::new(), None, Some(("removed".to_owned(), 0, 1))),
        ] {
            assert_eq!(send(&world, "/", agent, headers, zlib(&with(&xml, &usb))).await, StatusCode::OK);
            assert_eq!(facts(&world).await.get("usbdevices").map(Vec::len), kept, "{agent}");
            assert_eq!(told(&world, "usbdevices").await, history, "{agent}");
        }
        let entry = &world.history(world.device().await.id).await[0];
        assert_eq!(entry.sections.len(), 1, "nothing else went: {entry:?}");
        assert_eq!(text(&entry.sections[0].change.removed[0], "name"), Some("Camera"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_partial_inventory_of_a_glpi_agent_takes_nothing_away() {
    let (world, xml) = (World::new().await, document("glpi/inventory-legacy.zlib"));
    let glpi: &[(&str, &str)] = &[("GLPI-Agent-ID", GLPI_ID)];
    assert_eq!(send(&world, "/", GLPI, glpi, zlib(&with(&xml, MOUSE))).await, StatusCode::OK);
    let before = facts(&world).await;
    let mut partial: serde_json::Value = serde_json::from_str(&document("glpi/inventory-json.zlib")).expect("JSON");
    partial["deviceid"] = field(&xml, "DEVICEID").into();
    partial["partial"] = true.into();
    let content = partial["content"].as_object_mut().expect("an object");
    content.retain(|section, _| ["bios", "hardware", "versionclient"].contains(&section.as_str()));
    assert!(content.len() >= 2, "{content:?}");
    let status = send(&world, "/", GLPI, glpi, zlib(&partial.to_string())).await;
    let after = facts(&world).await;
    for (section, rows) in before.iter().filter(|(section, _)| partial["content"].get(section.as_str()).is_none()) {
        assert_eq!(after.get(section), Some(rows), "{section}, answered {status}");
    }
    assert_eq!(world.devices().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_ends_early_takes_nothing_away() {
    let (world, xml) = (World::new().await, with(&document("fusioninventory/inventory.zlib"), MOUSE));
    assert_eq!(send(&world, "/", FUSION, &[], zlib(&xml)).await, StatusCode::OK);
    let before = facts(&world).await;
    // The id stands behind the content: a cut document has it in front, as some agents do.
    let id = format!("<DEVICEID>{}</DEVICEID>", field(&xml, "DEVICEID"));
    let headed = xml.replacen(&id, "", 1).replacen("<CONTENT>", &format!("{id}<CONTENT>"), 1);
    let (start, mut damaged) = (headed.find("<CONTENT>").expect("content") + 9, 0);
    for part in 1..20 {
        let cut = headed.floor_char_boundary(start + (headed.len() - start) * part / 20);
        assert_eq!(send(&world, "/", FUSION, &[], zlib(&headed[..cut])).await, StatusCode::OK, "cut at {cut}");
        let after = facts(&world).await;
        for (section, rows) in &before {
            assert_eq!(after.get(section), Some(rows), "{section}, cut at {cut}");
        }
        damaged += usize::from(world.device().await.findings.iter().any(|f| f.kind == "truncated"));
    }
    assert_eq!(damaged, 19);
    assert_eq!(world.history(world.device().await.id).await.len(), 1, "nothing changed");
    assert_eq!(send(&world, "/", FUSION, &[], zlib(&xml.replacen(MOUSE, "", 1))).await, StatusCode::OK);
    assert!(!facts(&world).await.contains_key("usbdevices"), "the next whole document takes away again");
}

#[tokio::test(start_paused = true)]
async fn what_an_ocs_agent_does_not_mention_stays() {
    let (world, xml) = (World::new().await, document("ocs/01-first-inventory.inventory.body"));
    assert_eq!(send(&world, "/ocsinventory", OCS, &[], zlib(&with(&xml, MOUSE))).await, StatusCode::OK);
    let before = facts(&world).await;
    assert!(before.contains_key("softwares") && before.contains_key("usbdevices"));
    // OCS agents leave out sections as the server's checksum asks: here all but one, as in the recorded partial message.
    let part =
        document("ocs/variant-partial.body").replace(field(&document("ocs/variant-partial.body"), "DEVICEID"), field(&xml, "DEVICEID"));
    assert_eq!(send(&world, "/ocsinventory", OCS, &[], zlib(&part)).await, StatusCode::OK);
    let after = facts(&world).await;
    for (section, rows) in before.iter().filter(|(section, _)| *section != "hardware") {
        assert_eq!(after.get(section), Some(rows), "{section}");
    }
    assert_eq!(text(&after["hardware"][0], "name"), Some("pcC2"), "what is mentioned is replaced");
    assert_eq!(send(&world, "/ocsinventory", OCS, &[], zlib(&xml)).await, StatusCode::OK);
    assert!(facts(&world).await.contains_key("usbdevices"), "not even a long document takes away");
}
