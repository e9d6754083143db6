//! The terms of a folded text: its characters, pairs of neighbours, and Latin words whole.

use crate::normalise::is_han;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A term as a number: a character, a pair, or the hash of a Latin word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(u64);

const WORD: u64 = 1 << 63;

impl Key {
    fn one(character: char) -> Key {
        Key(u64::from(u32::from(character)))
    }

    fn two(a: char, b: char) -> Key {
        Key(u64::from(u32::from(a)) << 21 | u64::from(u32::from(b)))
    }

    fn word(word: &str) -> Key {
        // FNV-1a; two words that meet by chance cost one wrong shared term.
        let hash = word
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Key(hash | WORD)
    }

    /// The two characters of a pair.
    pub fn pair(self) -> Option<(char, char)> {
        if self.0 & WORD != 0 {
            return None;
        }
        let first = char::from_u32(u32::try_from(self.0 >> 21).ok()?).filter(|c| *c != '\0')?;
        let second = char::from_u32(u32::try_from(self.0 & 0x1f_ffff).ok()?)?;
        Some((first, second))
    }

    /// A Latin word or a number.
    pub fn latin(self) -> bool {
        self.0 & WORD != 0
    }
}

/// A hasher for keys that are numbers already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 29);
    }
}

/// The hasher of maps by [`Key`].
pub(crate) type Keys = BuildHasherDefault<KeyHasher>;

/// Terms with how often each occurs, in the order of their first occurrence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    counts: Vec<(Key, f32)>,
    places: HashMap<Key, usize, Keys>,
}

impl Terms {
    /// The terms of a folded text.
    pub fn of(folded: &str) -> Terms {
        let mut terms = Terms::default();
        terms.add(folded, 1.0);
        terms
    }

    /// Adds a text's terms, each counting `times`.
    pub fn add(&mut self, folded: &str, times: f32) {
        let mut last: Option<char> = None;
        let mut word: Option<usize> = None;
        for (at, character) in folded.char_indices() {
            if character.is_ascii_alphanumeric() {
                word.get_or_insert(at);
                last = None;
                continue;
            }
            if let Some(start) = word.take() {
                self.count(Key::word(&folded[start..at]), times);
            }
            if is_han(character) {
                self.count(Key::one(character), times);
                if let Some(before) = last {
                    self.count(Key::two(before, character), times);
                }
                last = Some(character);
            } else {
                last = None;
            }
        }
        if let Some(start) = word {
            self.count(Key::word(&folded[start..]), times);
        }
    }

    fn count(&mut self, key: Key, times: f32) {
        if let Some(at) = self.places.get(&key) {
            self.counts[*at].1 += times;
        } else {
            self.places.insert(key, self.counts.len());
            self.counts.push((key, times));
        }
    }

    /// Each term once.
    pub fn iter(&self) -> impl Iterator<Item = &(Key, f32)> {
        self.counts.iter()
    }

    /// Whether it occurs.
    pub fn has(&self, key: Key) -> bool {
        self.places.contains_key(&key)
    }
}
