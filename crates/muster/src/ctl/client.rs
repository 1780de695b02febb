//! The REST API as `ctl` calls it: one request, its answer as JSON, refusals as sentences.

use anyhow::{Context, anyhow, bail};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, IF_MATCH};
use reqwest::{Certificate, Method, StatusCode, Url, redirect};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);
/// For answers with all rows of a list.
const TIMEOUT_LONG: Duration = Duration::from_secs(1_800);
/// An answer of the API at most, bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Resources whose lists look for a text; others refuse to be asked that.
const SEARCHED: [&str; 3] = ["devices", "groups", "tasks"];

/// Which server, as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The server's address.
    pub server: String,
    /// Bearer token.
    pub token: String,
    /// The organization to act in.
    pub org: Option<String>,
    /// The authority that signed the server's certificate, PEM.
    pub ca: Option<PathBuf>,
}

/// A client of one server.
pub struct Client {
    http: reqwest::Client,
    base: Url,
}

/// Percent-encodes a part of a path or a query.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

fn asked(path: &str, query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(k, v)| format!("{}={}", encoded(k), encoded(v))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

impl Client {
    /// A client with an access.
    pub fn new(access: &Access) -> anyhow::Result<Self> {
        let base = Url::parse(&access.server).ok().filter(|u| ["http", "https"].contains(&u.scheme()) && u.has_host());
        let base =
            base.with_context(|| format!("'{}' is not a server's address such as https://muster.example.org:8350", access.server))?;
        let mut headers = HeaderMap::new();
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {}", access.token)).map_err(|_| anyhow!("the token has characters no token has"))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        if let Some(org) = &access.org {
            headers.insert("muster-org", HeaderValue::from_str(org).map_err(|_| anyhow!("'{org}' is no organization's name"))?);
        }
        let mut builder = reqwest::Client::builder().default_headers(headers).timeout(TIMEOUT).redirect(redirect::Policy::none());
        builder = match &access.ca {
            Some(path) => {
                let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                builder.tls_certs_only(
                    Certificate::from_pem_bundle(&pem).with_context(|| format!("{} holds no certificates", path.display()))?,
                )
            }
            None if base.scheme() == "http" => builder.tls_certs_only([]),
            None => builder,
        };
        if base.host_str().is_some_and(|h| h == "localhost" || h.starts_with("127.") || h == "[::1]") {
            builder = builder.no_proxy();
        }
        Ok(Self { http: builder.build().context("no HTTP client")?, base })
    }

    /// GET of a path below `/api/v1/`.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.call(Method::GET, &asked(path, query), None).await
    }

    /// GET of a text that may be long; each piece goes to `take` as it comes.
    pub async fn pieces(
        &self,
        path: &str,
        query: &[(&str, &str)],
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let url = self.url(&asked(path, query));
        let mut answer = self.http.get(url).timeout(TIMEOUT_LONG).send().await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        if !status.is_success() {
            let problem: Option<Value> = answer.json().await.ok();
            bail!(refusal(status, problem.as_ref()));
        }
        while let Some(piece) = answer.chunk().await.map_err(|e| anyhow!("the answer broke off, what came is not whole: {e}"))? {
            take(&piece)?;
        }
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// POST.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// PUT.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// PUT of what is at this version; refused when it is at another one.
    pub async fn put_at(&self, path: &str, body: &Value, version: i64) -> anyhow::Result<Value> {
        self.call_at(Method::PUT, path, Some(body), Some(version)).await
    }

    /// PATCH.
    pub async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.call_at(method, path, body, None).await
    }

    async fn call_at(&self, method: Method, path: &str, body: Option<&Value>, version: Option<i64>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, self.url(path));
        if let Some(version) = version {
            request = request.header(IF_MATCH, format!("\"{version}\""));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut answer = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|e| self.unreachable(&e))? {
            text.extend_from_slice(&piece);
            if text.len() > ANSWER_BYTES_MAX {
                bail!("the answer has more than {ANSWER_BYTES_MAX} bytes; ask for less with --limit");
            }
        }
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let value = serde_json::from_slice(&text);
        if !status.is_success() {
            bail!(refusal(status, value.ok().as_ref()));
        }
        value.with_context(|| format!("{} answered {status} with something that is not JSON; is it a Muster server?", self.base))
    }

    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let mut causes = error as &dyn std::error::Error;
        while let Some(inner) = causes.source() {
            causes = inner;
        }
        let hint = if causes.to_string().contains("certificate") { "; name the authority with --ca FILE" } else { "" };
        anyhow!("{} cannot be reached: {causes}{hint}", self.base)
    }

    /// The id of a thing of which people say the id, the name, or (runs) the number.
    pub async fn id_of(&self, resource: &str, what: &str, said: &str) -> anyhow::Result<String> {
        if said.parse::<uuid::Uuid>().is_ok() {
            return Ok(said.to_owned());
        }
        let number = said.parse::<i64>().ok().filter(|_| resource == "runs");
        let mut cursor: Option<String> = None;
        let mut found = Vec::new();
        loop {
            let mut query = vec![("limit", "1000")];
            if SEARCHED.contains(&resource) {
                query.push(("q", said));
            }
            query.extend(cursor.as_deref().map(|c| ("cursor", c)));
            let page = self.get(resource, &query).await?;
            for item in page["items"].as_array().into_iter().flatten() {
                let is = number.map_or_else(|| item["name"] == said || item["doc"]["name"] == said, |n| item["number"] == n);
                found.extend(is.then(|| item["id"].as_str().unwrap_or_default().to_owned()));
            }
            match page["next"].as_str() {
                Some(next) if number.is_none() || found.is_empty() => cursor = Some(next.to_owned()),
                _ => break,
            }
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => bail!("there is no {what} '{said}'"),
            many => bail!("{} of them are called '{said}'; name one by its id: {}", many.len(), many.join(", ")),
        }
    }
}

/// A refusal as people read it: the sentence, the fields at fault, what to do.
pub fn refusal(status: StatusCode, problem: Option<&Value>) -> String {
    let Some(problem) = problem.filter(|p| p["detail"].is_string() || p["title"].is_string()) else {
        return format!("the server answered {status}");
    };
    let mut text = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or_default().to_owned();
    for field in problem["errors"].as_array().into_iter().flatten() {
        let (pointer, detail) = (field["pointer"].as_str().unwrap_or("?"), field["detail"].as_str().unwrap_or("?"));
        if detail != text {
            let _ = write!(text, "\n  {pointer}: {detail}");
        }
    }
    let key = problem["type"].as_str().unwrap_or_default();
    if key.ends_with("/size-guard") {
        let _ = write!(text, "\n  if that is what you want: --confirm-count {}", problem["count"]);
    }
    if status == StatusCode::UNAUTHORIZED {
        text.push_str("\n  sign in with 'musterctl login', or set MUSTER_TOKEN");
    }
    if let (true, Some(id)) = (status.is_server_error(), problem["request_id"].as_str()) {
        let _ = write!(text, " (request {id})");
    }
    text
}
