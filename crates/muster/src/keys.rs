//! The server's key and how private files are written.

use anyhow::{Context, anyhow};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use std::fs;
use std::io::Write;
use std::path::Path;

const SERVER_KEY: &str = "server-key.pem";

/// The key that signs answers to Muster's own agents (Ed25519, PKCS #8 PEM, readable by its owner only); made when missing.
pub fn server_key(directory: &Path) -> anyhow::Result<SigningKey> {
    directory_of_secrets(directory)?;
    let path = directory.join(SERVER_KEY);
    if !path.exists() {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|e| anyhow!("the system gives no randomness: {e}"))?;
        let pem =
            SigningKey::from_bytes(&secret).to_pkcs8_pem(LineEnding::LF).map_err(|e| anyhow!("the server's key cannot be written: {e}"))?;
        write_new_private(&path, pem.as_bytes())?;
    }
    let pem = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|e| anyhow!("{} is no Ed25519 key in PKCS #8 PEM: {e}", path.display()))
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
        let first = server_key(&keys).expect("made");
        assert_eq!(server_key(&keys).expect("read").to_bytes(), first.to_bytes());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(keys.join(SERVER_KEY)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(&keys).expect("listed").count(), 1);
    }
}
