//! The server's keys as agents know them: one that signs, those before it, and how an agent that pinned one of these comes to know
//! the newest (`docs/protocols/native.md`, "Another key of the server").

use crate::native::{AuthError, public_key, public_key_text};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

/// Header of a request: the fingerprint of the key that the agent pinned.
pub const PIN_HEADER: &str = "muster-pinned-key";
/// Header of an answer: the key that follows the pinned one.
pub const SUCCESSOR_HEADER: &str = "muster-successor-key";

/// The short name of a key: the first 16 hexadecimal digits of its blake3.
pub fn fingerprint(key: &VerifyingKey) -> String {
    blake3::hash(key.as_bytes()).to_hex()[..16].to_owned()
}

/// The key that signs, and those that signed before it and are still honoured.
#[derive(Clone, Debug)]
pub struct ServerKeys {
    current: SigningKey,
    retired: Vec<SigningKey>,
}

impl From<SigningKey> for ServerKeys {
    fn from(current: SigningKey) -> Self {
        Self { current, retired: Vec::new() }
    }
}

impl ServerKeys {
    /// These keys; a retired one that is the current one counts once.
    pub fn new(current: SigningKey, mut retired: Vec<SigningKey>) -> Self {
        retired.retain(|key| key.to_bytes() != current.to_bytes());
        Self { current, retired }
    }

    /// The key that signs orders, and is told to agents that join.
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// Those before it.
    pub fn retired(&self) -> &[SigningKey] {
        &self.retired
    }

    /// The key whose signature an agent can check that pinned the one with this fingerprint, and the value of [`SUCCESSOR_HEADER`] when
    /// that is not the current one. Of a key that is not known here the current one.
    pub fn answering(&self, pinned: Option<&str>) -> (&SigningKey, Option<String>) {
        let old = pinned.and_then(|pinned| self.retired.iter().find(|key| fingerprint(&key.verifying_key()) == pinned));
        old.map_or((&self.current, None), |old| (old, Some(succession(old, &self.current.verifying_key()))))
    }
}

fn lines(new: &str) -> String {
    format!("muster-successor-v1\n{new}")
}

/// Value of [`SUCCESSOR_HEADER`]: the old key says which key follows it.
pub fn succession(old: &SigningKey, new: &VerifyingKey) -> String {
    let new = public_key_text(new);
    format!("v1 {new} {}", URL_SAFE_NO_PAD.encode(old.sign(lines(&new).as_bytes()).to_bytes()))
}

/// The key that follows the pinned one, when the pinned one says so.
pub fn successor(pinned: &VerifyingKey, header: &str) -> Result<VerifyingKey, AuthError> {
    const FORM: AuthError = AuthError::Malformed("expected 'v1 KEY SIGNATURE'");
    let mut parts = header.split(' ');
    let (Some("v1"), Some(new), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return Err(FORM) };
    let signature = URL_SAFE_NO_PAD.decode(signature).ok().and_then(|bytes| <[u8; 64]>::try_from(bytes).ok()).ok_or(FORM)?;
    pinned.verify_strict(lines(new).as_bytes(), &Signature::from_bytes(&signature)).map_err(|_| AuthError::Mismatch)?;
    public_key(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn whoever_pinned_an_old_key_is_answered_with_it_and_told_the_new_one() {
        let keys = ServerKeys::new(key(3), vec![key(1), key(2), key(3)]);
        assert_eq!(keys.retired().len(), 2);
        let pin = |seed: u8| fingerprint(&key(seed).verifying_key());
        let (signs, told) = keys.answering(Some(&pin(1)));
        assert_eq!(signs.to_bytes(), key(1).to_bytes());
        assert_eq!(successor(&key(1).verifying_key(), &told.expect("told")), Ok(key(3).verifying_key()));
        for pinned in [Some(pin(3)), Some(pin(9)), None] {
            let (signs, told) = keys.answering(pinned.as_deref());
            assert_eq!((signs.to_bytes(), told), (key(3).to_bytes(), None));
        }
    }

    #[test]
    fn only_the_pinned_key_names_its_successor() {
        let told = succession(&key(1), &key(2).verifying_key());
        assert_eq!(successor(&key(9).verifying_key(), &told), Err(AuthError::Mismatch));
        let other = told.replace(&public_key_text(&key(2).verifying_key()), &public_key_text(&key(4).verifying_key()));
        assert_eq!(successor(&key(1).verifying_key(), &other), Err(AuthError::Mismatch));
        for bad in ["", "v1", "v2 a b", "v1 a b c", &told[..told.len() - 1]] {
            assert!(successor(&key(1).verifying_key(), bad).is_err(), "{bad}");
        }
    }
}
