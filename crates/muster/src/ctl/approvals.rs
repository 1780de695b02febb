//! Approvals: large starts that wait for a second person.

use super::client::{Client, encoded};
use super::lists::{self, ListArgs};
use super::output::{self, Form};
use clap::{Args, Subcommand};
use serde_json::json;

/// Which approvals, or what is done.
#[derive(Debug, Args)]
pub struct Approvals {
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    command: Option<ApprovalCommand>,
}

/// What is done.
#[derive(Debug, Subcommand)]
pub enum ApprovalCommand {
    /// Asks for the approval of a start of a task on exactly those machines that it selects now
    Ask {
        /// The task's name or id
        task: String,
        /// Why, for who decides
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// Shows an approval
    Show {
        /// Its id
        approval: String,
    },
    /// Rejects a start; who asked for it takes it back in the same way. Approving is for people who are signed in to the console
    Reject {
        /// Its id
        approval: String,
        /// For who asked
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
}

/// Runs what a command line says about approvals.
pub async fn run(client: &Client, args: Approvals, form: Form) -> anyhow::Result<()> {
    let answer = match args.command {
        None => return lists::list(client, &lists::APPROVALS, &args.list, form).await,
        Some(ApprovalCommand::Ask { task, note }) => {
            let id = encoded(&client.id_of("tasks", "task", &task).await?);
            client.post(&format!("tasks/{id}/approvals"), &json!({"note": note})).await?
        }
        Some(ApprovalCommand::Show { approval }) => client.get(&format!("approvals/{}", encoded(&approval)), &[]).await?,
        Some(ApprovalCommand::Reject { approval, note }) => {
            client.post(&format!("approvals/{}/reject", encoded(&approval)), &json!({"note": note})).await?
        }
    };
    output::record(&answer, form)
}
