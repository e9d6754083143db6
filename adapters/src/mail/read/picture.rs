//! Which pictures say nothing: logos and dots in signatures (section 5.6 of the mail sheet).

use super::Part;

/// Bytes and side of the largest picture that only decorates.
const LARGEST_BYTES: usize = 10 * 1024;
const LONGEST_SIDE: u32 = 64;

/// Whether a picture shown in the text is so small, by its bytes and its sides, that it only decorates it. A pasted
/// screenshot, often the whole report, is never that small.
pub fn decoration(part: &Part) -> bool {
    part.inline
        && part.kind.starts_with("image/")
        && part.bytes.len() <= LARGEST_BYTES
        && sides(&part.bytes).is_some_and(|(width, height)| width <= LONGEST_SIDE && height <= LONGEST_SIDE)
}

/// Width and height of a PNG or GIF, which is what logos are.
fn sides(bytes: &[u8]) -> Option<(u32, u32)> {
    if bytes.starts_with(b"\x89PNG\r\n\x1A\n") {
        let side = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        return Some((side(16)?, side(20)?));
    }
    if bytes.starts_with(b"GIF8") {
        let side = |at: usize| Some(u32::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)));
        return Some((side(6)?, side(8)?));
    }
    None
}
