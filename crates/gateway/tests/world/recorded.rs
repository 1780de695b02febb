//! Recorded conversations: `tests/samples/WHO/FOLDER/NNN-kind.request.txt` with `.body`.

use super::{Answer, World};
use axum::body::Body;
use axum::http::Request;
use std::path::{Path, PathBuf};

/// One recorded request.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// `prolog`, `json-contact`, `inventory`, …
    pub kind: String,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Recorded {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub async fn send(&self, world: &World) -> Answer {
        let mut request = Request::builder().method(self.method.as_str()).uri(self.path.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        world.send(request.body(Body::from(self.body.clone())).expect("a request")).await
    }
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// All folders, as `WHO/FOLDER`.
pub fn folders() -> Vec<String> {
    let whos = sorted(&samples()).into_iter().filter(|p| p.is_dir());
    let all = whos.flat_map(|who| sorted(&who)).filter(|p| p.is_dir());
    all.map(|p| p.strip_prefix(samples()).expect("below").to_str().expect("text").to_owned()).collect()
}

/// The requests of a folder, in their order.
pub fn conversation(folder: &str) -> Vec<Recorded> {
    let files = sorted(&samples().join(folder));
    files.iter().filter_map(|file| file.to_str()?.strip_suffix(".request.txt").map(recorded)).collect()
}

fn recorded(base: &str) -> Recorded {
    let head = std::fs::read_to_string(format!("{base}.request.txt")).expect("a head");
    let mut lines = head.lines().take_while(|l| !l.is_empty() && !l.starts_with('#'));
    let mut first = lines.next().expect("a request line").split(' ');
    let (method, path) = (first.next().expect("a method").to_owned(), first.next().expect("a path").to_owned());
    let headers = lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let body = std::fs::read(format!("{base}.body")).unwrap_or_default();
    let name = Path::new(base).file_name().and_then(|n| n.to_str()).expect("a name");
    Recorded { kind: name[4..].to_owned(), method, path, headers, body }
}
