//! A text as numbers.

use crate::encoder::{DIMENSIONS, Encoder, Vector};
use crate::normalise::normalise;
use std::collections::HashMap;

/// Longest text that is read, in bytes.
const WINDOW: usize = 900;
/// What the encoder's direction weighs where the characters weigh 1.
const DIRECTION: f32 = 1.2;

/// A text: how much of each column it has, and its direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub sparse: Vec<(u32, f32)>,
    pub dense: Box<[f32]>,
}

impl Row {
    /// The square of its length, the bias included.
    pub fn square(&self) -> f32 {
        self.sparse.iter().map(|(_, x)| x * x).sum::<f32>() + self.dense.iter().map(|x| x * x).sum::<f32>()
    }
}

/// Which pieces of text have a column, and what each weighs.
#[derive(Debug, Clone)]
pub(super) struct Features {
    columns: HashMap<u64, (u32, f32)>,
    encoder: Option<Encoder>,
}

impl Features {
    /// Gives every piece of these texts a column.
    pub fn learn(texts: &[String], encoder: Option<&Encoder>) -> (Self, Vec<Row>) {
        let mut within: HashMap<u64, u32> = HashMap::new();
        for text in texts {
            for (piece, _) in pieces(text) {
                *within.entry(piece).or_default() += 1;
            }
        }
        // In the order of their hashes, so that a map's own order decides nothing.
        let mut sorted: Vec<(u64, u32)> = within.into_iter().collect();
        sorted.sort_unstable();
        let all = texts.len() as f32;
        let columns = sorted
            .into_iter()
            .zip(0u32..)
            .map(|((piece, with), column)| (piece, (column, ((1.0 + all) / (1.0 + with as f32)).ln() + 1.0)))
            .collect();
        let features = Self { columns, encoder: encoder.cloned() };
        let rows = features.rows(texts);
        (features, rows)
    }

    /// How many columns the characters take.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// A text as numbers.
    pub fn row(&self, text: &str) -> Row {
        self.of(text, self.encoder.as_ref().map(|encoder| encoder.encode(text)).as_ref())
    }

    /// Many texts as numbers.
    pub fn rows(&self, texts: &[String]) -> Vec<Row> {
        let directions = self.encoder.as_ref().map(|encoder| encoder.encode_all(texts));
        texts
            .iter()
            .enumerate()
            .map(|(at, text)| self.of(text, directions.as_ref().and_then(|all| all.get(at))))
            .collect()
    }

    fn of(&self, text: &str, direction: Option<&Vector>) -> Row {
        let mut sparse: Vec<(u32, f32)> = pieces(text)
            .into_iter()
            .filter_map(|(piece, count)| {
                let (column, weight) = self.columns.get(&piece)?;
                Some((*column, (1.0 + (count as f32).ln()) * weight))
            })
            .collect();
        let length = sparse.iter().map(|(_, x)| x * x).sum::<f32>().sqrt().max(1e-6);
        for (_, x) in &mut sparse {
            *x /= length;
        }
        sparse.sort_unstable_by_key(|(column, _)| *column);
        // The last number is always there: it carries the bias.
        let mut dense = Vec::with_capacity(DIMENSIONS + 1);
        if let Some(direction) = direction {
            dense.extend(direction.numbers().iter().map(|x| x * DIRECTION));
        }
        dense.push(1.0);
        Row { sparse, dense: dense.into_boxed_slice() }
    }
}

/// The pieces of a text by hash with how often each occurs: one to three neighbouring characters, ends marked, and words
/// of Latin letters.
fn pieces(text: &str) -> Vec<(u64, u32)> {
    let plain = normalise(crate::cues::head(text, WINDOW)).text;
    let mut characters: Vec<char> = vec!['\u{2}'];
    let mut word = String::new();
    let mut found: Vec<u64> = Vec::new();
    for character in plain.chars().chain([' ']) {
        if character.is_ascii_alphabetic() {
            word.push(character);
        } else if !word.is_empty() {
            found.push(hash(word.chars().chain(['\u{1}'])));
            word.clear();
        }
        if character.is_ascii_digit() {
            // Which digit it is tells less than that there is one.
            characters.push('0');
        } else if character.is_alphanumeric() {
            characters.push(character);
        }
    }
    characters.push('\u{3}');
    for length in 1..=3 {
        found.extend(characters.windows(length).map(|window| hash(window.iter().copied())));
    }
    found.sort_unstable();
    found.chunk_by(|a, b| a == b).map(|same| (same[0], u32::try_from(same.len()).unwrap_or(u32::MAX))).collect()
}

/// FNV-1a over characters. Two pieces that meet by chance share a column, which harms nobody.
fn hash(characters: impl Iterator<Item = char>) -> u64 {
    characters.fold(0xcbf2_9ce4_8422_2325, |hash, character| {
        (hash ^ u64::from(u32::from(character))).wrapping_mul(0x0100_0000_01b3)
    })
}
