//! The normaliser of a word-piece model: a double-array trie of what is replaced by what, and spaces as `▁`.

use super::EncoderError;

/// Stands for a space inside pieces.
const SPACE: &[u8] = "▁".as_bytes();

/// What the model replaces: compatibility forms, full width, odd spaces.
pub(super) struct Normaliser {
    /// Units of a darts-clone double array.
    units: Vec<u32>,
    /// Replacements, each ended by a zero byte.
    texts: Vec<u8>,
}

impl Normaliser {
    /// Reads a precompiled map: length of the trie in bytes, the trie, the replacements.
    pub fn open(map: &[u8]) -> Result<Self, EncoderError> {
        let damaged = || EncoderError::Damaged("the map of characters cannot be read".to_owned());
        let (length, rest) = map.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (trie, texts) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let units: Vec<u32> = trie.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect();
        if units.is_empty() || texts.last() != Some(&0) {
            return Err(damaged());
        }
        Ok(Self { units, texts: texts.to_vec() })
    }

    fn unit(&self, at: usize) -> Option<u32> {
        self.units.get(at).copied()
    }

    /// The longest replaced beginning of `bytes`: what takes its place, and its length.
    fn replaced(&self, bytes: &[u8]) -> Option<(&[u8], usize)> {
        let offset = |unit: u32| (unit >> 10 << ((unit & 0x200) >> 6)) as usize;
        let mut node = offset(self.unit(0)?);
        let mut found = None;
        for (at, byte) in bytes.iter().enumerate() {
            node ^= usize::from(*byte);
            let Some(unit) = self.unit(node).filter(|unit| unit & 0x8000_00ff == u32::from(*byte)) else { break };
            node ^= offset(unit);
            if unit & 0x100 != 0 {
                found = self.unit(node).map(|value| ((value & 0x7fff_ffff) as usize, at + 1));
            }
        }
        let (start, length) = found?;
        let text = self.texts.get(start..)?;
        let end = text.iter().position(|byte| *byte == 0)?;
        Some((&text[..end], length))
    }

    /// The normal form: one `▁` before the first word and between words, none at the end; empty for nothing but spaces.
    pub fn normal(&self, text: &str) -> String {
        let mut out: Vec<u8> = Vec::with_capacity(text.len() + 16);
        let mut after_space = true;
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let one = rest.chars().next().map_or(1, char::len_utf8);
            let (piece, length) = self.replaced(rest.as_bytes()).unwrap_or((&rest.as_bytes()[..one], one));
            // A map that is not the known one might end inside a character.
            let length = if text.is_char_boundary(at + length) { length } else { one };
            at += length;
            let piece = if after_space { piece.trim_ascii_start_spaces() } else { piece };
            if piece.is_empty() {
                continue;
            }
            if out.is_empty() {
                out.extend_from_slice(SPACE);
            }
            for byte in piece {
                if *byte == b' ' {
                    out.extend_from_slice(SPACE);
                } else {
                    out.push(*byte);
                }
            }
            after_space = piece.last() == Some(&b' ');
        }
        while out.ends_with(SPACE) {
            out.truncate(out.len() - SPACE.len());
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

trait Spaces {
    fn trim_ascii_start_spaces(&self) -> &Self;
}

impl Spaces for [u8] {
    /// Without leading spaces; other white space stays.
    fn trim_ascii_start_spaces(&self) -> &Self {
        let spaces = self.iter().take_while(|byte| **byte == b' ').count();
        &self[spaces..]
    }
}
