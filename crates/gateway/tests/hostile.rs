//! Hostile and broken bodies, each in every dialect: what it is answered, in which form, and that nothing of it is stored. What
//! can be read in part is taken, and the device shows what was wrong.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod world;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use ed25519_dalek::SigningKey;
use muster_core::ids::AgentId;
use muster_core::limits::{DOCUMENT_DEPTH_MAX, DOCUMENT_ELEMENTS_MAX, FIELD_BYTES_MAX, JSON_DEPTH_MAX};
use muster_engine::access::NewJoinToken;
use muster_engine::{Tx, access};
use muster_wire::body::{Coding, encode_body};
use muster_wire::native::{self, EnrolAnswer, Nonce};
use serde_json::{Value, json};
use std::time::Duration;
use world::{Answer, FUSION, GLPI, GLPI_ID, OCS, World, zlib};

const ID: &str = "pc-2026-11-21-03-09-07";

fn inventory(content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><REQUEST><DEVICEID>{ID}</DEVICEID><QUERY>INVENTORY</QUERY><CONTENT>\
         <HARDWARE><NAME>pc</NAME><OSNAME>Debian</OSNAME></HARDWARE>{content}</CONTENT></REQUEST>"
    )
}

/// An agent of ours that has joined, and makes requests.
struct Own {
    id: AgentId,
    key: SigningKey,
    nonce: std::cell::Cell<u8>,
}

impl Own {
    async fn joined(world: &World) -> Self {
        let make = |tx: &mut Tx, cx: &muster_engine::Cx| {
            access::join_token_create(
                tx,
                cx,
                &NewJoinToken { name: "all".to_owned(), uses: None, expires: None, verified: true, group: None },
            )
        };
        let token = world.engine.write("join", &world.cx(), make).await.expect("a token").1;
        let key = SigningKey::from_bytes(&[7; 32]);
        let body = json!({"token": token, "public_key": native::public_key_text(&key.verifying_key()), "nonce": Nonce([1; 16]),
            "name": "own", "machine": {"macs": []}, "version": "0.1"});
        let request = Request::post(native::ENROL_PATH).body(Body::from(body.to_string())).expect("a request");
        let answer = world.send(request).await;
        let enrolled: EnrolAnswer = serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
        Self { id: enrolled.agent_id, key, nonce: std::cell::Cell::new(2) }
    }

    async fn send(&self, world: &World, path: &str, body: Vec<u8>) -> Answer {
        self.nonce.set(self.nonce.get() + 1);
        let nonce = Nonce([self.nonce.get(); 16]);
        let now = world.engine.now().millis();
        let header = native::sign_request(&self.key, self.id, "POST", path, now, nonce, &body);
        world.send(Request::post(path).header(native::REQUEST_HEADER, header).body(Body::from(body)).expect("a request")).await
    }
}

/// What each dialect is told: the status, and a part of the sentence.
struct Case {
    name: &'static str,
    body: Vec<u8>,
    xml: (u16, &'static str),
    ocs: (u16, &'static str),
    own: (u16, &'static str),
}

fn case(
    name: &'static str,
    body: impl Into<Vec<u8>>,
    xml: (u16, &'static str),
    ocs: (u16, &'static str),
    own: (u16, &'static str),
) -> Case {
    Case { name, body: body.into(), xml, ocs, own }
}

fn noise(bytes: usize) -> String {
    let mut state = 1u64;
    let mut text = String::new();
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!("{state:016x}"));
    }
    text
}

fn cases() -> Vec<Case> {
    let bomb = [b"<REQUEST>".to_vec(), vec![b' '; 20 << 20]].concat();
    let large = format!("<REQUEST>{}", noise(9 << 20));
    let deep = "<a>".repeat(DOCUMENT_DEPTH_MAX + 2);
    let elements = format!("<REQUEST>{}", "<a/>".repeat(DOCUMENT_ELEMENTS_MAX / 2));
    let json_deep = "[".repeat(JSON_DEPTH_MAX + 1);
    let json_many = format!("[{}]", vec!["0"; DOCUMENT_ELEMENTS_MAX + 1].join(","));
    let entities = "<!DOCTYPE l [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><REQUEST>&b;</REQUEST>";
    let doctype = (500, "a DOCTYPE is not accepted");
    let json_in_xml = "expected value";
    let too_deep = "elements are nested deeper than 16 levels";
    let no_json = |text| (400, text);
    let packed = zlib(&inventory(""));
    let mut damaged = packed.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    let members = encode_body(b"<", Coding::Gzip).repeat(1_001);
    let same = |status, text| ((status, text), (status, text), (status, text));
    let of = |name, body: Vec<u8>, (xml, ocs, own)| Case { name, body, xml, ocs, own };
    vec![
        of("zlib bomb", encode_body(&bomb, Coding::Zlib), same(413, "200 times larger when unpacked")),
        of("gzip bomb", encode_body(&bomb, Coding::Gzip), same(413, "200 times larger when unpacked")),
        of("too large unpacked", zlib(&large), same(413, "larger than 8388608 bytes when unpacked")),
        of("too costly", zlib(&elements), same(413, "takes more memory than there is")),
        case("empty", "", (400, "the body is empty"), (500, "the body is empty"), (400, "the body is empty")),
        case("garbage", "garbage!", (400, "67 61 72 62"), (500, "neither zlib, gzip, XML nor JSON"), (400, "67 61 72 62")),
        case("raw deflate", &packed[2..], (400, "neither zlib"), (500, "neither zlib"), (400, "neither zlib")),
        case("wrong checksum", damaged, (400, "damaged"), (500, "damaged"), (400, "damaged")),
        case("no stream", b"\x78\x9c\xff\xff".to_vec(), (400, "zlib stream is damaged"), (500, "zlib stream is damaged"), (400, "damaged")),
        case("many members", members, (400, "more than 1000 members"), (500, "more than 1000 members"), (400, "members")),
        case("deep XML", zlib(&format!("<REQUEST>{deep}")), (400, too_deep), (500, too_deep), no_json(json_in_xml)),
        case("entity bomb", zlib(entities), (400, doctype.1), doctype, no_json(json_in_xml)),
        case(
            "HTML",
            "<html><body>proxy</body></html>",
            (400, "<REQUEST> is expected"),
            (500, "<REQUEST> is expected"),
            no_json(json_in_xml),
        ),
        case("no QUERY", "<REQUEST/>", (400, "QUERY is missing"), (400, "QUERY is missing"), no_json(json_in_xml)),
        case("deep JSON", zlib(&json_deep), (400, "nested deeper than 32 levels"), (500, "nested deeper"), (400, "nested deeper")),
        case("many JSON values", json_many, (400, "more than 200000 values"), (500, "more than 200000"), (400, "more than 200000")),
    ]
}

fn is_xml(answer: &Answer, what: &str, (status, part): (u16, &str)) {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (status, Some("application/xml")), "{what}: {answer:?}");
    let text = answer.text();
    let told = text.split_once("<REPLY><ERROR>").and_then(|(_, rest)| rest.split_once("</ERROR></REPLY>"));
    let told = told.unwrap_or_else(|| panic!("{what}: {text}")).0;
    let told = told.replace("&lt;", "<").replace("&gt;", ">");
    assert!(told.contains(part), "{what}: {told}");
}

#[tokio::test(start_paused = true)]
async fn every_hostile_body_is_refused_in_the_dialect_of_its_sender_with_what_is_wrong() {
    let world = World::new().await;
    let own = Own::joined(&world).await;
    for case in cases() {
        is_xml(&world.post("/", FUSION, case.body.clone()).await, &format!("{}, FusionInventory", case.name), case.xml);
        is_xml(&world.post("/front/inventory.php", GLPI, case.body.clone()).await, &format!("{}, GLPI", case.name), case.xml);
        let ocs = world.post("/ocsinventory", OCS, case.body.clone()).await;
        assert_eq!(
            (ocs.status.as_u16(), ocs.header("content-type")),
            (case.ocs.0, Some("text/plain; charset=utf-8")),
            "{}: {ocs:?}",
            case.name
        );
        assert!(ocs.text().contains(case.ocs.1), "{}: {}", case.name, ocs.text());
        let answer = own.send(&world, native::INVENTORY_PATH, case.body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (case.own.0, Some("application/json")),
            "{}: {answer:?}",
            case.name
        );
        assert!(answer.header(native::ANSWER_HEADER).is_some(), "{}: refusals are signed too", case.name);
        let error: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(error["message"].as_str().is_some_and(|m| m.contains(case.own.1)), "{}: {error}", case.name);
        for answer in [&ocs, &answer] {
            assert!(answer.body.len() < 600, "{}: a refusal is short", case.name);
        }
    }
    assert_eq!(world.devices().await.len(), 1, "only the agent that joined is there");
}

#[tokio::test(start_paused = true)]
async fn who_sends_a_uuid_or_json_is_refused_in_json() {
    let world = World::new().await;
    const IN_XML: [&str; 4] = ["deep XML", "entity bomb", "HTML", "no QUERY"];
    for case in cases().into_iter().filter(|c| !IN_XML.contains(&c.name)) {
        for header in [("GLPI-Agent-ID", GLPI_ID), ("Content-Type", "application/json")] {
            let answer = world.post_with("/front/inventory.php", GLPI, &[header], case.body.clone()).await;
            let kind = (answer.status.as_u16(), answer.header("content-type"));
            assert_eq!(kind, (case.xml.0, Some("application/json")), "{}, {}: {answer:?}", case.name, header.0);
            let told = answer.json();
            assert!(told["status"] == "error" && told["message"].as_str().is_some_and(|m| m.contains(case.xml.1)), "{}: {told}", case.name);
        }
    }
    let none = World::with(|o| o.inflated_in_flight_bytes_max = 0).await;
    let busy = none.post_with("/", GLPI, &[("GLPI-Agent-ID", GLPI_ID)], zlib(&inventory(""))).await;
    assert_eq!((busy.status.as_u16(), &busy.json()["status"]), (503, &json!("error")));
    assert!(busy.header("retry-after").is_some());
}

/// An inventory as GLPI Agent writes it.
fn json_inventory(software: &str) -> String {
    let content = json!({"hardware": {"name": "pc"}, "softwares": [{"name": software}], "versionclient": "GLPI-Agent_v1.12"});
    json!({"action": "inventory", "deviceid": ID, "content": content}).to_string()
}

#[tokio::test(start_paused = true)]
async fn json_with_odd_bytes_is_taken_and_the_device_shows_what_was_wrong() {
    let whole = json_inventory("git");
    let at = whole.find("git").expect("there");
    let latin = [whole.as_bytes()[..at].to_vec(), b"caf\xe9".to_vec(), whole.as_bytes()[at..].to_vec()].concat();
    for (name, body, kind) in [
        ("wrong encoding", latin, "encoding"),
        ("control characters", whole.replace("git", "g\0i\u{1}t").into_bytes(), "control_characters"),
        ("long field", whole.replace("git", &"x".repeat(FIELD_BYTES_MAX + 1)).into_bytes(), "limit"),
    ] {
        let world = World::new().await;
        let answer = world.post_with("/", GLPI, &[("GLPI-Agent-ID", GLPI_ID)], encode_body(&body, Coding::Zlib)).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {answer:?}");
        let device = world.device().await;
        assert!(device.findings.iter().any(|f| f.kind == kind), "{name}: {:?}", device.findings);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_message_of_a_known_glpi_agent_is_noted_on_its_device_by_its_uuid() {
    let world = World::new().await;
    let whole = json_inventory("git");
    let packed = zlib(&whole);
    let send = async |id: &str, body: Vec<u8>| {
        let status = world.post_with("/", GLPI, &[("GLPI-Agent-ID", id)], body).await.status.as_u16();
        settled(&world).await;
        status
    };
    let cut = packed[..packed.len() - 20].to_vec();
    assert_eq!(send(GLPI_ID, cut.clone()).await, 400);
    assert!(world.devices().await.is_empty(), "of a stranger nothing is noted");
    assert_eq!(send(GLPI_ID, packed.clone()).await, 200);
    const OTHER: &str = "439863b4-e55b-11f1-bbb4-29fb1a65435a";
    for (id, body, part) in [
        (OTHER, cut.clone(), None),
        (GLPI_ID, cut, Some("ends before its end")),
        (GLPI_ID, zlib(&whole[..whole.len() - 9]), Some("no whole JSON document")),
        (GLPI_ID, b"garbage!".to_vec(), Some("neither zlib, gzip, XML nor JSON")),
    ] {
        world.clock.advance(Duration::from_secs(3_600));
        assert_eq!(send(id, body).await, 400);
        let findings = world.device().await.findings;
        let told = findings.iter().find(|f| f.kind == "refused").map(|f| f.detail.as_str());
        assert_eq!(told.is_some(), part.is_some(), "{findings:?}");
        assert!(part.is_none_or(|p| told.is_some_and(|t| t.contains(p))), "{part:?}: {findings:?}");
    }
    assert_eq!(send(GLPI_ID, packed).await, 200);
    assert_eq!(world.device().await.findings, [], "until an inventory is stored");
}

#[tokio::test(start_paused = true)]
async fn what_can_be_read_in_part_is_taken_and_the_device_shows_what_was_wrong_until_a_clean_one_comes() {
    let whole = inventory("<SOFTWARES><NAME>git</NAME></SOFTWARES>");
    let cut = whole.find("git").expect("there");
    let latin = [whole.as_bytes()[..cut].to_vec(), b"caf\xe9".to_vec(), whole.as_bytes()[cut..].to_vec()].concat();
    let controls = whole.replace("git", "g\0i\u{1}t");
    let stray = whole.replace("git", "g < t");
    let long = whole.replace("git", &"x".repeat(FIELD_BYTES_MAX + 1));
    let cut_stream = zlib(&whole);
    for (name, body, kind) in [
        ("cut XML", zlib(&whole[..cut]), "truncated"),
        ("cut zlib", cut_stream[..cut_stream.len() - 20].to_vec(), "truncated"),
        ("stray markup", zlib(&stray), "truncated"),
        ("wrong encoding", encode_body(&latin, Coding::Zlib), "encoding"),
        ("control characters", zlib(&controls), "control_characters"),
        ("long field", zlib(&long), "limit"),
    ] {
        let world = World::new().await;
        let answer = world.post("/", FUSION, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {answer:?}");
        let device = world.device().await;
        assert_eq!(device.name, "pc", "{name}");
        let finding = device.findings.iter().find(|f| f.kind == kind).unwrap_or_else(|| panic!("{name}: {:?}", device.findings));
        assert!(finding.detail.len() > 10, "{name}: {finding:?}");
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.post("/", FUSION, zlib(&whole)).await.status, StatusCode::OK);
        assert_eq!(world.device().await.findings, [], "{name}: a clean inventory leaves no finding");
    }
}

/// Lets what was only begun end.
async fn settled(world: &World) {
    for _ in 0..20 {
        tokio::task::yield_now().await;
        world.engine.write("nothing", &world.cx(), |_, _| Ok(())).await.expect("written");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_inventory_of_a_known_agent_is_noted_on_its_device_once_an_hour() {
    let world = World::new().await;
    let own = Own::joined(&world).await;
    let refused = async |at: u64| {
        world.clock.advance(Duration::from_secs(at));
        own.send(&world, native::INVENTORY_PATH, b"garbage!".to_vec()).await;
        settled(&world).await;
        let device = world.device().await;
        device.findings.iter().filter(|f| f.kind == "refused").map(|f| f.detail.clone()).collect::<Vec<_>>()
    };
    let first = refused(0).await;
    assert!(first.len() == 1 && first[0].contains("neither zlib, gzip, XML nor JSON"), "{first:?}");
    assert_eq!(refused(600).await, first, "within the hour nothing is written");
    let later = refused(3_600).await;
    assert!(later.len() == 1 && later != first, "{later:?}");
    let clean = json!({"sections": {}, "content": {"hardware": {"name": "own"}}});
    let answer = own.send(&world, native::INVENTORY_PATH, clean.to_string().into_bytes()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(world.device().await.findings, []);
}

#[tokio::test(start_paused = true)]
async fn a_cut_inventory_of_a_known_ocs_agent_is_noted_and_of_an_unknown_one_is_not() {
    let world = World::new().await;
    let packed = zlib(&inventory("<SOFTWARES><NAME>git</NAME></SOFTWARES>"));
    let cut = packed[..packed.len() - 20].to_vec();
    assert_eq!(world.post("/ocsinventory", OCS, cut.clone()).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    settled(&world).await;
    assert!(world.devices().await.is_empty());
    assert_eq!(world.post("/ocsinventory", OCS, packed).await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(7_200));
    world.post("/ocsinventory", OCS, cut).await;
    settled(&world).await;
    let findings = world.device().await.findings;
    assert!(findings.iter().any(|f| f.kind == "refused" && f.detail.contains("ends before its end")), "{findings:?}");
}

#[tokio::test(start_paused = true)]
async fn under_load_routine_inventories_are_put_off_and_those_of_tasks_are_not() {
    let world = World::new().await;
    let greeting = async || world.post("/ocsinventory", OCS, world::prolog(ID)).await.unpacked().1;
    assert!(greeting().await.contains("<RESPONSE>SEND</RESPONSE>"));
    assert_eq!(world.post("/ocsinventory", OCS, zlib(&inventory(""))).await.status, StatusCode::OK);
    world.clock.advance(Duration::from_secs(48 * 3_600));
    assert!(greeting().await.contains("SEND"), "it is due");
    let now = world.engine.now();
    (0..500).for_each(|_| assert!(world.engine.doors().sent_away(now) >= 1.0));
    assert!(world.engine.doors().load() > 10.0);
    assert!(greeting().await.contains("<RESPONSE>STOP</RESPONSE>"), "put off");
    world.start_inventory("now").await;
    assert!(greeting().await.contains("SEND"), "a task's inventory is never put off");
}
