//! A server process and a client for it.

use crate::muster;
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

/// Longest wait for a server to say that it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

const CONFIGURATION: &str = "muster.toml";

/// Where a server keeps its data.
#[derive(Clone, Debug)]
pub enum Database {
    /// In its data directory.
    Sqlite,
    /// In a PostgreSQL at this address.
    Postgres(String),
}

/// A running server; dropping it kills it.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    data: PathBuf,
    database: Database,
    lines: Mutex<mpsc::Receiver<String>>,
    _home: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts a server with data of its own.
    pub fn start(database: Database) -> Result<Self> {
        Self::start_with(database, "")
    }

    /// Starts a server with data and a configuration file of its own.
    pub fn start_with(database: Database, configuration: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        std::fs::write(home.path().join(CONFIGURATION), configuration)?;
        let mut server = Self::start_in(home.path(), database)?;
        server._home = Some(home);
        Ok(server)
    }

    /// Starts a server that machines reach at another address than loopback, by TLS; in a network of this test's own only.
    pub fn start_for_others(address: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        std::fs::write(home.path().join(CONFIGURATION), format!("tls_names = [\"{address}\", \"127.0.0.1\"]\n"))?;
        let mut server = Self::start_on("0.0.0.0:0", home.path(), Database::Sqlite)?;
        server.url = format!("https://127.0.0.1:{}", server.port());
        server._home = Some(home);
        Ok(server)
    }

    /// The certificate authority of a server that speaks TLS.
    pub fn authority(&self) -> PathBuf {
        self.data.join("keys/ca.pem")
    }

    /// Starts a server on given data, with the configuration that lies there.
    pub fn start_in(data: &Path, database: Database) -> Result<Self> {
        Self::start_on("127.0.0.1:0", data, database)
    }

    fn start_on(listen: &str, data: &Path, database: Database) -> Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(data.join("server.log"))?;
        let mut command = muster()?;
        command.args(["server", "--listen", listen, "--data"]).arg(data);
        if let Database::Postgres(url) = &database {
            command.args(["--database", url]);
        }
        if data.join(CONFIGURATION).is_file() {
            command.arg("--config").arg(data.join(CONFIGURATION));
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let lines = lines(child.stdout.take().context("the server has an output")?);
        let line = lines.recv_timeout(START_LIMIT).unwrap_or_default();
        let mut server = Self { child, url: String::new(), data: data.to_path_buf(), database, lines: Mutex::new(lines), _home: None };
        let Some(url) = line.strip_prefix("muster listening on ") else {
            server.kill()?;
            bail!("the server did not start within {START_LIMIT:?}; it said '{line}' and logged:\n{}", server.log());
        };
        server.url = url.to_owned();
        Ok(server)
    }

    /// Ends the process without warning, as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again on the same data; the address is a new one.
    pub fn restart(self) -> Result<Self> {
        let mut this = self;
        let _ = this.kill();
        let mut next = Self::start_in(&this.data, this.database.clone())?;
        next._home = this._home.take();
        Ok(next)
    }

    /// Asks it to stop, as a service manager does; gives its exit code.
    pub fn terminate(&mut self) -> Result<Option<i32>> {
        let pid = self.child.id().to_string();
        std::process::Command::new("kill").args(["-TERM", &pid]).status()?;
        Ok(self.child.wait()?.code())
    }

    /// What it printed on standard output after the line with its address, once it has ended.
    pub fn printed(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().collect()
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("server.log")).unwrap_or_default()
    }

    /// Its port.
    pub fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap_or_default()
    }

    /// Where its data are.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Runs `muster admin …` on its data; gives what it prints.
    pub fn admin(&self, arguments: &[&str]) -> Result<String> {
        let mut command = muster()?;
        command.arg("admin").args(arguments);
        match &self.database {
            Database::Sqlite => command.arg("--data").arg(&self.data),
            Database::Postgres(url) => command.args(["--database", url]),
        };
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!("muster admin {arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A client with a token of a role.
    pub fn client(&self, role: &str) -> Result<Client> {
        let token = self.admin(&["token", "create", "--name", &format!("test-{role}"), "--role", role])?;
        let authority = self.url.starts_with("https").then(|| std::fs::read(self.authority())).transpose()?;
        Client::trusting(&self.url, &token, authority.as_deref())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines a server prints. They are read to the end, so that it never waits for its reader nor finds it gone.
fn lines(output: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The test may have ended: then nobody wants the line.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// A bare HTTP client.
pub fn http() -> Result<reqwest::Client> {
    // Another client of this process may have installed it already; that is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Ok(reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?)
}

/// A client of the API.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    /// A client with a bearer token.
    pub fn new(url: &str, token: &str) -> Result<Self> {
        Self::trusting(url, token, None)
    }

    /// The same over TLS, with the certificate authority that counts.
    pub fn trusting(url: &str, token: &str, authority: Option<&[u8]>) -> Result<Self> {
        let http = match authority {
            None => http()?,
            Some(pem) => {
                let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
                let only = reqwest::Certificate::from_pem_bundle(pem)?;
                reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().tls_certs_only(only).build()?
            }
        };
        Ok(Self { http, url: url.to_owned(), token: token.to_owned() })
    }

    /// The same client at another address.
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// A call; gives status and body.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let mut request = self.http.request(method.parse()?, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// A GET that must succeed.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.good("GET", path, None).await
    }

    /// A POST that must succeed.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.good("POST", path, Some(body)).await
    }

    /// Starts a task that is there; gives the run's id.
    pub async fn start(&self, task: &str) -> Result<String> {
        let run = self.post(&format!("/api/v1/tasks/{task}/runs"), &serde_json::json!({})).await?;
        Ok(run["id"].as_str().context("an id")?.to_owned())
    }

    /// Waits until a run is over, at most so long.
    pub async fn finished(&self, run: &str, limit: Duration) -> Result<Value> {
        crate::until("the run is over", limit, || async {
            let now = self.get(&format!("/api/v1/runs/{run}")).await?;
            Ok((now["state"] == "finished").then_some(now))
        })
        .await
    }

    /// The assignments of a run.
    pub async fn assignments(&self, run: &str) -> Result<Vec<Value>> {
        let list = self.get(&format!("/api/v1/runs/{run}/assignments?limit=1000")).await?;
        Ok(list["items"].as_array().context("assignments")?.clone())
    }

    async fn good(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, answer) = self.call(method, path, body).await?;
        if !(200..300).contains(&status) {
            bail!("{method} {path} answered {status}: {answer}");
        }
        Ok(answer)
    }
}
