//! Recorded messages of real agents, replayed: PROLOG, INVENTORY, and again.

#![allow(clippy::result_large_err, reason = "closures answer with the error of the engine")]

mod world;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use muster_core::fleet::Protocol;
use muster_core::tasks::State;
use muster_wire::body::Coding;
use std::time::Duration;
use world::{FUSION, GLPI, GLPI_ID, OCS, OCS_WINDOWS, World, document, field, prolog, sample, zlib};

const EMPTY_REPLY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY></REPLY>\n";

/// One agent's way of speaking.
struct Voice {
    agent: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    prolog: &'static str,
    inventory: &'static str,
    protocol: Protocol,
    /// A section of the inventory and a field in it, to be changed once.
    change: (&'static str, &'static str),
}

const VOICES: [Voice; 4] = [
    Voice {
        agent: FUSION,
        path: "/",
        headers: &[],
        prolog: "fusioninventory/prolog.zlib",
        inventory: "fusioninventory/inventory.zlib",
        protocol: Protocol::Fusioninventory,
        change: ("SOFTWARES", "VERSION"),
    },
    Voice {
        agent: GLPI,
        path: "/marketplace/glpiinventory/",
        headers: &[("GLPI-Agent-ID", GLPI_ID)],
        prolog: "glpi/prolog.zlib",
        inventory: "glpi/inventory-legacy.zlib",
        protocol: Protocol::Glpi,
        change: ("OPERATINGSYSTEM", "KERNEL_VERSION"),
    },
    Voice {
        agent: OCS,
        path: "/ocsinventory",
        headers: &[],
        prolog: "ocs/prolog.body",
        inventory: "ocs/01-first-inventory.inventory.body",
        protocol: Protocol::Ocs,
        change: ("SOFTWARES", "VERSION"),
    },
    Voice {
        agent: OCS_WINDOWS,
        path: "/ocsinventory",
        headers: &[],
        prolog: "ocs/prolog.body",
        inventory: "ocs/01-first-inventory.inventory.body",
        protocol: Protocol::Ocs,
        change: ("SOFTWARES", "VERSION"),
    },
];

impl Voice {
    /// Sends a PROLOG; gives the answer's text. A GLPI agent that speaks XML sends it without its UUID.
    async fn ask(&self, world: &World) -> String {
        self.say_as(world, &[], self.prolog()).await
    }

    /// Sends a body; gives the answer's text.
    async fn say(&self, world: &World, body: Vec<u8>) -> String {
        self.say_as(world, self.headers, body).await
    }

    async fn say_as(&self, world: &World, headers: &[(&str, &str)], body: Vec<u8>) -> String {
        let answer = world.post_with(self.path, self.agent, headers, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}: {answer:?}", self.agent);
        if self.protocol == Protocol::Ocs {
            assert_eq!(answer.header("content-type"), Some("application/x-compressed"));
            let (coding, text) = answer.unpacked();
            assert_eq!(coding, Coding::Zlib);
            return text;
        }
        assert_eq!(answer.header("content-type"), Some("application/xml"));
        answer.text()
    }

    /// A PROLOG of the machine whose inventory is recorded: the recorded prolog with its id.
    fn prolog(&self) -> Vec<u8> {
        let (prolog, inventory) = (document(self.prolog), document(self.inventory));
        zlib(&prolog.replace(field(&prolog, "DEVICEID"), field(&inventory, "DEVICEID")))
    }

    fn changed(&self) -> Vec<u8> {
        let xml = document(self.inventory);
        let (section, name) = self.change;
        let open = format!("<{section}>");
        let (before, after) = xml.split_once(&open).expect("the section");
        let was = format!("<{name}>{}</{name}>", field(after, name));
        assert!(after.contains(&was), "{was}");
        zlib(&format!("{before}{open}{}", after.replacen(&was, &format!("<{name}>99.9-muster</{name}>"), 1)))
    }
}

#[tokio::test(start_paused = true)]
async fn every_dialect_reports_once_then_only_what_changed() {
    for voice in &VOICES {
        let world = World::new().await;
        assert!(voice.ask(&world).await.contains("<RESPONSE>SEND</RESPONSE>"), "{}", voice.agent);
        assert!(world.devices().await.is_empty(), "a PROLOG alone creates nothing");
        voice.say(&world, sample(voice.inventory)).await;
        let device = world.device().await;
        let agents = world.agents(device.id).await;
        assert_eq!(agents.len(), 1);
        assert_eq!((agents[0].protocol, device.protocol), (voice.protocol, Some(voice.protocol)));
        assert_eq!(agents[0].version.as_deref(), voice.agent.rsplit_once("_v").map(|(_, v)| v));
        assert_eq!(agents[0].address.as_deref(), Some("10.0.0.7"));
        assert_eq!(agents[0].glpi_id.as_deref(), voice.headers.first().map(|_| GLPI_ID));
        assert_eq!(world.history(device.id).await.len(), 1);

        world.clock.advance(Duration::from_secs(60));
        assert!(voice.ask(&world).await.contains("<RESPONSE>STOP</RESPONSE>"), "{}", voice.agent);
        voice.say(&world, sample(voice.inventory)).await;
        assert_eq!(world.history(device.id).await.len(), 1, "{}: the same inventory again writes no section", voice.agent);

        world.clock.advance(Duration::from_secs(60));
        voice.say(&world, voice.changed()).await;
        let history = world.history(device.id).await;
        let sections: Vec<&str> = history[0].sections.iter().map(|s| s.section.as_str()).collect();
        assert_eq!((history.len(), sections), (2, vec![voice.change.0.to_lowercase().as_str()]), "{}", voice.agent);
        assert_eq!((history[0].sections[0].added_count, history[0].sections[0].removed_count), (1, 1));

        world.clock.advance(Duration::from_secs(24 * 3_600));
        assert!(voice.ask(&world).await.contains("<RESPONSE>SEND</RESPONSE>"), "{}: a day later", voice.agent);
        assert_eq!(world.engine.inventories(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn every_recorded_inventory_is_taken() {
    let world = World::new().await;
    let fusion = ["inventory.zlib", "inventory.gzip", "inventory.plain", "inventory-basic-auth.zlib"];
    let glpi = ["1.xml", "3.xml", "13.xml", "inventory-legacy.zlib"];
    let ocs = ["01-first-inventory", "03-repeat-inventory", "05-deploy-store", "07-deploy-launch-exit-3", "09-deploy-bad-digest"];
    for name in fusion {
        let answer = world.post("/", FUSION, sample(&format!("fusioninventory/{name}"))).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, EMPTY_REPLY), "{name}");
    }
    for name in glpi {
        let answer = world.post("/front/inventory.php", GLPI, sample(&format!("glpi/{name}"))).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, EMPTY_REPLY), "{name}");
    }
    for name in ocs.into_iter().chain(["13-ipdiscover-manual"]) {
        let answer = world.post("/ocsinventory", OCS, sample(&format!("ocs/{name}.inventory.body"))).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
        assert!(answer.unpacked().1.contains("ACCOUNT_UPDATE</RESPONSE>"), "{name}");
    }
    assert_eq!(world.engine.inventories(), 14);
}

#[tokio::test(start_paused = true)]
async fn a_task_reaches_every_dialect_at_its_prolog_and_ends_with_its_inventory() {
    for voice in &VOICES {
        let world = World::new().await;
        voice.say(&world, sample(voice.inventory)).await;
        world.clock.advance(Duration::from_secs(60));
        let run = world.start_inventory("stocktaking").await;
        assert_eq!(world.states(run).await[0].1, State::Prepared);
        assert!(voice.ask(&world).await.contains("<RESPONSE>SEND</RESPONSE>"));
        assert_eq!(world.states(run).await[0].1, State::Started, "{}", voice.agent);
        assert!(voice.ask(&world).await.contains("<RESPONSE>SEND</RESPONSE>"), "asked again before it reported");
        voice.say(&world, sample(voice.inventory)).await;
        assert_eq!(world.states(run).await[0].1, State::Ok, "{}", voice.agent);
        assert!(voice.ask(&world).await.contains("<RESPONSE>STOP</RESPONSE>"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_prolog_is_answered_in_exactly_the_form_of_its_agent() {
    let world = World::new().await;
    let fusion = world.post("/", FUSION, sample("fusioninventory/prolog.gzip")).await;
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<REPLY><PROLOG_FREQ>1</PROLOG_FREQ><RESPONSE>SEND</RESPONSE>";
    assert_eq!(fusion.text(), format!("{head}</REPLY>\n"), "plain, whatever the request was packed in");
    let ocs = world.post("/ocsinventory/foo", OCS, sample("ocs/variant-gzip.body")).await;
    let (coding, text) = ocs.unpacked();
    assert_eq!(coding, Coding::Gzip, "as the request");
    assert!(text.starts_with(head) && text.contains("<INVENTORY_ON_STARTUP>1</INVENTORY_ON_STARTUP>"), "{text}");
    assert!(text.contains("<OPTION><NAME>DOWNLOAD</NAME><PARAM TYPE=\"CONF\" ON=\"0\""), "{text}");
    let plain =
        world.post("/ocsinventory", OCS, "<?xml version=\"1.0\"?><REQUEST DEVICEID=\"a-2026-01-02-03-04-05\" QUERY=\"PROLOG\"/>").await;
    assert_eq!(plain.unpacked().0, Coding::Plain);
    for agent in ["OCS-NG_unified_unix_agent_v2.9.0", "OCS-NG_windows_client_v4061", "OCS-NG_WINDOWS_AGENT_v9.0"] {
        assert_eq!(world.post("/ocsinventory", agent, sample("ocs/prolog.body")).await.status, StatusCode::OK, "{agent}");
    }
}

#[tokio::test(start_paused = true)]
async fn results_nobody_asked_for_are_answered_with_an_empty_reply() {
    let world = World::new().await;
    for name in ["netdiscovery.zlib", "snmpquery.zlib"] {
        let answer = world.post("/plugins/fusioninventory/", FUSION, sample(&format!("fusioninventory/{name}"))).await;
        assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, EMPTY_REPLY), "{name}");
    }
    assert!(world.devices().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn rest_calls_are_told_that_there_is_nothing_to_do() {
    let world = World::new().await;
    let get = |uri: &str, polls: bool| {
        let request = Request::get(uri).header("User-Agent", FUSION);
        let request = if polls { request.header("GLPI-Request-ID", "7814CE86") } else { request };
        request.body(Body::empty()).expect("a request")
    };
    let config = world.send(get("/plugins/fusioninventory/?machineid=a&action=getConfig&task%5BDeploy%5D=2.8", false)).await;
    assert_eq!(config.text(), r#"{"configValidityPeriod":600,"schedule":[]}"#);
    assert_eq!(config.header("content-type"), Some("application/json"));
    assert_eq!(world.send(get("/?action=getJobs&machineid=a", false)).await.text(), "{}");
    assert_eq!(world.post("/?action=setAnswer", FUSION, "uuid=1&_cpt=1").await.text(), "{}");
    assert_eq!(world.send(get("/", true)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.send(get("/", false)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_glpi_agent_that_replaces_fusioninventory_under_the_same_id_stays_the_same_agent() {
    let world = World::new().await;
    world.post("/", FUSION, sample("fusioninventory/inventory.zlib")).await;
    let before = world.agents(world.device().await.id).await;
    world.clock.advance(Duration::from_secs(60));
    let answer = world.post_with("/", GLPI, &[("GLPI-Agent-ID", GLPI_ID)], sample("fusioninventory/inventory.zlib")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let after = world.agents(world.device().await.id).await;
    assert_eq!((after.len(), after[0].id), (1, before[0].id));
    assert_eq!((after[0].protocol, after[0].glpi_id.as_deref()), (Protocol::Glpi, Some(GLPI_ID)));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_program_on_the_ocs_path_is_served_as_ocs() {
    let world = World::new().await;
    let answer = world.post("/ocsinventory", "Mozilla/5.0", sample("ocs/variant-inv_bad_ua.body")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.unpacked().1.contains("NO_ACCOUNT_UPDATE"));
    assert_eq!(world.device().await.protocol, Some(Protocol::Ocs));
    let answer = world.post("/", "", prolog("a-2026-01-02-03-04-05")).await;
    assert!(answer.unpacked().1.contains("INVENTORY_ON_STARTUP"));
}
