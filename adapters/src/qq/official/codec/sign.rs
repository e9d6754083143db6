//! Ed25519 as the platform uses it: one key made from the robot's secret signs what the platform sends and what it is
//! answered when it looks at a callback address (qq-official.md 3.1).

use ed25519_dalek::{Signature, Signer as _, SigningKey};

/// Bytes of a seed.
const SEED: usize = 32;
/// Longest token that is signed unasked; the documented one has 20 characters.
const LONGEST_TOKEN: usize = 64;
/// Longest timestamp that is signed unasked: milliseconds have 13 digits.
const LONGEST_TIME: usize = 13;

/// The robot's key pair.
#[derive(Clone)]
pub struct Keys(SigningKey);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// A secret without a character gives no seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("app_secret 为空：请在 QQ 开放平台的开发设置里生成 AppSecret")]
pub struct EmptySecret;

impl Keys {
    /// The pair of a secret: doubled until it has 32 bytes, cut there.
    ///
    /// # Errors
    /// Where the secret is empty.
    pub fn new(secret: &str) -> Result<Self, EmptySecret> {
        if secret.is_empty() {
            return Err(EmptySecret);
        }
        // Doubling and cutting is the same as repeating and cutting.
        let mut seed = [0; SEED];
        for (place, byte) in seed.iter_mut().zip(secret.bytes().cycle()) {
            *place = byte;
        }
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Whether `signature` (hex) is the platform's over the timestamp and the body as it came, byte by byte.
    pub fn verify(&self, signature: &str, timestamp: &str, body: &[u8]) -> bool {
        let Ok(bytes) = hex::decode(signature) else { return false };
        let Ok(bytes) = <[u8; 64]>::try_from(bytes) else { return false };
        // The document's own check, before anything is computed.
        if timestamp.is_empty() || bytes[63] & 0xE0 != 0 {
            return false;
        }
        let message = [timestamp.as_bytes(), body].concat();
        self.0.verifying_key().verify_strict(&message, &Signature::from_bytes(&bytes)).is_ok()
    }

    /// The answer to a validation (op 13), in hex. Whatever is signed here would pass as an event as well, so nothing is
    /// signed that [`may_sign`] does not allow, or that did not come signed itself.
    pub fn sign(&self, event_ts: &str, plain_token: &str) -> String {
        hex::encode(self.0.sign(format!("{event_ts}{plain_token}").as_bytes()).to_bytes())
    }
}

/// Whether a validation that came without a signature may be answered: what is signed must never read as an event, which
/// begins with a timestamp and goes on with JSON.
pub fn may_sign(event_ts: &str, plain_token: &str) -> bool {
    let time = (1..=LONGEST_TIME).contains(&event_ts.len()) && event_ts.bytes().all(|byte| byte.is_ascii_digit());
    let token = (1..=LONGEST_TOKEN).contains(&plain_token.len())
        && plain_token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    time && token
}
