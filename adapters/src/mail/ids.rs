//! Our Message-IDs: they say what a mail is about, and that we said so (7.2). Pure.
//!
//! `z` + what it is about in base 32 + `.` + a hash of the message's key + `.` + a tag that only the holder of the key can
//! make. The same message always has the same id, so a mail said twice is recognised as one by most receivers; and an answer
//! to it is understood though everything else about it is lost. Anybody may read what it is about, nobody can make one up.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Longest word that is carried; of a longer one only the shelf knows.
const LONGEST: usize = 80;
/// Characters of the hash and of the tag: 80 bits each.
const CHARS: usize = 16;

/// Makes and recognises ids.
#[derive(Clone)]
pub struct Ids {
    mac: Hmac<Sha256>,
    domain: String,
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").field("domain", &self.domain).finish_non_exhaustive()
    }
}

impl Ids {
    /// `secret` is random and kept, 64 bytes at most count; `address` is the mailbox's own.
    pub fn new(secret: &[u8], address: &str) -> Self {
        let domain = address.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        let mut block = [0_u8; 64];
        block.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
        Self { mac: <Hmac<Sha256> as KeyInit>::new(&block.into()), domain }
    }

    /// The id of the message with this key, without brackets.
    pub fn make(&self, about: Option<&str>, key: &str) -> String {
        let about = base32(about.filter(|about| about.len() <= LONGEST).unwrap_or_default().as_bytes());
        let key: String = base32(&Sha256::digest(key.as_bytes())).chars().take(CHARS).collect();
        let tag = self.tag(&about, &key);
        format!("z{about}.{key}.{tag}@{}", self.domain)
    }

    /// `None` where this id is not one of ours; otherwise what it is about, if anything.
    pub fn read(&self, id: &str) -> Option<Option<String>> {
        let local = id.trim_matches(['<', '>', ' ']).split('@').next()?.to_ascii_lowercase();
        let mut parts = local.strip_prefix('z')?.split('.');
        let (about, key, tag) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || key.len() != CHARS || about.len() > LONGEST * 2 {
            return None;
        }
        let ours = self.tag(about, key);
        bool::from(ours.as_bytes().ct_eq(tag.as_bytes())).then_some(())?;
        let about = String::from_utf8(from_base32(about)?).ok()?;
        Some((!about.is_empty()).then_some(about))
    }

    fn tag(&self, about: &str, key: &str) -> String {
        let mut mac = self.mac.clone();
        mac.update(about.as_bytes());
        mac.update(b".");
        mac.update(key.as_bytes());
        base32(&mac.finalize().into_bytes()).chars().take(CHARS).collect()
    }
}

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[(held >> bits) as usize & 31]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[(held << (5 - bits)) as usize & 31]));
    }
    out
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0_u32, 0);
    for c in text.bytes() {
        let value = ALPHABET.iter().position(|of| *of == c)?;
        held = (held << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 255).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    Some(out)
}

/// A short name for something of any length, for keys of the shelf.
pub fn short(text: &str) -> String {
    base32(&Sha256::digest(text.as_bytes())).chars().take(32).collect()
}
