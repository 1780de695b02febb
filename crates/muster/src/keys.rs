//! The server's key and how private files are written.

use anyhow::{Context, anyhow, bail};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::spki::der::zeroize::Zeroizing;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use muster_wire::keys::{ServerKeys, fingerprint};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const SERVER_KEY: &str = "server-key.pem";
/// How the file of a retired key begins and ends; between them is its fingerprint.
const RETIRED: &str = "server-key-";
const PEM: &str = ".pem";

/// The keys that sign answers and orders to Muster's own agents (Ed25519, PKCS #8 PEM, readable by their owner only): the current one,
/// made when missing, and those before it that were not forgotten.
pub fn server_keys(directory: &Path) -> anyhow::Result<ServerKeys> {
    directory_of_secrets(directory)?;
    let path = directory.join(SERVER_KEY);
    if !path.exists() {
        write_new_private(&path, new_key()?.as_bytes())?;
    }
    let mut retired = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(RETIRED) && name.ends_with(PEM) {
            retired.push((name.to_owned(), read_key(&path)?));
        }
    }
    retired.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(ServerKeys::new(read_key(&path)?, retired.into_iter().map(|(_, key)| key).collect()))
}

fn new_key() -> anyhow::Result<Zeroizing<String>> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| anyhow!("the system gives no randomness: {e}"))?;
    SigningKey::from_bytes(&secret).to_pkcs8_pem(LineEnding::LF).map_err(|e| anyhow!("the server's key cannot be written: {e}"))
}

fn read_key(path: &Path) -> anyhow::Result<SigningKey> {
    let pem = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|e| anyhow!("{} is no Ed25519 key in PKCS #8 PEM: {e}", path.display()))
}

fn retired_path(directory: &Path, print: &str) -> PathBuf {
    directory.join(format!("{RETIRED}{print}{PEM}"))
}

/// Makes a new current key and retires the one so far; gives the fingerprints of both, the old one first. Safe to be cut off anywhere:
/// the old key is kept under its retired name before it is replaced.
pub fn rotate(directory: &Path) -> anyhow::Result<(String, String)> {
    let old = server_keys(directory)?.current().verifying_key();
    let (path, retired) = (directory.join(SERVER_KEY), retired_path(directory, &fingerprint(&old)));
    if !retired.exists() {
        fs::hard_link(&path, &retired).with_context(|| format!("cannot write {}", retired.display()))?;
    }
    let beside = directory.join("server-key.next");
    let told = || format!("cannot write {}", beside.display());
    if beside.exists() {
        fs::remove_file(&beside).with_context(told)?;
    }
    write_new_private(&beside, new_key()?.as_bytes())?;
    let new = read_key(&beside)?.verifying_key();
    fs::rename(&beside, &path).with_context(|| format!("cannot write {}", path.display()))?;
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .with_context(|| format!("cannot write {}", directory.display()))?;
    Ok((fingerprint(&old), fingerprint(&new)))
}

/// Forgets a retired key: agents that still pin it have to join anew.
pub fn forget(directory: &Path, print: &str) -> anyhow::Result<()> {
    let keys = server_keys(directory)?;
    if fingerprint(&keys.current().verifying_key()) == print {
        bail!("{print} is the current key; make another one with 'muster admin keys rotate' first");
    }
    let path = retired_path(directory, print);
    match keys.retired().iter().any(|key| fingerprint(&key.verifying_key()) == print) && path.exists() {
        true => fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display())),
        false => bail!("there is no retired key {print} in {}; 'muster admin keys show' lists them", directory.display()),
    }
}

/// Makes a directory that only its owner enters, unless it is there.
pub fn directory_of_secrets(directory: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).with_context(|| format!("cannot make the directory {}", directory.display()))
}

/// Writes a file that only its owner reads, whole or not at all; a file that is there already wins, so that two programs that
/// start at once end with the same one.
pub fn write_new_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let told = || format!("cannot write {}", path.display());
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft).with_context(told)?;
    file.write_all(content).and_then(|()| file.sync_all()).with_context(told)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).with_context(told)?;
    match linked {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(e).with_context(told),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_key_is_made_once_and_only_its_owner_reads_it() {
        let place = tempfile::tempdir().expect("a directory");
        let keys = place.path().join("keys");
        let first = server_keys(&keys).expect("made");
        assert_eq!(server_keys(&keys).expect("read").current().to_bytes(), first.current().to_bytes());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(keys.join(SERVER_KEY)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(&keys).expect("listed").count(), 1);
    }
    #[test]
    fn a_new_key_follows_the_old_one_until_that_is_forgotten() {
        let place = tempfile::tempdir().expect("a directory");
        let keys = place.path().join("keys");
        let first = fingerprint(&server_keys(&keys).expect("made").current().verifying_key());
        let (old, new) = rotate(&keys).expect("rotated");
        assert!(old == first && new != old);
        let (second, third) = rotate(&keys).expect("rotated again");
        assert_eq!(second, new);
        let mut known: Vec<String> =
            server_keys(&keys).expect("read").retired().iter().map(|key| fingerprint(&key.verifying_key())).collect();
        known.sort();
        let mut expected = vec![first.clone(), second.clone()];
        expected.sort();
        assert_eq!(known, expected);
        assert!(forget(&keys, &third).unwrap_err().to_string().contains("current"));
        forget(&keys, &first).expect("forgotten");
        assert!(forget(&keys, &first).is_err() && forget(&keys, "../x").is_err());
        assert_eq!(server_keys(&keys).expect("read").retired().len(), 1);
    }
}
