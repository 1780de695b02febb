//! Credentials of foreign agents: made, listed, deleted.

use super::client::Client;
use super::lists::{self, ListArgs};
use super::login;
use super::output::{self, Form};
use clap::{Args, Subcommand};
use serde_json::json;

/// Names and secrets by which foreign agents show that they belong here.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Credentials {
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    command: Option<CredentialCommand>,
}

#[derive(Debug, Subcommand)]
enum CredentialCommand {
    /// Lists them; their secrets are not kept
    List(ListArgs),
    /// Makes one and shows its secret this once
    Create {
        /// User name or client id that agents say; without a colon
        name: String,
        /// Verify new agents that come with it
        #[arg(long)]
        verified: bool,
        /// Read the secret from standard input instead of making one
        #[arg(long)]
        secret_stdin: bool,
    },
    /// Deletes one: from now on it counts no more, the agents that came with it stay
    Delete {
        /// Its name or id
        credential: String,
    },
}

/// Lists, makes or deletes credentials.
pub async fn run(client: &Client, it: Credentials, form: Form) -> anyhow::Result<()> {
    match it.command {
        None => lists::list(client, &lists::AGENT_CREDENTIALS, &it.list, form).await,
        Some(CredentialCommand::List(list)) => lists::list(client, &lists::AGENT_CREDENTIALS, &list, form).await,
        Some(CredentialCommand::Create { name, verified, secret_stdin }) => {
            let mut body = json!({"name": name, "verified": verified});
            if secret_stdin {
                body["secret"] = json!(login::secret_line("Secret")?);
            }
            output::record(&client.post(PATH, &body).await?, form)
        }
        Some(CredentialCommand::Delete { credential }) => {
            let id = client.id_of(PATH, "credential", &credential).await?;
            output::value(&client.delete(&format!("{PATH}/{id}")).await?, form)
        }
    }
}

const PATH: &str = lists::AGENT_CREDENTIALS.path;
