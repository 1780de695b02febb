//! The channel of our own agent, spoken by a peer that is written here from the document alone.

use anyhow::{Context as _, Result, bail};
use ed25519_dalek::{SigningKey, VerifyingKey};
use futures_util::{SinkExt as _, StreamExt as _};
use muster_core::ids::AgentId;
use muster_e2e::{Client, Database, Server, http, until};
use muster_wire::channel::{CHANNEL_PATH, FromAgent, FromServer};
use muster_wire::native::{self, AttemptRef, ContactAnswer, ContactRequest, Nonce, Report, ReportState};
use muster_wire::order::{Opened, Opener, Order};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

const LIMIT: Duration = Duration::from_secs(20);
static NONCES: AtomicU64 = AtomicU64::new(1);

fn nonce() -> Nonce {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&NONCES.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    Nonce(bytes)
}

fn now_ms() -> Result<i64> {
    let output = std::process::Command::new("date").arg("+%s%3N").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// An agent that joined.
struct Peer {
    http: reqwest::Client,
    url: String,
    key: SigningKey,
    server_key: VerifyingKey,
    id: AgentId,
    incarnation: u32,
}

impl Peer {
    async fn join(server: &Server, seed: u8) -> Result<Self> {
        let (http, key) = (http()?, SigningKey::from_bytes(&[seed; 32]));
        let token = server.admin(&["join-token", "create", "--name", &format!("peer {seed}"), "--verified"])?;
        let body = json!({"token": token, "public_key": native::public_key_text(&key.verifying_key()), "nonce": nonce(), "name": format!("peer{seed}"),
            "version": "1", "machine": {"uuid": format!("00000000-0000-4000-8000-0000000000{seed:02x}"), "macs": []}});
        let answer: Value = http.post(format!("{}{}", server.url, native::ENROL_PATH)).json(&body).send().await?.json().await?;
        let answer: native::EnrolAnswer = serde_json::from_value(answer)?;
        let server_key = native::public_key(&answer.server_key)?;
        Ok(Self { http, url: server.url.clone(), key, server_key, id: answer.agent_id, incarnation: answer.incarnation })
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let (bytes, nonce) = (serde_json::to_vec(body)?, nonce());
        let header = native::sign_request(&self.key, self.id, "POST", path, now_ms()?, nonce, &bytes);
        let request =
            self.http.post(format!("{}{path}", self.url)).header(native::REQUEST_HEADER, header).header("content-type", "application/json");
        Ok(request.body(bytes).send().await?.error_for_status()?.json().await?)
    }

    /// A machine that has told what it is.
    async fn tell_inventory(&self) -> Result<()> {
        let content = json!({"hardware": {"name": format!("peer-{}", self.id), "uuid": self.id.to_string()}});
        let read =
            muster_wire::glpi_content::read(content.as_object().context("an object")?.clone(), muster_core::inventory::Completeness::Full)
                .map_err(|e| anyhow::anyhow!("{e:?}"))?;
        let marks = native::section_marks(&read);
        self.post(native::INVENTORY_PATH, &json!({"sections": marks, "content": content})).await?;
        Ok(())
    }

    fn state(&self, busy: &[AttemptRef]) -> Result<ContactRequest> {
        let modules = vec!["run_script".to_owned()];
        Ok(ContactRequest {
            version: "1".to_owned(),
            time_ms: now_ms()?,
            modules,
            busy: busy.to_vec(),
            wait_seconds: 0,
            max_orders: 8,
            life: None,
            frozen: Some(false),
            walks: false,
            ahead: Vec::new(),
            book: None,
        })
    }

    async fn handshake(&self, signed: bool, upgrade: &str) -> Result<(reqwest::Response, Nonce)> {
        let nonce = nonce();
        let header = native::sign_request(&self.key, self.id, "GET", CHANNEL_PATH, now_ms()?, nonce, b"");
        let mut request = self.http.get(format!("{}{CHANNEL_PATH}", self.url)).header("connection", "upgrade").header("upgrade", upgrade);
        if signed {
            request = request.header(native::REQUEST_HEADER, header);
        }
        request = request.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        Ok((request.send().await?, nonce))
    }

    async fn connect(&self) -> Result<Line> {
        let (response, nonce) = self.handshake(true, "websocket").await?;
        assert_eq!(response.status().as_u16(), 101);
        // The example of RFC 6455, 1.3.
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let signature = response.headers()[native::ANSWER_HEADER].to_str()?;
        native::verify_answer(&self.server_key, signature, nonce, 101, b"")?;
        let socket = WebSocketStream::from_raw_socket(response.upgrade().await?, Role::Client, None).await;
        Ok(Line { socket })
    }

    /// A channel on which hello was said, and welcomed.
    async fn open(&self, busy: &[AttemptRef]) -> Result<Line> {
        let mut line = self.connect().await?;
        line.say(&FromAgent::Hello { v: 1, state: self.state(busy)? }).await?;
        let FromServer::Welcome { v: 1, heartbeat_seconds: 60, reconnect_within_seconds: Some(2) } = line.hear().await? else {
            bail!("no welcome")
        };
        Ok(line)
    }

    fn opened(&self, order: &Order) -> Result<Opened> {
        let keys = [self.server_key];
        Ok(order.open(&Opener { keys: &keys, agent: self.id, incarnation: self.incarnation, now_ms: now_ms()? })?)
    }

    fn report(&self, attempt: AttemptRef, state: ReportState) -> Report {
        Report {
            assignment: attempt.assignment,
            attempt: attempt.attempt,
            incarnation: self.incarnation,
            state,
            exit_code: Some(0),
            output: Some("done".to_owned()),
            message: None,
            occasion: None,
            refused: None,
            at_ms: 1,
        }
    }
}

/// One end of a channel.
struct Line {
    socket: WebSocketStream<reqwest::Upgraded>,
}

impl Line {
    async fn say(&mut self, message: &FromAgent) -> Result<()> {
        self.raw(Message::text(serde_json::to_string(message)?)).await
    }

    async fn raw(&mut self, message: Message) -> Result<()> {
        Ok(self.socket.send(message).await?)
    }

    async fn hear(&mut self) -> Result<FromServer> {
        let message = tokio::time::timeout(LIMIT, self.socket.next()).await.context("the server said nothing")?;
        Ok(serde_json::from_str(message.context("the channel ended")??.to_text()?)?)
    }

    async fn tidings(&mut self) -> Result<ContactAnswer> {
        loop {
            if let FromServer::Tidings { tidings } = self.hear().await? {
                return Ok(tidings);
            }
        }
    }

    /// Tidings with orders; others are passed over.
    async fn orders(&mut self) -> Result<Vec<Order>> {
        loop {
            let tidings = self.tidings().await?;
            if !tidings.orders.is_empty() {
                return Ok(tidings.orders);
            }
        }
    }

    /// Whether the server ends the channel, whatever it says before.
    async fn ends(&mut self) -> Result<()> {
        loop {
            match tokio::time::timeout(LIMIT, self.socket.next()).await.context("the channel did not end")? {
                None | Some(Err(_) | Ok(Message::Close(_))) => return Ok(()),
                Some(Ok(_)) => {}
            }
        }
    }
}

async fn task(client: &Client, retry: &Value) -> Result<String> {
    let step = json!({"id": "step", "action": {"type": "run_script", "script": "true"}, "retry": retry});
    let task = json!({"name": "scripts", "targets": {"all": true}, "steps": [step]});
    Ok(client.post("/api/v1/tasks", &task).await?["id"].as_str().context("an id")?.to_owned())
}

async fn channels(client: &Client) -> Result<Option<u64>> {
    metric(client, "muster_channels").await
}

async fn metric(client: &Client, name: &str) -> Result<Option<u64>> {
    let (_, text) = client.call("GET", "/metrics", None).await?;
    let text = text.as_str().unwrap_or_default().to_owned();
    Ok(text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()))
}

#[tokio::test]
async fn an_order_its_verdict_a_stop_and_the_brake_go_by_the_channel() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let peer = Peer::join(&server, 1).await?;
    peer.tell_inventory().await?;
    let mut line = peer.open(&[]).await?;
    until("the channel is counted", LIMIT, || async { Ok((channels(&client).await? == Some(1)).then_some(())) }).await?;
    let task = task(&client, &json!({"attempts": 3, "backoff": "1s", "on": ["error"]})).await?;

    let run = client.start(&task).await?;
    let opened = peer.opened(&line.orders().await?[0])?;
    line.say(&FromAgent::Report { id: 9, reports: vec![peer.report(opened.attempt, ReportState::Ok)] }).await?;
    let FromServer::Reported { id: 9, results, error: None } = line.hear().await? else { bail!("no answer to the report") };
    assert!(results[0].accepted);
    assert_eq!(client.get(&format!("/api/v1/runs/{run}")).await?["verdict"], "ok");

    let run = client.start(&task).await?;
    let opened = peer.opened(&line.orders().await?[0])?;
    client.post(&format!("/api/v1/runs/{run}/cancel"), &json!({})).await?;
    assert_eq!(line.tidings().await?.stop, [opened.attempt]);

    client.post("/api/v1/brake", &json!({"note": "it burns"})).await?;
    assert!(line.tidings().await?.frozen);
    line.say(&FromAgent::Alive).await?;
    let FromServer::Alive { server_time_ms, .. } = line.hear().await? else { bail!("no sign of life") };
    assert!((server_time_ms - now_ms()?).abs() < 5_000);
    drop(line);
    until("its end is counted", LIMIT, || async { Ok((channels(&client).await? == Some(0)).then_some(())) }).await
}

#[tokio::test]
async fn what_was_handed_out_and_never_arrived_is_handed_out_again_and_what_is_there_is_not() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let peer = Peer::join(&server, 1).await?;
    peer.tell_inventory().await?;
    let task = task(&client, &json!({"attempts": 3, "backoff": "1s", "on": ["error"]})).await?;
    let (first, second) = (client.start(&task).await?, client.start(&task).await?);
    for run in [&first, &second] {
        until("it waits for its machine", LIMIT, || async {
            Ok((client.get(&format!("/api/v1/runs/{run}")).await?["state"] == "waiting").then_some(()))
        })
        .await?;
    }
    // Two orders in an answer; of one the agent remembers nothing.
    let answer = peer.post(native::CONTACT_PATH, &serde_json::to_value(peer.state(&[])?)?).await?;
    let taken = serde_json::from_value::<ContactAnswer>(answer)?.orders;
    assert_eq!(taken.len(), 2, "both are handed out");
    let kept = peer.opened(&taken[0])?;
    let mut line = peer.open(&[kept.attempt]).await?;
    let again = peer.opened(&line.orders().await?[0])?;
    let lost = peer.opened(&taken[1])?.attempt;
    assert_eq!((again.attempt.assignment, again.attempt.attempt), (lost.assignment, 2), "what never arrived, and not what the agent has");
    line.say(&FromAgent::Report {
        id: 1,
        reports: vec![peer.report(kept.attempt, ReportState::Ok), peer.report(again.attempt, ReportState::Ok)],
    })
    .await?;
    for run in [first, second] {
        until("both runs are over", LIMIT, || async {
            let run = client.get(&format!("/api/v1/runs/{run}")).await?;
            Ok((run["verdict"] == "ok").then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// The older channel looks for work while its agent goes away; what it finds then is not lost to the agent's next channel.
#[tokio::test]
async fn what_an_ended_channel_was_about_to_hand_out_goes_to_the_next() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let peer = Peer::join(&server, 1).await?;
    peer.tell_inventory().await?;
    let task = task(&client, &json!({})).await?;
    let mut older = peer.connect().await?;
    let full = ContactRequest { max_orders: 0, ..peer.state(&[])? };
    older.say(&FromAgent::Hello { v: 1, state: full }).await?;
    let FromServer::Welcome { .. } = older.hear().await? else { bail!("no welcome") };
    let run = client.start(&task).await?;
    until("it waits for its machine", LIMIT, || async {
        Ok((client.get(&format!("/api/v1/runs/{run}")).await?["state"] == "waiting").then_some(()))
    })
    .await?;
    // Nothing can be handed out while another program holds the database.
    let held = rusqlite::Connection::open(server.data().join("muster.db"))?;
    held.execute_batch("BEGIN IMMEDIATE")?;
    older.say(&FromAgent::State { state: peer.state(&[])? }).await?;
    let other = client.clone();
    let another = tokio::spawn(async move { other.post("/api/v1/groups", &json!({"name": "g"})).await });
    until("commands wait behind its look", LIMIT, || async {
        Ok(metric(&client, "muster_store_queue{kind=\"commands\"}").await?.filter(|n| *n > 0))
    })
    .await?;
    drop(older);
    let mut newer = peer.open(&[]).await?;
    held.execute_batch("ROLLBACK")?;
    another.await??;
    let orders = newer.orders().await.with_context(|| server.log())?;
    let opened = peer.opened(&orders[0])?;
    newer.say(&FromAgent::Report { id: 1, reports: vec![peer.report(opened.attempt, ReportState::Ok)] }).await?;
    until("the run is over", LIMIT, || async { Ok((client.get(&format!("/api/v1/runs/{run}")).await?["verdict"] == "ok").then_some(())) })
        .await
}

#[tokio::test]
async fn strangers_and_those_who_speak_badly_are_sent_away_and_harm_nobody() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let (peer, other) = (Peer::join(&server, 1).await?, Peer::join(&server, 2).await?);
    let mut good = other.open(&[]).await?;
    assert_eq!(peer.handshake(false, "websocket").await?.0.status().as_u16(), 401);
    let (refused, nonce) = peer.handshake(true, "h2c").await?;
    assert_eq!((refused.status().as_u16(), &refused.headers()["upgrade"]), (426, &reqwest::header::HeaderValue::from_static("websocket")));
    let signature = refused.headers()[native::ANSWER_HEADER].to_str()?.to_owned();
    native::verify_answer(&peer.server_key, &signature, nonce, 426, &refused.bytes().await?)?;
    let thief = Peer { key: SigningKey::from_bytes(&[9; 32]), http: http()?, url: peer.url.clone(), ..Peer::join(&server, 3).await? };
    assert_eq!(thief.handshake(true, "websocket").await?.0.status().as_u16(), 401);

    let hello = serde_json::to_string(&FromAgent::Hello { v: 1, state: peer.state(&[])? })?;
    for bad in [
        vec![Message::text("{")],
        vec![Message::text(serde_json::to_string(&FromAgent::Alive)?)],
        vec![Message::binary(vec![0; 10])],
        vec![Message::text(hello.clone()), Message::text(hello.clone())],
        vec![Message::text(hello.clone()), Message::text("{\"type\":\"mood\"}")],
        vec![Message::text(hello.clone()), Message::text("x".repeat(5 << 20))],
    ] {
        let mut line = peer.connect().await?;
        for message in bad {
            // The server may have hung up already.
            let _ = line.raw(message).await;
        }
        line.ends().await?;
    }
    // A newer channel of the same agent ends the older.
    let mut older = peer.open(&[]).await?;
    let _newer = peer.open(&[]).await?;
    older.ends().await?;
    good.say(&FromAgent::Alive).await?;
    loop {
        if matches!(good.hear().await?, FromServer::Alive { .. }) {
            break;
        }
    }
    assert_eq!(client.get("/api/v1/agents").await?["total"], json!(3));
    Ok(())
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_when_to_come_back() -> Result<()> {
    let mut server = Server::start(Database::Sqlite)?;
    let peer = Peer::join(&server, 1).await?;
    let mut line = peer.open(&[]).await?;
    let stopped = tokio::task::spawn_blocking(move || server.terminate());
    loop {
        if let FromServer::Bye { reconnect_in_seconds, why } = line.hear().await? {
            assert!(reconnect_in_seconds > 0 && why.contains("stops"));
            break;
        }
    }
    assert_eq!(stopped.await??, Some(0));
    Ok(())
}

#[tokio::test]
async fn two_programs_with_one_key_are_found_out() -> Result<()> {
    let server = Server::start(Database::Sqlite)?;
    let client = server.client("operator")?;
    let peer = Peer::join(&server, 1).await?;
    peer.tell_inventory().await?;
    for life in ["one", "two", "one"] {
        let state = ContactRequest { life: Some(life.to_owned()), ..peer.state(&[])? };
        peer.post(native::CONTACT_PATH, &serde_json::to_value(state)?).await?;
    }
    until("the device says so", LIMIT, || async {
        let list = client.get("/api/v1/devices").await?;
        let id = list["items"][0]["id"].as_str().context("an id")?;
        let device = client.get(&format!("/api/v1/devices/{id}")).await?;
        Ok(device.to_string().contains("two programs use this agent's key").then_some(()))
    })
    .await
}
