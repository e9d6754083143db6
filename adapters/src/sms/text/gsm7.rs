//! The GSM default alphabet, for counting what goes abroad and for telling what a capture holds (sms.md 2).

use super::segments::cut;

/// Septets of a message that goes alone.
const SINGLE: usize = 160;
/// Septets of one part behind a header of six bytes.
const PART: usize = 153;

/// The alphabet by code; the escape at 0x1b is no character.
const ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// What costs an escape before its code.
const EXTENDED: [(char, u8); 10] = [
    ('\u{c}', 0x0a),
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2f),
    ('[', 0x3c),
    ('~', 0x3d),
    (']', 0x3e),
    ('|', 0x40),
    ('€', 0x65),
];

/// One or two septets; `None` for what the alphabet lacks.
fn septets_of(c: char) -> Option<([u8; 2], usize)> {
    if let Some((_, code)) = EXTENDED.iter().find(|(known, _)| *known == c) {
        return Some(([0x1b, *code], 2));
    }
    let at = ALPHABET.chars().position(|known| known == c).filter(|at| *at != 0x1b)?;
    Some(([u8::try_from(at).ok()?, 0], 1))
}

/// The text in septets, one a byte; `None` where the alphabet lacks a character.
pub fn encode(text: &str) -> Option<Vec<u8>> {
    let mut septets = Vec::with_capacity(text.len());
    for c in text.chars() {
        let (codes, count) = septets_of(c)?;
        septets.extend_from_slice(&codes[..count]);
    }
    Some(septets)
}

/// The parts of a text, escape and code never parted; `None` where the alphabet lacks a character.
pub fn segments(text: &str) -> Option<Vec<&str>> {
    encode(text)?;
    Some(cut(text, SINGLE, PART, |c| septets_of(c).map_or(1, |(_, count)| count)))
}

/// Eight septets in seven bytes, behind `fill` bits (one where six bytes of header stand before).
pub fn pack(septets: &[u8], fill: usize) -> Vec<u8> {
    let mut packed = vec![0; (fill + septets.len() * 7).div_ceil(8)];
    for (at, septet) in septets.iter().enumerate() {
        for bit in (0..7).filter(|bit| septet >> bit & 1 == 1) {
            let place = fill + at * 7 + bit;
            packed[place / 8] |= 1 << (place % 8);
        }
    }
    packed
}
