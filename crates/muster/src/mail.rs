//! Mail over SMTP. What is to be sent waits as an assignment in the database, which is its outbox: one that could not be sent is
//! tried again as its task says, and keeps its Message-ID, so that a receiver can tell a second copy.

use crate::config::Mail;
use anyhow::Context as _;
use lettre::message::{Mailbox, header::ContentType};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use muster_core::ids::AssignmentId;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Sends mail. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Post {
    transport: Transport,
    from: Mailbox,
}

/// Checks the address of a mail server: `smtps://USER:PASSWORD@HOST[:465]` is encrypted from the start,
/// `smtp://…?tls=required` by STARTTLS, `?tls=opportunistic` where the server can, `smtp://HOST` not at all. The error is the end
/// of a sentence.
pub fn server(address: &str) -> Result<(), String> {
    let url = reqwest::Url::parse(address).map_err(|e| format!("it is no address: {e}"))?;
    if !["smtp", "smtps"].contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        return Err("it must begin with smtps:// or smtp:// and name a host".to_owned());
    }
    let is_open = url.scheme() == "smtp" && !url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
    if is_open && url.password().is_some() {
        return Err("a password needs encryption: write smtps://, or smtp://…?tls=required".to_owned());
    }
    Transport::from_url(address).map(|_| ()).map_err(|e| format!("it cannot be used: {e}"))
}

impl Post {
    /// A sender by the configuration, which has checked it.
    pub fn new(mail: &Mail) -> anyhow::Result<Self> {
        let transport = Transport::from_url(&mail.smtp).context("smtp is no address of a mail server")?.build();
        Ok(Self { transport, from: mail.from.parse().context("mail_from is no mail address")? })
    }

    /// Sends one mail to all or to none. Gives the server's answer, or why not.
    pub async fn send(&self, id: AssignmentId, to: &[String], subject: &str, body: &str) -> Result<String, String> {
        let message = self.message(id, to, subject, body)?;
        match self.transport.send(message).await {
            Ok(answer) => Ok(format!("taken: {}", answer.message().collect::<Vec<_>>().join(" "))),
            Err(error) => Err(cause(&error)),
        }
    }

    fn message(&self, id: AssignmentId, to: &[String], subject: &str, body: &str) -> Result<Message, String> {
        let domain = self.from.email.domain();
        let mut message = Message::builder().from(self.from.clone()).subject(subject).message_id(Some(format!("<{id}@{domain}>")));
        for address in to {
            message = message.to(address.parse().map_err(|e| format!("'{address}' is no mail address: {e}"))?);
        }
        message.header(ContentType::TEXT_PLAIN).body(body.to_owned()).map_err(|e| e.to_string())
    }
}

/// A failure with its causes, in one line.
fn cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string);
    let mut all: Vec<String> = Vec::new();
    for text in causes {
        if !all.iter().any(|before| before.contains(&text)) {
            all.push(text);
        }
    }
    all.join(": ")
}
