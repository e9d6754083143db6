//! Word pieces: the most likely cut of a text by a unigram model (SentencePiece's form).

use super::EncoderError;
use super::normal::Normaliser;

/// Stands for what no piece covers.
const UNKNOWN: u32 = 0;
/// Begins every text.
const BEGIN: u32 = 1;
/// Ends every text.
const END: u32 = 2;
/// What an unknown character costs more than the rarest piece.
const UNKNOWN_COST: f32 = 10.0;
/// Longest piece that is looked for, in bytes.
const LONGEST: usize = 128;

/// Cuts texts into pieces.
pub(super) struct Tokeniser {
    /// The pieces' bytes, sorted, one after another.
    text: Vec<u8>,
    /// Where each sorted piece begins in `text`; one more for the end.
    starts: Vec<u32>,
    /// Number and score of each sorted piece.
    pieces: Vec<(u32, f32)>,
    /// Where the sorted pieces with this first byte begin; one more for the end.
    first: Vec<usize>,
    unknown: f32,
    normaliser: Normaliser,
}

impl Tokeniser {
    /// Reads a model that has at most `rows` pieces, as many as the table has rows.
    pub fn open(model: &[u8], rows: usize) -> Result<Self, EncoderError> {
        let mut found: Vec<(&[u8], u32, f32)> = Vec::with_capacity(rows);
        let mut map: &[u8] = &[];
        for field in Fields(model) {
            match field? {
                (1, Value::Bytes(piece)) => {
                    let (mut text, mut score): (&[u8], f32) = (&[], 0.0);
                    for field in Fields(piece) {
                        match field? {
                            (1, Value::Bytes(bytes)) => text = bytes,
                            (2, Value::Four(four)) => score = f32::from_le_bytes(four),
                            _ => {}
                        }
                    }
                    if std::str::from_utf8(text).is_err() || text.is_empty() || !score.is_finite() {
                        return Err(EncoderError::Damaged("a word piece cannot be read".to_owned()));
                    }
                    let number = u32::try_from(found.len()).unwrap_or(u32::MAX);
                    found.push((text, number, score));
                }
                (3, Value::Bytes(normaliser)) => {
                    for field in Fields(normaliser) {
                        if let (2, Value::Bytes(bytes)) = field? {
                            map = bytes;
                        }
                    }
                }
                _ => {}
            }
        }
        if found.len() <= END as usize || found.len() > rows {
            return Err(EncoderError::Damaged(format!("{} word pieces for a table of {rows}", found.len())));
        }
        let normaliser = Normaliser::open(map)?;
        let least = found.iter().map(|(_, _, score)| *score).fold(f32::INFINITY, f32::min);
        found.sort_unstable_by_key(|(bytes, number, _)| (*bytes, *number));
        let (mut text, mut starts, mut pieces) = (Vec::new(), vec![0u32], Vec::with_capacity(found.len()));
        for (bytes, number, score) in &found {
            text.extend_from_slice(bytes);
            starts.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
            pieces.push((*number, *score));
        }
        let first =
            (0..=256usize).map(|byte| found.partition_point(|(bytes, _, _)| usize::from(bytes[0]) < byte)).collect();
        Ok(Self { text, starts, pieces, first, unknown: least - UNKNOWN_COST, normaliser })
    }

    /// How many pieces there are.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    fn piece(&self, at: usize) -> &[u8] {
        &self.text[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// The pieces of a text with the marks of begin and end, at most so many.
    pub fn pieces(&self, text: &str, most: usize) -> Vec<u32> {
        // No piece is shorter than a byte and none that is looked for longer than `LONGEST`.
        let normal = self.normaliser.normal(crate::cues::head(text, most.saturating_mul(LONGEST)));
        let mut pieces = vec![BEGIN];
        if normal.is_empty() {
            pieces.push(UNKNOWN);
        } else {
            pieces.extend(self.cut(&normal));
        }
        pieces.truncate(most.saturating_sub(1));
        pieces.push(END);
        pieces
    }

    /// The best cut: of all ways to a place the dearest pieces win, the longer piece on a tie.
    fn cut(&self, normal: &str) -> Vec<u32> {
        let bytes = normal.as_bytes();
        let mut best = vec![f32::NEG_INFINITY; bytes.len() + 1];
        let mut came: Vec<(u32, u32)> = vec![(0, UNKNOWN); bytes.len() + 1];
        best[0] = 0.0;
        for (start, character) in normal.char_indices() {
            let reached = best[start];
            let from = u32::try_from(start).unwrap_or(u32::MAX);
            let mut alone = false;
            let one = start + character.len_utf8();
            self.starting(&bytes[start..], |length, number, score| {
                let end = start + length;
                alone |= end == one;
                if reached + score > best[end] {
                    best[end] = reached + score;
                    came[end] = (from, number);
                }
            });
            if !alone && reached + self.unknown > best[one] {
                best[one] = reached + self.unknown;
                came[one] = (from, UNKNOWN);
            }
        }
        let mut pieces = Vec::new();
        let mut end = bytes.len();
        while end > 0 {
            let (start, number) = came[end];
            pieces.push(number);
            end = start as usize;
        }
        pieces.reverse();
        pieces
    }

    /// Tells every piece with which `bytes` begin, shortest first: its length, number and score.
    fn starting(&self, bytes: &[u8], mut tell: impl FnMut(usize, u32, f32)) {
        let byte = usize::from(bytes[0]);
        let (mut low, mut high) = (self.first[byte], self.first[byte + 1]);
        for depth in 1..=bytes.len().min(LONGEST) {
            if low == high {
                return;
            }
            if self.piece(low).len() == depth {
                let (number, score) = self.pieces[low];
                tell(depth, number, score);
                low += 1;
            }
            let Some(next) = bytes.get(depth) else { return };
            let here = |at: usize| self.piece(at).get(depth).copied();
            low = search(low, high, |at| here(at) < Some(*next));
            high = search(low, high, |at| here(at) <= Some(*next));
        }
    }
}

/// The first place of `low..high` for which `before` does not hold.
fn search(mut low: usize, mut high: usize, before: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = low.midpoint(high);
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

enum Value<'a> {
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Other,
}

/// The fields of a protobuf message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => {
                self.number()?;
                Value::Other
            }
            1 => {
                self.take(8)?;
                Value::Other
            }
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Four(self.take(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), EncoderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| EncoderError::Damaged("the word-piece model cannot be read".to_owned())))
    }
}
