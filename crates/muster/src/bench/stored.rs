//! Asking the server afterwards whether it holds what it has answered 200, by its API.

use super::machine::{Fleet, State};
use super::peer::Peer;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// The server's API, as an administrator.
pub struct Api {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Api {
    /// Signs in.
    pub fn new(peer: &Peer, token: String, tls: bool) -> anyhow::Result<Self> {
        let mut http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60));
        if tls {
            let authority = std::fs::read(peer.authority()).context("cannot read the server's authority")?;
            http = http.tls_certs_only([reqwest::Certificate::from_pem(&authority)?]);
        }
        Ok(Self { http: http.build()?, url: format!("{}/api/v1", peer.url()), token })
    }

    /// Takes as many new machines from one address as there are.
    pub async fn open_gates(&self) -> anyhow::Result<()> {
        let settings = json!({"new_agents_per_source_max": 10_000_000});
        let set = self.http.patch(format!("{}/settings", self.url)).bearer_auth(&self.token).json(&settings).send().await?;
        ensure!(set.status().is_success(), "the settings were refused: {}", set.status());
        Ok(())
    }

    /// A counter of the server's metrics.
    pub async fn counter(&self, name: &str) -> anyhow::Result<u64> {
        let url = self.url.replace("/api/v1", "/metrics");
        let text = self.http.get(url).bearer_auth(&self.token).send().await?.error_for_status()?.text().await?;
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|n| n.trim().parse::<f64>().ok()).map(|n| n as u64).with_context(|| format!("the metrics have no {name}"))
    }

    /// A POST that must succeed.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body).send().await?;
        let (status, answer) = (answer.status(), answer.json::<Value>().await?);
        ensure!(status.is_success(), "POST {path} was answered {status}: {answer}");
        Ok(answer)
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token).send().await?;
        ensure!(answer.status().is_success(), "GET {path} was answered {}", answer.status());
        Ok(answer.json().await?)
    }

    /// How many devices there are.
    pub async fn devices(&self) -> anyhow::Result<u64> {
        self.get("/overview").await?["devices"].as_u64().context("the overview counts devices")
    }

    /// Whether a machine's history tells that its program was replaced as it said.
    pub async fn holds_change(&self, fleet: &Fleet, number: u64, state: State) -> anyhow::Result<bool> {
        let found = self.get(&format!("/devices?name={}", fleet.name(number))).await?;
        let Some(device) = found["items"][0]["id"].as_str() else { return Ok(false) };
        let history = self.get(&format!("/devices/{device}/history?section=softwares&limit=1")).await?;
        let newest = &history["items"][0];
        let (name, version) = fleet.changing(number, state);
        let row = |row: &Value| row["name"] == name.as_str() && row["version"] == version.as_str();
        Ok(newest["kind"] == "changed" && newest["added_count"] == 1 && newest["removed_count"] == 1 && row(&newest["added"][0]))
    }
}
