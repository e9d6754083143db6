//! What a text message may hold: how long it is, where it may be cut, who is called and what a keyword means. All pure.

pub mod content;
pub mod extension;
pub mod fit;
pub mod gsm7;
pub mod number;
pub mod opt_out;
pub mod segments;
pub mod signature;
pub mod udh;

pub use fit::{Fitted, Limits, Unfit, Wanted, fit};
pub use number::{Kind, Number};
pub use signature::Signature;

/// Full-width letters, digits and signs as their common twins, the ideographic space as a common one: the part of NFKC
/// that phones produce.
pub(crate) fn half_width(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            '\u{3000}' | '\u{a0}' => ' ',
            c => c,
        })
        .collect()
}
