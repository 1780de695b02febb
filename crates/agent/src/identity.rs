//! The agent's directory: its key, what it joined, what it has told. Every file is replaced whole or not at all.
//!
//! Files: `agent.key` (the private key, 0600), `membership.json` (what enrolment gave), `sent.json` (hashes of what was sent),
//! `contact.json` (when the server was last reached), `names.json` (tag and name that the server set), `journal` (see [`crate::journal`]), `alive.json` and
//! `crash-….json` (see [`crate::crash`]), `lock`. Absent on purpose: the network.

use crate::clock::random;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{SigningKey, VerifyingKey};
use muster_core::ids::AgentId;
use muster_core::time::Timestamp;
use muster_wire::native::{self, SectionMark};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const KEY: &str = "agent.key";
const MEMBERSHIP: &str = "membership.json";
const SENT: &str = "sent.json";
const CONTACT: &str = "contact.json";
const NAMES: &str = "names.json";
const LOCK: &str = "lock";
/// Former keys of the server that are kept.
const FORMER_KEYS_MAX: usize = 8;

/// Why the directory is of no use.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file or the directory could not be read or written.
    #[error("{path}: {source}. The agent's directory is chosen with --data DIR", path = path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is there and is not what the agent writes.
    #[error("{path} is damaged: {why}. Restore it, or remove the whole directory and join again", path = path.display())]
    Damaged {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another agent has the directory.
    #[error("another agent works with {path}; stop it, or choose another directory with --data DIR", path = path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The system has no randomness for a key.
    #[error("no key could be made, the system has no randomness: {0}")]
    Randomness(getrandom::Error),
}

/// What enrolment gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The server's address at enrolment.
    pub server: String,
    /// This agent's id.
    pub agent_id: AgentId,
    /// Which life of this agent this is; reports carry it.
    pub incarnation: u32,
    /// The server's pinned public key as text.
    pub server_key: String,
    /// Those that were pinned before it, the newest first: orders that were taken then are held to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_keys: Vec<String>,
    /// Name of the organization.
    pub org: String,
    /// When it joined.
    pub joined: Timestamp,
}

/// What the server was last told, by section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Hash of each section.
    pub sections: BTreeMap<String, SectionMark>,
}

/// The last time the server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastContact {
    /// When; written at most every five minutes.
    pub at: Timestamp,
    /// By how much the server's clock was ahead of this machine's, milliseconds.
    #[serde(default)]
    pub ahead_ms: i64,
}

/// What the server set of how the machine is told of; see the action `configure_agent`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// A word by which people find the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// A name instead of the host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The agent's directory.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held, never read: the lock ends with it.
    _lock: Option<File>,
}

impl DataDir {
    /// Opens the directory for work, makes it (0700) when it is not there, and keeps other agents out.
    pub fn open(path: &Path) -> Result<Self, IdentityError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Io { path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))?;
        let name = path.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&name).map_err(failed(&name))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: Some(lock) }),
            Err(fs::TryLockError::WouldBlock) => Err(IdentityError::Locked { path: path.to_owned() }),
            Err(fs::TryLockError::Error(source)) => Err(failed(&name)(source)),
        }
    }

    /// Looks at the directory without making or locking anything.
    pub fn look(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
    }

    /// The private key; none before the first enrolment.
    pub fn key(&self) -> Result<Option<SigningKey>, IdentityError> {
        let Some(text) = self.read(KEY)? else {
            return Ok(None);
        };
        let seed = URL_SAFE_NO_PAD.decode(text.trim_ascii()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        match seed {
            Some(seed) => Ok(Some(SigningKey::from_bytes(&seed))),
            None => Err(IdentityError::Damaged { path: self.path.join(KEY), why: "it does not hold a key".to_owned() }),
        }
    }

    /// The private key, made now and kept when there is none. It is kept before it is used, so that an enrolment whose answer
    /// was lost is repeated with the same key.
    pub fn key_or_new(&self) -> Result<SigningKey, IdentityError> {
        if let Some(key) = self.key()? {
            return Ok(key);
        }
        let key = SigningKey::from_bytes(&random().map_err(IdentityError::Randomness)?);
        self.write(KEY, format!("{}\n", URL_SAFE_NO_PAD.encode(key.to_bytes())).as_bytes())?;
        Ok(key)
    }

    /// What was joined, with the pinned key; none before enrolment.
    pub fn membership(&self) -> Result<Option<(Membership, VerifyingKey)>, IdentityError> {
        let Some(membership) = self.read_json::<Membership>(MEMBERSHIP)? else {
            return Ok(None);
        };
        match native::public_key(&membership.server_key) {
            Ok(key) => Ok(Some((membership, key))),
            Err(e) => Err(IdentityError::Damaged { path: self.path.join(MEMBERSHIP), why: e.to_string() }),
        }
    }

    /// Keeps what was joined. Nothing counts as sent in a new life.
    pub fn join(&self, membership: &Membership) -> Result<(), IdentityError> {
        self.write_json(SENT, &Sent::default())?;
        self.write_json(MEMBERSHIP, membership)
    }

    /// Keeps that another key of the server is pinned.
    pub fn repin(&self, key: &VerifyingKey) -> Result<(), IdentityError> {
        let Some((mut membership, _)) = self.membership()? else { return Ok(()) };
        let former = std::mem::replace(&mut membership.server_key, native::public_key_text(key));
        membership.former_keys.insert(0, former);
        membership.former_keys.truncate(FORMER_KEYS_MAX);
        self.write_json(MEMBERSHIP, &membership)
    }

    /// What was last sent; nothing when it is unknown, which costs one full inventory.
    pub fn sent(&self) -> Sent {
        self.read_json(SENT).ok().flatten().unwrap_or_default()
    }

    /// Keeps what was sent.
    pub fn keep_sent(&self, sent: &Sent) -> Result<(), IdentityError> {
        self.write_json(SENT, sent)
    }

    /// When the server was last reached.
    pub fn last_contact(&self) -> Option<LastContact> {
        self.read_json(CONTACT).ok().flatten()
    }

    /// Keeps when the server was last reached.
    pub fn keep_contact(&self, contact: LastContact) -> Result<(), IdentityError> {
        self.write_json(CONTACT, &contact)
    }

    /// What the server set; nothing when it set nothing.
    pub fn names(&self) -> Result<Names, IdentityError> {
        Ok(self.read_json(NAMES)?.unwrap_or_default())
    }

    /// Keeps what the server set.
    pub fn keep_names(&self, names: &Names) -> Result<(), IdentityError> {
        self.write_json(NAMES, names)
    }

    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, IdentityError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(IdentityError::Io { path, source }),
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes a file away, if it is there.
    pub(crate) fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.path.join(name));
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, IdentityError> {
        let Some(bytes) = self.read(name)? else {
            return Ok(None);
        };
        let damaged = |e: serde_json::Error| IdentityError::Damaged { path: self.path.join(name), why: e.to_string() };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), IdentityError> {
        let damaged = |e: serde_json::Error| IdentityError::Damaged { path: self.path.join(name), why: e.to_string() };
        let mut bytes = serde_json::to_vec_pretty(value).map_err(damaged)?;
        bytes.push(b'\n');
        self.write(name, &bytes)
    }

    /// A file to write at its end, 0600; made when it is not there.
    pub(crate) fn append(&self, name: &str) -> Result<File, IdentityError> {
        let open = OpenOptions::new().create(true).append(true).mode(0o600).open(self.path.join(name));
        open.map_err(|source| self.failed(name, source))
    }

    /// That a file could not be read or written.
    pub(crate) fn failed(&self, name: &str, source: io::Error) -> IdentityError {
        IdentityError::Io { path: self.path.join(name), source }
    }

    /// That a file is not what the agent writes.
    pub(crate) fn damaged(&self, name: &str, why: String) -> IdentityError {
        IdentityError::Damaged { path: self.path.join(name), why }
    }

    /// Replaces a file: a new one beside it, on the disk, renamed over it, and the directory on the disk too.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), IdentityError> {
        let path = self.path.join(name);
        let beside = self.path.join(format!("{name}.new"));
        let written = || -> io::Result<()> {
            // A leftover of a crash may have been made with other rights.
            if let Err(e) = fs::remove_file(&beside)
                && e.kind() != io::ErrorKind::NotFound
            {
                return Err(e);
            }
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&beside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(&self.path)?.sync_all()
        };
        written().map_err(|source| IdentityError::Io { path: path.clone(), source })
    }
}
