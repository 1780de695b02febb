//! Calls of web services from the machine.

use super::{Done, cut};
use muster_core::limits::OUTPUT_BYTES_MAX;
use muster_core::tasks::doc::Method;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a call may take that says nothing of it.
const LIMIT: Duration = Duration::from_secs(30);

/// One call.
pub(super) struct Call<'a> {
    pub(super) url: &'a str,
    pub(super) method: Method,
    pub(super) headers: &'a BTreeMap<String, String>,
    pub(super) body: Option<&'a str>,
    pub(super) expect: &'a [u16],
    pub(super) timeout: Option<Duration>,
}

impl Call<'_> {
    /// Makes it; the status code is told as exit code, the answer's body as output.
    pub(super) async fn make(&self) -> Done {
        match self.answer().await {
            Ok((status, body)) => {
                let fits = if self.expect.is_empty() { (200..300).contains(&status) } else { self.expect.contains(&status) };
                let done = if fits { Done::ok() } else { Done::error(String::new()) };
                Done { exit_code: Some(i32::from(status)), ..done.saying(format!("answered with {status}")).with(cut(body)) }
            }
            Err(error) => Done::error(crate::client::sentence(&error)),
        }
    }

    async fn answer(&self) -> reqwest::Result<(u16, String)> {
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(self.timeout.unwrap_or(LIMIT)).build()?;
        let method = reqwest::Method::from_bytes(self.method.as_str().as_bytes()).unwrap_or_default();
        let mut request = client.request(method, self.url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body.to_owned());
        }
        let mut answer = request.send().await?;
        let (status, mut body) = (answer.status().as_u16(), Vec::new());
        while let Some(piece) = answer.chunk().await? {
            body.extend_from_slice(&piece[..piece.len().min(OUTPUT_BYTES_MAX - body.len())]);
            if body.len() == OUTPUT_BYTES_MAX {
                break;
            }
        }
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_wire::native::ReportState;
    use std::io::{Read as _, Write as _};

    #[tokio::test]
    async fn a_call_tells_its_status_and_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a call");
            let (mut text, mut piece) = (String::new(), [0; 4_096]);
            while !text.contains("the body") {
                let n = stream.read(&mut piece).expect("a piece");
                text.push_str(&String::from_utf8_lossy(&piece[..n]));
            }
            stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone").expect("written");
            text
        });
        // Another module's client may not have set it up yet.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let headers = BTreeMap::from([("X-Of".to_owned(), "muster".to_owned())]);
        let call = Call { url: &url, method: Method::Post, headers: &headers, body: Some("the body"), expect: &[204], timeout: None };
        let done = call.make().await;
        assert_eq!((done.state, done.exit_code, done.output.as_deref()), (ReportState::Error, Some(202), Some("done")));
        let text = heard.join().expect("heard");
        assert!(text.starts_with("POST /hook HTTP/1.1\r\n") && text.contains("x-of: muster"), "{text}");
    }
}
