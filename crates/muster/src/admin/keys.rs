//! `muster admin keys`: the keys by which agents know the server.

use super::StoreArgs;
use crate::cli::print;
use crate::keys;
use clap::Subcommand;
use muster_wire::keys::fingerprint;

/// What is done with them.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Lists the current key and those before it, by their fingerprints
    Show {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Makes a new key; the server takes it when it starts again
    ///
    /// Agents follow by themselves at their next contact, as the old key names the new one. With several servers copy the directory
    /// to all of them, then restart them.
    Rotate {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Forgets a key before the current one; agents that have not followed yet have to join anew
    Forget {
        /// Its fingerprint
        fingerprint: String,
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Does it, in the directory of keys.
pub fn run(command: Keys) -> anyhow::Result<()> {
    match command {
        Keys::Show { store } => {
            let known = keys::server_keys(&store.config()?.keys)?;
            print(&format!("{}  current\n", fingerprint(&known.current().verifying_key())))?;
            known.retired().iter().try_for_each(|key| print(&format!("{}  retired\n", fingerprint(&key.verifying_key()))))
        }
        Keys::Rotate { store } => {
            let (old, new) = keys::rotate(&store.config()?.keys)?;
            print(&format!("{new}  current from the next start of the server\n{old}  retired\n"))
        }
        Keys::Forget { fingerprint, store } => keys::forget(&store.config()?.keys, &fingerprint),
    }
}
