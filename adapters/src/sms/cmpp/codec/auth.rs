//! Who we are, and who they are (sms.md 1.2).

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use md5::{Digest as _, Md5};

use super::Width;

/// Local time of the gateways.
pub(super) fn local(at: Timestamp) -> jiff::civil::DateTime {
    at.to_zoned_datetime(TimeZone::fixed(Offset::constant(8))).datetime()
}

/// The ten digits `MMDDHHMMSS` that are hashed; the same digits are the number on the wire.
pub fn timestamp_text(at: Timestamp) -> String {
    local(at).strftime("%m%d%H%M%S").to_string()
}

/// What CONNECT proves itself with: nine bytes of zero, not nine digits `0`, stand before the secret.
pub fn authenticator(source: &str, secret: &str, timestamp: &str) -> [u8; 16] {
    let mut hash = Md5::new();
    hash.update(source.as_bytes());
    hash.update([0; 9]);
    hash.update(secret.as_bytes());
    hash.update(timestamp.as_bytes());
    hash.finalize().into()
}

/// What the gateway's answer proves itself with; the status is hashed in the width it has on the wire.
pub fn gateway_authenticator(width: Width, status: u32, ours: &[u8; 16], secret: &str) -> [u8; 16] {
    let mut hash = Md5::new();
    match width {
        Width::Two => hash.update([u8::try_from(status).unwrap_or(u8::MAX)]),
        Width::Three => hash.update(status.to_be_bytes()),
    }
    hash.update(ours);
    hash.update(secret.as_bytes());
    hash.finalize().into()
}
