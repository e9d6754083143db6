//! By which bytes a mail is known again when its place in the mailbox no longer says anything.

use sha2::{Digest as _, Sha256};

use super::head::{field_name, lines};

/// Fields that the last servers on the way put on top; a second delivery of the same mail carries others.
const OF_DELIVERY: [&[u8]; 14] = [
    b"return-path",
    b"delivered-to",
    b"received",
    b"received-spf",
    b"authentication-results",
    b"envelope-to",
    b"delivery-date",
    b"x-original-to",
    b"x-delivered-to",
    b"x-received",
    b"x-envelope-to",
    b"x-envelope-from",
    b"x-sieve",
    b"x-resolved-to",
];

/// SHA-256, in hexadecimal, over the mail from its first header field that no local delivery has added. Line ends are
/// counted as `\n`, so that a server that changes them (or a copy of the mail in a file) gives the same key.
pub fn content_key(raw: &[u8]) -> String {
    let mut hash = Sha256::new();
    let mut counted = false;
    let mut skipping = true;
    for line in lines(raw) {
        if !counted {
            if matches!(line.first(), Some(b' ' | b'\t')) && skipping {
                continue;
            }
            let envelope = line.is_empty() || line.starts_with(b"From ") || line.starts_with(b">From ");
            skipping = envelope
                || field_name(line)
                    .is_some_and(|name| OF_DELIVERY.iter().any(|known| name.eq_ignore_ascii_case(known)));
            if skipping {
                continue;
            }
            counted = true;
        }
        hash.update(line);
        hash.update(b"\n");
    }
    if !counted {
        // Nothing but envelope: the bytes themselves are all there is to know it by.
        hash.update(raw);
    }
    hex::encode(hash.finalize())
}
