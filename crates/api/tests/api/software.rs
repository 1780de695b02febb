//! Programs across the fleet, and lists as CSV.

use crate::world::{NOW, World, names};
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

/// Four machines; alpha's and charlie's programs change a day later.
fn fleet() -> World {
    fleet_with(|_| {})
}

/// The same with something between the two.
fn fleet_with(between: impl FnOnce(&World)) -> World {
    let world = World::new();
    world.report("alpha", "Debian GNU/Linux 12", &["openssl 3.0.9-1", "bash 5.2"]);
    world.report("bravo", "Debian GNU/Linux 12", &["OpenSSL 3.0.15-1", "bash 5.2"]);
    world.report("charlie", "Ubuntu 24.04", &["openssl 3.0.13-0ubuntu3", "kernel 6.1.9", "kernel 6.1.10"]);
    world.report("delta", "Microsoft Windows 11 Pro", &["7-Zip 24.09"]);
    between(&world);
    world.clock.advance(DAY);
    world.report("alpha", "Debian GNU/Linux 12", &["openssl 3.0.11-1", "bash 5.2", "=cmd() 1"]);
    world.report("charlie", "Ubuntu 24.04", &["openssl 3.0.13-0ubuntu3", "kernel 6.1.10", "kernel 6.1.11"]);
    world
}

fn rows(list: &Value, fields: &[&str]) -> Vec<String> {
    let cell = |row: &Value, pointer: &str| match row.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => panic!("{pointer} is not in {row}"),
    };
    let items = list["items"].as_array().expect("items");
    items.iter().map(|row| fields.iter().map(|f| cell(row, f)).collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test]
async fn programs_are_listed_as_they_were_counted_last() {
    let world = fleet();
    let before = world.get("/api/v1/software").await.expect(200);
    assert_eq!((&before["items"], &before["as_of"]), (&json!([]), &Value::Null), "not counted yet");
    world.tally();
    let list = world.get("/api/v1/software").await.expect(200);
    let fields = ["/name", "/versions", "/newest", "/devices"];
    let all =
        ["7-Zip 1 24.09 1", "=cmd() 1 1 1", "bash 1 5.2 2", "kernel 2 6.1.11 1", "openssl 2 3.0.13-0ubuntu3 2", "OpenSSL 1 3.0.15-1 1"];
    assert_eq!(rows(&list, &fields), all);
    assert_eq!((&list["total"], list["as_of"].as_str()), (&json!(6), Some(world.engine.now().to_string().as_str())));
    for (query, expected) in [
        ("sort=-devices&limit=2", vec!["openssl", "bash"]),
        ("q=SSL", vec!["openssl", "OpenSSL"]),
        ("name=OPENSSL,bash", vec!["bash", "openssl", "OpenSSL"]),
        ("publisher=nobody", vec![]),
    ] {
        let list = world.get(&format!("/api/v1/software?{query}")).await.expect(200);
        let (mut found, mut expected) = (names(&list), expected);
        if query.starts_with("sort") {
            // Equal numbers are in the order of ids.
            (found, expected) = {
                found.sort_unstable();
                expected.sort_unstable();
                (found, expected)
            };
        }
        assert_eq!(found, expected, "{query}");
    }
    world.report("delta", "Microsoft Windows 11 Pro", &["bash 5.2"]);
    world.tally();
    let list = world.get("/api/v1/software?sort=-devices&limit=1").await.expect(200);
    assert_eq!(rows(&list, &["/name", "/devices"]), ["bash 3"]);
    assert_eq!(list["total"], 5, "what nobody has any more is gone");
}

#[tokio::test]
async fn who_has_a_program_below_a_version_is_told_the_oldest_first_page_by_page() {
    let world = fleet();
    let ask = |query: &str| {
        let path = format!("/api/v1/software/devices?{query}");
        let world = &world;
        async move { world.get(&path).await.expect(200) }
    };
    let fields = ["/device/name", "/version"];
    let all = ["alpha 3.0.11-1", "charlie 3.0.13-0ubuntu3", "bravo 3.0.15-1"];
    assert_eq!(rows(&ask("name=openssl").await, &fields), all);
    let below = ask("name=OpenSSL&below=3.0.15").await;
    assert_eq!((rows(&below, &fields), &below["total"]), (all[..2].iter().map(|s| (*s).to_owned()).collect(), &json!(2)));
    assert_eq!(rows(&ask("name=openssl&from=3.0.13&sort=-version").await, &fields), [all[2], all[1]]);
    assert_eq!(rows(&ask("name=openssl&version=3.0.15-1").await, &fields), [all[2]]);
    assert_eq!(rows(&ask("name=openssl&arch=arm64").await, &fields), Vec::<String>::new());
    assert_eq!(below["items"][0]["since"].as_str(), Some(NOW.plus(DAY).to_string().as_str()));
    assert_eq!((&below["items"][1]["since"], &below["items"][1]["device"]["os"]), (&Value::Null, &json!("Ubuntu 24.04")));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask(&format!("name=openssl&limit=1{cursor}")).await;
        assert_eq!(page["total"], 3);
        seen.extend(rows(&page, &fields));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, all);
    let problem = world.get("/api/v1/software/devices?below=3").await.refused(400, "request/invalid");
    assert_eq!(problem["errors"][0]["pointer"], "name");
}

#[tokio::test]
async fn versions_of_a_program_are_counted_newest_first() {
    let world = fleet();
    let list = world.get("/api/v1/software/versions?name=openssl").await.expect(200);
    let fields = ["/version", "/devices"];
    assert_eq!(rows(&list, &fields), ["3.0.15-1 1", "3.0.13-0ubuntu3 1", "3.0.11-1 1"]);
    let first = world.get("/api/v1/software/versions?name=kernel&limit=1").await.expect(200);
    assert_eq!(rows(&first, &fields), ["6.1.11 1"]);
    let next = first["next"].as_str().expect("one more");
    let second = world.get(&format!("/api/v1/software/versions?name=kernel&limit=1&cursor={next}")).await.expect(200);
    assert_eq!((rows(&second, &fields), &second["next"]), (vec!["6.1.10 1".to_owned()], &Value::Null));
}

#[tokio::test]
async fn what_appeared_is_told_with_what_is_new_to_the_fleet() {
    let world = fleet_with(World::tally);
    world.clock.advance(DAY);
    let fields = ["/name", "/version", "/devices", "/new_to_fleet"];
    let list = world.get("/api/v1/software/appeared?since=7d&sort=name").await.expect(200);
    assert_eq!(rows(&list, &fields), ["=cmd() 1 1 true", "kernel 6.1.11 1 false", "openssl 3.0.11-1 1 false"]);
    assert_eq!(list["items"][0]["first_at"].as_str(), Some(NOW.plus(DAY).plus(HOUR).to_string().as_str()));
    assert_eq!(rows(&world.get("/api/v1/software/appeared?q=KERN").await.expect(200), &fields), ["kernel 6.1.11 1 false"]);
    assert_eq!(rows(&world.get("/api/v1/software/appeared?since=12h").await.expect(200), &fields), Vec::<String>::new());
    let page = world.get("/api/v1/software/appeared?limit=2&sort=-name").await.expect(200);
    assert_eq!((names(&page), &page["total"]), (vec!["openssl", "kernel"], &json!(3)));
    let next = page["next"].as_str().expect("one more");
    let page = world.get(&format!("/api/v1/software/appeared?limit=2&sort=-name&cursor={next}")).await.expect(200);
    assert_eq!(names(&page), ["=cmd()"]);
}

#[tokio::test]
async fn devices_are_found_by_a_range_of_versions() {
    let world = fleet();
    for (query, expected) in [
        ("software=openssl&software_below=3.0.13", vec!["alpha"]),
        ("software=openssl&software_from=3.0.13", vec!["bravo", "charlie"]),
        ("software=openssl&software_from=3.0.11&software_below=3.0.15", vec!["alpha", "charlie"]),
        ("software=openssl&software_below=3", vec![]),
        ("software=openssl", vec!["alpha", "charlie"]),
        ("software=nothing&software_below=3", vec![]),
    ] {
        assert_eq!(names(&world.get(&format!("/api/v1/devices?{query}")).await.expect(200)), expected, "{query}");
    }
    let problem = world.get("/api/v1/devices?software_below=3").await.refused(400, "request/invalid");
    assert_eq!(problem["errors"][0]["pointer"], "software");
}

#[tokio::test]
async fn programs_of_another_organization_are_not_told() {
    let world = fleet();
    world.tally();
    for path in ["software", "software/versions?name=bash", "software/devices?name=bash", "software/appeared", "changes"] {
        let list = world.call("GET", &format!("/api/v1/{path}")).token(&world.stranger).send().await.expect(200);
        assert_eq!(list["items"], json!([]), "{path}");
    }
}

#[tokio::test]
async fn a_list_is_given_as_csv_with_chosen_columns_and_all_rows() {
    let world = fleet();
    let answer = world.get("/api/v1/devices?format=csv&columns=name,os,ips,online&limit=2&sort=-name&os_family=linux").await;
    assert_eq!((answer.header("content-type"), answer.header("muster-total")), ("text/csv; charset=utf-8", "3"));
    let file = answer.header("content-disposition");
    assert!(file.starts_with("attachment; filename=\"devices-2026-11-") && file.ends_with(".csv\""), "{file}");
    let lines: Vec<&str> = answer.text.split("\r\n").collect();
    assert_eq!((lines.len(), lines[0], lines[4]), (5, "name,os,ips,online", ""));
    assert!(lines[1].starts_with("charlie,Ubuntu 24.04,10.1.") && lines[1].ends_with(",false"), "{}", lines[1]);
    let by_header = world.call("GET", "/api/v1/agents").header("accept", "text/csv").token(&world.viewer).send().await;
    assert!(by_header.text.starts_with("id,org,device,device_name,protocol,") && by_header.text.lines().count() == 5, "{}", by_header.text);
    world.tally();
    let programs = world.get("/api/v1/software?format=csv&columns=name,devices").await.text;
    assert!(programs.contains("\r\n'=cmd(),1\r\n"), "a formula is made a text: {programs}");
    for (path, rows) in
        [("software/versions?name=openssl&", 4), ("software/devices?name=openssl&", 4), ("software/appeared?", 4), ("changes?", 23)]
    {
        let csv = world.get(&format!("/api/v1/{path}format=csv")).await;
        assert_eq!((csv.header("content-type"), csv.text.lines().count()), ("text/csv; charset=utf-8", rows), "{path}: {}", csv.text);
    }
    let problem = world.get("/api/v1/devices?format=csv&columns=name,colour").await.refused(400, "request/invalid");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("'colour'") && d.contains("last_inventory")), "{problem}");
    world.get("/api/v1/devices?format=xml").await.refused(400, "request/invalid");
    world.get("/api/v1/tasks?format=csv").await.refused(400, "request/invalid");
    world.call("GET", "/api/v1/devices?format=csv").send().await.refused(401, "access/unauthenticated");
}

#[tokio::test]
async fn more_rows_than_a_page_stream_whole_and_in_order() {
    let world = World::new();
    let programs: Vec<String> = (0..2_345).map(|n| format!("p{n:05} 1")).collect();
    world.report("alpha", "Debian GNU/Linux 12", &programs.iter().map(String::as_str).collect::<Vec<_>>());
    world.tally();
    let csv = world.get("/api/v1/software?format=csv&columns=name").await;
    let lines: Vec<&str> = csv.text.lines().skip(1).collect();
    assert_eq!((lines.len(), lines[0], lines[2_344]), (2_345, "p00000", "p02344"));
    assert!(lines.is_sorted());
}
