//! What changed: on a device, across the fleet, between two instants, as it was.

use crate::world::{NOW, World};
use muster_core::ids::DeviceId;
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Three reports of alpha a day apart, then one of bravo; now is a day after.
fn fleet() -> (World, DeviceId, DeviceId) {
    let world = World::new();
    let alpha = world.report("alpha", "Debian GNU/Linux 12", &["bash 5.1", "vim 9.0"]).device;
    world.clock.advance(DAY);
    world.report("alpha", "Debian GNU/Linux 12", &["bash 5.2", "vim 9.0", "zsh 5.9"]);
    world.clock.advance(DAY);
    world.report("alpha", "Debian GNU/Linux 13", &["bash 5.2", "zsh 5.9"]);
    let bravo = world.report("bravo", "Microsoft Windows 11 Pro", &["7-Zip 24.09"]).device;
    world.clock.advance(DAY);
    (world, alpha, bravo)
}

fn at(days: u64) -> String {
    NOW.plus(DAY * u32::try_from(days).expect("few")).plus(Duration::from_secs(60)).to_string()
}

fn sections(answer: &Value) -> Vec<&str> {
    answer["sections"].as_array().expect("sections").iter().map(|s| s["section"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn a_device_is_compared_at_any_two_instants() {
    let (world, alpha, _) = fleet();
    let compare = |from: String, to: String| {
        let path = format!("/api/v1/devices/{alpha}/changes?from={from}&to={to}");
        let world = &world;
        async move { world.get(&path).await.expect(200) }
    };
    let all = compare(at(0), at(2)).await;
    assert_eq!((&all["device"]["name"], sections(&all)), (&json!("alpha"), vec!["operatingsystem", "softwares"]));
    let programs = &all["sections"][1];
    assert_eq!((&programs["added"][0]["name"], &programs["removed"][0]["name"]), (&json!("zsh"), &json!("vim")));
    let changed = &programs["changed"][0];
    assert_eq!((&changed["before"]["version"], &changed["after"]["version"]), (&json!("5.1"), &json!("5.2")));
    assert_eq!((&changed["fields"], &programs["exact"]), (&json!(["version"]), &json!(true)));
    let counts = ["added_count", "removed_count", "changed_count"].map(|n| programs[n].as_u64());
    assert_eq!(counts, [Some(1), Some(1), Some(1)]);
    let first = compare(at(0), at(1)).await;
    assert_eq!((sections(&first), &first["sections"][0]["removed"]), (vec!["softwares"], &json!([])));
    assert_eq!(sections(&compare(at(1), at(1)).await), Vec::<&str>::new());
    // Before it was known nothing was there.
    let whole = compare("2026-01-01".to_owned(), at(0)).await;
    assert_eq!((sections(&whole).len(), whole["sections"][4]["added_count"].as_u64()), (5, Some(2)));
    let since = world.get(&format!("/api/v1/devices/{alpha}/changes?from=36h&section=operatingsystem")).await.expect(200);
    assert_eq!(sections(&since), ["operatingsystem"]);
}

#[tokio::test]
async fn a_comparison_says_what_is_wrong_with_its_instants() {
    let (world, alpha, _) = fleet();
    for (query, pointer, part) in
        [("", "from", "from when"), ("from=yesterday", "from", "7d or 12h"), ("from=1d&to=2d", "from", "swap them")]
    {
        let problem = world.get(&format!("/api/v1/devices/{alpha}/changes?{query}")).await.expect(400);
        let error = &problem["errors"][0];
        assert!(error["pointer"] == pointer && error["detail"].as_str().is_some_and(|d| d.contains(part)), "{query}: {problem}");
    }
}

#[tokio::test]
async fn a_device_is_shown_as_it_was() {
    let (world, alpha, _) = fleet();
    let names = |answer: &Value| -> Vec<String> {
        let rows = answer["sections"]["softwares"].as_array().expect("programs");
        rows.iter().map(|r| format!("{} {}", r["name"].as_str().unwrap_or(""), r["version"].as_str().unwrap_or(""))).collect()
    };
    let path = format!("/api/v1/devices/{alpha}/inventory");
    let then = world.get(&format!("{path}?at={}", at(0))).await.expect(200);
    assert_eq!(
        (names(&then), &then["sections"]["operatingsystem"]["full_name"]),
        (vec!["bash 5.1".into(), "vim 9.0".into()], &json!("Debian GNU/Linux 12"))
    );
    assert_eq!(then["at"].as_str(), Some(at(0).as_str()));
    let now = world.get(&path).await.expect(200);
    assert_eq!((names(&now), &now["at"]), (vec!["bash 5.2".into(), "zsh 5.9".into()], &Value::Null));
    let never = world.get(&format!("{path}?at=2026-01-01&section=softwares")).await.expect(200);
    assert_eq!(never["sections"], json!({}));
}

#[tokio::test]
async fn changes_of_the_fleet_are_told_newest_first_with_a_taste_of_what_changed() {
    let (world, alpha, _) = fleet();
    let list = |query: &str| {
        let path = format!("/api/v1/changes?{query}");
        let world = &world;
        async move {
            let list = world.get(&path).await.expect(200);
            list["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(|c| (c["device"]["name"].clone(), c["section"].clone(), c["sample"].clone()))
                .collect::<Vec<_>>()
        }
    };
    let row = |device: &str, section: &str, sample: &[&str]| (json!(device), json!(section), json!(sample));
    let changed = list("kind=changed").await;
    assert_eq!(
        changed,
        [
            row("alpha", "operatingsystem", &["- Debian GNU/Linux 12", "+ Debian GNU/Linux 13"]),
            row("alpha", "softwares", &["- vim 9.0"]),
            row("alpha", "softwares", &["- bash 5.1", "+ bash 5.2", "+ zsh 5.9"]),
        ]
    );
    assert_eq!(list("kind=changed&section=softwares&since=36h").await, changed[1..2]);
    assert_eq!(list(&format!("kind=changed&until={}", at(1))).await, changed[2..]);
    assert_eq!(list("q=ZSH").await, changed[2..], "text in what came or went");
    assert_eq!(list("q=brav&section=softwares").await, [row("bravo", "softwares", &[])], "text in the device's name");
    assert_eq!(list(&format!("device={alpha}&kind=first")).await.len(), 5);
    assert_eq!(list("kind=removed").await, []);
    let (mut seen, mut cursor) = (0, String::new());
    loop {
        let page = world.get(&format!("/api/v1/changes?limit=2{cursor}")).await.expect(200);
        seen += page["items"].as_array().map_or(0, Vec::len);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, 13);
}

#[tokio::test]
async fn the_history_of_a_device_is_narrowed_by_section_agent_kind_and_time() {
    let (world, alpha, bravo) = fleet();
    let agent = |device: DeviceId| {
        let path = format!("/api/v1/devices/{device}");
        let world = &world;
        async move { world.get(&path).await.expect(200)["agents"][0]["id"].as_str().expect("an id").to_owned() }
    };
    let (own, other) = (agent(alpha).await, agent(bravo).await);
    for (query, rows) in [
        (String::new(), 8),
        ("section=softwares,operatingsystem".to_owned(), 5),
        ("section=software".to_owned(), 0),
        ("kind=changed".to_owned(), 3),
        (format!("agent={own}&since={}", at(1)), 2),
        (format!("agent={other}"), 0),
        (format!("until={}", at(0)), 5),
    ] {
        let list = world.get(&format!("/api/v1/devices/{alpha}/history?{query}")).await.expect(200);
        assert_eq!(list["items"].as_array().map(Vec::len), Some(rows), "{query}: {list}");
    }
    for (query, part) in [("kind=odd", "first, changed, removed"), ("sort=at", "newest first"), ("since=x", "7d or 12h"), ("agent=x", "")] {
        let problem = world.get(&format!("/api/v1/devices/{alpha}/history?{query}")).await.refused(400, "request/invalid");
        assert!(problem["detail"].as_str().is_some_and(|d| d.contains(part)), "{problem}");
    }
}

#[tokio::test]
async fn changes_come_as_csv_with_all_rows() {
    let (world, alpha, _) = fleet();
    let csv =
        world.get(&format!("/api/v1/changes?format=csv&limit=1&kind=changed&device={alpha}&columns=device_name,section,sample")).await;
    assert_eq!((csv.status.as_u16(), csv.header("content-type")), (200, "text/csv; charset=utf-8"));
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((lines[0], lines[3]), ("device_name,section,sample", "alpha,softwares,'- bash 5.1; + bash 5.2; + zsh 5.9"));
    let history = world.get(&format!("/api/v1/devices/{alpha}/history?format=csv&columns=section,added")).await;
    assert!(history.text.contains("softwares,\"{\"\"name\"\":\"\"bash\"\",\"\"version\"\":\"\"5.2\"\"}; "), "{}", history.text);
}
