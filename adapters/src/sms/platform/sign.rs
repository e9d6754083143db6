//! The signature of the agency's own platform, the same both ways (sms.md 6). Pure.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::sms::aliyun::sign::hmac_sha256;

/// How far a timestamp may lie from our clock, in seconds.
pub const WINDOW_SECONDS: i64 = 300;
/// How long a nonce is remembered, in seconds: twice the window.
pub const NONCE_SECONDS: u64 = 600;
/// Shortest shared secret, in bytes.
pub const SECRET_BYTES: usize = 32;

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// In capitals.
    pub method: &'a str,
    /// As the sender wrote it.
    pub path: &'a str,
    /// Behind the question mark, as written; may be empty.
    pub query: &'a str,
    /// Seconds since 1970, as in the header.
    pub timestamp: &'a str,
    /// 16 to 64 of `[A-Za-z0-9_-]`.
    pub nonce: &'a str,
    /// As sent.
    pub body: &'a [u8],
}

impl Signed<'_> {
    /// The lines that are signed.
    pub fn string_to_sign(&self) -> String {
        let Self { method, path, query, timestamp, nonce, body } = self;
        format!("v1\n{method}\n{path}\n{query}\n{timestamp}\n{nonce}\n{}", hex::encode(Sha256::digest(body)))
    }

    /// The header `X-Sms-Signature`.
    pub fn signature(&self, secret: &str) -> String {
        format!("v1={}", hex::encode(hmac_sha256(secret.as_bytes(), self.string_to_sign().as_bytes())))
    }

    /// Whether a signature is the right one; compared in constant time, case and prefix included.
    pub fn holds(&self, given: &str, secret: &str) -> bool {
        self.signature(secret).as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// Whether the time is near ours and the nonce can be one.
    pub fn in_time(&self, now: Timestamp) -> bool {
        let nonce = (16..=64).contains(&self.nonce.len())
            && self.nonce.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let near = self.timestamp.parse::<i64>().is_ok_and(|at| {
            at.checked_sub(now.as_second()).is_some_and(|apart| apart.unsigned_abs() <= WINDOW_SECONDS.unsigned_abs())
        });
        nonce && near
    }
}
